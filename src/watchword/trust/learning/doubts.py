"""Acts that were in doubt, about which their owners are asked: kept for a month, and few for each account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from watchword.kernel import Clock
from watchword.storage import Database
from watchword.trust.learning import store
from watchword.trust.learning.labels import Doubt

KEPT = timedelta(days=30)
MOST_PER_USER = 50


class Doubts:
    """Remember what was in doubt, and what its owner said of it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, doubts: Sequence[Doubt]) -> None:
        """Keep acts; one that is kept already stays as it is, and what is too old or too much goes."""
        async with self._database.work() as work:
            for doubt in doubts:
                await store.put_doubt(work.connection, doubt)
            # Prevents: whoever is refused again and again filling the table.
            await store.drop_doubts_before(work.connection, self._clock.now() - KEPT)
            for user in {doubt.judged.user for doubt in doubts}:
                await store.drop_doubts_beyond(work.connection, user, MOST_PER_USER)

    async def of(self, user: str) -> Sequence[Doubt]:
        """Return what was in doubt of an account, newest first, each with what its owner said."""
        async with self._database.read() as connection:
            return await store.doubts_of(connection, user, self._clock.now() - KEPT)
