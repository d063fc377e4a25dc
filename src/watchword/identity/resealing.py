"""Seal what this room keeps anew, under another master key."""

from __future__ import annotations

from typing import Any

from watchword.identity import store
from watchword.identity.model import AuthenticatorKind
from watchword.identity.ports import Sealer
from watchword.identity.sign_in import TOTP_PURPOSE

# Derived keys with which something lasting was made: recovery codes, and the names of throttles and known browsers.
LASTING_KEYS = ("identity.recovery", "identity.throttle")


async def reseal(connection: Any, former: Sealer, fresh: Sealer) -> int:
    """Seal the secrets of authenticator apps anew, and return how many there were; each is opened again afterwards.

    Raises:
        SealBrokenError: one was altered.
    """
    found = await store.authenticators_of_kind(connection, AuthenticatorKind.TOTP)
    for one in found:
        context = f"{one.user_id}|{one.facts.id}"
        secret = former.open(one.material, purpose=TOTP_PURPOSE, context=context)
        sealed = fresh.seal(secret, purpose=TOTP_PURPOSE, context=context)
        await store.replace_material(connection, one.facts.id, sealed)
    for one in await store.authenticators_of_kind(connection, AuthenticatorKind.TOTP):
        fresh.open(one.material, purpose=TOTP_PURPOSE, context=f"{one.user_id}|{one.facts.id}")
    return len(found)
