"""The compact table of one feed: sorted columns in a file that is mapped, not read.

Magic, length of the header, a JSON header, then the columns of IPv4 networks, of IPv6 networks and of names, each
little-endian: starts (one of 32 bits, or two of 64), confidence and length (a byte each), parent, first seen, seen and
until (32 bits each). Rows are sorted so that a network stands before every part of it; `parent` is the row of the
narrowest network around it plus one. So a look-up is one binary search and a short climb, whatever nests in what.

The file must be replaced by renaming, as the place table is.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, Literal

from watchword.kernel import V4_BITS, V6_BITS
from watchword.trust.feeds.errors import FeedKeptError
from watchword.trust.feeds.model import NEVER, Family, Indicator, IndicatorKind

MAGIC: Final = b"WWFEED1\n"
_HEAD: Final = struct.Struct("<I")
_LONGEST_HEADER: Final = 1 << 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOW: Final = (1 << 64) - 1
_Kind = Literal["B", "I", "Q"]
_WIDTHS: Final[Mapping[_Kind, int]] = {"B": 1, "I": 4, "Q": 8}
# Name and type of each column after the starts.
_COLUMNS: Final[tuple[tuple[str, _Kind], ...]] = (
    ("lengths", "B"),
    ("kinds", "B"),
    ("confidences", "B"),
    ("parents", "I"),
    ("first", "I"),
    ("seen", "I"),
    ("until", "I"),
)
_KINDS: Final = tuple(IndicatorKind)
_FAMILIES: Final = (Family.V4, Family.V6, Family.NAMED)


def write_index(file: IO[bytes], rows: Sequence[Indicator], about: Mapping[str, Any]) -> str:
    """Write the rows, which must be sorted by family, start and length; return the digest of the columns.

    Args:
        about: goes into the header, for people and for whoever opens it.
    """
    body: list[bytes] = []
    counts: dict[str, int] = {}
    for family in _FAMILIES:
        own = [row for row in rows if row.family is family]
        counts[family.name or ""] = len(own)
        body.extend(_columns(family, own))
    digest = _digest(counts, body)
    header = json.dumps({**about, "counts": counts, "sha256": digest}, sort_keys=True).encode()
    header += b" " * (-(len(MAGIC) + _HEAD.size + len(header)) % 8)  # so that wide columns are aligned
    file.write(MAGIC + _HEAD.pack(len(header)) + header)
    for piece in body:
        file.write(piece)
    return digest


def _digest(counts: object, body: Iterable[bytes | memoryview]) -> str:
    """Return the digest of the columns and of how long each is."""
    made = hashlib.sha256(json.dumps(counts, sort_keys=True).encode())
    for piece in body:
        made.update(piece)
    return made.hexdigest()


def _columns(family: Family, rows: Sequence[Indicator]) -> Iterator[bytes]:
    if family is Family.V4:
        yield _bytes("I", [row.start for row in rows])
    else:
        yield _bytes("Q", [row.start >> 64 for row in rows])
        yield _bytes("Q", [row.start & _LOW for row in rows])
    # Wide before narrow, and padded to eight bytes, so that every column is aligned.
    yield _bytes("B", [row.length for row in rows])
    yield _bytes("B", [_KINDS.index(row.kind) for row in rows])
    yield _bytes("B", [row.confidence for row in rows])
    yield _bytes("I", _parents(family, rows))
    yield _bytes("I", [row.first_seen for row in rows])
    yield _bytes("I", [row.seen for row in rows])
    yield _bytes("I", [row.until for row in rows])


def _bytes(kind: _Kind, numbers: Sequence[int]) -> bytes:
    made = array(kind, numbers)
    if sys.byteorder == "big":
        made.byteswap()
    content = made.tobytes()
    return content + b"\0" * (-len(content) % 8)


def _parents(family: Family, rows: Sequence[Indicator]) -> list[int]:
    if family is Family.NAMED:
        return [0] * len(rows)
    around: list[int] = []
    found: list[int] = []
    for at, row in enumerate(rows):
        while around and not _covers(rows[around[-1]], row.start, family):
            around.pop()
        found.append(around[-1] + 1 if around else 0)
        around.append(at)
    return found


def _covers(row: Indicator, number: int, bits: int) -> bool:
    return (row.start ^ number) >> (bits - row.length) == 0


class FeedIndex:
    """A table, mapped into memory.

    Args:
        digest: what the columns must have; empty for whatever the header says.

    Attributes:
        about: the header.
        digest: of the columns.

    Raises:
        FeedKeptError: the file is missing, damaged or of another form.
    """

    def __init__(self, path: Path, digest: str = "") -> None:
        try:
            with path.open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._parse(content, digest)
        except (OSError, ValueError, KeyError, TypeError, struct.error, RecursionError) as error:
            raise FeedKeptError(
                f"`{path.name}` is no table of a feed, or is damaged", hint="watchword risk feeds fetch NAME"
            ) from error

    def _parse(self, content: mmap.mmap, digest: str) -> None:
        if content[: len(MAGIC)] != MAGIC:
            raise ValueError("another form")
        (length,) = _HEAD.unpack_from(content, len(MAGIC))
        start = len(MAGIC) + _HEAD.size
        if length > _LONGEST_HEADER:
            raise ValueError("the header is too long")
        about = json.loads(content[start : start + length])
        body = memoryview(content)[start + length :]
        # Prevents: a cut or altered file quietly listing other networks.
        found = _digest(about["counts"], [body])
        if found != about["sha256"] or found != (digest or found):
            raise ValueError("the checksum differs")
        self.about: Mapping[str, Any] = about
        self.digest: str = about["sha256"]
        self._v4 = Columns(Family.V4, body, about["counts"]["V4"])
        self._v6 = Columns(Family.V6, body[self._v4.size :], about["counts"]["V6"])
        self._named = Columns(Family.NAMED, body[self._v4.size + self._v6.size :], about["counts"]["NAMED"])
        if self._v4.size + self._v6.size + self._named.size != len(body):
            raise ValueError("the columns do not fill the file")
        if hasattr(mmap, "MADV_DONTNEED"):  # the checksum touched every page; the kernel need not keep them for us
            content.madvise(mmap.MADV_DONTNEED)
        self.size_bytes = len(content)

    def __len__(self) -> int:
        return self._v4.count + self._v6.count + self._named.count

    def around(self, bits: int, number: int, minute: int) -> list[Indicator]:
        """Return every network around an address that is in force, the narrowest first; `bits` is 32 or 128."""
        columns = self._v4 if bits == V4_BITS else self._v6
        return columns.around(number, minute) if columns.count else []

    def named(self, digest: int, minute: int) -> Indicator | None:
        """Return the entry of a name's digest, if there is one in force."""
        columns = self._named
        at = columns.last_not_after(digest)
        if at < 0 or columns.start(at) != digest or columns.until[at] <= minute:
            return None
        return columns.row(at)

    def live(self, minute: int) -> Iterator[Indicator]:
        """Yield every entry that is in force."""
        return (row for row in self.rows() if row.until > minute)

    def rows(self) -> Iterator[Indicator]:
        """Yield every entry, in the order of the table."""
        for columns in (self._v4, self._v6, self._named):
            for at in range(columns.count):
                yield columns.row(at)


