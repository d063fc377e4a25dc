"""Compact JWS with ES256, and nothing else of JOSE.

Source: RFC 7515 sections 3.1 and 7.1; RFC 8725 (best current practice) for what is refused.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from watchword.keys.errors import SignatureInvalidError
from watchword.keys.model import Algorithm
from watchword.keys.signing import Signer
from watchword.keys.verification import VerificationKey

_PART = re.compile(r"[A-Za-z0-9_-]*\Z")
_MAX_LETTERS = 16_384
_PARTS = 3


@dataclass(frozen=True, slots=True)
class VerifiedJws:
    """What a signature was found to cover; made by `verify_jws` alone.

    Attributes:
        header: the protected header.
        payload: the signed bytes; expiry, audience and issuer in them are the caller's to check.
    """

    header: Mapping[str, object]
    payload: bytes


class JwsSigner:
    """Sign many payloads under one header that is encoded once."""

    def __init__(self, signer: Signer, typ: str) -> None:
        header = {"alg": str(Algorithm.ES256), "kid": signer.kid, "typ": typ}
        self._signer = signer
        self._prefix = _encode(json.dumps(header, separators=(",", ":")).encode()) + b"."

    def sign(self, payload: bytes) -> str:
        """Return the compact serialisation.

        Raises:
            WrongAlgorithmError: the key is not for ES256.
        """
        covered = self._prefix + _encode(payload)
        return (covered + b"." + _encode(self._signer.sign_es256(covered))).decode("ascii")


def verify_jws(token: str, keys: Mapping[str, VerificationKey], *, typ: str | None) -> VerifiedJws:
    """Verify a compact JWS.

    Args:
        token: from outside.
        keys: by `kid`; the header only selects among them.
        typ: what the header must say, or none if the issuer does not say it.

    Raises:
        SignatureInvalidError: malformed, for another key, type or algorithm, or not signed by the key it names.
    """
    # 1. Shape. Prevents: two readings of one token (padding, white space, the standard base 64 alphabet).
    parts = token.split(".") if len(token) <= _MAX_LETTERS else []
    if len(parts) != _PARTS or not all(_PART.match(part) for part in parts):
        raise SignatureInvalidError("a token is not a compact JWS")
    header = _header(_decode(parts[0]))
    # 2. Algorithm. Prevents: `none`, and an HMAC keyed with our public key (RFC 8725 section 2.1).
    if header.get("alg") != Algorithm.ES256:
        raise SignatureInvalidError("a token is not signed with ES256")
    # 3. Prevents: extensions that change what the signature means and that we do not know (RFC 7515 section 4.1.11).
    if "crit" in header or "b64" in header:
        raise SignatureInvalidError("a token uses an extension that is not supported")
    # 4. Type. Prevents: a token of one kind used as another (RFC 8725 section 3.11).
    if typ is not None and header.get("typ") != typ:
        raise SignatureInvalidError("a token is of another type")
    # 5. Key. Prevents: a key of the attacker's choice; `jwk`, `jku` and `x5u` are never read.
    key = keys.get(str(header.get("kid")))
    if key is None or key.algorithm is not Algorithm.ES256:
        raise SignatureInvalidError("a token names a key that is not known")
    # 6. Signature, over the letters as they came.
    key.verify(f"{parts[0]}.{parts[1]}".encode("ascii"), _decode(parts[2]))
    return VerifiedJws(header, _decode(parts[1]))


def _header(text: bytes) -> dict[str, object]:
    try:
        header = json.loads(text, object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        raise SignatureInvalidError("a token's header is not JSON") from error
    if not isinstance(header, dict):
        raise SignatureInvalidError("a token's header is not an object")
    return header


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # Prevents: two parsers reading two different headers (RFC 7515 section 4).
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is named twice")
    return found


def _encode(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def _decode(part: str) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise SignatureInvalidError("a token is not base64url") from error
    # Prevents: the same bytes written in several ways (stray bits after the last whole byte).
    if _encode(decoded).decode() != part:
        raise SignatureInvalidError("a token is not in canonical base64url")
    return decoded
