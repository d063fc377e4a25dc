"""Sessions: list them, end them, bring their end forward."""

from __future__ import annotations

from datetime import datetime, timedelta

from watchword.identity import events, session_store
from watchword.identity.errors import UnknownSubjectError
from watchword.identity.handles import digest_of
from watchword.identity.model import SessionFacts
from watchword.kernel import Clock, Entropy, SessionId, UserId
from watchword.storage import Database, UnitOfWork

_KEPT = timedelta(days=30)


class Sessions:
    """What owners and administrators do with sessions."""

    def __init__(self, database: Database, clock: Clock, entropy: Entropy) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy

    async def list_for(self, user_id: UserId) -> list[SessionFacts]:
        """Return the live sessions of a user, oldest first."""
        async with self._database.read() as connection:
            return await session_store.live_sessions(connection, self._clock.now(), user_id)

    async def recent_for(self, user_id: UserId, *, within: timedelta, most: int) -> list[SessionFacts]:
        """Return a user's newest sessions, ended ones too, newest first."""
        async with self._database.read() as connection:
            return await session_store.recent_sessions(connection, user_id, self._clock.now() - within, most)

    async def by_handle(self, handle: str, host: str) -> SessionFacts | None:
        """Return the live session that a handle opens on a host, or nothing; any text may be passed."""
        digest = digest_of(handle)
        if digest is None:
            return None
        async with self._database.read() as connection:
            session = await session_store.session_by_handle(connection, digest, host)
        return session if session is not None and session.is_live(self._clock.now()) else None

    async def end(self, session_id: SessionId, *, actor: str, reason: str, owner: UserId | None = None) -> None:
        """End a session; ending one that is over changes nothing.

        Args:
            session_id: which.
            actor: who does it: a user, `system` or `cli:NAME`.
            reason: a short word for the journal.
            owner: only if it belongs to this user.

        Raises:
            UnknownSubjectError: there is none such, or it is not the owner's.
        """
        async with self._database.work() as unit:
            session = await session_store.session_by_id(unit.connection, session_id)
            # Prevents: ending, or learning of, somebody else's session by its name.
            if session is None or (owner is not None and session.user_id != owner):
                raise UnknownSubjectError("there is no such session")
            await end_in(unit, session, actor=actor, reason=reason, now=self._clock.now(), entropy=self._entropy)

    async def end_all(self, user_id: UserId, *, actor: str, reason: str, except_for: SessionId | None = None) -> int:
        """End every session of a user but one, and return how many were live."""
        async with self._database.work() as unit:
            return await end_all_in(
                unit, user_id, actor=actor, reason=reason, now=self._clock.now(), entropy=self._entropy, keep=except_for
            )

    async def shorten(self, session_id: SessionId, expires_at: datetime, *, actor: str, reason: str) -> bool:
        """Bring a session's end forward, never back; tell whether that changed anything."""
        async with self._database.work() as unit:
            session = await session_store.session_by_id(unit.connection, session_id)
            if session is None or not await session_store.shorten_session(unit.connection, session_id, expires_at):
                return False
            facts = {"user": session.user_id, "expires_at": expires_at.isoformat(), "reason": reason}
            unit.emit(
                events.SESSION_SHORTENED.at(self._clock.now(), self._entropy, actor=actor, subject=session_id, **facts)
            )
        return True

    async def prune(self) -> int:
        """Delete sessions that ran out a month ago; the journal keeps their story."""
        async with self._database.work() as unit:
            return await session_store.prune_sessions(unit.connection, self._clock.now() - _KEPT)


async def end_in(
    unit: UnitOfWork, session: SessionFacts, *, actor: str, reason: str, now: datetime, entropy: Entropy
) -> bool:
    """End one session within a unit of work; tell whether it was live."""
    if not await session_store.end_session(unit.connection, session.id, now):
        return False
    facts = {"user": session.user_id, "reason": reason}
    unit.emit(events.SESSION_ENDED.at(now, entropy, actor=actor, subject=session.id, **facts))
    return True


async def end_all_in(
    unit: UnitOfWork,
    user_id: UserId,
    *,
    actor: str,
    reason: str,
    now: datetime,
    entropy: Entropy,
    keep: SessionId | None = None,
) -> int:
    """End every live session of a user but one within a unit of work, and every sign-in that is half done."""
    # Prevents: a password that was shown before it was changed becoming a session after it.
    await session_store.end_ceremonies(unit.connection, user_id)
    ended = 0
    for session in await session_store.live_sessions(unit.connection, now, user_id):
        if session.id != keep:
            ended += await end_in(unit, session, actor=actor, reason=reason, now=now, entropy=entropy)
    return ended
