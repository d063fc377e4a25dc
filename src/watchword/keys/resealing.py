"""Seal what this room keeps anew, under another master key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from watchword.keys import store
from watchword.keys.model import CANARY, CANARY_WORDS, DERIVED
from watchword.keys.sealer import Sealer


async def reseal(connection: Any, former: Sealer, fresh: Sealer, *, carried: Iterable[str]) -> int:
    """Seal canary, signing keys and derived keys anew, and return how many values that were.

    Everything is opened again, as it then lies there, before this returns; what fails must end the unit of work.

    Args:
        connection: of one unit of work, in which every other room seals anew too.
        former: under whose master key things are sealed, with what it carries.
        fresh: the one to come.
        carried: purposes of derived keys that must stay the same, because something that lasts was made with them.

    Raises:
        SealBrokenError: something was altered, and is not sealed anew as if it were whole.
    """
    # The canary comes first: on PostgreSQL whoever is about to add a key waits for it, and then finds it replaced.
    await store.replace_canary(connection, fresh.seal(CANARY_WORDS, purpose=CANARY, context="canary"))
    keys = await store.read_keys(connection)
    for key in keys:
        der = former.open(key.sealed, purpose=key.seal, context=key.context)
        await store.replace_sealed(connection, key.id, fresh.seal(der, purpose=key.seal, context=key.context))
    purposes = {purpose for purpose, _ in await store.read_derived(connection)}.union(carried)
    derived = {purpose: former.derive(purpose) for purpose in purposes}
    for purpose, value in derived.items():
        await store.put_derived(connection, purpose, fresh.seal(value, purpose=DERIVED, context=purpose))
    await _prove(connection, fresh)
    fresh.carry(derived)
    return 1 + len(keys) + len(derived)


async def _prove(connection: Any, fresh: Sealer) -> None:
    fresh.open(await store.read_canary(connection) or b"", purpose=CANARY, context="canary")
    for key in await store.read_keys(connection):
        fresh.open(key.sealed, purpose=key.seal, context=key.context)
    for purpose, sealed in await store.read_derived(connection):
        fresh.open(sealed, purpose=DERIVED, context=purpose)
