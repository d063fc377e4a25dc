"""`watchword risk explain`: what raised or lowered the risk of one decision."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from watchword.cli.risk_files import check_writable, write_private
from watchword.cli.shell import one_line, shell_of

_HALF, _NARROW_HALF = 12, 8
_NARROW = 100
_LEAST_WORDS = 24
_PIPED = 160
_FULL, _AXIS = "\N{FULL BLOCK}", "\N{BOX DRAWINGS LIGHT VERTICAL}"
_ANSWERS = {
    "allow": "let in",
    "step_up": "asked for a second factor",
    "approval": "sent for approval",
    "deny": "refused",
}


def explain(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(help="The reference a person was shown.")],
    *,
    html: Annotated[Path | None, typer.Option(help="Write the picture as one HTML file.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write the picture as a PNG file; needs Pillow.")] = None,
) -> None:
    """Show what made the risk of a decision, as bars."""
    from watchword.audit import find_decision  # noqa: PLC0415  # quick help
    from watchword.kernel import DecisionId  # noqa: PLC0415  # as above

    shell = shell_of(context)
    check_writable(html, png)
    record = find_decision(shell.settings().journal_directory, DecisionId(reference)).fields
    found = as_json(record)
    _pictures(found, html, png)
    if shell.is_json:
        shell.say("risk of a decision", **found)
        return
    for line in picture(found, width=_width()):
        print(one_line(line).rstrip())
    for path in (html, png):
        if path is not None:
            print(f"written to {path}")


def as_json(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says of its risk; `unit` is `points`, or `log-odds` where behaviour was judged."""
    personal = record.get("personal") or {}
    details = personal.get("details") or {}
    behaviour = record.get("behaviour") or {}
    return {
        "id": record.get("id"),
        "at": record.get("at"),
        "answer": record.get("answer"),
        "user": record.get("user"),
        "session": record.get("session"),
        "asked": f"{record.get('method') or ''} {record.get('host') or ''}{record.get('path') or ''}".strip(),
        "ip": personal.get("ip"),
        "country": personal.get("country"),
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


def picture(found: Mapping[str, Any], *, width: int = _PIPED) -> Iterator[str]:
    """Yield the lines of a small picture: one bar for each contribution, to the right what raised the risk."""
    if found["risk"] is None:
        yield f"this decision was settled before its risk was weighed: {found['id']}"
        yield f"  `watchword decisions explain {found['id']}` says why"
        return
    yield f"risk {found['risk']} of 100, {found['level']}: {found['id']}"
    yield from _what(found)
    is_behaviour = found["unit"] == "log-odds"
    if is_behaviour:
        from watchword.trust import share_words  # noqa: PLC0415  # quick help

        yield f"probability of somebody else {share_words(found['probability'])}, log-odds {found['log_odds']:+.3f}"
    yield ""
    yield from _bars(found, is_behaviour=is_behaviour, width=width)
    if is_behaviour:
        yield ""
        times, parts = "\N{MULTIPLICATION SIGN}", "\N{DIVISION SIGN}"
        yield f"  {times}10 makes somebody else ten times as likely, {parts}10 ten times less; multiplied: the odds"
        yield "  +2.30 says the same as a natural logarithm; added up: the log-odds, exactly"
    if found["versions"]:
        yield ""
        yield "read"
        yield from (f"  {name:<12} {version}" for name, version in found["versions"].items())
    yield from _next(found, is_behaviour=is_behaviour)


def _what(found: Mapping[str, Any]) -> Iterator[str]:
    """Say who asked for what, from where, and what became of it."""
    if not found.get("answer"):
        return
    from watchword.trust import country_name  # noqa: PLC0415  # quick help

    where = " ".join(str(part) for part in (country_name(found.get("country") or ""), found.get("ip")) if part)
    became = _ANSWERS.get(found["answer"], found["answer"])
    yield f"{found['user'] or 'nobody signed in'} was {became}: {found['asked']}"
    yield f"at {str(found['at'])[:19].replace('T', ' ')} UTC" + (f", from {where}" if where else "")


def _bars(found: Mapping[str, Any], *, is_behaviour: bool, width: int) -> Iterator[str]:
    from watchword.trust import factor_words, told_of  # noqa: PLC0415  # quick help

    told = sorted((each for each in found["contributions"] if each["value"]), key=lambda each: -each["value"])
    untold = [each for each in found["contributions"] if not each["value"]]
    longest = max((abs(each["value"]) for each in told), default=0)
    half = _HALF if width >= _NARROW else _NARROW_HALF
    is_balance = any(each["value"] < 0 for each in told)
    if told and is_behaviour:
        sides = (
            f"{'owner':>{half}}{_AXIS}{'somebody else':<{half}}" if is_balance else f"{_AXIS}{'somebody else':<{half}}"
        )
        yield f"  {'factor':>9} {found['unit']:>8}  {sides}"
    for each in told:
        drawn = bar(each["value"], longest, half=half)[0 if is_balance else half :]
        figures = f"{each['value']:+.2f}" if is_behaviour else f"{each['value']:+d}"
        factor = f"{factor_words(each['value']):>9} " if is_behaviour else ""
        why = told_of(each["indicator"], each["value"], each["detail"]) if is_behaviour else each["detail"]
        yield from _line(f"  {factor}{figures:>8}  {drawn}  {each['indicator']:<18} ", why, width)
    blank = f"{' ' * half if is_balance else ''}{_AXIS}{' ' * half}"
    for each in untold:
        factor = f"{'':>9} " if is_behaviour else ""
        yield from _line(f"  {factor}{'-':>8}  {blank}  {each['indicator']:<18} ", each["detail"], width)


def _line(head: str, words: str, width: int) -> Iterator[str]:
    """Put words behind a bar, or under it where there is no room."""
    room = width - len(head)
    if room < _LEAST_WORDS:
        yield head
        indent = " " * 6
        yield from textwrap.wrap(
            one_line(words), max(width, 2 * _LEAST_WORDS), initial_indent=indent, subsequent_indent=indent
        )
        return
    lines = textwrap.wrap(one_line(words), room) or [""]
    yield head + lines[0]
    yield from (" " * len(head) + line for line in lines[1:])


def _next(found: Mapping[str, Any], *, is_behaviour: bool) -> Iterator[str]:
    """Say what one may do now."""
    if not found.get("answer"):
        return
    yield ""
    yield "next"
    yield f"  watchword decisions explain {found['id']}"
    if is_behaviour:
        yield f"  watchword risk feedback give {found['id']} --owner    (or --attack: the score learns from it)"
    if found.get("session"):
        yield f"  watchword sessions end {found['session']}"


def _pictures(found: Mapping[str, Any], html: Path | None, png: Path | None) -> None:
    if html is None and png is None:
        return
    from watchword.kernel import NotFoundError  # noqa: PLC0415  # quick help
    from watchword.trust.learning.report import decision_page, decision_picture  # noqa: PLC0415  # as above
    from watchword.trust.learning.report import png as pixels  # noqa: PLC0415  # as above

    if found["risk"] is None:
        raise NotFoundError(
            "there is no picture of a risk that was not weighed",
            hint=f"`watchword decisions explain {found['id']}` says why",
        )
    if html is not None:
        write_private(html, decision_page(found).encode())
    if png is not None:
        write_private(png, pixels([decision_picture(found)]))


def bar(value: float, longest: float, *, half: int = _HALF) -> str:
    """Draw a value to the left or right of an axis, as a share of the longest."""
    size = max(1, round(abs(value) / longest * half)) if longest else 0
    left, right = (size, 0) if value < 0 else (0, size)
    return f"{' ' * (half - left)}{_FULL * left}{_AXIS}{_FULL * right}{' ' * (half - right)}"


def _width() -> int:
    """Return how wide a line may be: of the terminal, and plenty where the output goes elsewhere."""
    return shutil.get_terminal_size((_PIPED, 24)).columns if sys.stdout.isatty() else _PIPED
