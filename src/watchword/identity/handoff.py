"""Carry a session from the portal to another host by a code that works once, for a minute."""

from __future__ import annotations

import hmac
from datetime import timedelta

from watchword.identity import events, session_store, store
from watchword.identity.errors import HandoffRefusedError, SessionNotLiveError, TooManyError
from watchword.identity.handles import digest_of, digest_of_new, digest_of_text, new_handle
from watchword.identity.model import Client, SessionFacts
from watchword.identity.session_store import Crossing
from watchword.kernel import Clock, Entropy, Secret, SessionId
from watchword.storage import Database

LIFE = timedelta(seconds=60)
_MOST_PER_SESSION = 20
_LONGEST = 1024


class Handoff:
    """Issue and redeem crossing codes."""

    def __init__(self, database: Database, clock: Clock, entropy: Entropy) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy

    async def issue(self, session_id: SessionId, host: str, state: str, return_to: str) -> Secret[str]:
        """Make a code for one session, one host and one browser.

        Args:
            session_id: whose; the caller has checked that the browser holds it on the portal.
            host: where the code may be redeemed.
            state: what the browser keeps in a cookie on that host. Prevents: signing a victim in as somebody else.
            return_to: where to go then; the caller has checked it with `safe_return_to`.

        Raises:
            SessionNotLiveError: the session is over.
            TooManyError: too many unused codes; they run out by themselves.
            HandoffRefusedError: no state, or something far too long.
        """
        if not state or max(len(host), len(return_to), len(state)) > _LONGEST or not return_to.isprintable():
            raise _refused()
        code = new_handle(self._entropy)
        async with self._database.work() as unit:
            now = self._clock.now()
            session = await session_store.session_by_id(unit.connection, session_id)
            if session is None or not session.is_live(now):
                raise SessionNotLiveError("the session is over", hint="sign in again")
            if await session_store.count_crossings(unit.connection, session_id, now) >= _MOST_PER_SESSION:
                raise TooManyError("too many crossings at once", hint="try again in a minute")
            crossing = Crossing(session_id, host, digest_of_text(state), return_to, now + LIFE)
            await session_store.add_crossing(unit.connection, digest_of_new(code), crossing, now)
        return code

    async def redeem(self, code: str, host: str, state: str, client: Client) -> tuple[SessionFacts, Secret[str], str]:
        """Use up a code and give the session a handle on this host; an earlier handle there is gone.

        Returns:
            The session, its handle on this host, and where to go.

        Raises:
            HandoffRefusedError: unknown, used, too old, for another host or browser, or the session is over.
        """
        digest = digest_of(code)
        if digest is None:
            raise _refused()
        handle = new_handle(self._entropy)
        redeemed = None
        # The code is used up even when it is refused, so the refusal waits until this is committed.
        async with self._database.work() as unit:
            now = self._clock.now()
            crossing = await session_store.take_crossing(unit.connection, digest)
            if crossing is not None and now < crossing.expires_at and _fits(crossing, host, state):
                session = await session_store.session_by_id(unit.connection, crossing.session_id)
                user = await store.user_by_id(unit.connection, session.user_id) if session is not None else None
                if session is not None and session.is_live(now) and user is not None and not user.is_disabled:
                    await session_store.put_handle(unit.connection, session.id, host, digest_of_new(handle))
                    facts = {"user": session.user_id, "host": host, "ip": client.ip}
                    event = events.SESSION_HANDLE_ADDED
                    unit.emit(event.at(now, self._entropy, actor=session.user_id, subject=session.id, **facts))
                    redeemed = await session_store.session_by_id(unit.connection, session.id)
        if crossing is None or redeemed is None:
            raise _refused()
        return redeemed, handle, crossing.return_to


def _fits(crossing: Crossing, host: str, state: str) -> bool:
    # Prevents: a code that leaked from one host or browser working in another.
    return crossing.host == host and hmac.compare_digest(crossing.state_digest, digest_of_text(state))


def _refused() -> HandoffRefusedError:
    return HandoffRefusedError("the way back from sign-in did not work", hint="open the address again")
