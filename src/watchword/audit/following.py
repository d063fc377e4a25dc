"""Follow the journal line by line from a position, for whoever carries it elsewhere: nothing twice, nothing left out.

A line is given out once a checkpoint was signed over it. What stands behind the last checkpoint may still be taken
back, by a disk that refuses in the middle of a group or by a power cut, and then another record gets its number.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from watchword.audit.chain import BrokenChainError, Chain, claimed_before
from watchword.audit.checkpoint import Checkpoint, read_checkpoint
from watchword.audit.errors import JournalDamagedError, PositionError
from watchword.audit.files import CHECKPOINTS, LONGEST_LINE, Segment, last_note, lines, segments
from watchword.audit.seeking import offset_of, segment_with

_POSITION = re.compile(r"0{0,19}([0-9]{1,19})(?::([0-9a-f]{64}))?")
_PIECE = 1 << 20
_LOOK = "run `watchword audit verify`"


@dataclass(frozen=True, slots=True)
class Position:
    """How far somebody has followed a journal.

    Attributes:
        seq: number of the last record that was had; 0 for none.
        digest: of its line, in hexadecimal; empty where only the number is known.
    """

    seq: int
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read what `str` wrote, or a number alone.

        Raises:
            PositionError: it is neither.
        """
        found = _POSITION.fullmatch(text.strip())
        if found is None:
            raise PositionError(
                f"`{text[:100]}` is no position", hint="write the `seq` of the last record, or SEQ:DIGEST"
            )
        return cls(int(found[1]), found[2] or "")

    def __str__(self) -> str:
        """Write it so that every position takes the same place."""
        return f"{self.seq:020}:{self.digest}" if self.digest else str(self.seq)


