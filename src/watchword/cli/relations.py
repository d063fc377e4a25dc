"""`watchword relations`: who is related to what, and what follows from it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from watchword.cli.force import in_force
from watchword.cli.relations_model import app as model_app
from watchword.cli.relations_model import model_of
from watchword.cli.shell import EXIT_FOUND_WRONG, shell_of

app = typer.Typer(help="Relate users to objects, and ask what follows.", no_args_is_help=True)

Object = Annotated[str, typer.Argument(help="For example resource:notes/admin.")]
Relation = Annotated[str, typer.Argument(help="For example viewer.")]
User = Annotated[str, typer.Argument(help="For example user:usr_..., user:* or group:staff#member.")]
Values = Annotated[str, typer.Option("--context", help="Values for conditions, a JSON object.")]
_AT_ONCE = 500


app.add_typer(model_app, name="model")


@app.command("write")
def write(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="As in `check`; leave all three out with --file.")] = "",
    relation: Annotated[str, typer.Argument(help="For example viewer.")] = "",
    object_: Annotated[str, typer.Argument(metavar="OBJECT", help="For example resource:notes/admin.")] = "",
    condition: Annotated[str, typer.Option(help="A condition of the model that must hold as well.")] = "",
    values: Values = "{}",
    file: Annotated[Path | None, typer.Option(help="Tuples as JSON lines, instead of one tuple.")] = None,
) -> None:
    """Relate a user to an object; prints a token for checks that must see it."""
    shell = shell_of(context)
    chosen = model_of(shell)
    found = _given(user, relation, object_, file, condition=condition, values=values, model=chosen)

    async def act(services: Any) -> tuple[str, str]:
        token = ""
        for chunk in _chunks(found):
            token = await services.relations.write(chunk, model=chosen, actor=shell.actor)
        return token, await in_force(services)

    token, force = shell.run(act)
    shell.say(f"{len(found)} written, token {token}; {force}", written=len(found), token=token)


@app.command("delete")
def delete(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="As in `check`; leave all three out with --file.")] = "",
    relation: Annotated[str, typer.Argument(help="For example viewer.")] = "",
    object_: Annotated[str, typer.Argument(metavar="OBJECT", help="For example resource:notes/admin.")] = "",
    file: Annotated[Path | None, typer.Option(help="Tuples as JSON lines, instead of one tuple.")] = None,
) -> None:
    """Take a relation back; the next decision does without it."""
    shell = shell_of(context)
    found = _given(user, relation, object_, file)

    async def act(services: Any) -> tuple[str, str]:
        token = ""
        for chunk in _chunks(found):
            token = await services.relations.delete(chunk, actor=shell.actor)
        return token, await in_force(services)

    token, force = shell.run(act)
    shell.say(f"{len(found)} deleted, token {token}; {force}", deleted=len(found), token=token)


@app.command("list")
def list_tuples(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="Only of this user.")] = None,
    relation: Annotated[str | None, typer.Option(help="Only this relation.")] = None,
    object_: Annotated[str | None, typer.Option("--object", help="Only of this object.")] = None,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 1000,
) -> None:
    """List tuples as they are written."""
    shell = shell_of(context)

    async def act(services: Any) -> list[dict[str, Any]]:
        found = await services.relations.listed(user=user, relation=relation, object_=object_, most=most)
        return [_row(each) for each in found]

    shell.show(shell.run(act), "user", "relation", "object", "condition", "context", empty="there are no tuples")


@app.command("check")
def check(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="For example user:usr_...; leave all three out with --file.")] = "",
    relation: Annotated[str, typer.Argument(help="For example viewer.")] = "",
    object_: Annotated[str, typer.Argument(metavar="OBJECT", help="For example resource:notes/admin.")] = "",
    values: Values = "{}",
    at_least: Annotated[
        str, typer.Option("--at-least", help="Token of a write: ask the running node, no older than that.")
    ] = "",
    file: Annotated[Path | None, typer.Option(help="Questions as JSON lines, instead of one.")] = None,
) -> None:
    """Say whether a user is related so to an object; exit code 4 when not."""
    shell = shell_of(context)
    if file is not None:
        _check_batch(shell, file, user, values)
        return
    if at_least:
        related = _asked_node(shell, user, relation, object_, values, at_least)
    else:

        async def act(services: Any) -> bool:
            view, given = await _view(shell, services), await _groups_of(services, user)
            return bool(view.check(user, relation, object_, context=_json(values), given=given))

        related = shell.run(act)
    shell.say(f"`{user}` is {'' if related else 'not '}`{relation}` of `{object_}`", related=related)
    if not related:
        raise typer.Exit(EXIT_FOUND_WRONG)


def _asked_node(shell: Any, user: str, relation: str, object_: str, values: str, at_least: str) -> bool:
    """Ask what the running node has in memory, once it has followed to a token."""
    from watchword.cli.force import ask_node  # noqa: PLC0415  # quick help
    from watchword.kernel import ConfigurationError, NotFoundError  # noqa: PLC0415  # as above

    asked = {"user": user, "relation": relation, "object": object_, "context": values, "at_least": at_least}
    found = asyncio.run(ask_node(shell.settings().data, path=f"/related?{urlencode(asked)}"))
    if not found:
        raise NotFoundError("no node runs on this data directory", hint="start it, or leave --at-least out")
    if "problem" in found:
        raise ConfigurationError(found["problem"], hint=found["hint"])
    return bool(found["related"])


def _check_batch(shell: Any, file: Path, user: str, values: str) -> None:
    """Answer many questions from one picture; one without an answer says why."""
    from watchword.kernel import ConfigurationError  # noqa: PLC0415  # quick help
    from watchword.policy.relations import RelationError, read_lines  # noqa: PLC0415  # as above

    if user:
        raise ConfigurationError("give a user, a relation and an object, or --file")
    questions = read_lines(file)

    async def act(services: Any) -> list[dict[str, Any]]:
        view, rows = await _view(shell, services), []
        for each in questions:
            who, related, problem = str(each.subject), None, None
            try:
                given = await _groups_of(services, who)
                related = view.check(who, each.relation, str(each.object), context=_json(values), given=given)
            except RelationError as error:
                problem = error.message
            row = {"user": who, "relation": each.relation, "object": str(each.object)}
            rows.append(row | {"related": related, "problem": problem})
        return rows

    rows = shell.run(act)
    shell.show(rows, "user", "relation", "object", "related", "problem", empty="there are no questions")
    if not all(row["related"] for row in rows):
        raise typer.Exit(EXIT_FOUND_WRONG)


@app.command("expand")
def expand(context: typer.Context, relation: Relation, object_: Object) -> None:
    """Say what a relation of an object is made of."""
    shell = shell_of(context)

    async def act(services: Any) -> list[dict[str, Any]]:
        from watchword.policy.relations import expand  # noqa: PLC0415  # quick help

        return _branches(expand(await _view(shell, services), relation, object_), 0)

    shell.show(shell.run(act), "part", "users")


@app.command("list-objects")
def list_objects(
    context: typer.Context,
    user: User,
    relation: Relation,
    type_: Annotated[str, typer.Argument(metavar="TYPE", help="For example resource.")],
    values: Values = "{}",
) -> None:
    """List the objects of a type that a user is related to."""
    shell = shell_of(context)

    async def act(services: Any) -> Any:
        from watchword.policy.relations import list_objects  # noqa: PLC0415  # quick help

        view, given = await _view(shell, services), await _groups_of(services, user)
        return list_objects(view, user, relation, type_, context=_json(values), given=given)

    _show_listing(shell, shell.run(act), "object")


@app.command("list-users")
def list_users(
    context: typer.Context,
    object_: Object,
    relation: Relation,
    kind: Annotated[str, typer.Argument(help="user, or group#member for usersets.")] = "user",
    values: Values = "{}",
) -> None:
    """List the users that are related to an object."""
    shell = shell_of(context)

    async def act(services: Any) -> Any:
        view = await _view(shell, services)
        return await _users_of(services, view, object_, relation, kind, _json(values))

    _show_listing(shell, shell.run(act), "user")


def _show_listing(shell: Any, found: Any, column: str) -> None:
    shell.show([{column: name} for name in found.names], column, empty="nobody" if column == "user" else "nothing")
    if not found.is_complete and not shell.is_json:
        print("\nthere may be more: the list was cut, or a check had no answer")


def _row(found: Any) -> dict[str, Any]:
    return {
        "user": str(found.subject),
        "relation": found.relation,
        "object": str(found.object),
        "condition": found.condition or None,
        "context": json.dumps(dict(found.context), sort_keys=True) if found.context else None,
    }


def _branches(tree: Any, depth: int) -> list[dict[str, Any]]:
    rows = [{"part": "  " * depth + tree.kind, "users": ", ".join(tree.users)}]
    return rows + [row for part in tree.parts for row in _branches(part, depth + 1)]


async def _groups_of(services: Any, user: str) -> Any:
    """Return what the directory knows of a user's groups, which counts at the doors without a tuple."""
    from watchword.kernel import UserId  # noqa: PLC0415  # quick help
    from watchword.kernel.ids import MalformedIdError  # noqa: PLC0415  # as above

    try:
        found = await services.identity.reader.user(UserId(user.removeprefix("user:")))
    except MalformedIdError:  # a user of somebody else's, or a userset
        return None
    return _given_by(found) if found is not None else None


