"""A user's own authenticators: list, add, replace, remove; every change needs a fresh proof of identity."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from watchword.identity import events, passkeys, passwords, registration, session_store, store, totp
from watchword.identity.desk import means_of
from watchword.identity.errors import (
    CodeRefusedError,
    PasskeyRefusedError,
    SessionNotLiveError,
    StepUpRequiredError,
    TooManyError,
    UnknownSubjectError,
    WrongStepError,
)
from watchword.identity.handles import digest_of_text, encode
from watchword.identity.hashing import PasswordHashing
from watchword.identity.making import (
    clean_label,
    context_words,
    new_authenticator,
    new_passkey,
    new_password,
    require_enough_left,
    stands_alone,
)
from watchword.identity.model import (
    AuthenticatorFacts,
    AuthenticatorKind,
    Client,
    SessionFacts,
    TotpEnrolment,
    UserFacts,
)
from watchword.identity.ports import Sealer
from watchword.identity.recovery import digest_for, new_codes
from watchword.identity.sessions import end_all_in
from watchword.identity.settings import IdentitySettings
from watchword.identity.sign_in import TOTP_PURPOSE
from watchword.identity.store import Authenticator
from watchword.kernel import AuthenticatorId, Clock, Entropy, EventType, Secret, UserId
from watchword.storage import Database, UnitOfWork

FRESH = timedelta(minutes=15)
_MOST = {AuthenticatorKind.PASSKEY: 20, AuthenticatorKind.TOTP: 5}


class Factors:
    """What the owner of an account does with its authenticators.

    Each method that changes something takes the session it is done in. It is read again in the unit of work: it must
    be live, and its last authentication, with the second factor if the user has one, at most 15 minutes old.
    Prevents: a handle that was stolen or left behind turning into a lasting way in.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        entropy: Entropy,
        *,
        sealer: Sealer,
        settings: IdentitySettings,
        hashing: PasswordHashing,
    ) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._sealer = sealer
        self._settings = settings
        self._hashing = hashing
        self._recovery_key = sealer.derive("identity.recovery")
        self._registration_key = sealer.derive("identity.registration")

    async def authenticators(self, user_id: UserId) -> tuple[AuthenticatorFacts, ...]:
        """Return the authenticators of a user that count, oldest first."""
        async with self._database.read() as connection:
            found = await store.authenticators_of(connection, user_id)
        return tuple(one.facts for one in found if one.is_confirmed)

    async def require_fresh(self, session: SessionFacts) -> None:
        """Check that factors could be changed in this session right now; for pages that ask before they show a form.

        Raises:
            SessionNotLiveError: it is over.
            StepUpRequiredError: its last authentication is too old.
        """
        async with self._database.read() as connection:
            await self._fresh(connection, session, self._clock.now())

    async def set_password(self, session: SessionFacts, password: str, client: Client) -> None:
        """Set or replace the password, and end every other session of the user.

        Raises:
            SessionNotLiveError: the session is over.
            StepUpRequiredError: the session's last authentication is too old.
            PasswordRefusedError: a rule is broken.
            BusyError: try again shortly.
        """
        async with self._database.read() as connection:
            user, found = await self._fresh(connection, session, self._clock.now())
        alone = not means_of(found).has_second_factor
        normal = passwords.accept(password, stands_alone=alone, context=context_words(user, self._settings))
        encoded = await self._hashing.hash(normal)
        async with self._database.work() as unit:
            now = self._clock.now()
            user, found = await self._fresh(unit.connection, session, now)
            # Checked again: the second factor may have gone while the hash was computed.
            passwords.accept(
                password,
                stands_alone=not means_of(found).has_second_factor,
                context=context_words(user, self._settings),
            )
            old = next((one for one in found if one.facts.kind is AuthenticatorKind.PASSWORD), None)
            if old is None:
                made = new_password(user.id, encoded, normal, now, self._entropy)
                await self._add(unit, made, client, now)
            else:
                await store.replace_password(
                    unit.connection, old.facts.id, encoded, stands_alone=stands_alone(normal), now=now
                )
                self._tell(unit, events.PASSWORD_CHANGED, user.id, old.facts.id, client, now)
            # Prevents: whoever knew the old password staying signed in.
            await end_all_in(
                unit, user.id, actor=user.id, reason="password_changed", now=now, entropy=self._entropy, keep=session.id
            )

    async def enrol_totp(self, session: SessionFacts, client: Client, *, label: str = "") -> TotpEnrolment:
        """Make a secret for an authenticator application; it counts only after `confirm_totp`.

        Raises:
            SessionNotLiveError: the session is over.
            StepUpRequiredError: the session's last authentication is too old.
            TooManyError: enough of them.
        """
        del client  # nothing is told before the confirmation
        secret = totp.new_secret(self._entropy)
        async with self._database.work() as unit:
            now = self._clock.now()
            user, found = await self._fresh(unit.connection, session, now)
            self._require_room(found, AuthenticatorKind.TOTP)
            # Bounded: at most one waits for its confirmation.
            await store.remove_authenticators(unit.connection, [one.facts.id for one in found if not one.is_confirmed])
            made = new_authenticator(
                AuthenticatorKind.TOTP, user.id, b"", now=now, entropy=self._entropy, label=label, is_confirmed=False
            )
            context = f"{user.id}|{made.facts.id}"
            sealed = self._sealer.seal(secret.reveal(), purpose=TOTP_PURPOSE, context=context)
            await store.add_authenticator(unit.connection, replace(made, material=sealed))
        uri = totp.provisioning_uri(secret, account=user.name, issuer=self._settings.service_name)
        return TotpEnrolment(made.facts.id, totp.spelled(secret), uri)

    async def confirm_totp(
        self, session: SessionFacts, authenticator_id: AuthenticatorId, code: str, client: Client
    ) -> None:
        """Take the first code, which proves that the application has the secret; that code is used up by it.

        Raises:
            SessionNotLiveError: the session is over.
            StepUpRequiredError: the session's last authentication is too old.
            CodeRefusedError: not the present code, or nothing waits for one.
        """
        async with self._database.work() as unit:
            now = self._clock.now()
            user, found = await self._fresh(unit.connection, session, now)
            waiting = next((one for one in found if one.facts.id == authenticator_id and not one.is_confirmed), None)
            if waiting is None:
                raise CodeRefusedError("nothing waits for a code", hint="start again")
            sealed_for = f"{user.id}|{waiting.facts.id}"
            secret = Secret(self._sealer.open(waiting.material, purpose=TOTP_PURPOSE, context=sealed_for))
            step = totp.matching_step(secret, code, now, after=0)
            if step is None or not await store.use_totp_step(
                unit.connection, waiting.facts.id, step, now, confirm=True
            ):
                raise CodeRefusedError("that is not the present code", hint="check the clock of your device")
            self._tell(
                unit,
                events.AUTHENTICATOR_ADDED,
                user.id,
                waiting.facts.id,
                client,
                now,
                kind=AuthenticatorKind.TOTP.value,
            )
            await self._end_weaker(unit, found, session, now)

    async def passkey_options(self, session: SessionFacts) -> dict[str, Any]:
        """Return the argument of `navigator.credentials.create`, good for one answer in this session in ten minutes.

        Raises:
            SessionNotLiveError: the session is over.
            StepUpRequiredError: the session's last authentication is too old.
            TooManyError: enough of them.
        """
        now = self._clock.now()
        async with self._database.read() as connection:
            user, found = await self._fresh(connection, session, now)
        self._require_room(found, AuthenticatorKind.PASSKEY)
        return passkeys.registration_options(
            self._settings,
            user_id=user.id,
            name=user.name,
            display_name=user.display_name,
            challenge=registration.new_challenge(self._registration_key, session.id, now, self._entropy),
            existing=[one.credential_id for one in found if one.credential_id is not None],
        )

    async def register_passkey(
        self, session: SessionFacts, credential: object, client: Client, *, label: str = ""
    ) -> AuthenticatorFacts:
        """Take the answer to `passkey_options`.

        Raises:
            SessionNotLiveError: the session is over.
            StepUpRequiredError: the session's last authentication is too old.
            PasskeyRefusedError: it does not verify, is known already, or nothing waits for it.
            TooManyError: enough of them.
        """
        challenge = passkeys.challenge_of(credential) or b""
        # The challenge is used up even by a wrong answer, so this is committed first.
        async with self._database.work() as unit:
            now = self._clock.now()
            await self._fresh(unit.connection, session, now)
            is_waiting = registration.is_waiting(self._registration_key, challenge, session.id, now)
            # Prevents: one challenge answered twice, at the same moment too.
            if not is_waiting or not await session_store.use_once(
                unit.connection,
                digest_of_text(encode(challenge)),
                session.user_id,
                now=now,
                until=now + 2 * registration.LIFE,
            ):
                raise PasskeyRefusedError("nothing waits for this passkey", hint="start again")
        stored = passkeys.verify_registration(self._settings, credential, challenge=challenge)
        async with self._database.work() as unit:
            now = self._clock.now()
            user, found = await self._fresh(unit.connection, session, now)
            self._require_room(found, AuthenticatorKind.PASSKEY)
            made = new_passkey(user.id, stored, label, now, self._entropy)
            await self._add(unit, made, client, now)
            await self._end_weaker(unit, found, session, now)
        return made.facts

    async def new_recovery_codes(self, session: SessionFacts, client: Client) -> tuple[Secret[str], ...]:
        """Make ten recovery codes, shown once; an earlier set is gone.

        Raises:
            SessionNotLiveError: the session is over.
            StepUpRequiredError: the session's last authentication is too old.
            WrongStepError: there is no second factor that they could stand in for.
        """
        codes = new_codes(self._entropy)
        async with self._database.work() as unit:
            now = self._clock.now()
            user, found = await self._fresh(unit.connection, session, now)
            if not means_of(found).has_second_factor:
                raise WrongStepError("recovery codes stand in for a second factor", hint="add one first")
            old = [one.facts.id for one in found if one.facts.kind is AuthenticatorKind.RECOVERY_CODES]
            await store.remove_authenticators(unit.connection, old)
            made = new_authenticator(AuthenticatorKind.RECOVERY_CODES, user.id, b"", now=now, entropy=self._entropy)
            await self._add(unit, made, client, now)
            digests = [digest_for(self._recovery_key, user.id, code.reveal()) for code in codes]
            await store.add_recovery_codes(unit.connection, made.facts.id, digests)
        return codes

    async def remove_authenticator(
        self, session: SessionFacts, authenticator_id: AuthenticatorId, client: Client
    ) -> None:
        """Remove one of one's own authenticators.

        Raises:
            SessionNotLiveError: the session is over.
            StepUpRequiredError: the session's last authentication is too old.
            UnknownSubjectError: the user has none such.
            LastFactorError: the account could not sign in any more, or not strongly enough.
        """
        async with self._database.work() as unit:
            now = self._clock.now()
            # Prevents: two factors that are removed at the same moment, each while the other still counts.
            await store.hold_user(unit.connection, session.user_id)
            user, found = await self._fresh(unit.connection, session, now)
            gone = _mine(found, authenticator_id)
            require_enough_left(user, found, {gone.facts.id})
            await store.remove_authenticators(unit.connection, [gone.facts.id])
            facts = {"kind": gone.facts.kind.value, "reason": "owner"}
            self._tell(unit, events.AUTHENTICATOR_REMOVED, user.id, gone.facts.id, client, now, **facts)

    async def rename_authenticator(self, session: SessionFacts, authenticator_id: AuthenticatorId, label: str) -> None:
        """Give one of one's own authenticators another label; no fresh proof is asked for that.

        Raises:
            SessionNotLiveError: the session is over.
            UnknownSubjectError: the user has none such.
        """
        async with self._database.work() as unit:
            _, found = await self._live(unit.connection, session, self._clock.now())
            mine = _mine(found, authenticator_id)
            await store.rename_authenticator(unit.connection, mine.facts.id, clean_label(label) or mine.facts.label)

    # --- within a unit of work --------------------------------------------------------------------------------------

    async def _live(
        self, connection: Any, session: SessionFacts, now: datetime
    ) -> tuple[UserFacts, list[Authenticator]]:
        current = await session_store.session_by_id(connection, session.id)
        user = await store.user_by_id(connection, session.user_id)
        if current is None or not current.is_live(now) or user is None or user.is_disabled:
            raise SessionNotLiveError("the session is over", hint="sign in again")
        return user, await store.authenticators_of(connection, user.id)

    async def _fresh(
        self, connection: Any, session: SessionFacts, now: datetime
    ) -> tuple[UserFacts, list[Authenticator]]:
        user, found = await self._live(connection, session, now)
        current = await session_store.session_by_id(connection, session.id)
        assert current is not None  # `_live` has just seen it
        # A factor set up since the last authentication was proven when it was set up; older ones must be shown.
        older = [one for one in found if one.facts.created_at < current.authenticated_at]
        proven_at = current.mfa_at if means_of(older).has_second_factor else current.authenticated_at
        # A time ahead of the clock counts as old: a clock that was set back does not make a proof fresh.
        if proven_at is None or not timedelta(0) <= now - proven_at <= FRESH:
            raise StepUpRequiredError("this needs a fresh proof of who you are", max_age_s=int(FRESH.total_seconds()))
        return user, found

    async def _end_weaker(
        self, unit: UnitOfWork, before: list[Authenticator], session: SessionFacts, now: datetime
    ) -> None:
        """End the other sessions when the first second factor arrives.

        Prevents: a session from before, perhaps stolen, that never has to show it.
        """
        if not means_of(before).has_second_factor:
            who, reason = session.user_id, "second_factor_added"
            await end_all_in(unit, who, actor=who, reason=reason, now=now, entropy=self._entropy, keep=session.id)

    async def _add(self, unit: UnitOfWork, made: Authenticator, client: Client, now: datetime) -> None:
        await store.add_new_authenticator(unit.connection, made)
        self._tell(
            unit, events.AUTHENTICATOR_ADDED, made.user_id, made.facts.id, client, now, kind=made.facts.kind.value
        )

    def _tell(
        self,
        unit: UnitOfWork,
        event: EventType,
        user_id: UserId,
        subject: str,
        client: Client,
        now: datetime,
        **facts: str,
    ) -> None:
        unit.emit(event.at(now, self._entropy, actor=user_id, subject=subject, user=user_id, ip=client.ip, **facts))

    @staticmethod
    def _require_room(found: list[Authenticator], kind: AuthenticatorKind) -> None:
        if sum(one.facts.kind is kind and one.is_confirmed for one in found) >= _MOST[kind]:
            raise TooManyError("you have enough of these", hint="remove one that you do not use")


def _mine(found: list[Authenticator], wanted: AuthenticatorId) -> Authenticator:
    mine = next((one for one in found if one.facts.id == wanted and one.is_confirmed), None)
    if mine is None:
        raise UnknownSubjectError("you have no such authenticator")
    return mine
