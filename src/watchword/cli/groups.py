"""`watchword groups`: what policies speak of."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from watchword.cli.force import in_force
from watchword.cli.shell import shell_of
from watchword.cli.users import find_user

app = typer.Typer(help="Create groups and say who is in them.", no_args_is_help=True)

Group = Annotated[str, typer.Argument(help="Group name.")]
User = Annotated[str, typer.Argument(help="User name.")]


@app.command("list")
def list_groups(context: typer.Context) -> None:
    """List every group with its members."""
    shell = shell_of(context)

    async def act(services: Any) -> list[dict[str, Any]]:
        users = await services.identity.reader.users()
        return [
            {"group": group.name, "members": [user.name for user in users if group.name in user.groups], "id": group.id}
            for group in await services.identity.accounts.groups()
        ]

    shell.show(shell.run(act), "group", "members", "id", empty="there are no groups yet")


@app.command("create")
def create(context: typer.Context, group: Group) -> None:
    """Create a group."""
    shell = shell_of(context)

    async def act(services: Any) -> str:
        await services.identity.accounts.create_group(group, actor=shell.actor)
        return await in_force(services)

    shell.say(f"created group `{group}`; {shell.run(act)}")


@app.command("delete")
def delete(context: typer.Context, group: Group) -> None:
    """Delete a group; its members stay users."""
    shell = shell_of(context)

    async def act(services: Any) -> str:
        await services.identity.accounts.delete_group(group, actor=shell.actor)
        return await in_force(services)

    shell.say(f"deleted group `{group}`; {shell.run(act)}")


@app.command("add")
def add(context: typer.Context, group: Group, user: User) -> None:
    """Put a user into a group; it is made if it does not exist."""
    shell = shell_of(context)

    async def act(services: Any) -> str:
        found = await find_user(services, user)
        await services.identity.accounts.add_to_group(found.id, group, actor=shell.actor)
        return await in_force(services)

    shell.say(f"`{user}` is in `{group}`; {shell.run(act)}")


@app.command("remove")
def remove(context: typer.Context, group: Group, user: User) -> None:
    """Take a user out of a group."""
    shell = shell_of(context)

    async def act(services: Any) -> str:
        found = await find_user(services, user)
        await services.identity.accounts.remove_from_group(found.id, group, actor=shell.actor)
        return await in_force(services)

    shell.say(f"`{user}` is not in `{group}` any more; {shell.run(act)}")
