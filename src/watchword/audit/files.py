"""Files of the journal: what they are called, and what stands in them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CHECKPOINTS = "checkpoints"
ANCHOR = "anchor"
_SEGMENT = re.compile(r"[0-9]{20}\.jsonl")
_PIECE = 1 << 20
NOTE_TITLE = "watchword journal checkpoint v1"
# Another title, so that no checkpoint can be passed off as leave to begin behind it.
ANCHOR_TITLE = "watchword journal anchor v1"
_NOTES_TAIL = 1 << 16
_BLANKS = 2
# Longer than any record, the names that the journal adds included.
LONGEST_LINE = 512 * 1024
# What a disk writes as a whole, and a crash therefore leaves as a whole or not at all.
_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the journal, named after the first record in it."""

    path: Path
    first_seq: int


def segment_path(directory: Path, first_seq: int) -> Path:
    """Return where the segment that begins with a record lies."""
    return directory / f"{first_seq:020}.jsonl"


def segments(directory: Path) -> list[Segment]:
    """Return the segments, the oldest first; other files are not looked at."""
    names = sorted(entry.name for entry in directory.iterdir() if _SEGMENT.fullmatch(entry.name))
    return [Segment(directory / name, int(name[:20])) for name in names]


def lines(path: Path, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield each line from an offset on, with the offset of its end; the last lacks its line feed if it is torn.

    The first NUL ends it: from there on is room that was written ahead, and perhaps what a crash left of a last group.

    Memory maps are avoided on purpose: the writer may cut a failed write back while we read, and touching a page that
    is gone kills a process.
    """
    with path.open("rb", buffering=_PIECE) as file:
        file.seek(offset)
        # Prevents: a file of one endless line filling the memory.
        while line := file.readline(LONGEST_LINE):
            if b"\0" in line:
                line = line[: line.index(b"\0")]
                if line:
                    yield offset + len(line), line
                return
            offset += len(line)
            yield offset, line


@dataclass(frozen=True, slots=True)
class Remains:
    """What stands behind the last whole line of a segment.

    Attributes:
        size: bytes in all.
        torn: those up to the last that is no NUL; of a group that was never acknowledged.
        is_natural: a crash, a full disk, or a copy made while it was written can leave it so. Somebody did the rest.
    """

    size: int
    torn: int
    is_natural: bool


def remains(path: Path, offset: int) -> Remains:
    """Judge what stands behind the last whole line, which ends at an offset.

    Before a group is written there is nothing or NULs, and there is no NUL in it. Of each sector the disk has what is
    new or what is old; so whatever stands behind a NUL begins with a sector.
    """
    size = torn = 0
    has_nul, is_natural = False, True
    with path.open("rb", buffering=_PIECE) as file:
        file.seek(offset)
        while sector := file.read(_SECTOR - (offset + size) % _SECTOR):
            written = sector.rstrip(b"\0")
            # Prevents: records hidden by a NUL before them, or by an endless line that `lines` gave up.
            if b"\0" in written or (b"\n" in written and not has_nul):
                is_natural = False
            has_nul = has_nul or len(written) < len(sector)
            torn = size + len(written) if written else torn
            size += len(sector)
    return Remains(size, torn, is_natural)


def end_of_lines(file: BinaryIO) -> int:
    """Return where the room that was written ahead begins, or the file's end; searched from the end, where it is."""
    end = start = file.seek(0, os.SEEK_END)
    while start > 0:
        length = min(_PIECE, start)
        start = file.seek(start - length)
        at = file.read(length).find(b"\0")
        if at < 0:
            break
        end = start + at
    return end


def notes(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each signed note of a checkpoints file and whether it is whole; only the last may be half.

    A note is a text, an empty line and a signature line; another empty line ends it.
    """
    note: list[str] = []
    blanks = 0
    with path.open("rb") as file:
        for raw in file:
            line = raw.decode("utf-8", "replace")
            blanks += line == "\n"
            if blanks == _BLANKS:
                yield "".join(note), True
                note, blanks = [], 0
            else:
                note.append(line)
    if note:
        yield "".join(note), False


def last_note(path: Path) -> tuple[str | None, int]:
    """Return the last whole note of a checkpoints file, if any, and how many bytes the whole notes take."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, size - _NOTES_TAIL))
            tail = file.read()
    except FileNotFoundError:
        return None, 0
    at = len(tail)
    # The last note may be torn; the one before it is whole.
    for _ in range(2):
        at = tail.rfind(NOTE_TITLE.encode() + b"\n", 0, at)
        body = tail.find(b"\n\n", at) if at >= 0 else -1
        end = tail.find(b"\n\n", body + 2) if body >= 0 else -1
        if end >= 0:
            return tail[at : end + 1].decode("utf-8", "replace"), start + end + 2
    return None, 0
