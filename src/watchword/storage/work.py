"""One unit of work: a transaction that carries state and the events that tell of it."""

from __future__ import annotations

import json

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchword.kernel import Event
from watchword.storage.model import outbox

# Any number will do as long as every node uses the same; spells "outbox" in hexadecimal.
_OUTBOX_LOCK = 0x6F7574626F78


class UnitOfWork:
    """A transaction in progress; stores use `connection`, services call `emit`."""

    def __init__(self, connection: AsyncConnection, *, is_sqlite: bool) -> None:
        self.connection = connection
        self._is_sqlite = is_sqlite
        self._events: list[Event] = []
        self.emitted = False

    def emit(self, event: Event) -> None:
        """Tell the world, if and when this transaction commits."""
        self._events.append(event)

    async def flush(self) -> None:
        """Write the events into the outbox; called by the database just before it commits.

        On PostgreSQL a transaction lock makes positions commit in order, so that a relay that has seen a position
        has seen every one before it. SQLite has one writer anyway.
        """
        if not self._events:
            return
        if not self._is_sqlite:
            await self.connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _OUTBOX_LOCK})
        await self.connection.execute(
            insert(outbox),
            [
                {
                    "id": event.id,
                    "type": event.type,
                    "at": event.at,
                    "actor": event.actor,
                    "subject": event.subject,
                    "data": json.dumps(dict(event.data), separators=(",", ":"), sort_keys=True),
                }
                for event in self._events
            ],
        )
        self._events.clear()
        self.emitted = True
