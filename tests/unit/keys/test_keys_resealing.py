from __future__ import annotations

import pytest
from sqlalchemy import text

from watchword.kernel import Entropy, FrozenClock
from watchword.keys import KeyRing, MasterKey, SealBrokenError, Sealer, WrongSealingKeyError, reseal
from watchword.storage import Database


def _sealer(letter: bytes) -> Sealer:
    return Sealer(MasterKey(letter * 32))


def _ring(ring: KeyRing, sealer: Sealer) -> KeyRing:
    return KeyRing(ring._database, sealer, ring._clock, ring._entropy)


@pytest.fixture
async def ring(plain_database: Database, clock: FrozenClock, entropy: Entropy) -> KeyRing:
    found = KeyRing(plain_database, _sealer(b"m"), clock, entropy)
    await found.load()
    for purpose in ("assertion", "journal"):
        await found.ensure(purpose)
    await found.rotate("journal")
    return found


async def _reseal(ring: KeyRing, fresh: Sealer) -> int:
    async with ring._database.work() as unit:
        return await reseal(unit.connection, ring._sealer, fresh, carried=("devices.handle", "identity.recovery"))


async def test_on_every_database_a_resealed_ring_opens_again(
    database: Database, clock: FrozenClock, entropy: Entropy
) -> None:
    former = KeyRing(database, _sealer(b"m"), clock, entropy)
    await former.load()
    await former.ensure("journal")
    assert await _reseal(former, _sealer(b"n")) == 4
    with pytest.raises(WrongSealingKeyError):
        await former.rotate("journal")
    await _ring(former, _sealer(b"n")).load()


async def test_everything_opens_under_the_fresh_key_and_nothing_under_the_former(ring: KeyRing) -> None:
    assert await _reseal(ring, _sealer(b"n")) == 6  # canary, three signing keys, two derived ones
    again = _ring(ring, _sealer(b"n"))
    await again.load()
    assert again.signer("assertion").der() == ring.signer("assertion").der()
    assert again.all_ever("journal").keys() == ring.all_ever("journal").keys()
    with pytest.raises(WrongSealingKeyError):
        await _ring(ring, _sealer(b"m")).load()


async def test_lasting_derived_keys_stay_through_any_number_of_sealing_keys_and_others_do_not(ring: KeyRing) -> None:
    first = ring._sealer
    present = ring
    for letter in (b"n", b"o"):
        await _reseal(present, _sealer(letter))
        present = _ring(ring, _sealer(letter))
        await present.load()
    for purpose in ("devices.handle", "identity.recovery"):
        assert present._sealer.derive(purpose) == first.derive(purpose)
    assert present._sealer.derive("console.csrf") != first.derive("console.csrf")


async def test_what_was_altered_is_not_sealed_as_if_it_were_whole_and_nothing_else_is(ring: KeyRing) -> None:
    async with ring._database.work() as unit:
        await unit.connection.execute(text("UPDATE signing_keys SET purpose = 'bundle' WHERE purpose = 'assertion'"))
    with pytest.raises(SealBrokenError):
        await _reseal(ring, _sealer(b"n"))
    with pytest.raises(SealBrokenError):
        await _ring(ring, _sealer(b"m")).load()  # as before: the canary is still under the former key
    with pytest.raises(WrongSealingKeyError):
        await _ring(ring, _sealer(b"n")).load()


async def test_a_process_from_before_adds_no_key_under_the_former_seal(ring: KeyRing) -> None:
    await _reseal(ring, _sealer(b"n"))
    with pytest.raises(WrongSealingKeyError):
        await ring.rotate("assertion")
    with pytest.raises(WrongSealingKeyError):
        await ring.ensure("bundle")
    await _ring(ring, _sealer(b"n")).load()


async def test_a_derived_key_moved_to_another_purpose_is_refused(ring: KeyRing) -> None:
    await _reseal(ring, _sealer(b"n"))
    async with ring._database.work() as unit:
        await unit.connection.execute(text("UPDATE derived_keys SET purpose = 'x' WHERE purpose = 'devices.handle'"))
    with pytest.raises(SealBrokenError):
        await _ring(ring, _sealer(b"n")).load()
