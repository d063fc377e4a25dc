"""`watchword policies test` and `coverage`: do policies say what their tests expect, and what did the tests miss?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from watchword.cli.policies_explain import chosen, show_problems
from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, one_line, shell_of

_MOST_EXPLAINED = 25
_Directory = Annotated[Path | None, typer.Argument(help="A policy directory; else the one in force.")]


def run_tests(
    context: typer.Context,
    directory: _Directory = None,
    boundaries: Annotated[
        bool, typer.Option("--boundaries", help="List cases made from the constants of the policies instead.")
    ] = False,
    write: Annotated[
        Path | None, typer.Option("--write", help="With --boundaries: write them as a new file of tests.")
    ] = None,
) -> None:
    """Run the tests of a policy directory; exit code 4 when one fails."""
    shell = shell_of(context)
    policies, suite = _load(shell, chosen(shell, directory))
    if boundaries or write is not None:
        _show_boundaries(shell, policies, suite, write)
        return
    outcomes = _run(shell, policies, suite)
    failed = [outcome for outcome in outcomes if not outcome.is_as_expected]
    if shell.is_json:
        rows = [_row(policies, outcome) for outcome in failed]
        shell.say("policy tests", tests=len(outcomes), failed=len(failed), failures=rows)
    else:
        for number, outcome in enumerate(failed):
            _print_failure(policies, outcome, is_explained=number < _MOST_EXPLAINED)
        what = "test" if len(outcomes) == 1 else "tests"
        print(f"{len(outcomes)} {what} in {suite.files} files: {len(failed) or 'none'} failed")
        if not outcomes:
            print("write some: docs/how-to/test-policies.md shows how")
    if failed:
        raise typer.Exit(EXIT_FOUND_WRONG)


def _show_boundaries(shell: Shell, policies: Any, suite: Any, write: Path | None) -> None:
    from watchword.kernel import ConfigurationError  # noqa: PLC0415  # quick help
    from watchword.policy.trials import BoundaryMaker, written  # noqa: PLC0415  # as above

    if write is not None and write.exists():
        raise ConfigurationError(f"`{write}` exists already", hint="name a new file, such as tests/boundaries.yaml")
    maker = BoundaryMaker(policies, [(trial.name, trial.request) for trial in suite.trials])
    every = _with_progress(shell, policies.bundle.policies, len(policies.bundle.policies), "looking for boundaries")
    cases = [case for policy in every for case in maker.of_policy(policy)]
    says = {True: "true", False: "false", None: "fails"}
    rows = [
        {
            "policy": case.policy.id,
            "clause": case.clause,
            "with": case.fact,
            "clause_is": says[case.says],
            "decision": case.verdict.value,
            "varied_from": case.base,
        }
        for case in cases
    ]
    if write is None:
        shell.show(rows, *rows[0] if rows else (), empty="no policy holds a constant")
        return
    write.write_text(written(cases), encoding="utf-8")
    shell.say(
        f"{len(cases)} cases are in {write}; read them before you rely on them", cases=len(cases), file=str(write)
    )


def coverage(
    context: typer.Context,
    directory: _Directory = None,
    minimum: Annotated[int, typer.Option(min=0, max=100, help="Least percentage of clauses.")] = 0,
    branches: Annotated[int, typer.Option("--minimum-branches", min=0, max=100, help="And of branches.")] = 0,
    text: Annotated[
        bool, typer.Option("--text", help="Print the policies with marks, not only what is missing.")
    ] = False,
) -> None:
    """Show which clauses and branches of policies the tests reach; exit code 4 when it is less than the minimum."""
    from watchword.policy.trials import cover, joined, percent, shortfalls  # noqa: PLC0415  # quick help

    shell = shell_of(context)
    policies, suite = _load(shell, chosen(shell, directory))
    requests = (trial.request for trial in suite.trials)
    found = cover(policies.bundle, _with_progress(shell, requests, len(suite.trials), "covering"))
    wanted = joined(suite.minimum, {"clauses": minimum, "branches": branches})
    short = list(shortfalls(found, wanted))
    if shell.is_json:
        shell.say(
            "policy coverage",
            clauses=found.clauses,
            branches=found.branches,
            minimum=wanted,
            is_enough=not short,
            policies=[_cover_row(one) | {"missing": _missing(one)} for one in found.policies],
        )
    else:
        shell.show(
            [_cover_row(one) for one in found.policies],
            *("policy", "place", "asked", "applied", "failed", "clauses", "branches"),
            empty="there are no policies, so everything is denied",
        )
        _print_texts(found, every=text)
        tests = f"{len(suite.trials)} tests"
        print(f"\n{tests} cover {percent(found.clauses)} of the clauses and {percent(found.branches)} of the branches")
        for problem in short:
            print(one_line(str(problem)))
    if short:
        raise typer.Exit(EXIT_FOUND_WRONG)


def _cover_row(one: Any) -> dict[str, Any]:
    return {
        "policy": one.policy.id,
        "place": f"{one.policy.path}:{one.policy.line}",
        "asked": one.asked,
        "applied": one.applied,
        "failed": one.failed,
        "clauses": "{} of {}".format(*one.counted_clauses),
        "branches": "{} of {}".format(*one.counted_branches),
    }


def _missing(one: Any) -> list[dict[str, str]]:
    never = [] if one.applied else [{"clause": one.policy.id, "missing": "never applied"}]
    return never + [
        {"clause": one.policy.text[slice(*clause.span)], "missing": clause.missing}
        for clause in one.clauses
        if clause.missing
    ]


def _print_texts(found: Any, *, every: bool) -> None:
    from watchword.policy.trials import annotated, lacking  # noqa: PLC0415  # as above

    for one in found.policies if every else lacking(found):
        print()
        print(one_line(f"{one.policy.path}: {one.policy.id}" + ("" if one.applied else ", which never applied")))
        for line in annotated(one):
            print(one_line(line).rstrip())


def _load(shell: Shell, directory: Path) -> tuple[Any, Any]:
    from watchword.policy import PolicyLoadError, PolicySet  # noqa: PLC0415  # quick help
    from watchword.policy.trials import read_suite  # noqa: PLC0415  # as above

    try:
        policies = PolicySet.load(directory)
        return policies, read_suite(directory, policies.bundle)
    except PolicyLoadError as error:
        show_problems(shell, error.problems)
        raise typer.Exit(EXIT_FOUND_WRONG) from None


def _run(shell: Shell, policies: Any, suite: Any) -> list[Any]:
    from watchword.policy.trials import run_trials  # noqa: PLC0415  # as above

    return list(_with_progress(shell, run_trials(policies, suite.trials), len(suite.trials), "testing"))


def _with_progress(shell: Shell, running: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    from rich.console import Console  # noqa: PLC0415  # as above
    from rich.progress import track  # noqa: PLC0415  # as above

    console = Console(stderr=True)
    if shell.is_json or not console.is_terminal:
        return running
    return track(running, what, total=total, console=console, transient=True)


def _row(policies: Any, outcome: Any) -> dict[str, Any]:
    return {
        "test": outcome.trial.name,
        "place": f"{outcome.trial.place.path}:{outcome.trial.place.line}",
        "expected": outcome.trial.expected.verdict.value,
        "got": outcome.verdict.value,
        "differences": list(outcome.differences),
        "why": list(_why(policies, outcome)),
    }


def _why(policies: Any, outcome: Any) -> Iterable[str]:
    """Say where policies stop that should have held, and which ones held."""
    from watchword.policy.telling import briefly  # noqa: PLC0415  # as above

    expected, said = outcome.trial.expected, policies.explain(outcome.trial.request)
    effect = "permit" if expected.verdict.value == "permit" else "forbid"
    names = {ref.id for ref in outcome.answer.determining} | (expected.reasons or frozenset())
    if not expected.reasons:
        names |= {trace.id for trace in (*said.candidates, *said.nearest) if trace.effect == effect}
    return briefly(said, frozenset(names))


def _print_failure(policies: Any, outcome: Any, *, is_explained: bool) -> None:
    place = outcome.trial.place
    print(one_line(f"{place.path}:{place.line}: {outcome.trial.name}"))
    for words in outcome.differences:
        print(one_line(f"  {words}"))
    for words in _why(policies, outcome) if is_explained else ():
        print(one_line(f"    {words}"))
