"""Read a plain list: one value a line, `#`, `;` and `//` begin a comment."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Final

from watchword.trust.feeds.errors import FeedMalformedError
from watchword.trust.feeds.intake import Intake, Vouched, guess_kind, minute_of
from watchword.trust.feeds.model import Refusal

_LONGEST_LINE: Final = 4_000
_COMMENTS: Final = ("#", ";", "//")


def read_plain(content: bytes, intake: Intake) -> None:
    """Take every line that holds a value; words after the first are a comment too."""
    for line in _lines(content):
        words = line[:_LONGEST_LINE].split("#", 1)[0].split(";", 1)[0].split(None, 1)
        if not words or words[0].startswith(_COMMENTS):
            continue
        value = words[0].rstrip(",")
        intake.take(guess_kind(value), value)


def read_csv(content: bytes, columns: Mapping[str, str], delimiter: str, intake: Intake) -> None:
    """Take every row of a table.

    Args:
        columns: which column holds what, by its name in the first row or by its number from 1.

    Raises:
        FeedMalformedError: the table lacks a column that was named.
    """
    rows = _table(content, delimiter, intake)
    at = _positions(columns, rows)
    for row in rows:
        if not any(row):
            continue
        cells = {name: row[number].strip() if number < len(row) else "" for name, number in at.items()}
        value = cells["value"]
        intake.take(guess_kind(value), value, _vouched(cells))


def _table(content: bytes, delimiter: str, intake: Intake) -> Iterator[list[str]]:
    reader = csv.reader((line for line in _lines(content) if not line.startswith("#")), delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:  # a field of a megabyte, a quote that never ends
            intake.refuse(Refusal.MALFORMED)


def _positions(columns: Mapping[str, str], rows: Iterator[list[str]]) -> dict[str, int]:
    if all(column.isascii() and column.isdecimal() for column in columns.values()):
        return {name: int(column) - 1 for name, column in columns.items()}
    head = [cell.strip() for cell in next(rows, [])]
    try:
        return {
            name: int(column) - 1 if column.isascii() and column.isdecimal() else head.index(column)
            for name, column in columns.items()
        }
    except ValueError:
        missing = next(column for column in columns.values() if column not in head)
        raise FeedMalformedError(
            f"the table has no column `{missing[:80]}`", hint="look at `columns` of the feed, and at its first row"
        ) from None


def _vouched(cells: Mapping[str, str]) -> Vouched:
    first, last = minute_of(cells.get("first_seen", "")), minute_of(cells.get("last_seen", ""))
    try:
        confidence: float | None = float(cells.get("confidence", ""))
    except ValueError:
        confidence = None
    return Vouched(confidence, first, last or first, minute_of(cells.get("valid_until", "")))


def _lines(content: bytes) -> Iterator[str]:
    """Yield lines without holding them all; what is not UTF-8 becomes a value that no reader takes."""
    return iter(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", errors="replace", newline=None))
