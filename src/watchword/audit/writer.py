"""Write groups of records to the segments, and checkpoints beside them; synchronous, one caller at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Self

from watchword.audit.checkpoint import sign_checkpoint
from watchword.audit.durable import DurableFile, sync_directory
from watchword.audit.errors import AuditError, JournalBusyError, JournalUnwritableError
from watchword.audit.files import CHECKPOINTS, segment_path, segments
from watchword.audit.model import encode
from watchword.audit.opening import Standing, find_standing
from watchword.audit.thinning import APART, thin
from watchword.kernel import Clock
from watchword.keys import Signer, VerificationKey

_SEGMENT_BYTES = 64 * 1024 * 1024
_CHECKPOINT_RECORDS = APART
# Three hours of checkpoints at the most; to thin them takes about 0.1 s of a thread, but those of years half a minute.
_THIN_BYTES = 256 * 1024
# How much is written ahead at a time: a group that comes meanwhile waits up to a millisecond, and with more for longer.
_ROOM_BYTES = 512 * 1024
# Whoever writes less than this before he closes has nothing written ahead.
_QUIET_BYTES = 64 * 1024
_SPARE_BYTES = 64 * 1024 * 1024
_NO_ROOM_S = 10.0
CHECKPOINT_S = 10.0
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Writer:
    """Hold the directory of a journal and add to it.

    Attributes:
        problem: why the last attempt to write failed; none after one that went well.
    """

    def __init__(
        self,
        directory: Path,
        standing: Standing,
        *,
        signer: Signer,
        clock: Clock,
        lock: int,
        keys: Mapping[str, VerificationKey],
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._lock = lock
        self._keys = dict(keys)
        self._chain = standing.chain
        self._covered = standing.covered or 0
        self._checkpointed_at = clock.monotonic()
        self._refused = 0
        self._room_after = standing.size + _QUIET_BYTES
        self._room_at = clock.monotonic()
        self._checkpoints = DurableFile(directory / CHECKPOINTS)
        self._thin_at = _THIN_BYTES
        self._segment = DurableFile(standing.last.path) if standing.last else None
        self._signer = signer
        self.problem: JournalUnwritableError | None = None

    @classmethod
    def open(cls, directory: Path, *, signer: Signer, clock: Clock, keys: Mapping[str, VerificationKey]) -> Self:
        """Take the directory, repair what a crash left, and note the opening.

        Raises:
            JournalBusyError: another process writes this journal.
            JournalDamagedError: what stands there was changed since it was signed.
            JournalUnwritableError: the directory or the disk refuses.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _lock(directory)
            try:
                known = {**keys, signer.kid: signer.verification_key}
                standing = find_standing(directory, known)
                writer = cls(directory, standing, signer=signer, clock=clock, lock=lock, keys=known)
            except BaseException:
                os.close(lock)
                raise
            try:
                writer._begin(standing)
            except BaseException:
                writer._let_go()
                raise
        except OSError as error:
            raise _unwritable(error) from error
        return writer

    def use_signer(self, signer: Signer) -> None:
        """Sign the next checkpoints with another key."""
        self._keys[signer.kid] = signer.verification_key
        self._signer = signer

    @property
    def seq(self) -> int:
        """The number of the last durable record."""
        return self._chain.seq

    @property
    def outbox(self) -> int:
        """The highest outbox position that is durable."""
        return self._chain.outbox

    @property
    def uncovered(self) -> int:
        """How many records no checkpoint covers yet."""
        return self._chain.seq - self._covered

    def commit(self, group: Sequence[tuple[bytes, int | None]]) -> int:
        """Chain, write and sync encoded records with their outbox positions, and return the number of the first.

        Raises:
            JournalUnwritableError: none of them is in the journal; calling again tries again.
        """
        # A copy moves on; it takes the place of the chain only when its lines are durable.
        chain = self._chain.copy()
        try:
            notice = [chain.link(self._recovery_notice())] if self._refused else []
            first = chain.seq + 1
            written = [chain.link(body, position) for body, position in group]
            self._writable_segment().append(b"".join([*notice, *written]))
        except JournalUnwritableError as damage:
            self._refused, self.problem = self._refused + len(group), damage
            raise
        except Exception as failure:
            self._refused, self.problem = self._refused + len(group), _unwritable(failure)
            raise self.problem from failure
        self._chain, self._refused, self.problem = chain, 0, None
        return first

    @property
    def needs_room(self) -> bool:
        """Tell whether `write_ahead` should be called soon."""
        segment = self._segment
        return (
            segment is not None
            and segment.room < _ROOM_BYTES // 2
            and self._room_after <= segment.size < _SEGMENT_BYTES - segment.room
            and self._clock.monotonic() >= self._room_at
        )

    def write_ahead(self) -> None:
        """Put zeros on the disk where records will be; the one thing that may be done while another thread commits.

        A disk that is nearly full, or fails, is left alone for a while. The records are none the worse for it.
        """
        segment = self._segment
        try:
            disk = os.statvfs(self._directory)
            # Prevents: the last of a disk taken for what is not needed, so that what is needed is refused.
            is_free = disk.f_bavail * disk.f_frsize >= _SPARE_BYTES
            if is_free and segment is not None:
                segment.write_ahead(_ROOM_BYTES)
        except Exception:  # noqa: BLE001  # the records are durable without it
            is_free = False
        if not is_free:
            self._room_at = self._clock.monotonic() + _NO_ROOM_S

    def checkpoint_if_due(self) -> None:
        """Sign a checkpoint after many records or some time; failing to is no reason to refuse records."""
        is_late = self._clock.monotonic() - self._checkpointed_at >= CHECKPOINT_S
        if self.uncovered >= _CHECKPOINT_RECORDS or (self.uncovered and is_late):
            self.checkpoint()

    def checkpoint(self) -> None:
        """Sign a checkpoint now, if it would say anything new."""
        self._checkpointed_at = self._clock.monotonic()
        try:
            if self.uncovered:
                self._sign()
        except Exception as failure:  # noqa: BLE001  # the records are durable without it; it is tried again
            self.problem = failure if isinstance(failure, JournalUnwritableError) else _unwritable(failure)

    @property
    def needs_thinning(self) -> bool:
        """Tell whether there are many checkpoints, so that `thin` should be called."""
        return self._checkpoints.size >= self._thin_at

    def thin(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Leave away checkpoints that newer ones make needless; others may commit and sign meanwhile.

        One that was forged stays, and with something in between that is none all of them do, for verification to find.

        Args:
            is_over: asked now and then; once it says so they are left as they are.
        """
        with suppress(OSError, AuditError):  # they are as good as before
            begins = segments(self._directory)[0].first_seq
            thin(self._checkpoints, begins=begins, keys=dict(self._keys), is_over=is_over)
        self._thin_at = self._checkpoints.size + _THIN_BYTES

    def close(self) -> None:
        """Sign what is not covered yet and let go of the directory."""
        self.checkpoint()
        self._let_go()

    def _begin(self, standing: Standing) -> None:
        self._checkpoints.cut(standing.notes_size)
        if standing.covered is None:
            # The first checkpoint says that nothing was there: from now on a journal without one was tampered with.
            self._sign()
            sync_directory(self._directory)
        if standing.room and self._segment is not None:
            self._segment.cut(standing.size)
        opened = {"type": "journal.opened", "at": self._clock.now(), "torn_bytes": standing.torn}
        self.commit([(encode(opened), None)])
        self._sign()

    def _recovery_notice(self) -> bytes:
        return encode({"type": "journal.recovered", "at": self._clock.now(), "refused": self._refused})

    def _writable_segment(self) -> DurableFile:
        if self._segment is not None and (self._segment.size < _SEGMENT_BYTES or self._segment.is_suspect):
            return self._segment
        if self._segment is not None:
            # INVARIANT: behind the records of a segment that is not the last stands nothing.
            self._segment.trim()
        fresh = DurableFile(segment_path(self._directory, self._chain.seq + 1))
        try:
            fresh.require_empty()
            sync_directory(self._directory)
        except BaseException:
            fresh.close()
            raise
        if self._segment is not None:
            self._segment.close()
            self._room_after = 0
        self._segment = fresh
        return fresh

    def _sign(self) -> None:
        at = self._clock.now().astimezone(UTC).isoformat(timespec="milliseconds")
        self._checkpoints.append(sign_checkpoint(self._chain, at, self._signer).encode() + b"\n")
        self._covered = self._chain.seq

    def _let_go(self) -> None:
        for file in (self._segment, self._checkpoints):
            if file is not None:
                file.close()
        os.close(self._lock)


def _lock(directory: Path) -> int:
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Prevents: two processes chaining onto the same record. The kernel lets go when a process dies.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise JournalBusyError(
            "another process writes this journal", hint="is Watchword running already on this data directory?"
        ) from error
    return descriptor


def _unwritable(error: Exception) -> JournalUnwritableError:
    if isinstance(error, OSError) and error.errno in _FULL:
        return JournalUnwritableError(
            "the disk that holds the journal is full", hint="free some space; it goes on by itself, nothing is lost"
        )
    why = error.strerror if isinstance(error, OSError) else type(error).__name__
    return JournalUnwritableError(f"the journal cannot be written ({why})", hint="check the disk and the directory")
