"""Find a record in its segment without reading the segment: lines are numbered, so a line anywhere says which way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from watchword.audit.chain import seq_of
from watchword.audit.files import LONGEST_LINE, Segment, end_of_lines, lines

# Below this it is quicker to read on than to jump.
_NEAR = 64 * 1024
_PIECE = 8 * 1024
# The names that the journal adds to a record stand within this.
_BEGINNING = 192


def segment_with(files: Sequence[Segment], seq: int) -> Segment | None:
    """Return the segment in which a record stands if it stands anywhere; files are given the oldest first."""
    return next((file for file in reversed(files) if file.first_seq <= max(seq, 1)), None)


def offset_of(path: Path, seq: int) -> int:
    """Return where a record's line begins, or -1 if no line says to be that record."""
    begin = low = offset_near(path, seq)
    for end, line in lines(path, low):
        if seq_of(line) == seq:
            return begin
        if seq_of(line) > seq:
            break
        begin = end
    return -1


def offset_near(path: Path, seq: int) -> int:
    """Return the beginning of a line that is near a record's and not behind it; 0 if what is there leads nowhere."""
    with path.open("rb", buffering=0) as file:
        low, high = 0, end_of_lines(file)
        # INVARIANT: the line sought begins at `low` or behind it, and before `high`, if lines are in order.
        while high - low > _NEAR:
            middle = (low + high) // 2
            begin = _next_line(file, middle - 1, high)
            if begin is None:
                high = middle
                continue
            file.seek(begin)
            found = seq_of(file.read(_BEGINNING))
            if not found:
                return 0  # something else stands there; whoever reads from the beginning misses nothing
            low, high = (begin, high) if found <= seq else (low, begin)
    return low


def _next_line(file: BinaryIO, offset: int, end: int) -> int | None:
    """Return where the first line behind an offset begins, if that is before `end`."""
    file.seek(offset)
    read = 0
    while offset + read < end and read <= LONGEST_LINE:
        piece = file.read(_PIECE)
        at = piece.find(b"\n")
        if at >= 0:
            begin = offset + read + at + 1
            return begin if begin < end else None
        if not piece:
            break
        read += len(piece)
    return None
