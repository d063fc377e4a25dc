"""Read STIX 2.1 indicators, from a bundle or from the envelopes of a TAXII server.

Source: STIX Version 2.1 (OASIS Standard, 10 June 2021), sections 3.2, 3.6 and 4.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from watchword.trust.feeds.document import entries, number, parse, table, text
from watchword.trust.feeds.errors import FeedMalformedError
from watchword.trust.feeds.intake import Intake, Vouched, minute_of
from watchword.trust.feeds.model import IndicatorKind, Refusal
from watchword.trust.feeds.pattern import RefusedPatternError, read_pattern

_VERSION: Final = "2.1"
_LONGEST_ID: Final = 200


@dataclass(frozen=True, slots=True)
class Statement:
    """One indicator object as far as it matters: several values that the same things are said of.

    Attributes:
        id: of the object; a later version of it replaces an earlier one.
        modified: as it was written; versions are compared by it.
        values: empty for one that is not taken.
        why: why it is not taken, or nothing.
    """

    id: str
    modified: str
    values: tuple[tuple[IndicatorKind, str], ...] = ()
    vouched: Vouched = field(default_factory=Vouched)
    why: Refusal | None = None
    shown: str = ""


def read_bundle(content: bytes, intake: Intake) -> None:
    """Take every indicator of a bundle; of several versions of one object the newest counts.

    Raises:
        FeedMalformedError: it is no bundle.
    """
    document = table(parse(content))
    if document.get("type") != "bundle" and "objects" not in document:
        raise FeedMalformedError("it is no STIX bundle", hint="look at `format` of the feed")
    newest: dict[str, Statement] = {}
    for statement in statements(entries(document.get("objects"))):
        merge(newest, statement)
    take_all(newest.values(), intake)


def merge(newest: dict[str, Statement], statement: Statement) -> None:
    """Keep a statement unless a later version of it is there; those without an id stand for themselves."""
    key = statement.id or f"#{len(newest)}"
    known = newest.get(key)
    if known is None or known.modified <= statement.modified:
        newest[key] = statement


def take_all(found: Iterable[Statement], intake: Intake) -> None:
    """Hand every statement to the intake."""
    for statement in found:
        if statement.why is not None:
            intake.refuse(statement.why, statement.shown)
        for kind, value in statement.values:
            intake.take(kind, value, statement.vouched)


def statements(objects: Iterable[Any]) -> Iterable[Statement]:
    """Read objects one by one; never raises on what one holds."""
    for each in objects:
        yield _statement(table(each))


def _statement(found: Mapping[str, Any]) -> Statement:
    key, modified = text(found.get("id"))[:_LONGEST_ID], text(found.get("modified"))[:40]
    pattern = text(found.get("pattern"))
    try:
        values = _values(found, pattern)
    except RefusedPatternError as error:
        return Statement(key, modified, why=error.why, shown=pattern[:80])
    begin, end = minute_of(found.get("valid_from")), found.get("valid_until")
    until = minute_of(end) if end is not None else None
    vouched = Vouched(
        confidence=number(found.get("confidence")),
        first_seen=begin,
        # A version that was published later vouches for it later.
        seen=max(filter(None, (begin, minute_of(modified))), default=None),
        until=until,
    )
    if end is not None and until is None:
        return Statement(key, modified, why=Refusal.MALFORMED, shown=pattern[:80])
    return Statement(key, modified, values, vouched)


def _values(found: Mapping[str, Any], pattern: str) -> tuple[tuple[IndicatorKind, str], ...]:
    if found.get("type") != "indicator":
        raise RefusedPatternError(Refusal.NOT_AN_INDICATOR)
    if found.get("revoked") is True:
        raise RefusedPatternError(Refusal.REVOKED)
    if found.get("spec_version") != _VERSION:
        raise RefusedPatternError(Refusal.OTHER_VERSION)
    if "benign" in entries(found.get("indicator_types")):
        raise RefusedPatternError(Refusal.BENIGN)
    if found.get("pattern_type") != "stix":
        raise RefusedPatternError(Refusal.OTHER_PATTERN)
    return tuple(read_pattern(pattern))
