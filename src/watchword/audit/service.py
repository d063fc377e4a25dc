"""The journal: append, in groups, records that are durable and chained before anybody is told."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from watchword.audit.errors import AuditError, JournalUnwritableError, UnrecordableError
from watchword.audit.model import MAX_BYTES, encode, event_record
from watchword.audit.pace import Pace
from watchword.audit.writer import CHECKPOINT_S, Writer
from watchword.kernel import Clock, Event
from watchword.keys import Signer, VerificationKey

# Where several waited for the thread, more are coming: a moment later one sync serves them all, and the event loop is
# interrupted less often. Whoever comes alone waits for nothing.
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

    The event loop encodes a record and queues it. Whatever is queued is chained, written in one piece and synced once,
    and whoever waits is told; meanwhile the next group gathers, so one sync serves many. While the disk is quick the
    event loop does that by itself, for to hand it to a thread takes longer than it does; when the disk is slow a thread
    does, so that nobody else waits for it.

    If the disk refuses, every append of the group raises; the next append tries again, on a file that was cut back to
    what was acknowledged. The chain has neither a hole nor a half-written record afterwards.

    # INVARIANT: whoever waits is told only after the record is durable; a decision is released by that alone.
    """

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock
        self._pending: deque[_Entry] = deque()
        self._backlog = 0
        self._pace = Pace()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._is_busy = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_closing = False
        self._is_writing_ahead = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop
        self._is_over = threading.Event()
        self._thinner: threading.Thread | None = None
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
        self._writer.use_signer(signer)

    async def close(self) -> None:
        """Write what is queued, sign a last checkpoint and let go of the directory."""
        self._is_closing = True
        if self._timer is not None:
            self._timer.cancel()
        await self._idle.wait()
        self._work.put(None)
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
        if not self._is_busy:
            self._be_busy()
            self._loop.call_soon(self._take)

    # ---- on the event loop: which group is next, and who writes it ---------------------------------------------------

    def _be_busy(self) -> None:
        self._is_busy = True
        self._idle.clear()

    def _take(self) -> None:
        """Have everything that waits written: here while the disk is quick, else by the thread."""
        group = tuple(self._pending)
        self._pending.clear()
        if not group:
            self._is_busy = False
            self._idle.set()
            self._sign_later()
        elif self._pace.is_quick(self._clock.monotonic()):
            began = perf_counter()
            outcome = self._written(group)
            self._pace.note(perf_counter() - began, self._clock.monotonic())
            self._settle(group, *outcome)
            self._loop.call_soon(self._take)
        else:
            self._work.put(partial(self._write, group))

    def _written_by_thread(self, group: Sequence[_Entry], first: int, error: JournalUnwritableError | None) -> None:
        self._settle(group, first, error)
        if len(group) > 1:
            self._loop.call_later(_GATHER_S, self._take)
        else:
            self._take()

    def _sign_later(self) -> None:
        if self._writer.uncovered and self._timer is None and not self._is_closing:
            self._timer = self._loop.call_later(CHECKPOINT_S, self._sign)

    def _sign(self) -> None:
        """Cover what came last, when nothing more has come for a while."""
        self._timer = None
        if not self._is_busy and not self._is_closing:
            self._be_busy()
            self._work.put(self._checkpoint)

    def _settle(self, group: Sequence[_Entry], first: int, error: JournalUnwritableError | None) -> None:
        seq = first
        for entry in group:
            self._backlog -= entry.size
            seq += len(entry.records)
            try:
                entry.settled(seq - 1, error)
            except Exception as failure:  # noqa: BLE001  # one that cannot be told must not keep the others waiting
                self._loop.call_exception_handler({"message": "a record's owner failed", "exception": failure})
        if not self._is_writing_ahead and self._writer.needs_room:
            self._is_writing_ahead = True
            self._work.put(self._write_ahead)

    # ---- on the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (job := self._work.get()) is not None:
            job()
        self._is_over.set()
        if self._thinner:
            self._thinner.join()
        self._writer.close()

    def _write(self, group: Sequence[_Entry]) -> None:
        self._hand_back(group, *self._written(group))

    def _checkpoint(self) -> None:
        self._writer.checkpoint()
        self._hand_back((), 0, None)
        if self._writer.needs_thinning and not (self._thinner and self._thinner.is_alive()):
            # Prevents: whoever waits for a record waiting for years of checkpoints to be read, and written anew.
            self._thinner = threading.Thread(
                target=self._writer.thin, args=(self._is_over.is_set,), name="watchword-thinning", daemon=True
            )
            self._thinner.start()

    def _hand_back(self, group: Sequence[_Entry], first: int, error: JournalUnwritableError | None) -> None:
        with suppress(RuntimeError):  # the loop is gone, and everybody who waited with it
            self._loop.call_soon_threadsafe(self._written_by_thread, group, first, error)

    def _write_ahead(self) -> None:
        """Make room for records to come; the event loop may write meanwhile."""
        self._writer.write_ahead()
        self._is_writing_ahead = False

    # ---- on the thread, or on the event loop: one of them at a time ------------------------------------------------

    def _written(self, group: Sequence[_Entry]) -> tuple[int, JournalUnwritableError | None]:
        try:
            first = self._writer.commit([record for entry in group for record in entry.records])
        except JournalUnwritableError as refusal:
            return 0, refusal
        self._writer.checkpoint_if_due()
        return first, None
