"""`watchword policies analyse`: prove what can be proved of policies, and show requests that break a promise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from watchword.cli.policies_explain import chosen
from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, one_line, shell_of

if TYPE_CHECKING:
    from watchword.policy.analysis import Example, Report


def analyse(
    context: typer.Context,
    directory: Annotated[Path | None, typer.Argument(help="Another directory than the one in force.")] = None,
    query_seconds: Annotated[
        float, typer.Option(min=0.01, max=3600, help="How long one question to the solver may take.")
    ] = 2.0,
    total_seconds: Annotated[
        float, typer.Option(min=0.01, max=86400, help="How long all of it may take; the rest is then unknown.")
    ] = 600.0,
) -> None:
    """Find policies that never match, are covered or contradict, and check the invariants of `invariants.yaml`.

    Exit code 4 when something is found, or when an invariant is not proved.
    """
    from watchword.policy import PolicyLoadError, PolicySet  # noqa: PLC0415  # quick help
    from watchword.policy.analysis import Limits, analyse, read_invariants  # noqa: PLC0415  # as above

    shell = shell_of(context)
    settings = shell.settings()
    place = chosen(shell, directory)
    limits = Limits(query_s=query_seconds, total_s=total_seconds)
    try:
        bundle = PolicySet.load(place).bundle
        invariants = read_invariants(place, bundle)
    except PolicyLoadError as error:
        _show_problems(shell, error)
        raise typer.Exit(EXIT_FOUND_WRONG) from None
    with _Progress(is_shown=not shell.is_json) as progress:
        report = analyse(
            bundle, invariants, limits=limits, others_decide=bool(settings.opa.url), progress=progress.tell
        )
    if shell.is_json:
        print(json.dumps(_plain(report), indent=2))
    else:
        _print(report)
    if not report.is_clean:
        raise typer.Exit(EXIT_FOUND_WRONG)


class _Progress:
    """A bar on standard error while the solver works, if a person looks."""

    def __init__(self, *, is_shown: bool) -> None:
        from rich.console import Console  # noqa: PLC0415  # quick help
        from rich.progress import Progress  # noqa: PLC0415  # as above

        console = Console(stderr=True)
        self._bar = Progress(console=console, transient=True, disable=not (is_shown and console.is_terminal))
        self._task = self._bar.add_task("analysing", total=None)

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.__exit__(None, None, None)

    def tell(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)


def _show_problems(shell: Shell, error: Any) -> None:
    if shell.is_json:
        shell.show([{"place": problem.place, "problem": str(problem)} for problem in error.problems])
        return
    for problem in error.problems:
        print(one_line(str(problem)))


def _print(report: Report) -> None:
    for finding in report.findings:
        print(one_line(f"{finding.place}: {finding.message} ({finding.kind})"))
        if finding.example is not None:
            for line in _lines(finding.example):
                print(f"    {one_line(line)}")
    for unknown in report.unknown:
        print(one_line(f"{unknown.place}: {unknown.message} (unknown)"))
    for name, verdict in report.invariants.items():
        print(one_line(f"invariant {name}: {verdict}"))
    print(
        f"{report.policies} policies and {len(report.invariants)} invariants: "
        f"{len(report.findings)} findings, {len(report.unknown)} unknown"
    )


def _lines(example: Example) -> list[str]:
    request = example.request
    asked = {"principal": request.principal, "action": request.action, "resource": request.resource}
    return [f"{name}: {value}" for name, value in (asked | dict(example.facts)).items()]


def _plain(report: Report) -> dict[str, Any]:
    return {
        "policies": report.policies,
        "invariants": {name: verdict.value for name, verdict in report.invariants.items()},
        "findings": [
            {
                "kind": finding.kind.value,
                "subject": finding.subject,
                "file": finding.place.path,
                "line": finding.place.line,
                "column": finding.place.column,
                "message": finding.message,
                "others": list(finding.others),
                "example": _plain_example(finding.example) if finding.example else None,
            }
            for finding in report.findings
        ],
        "unknown": [
            {
                "subject": unknown.subject,
                "file": unknown.place.path,
                "line": unknown.place.line,
                "column": unknown.place.column,
                "message": unknown.message,
            }
            for unknown in report.unknown
        ],
    }


def _plain_example(example: Example) -> dict[str, Any]:
    request = example.request
    return {
        "principal": str(request.principal),
        "action": str(request.action),
        "resource": str(request.resource),
        "facts": dict(example.facts),
        "effect": example.effect,
        "policies": list(example.policies),
    }
