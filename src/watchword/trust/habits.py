"""Habits in memory: what behaviour is judged by, taught in batches by verified outcomes, written behind.

Between two batches nothing changes: a decision may be given again as long as its facts are the very same objects.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from watchword.kernel import Clock
from watchword.storage import Database, StorageError
from watchword.trust import store
from watchword.trust.behaviour import (
    BehaviourProfile,
    Lesson,
    Model,
    Population,
    dump,
    dump_population,
    learn,
    parse,
    parse_population,
)
from watchword.trust.learning import Suppression
from watchword.trust.lessons import Figures, Lessons
from watchword.trust.observation import Act, Finding, NetworkTraits, Observation
from watchword.trust.shared import SharedNetworks
from watchword.trust.statistical import Known, Situation
from watchword.trust.surroundings import Reputation, Surroundings
from watchword.trust.undoing import Snapshots
from watchword.trust.watching import Watching

POPULATION: Final = "population"
_SHARED: Final = "shared-networks"
_MOST_WAITING: Final = 20_000
_SLICE: Final = 50
_BATCH: Final = 50
_EVERY_S: Final = 5.0
# Everybody together is a large text; after a crash the last half minute of it is missing, and of nobody's own habits.
_POPULATION_EVERY_S: Final = 30.0
_LONGEST_QUEUE: Final = 1_000


class Habits:
    """What is usual for each user, in bounded memory; reading is synchronous and never leaves memory.

    A profile that is not in memory is read in the background; until then its user is judged with caution, by name.

    Args:
        most: profiles in memory; those used least recently go to storage.
        reputation: of addresses; without it nothing is said of them.
        places: names the data that places come from.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        model: Model | None = None,
        most: int = 10_000,
        reputation: Reputation | None = None,
        places: str = "",
    ) -> None:
        self._database = database
        self._clock = clock
        self._most = most
        self._surroundings = Surroundings(reputation, places)
        self._lessons = Lessons()
        self._before: Snapshots[str] = Snapshots()
        self._model = model or Model()
        self._population = Population()
        self._profiles: OrderedDict[str, BehaviourProfile] = OrderedDict()
        self._packed: dict[str, str] = {}
        self._away: set[str] = set()
        self._wanted: dict[str, None] = {}
        self._known: dict[str, Known] = {}
        self._waiting: deque[Observation] = deque()
        self._dirty: set[str] = set()
        self._deleted: set[str] = set()
        self._population_dirty_since: float | None = None
        self._wake = asyncio.Event()
        self._feeders: list[Callable[[], Iterable[Observation]]] = []
        self._watching = Watching(database, clock)
        self.detectors = self._watching.detectors
        self.figures = Figures()

    async def load(self) -> None:
        """Read the habits of everybody together, and of those whose were written last."""
        async with self._database.read() as connection:
            owners = await store.owners_of_habits(connection)
            own = [owner for owner in owners if owner not in {POPULATION, _SHARED}]
            whole = await store.habits_of(connection, [POPULATION, _SHARED])
            for at in range(0, min(self._most, len(own)), _BATCH):
                self._packed |= await store.habits_of(connection, own[at : min(self._most, at + _BATCH)])
        self._away = set(own[self._most :])
        self._restore(whole)
        await self._watching.load()
        self.figures.unreadable += self._watching.unreadable

    # --- reading ----------------------------------------------------------------------------------------------------

    def known(self, user: str) -> Known:
        """Return what is known of a user: the same object until something was learned."""
        found = self._known.get(user)
        if found is None:
            found = self._known[user] = self._look_up(user)
            # Prevents: sessions of very many users filling the memory between two batches.
            if len(self._known) > self._most:
                self._known = {user: found}
        return found

    def situation(self, observation: Observation, now: datetime, *, given: Sequence[Finding] = ()) -> Situation:
        """Gather what behaviour is judged by.

        Args:
            given: what is known beside habits: the state of the device, the proof that was shown.
        """
        return Situation(
            observation,
            self.known(observation.user),
            tuple(self.detectors.judge(observation)),
            self._surroundings.said(observation.ip, now),
            self._surroundings.versions(),
            self._surroundings.quiet(observation, now),
            tuple(given),
        )

    def traits_of(self, ip: str, network: str, now: datetime) -> NetworkTraits:
        """Say what is known of an address's network."""
        return self._surroundings.traits_of(ip, network, now)

    def still_holds(self, situation: Situation, now: datetime) -> bool:
        """Tell whether behaviour would be judged by the very same again, in the same minute."""
        seen = situation.observation
        return (
            self.known(seen.user) is situation.known
            and not self.detectors.findings_for(seen.user, seen.session, seen.network, now.timestamp())
            and self._surroundings.said(seen.ip, now) == situation.reputation
            and self._surroundings.quiet(seen, now) == situation.quiet
        )

    def _look_up(self, user: str) -> Known:
        profile = self._profiles.get(user)
        if profile is None and user in self._packed:
            profile = self._unpack(user, self._packed.pop(user))
        if profile is not None:
            self._profiles.move_to_end(user)
            return Known(profile, self._population, self._model)
        if user not in self._away:
            return Known(BehaviourProfile(), self._population, self._model)
        if len(self._wanted) < _LONGEST_QUEUE:
            self._wanted[user] = None
            self._wake.set()
        return Known(BehaviourProfile(), self._population, self._model, is_away=True)

    def _unpack(self, user: str, text: str) -> BehaviourProfile | None:
        try:
            profile = self._profiles[user] = parse(text)
        except ValueError:
            # Its user starts cold, and is judged with caution.
            self.figures.unreadable += 1
            return None
        return profile

    # --- learning ---------------------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """Return the weights in force."""
        return self._model

    @property
    def waiting(self) -> int:
        """Count what waits to be learned."""
        return len(self._waiting)

    def note(self, observation: Observation) -> None:
        """Take an act to be learned with the next batch."""
        # Prevents: a flood of acts filling the memory; what does not fit is not learned, and counted.
        if len(self._waiting) >= _MOST_WAITING:
            self.figures.dropped += 1
        else:
            self._waiting.append(observation)

    def fold(self, most: int = _SLICE) -> int:
        """Learn from some of what waits, at once; return how many were looked at."""
        batch = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        now = self._clock.now().timestamp()
        for observation in batch:
            if self._must_wait(observation):
                continue
            # Prevents: one act that cannot be read ending the learning, and with it the node.
            try:
                self.detectors.observe(observation)
                self.figures.learned += self._learn(observation, now) is Lesson.LEARNED
            except Exception:  # noqa: BLE001  # whatever it is, the next act is another one
                self.figures.unreadable += 1
        if batch:
            # INVARIANT: whoever holds a `Known` from before sees by identity that it is another one now.
            self._known = {}
        return len(batch)

    def _must_wait(self, observation: Observation) -> bool:
        """Put an act of somebody whose profile is still away behind, until it was read."""
        if observation.user not in self._away or not observation.is_verified:
            return False
        if len(self._wanted) < _LONGEST_QUEUE and len(self._waiting) < _MOST_WAITING:
            self._wanted[observation.user] = None
            self._waiting.append(observation)
            self._wake.set()
        else:
            self.figures.dropped += 1
        return True

    def _learn(self, observation: Observation, now: float) -> Lesson:
        lesson = self._lessons.of(observation)
        if lesson is None:
            return Lesson.NOT_VERIFIED
        user = lesson.user
        profile = self._profiles.get(user) or self._look_up(user).profile
        if lesson.act is not Act.REQUEST and lesson.session not in self._before:
            self._before.note(lesson.session, user, dump(profile))
        became = learn(lesson, profile, self._population, now=now)
        if became is Lesson.LEARNED:
            self._profiles[user] = profile
            self._profiles.move_to_end(user)
            self._dirty.add(user)
            self._deleted.discard(user)
            if self._population_dirty_since is None:
                self._population_dirty_since = self._clock.monotonic()
            if lesson.act is not Act.REQUEST:
                self._surroundings.shared.note(lesson.network, user)
        return became

    def unlearn(self, session: str) -> None:
        """Take back what a session taught, as far as this process saw it; what it added to everybody together fades."""
        self._waiting = deque(observation for observation in self._waiting if observation.session != session)
        found = self._before.take(session)
        if found is None:
            return
        user, text = found
        self._profiles[user] = parse(text)
        self._packed.pop(user, None)
        self._away.discard(user)
        self._dirty.add(user)
        self._known = {}

    def forget(self, user: str) -> None:
        """Forget a user who was deleted; what they added to everybody together fades."""
        for held in (self._profiles, self._packed, self._known, self._wanted):
            held.pop(user, None)
        self._away.discard(user)
        self._dirty.discard(user)
        self._deleted.add(user)
        self._before.forget(user)
        self.detectors.forget_user(user)

    def use_suppressions(self, active: Iterable[Suppression]) -> None:
        """Put the suppressions in force that there are now."""
        self._surroundings.use_suppressions(active)

    def use_model(self, model: Model) -> None:
        """Put other weights in force."""
        self._model, self._known = model, {}

    # --- storage ----------------------------------------------------------------------------------------------------

    async def flush(self, *, whole: bool = True) -> None:
        """Write what was learned since the last time, and let go of what was not used for longest.

        Args:
            whole: with the habits of everybody together, too.

        Raises:
            StorageError: the database refused; everything stays in memory and is tried again.
        """
        now = self._clock.now()
        for users in _batches(sorted(self._deleted)):
            async with self._database.work() as work:
                await store.drop_habits(work.connection, users)
            self._deleted.difference_update(users)
        for users in _batches(sorted(self._dirty)):
            written = {
                user: (profile.version, dump(profile)) for user in users if (profile := self._profiles.get(user))
            }
            async with self._database.work() as work:
                rows = [(user, version, text) for user, (version, text) in written.items()]
                await store.put_habits(work.connection, rows, now)
            self._dirty.difference_update(user for user, (version, _) in written.items() if self._is_at(user, version))
        await self._watching.flush()
        if whole and self._population_dirty_since is not None:
            await self._write_population(now)
        self._evict()

    def _is_at(self, user: str, version: int) -> bool:
        profile = self._profiles.get(user)
        return profile is None or profile.version == version

    async def _write_population(self, now: datetime) -> None:
        self._population_dirty_since = None
        try:
            text = dump_population(self._population)
            rows = [(POPULATION, self._population.version, text), (_SHARED, 0, self._surroundings.shared.dump())]
            async with self._database.work() as work:
                await store.put_habits(work.connection, rows, now)
        except StorageError:
            self._population_dirty_since = self._clock.monotonic()
            raise

    def _evict(self) -> None:
        """Hold to the bound; only what is stored may go."""
        spare = max(0, len(self._profiles) + len(self._packed) - self._most)
        packed = list(islice(reversed(self._packed), spare))
        for user in packed:
            del self._packed[user]
        idle = [user for user in self._profiles if user not in self._dirty][: spare - len(packed)]
        for user in idle:
            del self._profiles[user]
            self._known.pop(user, None)
        self._away.update(packed, idle)

    async def fetch(self) -> None:
        """Read the profiles that were asked for and are not in memory."""
        users = list(islice(self._wanted, _BATCH))
        if not users:
            return
        async with self._database.read() as connection:
            found = await store.habits_of(connection, users)
        for user in users:
            self._wanted.pop(user, None)
            if user in self._away:  # it may have been deleted in the meantime
                self._away.discard(user)
                if user in found:
                    self._packed[user] = found[user]
            self._known.pop(user, None)

    async def run(self, every_s: float = _EVERY_S) -> None:
        """Fetch at once what is asked for, learn and write every few seconds, until cancelled."""
        next_at = self._clock.monotonic() + every_s
        while True:
            self._wake.clear()
            try:
                async with asyncio.timeout(max(0.0, next_at - self._clock.monotonic())):
                    await self._wake.wait()
            except TimeoutError:
                pass
            try:
                await self.fetch()
                if self._clock.monotonic() >= next_at:
                    next_at = self._clock.monotonic() + every_s
                    await self.learn_waiting()
                    since = self._population_dirty_since
                    is_due = since is not None and self._clock.monotonic() - since >= _POPULATION_EVERY_S
                    await self.flush(whole=is_due)
            except StorageError:
                # Nothing is lost: what is in memory stays, and the next turn tries again.
                await asyncio.sleep(every_s)

    def fed_by(self, feeder: Callable[[], Iterable[Observation]]) -> None:
        """Ask `feeder` for acts before each batch."""
        self._feeders.append(feeder)

    async def learn_waiting(self) -> None:
        """Learn from everything that waits now, in slices between which others get their turn."""
        for feeder in self._feeders:
            for observation in feeder():
                self.note(observation)
        left = len(self._waiting)
        while left > 0:
            looked_at = self.fold(min(_SLICE, left))
            left -= max(1, looked_at)
            await asyncio.sleep(0)

    def _restore(self, whole: Mapping[str, str]) -> None:
        try:
            if POPULATION in whole:
                self._population = parse_population(whole[POPULATION])
            if _SHARED in whole:
                self._surroundings.shared = SharedNetworks.parse(whole[_SHARED])
        except ValueError:
            self.figures.unreadable += 1


def _batches(users: Sequence[str]) -> Iterator[list[str]]:
    for at in range(0, len(users), _BATCH):
        yield list(users[at : at + _BATCH])
