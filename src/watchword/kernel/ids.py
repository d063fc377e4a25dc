"""Typed, prefixed, time-ordered identifiers: `usr_01jd...`.

The body is a ULID (48 bits of milliseconds, 80 bits of randomness) in lower-case Crockford base 32, so identifiers
sort by creation and a decision's identifier alone tells which journal segment to look in.
Source: the ULID specification, section "Encoding".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import ClassVar, Self

from watchword.kernel.entropy import Entropy
from watchword.kernel.errors import WatchwordError

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LETTERS = frozenset(_ALPHABET)
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_BODY_LENGTH = 26
_RANDOM_BYTES = 10
_SHIFTS = tuple(range(70, -1, -10))
# Whole numbers throughout: seconds as a float lose the millisecond within this millennium.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@lru_cache(maxsize=64)
def _written(milliseconds: int) -> str:
    """Write the time of an identifier; many are made within one millisecond."""
    return "".join([_PAIRS[(milliseconds >> shift) & 1023] for shift in (40, 30, 20, 10, 0)])


class MalformedIdError(WatchwordError):
    """The text is not an identifier of the wanted kind."""

    code = "kernel.malformed_id"


class Id(str):
    """An identifier whose prefix names its kind; a plain `str` at run time.

    Raises:
        MalformedIdError: wrong prefix, length or letters.
    """

    __slots__ = ()
    prefix: ClassVar[str] = ""

    def __new__(cls, value: str) -> Self:
        """Check the text; a parsed identifier is a well-formed one."""
        body = value[len(cls.prefix) + 1 :]
        if (
            not value.startswith(cls.prefix + "_")
            or len(body) != _BODY_LENGTH
            or not _LETTERS.issuperset(body)
            or body[0] > "7"
        ):
            raise MalformedIdError(
                f"not an identifier of kind `{cls.prefix}`",
                hint=f"it is `{cls.prefix}_` and {_BODY_LENGTH} letters and digits; copy the whole of it",
            )
        return str.__new__(cls, value)

    @classmethod
    def new(cls, now: datetime, entropy: Entropy) -> Self:
        """Make a fresh identifier; `now` is timezone-aware."""
        number = int.from_bytes(entropy.token_bytes(_RANDOM_BYTES))
        pairs = [_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS]
        return str.__new__(cls, f"{cls.prefix}_{_written((now - _EPOCH) // _MILLISECOND)}{''.join(pairs)}")

    @property
    def created_at(self) -> datetime:
        """The millisecond of creation, as the maker's clock saw it."""
        number = 0
        for letter in self[len(self.prefix) + 1 :][:10]:
            number = number << 5 | _ALPHABET.index(letter)
        return _EPOCH + number * _MILLISECOND


class UserId(Id):
    """A person or a service account."""

    __slots__ = ()
    prefix = "usr"


class GroupId(Id):
    """A set of users."""

    __slots__ = ()
    prefix = "grp"


class SessionId(Id):
    """A session: the public name, never the handle that opens it."""

    __slots__ = ()
    prefix = "ses"


class DeviceId(Id):
    """A device or a recognised browser."""

    __slots__ = ()
    prefix = "dev"


class AuthenticatorId(Id):
    """A password, passkey, one-time-code generator or set of recovery codes bound to a user."""

    __slots__ = ()
    prefix = "aut"


class DecisionId(Id):
    """One answer of the decision point; the reference shown to people who are refused."""

    __slots__ = ()
    prefix = "dec"


class EventId(Id):
    """One fact that was committed."""

    __slots__ = ()
    prefix = "evt"


class KeyId(Id):
    """A signing or sealing key; the `kid` of what it signs."""

    __slots__ = ()
    prefix = "key"
