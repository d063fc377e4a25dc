"""The journal: append, in groups, records that are durable and chained before anybody is told."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchword.audit.errors import AuditError, JournalUnwritableError, UnrecordableError
from watchword.audit.model import MAX_BYTES, encode, event_record
from watchword.audit.writer import CHECKPOINT_S, Writer
from watchword.kernel import Clock, Event
from watchword.keys import Signer, VerificationKey

# Where several waited, more are coming: a moment later one sync serves them all, and the event loop is interrupted less
# often. Whoever comes alone waits for nothing.
_GATHER_S = 0.001
_BACKLOG_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class _Entry:
    """What must be durable before somebody is told: one record, or a batch that is never split over groups.

    Attributes:
        records: encoded, each with its outbox position if it has one.
        settled: told the number of the last of them, or why none of them is in the journal.
        size: of all of them, in bytes.
    """

    records: Sequence[tuple[bytes, int | None]]
    settled: Callable[[int, JournalUnwritableError | None], None]
    size: int


class Journal:
    """One node's append-only, hash-chained log.

    The event loop encodes a record and queues it; one thread chains whatever is queued, writes it in one piece, syncs
    once, and has the event loop tell whoever waits. While a group is being synced the next one gathers, so one sync
    serves many.

    If the disk refuses, every append of the group raises; the next append tries again, on a file that was cut back to
    what was acknowledged. The chain has neither a hole nor a half-written record afterwards.

    # INVARIANT: whoever waits is told only after the record is durable; a decision is released by that alone.
    """

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock
        self._pending: deque[_Entry] = deque()
        self._backlog = 0
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_signalled = False
        self._is_closing = False
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name="watchword-journal", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls, directory: Path, *, signer: Signer, clock: Clock, keys: Mapping[str, VerificationKey] | None = None
    ) -> Journal:
        """Open the journal of a directory, or begin one; a torn tail of a crash is cut off.

        Args:
            directory: made if it is not there, mode 0700.
            signer: the Ed25519 key that signs checkpoints.
            clock: for the times of checkpoints, and of records that bring none.
            keys: public journal keys of the past; the last checkpoint must verify if its key is among them.

        Raises:
            JournalBusyError: another process writes this journal.
            JournalDamagedError: what stands there was changed since it was signed.
            JournalUnwritableError: the directory or the disk refuses.
        """
        return cls(Writer.open(directory, signer=signer, clock=clock, keys=keys or {}), clock)

    @property
    def outbox_position(self) -> int:
        """The last outbox position that is durably in the journal; 0 for none."""
        return self._writer.outbox

    @property
    def seq(self) -> int:
        """The number of the last durable record."""
        return self._writer.seq

    @property
    def problem(self) -> JournalUnwritableError | None:
        """Why the last attempt to write failed; none after one that went well. For readiness."""
        return self._writer.problem

    def append_nowait(self, record: Mapping[str, Any]) -> asyncio.Future[int]:
        """Queue a record; the future gives its number once it is durable, or raises `JournalUnwritableError`.

        The record is encoded at once, so it may be changed afterwards.

        Raises:
            UnrecordableError: it has no faithful JSON form.
            JournalUnwritableError: closed, or the disk is so slow that 16 MiB wait already.
        """
        body = encode(record, None if "at" in record else self._clock.now())
        return self._enqueue(((body, None),), len(body))

    async def append(self, record: Mapping[str, Any]) -> int:
        """Make a record durable and return its number.

        Raises:
            UnrecordableError: it has no faithful JSON form.
            JournalUnwritableError: it could not be made durable, and is not in the journal.
        """
        return await self.append_nowait(record)

    def submit(self, record: bytes, settled: Callable[[Exception | None], None]) -> None:
        """Make a record durable that the caller has encoded, for the path where each microsecond counts.

        # INVARIANT: the caller vouches for its form: one JSON object with `type` and `at`, without the names that the
        # journal keeps for itself (`seq`, `prev`, `outbox`).

        Args:
            settled: told once, at once or later, from the event loop: nothing when the record is durable, otherwise
                why it is not in the journal. Must not raise.
        """
        try:
            if len(record) > MAX_BYTES:
                raise UnrecordableError("a record is too long")
            self._queue(((record, None),), len(record), lambda _, error: settled(error))
        except AuditError as refusal:
            settled(refusal)

    async def append_events(self, events: Sequence[tuple[int, Event]]) -> None:
        """Make a batch of events durable, all or none, and with them how far the outbox was read.

        Raises:
            UnrecordableError: one of them has no faithful JSON form.
            JournalUnwritableError: none of them is in the journal.
        """
        if events:
            # INVARIANT: one entry, so that no later batch can be durable without an earlier one.
            records = [(encode(event_record(event)), position) for position, event in events]
            await self._enqueue(records, sum(len(body) for body, _ in records))

    def use_signer(self, signer: Signer) -> None:
        """Sign the next checkpoints with another key; call after the journal key was rotated."""
        self._writer.signer = signer

    async def close(self) -> None:
        """Write what is queued, sign a last checkpoint and let go of the directory."""
        self._is_closing = True
        self._wake.put(None)
        await asyncio.to_thread(self._thread.join)

    def _enqueue(self, records: Sequence[tuple[bytes, int | None]], size: int) -> asyncio.Future[int]:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def settled(seq: int, error: JournalUnwritableError | None) -> None:
            if future.done():
                return  # whoever waited was cancelled; the record stays
            if error is None:
                future.set_result(seq)
            else:
                # One exception object each: several tasks will raise it.
                future.set_exception(type(error)(error.message, hint=error.hint))

        self._queue(records, size, settled)
        return future

    def _queue(
        self,
        records: Sequence[tuple[bytes, int | None]],
        size: int,
        settled: Callable[[int, JournalUnwritableError | None], None],
    ) -> None:
        if self._is_closing:
            raise JournalUnwritableError("the journal is closed")
        # Prevents: a stalled disk filling the memory; what cannot be proved soon is refused now.
        if self._backlog and self._backlog + size > _BACKLOG_BYTES:
            raise JournalUnwritableError("the disk of the journal does not keep up", hint="look at its load and health")
        self._backlog += size
        self._loop = asyncio.get_running_loop()
        self._pending.append(_Entry(records, settled, size))
        if not self._is_signalled:
            self._is_signalled = True
            self._wake.put(None)

    def _run(self) -> None:
        while not (self._is_closing and not self._pending):
            # While records keep coming nobody has to be waited for.
            if not self._pending:
                try:
                    self._wake.get(timeout=CHECKPOINT_S if self._writer.uncovered else None)
                except queue.Empty:
                    self._writer.checkpoint()
                    continue
            # In this order: whoever queues from here on signals again, and what was queued before is taken below.
            self._is_signalled = False
            group = [self._pending.popleft() for _ in range(len(self._pending))]
            if group:
                self._commit(group)
                if len(group) > 1:
                    time.sleep(_GATHER_S)
                self._writer.checkpoint_if_due()
        self._writer.close()

    def _commit(self, group: Sequence[_Entry]) -> None:
        first, error = 0, None
        try:
            first = self._writer.commit([record for entry in group for record in entry.records])
        except JournalUnwritableError as refusal:
            error = refusal
        with suppress(RuntimeError):  # the loop is gone, and everybody who waited with it
            self._loop.call_soon_threadsafe(self._settle, group, first, error)

    def _settle(self, group: Sequence[_Entry], first: int, error: JournalUnwritableError | None) -> None:
        seq = first
        for entry in group:
            self._backlog -= entry.size
            seq += len(entry.records)
            try:
                entry.settled(seq - 1, error)
            except Exception as failure:  # noqa: BLE001  # one that cannot be told must not keep the others waiting
                self._loop.call_exception_handler({"message": "a record's owner failed", "exception": failure})
