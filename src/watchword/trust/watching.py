"""Show the detectors what happens, ask them by their clock, and keep what they remember over a restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from watchword.kernel import Clock
from watchword.storage import Database
from watchword.trust import store
from watchword.trust.detectors import Detectors, Row
from watchword.trust.observation import Finding, Observation

_BATCH: Final = 100
_SKEW_S: Final = 60.0
_MINUTE_S: Final = 60.0
_LONGEST_KEY: Final = 400
# While the database refuses, so much waits; of the rest a restart would not know.
_MOST_WAITING: Final = 200_000


class Watching:
    """The detectors and the storage of their states.

    Attributes:
        detectors: fed and asked by others.
        unreadable: stored states that could not be read.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._unwritten: dict[tuple[str, str], str | None] = {}
        self.detectors = Detectors(clock=lambda: clock.now().timestamp())
        self.unreadable = 0

    def see(self, observation: Observation) -> bool:
        """Show them an act, of which one that they saw before is nothing new; tells whether it could be read."""
        # Prevents: one act that cannot be read ending whatever else there is to learn and to watch.
        try:
            self.detectors.observe(observation)
        except Exception:  # noqa: BLE001  # whatever it is, the next act is another one
            return False
        return True

    def judge(self, observation: Observation) -> Sequence[Finding]:
        """Ask what they find in a request before it is answered."""
        at = self._present(observation.at)
        # In whole minutes, as decisions are judged.
        seen = observation if at == observation.at else replace(observation, at=at // _MINUTE_S * _MINUTE_S)
        return self.detectors.judge(seen)

    def found(self, seen: Observation, now: float) -> Sequence[Finding]:
        """Ask what stands against whoever asked, in no time."""
        return self.detectors.findings_for(seen.user, seen.session, seen.network, self._present(now))

    def _present(self, at: float) -> float:
        """Return a decision's time by the clock that acts are told by; decisions do not follow it when it goes back.

        # Prevents: a node whose clock was put right taking what counts for minutes for long over.
        """
        now = self._clock.now().timestamp()
        return at if at <= now + _SKEW_S else now

    async def load(self) -> None:
        """Read back what was remembered."""
        async with self._database.read() as connection:
            rows = await store.all_detector_states(connection)
        self.unreadable = self.detectors.restore([Row(*row) for row in rows])

    async def flush(self) -> None:
        """Write what changed since the last time.

        Raises:
            StorageError: the database refused; what is not written stays in memory and is tried again.
        """
        for row in self.detectors.changes():
            if len(row.key) <= _LONGEST_KEY and (
                len(self._unwritten) < _MOST_WAITING or (row.detector, row.key) in self._unwritten
            ):
                self._unwritten[row.detector, row.key] = row.data
        while self._unwritten:
            batch = dict(islice(self._unwritten.items(), _BATCH))
            async with self._database.work() as work:
                rows = [(detector, key, data) for (detector, key), data in batch.items()]
                await store.put_detector_states(work.connection, rows, self._clock.now())
            for key in batch:
                del self._unwritten[key]

    async def drop_stored(self, user: str) -> None:
        """Forget what was stored of a deleted user by a node that watched, where nothing of it was loaded."""
        async with self._database.work() as work:
            await store.drop_detector_states_of(work.connection, user)
