"""`watchword decisions`: what was decided, and why."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword.cli.shell import Shell, one_line, shell_of
from watchword.kernel import Answer

if TYPE_CHECKING:
    from watchword.audit import Record
    from watchword.policy.telling import Recollection

app = typer.Typer(help="Read decisions from the journal.", no_args_is_help=True)

_LINE = "{at}  {answer:8} {reason:22} {user:18} {method:5} {target}  {id}"


@app.command("tail")
def tail(
    context: typer.Context,
    count: Annotated[int, typer.Option("-n", help="How many of the newest to begin with.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as new ones come.")] = False,
    answer: Annotated[Answer | None, typer.Option(help="Only this answer.")] = None,
    user: Annotated[str | None, typer.Option(help="Only this user's, by identifier.")] = None,
) -> None:
    """Print the newest decisions, one a line."""
    from watchword.audit import last  # noqa: PLC0415  # quick help

    shell = shell_of(context)
    directory = shell.settings().journal_directory

    def is_wanted(record: Record) -> bool:
        fields = record.fields
        if record.type == "decision.strangers":
            return user is None and answer in {None, Answer.DENY}
        return (
            record.type == "decision"
            and (answer is None or fields.get("answer") == answer.value)
            and (user is None or fields.get("user") == user)
        )

    newest = last(directory, 1)
    found = last(directory, count, where=is_wanted)
    if len(found) < count:
        tell_what_is_archived(shell, directory)
    for record in found:
        _print(shell, record)
    if follow:
        asyncio.run(_follow(shell, directory, newest[0].seq if newest else 0, is_wanted))


def tell_what_is_archived(shell: Shell, directory: Path) -> None:
    """Say to people that older records are elsewhere, if they are."""
    from watchword.audit import begins_at  # noqa: PLC0415  # quick help

    begun = begins_at(directory)
    if begun is not None and not shell.is_json:
        print(f"what is older than {begun:%Y-%m-%d %H:%M} UTC was archived", file=sys.stderr)


async def _follow(shell: Shell, directory: Path, after: int, is_wanted: Callable[[Record], bool]) -> None:
    from watchword.audit import tail as follow_journal  # noqa: PLC0415  # quick help

    async for record in follow_journal(directory, after=after):
        if is_wanted(record):
            _print(shell, record)


def _print(shell: Shell, record: Record) -> None:
    print(_json(record.fields) if shell.is_json else line_of(record.fields), flush=True)


@app.command("show")
def show(
    context: typer.Context, reference: Annotated[str, typer.Argument(help="The reference a person was shown.")]
) -> None:
    """Print everything that is recorded of one decision."""
    shell = shell_of(context)
    record = _find(shell, reference)
    if shell.is_json:
        print(_json(record))
        return
    for name, value in record.items():
        if name not in {"facts", "contributions", "trust_contributions", "personal", "seq", "prev"}:
            print(f"{name:<18} {one_line(_words(value))}")
    for name, value in (record.get("personal") or {}).items():
        if name not in {"facts", "details", "asked"}:
            print(f"{name:<18} {one_line(_words(value))}")


@app.command("explain")
def explain(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(help="The reference a person was shown.")],
    refused: Annotated[
        bool, typer.Option("--for-the-refused", help="Print only what the person who asked would be told.")
    ] = False,
) -> None:
    """Say why a decision came out as it did, what it stood on, and what would have helped."""
    shell = shell_of(context)
    record = _find(shell, reference)
    show_explained(shell, record, refused=refused)


def show_explained(
    shell: Shell, record: Mapping[str, Any], *, directory: Path | None = None, refused: bool = False
) -> None:
    """Print why a decision came out as it did, or what the person would read.

    Args:
        directory: of other policies than those in force, for what each clause says.
    """
    from watchword.cli.explanation import explain_record, told_to_the_person  # noqa: PLC0415  # quick help
    from watchword.policy.telling import as_json  # noqa: PLC0415  # as above

    found, problem = _recollected(shell, record, directory)
    if shell.is_json:
        told = {"told": list(told_to_the_person(record, found))}
        said = {"explanation": as_json(found.said) if found else None, "reservation": _reservation(found, problem)}
        print(_json(told if refused else dict(record) | said | told))
        return
    if refused:
        for line in told_to_the_person(record, found):
            print(one_line(line))
        return
    for line in explain_record(record):
        print(one_line(line))
    for line in _clauses(found, problem):
        print(one_line(line).rstrip())


def _recollected(
    shell: Shell, record: Mapping[str, Any], directory: Path | None
) -> tuple[Recollection | None, str | None]:
    """Ask the policies again what was asked; where that is impossible, say why. Neither if they were not reached."""
    from watchword.app import in_force_directory  # noqa: PLC0415  # quick help
    from watchword.policy import PolicyLoadError, PolicySet  # noqa: PLC0415  # as above
    from watchword.policy.telling import recollect  # noqa: PLC0415  # as above

    if not (record.get("personal") or {}).get("asked"):
        return None, None
    try:
        found = recollect(PolicySet.load(directory or in_force_directory(shell.settings())), record)
    except PolicyLoadError:
        return None, "the policies cannot be read as they stand: watchword policies check says what is wrong"
    return found, None if found else "what was asked is recorded in a form that this version does not read"


def _reservation(found: Recollection | None, problem: str | None) -> str | None:
    return problem if found is None else found.reservation or None


def _clauses(found: Recollection | None, problem: str | None) -> Iterator[str]:
    """Yield what each policy said to what was asked; nothing where the policies were not reached."""
    from watchword.policy.telling import for_administrators  # noqa: PLC0415  # quick help

    reservation = _reservation(found, problem)
    if found is None and reservation is None:
        return
    yield ""
    yield "What the policies say"
    if reservation:
        yield f"  {reservation}"
    yield from (f"  {line}" for line in (for_administrators(found.said) if found else ()))


def _find(shell: Shell, reference: str) -> Mapping[str, Any]:
    from watchword.audit import find_decision  # noqa: PLC0415  # quick help
    from watchword.kernel import DecisionId  # noqa: PLC0415  # as above

    return find_decision(shell.settings().journal_directory, DecisionId(reference)).fields


def line_of(record: Mapping[str, Any]) -> str:
    """Return a decision, or strangers who were counted, as one line for people."""
    if record["type"] == "decision.strangers":
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in record["reasons"].items())
        at, since = (str(record[name])[:19].replace("T", " ") for name in ("at", "since"))
        return one_line(f"{at}  {Answer.DENY.value:8} {record['count']:,} more strangers since {since} ({reasons})")
    return one_line(
        _LINE.format(
            at=str(record["at"])[:19].replace("T", " "),
            answer=record["answer"],
            reason=(record.get("reasons") or ["-"])[0],
            user=str(record.get("user") or "-")[-18:],
            method=record["method"],
            target=f"{record['host']}{record['path']}" + (f" x{record['leased']}" if record.get("leased") else ""),
            id=record["id"],
        )
    )


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_pair(item) if isinstance(item, list) else _words(item) for item in value) or "-"
    return "-" if value is None else str(value)


def _pair(parts: list[Any]) -> str:
    """A policy and its words for people, where it has some."""
    return ": ".join(_words(part) for part in parts if part not in {"", None})


def _json(record: Mapping[str, Any]) -> str:
    # ASCII alone. Prevents: a C1 control character in a user agent, which JSON lets stand, reaching a terminal.
    return json.dumps(dict(record), default=str)
