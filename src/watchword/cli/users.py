"""`watchword users`: people and service accounts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from watchword.cli.force import in_force
from watchword.cli.shell import shell_of

app = typer.Typer(help="Create, invite, disable and list users.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="User name.")]


@app.command("list")
def list_users(context: typer.Context) -> None:
    """List every user."""
    shell = shell_of(context)

    async def act(services: Any) -> list[dict[str, Any]]:
        return [
            {
                "user": user.name,
                "name": user.display_name,
                "email": user.email,
                "groups": sorted(user.groups),
                "timezone": user.timezone,
                "is_privileged": user.is_privileged,
                "state": "disabled" if user.is_disabled else "enabled",
                "id": user.id,
            }
            for user in await services.identity.reader.users()
        ]

    shell.show(shell.run(act), "user", "name", "email", "groups", "state", "id", empty="there are no users yet")


@app.command("create")
def create(
    context: typer.Context,
    name: Name,
    display_name: Annotated[str, typer.Option(help="Name for people.")] = "",
    email: Annotated[str | None, typer.Option(help="E-mail address.")] = None,
    timezone: Annotated[str, typer.Option(help="Time zone, for example Europe/Berlin.")] = "UTC",
    group: Annotated[list[str] | None, typer.Option(help="Group to join; may be repeated.")] = None,
    privileged: Annotated[
        bool, typer.Option("--privileged", help="Mark the account as privileged, for policies.")
    ] = False,
) -> None:
    """Create a user and print a one-time link with which they set up how they sign in."""
    shell = shell_of(context)

    async def act(services: Any) -> tuple[Any, str, str]:
        accounts = services.identity.accounts
        user = await accounts.create_user(
            name,
            actor=shell.actor,
            display_name=display_name,
            email=email,
            timezone=timezone,
            is_privileged=privileged,
            groups=group or (),
        )
        invitation = await accounts.invite(user.id, actor=shell.actor)
        return user, _link(services, invitation), await in_force(services)

    user, link, force = shell.run(act)
    shell.say(f"created `{user.name}`; {force}\nlink, good once and for 24 hours:\n  {link}", user=user.id, link=link)


@app.command("invite")
def invite(
    context: typer.Context,
    name: Name,
    reset: Annotated[
        bool, typer.Option("--reset", help="Remove every factor the user has: for somebody who lost them.")
    ] = False,
) -> None:
    """Print a new one-time link for a user."""
    shell = shell_of(context)

    async def act(services: Any) -> str:
        user = await find_user(services, name)
        return _link(services, await services.identity.accounts.invite(user.id, actor=shell.actor, reset=reset))

    link = shell.run(act)
    shell.say(f"link, good once and for 24 hours:\n  {link}", link=link)


@app.command("change")
def change(
    context: typer.Context,
    name: Name,
    display_name: Annotated[str | None, typer.Option(help="Name for people.")] = None,
    email: Annotated[str | None, typer.Option(help="E-mail address; an empty one removes it.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Time zone, for example Europe/Berlin.")] = None,
    privileged: Annotated[
        bool | None, typer.Option("--privileged/--not-privileged", help="Whether policies call the account so.")
    ] = None,
) -> None:
    """Change what is known of a user; what is not given stays as it is."""
    shell = shell_of(context)
    if display_name is None and email is None and timezone is None and privileged is None:
        raise typer.BadParameter("say what to change: --display-name, --email, --timezone or --privileged")

    async def act(services: Any) -> str:
        user = await find_user(services, name)
        await services.identity.accounts.change_user(
            user.id,
            actor=shell.actor,
            display_name=display_name,
            email=email,
            timezone=timezone,
            is_privileged=privileged,
        )
        return await in_force(services)

    shell.say(f"`{name}` is changed; {shell.run(act)}")


@app.command("disable")
def disable(
    context: typer.Context, name: Name, reason: Annotated[str, typer.Option(help="Why, for the journal.")] = ""
) -> None:
    """Disable a user: sessions end and open streams are cut."""
    shell = shell_of(context)

    async def act(services: Any) -> str:
        user = await find_user(services, name)
        await services.identity.accounts.disable(user.id, actor=shell.actor, reason=reason)
        return await in_force(services)

    shell.say(f"`{name}` is disabled; {shell.run(act)}")


@app.command("enable")
def enable(context: typer.Context, name: Name) -> None:
    """Enable a disabled user."""
    shell = shell_of(context)

    async def act(services: Any) -> str:
        user = await find_user(services, name)
        await services.identity.accounts.enable(user.id, actor=shell.actor)
        return await in_force(services)

    shell.say(f"`{name}` is enabled; {shell.run(act)}")


@app.command("delete")
def delete(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a user and everything that belongs to the account; the journal keeps its story."""
    shell = shell_of(context)
    if not yes:
        typer.confirm(f"Delete `{name}`?", abort=True)

    async def act(services: Any) -> str:
        user = await find_user(services, name)
        await services.identity.accounts.delete_user(user.id, actor=shell.actor)
        return await in_force(services)

    shell.say(f"`{name}` is deleted; {shell.run(act)}")


async def find_user(services: Any, name: str) -> Any:
    """Return the user of that name, or say that there is none."""
    from watchword.kernel import NotFoundError  # noqa: PLC0415  # quick help

    user = await services.identity.accounts.find_user(name)
    if user is None:
        raise NotFoundError(f"there is no user `{name}`", hint="watchword users list shows them")
    return user


def _link(services: Any, invitation: Any) -> str:
    return f"{services.settings.edge.origin()}/invite/{invitation.token.reveal()}"
