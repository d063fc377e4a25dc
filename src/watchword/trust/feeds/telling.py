"""Tell what becomes of feeds, each thing once, even where the database fails for a while."""

from __future__ import annotations

import asyncio
from typing import Final

from watchword.kernel import Clock, Entropy, Event
from watchword.storage import Database
from watchword.trust.feeds.acceptance import Notice

_MOST_UNTOLD: Final = 100


class Telling:
    """What is to be told, in its order.

    Args:
        database: takes the events.
    """

    def __init__(self, database: Database, clock: Clock, entropy: Entropy) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._untold: list[tuple[str, Notice]] = []
        self._turn = asyncio.Lock()

    def note(self, feed: str, notice: Notice) -> None:
        """Remember what is to be told of a feed; while nothing can be told, a hundred things at most."""
        if len(self._untold) < _MOST_UNTOLD:
            self._untold.append((feed, notice))

    async def tell(self) -> None:
        """Tell what was noted; what cannot be told now, because the database fails, is told the next time."""
        # Prevents: two looks that end at once telling one thing twice and another never.
        async with self._turn:
            while self._untold:
                event = self._event(*self._untold[0])
                try:
                    async with self._database.work() as work:
                        work.emit(event)
                except Exception:  # noqa: BLE001  # a database that fails for a while must not end the following
                    return
                del self._untold[0]

    def _event(self, feed: str, notice: Notice) -> Event:
        return notice.type.at(
            self._clock.now(), self._entropy, actor=notice.actor, subject=f"feed_{feed}", feed=feed, **notice.data
        )
