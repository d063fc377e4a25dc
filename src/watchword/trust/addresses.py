"""Read a client's address: what kind it is, which network it is in, and which IPv4 address hides inside it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from watchword.kernel import V4_BITS, read_ip

_V4_MASK = 0xFFFFFFFF


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
        bits: as `read_ip` has it, and so are `number` and `network`.
        embedded: the IPv4 address inside 6to4, Teredo or NAT64, where a packet really comes from.
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


_LONGEST = 45
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
    bits, number, network = read_ip(text)
    if bits == V4_BITS:
        return Address(_v4_kind(number), bits, number, None, network)
    if not bits:
        return _MALFORMED
    kind = _v6_kind(number)
    return Address(kind, bits, number, _embedded(kind, number), network)


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
    return _read(text) if len(text) <= _LONGEST else _MALFORMED


def network_of(text: str) -> str:
    """Return the /24 or /48 of an address, or an empty text."""
    return read_address(text).network
