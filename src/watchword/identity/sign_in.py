"""Sign-in and step-up: the proofs people show, in the order a ceremony asks for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from watchword.identity import ceremony as steps
from watchword.identity import events, session_store, store
from watchword.identity.admission import Admission
from watchword.identity.ceremony import Ceremony, Opening, Purpose, cannot_go_on
from watchword.identity.desk import CeremonyDesk, State
from watchword.identity.errors import (
    IdentityError,
    InvitationRefusedError,
    NameRefusedError,
    PasskeyRefusedError,
    SessionNotLiveError,
    SignInFailedError,
)
from watchword.identity.handles import digest_of, encode
from watchword.identity.hashing import PasswordHashing
from watchword.identity.model import AuthenticatorKind, Client, SignedIn, UserFacts
from watchword.identity.names import user_name
from watchword.identity.passkeys import (
    authentication_options,
    credential_id_of,
    is_cloned,
    user_handle_of,
    verify_assertion,
)
from watchword.identity.passwords import normalise
from watchword.identity.ports import Sealer
from watchword.identity.recovery import digest_for
from watchword.identity.settings import IdentitySettings
from watchword.identity.store import Authenticator
from watchword.identity.throttles import Check, Throttles
from watchword.identity.totp import matching_step
from watchword.kernel import Clock, DeviceId, Entropy, Secret, SessionId
from watchword.kernel.events import Json
from watchword.storage import Database

TOTP_PURPOSE = "identity.totp"


class SignIn:
    """Open ceremonies, take proofs, and turn a complete one into a session."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        entropy: Entropy,
        *,
        sealer: Sealer,
        settings: IdentitySettings,
        hashing: PasswordHashing,
        throttles: Throttles,
        desk: CeremonyDesk,
        admission: Admission,
    ) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._sealer = sealer
        self._settings = settings
        self._hashing = hashing
        self._throttles = throttles
        self._desk = desk
        self._admission = admission
        self._recovery_key = sealer.derive("identity.recovery")

    async def start(
        self,
        client: Client,
        *,
        return_to: str | None = None,
        device_id: DeviceId | None = None,
        step_up: SessionId | None = None,
        invitation: str | None = None,
    ) -> tuple[Ceremony, Secret[str]]:
        """Open a ceremony; nothing is stored until something is proven.

        Args:
            client: who asks.
            return_to: where to go afterwards; the caller has checked it with `safe_return_to`.
            device_id: the browser, as its own cookie proved.
            step_up: the session to strengthen; the caller has checked that this browser holds it.
            invitation: the secret of a one-time link.

        Raises:
            SessionNotLiveError: the session to strengthen is over.
            InvitationRefusedError: the link is unknown, used or too old.
        """
        del client  # opening a ceremony proves nothing, so nothing is written about who opened it
        now = self._clock.now()
        opening = Opening(
            id=steps.new_ceremony_id(self._entropy),
            purpose=Purpose.SIGN_IN,
            started_at=now,
            return_to=steps.storable_return(return_to),
            device_id=device_id,
        )
        if invitation is not None:
            digest = digest_of(invitation)
            async with self._database.read() as connection:
                user_id = await store.invited_user(connection, digest, now) if digest is not None else None
            if digest is None or user_id is None:
                raise InvitationRefusedError(
                    "the link cannot be used", hint="it works once, for a day; ask for another one"
                )
            opening = replace(opening, purpose=Purpose.INVITATION, user_id=user_id, invitation=encode(digest))
        elif step_up is not None:
            async with self._database.read() as connection:
                session = await session_store.session_by_id(connection, step_up)
            if session is None or not session.is_live(now):
                raise SessionNotLiveError("the session is over", hint="sign in again")
            opening = replace(opening, purpose=Purpose.STEP_UP, user_id=session.user_id, session_id=session.id)
        state = await self._desk.load(opening) if opening.user_id is not None else State(opening)
        return state.view(), self._desk.sign(opening)

    async def current(self, handle: str) -> Ceremony:
        """Tell where a ceremony stands.

        Raises:
            CeremonyInvalidError: it cannot go on.
        """
        return (await self._desk.load(self._desk.open(handle))).view()

    async def password(self, handle: str, username: str, password: str, client: Client) -> Ceremony:
        """Take a password.

        Args:
            handle: the ceremony.
            username: as typed; not read in a step-up, whose user is known.
            password: as typed.
            client: who sends it.

        Raises:
            CeremonyInvalidError: the ceremony cannot go on.
            WrongStepError: something else comes next.
            ThrottledError: wait.
            BusyError: try again shortly.
            SignInFailedError: no such pair of name and password, or the account is disabled.
        """
        await self._throttles.load()
        opening = self._desk.open(handle)
        if opening.user_id is not None:
            username = (await self._desk.load(opening)).known_user().name
        name_key = _name_key(username)
        checks = self._throttles.for_password(name_key, opening.device_id, client)
        # Prevents: guessing, spraying, and work for attempts that are not looked at: no hash, no row, no event.
        with self._throttles.attempt(checks):
            state = await self._desk.load(opening)
            state.require(steps.PASSWORD)
            user, stored = await self._password_of(name_key)
            verdict = await self._hashing.verify(
                stored.material.decode() if stored is not None else None,
                normalise(password),
                is_recognised=self._throttles.is_recognised(name_key, opening.device_id),
            )
            if not verdict.is_right or user is None or stored is None or user.is_disabled:
                reason = "disabled" if verdict.is_right else "wrong" if user is not None else "unknown_user"
                raise await self._failed(checks, user, steps.PASSWORD, reason, client)
            async with self._database.work() as unit:
                now = self._clock.now()
                if not await store.touch_password(unit.connection, stored, verdict.rehashed, now):
                    # Prevents: a password that was changed while it was being checked still opening the door.
                    raise cannot_go_on()
                await self._throttles.succeeded(unit, checks)
                moved = await self._desk.advance(unit, state, steps.PASSWORD, user)
        return moved.view()

    async def totp(self, handle: str, code: str, client: Client) -> Ceremony:
        """Take a time-based code.

        Raises:
            CeremonyInvalidError: the ceremony cannot go on.
            WrongStepError: something else comes next.
            ThrottledError: wait.
            SignInFailedError: wrong, or used before.
        """
        state, user, checks = await self._second_factor(handle, steps.TOTP)
        with self._throttles.attempt(checks):
            now = self._clock.now()
            was_used = False
            for one in _confirmed(state, AuthenticatorKind.TOTP):
                secret = Secret(
                    self._sealer.open(one.material, purpose=TOTP_PURPOSE, context=f"{user.id}|{one.facts.id}")
                )
                step = matching_step(secret, code, now, after=one.counter)
                was_used = was_used or (step is None and matching_step(secret, code, now, after=-1) is not None)
                if step is None:
                    continue
                async with self._database.work() as unit:
                    # Prevents: the same code in two requests at once; the database lets one of them win.
                    if not await store.use_totp_step(unit.connection, one.facts.id, step, now):
                        raise cannot_go_on()
                    await self._throttles.succeeded(unit, checks)
                    moved = await self._desk.advance(unit, state, steps.TOTP, user)
                return moved.view()
            raise await self._failed(checks, user, steps.TOTP, "replayed" if was_used else "wrong", client)

    async def recovery_code(self, handle: str, code: str, client: Client) -> Ceremony:
        """Take a recovery code, once.

        Raises:
            CeremonyInvalidError: the ceremony cannot go on.
            WrongStepError: something else comes next.
            ThrottledError: wait.
            SignInFailedError: wrong, or used before.
        """
        state, user, checks = await self._second_factor(handle, steps.RECOVERY_CODE)
        digest = digest_for(self._recovery_key, user.id, code)
        with self._throttles.attempt(checks):
            async with self._database.work() as unit:
                now = self._clock.now()
                left = await store.use_recovery_code(unit.connection, user.id, digest, now)
                if left is not None:
                    await self._throttles.succeeded(unit, checks)
                    moved = await self._desk.advance(unit, state, steps.RECOVERY_CODE, user)
                    facts: dict[str, Json] = {"user": user.id, "remaining": left, "ip": client.ip}
                    event = events.RECOVERY_CODE_USED
                    unit.emit(event.at(now, self._entropy, actor=user.id, subject=user.id, **facts))
            if left is None:
                raise await self._failed(checks, user, steps.RECOVERY_CODE, "wrong", client)
        return moved.view()

    async def passkey_options(self, handle: str) -> dict[str, Any]:
        """Return the argument of `navigator.credentials.get` for this ceremony.

        Raises:
            CeremonyInvalidError: the ceremony cannot go on.
            WrongStepError: a passkey does not come next.
        """
        opening = self._desk.open(handle)
        state = await self._desk.load(opening)
        state.require(steps.PASSKEY)
        allowed = [one.credential_id or b"" for one in _confirmed(state, AuthenticatorKind.PASSKEY)]
        challenge = self._desk.challenge(opening, "get")
        return authentication_options(self._settings, challenge=challenge, allowed=allowed)

    async def passkey(self, handle: str, credential: object, client: Client) -> Ceremony:
        """Take the answer of a passkey.

        Raises:
            CeremonyInvalidError: the ceremony cannot go on.
            WrongStepError: a passkey does not come next.
            ThrottledError: wait.
            SignInFailedError: unknown, another user's, wrong in any way, or its counter went back.
        """
        await self._throttles.load()
        opening = self._desk.open(handle)
        checks = self._throttles.for_passkey(client)
        with self._throttles.attempt(checks):
            # 1. The ceremony expects a passkey.
            state = await self._desk.load(opening)
            state.require(steps.PASSKEY)
            # 2. The credential is one of ours, of the user concerned, and names that user.
            user, stored = await self._passkey_of(credential)
            if user is None or stored is None or user.is_disabled or not _belongs(state, user, credential):
                reason = "disabled" if user is not None and user.is_disabled else "unknown_passkey"
                raise await self._failed(checks, user, steps.PASSKEY, reason, client)
            # 3. Challenge, origin, relying party, presence, verification of the user, signature.
            try:
                challenge = self._desk.challenge(opening, "get")
                shown = verify_assertion(self._settings, credential, stored.passkey, challenge=challenge)
            except PasskeyRefusedError:
                raise await self._failed(checks, user, steps.PASSKEY, "wrong", client) from None
            # 4. The counter moved on. Prevents: a copy of the passkey going unnoticed.
            if is_cloned(stored.counter, shown.sign_count):
                raise await self._cloned(checks, user, stored, shown.sign_count, client)
            async with self._database.work() as unit:
                now = self._clock.now()
                if not await store.use_passkey(unit.connection, stored.facts.id, shown.sign_count, now):
                    raise cannot_go_on()
                proof = steps.SYNCED_PASSKEY if stored.facts.is_synced else steps.PASSKEY
                moved = await self._desk.advance(unit, state, proof, user)
        return moved.view()

    async def complete(
        self,
        handle: str,
        client: Client,
        *,
        device_id: DeviceId | None,
        host: str,
        replaces: SessionId | None = None,
    ) -> SignedIn:
        """Turn a complete ceremony into a session, once; see `Admission.complete`.

        Raises:
            CeremonyInvalidError: finished before, or not of this browser.
            WrongStepError: something is still to be proven.
            SessionNotLiveError: the session to strengthen is over.
        """
        return await self._admission.complete(handle, client, device_id=device_id, host=host, replaces=replaces)

    async def _second_factor(self, handle: str, proof: str) -> tuple[State, UserFacts, tuple[Check, ...]]:
        await self._throttles.load()
        state = await self._desk.load(self._desk.open(handle))
        state.require(proof)
        user = state.known_user()
        checks = self._throttles.for_second_factor(user.id, _name_key(user.name), state.opening.device_id)
        return state, user, checks

    async def _password_of(self, name_key: str) -> tuple[UserFacts | None, Authenticator | None]:
        async with self._database.read() as connection:
            user = await store.user_by_name(connection, name_key)
            found = await store.authenticators_of(connection, user.id) if user is not None else []
        return user, next((one for one in found if one.facts.kind is AuthenticatorKind.PASSWORD), None)

    async def _passkey_of(self, credential: object) -> tuple[UserFacts | None, Authenticator | None]:
        credential_id = credential_id_of(credential)
        if credential_id is None:
            return None, None
        async with self._database.read() as connection:
            stored = await store.authenticator_by_credential(connection, credential_id)
            user = await store.user_by_id(connection, stored.user_id) if stored is not None else None
        return user, stored

    async def _failed(
        self, checks: tuple[Check, ...], user: UserFacts | None, factor: str, reason: str, client: Client
    ) -> IdentityError:
        """Count and tell a failure in one unit of work; return the one error for all of them."""
        subject = user.id if user is not None else ""
        async with self._database.work() as unit:
            await self._throttles.failed(unit, checks, user.id if user is not None else None, client)
            facts = {"user": subject, "reason": reason, "factor": factor, "ip": client.ip}
            facts["user_agent"] = client.user_agent
            unit.emit(
                events.SIGN_IN_FAILED.at(
                    self._clock.now(), self._entropy, actor="system", subject=subject or "unknown", **facts
                )
            )
        return SignInFailedError("that did not work", hint="check what you typed, or try another way to sign in")

    async def _cloned(
        self, checks: tuple[Check, ...], user: UserFacts, stored: Authenticator, shown: int, client: Client
    ) -> IdentityError:
        async with self._database.work() as unit:
            unit.emit(
                events.PASSKEY_CLONED.at(
                    self._clock.now(),
                    self._entropy,
                    actor="system",
                    subject=user.id,
                    user=user.id,
                    authenticator=stored.facts.id,
                    stored=stored.counter,
                    shown=shown,
                    ip=client.ip,
                )
            )
        return await self._failed(checks, user, steps.PASSKEY, "cloned", client)


def _name_key(username: str) -> str:
    """Return what is looked up; a name that nobody can have stands for itself, and finds nobody."""
    try:
        return user_name(username).key
    except NameRefusedError:
        # No name has a space; no NUL and no lone surrogate may reach the database.
        return " " + username[:200].encode("utf-8", "replace").decode().replace("\x00", " ")


def _confirmed(state: State, kind: AuthenticatorKind) -> list[Authenticator]:
    return [one for one in state.authenticators if one.facts.kind is kind and one.is_confirmed]


def _belongs(state: State, user: UserFacts, credential: object) -> bool:
    """Tell whether a passkey is of the user the ceremony is about, and says so itself where nobody was named."""
    claimed = user_handle_of(credential)
    if state.user is not None:
        return state.user.id == user.id and claimed in (None, user.id)
    return claimed == user.id
