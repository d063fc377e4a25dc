"""The key ring: load, make, rotate and retire signing keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType

from watchword.kernel import Clock, Entropy, Event, EventType, KeyId
from watchword.keys import store
from watchword.keys.errors import KeyMissingError, SealBrokenError, WrongSealingKeyError
from watchword.keys.events import KEY_CREATED, KEY_RETIRED, KEY_ROTATED
from watchword.keys.model import CANARY, CANARY_WORDS, DERIVED, PRIVATE, PUBLIC, Algorithm, StoredKey
from watchword.keys.sealer import Sealer
from watchword.keys.signing import Signer
from watchword.keys.verification import VerificationKey
from watchword.storage import ConflictError, Database, UnitOfWork

# Assertions live for a minute; a day lets every cache of the published keys pass.
_PUBLISHED_AFTER_ROTATION = timedelta(hours=24)
_ALGORITHMS = MappingProxyType(
    {"assertion": Algorithm.ES256, "journal": Algorithm.ED25519, "bundle": Algorithm.ED25519}
)


@dataclass(frozen=True, slots=True)
class _Ring:
    """One consistent picture of the table; replaced whole."""

    signers: Mapping[str, Signer] = field(default_factory=dict)
    keys: tuple[tuple[StoredKey, VerificationKey], ...] = ()


class KeyRing:
    """Hold the signing keys of this node, by purpose.

    Purposes: `assertion` (ES256: what applications verify), `journal` (Ed25519: checkpoints) and `bundle` (Ed25519:
    policy bundles of this node's own). Reading from the ring is synchronous and costs no input or output; the writing
    acts each are one unit of work.

    The private key of a rotated key is destroyed at the rotation. Public keys are kept for ever, sealed like the
    private ones, so that somebody who can write to the database still cannot make us publish a key of theirs.
    """

    def __init__(self, database: Database, sealer: Sealer, clock: Clock, entropy: Entropy) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._entropy = entropy
        self._ring = _Ring()

    async def load(self) -> None:
        """Open every stored key, or plant the canary in a new database.

        Raises:
            WrongSealingKeyError: the master key is not the one that this database was sealed with.
            SealBrokenError: a stored key was altered or moved.
        """
        async with self._database.read() as connection:
            canary, stored = await store.read_canary(connection), await store.read_keys(connection)
            derived = await store.read_derived(connection)
        if canary is None and not stored:
            canary = await self._plant_canary()
        self._check(canary)
        self._sealer.carry(
            {purpose: self._sealer.open(sealed, purpose=DERIVED, context=purpose) for purpose, sealed in derived}
        )
        self._ring = self._opened(stored)

    async def observe(self, events: Sequence[Event]) -> None:
        """Load again when another node changed the keys; subscribe this to the bus."""
        if any(event.type.startswith("keys.key.") for event in events):
            await self.load()

    async def ensure(self, purpose: str) -> None:
        """Make the key of a purpose if there is none yet."""
        if purpose in self._ring.signers:
            return
        try:
            async with self._database.work() as unit:
                key = await self._add(unit, purpose)
                unit.emit(self._event(KEY_CREATED, key))
        except ConflictError:
            pass  # another node made it in the same moment; loading finds it
        await self.load()

    async def rotate(
        self, purpose: str, *, actor: str = "system", published_for: timedelta = _PUBLISHED_AFTER_ROTATION
    ) -> None:
        """Let a new key sign; the former one stays published for a while and can sign no more.

        Args:
            purpose: of a loaded key.
            actor: who asked for it.
            published_for: how long those who verify must still accept the former key; 0 after a compromise.

        Raises:
            KeyMissingError: there is no key to rotate.
            ConflictError: another node rotated it in the same moment; the ring holds the newest now.
        """
        former = self.signer(purpose)
        context = next(stored.context for stored, key in self._ring.keys if key.kid == former.kid)
        sealed = self._sealer.seal(former.verification_key.der(), purpose=PUBLIC, context=context)
        now = self._clock.now()
        try:
            async with self._database.work() as unit:
                end = now + published_for
                if not await store.mark_rotated(
                    unit.connection, former.kid, sealed=sealed, at=now, published_until=end
                ):
                    raise ConflictError("the key was rotated in the same moment", hint="look before you rotate again")
                key = await self._add(unit, purpose)
                unit.emit(
                    KEY_ROTATED.at(
                        now,
                        self._entropy,
                        actor=actor,
                        subject=key.id,
                        purpose=purpose,
                        algorithm=str(key.algorithm),
                        former=str(former.kid),
                        published_until=end.isoformat(),
                    )
                )
        finally:
            await self.load()

    async def retire_due(self) -> None:
        """Note, once, each former key that is no longer published; call it now and then."""
        now = self._clock.now()
        due = [stored for stored, _ in self._ring.keys if stored.retired_at is None and not stored.is_published(now)]
        for key in due:
            async with self._database.work() as unit:
                if await store.mark_retired(unit.connection, key.id, now):
                    unit.emit(self._event(KEY_RETIRED, key))
        if due:
            await self.load()

    def signer(self, purpose: str) -> Signer:
        """Return the key that signs now; take it anew for each signature, for it changes at a rotation.

        Raises:
            KeyMissingError: none is loaded.
        """
        found = self._ring.signers.get(purpose)
        if found is None:
            raise KeyMissingError(f"there is no signing key for `{purpose}`", hint="the key ring was not loaded")
        return found

    def published(self, purpose: str) -> Mapping[str, VerificationKey]:
        """Return by `kid` the keys that those who verify should accept now."""
        now = self._clock.now()
        return {
            key.kid: key for stored, key in self._ring.keys if stored.purpose == purpose and stored.is_published(now)
        }

    def all_ever(self, purpose: str) -> Mapping[str, VerificationKey]:
        """Return by `kid` every key that ever signed for a purpose; to verify old evidence such as checkpoints."""
        return {key.kid: key for stored, key in self._ring.keys if stored.purpose == purpose}

    def jwks(self, purpose: str) -> dict[str, list[dict[str, str]]]:
        """Return the JWK set to publish (RFC 7517 section 5)."""
        return {"keys": [key.jwk() for key in self.published(purpose).values()]}

    async def _add(self, unit: UnitOfWork, purpose: str) -> StoredKey:
        algorithm = _ALGORITHMS.get(purpose)
        if algorithm is None:
            raise KeyMissingError(f"`{purpose}` is not a purpose of keys", hint=f"known: {', '.join(_ALGORITHMS)}")
        # Prevents: a key sealed under a master key that was replaced since this process began.
        self._check(await store.read_canary(unit.connection, is_held=True))
        now = self._clock.now()
        signer = Signer.generate(KeyId.new(now, self._entropy), algorithm)
        key = StoredKey(signer.kid, purpose, algorithm, b"", now)
        key = replace(key, sealed=self._sealer.seal(signer.der(), purpose=PRIVATE, context=key.context))
        await store.add_key(unit.connection, key)
        return key

    def _event(self, event_type: EventType, key: StoredKey) -> Event:
        return event_type.at(
            self._clock.now(),
            self._entropy,
            actor="system",
            subject=key.id,
            purpose=key.purpose,
            algorithm=str(key.algorithm),
        )

    async def _plant_canary(self) -> bytes | None:
        sealed = self._sealer.seal(CANARY_WORDS, purpose=CANARY, context="canary")
        try:
            async with self._database.work() as unit:
                await store.add_canary(unit.connection, sealed)
        except ConflictError:
            async with self._database.read() as connection:
                return await store.read_canary(connection)
        return sealed

    def _check(self, canary: bytes | None) -> None:
        try:
            # Prevents: starting under another master key and sealing new secrets that the old one cannot open, or
            # hiding the mismatch by deleting the canary from a database that has keys.
            opened = self._sealer.open(canary or b"", purpose=CANARY, context="canary")
        except SealBrokenError as error:
            raise WrongSealingKeyError(
                "the master key is not the one that this database was sealed with",
                hint="give the key that it was sealed with last; without it its secrets cannot be opened",
            ) from error
        if opened != CANARY_WORDS:
            raise WrongSealingKeyError("the sealed canary does not say what it should")

    def _opened(self, stored: Sequence[StoredKey]) -> _Ring:
        signers: dict[str, Signer] = {}
        keys: list[tuple[StoredKey, VerificationKey]] = []
        for key in stored:
            der = self._sealer.open(key.sealed, purpose=key.seal, context=key.context)
            if key.rotated_at is None:
                signers[key.purpose] = Signer.from_der(key.id, der)
                keys.append((key, signers[key.purpose].verification_key))
            else:
                keys.append((key, VerificationKey.from_der(key.id, der)))
        return _Ring(MappingProxyType(signers), tuple(keys))
