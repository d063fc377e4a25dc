"""`watchword policies replay`: what a draft would have changed, before it does."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, moment, one_line, printable, shell_of
from watchword.kernel import NotFoundError

if TYPE_CHECKING:
    from watchword.policy.replay import Report

_MOST_ROWS = 12
_PRIVATE = 0o600
_TITLES = {"candidate": "the candidate", "report_only": "policies that only report"}


def replay(  # noqa: PLR0913  # each is an option that somebody may want
    context: typer.Context,
    directory: Annotated[Path | None, typer.Argument(help="The draft; else the candidate, else the policies.")] = None,
    *,
    since: Annotated[str, typer.Option(help="Only decisions from then on: `7d`, `12h`, or a date.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 100_000,
    against: Annotated[
        Path | None, typer.Option(help="Compare with what these policies say, not with what was decided.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML file.")] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit with code 4 on a flip that `expected-flips.yaml` does not name.")
    ] = False,
    expect: Annotated[Path | None, typer.Option(help="Another file of expected flips; implies --gate.")] = None,
    expect_gain: Annotated[int | None, typer.Option(min=0, help="So many may gain; implies --gate.")] = None,
    expect_lose: Annotated[int | None, typer.Option(min=0, help="So many may lose; implies --gate.")] = None,
    relations_now: Annotated[
        bool, typer.Option("--relations-now", help="Ask today's tuples, not what was found out then.")
    ] = False,
    processes: Annotated[int | None, typer.Option(min=1, max=64, help="How many work at once; else two.")] = None,
    live: Annotated[bool, typer.Option("--live", help="What the candidate that the node watches has found.")] = False,
) -> None:
    """Run a draft over recorded decisions: who gains, who loses, which obligations change."""
    shell = shell_of(context)
    if live:
        _show_live(shell)
        return
    from watchword.app import in_force_directory  # noqa: PLC0415  # quick help
    from watchword.app.recorded import span_of  # noqa: PLC0415  # as above
    from watchword.app.rehearsal import Trial, rehearse  # noqa: PLC0415  # as above
    from watchword.policy.replay import expectations_for, page, unexpected  # noqa: PLC0415  # as above

    settings = shell.settings()
    draft = directory or settings.candidate_directory or in_force_directory(settings)
    if not draft.is_dir():
        raise NotFoundError(f"there is no directory `{draft}`", hint="name the directory of the draft")
    is_gate = gate or any(option is not None for option in (expect, expect_gain, expect_lose))
    wanted = expectations_for(draft, file=expect, gain=expect_gain, lose=expect_lose) if is_gate else None
    span = span_of(settings.journal_directory, since=moment(since), limit=limit)
    with _progress(shell) as tell:
        trial = Trial(draft, base=against, tuples_of=settings if relations_now else None)
        report = rehearse(trial, span, processes=processes, tell=tell)
    problems = [str(problem) for problem in unexpected(report, wanted)] if wanted is not None else []
    if html is not None:
        _write(html, page(report))
    if shell.is_json:
        shell.say("policy replay", **report.as_json(), unexpected=problems)
    else:
        _print(shell, report)
        for problem in problems:
            print(printable(problem))
        if html is not None:
            print(f"\nwritten to {html}")
    if problems:
        raise typer.Exit(EXIT_FOUND_WRONG)


@contextmanager
def _progress(shell: Shell) -> Iterator[Callable[[int, int], None] | None]:
    """Show how far it is, to people at a terminal only."""
    if shell.is_json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415  # quick help
    from rich.progress import Progress  # noqa: PLC0415  # as above

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replaying", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _write(path: Path, text: str) -> None:
    # Prevents: a report that names people being readable for everybody on the machine.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, _PRIVATE)
        file.write(text)


def _print(shell: Shell, report: Report) -> None:
    found = report.as_json(most=_MOST_ROWS)
    print(_first_line(found))
    for line in _remarks(found):
        print(line)
    if not found["flips"]:
        print("nobody would notice" if found["compared"] else "there is nothing to compare")
        return
    print(
        f"{found['gains']:,} would gain, {found['loses']:,} would lose, "
        f"{found['obligations']:,} get other obligations, {found['permissions']:,} other permissions, "
        f"{found['step_up']:,} another second factor"
    )
    for name, count in found["obligations_added"].items():
        print(f"  + {one_line(name)} {count:,} times")
    for name, count in found["obligations_removed"].items():
        print(f"  - {one_line(name)} {count:,} times")
    for title, key in (("policy", "by_policy"), ("subject", "by_subject"), ("target", "by_target")):
        print()
        shell.show([_row(title, group) for group in found[key]], *_columns(title, found))
        more = len(getattr(report, key)) - _MOST_ROWS
        if more > 0:
            print(f"and {more:,} more; --output json has all of them")
    print("\nfor example")
    for example in found["examples"]:
        words = "{id}  {was} -> {now}  {action} {target} by {subject}".format(**example)
        print(f"  {one_line(words)}")


def _first_line(found: dict[str, Any]) -> str:
    if not found["decisions"]:
        return "no decision was looked at"
    return (
        f"{found['decisions']:,} decisions from {found['first_at'][:19]} to {found['last_at'][:19]}, "
        f"{found['compared']:,} compared with the draft {found['draft'][:12]}: {found['flips']:,} come out differently"
    )


def _remarks(found: dict[str, Any]) -> Iterator[str]:
    for key, words in (
        ("not_reached", "settled before any policy was asked, and not changed by one"),
        ("not_recorded", "made before the journal kept what policies were asked"),
        ("unknown", "where the draft asks for something that was not recorded: nobody can say"),
        ("malformed", "with a record that cannot be read"),
        ("other_policies", "with the same outcome, by other policies"),
    ):
        if found[key]:
            yield f"  {found[key]:,} {words}"


def _row(title: str, group: dict[str, Any]) -> dict[str, Any]:
    return {**group, title: group["name"], "example": group["examples"][0]["id"] if group["examples"] else None}


def _columns(title: str, found: dict[str, Any]) -> tuple[str, ...]:
    kinds = [kind for kind in ("gains", "loses", "obligations", "permissions", "step_up") if found[kind]]
    return (title, *kinds, "example")


def _show_live(shell: Shell) -> None:
    from watchword.cli.force import ask_node  # noqa: PLC0415  # quick help

    found = asyncio.run(ask_node(shell.settings().data, path="/candidate"))
    if found is None:
        raise NotFoundError("no node runs on this data directory", hint="start it with `watchword up`")
    watched = {key: figures for key, figures in found.items() if figures}
    if not watched:
        raise NotFoundError(
            "the node watches nothing",
            hint='set `policy.candidate` to a directory and restart, or put @mode("report_only") on a policy',
        )
    if shell.is_json:
        shell.say("watching", **found)
        return
    for number, (key, figures) in enumerate(watched.items()):
        print(("\n" if number else "") + _TITLES.get(key, key))
        _print_watched(shell, figures)


def _print_watched(shell: Shell, figures: dict[str, Any]) -> None:
    if figures["problem"]:
        print(printable(f"it cannot be used: {figures['problem']}"))
    report = figures["report"]
    print(_first_line(report))
    print(f"  {figures['dropped']:,} not looked at, because too many waited; {figures['failed']:,} failed")
    for line in _remarks(report):
        print(line)
    for title, key in (("policy", "by_policy"), ("subject", "by_subject")):
        if report[key]:
            print()
            shell.show([_row(title, group) for group in report[key]], *_columns(title, report))
