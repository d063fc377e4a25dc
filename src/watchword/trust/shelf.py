"""What was learned of each user, in bounded memory over storage: read when it is asked for, written behind."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

from watchword.storage import Database
from watchword.trust import store

_BATCH: Final = 50
_LONGEST_QUEUE: Final = 1_000


class Versioned(Protocol):
    """What counts its changes."""

    @property
    def version(self) -> int:
        """Return how many there were."""
        ...


State = TypeVar("State", bound=Versioned)


@dataclass(frozen=True, slots=True)
class Form(Generic[State]):
    """How a state is stored.

    Attributes:
        empty: makes that of a user of whom nothing is known.
        parse: reads what `dump` wrote; raises `ValueError` for anything else.
    """

    kind: store.Learned
    empty: Callable[[], State]
    dump: Callable[[State], str]
    parse: Callable[[str], State]


class Shelf(Generic[State]):
    """The states of users; those used least recently go to storage, and come back when somebody asks for them.

    Args:
        most: states in memory.
        wake: called when something is wanted from storage.

    Attributes:
        unreadable: stored states that could not be read; their users start anew.
    """

    def __init__(self, database: Database, form: Form[State], *, most: int, wake: Callable[[], None]) -> None:
        self._database = database
        self._form = form
        self._most = most
        self._wake = wake
        self._states: OrderedDict[str, State] = OrderedDict()
        self._packed: dict[str, str] = {}
        self._away: set[str] = set()
        self._wanted: dict[str, None] = {}
        self._dirty: set[str] = set()
        self._deleted: set[str] = set()
        self.unreadable = 0

    def __len__(self) -> int:
        """Count those in memory."""
        return len(self._states) + len(self._packed)

    async def load(self, apart: Collection[str]) -> None:
        """Read those that were written last, and the names of all others.

        Args:
            apart: owners that are no users.
        """
        async with self._database.read() as connection:
            owners = await store.owners_of_learned(connection, self._form.kind)
            own = [owner for owner in owners if owner not in apart]
            for at in range(0, min(self._most, len(own)), _BATCH):
                part = own[at : min(self._most, at + _BATCH)]
                self._packed |= await store.learned_of(connection, self._form.kind, part)
        self._away = set(own[self._most :])

    def get(self, user: str) -> State | None:
        """Return the state of a user, as the most recently used; nothing for a new one and one who is away."""
        state = self._states.get(user)
        if state is None and user in self._packed:
            state = self._unpack(user, self._packed.pop(user))
        if state is not None:
            self._states.move_to_end(user)
        return state

    def _unpack(self, user: str, text: str) -> State | None:
        try:
            state = self._states[user] = self._form.parse(text)
        except ValueError:
            # Its user starts cold, and is judged with caution.
            self.unreadable += 1
            return None
        return state

    def is_away(self, user: str) -> bool:
        """Tell whether there is a state that has to be read first."""
        return user in self._away

    def want(self, user: str) -> bool:
        """Have the state of somebody who is away read; tells whether there was room to remember that."""
        if user not in self._wanted and len(self._wanted) >= _LONGEST_QUEUE:
            return False
        self._wanted[user] = None
        self._wake()
        return True

    def keep(self, user: str, state: State) -> None:
        """Take a state that has to be written."""
        self._states[user] = state
        self._states.move_to_end(user)
        self._packed.pop(user, None)
        self._away.discard(user)
        self._dirty.add(user)
        self._deleted.discard(user)

    def forget(self, user: str) -> None:
        """Forget a user, here and in storage."""
        for held in (self._states, self._packed, self._wanted):
            held.pop(user, None)
        self._away.discard(user)
        self._dirty.discard(user)
        self._deleted.add(user)

    async def flush(self, now: datetime) -> None:
        """Write what changed since the last time.

        Raises:
            StorageError: the database refused; everything stays in memory and is tried again.
        """
        for users in _batches(sorted(self._deleted)):
            async with self._database.work() as work:
                await store.drop_learned(work.connection, self._form.kind, users)
            self._deleted.difference_update(users)
        for users in _batches(sorted(self._dirty)):
            written = {
                user: (state.version, self._form.dump(state)) for user in users if (state := self._states.get(user))
            }
            async with self._database.work() as work:
                rows = [(user, version, text) for user, (version, text) in written.items()]
                await store.put_learned(work.connection, self._form.kind, rows, now)
            self._dirty.difference_update(user for user, (version, _) in written.items() if self._is_at(user, version))

    def _is_at(self, user: str, version: int) -> bool:
        state = self._states.get(user)
        return state is None or state.version == version

    def evict(self) -> Sequence[str]:
        """Hold to the bound, and name who went; only what is stored may go."""
        spare = max(0, len(self) - self._most)
        packed = list(islice(reversed(self._packed), spare))
        for user in packed:
            del self._packed[user]
        idle = [user for user in self._states if user not in self._dirty][: spare - len(packed)]
        for user in idle:
            del self._states[user]
        self._away.update(packed, idle)
        return idle

    async def fetch(self) -> Sequence[str]:
        """Read some of the states that are wanted, and name whose."""
        users = list(islice(self._wanted, _BATCH))
        if not users:
            return users
        async with self._database.read() as connection:
            found = await store.learned_of(connection, self._form.kind, users)
        for user in users:
            self._wanted.pop(user, None)
            if user in self._away:  # it may have been deleted in the meantime
                self._away.discard(user)
                if user in found:
                    self._packed[user] = found[user]
        return users


def _batches(users: Sequence[str]) -> Iterator[list[str]]:
    for at in range(0, len(users), _BATCH):
        yield list(users[at : at + _BATCH])
