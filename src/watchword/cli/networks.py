"""`watchword networks`: the lists of networks that are blocked, allowed or suspicious."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from watchword.cli.force import in_force
from watchword.cli.shell import shell_of

app = typer.Typer(help="Block, allow or distrust networks.", no_args_is_help=True)


@app.command("list")
def list_networks(context: typer.Context) -> None:
    """List every entry."""
    shell = shell_of(context)

    async def act(services: Any) -> list[dict[str, Any]]:
        return [
            {
                "network": entry.network,
                "list": entry.kind.value,
                "reason": entry.reason,
                "by": entry.listed_by,
                "expires": f"{entry.expires_at:%Y-%m-%d %H:%M}" if entry.expires_at else "never",
            }
            for entry in await services.networks.entries()
        ]

    shell.show(shell.run(act), "network", "list", "reason", "by", "expires", empty="no network is listed")


@app.command("add")
def add(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="LIST", help="block, allow or suspicious.")],
    network: Annotated[str, typer.Argument(help="An address or a network such as 203.0.113.0/24.")],
    reason: Annotated[str, typer.Option(help="Why, for those who look later.")],
    hours: Annotated[
        float | None, typer.Option(min=0.01, max=87_600, help="Hours until the entry expires; by default never.")
    ] = None,
    broad: Annotated[bool, typer.Option("--broad", help="Accept a network that covers much of the internet.")] = False,
) -> None:
    """Put a network on a list."""
    shell = shell_of(context)
    listed = _kind(kind)

    async def act(services: Any) -> str:
        from datetime import timedelta  # noqa: PLC0415  # quick help

        expires = services.clock.now() + timedelta(hours=hours) if hours is not None else None
        await services.networks.add(
            listed, network, reason=reason, actor=shell.actor, expires_at=expires, allow_broad=broad
        )
        return await in_force(services)

    shell.say(f"`{network}` is on the {kind} list; {shell.run(act)}")


@app.command("remove")
def remove(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="LIST", help="block, allow or suspicious.")],
    network: Annotated[str, typer.Argument(help="As it stands in the list.")],
) -> None:
    """Take a network off a list."""
    shell = shell_of(context)
    listed = _kind(kind)

    async def act(services: Any) -> str:
        await services.networks.remove(listed, network, actor=shell.actor)
        return await in_force(services)

    shell.say(f"`{network}` is off the {kind} list; {shell.run(act)}")


def _kind(word: str) -> Any:
    from watchword.kernel import ConfigurationError  # noqa: PLC0415  # quick help
    from watchword.trust import NetworkList  # noqa: PLC0415  # as above

    try:
        return NetworkList(word)
    except ValueError:
        raise ConfigurationError(f"`{word}` is no list", hint="use block, allow or suspicious") from None
