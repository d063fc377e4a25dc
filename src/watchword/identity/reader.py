"""Read the directory for the decision's picture of the world."""

from __future__ import annotations

from watchword.identity import session_store, store
from watchword.identity.model import SessionFacts, UserFacts
from watchword.kernel import Clock, SessionId, SystemClock, UserId
from watchword.storage import Database


class DirectoryReader:
    """Users and sessions as facts; nothing secret, nothing changed."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    async def users(self) -> list[UserFacts]:
        """Return every user."""
        async with self._database.read() as connection:
            return await store.all_users(connection)

    async def user(self, user_id: UserId) -> UserFacts | None:
        """Return one user, or nothing."""
        async with self._database.read() as connection:
            return await store.user_by_id(connection, user_id)

    async def sessions(self) -> list[SessionFacts]:
        """Return every live session."""
        async with self._database.read() as connection:
            return await session_store.live_sessions(connection, self._clock.now())

    async def session(self, session_id: SessionId) -> SessionFacts | None:
        """Return one session, ended or not, or nothing."""
        async with self._database.read() as connection:
            return await session_store.session_by_id(connection, session_id)
