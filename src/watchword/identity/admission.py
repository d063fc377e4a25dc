"""From a complete ceremony to a session, or to a stronger one; the handle is always new."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from watchword.identity import events, session_store
from watchword.identity.ceremony import Purpose, acr_of, amr_of, cannot_go_on, is_second_factor
from watchword.identity.desk import CeremonyDesk, State
from watchword.identity.errors import SessionNotLiveError, WrongStepError
from watchword.identity.handles import digest_of_new, new_handle
from watchword.identity.model import Client, SessionFacts, SignedIn
from watchword.identity.names import user_name
from watchword.identity.settings import IdentitySettings
from watchword.identity.throttles import Throttles
from watchword.kernel import Acr, Clock, DeviceId, Entropy, EventType, Secret, SessionId
from watchword.storage import Database, UnitOfWork

SESSIONS_PER_USER = 50


class Admission:
    """Start sessions and strengthen them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        entropy: Entropy,
        *,
        settings: IdentitySettings,
        throttles: Throttles,
        desk: CeremonyDesk,
    ) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._settings = settings
        self._throttles = throttles
        self._desk = desk

    async def complete(
        self,
        handle: str,
        client: Client,
        *,
        device_id: DeviceId | None,
        host: str,
        replaces: SessionId | None = None,
    ) -> SignedIn:
        """Turn a complete ceremony into a session, once.

        A sign-in makes a new session. A step-up keeps the session, its end and its identifier, and drops every handle
        it had on any host: the other hosts get theirs anew by a crossing.

        Args:
            handle: the ceremony.
            client: who completes it.
            device_id: the browser, as its own cookie proved.
            host: where the new handle is valid.
            replaces: the session this browser held until now, if any; it ends.

        Raises:
            CeremonyInvalidError: finished before, or not of this browser.
            WrongStepError: something is still to be proven.
            SessionNotLiveError: the session to strengthen is over.
        """
        await self._throttles.load()
        state = await self._desk.load(self._desk.open(handle))
        if not state.is_complete:
            raise WrongStepError("something is still to be proven")
        # Prevents: a ceremony begun in one browser being finished in another.
        if state.opening.device_id is not None and state.opening.device_id != device_id:
            raise cannot_go_on()
        user = state.known_user()
        # Prevents: session fixation. The handle is made here and now; nothing the browser brought becomes one.
        opened = new_handle(self._entropy)
        async with self._database.work() as unit:
            await self._desk.finish(unit, state)
            now = self._clock.now()
            if state.opening.purpose is Purpose.STEP_UP:
                session = await self._strengthened(unit, state, client, device_id, now)
            else:
                session = await self._started(unit, state, client, device_id, now)
                await self._end_others(unit, session, replaces, now)
            digest = digest_of_new(opened)
            await session_store.put_handle(unit.connection, session.id, host, digest)
            session = replace(session, handles=MappingProxyType({digest: host}))
            if device_id is not None:
                await self._throttles.remember(unit, user.id, user_name(user.name).key, device_id)
            self._tell(unit, state, session, client, host, now)
        return self._signed_in(state, session, opened)

    async def _started(
        self, unit: UnitOfWork, state: State, client: Client, device_id: DeviceId | None, now: datetime
    ) -> SessionFacts:
        user = state.known_user()
        has_second = is_second_factor(state.proofs)
        session = SessionFacts(
            id=SessionId.new(now, self._entropy),
            user_id=user.id,
            device_id=device_id,
            acr=acr_of(state.proofs),
            amr=amr_of(state.proofs),
            authenticated_at=now,
            mfa_at=now if has_second else None,
            mfa_network=client.network if has_second else None,
            expires_at=now + self._settings.session_life,
            ended_at=None,
            ip=client.ip,
            user_agent=client.user_agent,
        )
        await session_store.add_session(unit.connection, session)
        return session

    async def _strengthened(
        self, unit: UnitOfWork, state: State, client: Client, device_id: DeviceId | None, now: datetime
    ) -> SessionFacts:
        session = await session_store.session_by_id(unit.connection, state.opening.session_id or "")
        if session is None or not session.is_live(now) or session.user_id != state.known_user().id:
            raise SessionNotLiveError("the session is over", hint="sign in again")
        # Prevents: proofs shown in one browser strengthening a session that lives in another.
        if session.device_id is not None and session.device_id != device_id:
            raise cannot_go_on()
        has_second = is_second_factor(state.proofs)
        stronger = replace(
            session,
            acr=_stronger(session.acr, acr_of(state.proofs)),
            amr=tuple(sorted({*session.amr, *amr_of(state.proofs)})),
            authenticated_at=now,
            mfa_at=now if has_second else session.mfa_at,
            mfa_network=client.network if has_second else session.mfa_network,
        )
        await session_store.strengthen_session(unit.connection, stronger)
        # Prevents: a handle that was stolen before the step-up gaining from it.
        await session_store.drop_handles(unit.connection, session.id)
        return stronger

    async def _end_others(
        self, unit: UnitOfWork, session: SessionFacts, replaces: SessionId | None, now: datetime
    ) -> None:
        if replaces is not None:
            await self._end(unit, replaces, session, "replaced", now)
        live = await session_store.live_sessions(unit.connection, now, session.user_id)
        live = [old for old in live if old.id != session.id]
        # Bounded: whoever signs in without end keeps the newest fifty.
        for old in live[: max(0, len(live) + 1 - SESSIONS_PER_USER)]:
            await self._end(unit, old.id, session, "too_many", now)

    async def _end(self, unit: UnitOfWork, ended: SessionId, by: SessionFacts, reason: str, now: datetime) -> None:
        found = await session_store.session_by_id(unit.connection, ended)
        if found is not None and await session_store.end_session(unit.connection, ended, now):
            facts = {"user": found.user_id, "reason": reason}
            unit.emit(events.SESSION_ENDED.at(now, self._entropy, actor=by.user_id, subject=ended, **facts))

    def _tell(
        self, unit: UnitOfWork, state: State, session: SessionFacts, client: Client, host: str, now: datetime
    ) -> None:
        is_step_up = state.opening.purpose is Purpose.STEP_UP
        event: EventType = events.SESSION_STEPPED_UP if is_step_up else events.SESSION_STARTED
        facts = {
            "user": session.user_id,
            "session": session.id,
            "device": session.device_id or "",
            "acr": session.acr.value,
            "factor": " ".join(sorted(state.proofs)),
            "host": host,
            "ip": client.ip,
            "user_agent": client.user_agent,
        }
        if not is_step_up:
            facts["expires_at"] = session.expires_at.isoformat()
        unit.emit(event.at(now, self._entropy, actor=session.user_id, subject=session.id, **facts))

    @staticmethod
    def _signed_in(state: State, session: SessionFacts, handle: Secret[str]) -> SignedIn:
        is_step_up = state.opening.purpose is Purpose.STEP_UP
        return SignedIn(session, handle, state.opening.return_to, is_step_up=is_step_up)


def _stronger(one: Acr, other: Acr) -> Acr:
    return one if one.strength >= other.strength else other
