"""`watchword policies explain`: what would the policies say, and why?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from watchword.cli.force import ask_node
from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, one_line, printable, shell_of

_MOST_BYTES = 1024 * 1024


def explain(  # noqa: PLR0913, PLR0917  # each is an option of the command
    context: typer.Context,
    directory: Annotated[Path | None, typer.Argument(help="A policy directory; else the one in force.")] = None,
    request: Annotated[
        Path | None, typer.Option("--request", help="File with a request in YAML or JSON; `-` for standard input.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Instead of --request: as if this user asked the running node.")
    ] = None,
    app: Annotated[str, typer.Option(help="With --user: for this application, by its name.")] = "",
    path: Annotated[str, typer.Option(help="With --user: for this path.")] = "/",
    method: Annotated[str, typer.Option(help="With --user: by this method.")] = "GET",
    ip: Annotated[str, typer.Option(help="With --user: from this address.")] = "127.0.0.1",
    mfa_age: Annotated[
        int | None, typer.Option(help="With --user: with a second factor shown so many minutes ago.")
    ] = None,
    refused: Annotated[
        bool, typer.Option("--for-the-refused", help="Print only what the person who asked would be told.")
    ] = False,
) -> None:
    """Say what policies would say to a request, clause by clause, and what would change it."""
    from watchword.policy import PolicyLoadError, PolicySet  # noqa: PLC0415  # quick help
    from watchword.policy.trials import question_in  # noqa: PLC0415  # as above

    shell = shell_of(context)
    if user is not None and request is None:
        asked = {"user": user, "app": app, "path": path, "method": method, "ip": ip}
        asked |= {} if mfa_age is None else {"mfa_age_min": str(mfa_age)}
        _suppose(shell, asked, directory, refused=refused)
        return
    if request is None or user is not None:
        raise typer.BadParameter("one of --request and --user is needed", param_hint="--request")
    try:
        policies = PolicySet.load(chosen(shell, directory))
        source = sys.stdin.buffer.read(_MOST_BYTES + 1) if str(request) == "-" else request
        said = policies.explain(question_in(source, policies.bundle, view=_view(shell, policies)))
    except PolicyLoadError as error:
        show_problems(shell, error.problems)
        raise typer.Exit(EXIT_FOUND_WRONG) from None
    show_explanation(shell, said, refused=refused)


def _view(shell: Shell, policies: Any) -> Any:
    """Return this installation's tuples, for a request that brings none; nothing where there are none to have."""
    from watchword.app import relations_now  # noqa: PLC0415  # as above

    if policies.relations is None:
        return None
    return relations_now(shell.settings())(policies.relations)


def _suppose(shell: Shell, asked: dict[str, str], directory: Path | None, *, refused: bool) -> None:
    """Let the running node decide about a request that nobody makes, and explain that."""
    from watchword.cli.decisions import show_explained  # noqa: PLC0415  # as above
    from watchword.kernel import ConfigurationError, NotFoundError  # noqa: PLC0415  # as above

    found = asyncio.run(ask_node(shell.settings().data, path=f"/suppose?{urlencode(asked)}"))
    if found is None or not found:
        hint = "start it with `watchword up`, or write the request down and use --request"
        raise ConfigurationError("no node runs on this data directory", hint=hint)
    if "problem" in found:
        raise NotFoundError(str(found["problem"]), hint="users list and config show name what there is")
    show_explained(shell, found, directory=directory, refused=refused)


def show_explanation(shell: Shell, said: Any, *, refused: bool = False) -> None:
    """Print an explanation for administrators, or what the person would read."""
    from watchword.policy.telling import as_json, for_administrators, for_the_refused  # noqa: PLC0415  # as above

    if shell.is_json:
        fields = {"told": list(for_the_refused(said))}
        shell.say("policy explanation", **fields if refused else as_json(said) | fields)
        return
    for line in for_the_refused(said) if refused else for_administrators(said):
        print(one_line(line).rstrip())


def show_problems(shell: Shell, problems: Iterable[Any]) -> None:
    """Print problems, one a line."""
    if shell.is_json:
        shell.show([{"place": problem.place, "problem": str(problem)} for problem in problems])
        return
    for problem in problems:
        print(printable(str(problem)))


def chosen(shell: Shell, directory: Path | None) -> Path:
    """Return the directory that was named, or the one in force.

    # Prevents: a misspelt path that is told to be right, because it holds no policy at all.

    Raises:
        NotFoundError: what was named is no directory.
    """
    from watchword.kernel import NotFoundError  # noqa: PLC0415  # as above

    if directory is not None and not directory.is_dir():
        raise NotFoundError(f"there is no directory `{directory}`", hint="name a directory of policies")
    return directory or in_force(shell)


def in_force(shell: Shell) -> Path:
    """Return the directory of the policies that are in force when the node runs."""
    from watchword.app import in_force_directory  # noqa: PLC0415  # quick help

    return in_force_directory(shell.settings())
