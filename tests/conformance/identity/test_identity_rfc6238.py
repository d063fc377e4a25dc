"""RFC 6238 appendix B: the time-based one-time password test vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from watchword.identity.totp import code_at, matching_step
from watchword.kernel import Secret

_SHA1 = b"12345678901234567890"
_SHA256 = b"12345678901234567890123456789012"
_SHA512 = b"1234567890123456789012345678901234567890123456789012345678901234"

_VECTORS = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]


@pytest.mark.parametrize(
    ("seconds", "expected", "secret", "digest"),
    [
        (seconds, expected, secret, digest)
        for seconds, *row in _VECTORS
        for expected, secret, digest in zip(
            row, (_SHA1, _SHA256, _SHA512), (hashlib.sha1, hashlib.sha256, hashlib.sha512), strict=True
        )
    ],
)
def test_the_published_codes_come_out(seconds: int, expected: str, secret: bytes, digest: Callable[..., Any]) -> None:
    assert code_at(secret, seconds // 30, digits=8, digest=digest) == expected


@pytest.mark.parametrize(("seconds", "code"), [(row[0], row[1][-6:]) for row in _VECTORS])
def test_the_six_digit_forms_are_accepted_at_their_time(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert matching_step(Secret(_SHA1), code, at, after=0) == seconds // 30
