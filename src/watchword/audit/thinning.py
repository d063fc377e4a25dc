"""Thin the checkpoints of a journal, so that they stay in proportion to its records and go when those are archived.

Each checkpoint speaks for every record before it, so the newest alone would show any change. Older ones still say how
far a journal can be believed whose middle was damaged; for that they may be as far apart as they are in busy times.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from watchword.audit.checkpoint import Checkpoint, read_checkpoint, verify_checkpoint
from watchword.audit.durable import DurableFile
from watchword.audit.errors import ForgedCheckpointError
from watchword.audit.files import notes
from watchword.keys import VerificationKey

# How many records may lie between two checkpoints that are kept.
APART = 4096
# So many are kept as they are: an hour of a node on which something always happens.
_NEWEST = 360
# A check of a signature takes about 0.1 ms. What goes at once is at least so many, and of a file of years a sixteenth:
# the file is written anew each time, so a few at a time would mean writing it anew for months.
_AT_ONCE = 2048
_BYTES_FOR_EACH = 4096
_PIECE = 1 << 20
_PART = ".part"


@dataclass(slots=True)
class _Sieve:
    """Say of each note, the oldest first, whether what comes after it makes it needless.

    Attributes:
        behind: number of the last record that what was kept speaks for.
        most: how many notes may be dropped.
        dropped: notes so far.
    """

    behind: int
    keys: Mapping[str, VerificationKey]
    most: int
    dropped: int = 0

    @property
    def is_spent(self) -> bool:
        """Tell whether enough was dropped."""
        return self.dropped >= self.most

    def keeps(self, note: str, seq: int, following: int) -> bool:
        """Decide; `following` is the number in the next note."""
        is_needless = seq < self.behind or following - self.behind <= APART
        if is_needless and self._is_genuine(note):
            self.dropped += 1
            return False
        self.behind = max(seq, self.behind)
        return True

    def _is_genuine(self, note: str) -> bool:
        # Prevents: a forged checkpoint, which verification would find, being cleared away by ourselves.
        time.sleep(0)  # the event loop first
        try:
            verify_checkpoint(note, self.keys)
        except ForgedCheckpointError:
            return False
        return True


def thin(
    file: DurableFile,
    *,
    begins: int,
    keys: Mapping[str, VerificationKey],
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Leave away what needs not be kept; notes may be appended meanwhile.

    A crash leaves the file as it was or as it will be; either verifies.

    Args:
        file: of checkpoints, whole notes only.
        begins: number of the first record that is still there; what speaks of earlier ones alone goes.
        keys: who may have signed; what others signed, or nobody, stays for `verify` to find.
        is_over: asked now and then; once it says so all of it stays.

    Raises:
        ForgedCheckpointError: something in it is no checkpoint, or out of order; all of it stays.
        OSError: the disk refuses; all of it stays.
    """
    size, part = file.size, file.path.with_name(file.path.name + _PART)
    sieve = _Sieve(max(begins - 1, 0), keys, max(_AT_ONCE, size // _BYTES_FOR_EACH))
    part.unlink(missing_ok=True)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as kept:
            unsynced = 0
            for piece in _kept(file.path, size, sieve):
                if is_over():
                    return
                kept.write(piece)
                unsynced += len(piece)
                # Prevents: records that wait for the disk waiting for hundreds of megabytes of this.
                if unsynced >= _PIECE:
                    unsynced = _synced(kept)
            _synced(kept)
        if sieve.dropped:
            file.replace(part, since=size)
    finally:
        part.unlink(missing_ok=True)


def _synced(file: BinaryIO) -> int:
    """Have the disk take what was written, and return how much is left to be taken."""
    file.flush()
    os.fsync(file.fileno())
    return 0


def _kept(path: Path, size: int, sieve: _Sieve) -> Iterator[bytes]:
    newest: deque[tuple[bytes, Checkpoint]] = deque()
    last, read = -1, 0
    for note in _acknowledged(path, size):
        checkpoint = read_checkpoint(note)
        if checkpoint.seq <= last:
            raise ForgedCheckpointError("the checkpoints are out of order")
        last = checkpoint.seq
        newest.append((note.encode() + b"\n", checkpoint))
        read += len(newest[-1][0])
        if sieve.is_spent:
            break
        if len(newest) > _NEWEST:
            oldest, its = newest.popleft()
            if sieve.keeps(oldest[:-1].decode(), its.seq, newest[0][1].seq):
                yield oldest
    yield from (note for note, _ in newest)
    yield from _between(path, read, size)


def _between(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Yield what is left for another time, as it stands."""
    with path.open("rb") as file:
        file.seek(start)
        while start < end:
            piece = file.read(min(_PIECE, end - start))
            if not piece:
                raise ForgedCheckpointError("the checkpoints are not what was written")
            start += len(piece)
            yield piece


def _acknowledged(path: Path, size: int) -> Iterator[str]:
    """Yield the notes that take so many bytes; what stands behind may just be being written."""
    read = 0
    for note, is_whole in notes(path):
        if read == size:
            return
        read += len(note.encode()) + 1
        if read > size or not is_whole:
            raise ForgedCheckpointError("the checkpoints are not what was written")
        yield note
