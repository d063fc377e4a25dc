"""`watchword risk explain`: what raised or lowered the risk of one decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from watchword.cli.shell import one_line, shell_of

_HALF = 12
_FULL, _EMPTY, _AXIS = "\N{FULL BLOCK}", " ", "\N{BOX DRAWINGS LIGHT VERTICAL}"


def explain(
    context: typer.Context, reference: Annotated[str, typer.Argument(help="The reference a person was shown.")]
) -> None:
    """Show what each indicator added to or took from the risk of a decision."""
    from watchword.audit import find_decision  # noqa: PLC0415  # quick help
    from watchword.kernel import DecisionId  # noqa: PLC0415  # as above

    shell = shell_of(context)
    record = find_decision(shell.settings().journal_directory, DecisionId(reference)).fields
    if shell.is_json:
        shell.say("risk of a decision", **as_json(record))
        return
    for line in picture(record):
        print(one_line(line).rstrip())


def as_json(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the record says of its risk."""
    details = (record.get("personal") or {}).get("details") or {}
    return {
        "id": record.get("id"),
        "risk": record.get("risk"),
        "level": record.get("level"),
        "contributions": [
            {"indicator": name, "points": points, "detail": details.get(name, "")}
            for name, points in record.get("contributions") or ()
        ],
    }


def picture(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a small picture: one bar for each contribution, to the right what raised the risk."""
    found = as_json(record)
    if found["risk"] is None:
        yield "this decision was settled before its risk was weighed"
        return
    yield f"risk {found['risk']} of 100, {found['level']}: {found['id']}"
    longest = max((abs(each["points"]) for each in found["contributions"]), default=0)
    for each in found["contributions"]:
        yield f"  {each['points']:>+6}  {bar(each['points'], longest)}  {each['indicator']:<20} {each['detail']}"


def bar(value: float, longest: float) -> str:
    """Draw a value to the left or right of an axis, as a share of the longest."""
    size = round(abs(value) / longest * _HALF) if longest else 0
    left, right = (size, 0) if value < 0 else (0, size)
    return f"{_EMPTY * (_HALF - left)}{_FULL * left}{_AXIS}{_FULL * right}{_EMPTY * (_HALF - right)}"
