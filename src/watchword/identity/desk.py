"""Keep ceremonies: read where one stands, move it on by one proof, end it once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from watchword.identity import session_store, store
from watchword.identity.ceremony import (
    LIFE,
    Ceremony,
    Means,
    Opening,
    cannot_go_on,
    offers,
    open_handle,
    sign_opening,
)
from watchword.identity.errors import WrongStepError
from watchword.identity.handles import digest_of_text, keyed
from watchword.identity.model import AuthenticatorKind, UserFacts
from watchword.identity.session_store import Progress
from watchword.identity.store import Authenticator
from watchword.kernel import Clock, Secret
from watchword.storage import Database, UnitOfWork


@dataclass(frozen=True, slots=True)
class State:
    """A ceremony as it was read: how it began, what was proven, and by whom if that is known."""

    opening: Opening
    progress: Progress | None = None
    user: UserFacts | None = None
    authenticators: tuple[Authenticator, ...] = ()

    @property
    def proofs(self) -> frozenset[str]:
        """What was proven so far."""
        return self.progress.proofs if self.progress is not None else frozenset()

    @property
    def offers(self) -> frozenset[str]:
        """What may come next."""
        return offers(self.opening.purpose, self.proofs, means_of(self.authenticators))

    @property
    def is_complete(self) -> bool:
        """Whether enough was proven."""
        return bool(self.proofs) and not self.offers

    def require(self, proof: str) -> None:
        """Refuse a proof that is not what comes next.

        Raises:
            WrongStepError: it is not.
        """
        if proof not in self.offers:
            raise WrongStepError("that is not the next step of this sign-in", hint="start again")

    def known_user(self) -> UserFacts:
        """Return the user whose ceremony this is.

        Raises:
            CeremonyInvalidError: nobody was named yet, or the account is gone or disabled.
        """
        if self.user is None or self.user.is_disabled:
            raise cannot_go_on()
        return self.user

    def view(self) -> Ceremony:
        """Return what the pages may know."""
        known = self.user is not None
        return Ceremony(
            purpose=self.opening.purpose,
            offers=self.offers,
            is_complete=self.is_complete,
            expires_at=self.opening.started_at + LIFE,
            return_to=self.opening.return_to,
            device_id=self.opening.device_id,
            user_id=self.user.id if self.user is not None else None,
            user_name=self.user.name if self.user is not None else None,
            has_second_factor=means_of(self.authenticators).has_second_factor if known else None,
        )


def means_of(authenticators: tuple[Authenticator, ...] | list[Authenticator]) -> Means:
    """Sum up what a user can prove identity with."""
    confirmed = [one for one in authenticators if one.is_confirmed]
    kinds = {one.facts.kind for one in confirmed}
    return Means(
        password=AuthenticatorKind.PASSWORD in kinds,
        totp=AuthenticatorKind.TOTP in kinds,
        passkey=AuthenticatorKind.PASSKEY in kinds,
        recovery_code=any(one.facts.remaining for one in confirmed),
    )


class CeremonyDesk:
    """Read and move ceremonies; knows no proof by itself."""

    def __init__(self, database: Database, clock: Clock, *, key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._key = key

    def sign(self, opening: Opening) -> Secret[str]:
        """Make the handle of a new ceremony."""
        return sign_opening(opening, self._key)

    def open(self, handle: str) -> Opening:
        """Read a handle, without a look into the database.

        Raises:
            CeremonyInvalidError: it cannot go on.
        """
        return open_handle(handle, self._key, self._clock.now())

    def challenge(self, opening: Opening, use: str) -> bytes:
        """Return the WebAuthn challenge of this ceremony for one use; nobody can foresee it, nothing is stored.

        INVARIANT: it counts once: the proof that answers it moves the ceremony on, and `put_progress` lets only one
        proof do so; another ceremony has another challenge.
        """
        return keyed(self._key, "challenge", use, opening.id)

    async def load(self, opening: Opening) -> State:
        """Read where a ceremony stands.

        Raises:
            CeremonyInvalidError: it is finished.
        """
        async with self._database.read() as connection:
            progress = await session_store.progress_of(connection, _digest(opening))
            # Prevents: a finished ceremony giving a second session.
            if progress is not None and progress.is_finished:
                raise cannot_go_on()
            user_id = progress.user_id if progress is not None else opening.user_id
            user = await store.user_by_id(connection, user_id) if user_id is not None else None
            found = await store.authenticators_of(connection, user.id) if user is not None else []
            return State(opening, progress, user, tuple(found))

    async def advance(self, unit: UnitOfWork, state: State, proof: str, user: UserFacts) -> State:
        """Add a proof of `user`.

        Raises:
            CeremonyInvalidError: the ceremony moved on in the meantime, or belongs to another user.
        """
        # Prevents: the password of one user and the second factor of another in one ceremony.
        owner = state.progress.user_id if state.progress is not None else state.opening.user_id
        if owner is not None and owner != user.id:
            raise cannot_go_on()
        after = Progress(user.id, state.proofs | {proof}, is_finished=False)
        await self._put(unit, state, after, self._clock.now())
        found = await store.authenticators_of(unit.connection, user.id)
        return replace(state, progress=after, user=user, authenticators=tuple(found))

    async def finish(self, unit: UnitOfWork, state: State) -> None:
        """End a ceremony for good.

        Raises:
            CeremonyInvalidError: somebody else ended it in the meantime.
        """
        if state.progress is None:
            raise cannot_go_on()
        await self._put(unit, state, replace(state.progress, is_finished=True), self._clock.now())

    async def _put(self, unit: UnitOfWork, state: State, after: Progress, now: datetime) -> None:
        # Kept until well after the handle has run out, so that a finished ceremony stays finished.
        expires_at = state.opening.started_at + LIFE * 2
        digest = _digest(state.opening)
        if not await session_store.put_progress(
            unit.connection, digest, state.progress, after, now=now, expires_at=expires_at
        ):
            raise cannot_go_on()


def _digest(opening: Opening) -> bytes:
    return digest_of_text(opening.id)