def _given_by(user: Any) -> Any:
    from watchword.policy.relations import GROUP, name_in  # noqa: PLC0415  # as above

    return {GROUP: frozenset(map(name_in, user.groups))}


async def _users_of(services: Any, view: Any, object_: str, relation: str, kind: str, context: dict[str, Any]) -> Any:
    """Return who is related by tuples, and who by a group of the directory."""
    from watchword.policy.relations import Listing, RelationError, list_users  # noqa: PLC0415  # quick help

    found = list_users(view, object_, relation, kind, context=context)
    names, is_complete = set(found.names), found.is_complete
    for user in await services.identity.reader.users() if kind == "user" else ():
        try:
            if view.check(f"user:{user.id}", relation, object_, context=context, given=_given_by(user)):
                names.add(f"user:{user.id}")
        except RelationError:
            is_complete = False
    return Listing(tuple(sorted(names)), is_complete)


async def _view(shell: Any, services: Any) -> Any:
    """Read every tuple; what a running node has in memory is the same, or will be in a moment."""
    from watchword.policy.relations.keeping import Relations  # noqa: PLC0415  # quick help

    relations = Relations(services.database)
    await relations.load()
    return relations.view(model_of(shell))


def _given(
    user: str,
    relation: str,
    object_: str,
    file: Path | None,
    *,
    condition: str = "",
    values: str = "{}",
    model: Any = None,
) -> Any:
    from watchword.kernel import ConfigurationError  # noqa: PLC0415  # quick help
    from watchword.policy.relations import read_lines, read_tuple  # noqa: PLC0415  # as above

    if (file is None) == (not object_):
        raise ConfigurationError("give a user, a relation and an object, or --file")
    if file is not None:
        return read_lines(file, model=model)
    return [read_tuple(object_, relation, user, condition=condition, context=_json(values))]


def _json(text: str) -> dict[str, Any]:
    from watchword.kernel import ConfigurationError  # noqa: PLC0415  # quick help

    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError("--context is no JSON object", hint='for example {"ip": "192.0.2.7"}')
    return found


def _chunks(found: list[Any]) -> Any:
    """Cut into acts; each is written whole or not at all, with a bar for the patient where there are many."""
    from rich.progress import track  # noqa: PLC0415  # quick help

    chunks = [found[at : at + _AT_ONCE] for at in range(0, len(found), _AT_ONCE)]
    return track(chunks, description="tuples", disable=len(chunks) <= 1, transient=True)
