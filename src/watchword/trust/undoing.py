"""What was known before a session taught something, so that it can be taken back when its owner disowns it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

State = TypeVar("State")

_MOST: Final = 2_000


class Snapshots(Generic[State]):
    """States by session, the newest 2,000; in memory alone, so a restart forgets how to take back."""

    def __init__(self) -> None:
        self._before: OrderedDict[str, tuple[str, State]] = OrderedDict()

    def __contains__(self, session: str) -> bool:
        return session in self._before

    def note(self, session: str, user: str, state: State) -> None:
        """Keep what was known of a user before a session taught for the first time."""
        if not session or session in self._before:
            return
        self._before[session] = user, state
        if len(self._before) > _MOST:
            self._before.popitem(last=False)

    def take(self, session: str) -> tuple[str, State] | None:
        """Return user and state from before a session, and let go of what was kept of that user since.

        What others of the user's sessions taught in between is taken back with it: they teach again, and a later
        state would bring the disowned lesson back.
        """
        found = self._before.get(session)
        if found is not None:
            self.forget(found[0])
        return found

    def forget(self, user: str) -> None:
        """Let go of everything about a user."""
        for session in [session for session, (owner, _) in self._before.items() if owner == user]:
            del self._before[session]
