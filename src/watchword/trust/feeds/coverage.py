"""Measure what a feed covers, however few entries that takes, and say what is odd about a change of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from watchword.trust.feeds.errors import FeedMalformedError, FeedTooLargeError
from watchword.trust.feeds.model import Family, Indicator

# What registries have handed out, by the shipped table of places: addresses of IPv4, and networks of 48 bits of IPv6.
_IN_USE: Final = (3_100_000_000, round(2**33.3))
_SITE_BITS: Final = 48
HALF_PERCENT: Final = 50.0
_FREE: Final = {Family.V4: 0, Family.V6: Family.V6 - _SITE_BITS}
# Small lists may grow tenfold in a day; a large one that does was given to us for another reason.
_FEW: Final = 1_000
# Below this share (310,000 addresses; the /48s of a /28) single addresses and a few networks come and go.
_SMALL: Final = 0.0001
_HALF: Final = 2
_TIMES: Final = 10
# A /8 is more than this. A list of a tenth of the Internet or more may also grow by a quarter.
_STEP: Final = 0.005
_QUARTER: Final = 4


class Coverage(NamedTuple):
    """How much a feed lists; what lies within several networks counts once.

    Attributes:
        v4: addresses.
        v6: networks of 48 bits, the finest that is remembered of IPv6 anywhere here; one address counts as its network.
    """

    v4: int = 0
    v6: int = 0

    @property
    def percent(self) -> float:
        """The share of what is in use, in the family where it is larger."""
        return 100 * max(covered / in_use for covered, in_use in zip(self, _IN_USE, strict=True))

    def least(self, other: Coverage) -> Coverage:
        """Return what both cover at least, in each family."""
        return Coverage(min(self.v4, other.v4), min(self.v6, other.v6))

    def __str__(self) -> str:
        """Say it for people."""
        return " and ".join(_words(at, covered) for at, covered in enumerate(self) if covered) or "no address"


class Size(NamedTuple):
    """How large a version of a feed is, in both ways."""

    entries: int
    covers: Coverage


def coverage_of(rows: Iterable[Indicator]) -> Coverage:
    """Measure entries, which must be sorted as in a table: a network stands before every part of it."""
    covered = dict.fromkeys(_FREE, 0)
    end, of = 0, None
    for row in rows:
        family = row.family
        if family not in _FREE:
            continue
        if family is not of:
            end, of = 0, family
        free = _FREE[family]
        start = row.start >> free
        if start >= end:
            size = 1 << max(0, family - row.length - free)
            end = start + size
            covered[family] += size
    return Coverage(*covered.values())


def size_of(rows: Iterable[Indicator]) -> Size:
    """Count and measure entries, which must be sorted as in a table, without holding them."""
    count = 0

    def counted() -> Iterator[Indicator]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    covers = coverage_of(counted())
    return Size(count, covers)


def check_coverage(covers: Coverage, most_percent: float) -> None:
    """Refuse what no feed may list, or not this one.

    # Prevents: the whole Internet in pieces, each narrow enough; a first version has nothing to be compared with.

    Raises:
        FeedMalformedError: it covers more than half of the Internet.
        FeedTooLargeError: it covers more than it may.
    """
    if covers.percent > HALF_PERCENT:
        raise FeedMalformedError(
            f"the feed lists more than half of the Internet, {covers}",
            hint="look at what the address gives, and who gives it",
        )
    if covers.percent > most_percent:
        raise FeedTooLargeError(
            f"the feed covers {covers}, {covers.percent:.2g}% of the Internet, and may cover {most_percent:g}%",
            hint="if that is meant, set `max_percent` of the feed, and fetch it again",
        )


def shrunk(live: Size, fresh: Size) -> str:
    """Say where half or more is gone of what was in force and did not end by itself; empty for nowhere.

    # Prevents: a feed that was cut or emptied, or that lost the few networks that are most of it.
    """
    if live.entries and fresh.entries * _HALF <= live.entries:
        return f"it shrank from {live.entries} to {fresh.entries} entries"
    for at, (before, after, in_use) in enumerate(zip(live.covers, fresh.covers, _IN_USE, strict=True)):
        if before > in_use * _SMALL and after * _HALF <= before:
            return f"it shrank from {before:,} to {_words(at, after)}"
    return ""


def grown(former: Size, fresh: Size) -> str:
    """Say where far more is listed than before; empty for nowhere.

    Args:
        former: its entries are those of the last version; what it covers, the least since somebody last looked.

    # Prevents: a feed that was stuffed; a few huge networks among many small ones; huge ones one by one, each a small
    # step.
    """
    if former.entries and fresh.entries > max(_FEW, former.entries * _TIMES):
        return f"it grew from {former.entries} to {fresh.entries} entries"
    for at, (before, after, in_use) in enumerate(zip(former.covers, fresh.covers, _IN_USE, strict=True)):
        is_multiple = after > in_use * _SMALL and after > before * _TIMES
        if is_multiple or after - before > max(in_use * _STEP, before / _QUARTER):
            return f"it grew from {before:,} to {_words(at, after)}"
    return ""


def _words(at: int, covered: int) -> str:
    return (
        f"{covered:,} "
        + (("address of IPv4", "/48 of IPv6") if covered == 1 else ("addresses of IPv4", "/48s of IPv6"))[at]
    )
