"""Compact JWS, strictly: one form, one algorithm, keys from one place.

Sources: RFC 7515 sections 3.1, 4.1 and 5.2; RFC 7518 section 3.4 (ES256); RFC 8725 (JWT best current practices).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from watchword.enforcement.asgi.errors import InvalidAssertionError, KeysUnavailableError

PublicKeys = Mapping[str, ec.EllipticCurvePublicKey]

_MAX_LENGTH: Final = 8192
_COORDINATE: Final = 32
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_HEADER_NAMES: Final = frozenset({"alg", "kid", "typ"})
_ES256: Final = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A well-formed token that nobody has verified yet; its payload is not parsed, so that nothing can believe it."""

    kid: str
    typ: str | None
    signed: bytes
    payload: bytes
    signature: bytes


def parse(token: str) -> UnverifiedToken:
    """Read the compact form and its header.

    Raises:
        InvalidAssertionError: too long, not three parts of canonical base64url, or a header that is not exactly that of
            an ES256 token with a key id.
    """
    if len(token) > _MAX_LENGTH:
        raise InvalidAssertionError("the token is too long")  # Prevents: hashing and parsing at the client's expense.
    parts = _COMPACT.fullmatch(token)
    if parts is None:
        raise InvalidAssertionError("the token is not of three parts")
    header = parse_object(_decode(parts[1]))
    # Prevents: `none`, an HMAC keyed with the public key, any downgrade: the algorithm is ours, not the token's.
    if header.get("alg") != "ES256":
        raise InvalidAssertionError("the token's algorithm is not ES256")
    # Prevents: keys brought along (jwk, jku, x5u, x5c), critical extensions we do not know (crit), unencoded payloads.
    if not header.keys() <= _HEADER_NAMES:
        raise InvalidAssertionError("the token's header has members it may not have")
    kid, typ = header.get("kid"), header.get("typ")
    if not isinstance(kid, str) or not isinstance(typ, str | None):
        raise InvalidAssertionError("the token names no key")
    signed = token[: parts.end(2)].encode("ascii")
    return UnverifiedToken(kid, typ, signed, _decode(parts[2]), _decode(parts[3]))


def verify_signature(token: UnverifiedToken, key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the payload that the key signed.

    Raises:
        InvalidAssertionError: another length than r and s have, or they do not verify.
    """
    if len(token.signature) != 2 * _COORDINATE:
        raise InvalidAssertionError("the signature has a wrong length")
    r = int.from_bytes(token.signature[:_COORDINATE])
    s = int.from_bytes(token.signature[_COORDINATE:])
    try:
        key.verify(encode_dss_signature(r, s), token.signed, _ES256)
    except InvalidSignature as error:
        raise InvalidAssertionError("the signature does not verify") from error
    return token.payload


def read_jwks(document: bytes) -> PublicKeys:
    """Return the ES256 keys of a JWK set by key id; keys of other kinds are not ours and are left out.

    Raises:
        KeysUnavailableError: not a JWK set, a damaged ES256 key, or one key id twice.
    """
    try:
        listed = parse_object(document).get("keys")
    except InvalidAssertionError as error:
        raise KeysUnavailableError("the published keys are not a JSON object") from error
    if not isinstance(listed, list):
        raise KeysUnavailableError("the published keys are not a JWK set")
    keys: dict[str, ec.EllipticCurvePublicKey] = {}
    for entry in listed:
        if not isinstance(entry, dict) or not _is_es256(entry):
            continue
        kid = entry.get("kid")
        if not isinstance(kid, str) or kid in keys:
            raise KeysUnavailableError("a published key has no key id, or that of another")
        keys[kid] = _public_key(entry)
    return MappingProxyType(keys)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        InvalidAssertionError: not UTF-8, not JSON, not an object, a number that JSON has not, or a member twice.
    """
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidAssertionError("not a JSON object") from error
    if not isinstance(value, dict):
        raise InvalidAssertionError("not a JSON object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Prevents: two parsers that each believe another one of two members with the same name.
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member comes twice")
    return dict(pairs)


def _refuse(constant: str) -> object:
    raise ValueError(f"`{constant}` is not JSON")


def _is_es256(entry: Mapping[str, Any]) -> bool:
    return (
        entry.get("kty") == "EC"
        and entry.get("crv") == "P-256"
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", "ES256") == "ES256"
        and "verify" in entry.get("key_ops", ["verify"])
    )


def _public_key(entry: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    try:
        x, y = _decode(entry["x"]), _decode(entry["y"])
        if len(x) != _COORDINATE or len(y) != _COORDINATE:
            raise KeysUnavailableError("a published key has coordinates of a wrong length")
        numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1())
        return numbers.public_key()  # refuses a point that is not on the curve
    except (KeyError, TypeError, ValueError, InvalidAssertionError) as error:
        raise KeysUnavailableError("a published key is damaged") from error


def _decode(text: str) -> bytes:
    """Decode base64url without padding, in its one canonical spelling.

    # Prevents: two spellings of one signature, of which a cache or a blocklist knows only one.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidAssertionError("not base64url") from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise InvalidAssertionError("not canonical base64url")
    return raw
