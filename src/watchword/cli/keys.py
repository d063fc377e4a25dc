"""`watchword keys`: the keys that sign assertions and the journal, and the one that seals what lies in the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from watchword.cli.force import in_force
from watchword.cli.shell import shell_of

app = typer.Typer(help="List and rotate signing keys, replace the sealing key.", no_args_is_help=True)

_PURPOSES = ("assertion", "journal", "bundle")


@app.command("list")
def list_keys(context: typer.Context) -> None:
    """List the keys that those who verify should accept now."""
    shell = shell_of(context)

    async def act(services: Any) -> list[dict[str, Any]]:
        from watchword.kernel import KeyId  # noqa: PLC0415  # quick help

        return [
            {
                "key": kid,
                "purpose": purpose,
                "signs": kid == services.keys.signer(purpose).kid,
                "made": f"{KeyId(kid).created_at:%Y-%m-%d %H:%M}",
            }
            for purpose in _PURPOSES
            for kid in services.keys.published(purpose)
        ]

    shell.show(shell.run(act), "key", "purpose", "signs", "made", empty="there are no keys before the first start")


@app.command("rotate")
def rotate(
    context: typer.Context,
    purpose: Annotated[str, typer.Argument(help="assertion, journal or bundle.")] = "assertion",
    compromised: Annotated[
        bool, typer.Option("--compromised", help="Withdraw the former key at once instead of after a day.")
    ] = False,
) -> None:
    """Let a new key sign; the former one signs no more and stays published for a day."""
    from datetime import timedelta  # noqa: PLC0415  # quick help

    shell = shell_of(context)

    async def act(services: Any) -> str:
        extra = {"published_for": timedelta()} if compromised else {}
        await services.keys.rotate(purpose, actor=shell.actor, **extra)
        return await in_force(services)

    shell.say(f"a new key signs for {purpose}; {shell.run(act)}")


@app.command("reseal")
def reseal(
    context: typer.Context,
    key_files: Annotated[
        list[Path] | None,
        typer.Option("--key-file", help="A sealed key for bundles to seal anew too; may be given several times."),
    ] = None,
) -> None:
    """Seal everything anew under another sealing key; the node must be stopped, and the former key is kept."""
    shell = shell_of(context)

    async def act(services: Any) -> Any:
        from watchword.app import replace_sealing_key  # noqa: PLC0415  # quick help

        return await replace_sealing_key(services, actor=shell.actor, key_files=key_files or ())

    done = shell.run(act)
    kept = f"; the former key is kept as {done.former}" if done.former else "; give the new key from now on"
    shell.say(
        f"{done.values} values are sealed under another key{kept}",
        values=done.values,
        former=str(done.former) if done.former else None,
    )
