"""`watchword risk explain`: what raised or lowered the risk of one decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from watchword.cli.shell import one_line, shell_of

_HALF = 12
_FULL, _AXIS = "\N{FULL BLOCK}", "\N{BOX DRAWINGS LIGHT VERTICAL}"


def explain(
    context: typer.Context, reference: Annotated[str, typer.Argument(help="The reference a person was shown.")]
) -> None:
    """Show what each indicator added to or took from the risk of a decision, as a small picture."""
    from watchword.audit import find_decision  # noqa: PLC0415  # quick help
    from watchword.kernel import DecisionId  # noqa: PLC0415  # as above

    shell = shell_of(context)
    record = find_decision(shell.settings().journal_directory, DecisionId(reference)).fields
    if shell.is_json:
        shell.say("risk of a decision", **as_json(record))
        return
    for line in picture(as_json(record)):
        print(one_line(line).rstrip())


def as_json(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says of its risk; `unit` is `points`, or `log-odds` where behaviour was judged."""
    details = (record.get("personal") or {}).get("details") or {}
    behaviour = record.get("behaviour") or {}
    return {
        "id": record.get("id"),
        "risk": record.get("risk"),
        "level": record.get("level"),
        "unit": "log-odds" if behaviour else "points",
        "probability": behaviour.get("probability"),
        "log_odds": behaviour.get("log_odds"),
        "versions": behaviour.get("versions") or {},
        "contributions": [
            {"indicator": name, "value": value, "detail": details.get(name, "")}
            for name, value in record.get("contributions") or ()
        ],
    }


def picture(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a small picture: one bar for each contribution, to the right what raised the risk."""
    if found["risk"] is None:
        yield "this decision was settled before its risk was weighed"
        return
    yield f"risk {found['risk']} of 100, {found['level']}: {found['id']}"
    is_behaviour = found["unit"] == "log-odds"
    if is_behaviour:
        yield f"probability of somebody else {found['probability']:.4f}, log-odds {found['log_odds']:+.3f}"
    told = [each for each in found["contributions"] if each["value"]]
    untold = [each for each in found["contributions"] if not each["value"]]
    longest = max((abs(each["value"]) for each in told), default=0)
    if told:
        yield f"  {found['unit']:>9}  {'owner':>{_HALF}}{_AXIS}{'somebody else':<{_HALF}}" if is_behaviour else ""
    for each in sorted(told, key=lambda each: -each["value"]):
        shown = f"{each['value']:+.2f}" if is_behaviour else f"{each['value']:+d}"
        yield f"  {shown:>9}  {bar(each['value'], longest)}  {each['indicator']:<18} {each['detail']}"
    for each in untold:
        yield f"  {'-':>9}  {' ' * _HALF}{_AXIS}{' ' * _HALF}  {each['indicator']:<18} {each['detail']}"
    if found["versions"]:
        yield "read"
        yield from (f"  {name:<12} {version}" for name, version in found["versions"].items())


def bar(value: float, longest: float) -> str:
    """Draw a value to the left or right of an axis, as a share of the longest."""
    size = max(1, round(abs(value) / longest * _HALF)) if longest else 0
    left, right = (size, 0) if value < 0 else (0, size)
    return f"{' ' * (_HALF - left)}{_FULL * left}{_AXIS}{_FULL * right}{' ' * (_HALF - right)}"
