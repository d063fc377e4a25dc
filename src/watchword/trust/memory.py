"""What one profile has learned: of each user, and of everybody together; taken back where a session was disowned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, Protocol, TypeVar

from watchword.kernel import Clock
from watchword.storage import Database, StorageError
from watchword.trust import store
from watchword.trust.behaviour import Lesson
from watchword.trust.observation import Act, Observation
from watchword.trust.shelf import Form, Shelf, Versioned
from watchword.trust.undoing import Snapshots

State = TypeVar("State", bound=Versioned)
Whole = TypeVar("Whole", bound=Versioned)
WholeIn_contra = TypeVar("WholeIn_contra", contravariant=True)
StateIn_contra = TypeVar("StateIn_contra", contravariant=True)

# Under these names everybody together stands among the users.
POPULATION: Final = "population"
SHARED_NETWORKS: Final = "shared-networks"
APART: Final = frozenset({POPULATION, SHARED_NETWORKS})
# Everybody together is a large text; after a crash the last half minute of it is missing, and of nobody's own habits.
_WHOLE_EVERY_S: Final = 30.0


class Learn(Protocol[StateIn_contra, WholeIn_contra]):
    """Add an outcome to what is known, in place, and say what became of it; never raises."""

    def __call__(
        self, observation: Observation, own: StateIn_contra, everybody: WholeIn_contra, /, *, now: float
    ) -> Lesson:
        """Learn."""
        ...


@dataclass(frozen=True, slots=True)
class School(Generic[State, Whole]):
    """How one profile learns, and how that is stored.

    Attributes:
        nobody: makes what is known of everybody before anything was learned.
        parts: yields the text of everybody together in parts, each quick to make.
        parse: reads that text; raises `ValueError` for anything else.
    """

    form: Form[State]
    learn: Learn[State, Whole]
    nobody: Callable[[], Whole]
    parts: Callable[[Whole], Iterator[str]]
    parse: Callable[[str], Whole]


class Memory(Generic[State, Whole]):
    """What was learned by one school.

    Attributes:
        everybody: all users together.
    """

    def __init__(
        self, database: Database, clock: Clock, school: School[State, Whole], *, most: int, wake: Callable[[], None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._school = school
        self._before: Snapshots[str] = Snapshots()
        self._dirty_since: float | None = None
        self._unreadable = 0
        self.shelf = Shelf(database, school.form, most=most, wake=wake)
        self.everybody = school.nobody()

    @property
    def unreadable(self) -> int:
        """Count what was stored and could not be read."""
        return self._unreadable + self.shelf.unreadable

    async def load(self) -> None:
        """Read back everybody together, and those whose were written last."""
        await self.shelf.load(APART)
        async with self._database.read() as connection:
            found = await store.learned_of(connection, self._school.form.kind, [POPULATION])
        try:
            if POPULATION in found:
                self.everybody = self._school.parse(found[POPULATION])
        except ValueError:
            self._unreadable += 1

    def own(self, user: str) -> tuple[State, bool]:
        """Return what is known of a user, and whether that is still being read from storage: it is empty until then."""
        state = self.shelf.get(user)
        if state is not None:
            return state, False
        is_away = self.shelf.is_away(user)
        if is_away:
            self.shelf.want(user)
        return self._school.form.empty(), is_away

    def learn(self, observation: Observation, now: float) -> Lesson:
        """Add what an outcome teaches."""
        user = observation.user
        state = self.shelf.get(user) or self._school.form.empty()
        if observation.act is not Act.REQUEST and observation.session not in self._before:
            self._before.note(observation.session, user, self._school.form.dump(state))
        became = self._school.learn(observation, state, self.everybody, now=now)
        if became is Lesson.LEARNED:
            self.shelf.keep(user, state)
            if self._dirty_since is None:
                self._dirty_since = self._clock.monotonic()
        return became

    def unlearn(self, session: str) -> None:
        """Take back what a session taught, as far as this process saw it; what it added to everybody together stays."""
        found = self._before.take(session)
        if found is not None:
            user, text = found
            self.shelf.keep(user, self._school.form.parse(text))

    def forget(self, user: str) -> None:
        """Forget a user; what they added to everybody together names nobody, and stays."""
        self.shelf.forget(user)
        self._before.forget(user)

    async def flush(self, now: datetime, *, whole: bool) -> Sequence[str]:
        """Write what was learned since the last time, and name those who went out of memory.

        Args:
            whole: everybody together, too, even if that was written just now.

        Raises:
            StorageError: the database refused; everything stays in memory and is tried again.
        """
        await self.shelf.flush(now)
        since = self._dirty_since
        if since is not None and (whole or self._clock.monotonic() - since >= _WHOLE_EVERY_S):
            await self._write_everybody(now)
        return self.shelf.evict()

    async def _write_everybody(self, now: datetime) -> None:
        self._dirty_since = None
        try:
            # INVARIANT: whoever learns waits for this to end, so that the parts are of one moment.
            parts = []
            for part in self._school.parts(self.everybody):
                parts.append(part)
                # Prevents: whoever is decided about waiting while a hundred thousand values are written.
                await asyncio.sleep(0)
            rows = [(POPULATION, self.everybody.version, "".join(parts))]
            async with self._database.work() as work:
                await store.put_learned(work.connection, self._school.form.kind, rows, now)
        except (StorageError, asyncio.CancelledError):
            self._dirty_since = self._clock.monotonic()
            raise
