"""What each rule makes of one value.

A rule that cannot be applied to a value (a year of something that is no date) hides it. Nothing is passed for want of
a way to treat it.

Sources: RFC 2104 (HMAC); RFC 5297 (AES-SIV: deterministic, and safe to use without a nonce).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from fractions import Fraction
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from watchword.enforcement.bodies.documents import Json, Number, canonical, read_json
from watchword.enforcement.bodies.errors import BodyRefusedError
from watchword.kernel import Exclude, FieldRule, Generalise, Hash, Mask, Tokenize

LEAST_KEY: Final = 32
MASKED: Final = "***"
_LEAST_TO_KEEP: Final = 8
_HASH_BYTES: Final = 16
_BLOCK: Final = 16
_PSEUDONYM_BYTES: Final = 12
_HASH_MARK, _TOKEN_MARK, _PSEUDONYM_MARK = "h_", "t_", "p_"  # what they begin with, no secret
_DATE: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01])(?:[Tt ][0-9:.,+Zz -]{1,30})?)?")


class ValueKeys:
    """What turns values into hashes and tokens; prints as nothing.

    A hash or token of a short value is only as good as the key is secret: whoever has the key can try all values. Both
    show which values are equal. A token can be turned back with the key, and with it only.

    Args:
        secret: at least 32 random bytes; the same for every door whose hashes and tokens shall agree.
        earlier: keys that were used before, newest first; nothing new is made with them, but their tokens are still
            turned back.
    """

    __slots__ = ("_hashing", "_naming", "_sivs")

    def __init__(self, secret: bytes, *earlier: bytes) -> None:
        if any(len(key) < LEAST_KEY for key in (secret, *earlier)):
            raise ValueError(f"the key for hashes and tokens has fewer than {LEAST_KEY} bytes")
        self._hashing = hmac.digest(secret, b"watchword obligations: hash", hashlib.sha256)
        self._naming = [
            hmac.digest(key, b"watchword obligations: pseudonym", hashlib.sha256) for key in (secret, *earlier)
        ]
        self._sivs = [
            AESSIV(hmac.digest(key, b"watchword obligations: token", hashlib.sha512)) for key in (secret, *earlier)
        ]

    def hash(self, value: Json, context: str) -> str:
        """Return the HMAC of a value, cut to 128 bits."""
        named = context.encode()
        digest = hmac.digest(self._hashing, len(named).to_bytes(4) + named + canonical(value), hashlib.sha256)
        return _HASH_MARK + _encode(digest[:_HASH_BYTES])

    def tokenize(self, value: Json, context: str) -> str:
        """Return a token; its length tells that of the value to within 16 bytes."""
        plain = canonical(value)
        padded = plain.ljust(-(-len(plain) // _BLOCK) * _BLOCK)  # blanks behind a document change nothing
        return _TOKEN_MARK + _encode(self._sivs[0].encrypt(padded, [context.encode()]))

    def reveal(self, token: str, context: str) -> Json:
        """Turn a token back.

        Raises:
            BodyRefusedError: not a token made with one of these keys for this context.
        """
        for siv in self._sivs:
            # Prevents: a token of one context read as one of another; the mode authenticates the context as well.
            with suppress(ValueError, InvalidTag):
                raw = urlsafe_b64decode(token.removeprefix(_TOKEN_MARK) + "==")
                return read_json(siv.decrypt(raw, [context.encode()]))
        raise BodyRefusedError("this is no token of these keys and this context")

    def pseudonym(self, application: str, subject: str) -> str:
        """Return the name that marks give a person at one application: it tells nobody who has not the key."""
        return self._named(self._naming[0], application, subject)

    def pseudonyms(self, application: str, subject: str) -> frozenset[str]:
        """Return the names of a person under all keys, to find out whom a mark means."""
        return frozenset(self._named(key, application, subject) for key in self._naming)

    @staticmethod
    def _named(key: bytes, application: str, subject: str) -> str:
        named = application.encode()
        digest = hmac.digest(key, len(named).to_bytes(4) + named + subject.encode(), hashlib.sha256)
        return _PSEUDONYM_MARK + _encode(digest[:_PSEUDONYM_BYTES])


def apply_rule(rule: FieldRule, value: Json, keys: ValueKeys | None) -> Json:
    """Return what a rule leaves of a value.

    Raises:
        BodyRefusedError: the rule needs a key and there is none.
    """
    match rule:
        case Mask(keep_last):
            return _mask(value, keep_last)
        case Generalise(to, size):
            return _generalise(value, to, size)
        case Hash(context) | Tokenize(context):
            # Prevents: values passed, or hashed under a key that everybody knows, because nobody set one.
            if keys is None:
                raise BodyRefusedError("there is no key for hashes and tokens")
            return keys.hash(value, context) if isinstance(rule, Hash) else keys.tokenize(value, context)
        case Exclude():
            return None


def _mask(value: Json, keep_last: int) -> str:
    """The least length is the same for all masks, so that keeping fewer never shows what keeping more hides."""
    if keep_last and isinstance(value, str) and len(value) >= _LEAST_TO_KEEP:
        return MASKED + str.__str__(value)[-keep_last:]
    return MASKED


def _generalise(value: Json, to: str, size: tuple[int, ...]) -> Json:
    if not isinstance(value, str):
        return None
    if to == "range":
        return _range(value, size[0]) if isinstance(value, Number) else None
    if to == "prefix":
        return str.__str__(value)[: size[0]] + "*"
    if to == "network":
        return _network(value, *size)
    return _date(value, to)


def _date(value: str, to: str) -> str | None:
    found = _DATE.fullmatch(value)
    if found is None:
        return None
    year, month = found[1], found[2]
    return {"month": f"{year}-{month}", "year": year, "decade": f"{year[:3]}0s"}[to]


def _range(value: Number, width: int) -> str | None:
    """Return `40..50` for what is at least 40 and below 50."""
    exact = value.exact
    if exact is None:
        return None
    low = Fraction(exact) // width * width
    return f"{low}..{low + width}"


def _network(value: str, v4: int, v6: int) -> str | None:
    try:
        address = ipaddress.ip_address(value)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        bits = v4 if address.version == 4 else v6  # noqa: PLR2004  # IPv4
        return str(ipaddress.ip_network((address.packed, bits), strict=False))
    except ValueError:
        return None


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
