from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from watchword.kernel import Entropy, FrozenClock
from watchword.keys import (
    KeyMissingError,
    KeyRing,
    MasterKey,
    SealBrokenError,
    Sealer,
    SignatureInvalidError,
    Signer,
    WrongAlgorithmError,
    WrongSealingKeyError,
)
from watchword.storage import ConflictError, Database, metadata

_SEALER = Sealer(MasterKey(b"m" * 32))


@pytest.fixture
async def ring(database: Database, clock: FrozenClock, entropy: Entropy) -> KeyRing:
    found = KeyRing(database, _SEALER, clock, entropy)
    await found.load()
    await found.ensure("assertion")
    await found.ensure("journal")
    return found


def _another(ring: KeyRing, sealer: Sealer = _SEALER) -> KeyRing:
    """A second node, or the same one after a restart."""
    return KeyRing(ring._database, sealer, ring._clock, ring._entropy)


async def _events(database: Database) -> list[Mapping[str, str]]:
    async with database.read() as connection:
        rows = await connection.execute(select(metadata.tables["outbox"]).order_by(text("position")))
        return [{"type": row.type, "subject": row.subject, "data": row.data} for row in rows]


async def _alter(database: Database, statement: str, **values: object) -> None:
    async with database.work() as unit:
        await unit.connection.execute(text(statement), values)


async def test_a_ring_that_was_not_loaded_signs_nothing(
    database: Database, clock: FrozenClock, entropy: Entropy
) -> None:
    with pytest.raises(KeyMissingError):
        KeyRing(database, _SEALER, clock, entropy).signer("assertion")


async def test_keys_sign_and_survive_a_restart(ring: KeyRing) -> None:
    again = _another(ring)
    await again.load()
    signer = again.signer("assertion")
    assert signer.kid == ring.signer("assertion").kid
    signature = signer.sign_es256(b"payload")
    assert len(signature) == 64
    ring.published("assertion")[signer.kid].verify(b"payload", signature)
    journal = again.signer("journal")
    ring.published("journal")[journal.kid].verify(b"root", journal.sign_ed25519(b"root"))


async def test_a_signature_over_something_else_is_refused(ring: KeyRing) -> None:
    for purpose, sign in (("assertion", Signer.sign_es256), ("journal", Signer.sign_ed25519)):
        signer = ring.signer(purpose)
        signature = sign(signer, b"payload")
        with pytest.raises(SignatureInvalidError):
            signer.verification_key.verify(b"Payload", signature)
        with pytest.raises(SignatureInvalidError):
            signer.verification_key.verify(b"payload", signature[:63])
        with pytest.raises(SignatureInvalidError):
            signer.verification_key.verify(b"payload", signature[:-1] + bytes([signature[-1] ^ 1]))


async def test_ensuring_twice_makes_one_key(ring: KeyRing) -> None:
    kid = ring.signer("assertion").kid
    await ring.ensure("assertion")
    assert ring.signer("assertion").kid == kid
    assert [e["type"] for e in await _events(ring._database)] == ["keys.key.created"] * 2


async def test_two_nodes_that_start_together_share_one_key(
    database: Database, clock: FrozenClock, entropy: Entropy
) -> None:
    rings = [KeyRing(database, _SEALER, clock, entropy) for _ in range(3)]
    await asyncio.gather(*(ring.load() for ring in rings))
    await asyncio.gather(*(ring.ensure("assertion") for ring in rings))
    assert len({ring.signer("assertion").kid for ring in rings}) == 1


async def test_an_unknown_purpose_gets_no_key(ring: KeyRing) -> None:
    with pytest.raises(KeyMissingError, match="not a purpose"):
        await ring.ensure("pastime")


async def test_a_key_does_not_sign_with_the_other_algorithm(ring: KeyRing) -> None:
    with pytest.raises(WrongAlgorithmError):
        ring.signer("journal").sign_es256(b"")
    with pytest.raises(WrongAlgorithmError):
        ring.signer("assertion").sign_ed25519(b"")


async def test_a_rotated_key_stays_published_for_its_time_and_signs_no_more(ring: KeyRing, clock: FrozenClock) -> None:
    former = ring.signer("assertion")
    await ring.rotate("assertion", actor="cli:root", published_for=timedelta(hours=1))
    new = ring.signer("assertion")
    assert new.kid != former.kid
    assert {key["kid"] for key in ring.jwks("assertion")["keys"]} == {former.kid, new.kid}
    ring.published("assertion")[former.kid].verify(b"old", former.sign_es256(b"old"))
    clock.advance(timedelta(hours=1))
    assert [key["kid"] for key in ring.jwks("assertion")["keys"]] == [new.kid]


