"""Time-based one-time codes. Source: RFC 6238, RFC 4226."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from base64 import b32encode
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyotp

from watchword.kernel import Entropy, Secret

STEP_S = 30
DIGITS = 6
WINDOW = 1
# As long as the output of SHA-1. Source: RFC 4226 section 4, R6 recommends 160 bits.
_SECRET_BYTES = 20
_LONGEST_INPUT = 32


def new_secret(entropy: Entropy) -> Secret[bytes]:
    """Make a secret of 160 bits."""
    return Secret(entropy.token_bytes(_SECRET_BYTES))


def spelled(secret: Secret[bytes]) -> Secret[str]:
    """Write a secret in base 32, as people type it."""
    return Secret(b32encode(secret.reveal()).decode())


def provisioning_uri(secret: Secret[bytes], *, account: str, issuer: str) -> Secret[str]:
    """Return the `otpauth:` address that authenticator applications read from a picture."""
    return Secret(pyotp.TOTP(spelled(secret).reveal()).provisioning_uri(name=account, issuer_name=issuer))


def code_at(secret: bytes, step: int, *, digits: int = DIGITS, digest: Callable[..., Any] = hashlib.sha1) -> str:
    """Return the code of one time step."""
    return pyotp.HOTP(b32encode(secret).decode(), digits=digits, digest=digest).at(step)


def matching_step(secret: Secret[bytes], code: str, now: datetime, *, after: int) -> int | None:
    """Find the time step whose code this is, one step around `now`, later than the last one used.

    Every candidate is computed and compared in constant time. Never raises, whatever was typed.

    Args:
        secret: the shared secret.
        code: as typed; spaces and full-width digits are forgiven.
        now: the present.
        after: the last step that was used. Prevents: a code that was seen over the shoulder being used again.
    """
    shown = _digits(code)
    step = int(now.timestamp()) // STEP_S
    found = None
    for candidate in range(step - WINDOW, step + WINDOW + 1):
        is_same = hmac.compare_digest(code_at(secret.reveal(), candidate).encode(), shown)
        if is_same and candidate > after:
            found = candidate
    return found


def _digits(code: str) -> bytes:
    if len(code) > _LONGEST_INPUT:
        return b""
    plain = "".join(unicodedata.normalize("NFKC", code).split())
    return plain.encode() if plain.isascii() and plain.isdigit() and len(plain) == DIGITS else b""
