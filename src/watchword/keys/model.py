"""A signing key as it lies in the database, and what it may be used for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watchword.kernel import KeyId

# What is sealed here, and the words that tell whether a master key is the right one.
PRIVATE, PUBLIC, CANARY, DERIVED = "keys.private", "keys.public", "keys.canary", "keys.derived"
CANARY_WORDS = b"this master key is the right one"


class Algorithm(StrEnum):
    """How a key signs, in the words of the JOSE registry (RFC 7518, RFC 9864)."""

    ES256 = "ES256"
    ED25519 = "Ed25519"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key as it lies in the database.

    Attributes:
        sealed: the private key while it signs; the public key alone from the rotation on.
        rotated_at: when another key took over; none for the key that signs.
        published_until: when those who verify may forget it; none for the key that signs.
        retired_at: when we said so.
    """

    id: KeyId
    purpose: str
    algorithm: Algorithm
    sealed: bytes
    created_at: datetime
    rotated_at: datetime | None = None
    published_until: datetime | None = None
    retired_at: datetime | None = None

    def is_published(self, now: datetime) -> bool:
        """Tell whether those who verify should still accept it."""
        return self.retired_at is None and (self.published_until is None or now < self.published_until)

    @property
    def seal(self) -> str:
        """What kind of secret the seal is around."""
        return PRIVATE if self.rotated_at is None else PUBLIC

    @property
    def context(self) -> str:
        """What the seal is bound to: a key cannot be moved to another purpose or algorithm."""
        return f"{self.purpose}/{self.algorithm}/{self.id}"