async def test_the_private_key_is_destroyed_at_the_rotation(ring: KeyRing) -> None:
    former = ring.signer("assertion").kid
    await ring.rotate("assertion")
    async with ring._database.read() as connection:
        sealed = (
            await connection.execute(text("SELECT sealed FROM signing_keys WHERE id = :id"), {"id": former})
        ).scalar_one()
    with pytest.raises(SealBrokenError):
        _SEALER.open(bytes(sealed), purpose="keys.private", context=f"assertion/ES256/{former}")


async def test_old_evidence_can_be_verified_for_ever(ring: KeyRing, clock: FrozenClock) -> None:
    former = ring.signer("journal")
    await ring.rotate("journal")
    clock.advance(timedelta(days=3650))
    await ring.retire_due()
    again = _another(ring)
    await again.load()
    assert former.kid not in again.published("journal")
    again.all_ever("journal")[former.kid].verify(b"root", former.sign_ed25519(b"root"))


async def test_each_act_is_told_once(ring: KeyRing, clock: FrozenClock) -> None:
    former = ring.signer("assertion").kid
    await ring.rotate("assertion", actor="cli:root")
    clock.advance(timedelta(days=2))
    await ring.retire_due()
    await ring.retire_due()
    told = (await _events(ring._database))[2:]
    assert [event["type"] for event in told] == ["keys.key.rotated", "keys.key.retired"]
    assert told[0]["subject"] == ring.signer("assertion").kid
    assert former in told[0]["data"]
    assert told[1]["subject"] == former


async def test_a_rotation_that_lost_the_race_changes_nothing_and_sees_the_winner(ring: KeyRing) -> None:
    other = _another(ring)
    await other.load()
    await ring.rotate("assertion")
    with pytest.raises(ConflictError):
        await other.rotate("assertion")
    assert other.signer("assertion").kid == ring.signer("assertion").kid


async def test_another_node_follows_a_rotation_by_its_event(
    ring: KeyRing, clock: FrozenClock, entropy: Entropy
) -> None:
    from watchword.keys import KEY_ROTATED  # noqa: PLC0415  # only here

    other = _another(ring)
    await other.load()
    await ring.rotate("assertion")
    await other.observe([KEY_ROTATED.at(clock.now(), entropy, actor="system", subject="key")])
    assert other.signer("assertion").kid == ring.signer("assertion").kid


async def test_the_wrong_master_key_is_told_at_once(ring: KeyRing) -> None:
    with pytest.raises(WrongSealingKeyError):
        await _another(ring, Sealer(MasterKey(b"n" * 32))).load()


async def test_deleting_the_canary_does_not_hide_a_wrong_master_key(ring: KeyRing) -> None:
    await _alter(ring._database, "DELETE FROM sealing_canary")
    with pytest.raises(WrongSealingKeyError):
        await _another(ring, Sealer(MasterKey(b"n" * 32))).load()


async def test_the_canary_alone_guards_a_database_without_keys(
    database: Database, clock: FrozenClock, entropy: Entropy
) -> None:
    await KeyRing(database, _SEALER, clock, entropy).load()
    with pytest.raises(WrongSealingKeyError):
        await KeyRing(database, Sealer(MasterKey(b"n" * 32)), clock, entropy).load()


async def test_a_key_planted_by_somebody_who_writes_the_database_is_refused(ring: KeyRing) -> None:
    await _alter(
        ring._database,
        "UPDATE signing_keys SET rotated_at = created_at, published_until = created_at, sealed = :der "
        "WHERE purpose = 'assertion'",
        der=ring.signer("assertion").verification_key.der(),
    )
    with pytest.raises(SealBrokenError):
        await _another(ring).load()


async def test_a_key_moved_to_another_purpose_is_refused(ring: KeyRing) -> None:
    await ring.rotate("assertion")
    await _alter(ring._database, "UPDATE signing_keys SET purpose = 'journal' WHERE rotated_at IS NOT NULL")
    with pytest.raises(SealBrokenError):
        await _another(ring).load()


async def test_two_keys_cannot_sign_for_one_purpose(ring: KeyRing) -> None:
    await ring.rotate("assertion")
    with pytest.raises(ConflictError):
        await _alter(ring._database, "UPDATE signing_keys SET rotated_at = NULL, published_until = NULL")


async def test_nothing_private_is_in_a_representation(ring: KeyRing) -> None:
    signer = ring.signer("assertion")
    assert repr(signer) == f"Signer({signer.kid}, ES256)"
    assert "d" not in ring.jwks("assertion")["keys"][0]
