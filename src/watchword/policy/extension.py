"""Cedar's extension values: network addresses, decimals, points in time and spans.

Source: the Cedar Policy Language Reference, "Supported data types" and "Operators"; RFC 80 for date and time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from watchword.policy.errors import MalformedValueError

LONG_MIN = -(2**63)
LONG_MAX = 2**63 - 1
_SCALE = 10_000
_DAY_MS = 86_400_000
_MAX_OFFSET_HOURS, _MAX_OFFSET_MINUTES = 23, 59
_V4, _V6 = 4, 6
_V4_BITS, _V6_BITS = 32, 128
_LONGEST_ADDRESS = 43
_MOST_DIGITS = 19
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_PREFIX = re.compile(r"0|[1-9][0-9]{0,2}")
_DECIMAL = re.compile(r"(-?)([0-9]+)\.([0-9]{1,4})")
_DURATION = re.compile(r"(-?)(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m(?!s))?(?:([0-9]+)s)?(?:([0-9]+)ms)?")
_DURATION_MS = (_DAY_MS, 3_600_000, 60_000, 1_000, 1)
_DATETIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{3}))?(?:Z|([+-])([0-9]{2})([0-9]{2})))?"
)


@dataclass(frozen=True, slots=True)
class Ip:
    """An address or a range: `first..last` is what its prefix covers; equality also looks at the host bits."""

    version: int
    address: int
    prefix: int
    first: int
    last: int

    def is_in_range(self, other: Ip) -> bool:
        """Tell whether every address of this one lies in the other."""
        return self.version == other.version and other.first <= self.first and self.last <= other.last

    def lies_in(self, network: Ip) -> bool:
        """Tell whether the range lies in a well-known network."""
        return self.prefix >= network.prefix and self.is_in_range(network)

    def __str__(self) -> str:
        address = IPv4Address(self.address) if self.version == _V4 else IPv6Address(self.address)
        return f"{address}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class Decimal:
    """A number with four decimals, held as a whole number of ten-thousandths."""

    value: int

    def __str__(self) -> str:
        whole, rest = divmod(abs(self.value), _SCALE)
        return f"{'-' if self.value < 0 else ''}{whole}.{rest:04}"


@dataclass(frozen=True, slots=True)
class Datetime:
    """A point in time, in milliseconds since 1970-01-01 UTC."""

    ms: int

    def __str__(self) -> str:
        try:
            at = _EPOCH + timedelta(milliseconds=self.ms)
        except OverflowError:  # Cedar's times reach further than Python's
            return f"{self.ms}ms since 1970"
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Duration:
    """A span in milliseconds, negative when it points back."""

    ms: int

    def __str__(self) -> str:
        return f"{self.ms}ms"


@lru_cache(maxsize=4096)
def ip(text: str) -> Ip:
    """Parse an IPv4 or IPv6 address with an optional prefix length.

    Raises:
        MalformedValueError: not an address; also an IPv6 address with an IPv4 tail or a zone, as in Cedar.
    """
    head, slash, tail = text.partition("/")
    if len(text) > _LONGEST_ADDRESS or "%" in head or (":" in head and "." in head):
        raise MalformedValueError("not an IP address")
    try:
        version, bits, address = (
            (_V6, _V6_BITS, int(IPv6Address(head))) if ":" in head else (_V4, _V4_BITS, int(IPv4Address(head)))
        )
    except AddressValueError:
        raise MalformedValueError("not an IP address") from None
    if slash and (not _PREFIX.fullmatch(tail) or int(tail) > bits):
        raise MalformedValueError("not a prefix length")
    prefix = int(tail) if slash else bits
    host = (1 << (bits - prefix)) - 1
    return Ip(version, address, prefix, address & ~host, address | host)


@lru_cache(maxsize=1024)
def decimal(text: str) -> Decimal:
    """Parse `-12.3456`: one to four decimals.

    Raises:
        MalformedValueError: another form, or outside 64 bits.
    """
    match = _DECIMAL.fullmatch(text)
    if not match:
        raise MalformedValueError("not a decimal number")
    sign, whole, rest = match.groups()
    value = _digits(whole) * _SCALE + int(rest.ljust(4, "0"))
    return Decimal(_long(-value if sign else value))


@lru_cache(maxsize=1024)
def duration(text: str) -> Duration:
    """Parse `1d2h3m4s5ms`, each part optional, in this order, at least one.

    Raises:
        MalformedValueError: another form, or outside 64 bits.
    """
    match = _DURATION.fullmatch(text)
    if not match or not any(match.groups()[1:]):
        raise MalformedValueError("not a duration")
    sign, *parts = match.groups()
    total = sum(_digits(part) * unit for part, unit in zip(parts, _DURATION_MS, strict=True) if part)
    return Duration(_long(-total if sign else total))


@lru_cache(maxsize=1024)
def instant(text: str) -> Datetime:
    """Parse `2026-11-21` or `2026-11-21T10:00:00[.000](Z|+0100)`.

    Raises:
        MalformedValueError: another form, or no such day.
    """
    match = _DATETIME.fullmatch(text)
    if not match:
        raise MalformedValueError("not a date or time")
    *numbers, sign, off_hours, off_minutes = match.groups()
    year, month, day, hour, minute, second, ms = (int(number or 0) for number in numbers)
    shift = 0
    if sign:
        if int(off_hours) > _MAX_OFFSET_HOURS or int(off_minutes) > _MAX_OFFSET_MINUTES:
            raise MalformedValueError("not an offset from UTC")
        shift = (int(off_hours) * 60 + int(off_minutes)) * 60_000 * (-1 if sign == "+" else 1)
    return Datetime(_epoch_ms(year, month, day, hour, minute, second) + ms + shift)


def moment(at: datetime) -> Datetime:
    """Turn an aware time of Python into Cedar's."""
    return Datetime((at - _EPOCH) // _MILLISECOND)


def _epoch_ms(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    # Cedar knows a year 0, a leap year; Python does not. It repeats 400 years later, 146,097 days on.
    shifted = year == 0
    try:
        at = datetime(400 if shifted else year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise MalformedValueError("no such day or time") from None
    return (at - _EPOCH) // _MILLISECOND - (146_097 * _DAY_MS if shifted else 0)


def _digits(text: str) -> int:
    """Read a whole number. Prevents: an error of Python's own, which reads no number of thousands of digits."""
    significant = text.lstrip("0")
    if len(significant) > _MOST_DIGITS:
        raise MalformedValueError("the number does not fit 64 bits")
    return int(significant or "0")


def _long(value: int) -> int:
    if not LONG_MIN <= value <= LONG_MAX:
        raise MalformedValueError("the number does not fit 64 bits")
    return value
