"""Who asks: enforcement points, known by a key of which only the hash is kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from watchword.enforcement.authzen.errors import CallerUnknownError
from watchword.enforcement.authzen.settings import CallerSettings, Told
from watchword.kernel import Entropy, Secret

KEY_PREFIX: Final = "wwpep_"
_KEY_BYTES: Final = 32
_LONGEST_KEY: Final = 256


@dataclass(frozen=True, slots=True)
class Caller:
    """An enforcement point that proved who it is; made by `Callers.recognise` alone.

    Attributes:
        namespaces: of the schema, that it may ask about; empty means all.
        told: how much of the reasons it hears.
        obligations: types that it is known to fulfil; empty means that nobody said.
    """

    name: str
    namespaces: tuple[str, ...] = ()
    told: Told = Told.ALL
    obligations: tuple[str, ...] = ()


class Callers:
    """Every enforcement point that may ask."""

    def __init__(self, listed: Sequence[CallerSettings]) -> None:
        self._known = tuple(
            (bytes.fromhex(digest), Caller(each.name, each.namespaces, each.reasons, each.obligations))
            for each in listed
            for digest in each.key_sha256
        )

    def recognise(self, authorization: str | None) -> Caller:
        """Tell who sent this `Authorization` header.

        Every key is compared, each in constant time, so that neither a near miss nor a place in the list can be felt.
        A fast hash is enough: the keys are 256 random bits, which nobody guesses (RFC 4086 section 8).

        Raises:
            CallerUnknownError: none, another scheme, or a key that nobody has.
        """
        scheme, _, key = (authorization or "").partition(" ")
        digest = hash_of(key.strip())
        found: Caller | None = None
        for known, caller in self._known:
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None or scheme.lower() != "bearer" or len(key) > _LONGEST_KEY:
            raise CallerUnknownError("this call carries no key of a known enforcement point")
        return found


def new_key(entropy: Entropy) -> Secret[str]:
    """Make a key; its hash belongs in the configuration, the key itself in the enforcement point alone."""
    body = base64.urlsafe_b64encode(entropy.token_bytes(_KEY_BYTES)).rstrip(b"=").decode()
    return Secret(KEY_PREFIX + body)


def hash_of(key: str) -> bytes:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
