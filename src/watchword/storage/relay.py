"""Hand committed events, in order, to the journal and the observers of this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Protocol

from sqlalchemy import delete, func, select

from watchword.bus import Bus
from watchword.kernel import Clock, Event, EventId
from watchword.storage.engine import Database
from watchword.storage.model import outbox

_BATCH = 500
_POLL_S = 0.05
# However quiet it seems, the tables are read this often, so that a database that cannot be read any more is noticed.
_READ_EVERY_S = 0.5
_KEPT = 100_000
_TRIMMED = 5_000


class EventJournal(Protocol):
    """Where events are proved; remembers by itself how far it got."""

    @property
    def outbox_position(self) -> int:
        """The last outbox position that is durably in the journal; 0 for none."""
        ...

    async def append_events(self, events: Sequence[tuple[int, Event]]) -> None:
        """Make the events durable, in order."""
        ...


class OutboxRelay:
    """Follow the outbox: first the journal, then the observers, then `position` moves.

    Attributes:
        position: the last position that every observer has seen.
        fresh_at: monotonic seconds of the last time it knew it had seen everything; never, before the first round.
    """

    def __init__(self, database: Database, bus: Bus, journal: EventJournal, clock: Clock) -> None:
        self._database = database
        self._bus = bus
        self._journal = journal
        self._clock = clock
        self._wake = asyncio.Event()
        self._round = asyncio.Lock()
        self.position = 0
        self.fresh_at = float("-inf")
        self.failure: Exception | None = None
        database.after_commit(self._wake.set)

    async def start_at_end(self) -> None:
        """Journal what an earlier run left behind, and begin observing after it.

        Observers load state from the tables after this call, so what was committed before needs no delivery.
        """
        self.position = self._journal.outbox_position
        while batch := await self._read(self.position):
            await self._journal.append_events(batch)
            self.position = batch[-1][0]

    async def catch_up(self) -> None:
        """Deliver everything committed before this call; returns when every observer has seen it."""
        async with self._round:
            while True:
                asked_at = self._clock.monotonic()
                batch = await self._read(self.position)
                if not batch:
                    break
                unproved = [item for item in batch if item[0] > self._journal.outbox_position]
                if unproved:
                    await self._journal.append_events(unproved)
                await self._bus.deliver([event for _, event in batch])
                self.position = batch[-1][0]
            self.fresh_at = asked_at
            self.failure = None

    async def trim(self) -> int:
        """Delete events that the journal has and everybody has seen, but for the newest 100,000; return how many.

        Those that stay let a journal that was restored from a backup catch up. At most 5,000 go at a time, so that no
        writer waits long.
        """
        seen = min(self.position, self._journal.outbox_position)
        old = select(outbox.c.position).where(outbox.c.position <= seen - _KEPT).order_by(outbox.c.position)
        async with self._database.work() as unit:
            found = (await unit.connection.execute(old.limit(_TRIMMED))).scalars().all()
            if found:
                await unit.connection.execute(delete(outbox).where(outbox.c.position <= found[-1]))
        return len(found)

    async def run(self) -> None:
        """Keep catching up until cancelled: at once after a local commit, else every 50 ms.

        Where the database tells cheaply that nobody committed, nothing is asked. A failure leaves `fresh_at` where it
        was, so that the snapshot turns stale and denies, and is tried again.
        """
        seen: int | None = None
        read_at = float("-inf")
        while True:
            asked_at = self._clock.monotonic()
            # Taken before the reading: a commit in between is seen at the next look.
            stamp = self._database.stamp()
            try:
                if stamp is not None and stamp == seen and asked_at - read_at < _READ_EVERY_S:
                    self.fresh_at = asked_at
                else:
                    await self.catch_up()
                    seen, read_at = stamp, asked_at
            except Exception as error:  # noqa: BLE001  # whatever an observer raises: remember it, stay stale, retry
                self.failure, seen = error, None
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._wake.wait()
            self._wake.clear()

    async def _read(self, after: int) -> list[tuple[int, Event]]:
        query = select(outbox).where(outbox.c.position > after).order_by(outbox.c.position).limit(_BATCH)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            (
                row.position,
                Event(
                    id=EventId(row.id),
                    type=row.type,
                    at=row.at,
                    actor=row.actor,
                    subject=row.subject,
                    data=MappingProxyType(json.loads(row.data)),
                ),
            )
            for row in rows
        ]


async def newest_position(database: Database) -> int:
    """Return the newest committed outbox position; 0 for none."""
    async with database.read() as connection:
        return int((await connection.execute(select(func.coalesce(func.max(outbox.c.position), 0)))).scalar_one())
