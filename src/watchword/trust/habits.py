"""Habits in memory: what behaviour is judged by, taught in batches by verified outcomes, written behind.

Between two batches nothing changes: a decision may be given again as long as its facts are the very same objects.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from watchword.kernel import Clock
from watchword.storage import Database, StorageError
from watchword.trust import store
from watchword.trust.behaviour import Lesson, Model
from watchword.trust.learning import Suppression
from watchword.trust.lessons import Figures, Gone, Lessons, storable
from watchword.trust.memory import SHARED_NETWORKS, Memory
from watchword.trust.observation import Act, Finding, NetworkTraits, Observation
from watchword.trust.peering import Clusters, Peering, is_cluster, use_of
from watchword.trust.schools import HABITS, SIGN_INS
from watchword.trust.settings import FREEMAN, STATISTICAL
from watchword.trust.shared import SharedNetworks
from watchword.trust.situation import Known, KnownSignIns, Situation
from watchword.trust.surroundings import Reputation, Surroundings
from watchword.trust.watching import Watching

_MOST_WAITING: Final = 20_000
_SLICE: Final = 50
# Of one account between two batches: what many more would say, so many say as well.
_MOST_OF_USER: Final = 1_000
_EVERY_S: Final = 5.0
_SHARED_EVERY_S: Final = 30.0


class Habits:
    """What is usual for each user, in bounded memory; reading is synchronous and never leaves memory.

    What is not in memory is read in the background; until then its user is judged with caution, by name.

    Args:
        most: users in memory, for each profile that learns; those used least recently go to storage.
        reputation: of addresses; without it nothing is said of them.
        places: names the data that places come from.
        learns: the profiles that somebody wants to use; what the others would need is neither learned nor loaded.
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
        learns: Collection[str] = (STATISTICAL,),
    ) -> None:
        self._database = database
        self._clock = clock
        self._most = most
        self._surroundings = Surroundings(reputation, places)
        self._lessons = Lessons()
        self._model = model or Model()
        self._wake = asyncio.Event()
        self._habits = Memory(database, clock, HABITS, most=most, wake=self._wake.set)
        self._sign_ins = Memory(database, clock, SIGN_INS, most=most, wake=self._wake.set)
        self._memories: dict[str, Memory[Any, Any]] = {STATISTICAL: self._habits, FREEMAN: self._sign_ins}
        self._learning = [memory for name, memory in self._memories.items() if name in learns]
        self._peering = Peering()
        self._known: dict[str, Known] = {}
        self._known_sign_ins: dict[str, KnownSignIns] = {}
        self._waiting: deque[Observation] = deque()
        self._gone: list[str] = []
        self._silenced = Gone()
        self._shared_since: float | None = None
        self._feeders: list[Callable[[], Iterable[Observation]]] = []
        self._watching = Watching(database, clock)
        self.learns = frozenset(learns)
        self.detectors = self._watching.detectors
        self.figures = Figures()

    async def load(self) -> None:
        """Read what the profiles in use have learned."""
        if not self._learning:
            return
        for memory in self._learning:
            await memory.load()
            self.figures.unreadable += memory.unreadable
        async with self._database.read() as connection:
            found = await store.learned_of(connection, store.Learned.HABITS, [SHARED_NETWORKS])
        try:
            if SHARED_NETWORKS in found:
                self._surroundings.shared = SharedNetworks.parse(found[SHARED_NETWORKS])
        except ValueError:
            self.figures.unreadable += 1
        await self._watching.load()
        self.figures.unreadable += self._watching.unreadable

    # --- reading ----------------------------------------------------------------------------------------------------

    def known(self, user: str) -> Known:
        """Return what is known of a user's habits: the same object until something was learned."""
        found = self._known.get(user)
        if found is None:
            profile, is_away = self._habits.own(user)
            found = Known(profile, self._habits.everybody, self._model, is_away)
            self._known = self._with_room(self._known)
            self._known[user] = found
        return found

    def known_sign_ins(self, user: str) -> KnownSignIns:
        """Return what the profile `freeman` knows of a user: the same object until something was learned."""
        found = self._known_sign_ins.get(user)
        if found is None:
            own, is_away = self._sign_ins.own(user)
            found = KnownSignIns(own, self._sign_ins.everybody, is_away)
            self._known_sign_ins = self._with_room(self._known_sign_ins)
            self._known_sign_ins[user] = found
        return found

    def _with_room(self, known: dict[str, Any]) -> dict[str, Any]:
        # Prevents: sessions of very many users filling the memory between two batches.
        return known if len(known) < self._most else {}

    def _known_by(self, profile: str, user: str) -> Known | KnownSignIns:
        return self.known_sign_ins(user) if profile == FREEMAN else self.known(user)

    def situation(
        self, observation: Observation, now: datetime, *, given: Sequence[Finding] = (), by: str = STATISTICAL
    ) -> Situation:
        """Gather what behaviour is judged by.

        Args:
            given: what is known beside habits: the state of the device, the proof that was shown.
            by: the profile that judges.
        """
        versions = self._surroundings.versions()
        if is_cluster(observation.group):
            versions = {**versions, "peers": self._peering.version}
        return Situation(
            observation,
            self._known_by(by, observation.user),
            tuple(self._watching.judge(observation)),
            self._surroundings.said(observation.ip, now),
            versions,
            self._surroundings.quiet(observation, now),
            tuple(given),
        )

    def traits_of(self, ip: str, network: str, now: datetime) -> NetworkTraits:
        """Say what is known of an address's network."""
        return self._surroundings.traits_of(ip, network, now)

    @property
    def clusters_version(self) -> str:
        """Return the version of the peer groups in force; the empty text for none."""
        return self._peering.version

    def group_of(self, user: str) -> str:
        """Return the peer group of somebody who has no group of their own; the empty text for none."""
        return self._peering.group_of(user, lambda: use_of(self.known(user).profile))

    def still_holds(self, situation: Situation, now: datetime) -> bool:
        """Tell whether behaviour would be judged by the very same again, in the same minute."""
        seen = situation.observation
        profile = FREEMAN if isinstance(situation.known, KnownSignIns) else STATISTICAL
        return (
            self._known_by(profile, seen.user) is situation.known
            and not self._watching.found(seen, now.timestamp())
            and self._surroundings.said(seen.ip, now) == situation.reputation
            and self._surroundings.quiet(seen, now) == situation.quiet
        )

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
        """Take an act to be learned with the next batch; nothing where no profile learns.

        Sign-ins and second factors are shown to the detectors at once, requests with their batch.
        """
        if not self._learning or self._is_over(observation):
            return
        try:
            observation = storable(observation)
        except (TypeError, AttributeError):  # a text that is none
            self.figures.unreadable += 1
            return
        # Prevents: whoever is faster than a batch being judged by what was there before it.
        if observation.act is not Act.REQUEST:
            self.figures.unreadable += not self._watching.see(observation)
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
            if self._is_over(observation):
                continue
            # Whatever waits for storage, the detectors need nothing from there; told twice is told once.
            if observation.act is Act.REQUEST:
                self.figures.unreadable += not self._watching.see(observation)
            if self._must_wait(observation):
                continue
            # Prevents: one act that cannot be read ending the learning, and with it the node.
            try:
                self.figures.learned += self._learn(observation, now)
            except Exception:  # noqa: BLE001  # whatever it is, the next act is another one
                self.figures.unreadable += 1
        if batch:
            self._renew()
        return len(batch)

    def _is_over(self, observation: Observation) -> bool:
        # Prevents: the last acts of an account that was deleted, or of a session that was disowned, teaching anew.
        return observation.user in self._silenced or observation.session in self._silenced

    def _renew(self) -> None:
        # INVARIANT: whoever holds what was known before sees by identity that it is something else now.
        self._known, self._known_sign_ins = {}, {}

    def _must_wait(self, observation: Observation) -> bool:
        """Put an act of somebody whose history is still away behind, until it was read."""
        away = [memory.shelf for memory in self._learning if memory.shelf.is_away(observation.user)]
        if not away or not observation.is_verified:
            return False
        if all(shelf.want(observation.user) for shelf in away) and len(self._waiting) < _MOST_WAITING:
            self._waiting.append(observation)
        else:
            self.figures.dropped += 1
        return True

    def _learn(self, observation: Observation, now: float) -> bool:
        lesson = self._lessons.of(observation)
        if lesson is None:
            return False
        is_learned = Lesson.LEARNED in [memory.learn(lesson, now) for memory in self._learning]
        if is_learned and lesson.act is not Act.REQUEST:
            self._surroundings.shared.note(lesson.network, lesson.user)
            if self._shared_since is None:
                self._shared_since = self._clock.monotonic()
        if is_learned:
            self._peering.forget(lesson.user)
        return is_learned

    def unlearn(self, session: str) -> None:
        """Take back what a session taught, as far as this process saw it; what it added to everybody together fades."""
        self._waiting = deque(observation for observation in self._waiting if observation.session != session)
        self._silenced.add(session)
        for memory in self._learning:
            memory.unlearn(session)
        self._renew()

    def forget(self, user: str) -> None:
        """Forget a user who was deleted, also what was learned of them by a profile that is no more in use."""
        self._silenced.add(user)
        for memory in self._memories.values():
            memory.forget(user)
        self._known.pop(user, None)
        self._known_sign_ins.pop(user, None)
        self._peering.forget(user)
        self.detectors.forget_user(user)
        if not self._learning:
            self._gone.append(user)

    def use_suppressions(self, active: Iterable[Suppression]) -> None:
        """Put the suppressions in force that there are now."""
        self._surroundings.use_suppressions(active)

    def use_model(self, model: Model) -> None:
        """Put other weights in force."""
        self._model = model
        self._renew()

    def use_clusters(self, clusters: Clusters | None, version: str) -> None:
        """Put other peer groups in force for those who have none of their own."""
        self._peering.use(clusters, version)
        self._renew()

    # --- storage ----------------------------------------------------------------------------------------------------

    async def flush(self, *, whole: bool = True) -> None:
        """Write what was learned since the last time, and let go of what was not used for longest.

        Args:
            whole: everybody together, too, even if that was written just now.

        Raises:
            StorageError: the database refused; everything stays in memory and is tried again.
        """
        now = self._clock.now()
        for memory in self._memories.values():
            for user in await memory.flush(now, whole=whole):
                self._known.pop(user, None)
                self._known_sign_ins.pop(user, None)
        while self._gone:
            await self._watching.drop_stored(self._gone[-1])
            self._gone.pop()
        await self._watching.flush()
        since = self._shared_since
        if since is not None and (whole or self._clock.monotonic() - since >= _SHARED_EVERY_S):
            async with self._database.work() as work:
                rows = [(SHARED_NETWORKS, 0, self._surroundings.shared.dump())]
                await store.put_learned(work.connection, store.Learned.HABITS, rows, now)
            self._shared_since = None

    async def fetch(self) -> None:
        """Read what was asked for and is not in memory."""
        for memory in self._memories.values():
            for user in await memory.shelf.fetch():
                self._known.pop(user, None)
                self._known_sign_ins.pop(user, None)

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
                    await self.flush(whole=False)
            except StorageError:
                # Nothing is lost: what is in memory stays, and the next turn tries again.
                await asyncio.sleep(every_s)

    def fed_by(self, feeder: Callable[[], Iterable[Observation]]) -> None:
        """Ask `feeder` for acts before each batch."""
        self._feeders.append(feeder)

    async def learn_waiting(self) -> None:
        """Learn from everything that waits now, in slices between which others get their turn."""
        noted = Counter[str]()
        for feeder in self._feeders:
            for observation in feeder():
                # Prevents: whoever asks without end keeping what others do from being seen.
                noted[observation.user] += 1
                if noted[observation.user] > _MOST_OF_USER:
                    self.figures.dropped += 1
                    continue
                if len(self._waiting) >= _MOST_WAITING:
                    self.fold()
                    await asyncio.sleep(0)
                # What this node saw was before now, whatever its clock said then.
                self.note(replace(observation, at=min(observation.at, self._clock.now().timestamp())))
        left = len(self._waiting)
        while left > 0:
            looked_at = self.fold(min(_SLICE, left))
            left -= max(1, looked_at)
            await asyncio.sleep(0)
