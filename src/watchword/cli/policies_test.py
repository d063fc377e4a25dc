"""`watchword policies test` and `coverage`: do policies say what their tests expect, and what did the tests miss?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, one_line, printable, shell_of

_Directory = Annotated[Path | None, typer.Argument(help="A policy directory; else the one in force.")]


def run_tests(context: typer.Context, directory: _Directory = None) -> None:
    """Run the tests of a policy directory; exit code 4 when one fails."""
    shell = shell_of(context)
    policies, suite = _load(shell, directory or shell.settings().policy_directory)
    outcomes = _run(shell, policies, suite)
    failed = [outcome for outcome in outcomes if not outcome.is_as_expected]
    if shell.is_json:
        rows = [_row(outcome) for outcome in failed]
        shell.say("policy tests", tests=len(outcomes), failed=len(failed), failures=rows)
    else:
        for outcome in failed:
            _print_failure(outcome)
        what = "test" if len(outcomes) == 1 else "tests"
        print(f"{len(outcomes)} {what} in {suite.files} files: {len(failed) or 'none'} failed")
        if not outcomes:
            print("write some: docs/how-to/test-policies.md shows how")
    if failed:
        raise typer.Exit(EXIT_FOUND_WRONG)


def _load(shell: Shell, directory: Path) -> tuple[Any, Any]:
    from watchword.policy import PolicyLoadError, PolicySet  # noqa: PLC0415  # quick help
    from watchword.policy.trials import read_suite  # noqa: PLC0415  # as above

    try:
        policies = PolicySet.load(directory)
        return policies, read_suite(directory, policies.bundle)
    except PolicyLoadError as error:
        if shell.is_json:
            shell.show([{"place": problem.place, "problem": str(problem)} for problem in error.problems])
        else:
            for problem in error.problems:
                print(printable(str(problem)))
        raise typer.Exit(EXIT_FOUND_WRONG) from None


def _run(shell: Shell, policies: Any, suite: Any) -> list[Any]:
    from rich.console import Console  # noqa: PLC0415  # as above
    from rich.progress import track  # noqa: PLC0415  # as above

    from watchword.policy.trials import run_trials  # noqa: PLC0415  # as above

    console = Console(stderr=True)
    running = run_trials(policies, suite.trials)
    if shell.is_json or not console.is_terminal:
        return list(running)
    return list(track(running, "testing", total=len(suite.trials), console=console, transient=True))


def _row(outcome: Any) -> dict[str, Any]:
    return {
        "test": outcome.trial.name,
        "place": f"{outcome.trial.place.path}:{outcome.trial.place.line}",
        "expected": outcome.trial.expected.verdict.value,
        "got": outcome.verdict.value,
        "differences": list(outcome.differences),
    }


def _print_failure(outcome: Any) -> None:
    place = outcome.trial.place
    print(one_line(f"{place.path}:{place.line}: {outcome.trial.name}"))
    for words in outcome.differences:
        print(one_line(f"  {words}"))