class Columns:
    """The columns of one family."""

    __slots__ = (
        "bits",
        "confidences",
        "count",
        "family",
        "first",
        "high",
        "kinds",
        "lengths",
        "low",
        "parents",
        "seen",
        "size",
        "until",
    )

    lengths: Sequence[int]
    kinds: Sequence[int]
    confidences: Sequence[int]
    parents: Sequence[int]
    first: Sequence[int]
    seen: Sequence[int]
    until: Sequence[int]

    def __init__(self, family: Family, body: memoryview, count: int) -> None:
        if not isinstance(count, int) or count < 0:
            raise TypeError("a count is no number")
        self.family, self.bits, self.count, self.size = family, int(family), count, 0
        self.high = self._next("I" if family is Family.V4 else "Q", body)
        self.low: Sequence[int] = () if family is Family.V4 else self._next("Q", body)
        for name, kind in _COLUMNS:
            setattr(self, name, self._next(kind, body))
        self._check()

    def _check(self) -> None:
        """Refuse numbers that mean nothing; a worker that was taken over may have written them under a right digest.

        # Prevents: a confidence above 100, which would weigh more than all that lists may say.
        """
        bounds = ((self.lengths, min(self.bits, V6_BITS)), (self.kinds, len(_KINDS) - 1), (self.confidences, 100))
        for column, most in bounds:
            if bytes(column).translate(None, bytes(range(most + 1))):
                raise ValueError("a number is out of its bounds")

    def _next(self, kind: _Kind, body: memoryview) -> Sequence[int]:
        length = self.count * _WIDTHS[kind]
        piece = body[self.size : self.size + length]
        if len(piece) != length:
            raise ValueError("a column is too short")
        self.size += length + -length % 8
        numbers = piece.cast(kind)
        if sys.byteorder == "big":
            copied = array(kind, numbers)
            copied.byteswap()
            return copied
        return numbers

    def start(self, at: int) -> int:
        """Return the first address of a network, or a name's digest."""
        return self.high[at] if self.bits == V4_BITS else self.high[at] << 64 | self.low[at]

    def last_not_after(self, number: int) -> int:
        """Return the last row that starts at or before a number; -1 if there is none."""
        if self.bits == V4_BITS:
            return bisect_right(self.high, number) - 1
        high, low = number >> 64, number & _LOW
        begin = bisect_left(self.high, high)
        end = bisect_right(self.high, high, begin)
        return bisect_right(self.low, low, begin, end) - 1

    def around(self, number: int, minute: int) -> list[Indicator]:
        """Return the networks around an address that are in force, the narrowest first.

        Networks nest or are apart, so those looked for are the last that starts at or before the address, and what is
        around that.
        """
        found: list[Indicator] = []
        at, left = self.last_not_after(number), self.bits
        # Prevents: a table whose parents go round in a circle, or on for a million rows, holding a request.
        while at >= 0 <= left:
            if self.until[at] > minute and not (self.start(at) ^ number) >> (self.bits - self.lengths[at]):
                found.append(self.row(at))
            at, left = min(self.parents[at], at) - 1, left - 1
        return found

    def row(self, at: int) -> Indicator:
        """Return one entry."""
        return Indicator(
            _KINDS[self.kinds[at]],
            self.family,
            self.start(at),
            self.lengths[at],
            self.confidences[at],
            self.first[at],
            self.seen[at],
            self.until[at],
        )


def listed(rows: Iterable[Indicator], most: int) -> list[dict[str, Any]]:
    """Return the first of some entries for people; of a name only its digest is kept."""
    return [
        {
            "kind": row.kind.value,
            "value": words_of(row.family, row.start, row.length),
            "confidence": row.confidence,
            "first_seen": time_of(row.first_seen),
            "until": time_of(row.until) or "the feed is stale",
        }
        for row in islice(rows, most)
    ]


@lru_cache(maxsize=1024)
def words_of(family: Family, start: int, length: int) -> str:
    """Write a network as people do, and a name as its digest."""
    if family is Family.NAMED:
        return f"{start:032x}"
    network = IPv4Network if family is Family.V4 else IPv6Network
    return str(network((start, length), strict=False))


def time_of(minute: int) -> datetime | None:
    """Return a minute as a time; nothing for the two that are none."""
    return None if minute in {0, NEVER} else _EPOCH + timedelta(minutes=minute)
