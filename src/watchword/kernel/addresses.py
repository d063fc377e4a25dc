"""Read the text of an IP address: one reading for every room, so that no two of them see different clients."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final, NamedTuple

V4_BITS: Final = 32
V6_BITS: Final = 128
_LONGEST: Final = 45
_MAPPED: Final = 0xFFFF  # what stands before an IPv4 address inside IPv6, RFC 4291 section 2.5.5.2
_V4_MASK: Final = 0xFFFFFFFF
_NAT64: Final = 0x0064_FF9B << 64  # the upper 96 bits of its well-known prefix, RFC 6052 section 2.1
_BEHIND_NAT64, _SITE = 120, 48


class IpAddress(NamedTuple):
    """One address.

    Attributes:
        bits: 32 or 128; 0 when the text is no address.
        number: as an integer; an IPv4-mapped IPv6 address is the IPv4 address itself.
        network: the /24 or /48, the finest level that is ever remembered; of an IPv4 address behind NAT64 the /120 that
            its /24 is there. Empty when the text is no address.
    """

    bits: int
    number: int
    network: str


_NONE: Final = IpAddress(0, 0, "")


def read_ip(text: str) -> IpAddress:
    """Read an address as a proxy wrote it; never raises. One with a zone (`fe80::1%eth0`) is none."""
    # Prevents: a huge header filling the cache.
    return _read(text) if len(text) <= _LONGEST else _NONE


@lru_cache(maxsize=16_384)
def _read(text: str) -> IpAddress:
    try:
        if ":" not in text:
            return _v4(int.from_bytes(inet_pton(AF_INET, text)))
        number = int.from_bytes(inet_pton(AF_INET6, text))
    except (OSError, ValueError):  # a NUL or a letter outside ASCII is a ValueError
        return _NONE
    # Prevents: `::ffff:a.b.c.d` counting as another network than `a.b.c.d` and so walking around a block.
    if number >> V4_BITS == _MAPPED:
        return _v4(number & _V4_MASK)
    # Prevents: everybody in one network where NAT64 stands in front, for 64:ff9b::/96 holds the whole IPv4 internet.
    size = _BEHIND_NAT64 if number >> V4_BITS == _NAT64 else _SITE
    return IpAddress(V6_BITS, number, f"{IPv6Address(number >> V6_BITS - size << V6_BITS - size)}/{size}")


def _v4(number: int) -> IpAddress:
    return IpAddress(V4_BITS, number, f"{IPv4Address(number & 0xFFFFFF00)}/24")
