"""Read a client's address: what kind it is, which network it is in, and which IPv4 address hides inside it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET, AF_INET6, inet_pton

V4_BITS = 32
V6_BITS = 128
_V4_MASK = 0xFFFFFFFF
_MAPPED = 0xFFFF
_NAT64 = 0x0064_FF9B << 64  # the upper 96 bits of its well-known prefix
_BEHIND_NAT64 = 120


class AddressKind(StrEnum):
    """What an address can tell about a place; only `PUBLIC` and the tunnels have one."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    CGNAT = "carrier-grade NAT"
    DOCUMENTATION = "documentation"
    RESERVED = "reserved"
    SIX_TO_FOUR = "6to4"
    TEREDO = "Teredo"
    NAT64 = "NAT64"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Address:
    """One address, read once.

    Attributes:
        bits: 32 or 128; 0 when malformed.
        number: the address as an integer; an IPv4-mapped IPv6 address counts as the IPv4 address itself.
        embedded: the IPv4 address inside 6to4, Teredo or NAT64, where a packet really comes from.
        network: the /24 or /48, the finest level that is ever remembered; of an IPv4 address behind NAT64 the /120 that
            its /24 is there. Empty when malformed.
    """

    kind: AddressKind
    bits: int
    number: int
    embedded: int | None
    network: str

    @property
    def place_key(self) -> tuple[int, int] | None:
        """Bits and number to look a place up by, or nothing where an address has no place."""
        if self.kind is AddressKind.PUBLIC:
            return self.bits, self.number
        if self.embedded is not None and _v4_kind(self.embedded) is AddressKind.PUBLIC:
            return V4_BITS, self.embedded
        return None


_MALFORMED = Address(AddressKind.MALFORMED, 0, 0, None, "")

# Source: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates).
_V4_SPECIAL = (
    ("0.0.0.0", 8, AddressKind.RESERVED),  # noqa: S104  # a range to recognise, nothing listens
    ("10.0.0.0", 8, AddressKind.PRIVATE),
    ("100.64.0.0", 10, AddressKind.CGNAT),
    ("127.0.0.0", 8, AddressKind.LOOPBACK),
    ("169.254.0.0", 16, AddressKind.LINK_LOCAL),
    ("172.16.0.0", 12, AddressKind.PRIVATE),
    ("192.0.0.0", 24, AddressKind.RESERVED),
    ("192.0.2.0", 24, AddressKind.DOCUMENTATION),
    ("192.88.99.0", 24, AddressKind.RESERVED),
    ("192.168.0.0", 16, AddressKind.PRIVATE),
    ("198.18.0.0", 15, AddressKind.RESERVED),
    ("198.51.100.0", 24, AddressKind.DOCUMENTATION),
    ("203.0.113.0", 24, AddressKind.DOCUMENTATION),
    ("224.0.0.0", 3, AddressKind.RESERVED),
)
_V6_SPECIAL = (
    ("::1", 128, AddressKind.LOOPBACK),
    ("::", 96, AddressKind.RESERVED),
    ("64:ff9b::", 96, AddressKind.NAT64),
    ("64:ff9b:1::", 48, AddressKind.PRIVATE),
    ("100::", 64, AddressKind.RESERVED),
    ("2001::", 32, AddressKind.TEREDO),
    ("2001:db8::", 32, AddressKind.DOCUMENTATION),
    ("2001::", 23, AddressKind.RESERVED),
    ("2002::", 16, AddressKind.SIX_TO_FOUR),
    ("3fff::", 20, AddressKind.DOCUMENTATION),
    ("5f00::", 16, AddressKind.RESERVED),
    ("fc00::", 7, AddressKind.PRIVATE),
    ("fe80::", 10, AddressKind.LINK_LOCAL),
    ("ff00::", 8, AddressKind.RESERVED),
)
_V4 = tuple((int(IPv4Address(start)) >> (32 - size), 32 - size, kind) for start, size, kind in _V4_SPECIAL)
_V6 = tuple((int(IPv6Address(start)) >> (128 - size), 128 - size, kind) for start, size, kind in _V6_SPECIAL)
_OCTET = 24
# First octets below which nothing is special.
_V4_PLAIN = frozenset(
    octet
    for octet in range(256)
    if all(octet << _OCTET >> max(shift, _OCTET) != first << shift >> max(shift, _OCTET) for first, shift, _ in _V4)
)
_LONGEST = 45


def _v4_kind(number: int) -> AddressKind:
    for start, shift, kind in _V4:
        if number >> shift == start:
            return kind
    return AddressKind.PUBLIC


def _v6_kind(number: int) -> AddressKind:
    for start, shift, kind in _V6:
        if number >> shift == start:
            return kind
    return AddressKind.PUBLIC


def kind_within(bits: int, start: int, length: int) -> AddressKind:
    """Return the kind of the first special range that a network touches; `PUBLIC` if it touches none.

    Args:
        bits: 32 or 128.
        start: the network's first address.
        length: of its prefix.
    """
    free = bits - length
    if bits == V4_BITS and free <= _OCTET and start >> _OCTET in _V4_PLAIN:
        return AddressKind.PUBLIC
    for first, shift, kind in _V4 if bits == V4_BITS else _V6:
        if start >> shift == first if shift >= free else start >> free == first >> (free - shift):
            return kind
    return AddressKind.PUBLIC


@lru_cache(maxsize=16_384)
def _read(text: str) -> Address:
    try:
        if ":" not in text:
            return _read_v4(int.from_bytes(inet_pton(AF_INET, text)))
        number = int.from_bytes(inet_pton(AF_INET6, text))
    except (OSError, ValueError):  # a NUL or a letter outside ASCII is a ValueError
        return _MALFORMED
    # Prevents: `::ffff:a.b.c.d` counting as another network than `a.b.c.d` and so walking around a block.
    if number >> V4_BITS == _MAPPED:
        return _read_v4(number & _V4_MASK)
    kind = _v6_kind(number)
    # Prevents: everybody in one network where NAT64 stands in front, for 64:ff9b::/96 holds the whole IPv4 internet.
    size = _BEHIND_NAT64 if number >> V4_BITS == _NAT64 else 48
    network = f"{IPv6Address(number >> V6_BITS - size << V6_BITS - size)}/{size}"
    return Address(kind, V6_BITS, number, _embedded(kind, number), network)


def _read_v4(number: int) -> Address:
    return Address(_v4_kind(number), V4_BITS, number, None, f"{IPv4Address(number & 0xFFFFFF00)}/24")


def _embedded(kind: AddressKind, number: int) -> int | None:
    if kind is AddressKind.SIX_TO_FOUR:  # RFC 3056 section 2: 2002:V4ADDR::/48
        return number >> 80 & _V4_MASK
    if kind is AddressKind.TEREDO:  # RFC 4380 section 4: the client's address, every bit inverted, comes last
        return number & _V4_MASK ^ _V4_MASK
    if kind is AddressKind.NAT64:  # RFC 6052 section 2.1
        return number & _V4_MASK
    return None


def read_address(text: str) -> Address:
    """Read an address as the proxy wrote it; never raises, `MALFORMED` is an answer too."""
    # Prevents: a huge header filling the cache.
    if len(text) > _LONGEST:
        return _MALFORMED
    return _read(text)


def network_of(text: str) -> str:
    """Return the /24 or /48 of an address, or an empty text."""
    return read_address(text).network