class Follower:
    """Stand somewhere in a journal and give out what comes behind, along the chain, as often as asked.

    The segment that is read is held open, so that it may be archived meanwhile. Memory is bounded by one line and one
    piece of a file. Signatures are for `verify` to judge; that each line continues the one before it, and that the last
    one is what the last checkpoint says, is seen here.

    Args:
        directory: of the journal; it may be written to, and need not be there yet.
        position: to begin behind; none for the oldest record that is here.
        archives: where older segments were moved to.

    Raises:
        PositionError: the journal does not go on from there.
    """

    def __init__(self, directory: Path, position: Position | None = None, *, archives: Sequence[Path] = ()) -> None:
        self._directory, self._archives = directory, archives
        self._file: BinaryIO | None = None
        self._offset = 0
        self._chain = Chain()
        self._seen: tuple[int, ...] = ()
        self._checkpoint: Checkpoint | None = None
        self._stand(position)

    @property
    def position(self) -> Position:
        """Where it stands: behind the last line that was given out."""
        return Position(self._chain.seq, self._chain.head if self._chain.seq else "")

    def covered(self) -> int:
        """Return the number of the last record that is signed over by now, the furthest that `fresh` goes."""
        path = self._directory / CHECKPOINTS
        with suppress(FileNotFoundError):
            status = path.stat()
            seen = status.st_ino, status.st_size, status.st_mtime_ns
            if seen != self._seen:
                note, _ = last_note(path)
                self._checkpoint, self._seen = read_checkpoint(note) if note else None, seen
                if self._checkpoint is None or self._checkpoint.seq < self._chain.seq:
                    self._stand(self.position)  # Prevents: waiting for a journal that began anew to grow as long again
        return self._checkpoint.seq if self._checkpoint else 0

    def fresh(self) -> Iterator[bytes]:
        """Yield the lines behind the position that are signed over now, line feeds included, and move on with each.

        Raises:
            PositionError: what comes next was archived, and no archive was named that has it.
            JournalDamagedError: what comes next does not continue the chain, or is not what was signed.
        """
        until = self.covered()
        while self._chain.seq < until:
            before = self._chain.seq
            if self._file is not None:
                yield from self._rest_of_segment(until)
            if self._chain.seq == before:
                self._open_next(before + 1)
        checkpoint = self._checkpoint
        if checkpoint and checkpoint.seq == self._chain.seq and checkpoint.head != self._chain.head:
            raise JournalDamagedError(f"the records up to {checkpoint.seq} are not those that were signed", hint=_LOOK)

    def __enter__(self) -> Self:
        """Close it at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the segment."""
        self.close()

    def close(self) -> None:
        """Let go of the segment."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _stand(self, position: Position | None) -> None:
        for is_last in (False, True):
            try:
                files = self._files()
                if position is None or position.seq == 0:
                    self._require_archives(files)
                    self._chain = claimed_before(_first_line(files[0])) if files else Chain()
                else:
                    self._resume(position, files)
            except FileNotFoundError:
                if not is_last:
                    continue  # it was archived while we looked
                raise
            return

    def _require_archives(self, files: Sequence[Segment]) -> None:
        """Require that what was archived is where it was said to be, before it is begun with what is not."""
        if files and files[0].first_seq > 1:
            for place in self._archives:
                # Prevents: a misspelt name read as an empty archive, and what is in the archive left out.
                if not _segments(place):
                    raise PositionError(f"`{place}` holds no segment of a journal", hint="is its name spelt rightly?")

    def _resume(self, position: Position, files: Sequence[Segment]) -> None:
        segment = segment_with(files, position.seq)
        if segment is not None:
            begin = offset_of(segment.path, position.seq)
            end, line = next(lines(segment.path, begin), (0, b"")) if begin >= 0 else (0, b"")
            if not line.endswith(b"\n"):
                raise _beyond(position)
            self._chain = Chain(position.seq, hashlib.sha256(line[:-1]).hexdigest())
            self._open(segment, end)
        elif files and files[0].first_seq == position.seq + 1:
            self._chain = claimed_before(_first_line(files[0]))
        elif files:
            raise _absent(position.seq + 1, files[0].first_seq - 1)
        else:
            raise _beyond(position)
        # Prevents: another journal, or one that was set back and written anew, taken for the one that was left.
        if position.digest not in {"", self._chain.head}:
            self.close()
            raise PositionError(f"record {position.seq} is not the one that was had from here before", hint=_LOOK)

    def _rest_of_segment(self, until: int) -> Iterator[bytes]:
        assert self._file is not None
        # Another buffer each time: behind what was signed an old one may hold room where records are now.
        with os.fdopen(os.dup(self._file.fileno()), "rb", buffering=_PIECE) as file:
            file.seek(self._offset)
            while self._chain.seq < until:
                line = file.readline(LONGEST_LINE)
                if not line.rstrip(b"\0"):
                    return
                if not line.endswith(b"\n"):
                    raise JournalDamagedError(f"record {self._chain.seq + 1} is cut off", hint=_LOOK)
                try:
                    self._chain.follow(line[:-1])
                except BrokenChainError as broken:
                    raise JournalDamagedError(f"the journal was changed: {broken.words}", hint=_LOOK) from broken
                self._offset += len(line)
                yield line

    def _segment(self, seq: int) -> Segment:
        """Return the segment that begins with a record."""
        files = self._files()
        found = next((file for file in files if file.first_seq == seq), None)
        if found is None:
            later = [file.first_seq for file in files if file.first_seq > seq]
            if later:
                raise _absent(seq, later[0] - 1)
            raise JournalDamagedError(f"record {seq} was signed and is not there", hint=_LOOK)
        return found

    def _open_next(self, seq: int) -> None:
        for is_last in (False, True):
            try:
                self._open(self._segment(seq), 0)
            except FileNotFoundError as error:
                if is_last:
                    raise _absent(seq, seq) from error
                continue  # it was archived while we looked; where to, we look again
            return

    def _open(self, segment: Segment, offset: int) -> None:
        self.close()
        self._file, self._offset = segment.path.open("rb", buffering=0), offset

    def _files(self) -> list[Segment]:
        # The journal first: what is archived is whole there before it goes here, so it is seen in one place at least.
        found = {file.first_seq: file for file in _segments(self._directory)}
        for place in self._archives:
            found = {file.first_seq: file for file in _segments(place)} | found
        return [found[first] for first in sorted(found)]


def _segments(place: Path) -> list[Segment]:
    return segments(place) if place.is_dir() else []


def _first_line(segment: Segment) -> bytes:
    return next(lines(segment.path), (0, b""))[1]


def _absent(first: int, last: int) -> PositionError:
    named = f"record {first} is" if first == last else f"records {first} to {last} are"
    return PositionError(f"{named} not here", hint="if they were archived, name the directory: `--archive DIRECTORY`")


def _beyond(position: Position) -> PositionError:
    return PositionError(
        f"the journal does not reach to record {position.seq}", hint="is it another journal, or an older copy?"
    )
