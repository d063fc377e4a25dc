"""`watchword policies explain`: what would the policies say, and why?"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, one_line, printable, shell_of

_MOST_BYTES = 1024 * 1024


def explain(
    context: typer.Context,
    directory: Annotated[Path | None, typer.Argument(help="A policy directory; else the one in force.")] = None,
    request: Annotated[
        Path | None, typer.Option("--request", help="File with a request in YAML or JSON; `-` for standard input.")
    ] = None,
    refused: Annotated[
        bool, typer.Option("--for-the-refused", help="Print only what the person who asked would be told.")
    ] = False,
) -> None:
    """Say what policies would say to a request, clause by clause, and what would change it."""
    from watchword.policy import PolicyLoadError, PolicySet  # noqa: PLC0415  # quick help
    from watchword.policy.trials import question_in  # noqa: PLC0415  # as above

    shell = shell_of(context)
    if request is None:
        raise typer.BadParameter("a request is needed", param_hint="--request")
    try:
        policies = PolicySet.load(directory or in_force(shell))
        source = sys.stdin.buffer.read(_MOST_BYTES + 1) if str(request) == "-" else request
        said = policies.explain(question_in(source, policies.bundle.schema))
    except PolicyLoadError as error:
        show_problems(shell, error.problems)
        raise typer.Exit(EXIT_FOUND_WRONG) from None
    show_explanation(shell, said, refused=refused)


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


def in_force(shell: Shell) -> Path:
    """Return the directory of the policies that are in force when the node runs."""
    from watchword.app import in_force_directory  # noqa: PLC0415  # quick help

    return in_force_directory(shell.settings())
