"""The first authenticator of an invited user, set up within a ceremony that a one-time link opened."""

from __future__ import annotations

from typing import Any

from watchword.identity import ceremony as steps
from watchword.identity import events, passkeys, passwords, store
from watchword.identity.ceremony import Ceremony
from watchword.identity.desk import CeremonyDesk, State
from watchword.identity.errors import InvitationRefusedError
from watchword.identity.handles import decode
from watchword.identity.hashing import PasswordHashing
from watchword.identity.making import context_words, new_passkey, new_password
from watchword.identity.model import Client
from watchword.identity.settings import IdentitySettings
from watchword.identity.store import Authenticator
from watchword.kernel import Clock, Entropy
from watchword.storage import Database


class Welcome:
    """Let an invited user choose a password or register a passkey; the link is used up in the same unit of work."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        entropy: Entropy,
        *,
        settings: IdentitySettings,
        hashing: PasswordHashing,
        desk: CeremonyDesk,
    ) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._settings = settings
        self._hashing = hashing
        self._desk = desk

    async def password(self, handle: str, password: str, client: Client) -> Ceremony:
        """Take the first password; it stands alone, so it has at least 15 characters.

        Raises:
            CeremonyInvalidError: the ceremony cannot go on.
            WrongStepError: it was not opened by a link, or a first authenticator is there already.
            PasswordRefusedError: a rule is broken.
            BusyError: try again shortly.
            InvitationRefusedError: the link was used in the meantime.
        """
        state = await self._desk.load(self._desk.open(handle))
        state.require(steps.NEW_PASSWORD)
        context = context_words(state.known_user(), self._settings)
        normal = passwords.accept(password, stands_alone=True, context=context)
        encoded = await self._hashing.hash(normal)
        made = new_password(state.known_user().id, encoded, normal, self._clock.now(), self._entropy)
        return await self._admit(state, steps.NEW_PASSWORD, made, client)

    async def passkey_options(self, handle: str) -> dict[str, Any]:
        """Return the argument of `navigator.credentials.create`.

        Raises:
            CeremonyInvalidError: the ceremony cannot go on.
            WrongStepError: as above.
        """
        opening = self._desk.open(handle)
        state = await self._desk.load(opening)
        state.require(steps.NEW_PASSKEY)
        user = state.known_user()
        return passkeys.registration_options(
            self._settings,
            user_id=user.id,
            name=user.name,
            display_name=user.display_name,
            challenge=self._desk.challenge(opening, "create"),
            existing=(),
        )

    async def passkey(self, handle: str, credential: object, client: Client, *, label: str = "") -> Ceremony:
        """Take the first passkey.

        Raises:
            CeremonyInvalidError: the ceremony cannot go on.
            WrongStepError: as above.
            PasskeyRefusedError: the answer does not verify, or is known already.
            InvitationRefusedError: the link was used in the meantime.
        """
        opening = self._desk.open(handle)
        state = await self._desk.load(opening)
        state.require(steps.NEW_PASSKEY)
        stored = passkeys.verify_registration(
            self._settings, credential, challenge=self._desk.challenge(opening, "create")
        )
        made = new_passkey(state.known_user().id, stored, label, self._clock.now(), self._entropy)
        return await self._admit(state, steps.NEW_PASSKEY, made, client)

    async def _admit(self, state: State, proof: str, made: Authenticator, client: Client) -> Ceremony:
        user = state.known_user()
        now = self._clock.now()
        digest = decode(state.opening.invitation or "") or b""
        async with self._database.work() as unit:
            # Prevents: a link used twice, or by two browsers at once.
            if not await store.use_invitation(unit.connection, digest, user.id, now):
                raise InvitationRefusedError("the link was used already", hint="ask for another one")
            await store.add_new_authenticator(unit.connection, made)
            moved = await self._desk.advance(unit, state, proof, user)
            facts = {"user": user.id, "kind": made.facts.kind.value, "ip": client.ip}
            unit.emit(events.AUTHENTICATOR_ADDED.at(now, self._entropy, actor=user.id, subject=made.facts.id, **facts))
        return moved.view()
