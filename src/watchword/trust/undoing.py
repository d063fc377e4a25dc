"""What was known before a session taught something, so that it can be taken back when its owner disowns it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

State = TypeVar("State")

_MOST: Final = 2_000
_MOST_OF_USER: Final = 20
# The newest, which are never joined.
_EXACT: Final = 10
# Sessions that one user's states stand for; an account has no more than fifty at a time.
_MOST_SESSIONS: Final = 400


@dataclass(slots=True)
class _Before(Generic[State]):
    """A state of one user, and the sessions that taught from there on, the oldest first."""

    sessions: list[str]
    state: State


class Snapshots(Generic[State]):
    """States by session, 2,000 in all and 20 of each user; in memory alone, so a restart forgets how to take back.

    Of a user with more, older neighbours are joined: the later session is taken back to before the earlier one.
    """

    def __init__(self) -> None:
        self._before: OrderedDict[str, list[_Before[State]]] = OrderedDict()
        self._user_of: dict[str, str] = {}
        self._states = 0

    def __contains__(self, session: str) -> bool:
        return session in self._user_of

    def note(self, session: str, user: str, state: State) -> None:
        """Keep what was known of a user before a session taught for the first time."""
        if not session or session in self._user_of:
            return
        kept = self._before.setdefault(user, [])
        self._before.move_to_end(user)
        kept.append(_Before([session], state))
        self._user_of[session] = user
        self._states += 1
        # Prevents: whoever gave a second factor once signing in again and again, with this account or with another,
        # until nobody knows any more what was before.
        if len(kept) > _MOST_OF_USER:
            self._join(kept)
        if sum(len(each.sessions) for each in kept) > _MOST_SESSIONS:
            self._drop_oldest(user)
        if self._states > _MOST:
            self._drop_oldest(next(iter(self._before)))

    def take(self, session: str) -> tuple[str, State] | None:
        """Return user and state from before a session, and let go of what was kept of that user since.

        What others of the user's sessions taught in between is taken back with it: they teach again, and a later
        state would bring the disowned lesson back.
        """
        user = self._user_of.get(session)
        if user is None:
            return None
        before = next(each.state for each in self._before[user] if session in each.sessions)
        self.forget(user)
        return user, before

    def forget(self, user: str) -> None:
        """Let go of everything about a user."""
        while user in self._before:
            self._drop_oldest(user)

    def _join(self, kept: list[_Before[State]]) -> None:
        """Let those older neighbours that stand for the fewest sessions share the earlier state."""
        at = min(range(len(kept) - _EXACT - 1), key=lambda n: len(kept[n].sessions) + len(kept[n + 1].sessions))
        kept[at].sessions += kept.pop(at + 1).sessions
        self._states -= 1

    def _drop_oldest(self, user: str) -> None:
        kept = self._before[user]
        for session in kept.pop(0).sessions:
            del self._user_of[session]
        self._states -= 1
        if not kept:
            del self._before[user]
