"""Open a journal for writing: find where it stands, and repair what a crash may have left."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from watchword.audit.chain import BrokenChainError, Chain, claimed_before
from watchword.audit.checkpoint import Checkpoint, read_checkpoint, verify_checkpoint
from watchword.audit.errors import ForgedCheckpointError, JournalDamagedError
from watchword.audit.files import CHECKPOINTS, Segment, last_note, lines, remains, segments
from watchword.keys import VerificationKey

_LOOK = "run `watchword audit verify`; the server does not start on a journal that was changed"
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a journal stands.

    Attributes:
        chain: after the last complete record.
        covered: number of records that the last checkpoint covers; none if there is no checkpoint at all.
        notes_size: of the complete checkpoints, in bytes; what stands behind was torn by a crash.
        last: the segment that is written to, if there is any.
        size: of its complete lines, in bytes.
        room: bytes behind them, which are to be cut off: what is torn, and what was written ahead.
        torn: of these, what is left of a group that was never acknowledged.
    """

    chain: Chain
    covered: int | None
    notes_size: int
    last: Segment | None
    size: int
    room: int
    torn: int


def find_standing(directory: Path, keys: Mapping[str, VerificationKey]) -> Standing:
    """Walk from the last checkpoint to the end, checking the chain.

    Args:
        directory: of the journal.
        keys: a checkpoint by one of these must verify; one by another key is believed for its digest only.

    Raises:
        JournalDamagedError: what stands there does not follow from the last checkpoint.
    """
    note, notes_size = last_note(directory / CHECKPOINTS)
    files = segments(directory)
    if note is None:
        if any(segment.path.stat().st_size for segment in files):
            raise JournalDamagedError("the journal has records but no checkpoint", hint=_LOOK)
        return Standing(Chain(), None, notes_size, files[-1] if files else None, 0, 0, 0)
    try:
        checkpoint = read_checkpoint(note)
        if checkpoint.key in keys:
            verify_checkpoint(note, keys)
        return _walk(files, checkpoint, notes_size)
    except ForgedCheckpointError as error:
        raise JournalDamagedError(f"the last checkpoint cannot be believed: {error}", hint=_LOOK) from error
    except BrokenChainError as error:
        raise JournalDamagedError(f"the journal was changed: {error.words}", hint=_LOOK) from error


def _walk(files: list[Segment], checkpoint: Checkpoint, notes_size: int) -> Standing:
    chain = Chain(checkpoint.seq, checkpoint.head, checkpoint.outbox)
    rest = [index for index, segment in enumerate(files) if segment.first_seq <= max(checkpoint.seq, 1)]
    if not rest:
        if files or checkpoint.seq:
            raise JournalDamagedError("the journal ends before its last checkpoint", hint=_LOOK)
        return Standing(chain, 0, notes_size, None, 0, 0, 0)
    size = 0
    for index in range(rest[-1], len(files)):
        segment = files[index]
        start = size = _behind(segment, checkpoint) if index == rest[-1] else 0
        if index != rest[-1] and segment.first_seq != chain.seq + 1:
            raise JournalDamagedError(f"the journal file before `{segment.path.name}` is missing", hint=_LOOK)
        for end, line in lines(segment.path, start):
            if not line.endswith(b"\n"):
                break
            chain.follow(line[:-1])
            size = end
        if index != len(files) - 1 and segment.path.stat().st_size != size:
            raise JournalDamagedError(f"the journal file `{segment.path.name}` is cut short", hint=_LOOK)
    left = remains(files[-1].path, size)
    # Prevents: acknowledged records dropped because somebody, or the disk, spoilt a byte before them.
    if not left.is_natural:
        raise JournalDamagedError(f"no crash leaves what stands behind record {chain.seq}", hint=_LOOK)
    return Standing(chain, checkpoint.seq, notes_size, files[-1], size, left.size, left.torn)


def _behind(segment: Segment, checkpoint: Checkpoint) -> int:
    """Return the offset behind the record that a checkpoint covers last, having compared its digest."""
    if checkpoint.seq == 0:
        return 0
    offset = _offset_of(segment.path, checkpoint.seq)
    end, line = next(lines(segment.path, offset), (0, b"")) if offset >= 0 else (0, b"")
    if not line.endswith(b"\n"):
        raise JournalDamagedError("the journal ends before its last checkpoint", hint=_LOOK)
    # What stood before it is for `verify` to judge; here its own digest must be the one that was signed.
    one = claimed_before(line)
    one.follow(line[:-1])
    if one.head != checkpoint.head:
        raise JournalDamagedError(f"record {checkpoint.seq} is not the one that was signed", hint=_LOOK)
    return end


def _offset_of(path: Path, seq: int) -> int:
    """Return where a record's line begins, or -1; searched from the end, where it is near."""
    mark = b'\n{"seq":%d,' % seq
    with path.open("rb") as file:
        if file.read(len(mark) - 1) == mark[1:]:
            return 0
        end = file.seek(0, os.SEEK_END)
        for start in _backwards(end):
            file.seek(start)
            found = file.read(_PIECE + len(mark)).rfind(mark)
            if found >= 0:
                return start + found + 1
    return -1


def _backwards(end: int) -> Iterator[int]:
    start = end
    while start > 0:
        start = max(0, start - _PIECE)
        yield start
