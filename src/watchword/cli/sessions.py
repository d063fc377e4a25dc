"""`watchword sessions`: who is signed in, and the end of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from watchword.cli.force import in_force
from watchword.cli.shell import shell_of
from watchword.cli.users import find_user

app = typer.Typer(help="List sessions and end them.", no_args_is_help=True)


@app.command("list")
def list_sessions(
    context: typer.Context, user: Annotated[str | None, typer.Option(help="Only those of this user.")] = None
) -> None:
    """List live sessions."""
    shell = shell_of(context)

    async def act(services: Any) -> list[dict[str, Any]]:
        names = {found.id: found.name for found in await services.identity.reader.users()}
        return [
            {
                "session": session.id,
                "user": names.get(session.user_id, session.user_id),
                "acr": session.acr.value.rpartition(":")[2],
                "ip": session.ip,
                "signed_in": f"{session.authenticated_at:%Y-%m-%d %H:%M}",
                "ends": f"{session.expires_at:%Y-%m-%d %H:%M}",
                "device": session.device_id,
            }
            for session in await services.identity.reader.sessions()
            if user is None or names.get(session.user_id) == user
        ]

    shell.show(shell.run(act), "session", "user", "acr", "ip", "signed_in", "ends", empty="nobody is signed in")


@app.command("end")
def end(
    context: typer.Context,
    session: Annotated[str | None, typer.Argument(help="Identifier of the session.")] = None,
    user: Annotated[str | None, typer.Option(help="End every session of this user instead.")] = None,
) -> None:
    """End one session, or all of a user; open streams are cut too."""
    from watchword.kernel import ConfigurationError, SessionId  # noqa: PLC0415  # quick help

    shell = shell_of(context)
    if (session is None) == (user is None):
        raise ConfigurationError("name one session, or a user with --user")

    async def act(services: Any) -> tuple[int, str]:
        if session is not None:
            await services.identity.sessions.end(SessionId(session), actor=shell.actor, reason="ended by an operator")
            ended = 1
        else:
            found = await find_user(services, user or "")
            ended = await services.identity.sessions.end_all(found.id, actor=shell.actor, reason="ended by an operator")
        return ended, await in_force(services)

    ended, force = shell.run(act)
    shell.say(f"ended {ended} session{'' if ended == 1 else 's'}; {force}", ended=ended)
