"""Say what another version of a feed lists that the one in force does not, and the other way round. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from typing import Final

from watchword.trust.feeds.index import FeedIndex
from watchword.trust.feeds.model import Family, Indicator

# A /32 of IPv6 is about as large a part of what is in use as a /18 of IPv4; a name covers no address.
_NARROWER: Final = {Family.V4: 0, Family.V6: 14, Family.NAMED: -128}


@dataclass
class Changes:
    """How many entries changed in one direction, and the broadest of them.

    Attributes:
        most: how many of them are kept.
    """

    most: int
    count: int = 0
    _heap: list[tuple[int, int, Indicator]] = field(default_factory=list)

    def add(self, row: Indicator) -> None:
        """Count one entry."""
        self.count += 1
        if self.most:
            item = (_NARROWER[row.family] - row.length, -self.count, row)
            heappush(self._heap, item) if len(self._heap) < self.most else heappushpop(self._heap, item)

    @property
    def broadest(self) -> list[Indicator]:
        """Return the broadest, in the order of breadth and, among equals, of the table."""
        return [row for _, _, row in sorted(self._heap, reverse=True)]


def difference(former: FeedIndex | None, fresh: FeedIndex, most: int) -> tuple[Changes, Changes]:
    """Return what is new and what is gone; a value whose confidence or times changed is neither.

    Args:
        most: how many of the broadest of each are wanted.
    """
    new, gone = Changes(most), Changes(most)
    for row, is_new in _apart(former.rows() if former else iter(()), fresh.rows()):
        (new if is_new else gone).add(row)
    return new, gone


def _apart(former: Iterator[Indicator], fresh: Iterator[Indicator]) -> Iterator[tuple[Indicator, bool]]:
    """Yield what stands in one of two tables only; both are sorted."""
    old, row = next(former, None), next(fresh, None)
    while old is not None or row is not None:
        if old is None or (row is not None and _key(row) < _key(old)):
            assert row is not None
            yield row, True
            row = next(fresh, None)
        elif row is None or _key(old) < _key(row):
            yield old, False
            old = next(former, None)
        else:
            old, row = next(former, None), next(fresh, None)


def _key(row: Indicator) -> tuple[Family, int, int]:
    return row.family, row.start, row.length
