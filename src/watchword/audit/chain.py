"""The hash chain: each line carries its number and the SHA-256 of the line before it.

A line is one JSON object that begins `{"seq":N,"prev":"H",` where H is the digest of the former line without its line
feed, in hexadecimal; 64 zeros for the first. Nothing here touches a file.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

GENESIS = "0" * 64
_LINE = re.compile(rb'\{"seq":([1-9][0-9]{0,18}),"prev":"([0-9a-f]{64})",(?:"outbox":([0-9]{1,19}),)?"')
RESERVED = frozenset({"seq", "prev", "outbox"})


class FindingKind(StrEnum):
    """What verification can find."""

    ALTERED = "altered"
    GAP = "gap"
    REORDERED = "reordered"
    REPEATED = "repeated"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    SEGMENT_MISSING = "segment_missing"
    CHECKPOINT_FORGED = "checkpoint_forged"
    CHECKPOINT_MISSING = "checkpoint_missing"
    UNREADABLE = "unreadable"


class BrokenChainError(Exception):
    """A line does not continue the chain; translated before it leaves the room."""

    def __init__(self, kind: FindingKind, seq: int, words: str) -> None:
        super().__init__(words)
        self.kind = kind
        self.seq = seq
        self.words = words


@dataclass(slots=True)
class Chain:
    """Where a chain stands.

    Attributes:
        seq: number of the last record; 0 before the first.
        head: digest of the last line, in hexadecimal.
        outbox: highest outbox position seen; 0 for none.
    """

    seq: int = 0
    head: str = GENESIS
    outbox: int = 0

    def copy(self) -> Chain:
        """Return where it stands now, to go back to if a write fails."""
        return Chain(self.seq, self.head, self.outbox)

    def link(self, body: bytes, outbox: int | None = None) -> bytes:
        """Make the next line, line feed included, out of a record's JSON object, and move on."""
        self.seq += 1
        mark = b"" if outbox is None else b'"outbox":%d,' % outbox
        line = b'{"seq":%d,"prev":"%s",%s%s' % (self.seq, self.head.encode(), mark, body[1:])
        self.head = hashlib.sha256(line).hexdigest()
        if outbox is not None:
            self.outbox = outbox
        return line + b"\n"

    def follow(self, line: bytes) -> None:
        """Check that a line, without its line feed, is the next one, and move on.

        Raises:
            BrokenChainError: it is not; the chain stays where it was.
        """
        found = _LINE.match(line)
        wanted = self.seq + 1
        if found is None or not line.endswith(b"}"):
            raise BrokenChainError(FindingKind.MALFORMED, wanted, f"where record {wanted} should be is no record")
        seq = int(found[1])
        if seq > wanted:
            missing = f"record {wanted}" if seq == wanted + 1 else f"records {wanted} to {seq - 1}"
            raise BrokenChainError(FindingKind.GAP, wanted, f"{missing} missing before record {seq}")
        if seq < wanted:
            raise BrokenChainError(FindingKind.REPEATED, seq, f"record {seq} stands where {wanted} should be")
        if found[2] != self.head.encode():
            words = (
                f"record {self.seq}, or the link to it in record {seq}, was altered"
                if self.seq
                else ("the first record does not begin a chain")
            )
            raise BrokenChainError(FindingKind.ALTERED, max(self.seq, 1), words)
        self.seq, self.head = seq, hashlib.sha256(line).hexdigest()
        if found[3] is not None:
            self.outbox = int(found[3])


def claimed_before(line: bytes) -> Chain:
    """Return where a chain stood before a line, by that line's own word; the beginning if it is no record."""
    found = _LINE.match(line)
    return Chain(int(found[1]) - 1, found[2].decode()) if found else Chain()


def seq_of(line: bytes) -> int:
    """Return the number that a line claims, or 0 if it is no record."""
    found = _LINE.match(line)
    return int(found[1]) if found else 0
