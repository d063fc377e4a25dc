"""Opaque handles: 32 random bytes shown once, kept only as their SHA-256."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

from watchword.kernel import Entropy, Secret

HANDLE_BYTES = 32
_HANDLE_LENGTH = 43


def new_handle(entropy: Entropy) -> Secret[str]:
    """Make a handle of 256 bits as 43 characters."""
    return Secret(encode(entropy.token_bytes(HANDLE_BYTES)))


def digest_of(handle: str) -> bytes | None:
    """Return what is stored for a handle, or nothing when it does not have a handle's form. Never raises."""
    if len(handle) != _HANDLE_LENGTH or not handle.isascii():
        return None
    return hashlib.sha256(handle.encode()).digest()


def digest_of_new(handle: Secret[str]) -> bytes:
    """Return what to store for a handle made here."""
    return hashlib.sha256(handle.reveal().encode()).digest()


def digest_of_text(text: str) -> bytes:
    """Return the SHA-256 of any text a client sent, lone surrogates included."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def keyed(key: bytes, *parts: str) -> bytes:
    """Return an HMAC-SHA-256 over the parts; each part's length is part of the input."""
    encoded = (part.encode("utf-8", "surrogatepass") for part in parts)
    return hmac.digest(key, b"".join(len(part).to_bytes(4) + part for part in encoded), "sha256")


def encode(value: bytes) -> str:
    """Write base64url without padding."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def decode(text: str) -> bytes | None:
    """Read base64url without padding, or nothing when it is not. Never raises."""
    if not text.isascii():
        return None
    try:
        value = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError):
        return None
    # Prevents: several spellings of one value, since Python's decoder skips what it does not know.
    return value if encode(value) == text else None
