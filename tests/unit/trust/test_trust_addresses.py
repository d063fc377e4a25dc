"""Addresses are read deliberately, whatever is written in them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword import identity
from watchword.trust import AddressKind, network_of
from watchword.trust.addresses import _read, read_address


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("10.1.2.3", AddressKind.PRIVATE),
        ("172.16.0.1", AddressKind.PRIVATE),
        ("172.32.0.1", AddressKind.PUBLIC),
        ("192.168.1.1", AddressKind.PRIVATE),
        ("127.0.0.1", AddressKind.LOOPBACK),
        ("169.254.169.254", AddressKind.LINK_LOCAL),
        ("100.64.0.1", AddressKind.CGNAT),
        ("100.128.0.1", AddressKind.PUBLIC),
        ("192.0.2.7", AddressKind.DOCUMENTATION),
        ("198.51.100.7", AddressKind.DOCUMENTATION),
        ("203.0.113.7", AddressKind.DOCUMENTATION),
        ("0.0.0.0", AddressKind.RESERVED),  # noqa: S104  # an address to recognise
        ("224.0.0.1", AddressKind.RESERVED),
        ("255.255.255.255", AddressKind.RESERVED),
        ("8.8.8.8", AddressKind.PUBLIC),
        ("::1", AddressKind.LOOPBACK),
        ("::", AddressKind.RESERVED),
        ("::ffff:10.0.0.1", AddressKind.PRIVATE),
        ("::ffff:8.8.8.8", AddressKind.PUBLIC),
        ("fe80::1", AddressKind.LINK_LOCAL),
        ("fd00::1", AddressKind.PRIVATE),
        ("2001:db8::1", AddressKind.DOCUMENTATION),
        ("3fff::1", AddressKind.DOCUMENTATION),
        ("2002:808:808::1", AddressKind.SIX_TO_FOUR),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", AddressKind.TEREDO),
        ("64:ff9b::808:808", AddressKind.NAT64),
        ("64:ff9b:1::1", AddressKind.PRIVATE),
        ("ff02::1", AddressKind.RESERVED),
        ("2a00:1450:4001::1", AddressKind.PUBLIC),
    ],
)
def test_every_special_range_is_recognised(text: str, kind: AddressKind) -> None:
    assert read_address(text).kind is kind


@pytest.mark.parametrize(
    "text",
    ["", " ", "1.2.3", "1.2.3.4.5", "01.2.3.4", "0x7f.1", "1.2.3.4 ", "fe80::1%eth0", "1.2.3.4:80", "[::1]", "a" * 9999,
     "1.2.3.4\0", "\u0661.\u0662.\u0663.\u0664", "\ud800", "::ffff:1.2.3.4.5", "-1.2.3.4"],
)  # fmt: skip
def test_what_is_no_address_is_malformed_and_nothing_else(text: str) -> None:
    address = read_address(text)
    assert address.kind is AddressKind.MALFORMED
    assert address.place_key is None
    assert network_of(text) == ""


def test_addresses_too_long_to_be_one_do_not_push_real_ones_out_of_the_cache() -> None:
    before = _read.cache_info().currsize
    for n in range(100):
        read_address(f"{n}" * 1000)
    assert _read.cache_info().currsize == before


def test_neighbours_behind_nat64_are_as_far_apart_as_without_it() -> None:
    """Else everybody would come from one network where an edge translates for servers that speak IPv6 only."""
    networks = [network_of(f"64:ff9b::{each}") for each in ("8.8.8.8", "8.8.8.9", "8.8.9.8", "203.0.113.9")]
    assert networks[0] == networks[1] == "64:ff9b::808:800/120"
    assert len(set(networks)) == 3
    assert network_of("2a00:1450::8.8.8.8") == "2a00:1450::/48"


@given(st.text(max_size=60))
def test_no_text_makes_reading_an_address_fail(text: str) -> None:
    read_address(text)


@given(st.ip_addresses())
def test_the_kind_public_agrees_with_the_standard_library_where_the_two_mean_the_same(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if read_address(str(address)).kind is AddressKind.PRIVATE:
        assert not address.is_global or str(address).startswith("64:ff9b:1:")
    if isinstance(address, ipaddress.IPv4Address) and address.is_private:
        assert read_address(str(address)).kind is not AddressKind.PUBLIC or str(address).startswith("192.0.0.")


@given(st.ip_addresses())
def test_the_network_is_the_24_or_the_48(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    plain = mapped or address
    is_translated = plain in ipaddress.ip_network("64:ff9b::/96")
    expected = ipaddress.ip_network((plain, 24 if plain.version == 4 else 120 if is_translated else 48), strict=False)
    assert network_of(str(address)) == str(expected)


def test_identity_and_trust_call_a_network_behind_nat64_by_the_same_name() -> None:
    for text in ("64:ff9b::808:808", "64:ff9b:0:0:0:1:808:808", "64:ff9b:1::808:808"):
        assert network_of(text) == identity.network_of(text)


@given(st.ip_addresses())
def test_identity_and_trust_call_a_network_by_the_same_name(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    # A step-up vouches for identity's network; a baseline remembers trust's.
    assert network_of(str(address)) == identity.network_of(str(address))


def test_a_mapped_address_is_the_ipv4_address_itself() -> None:
    assert read_address("::ffff:198.18.0.1") == read_address("198.18.0.1")


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("2002:c0a8:101::1", "192.168.1.1"),
        ("2002:808:808:1::1", "8.8.8.8"),
        # The example of RFC 4380 section 4 and its usual reading: the client behind 192.0.2.45.
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"),
        ("64:ff9b::808:404", "8.8.4.4"),
    ],
)
def test_tunnelled_addresses_tell_the_ipv4_address_inside(text: str, inside: str) -> None:
    assert read_address(text).embedded == int(ipaddress.IPv4Address(inside))


def test_a_tunnel_from_a_private_address_has_no_place() -> None:
    assert read_address("2002:c0a8:101::1").place_key is None
    assert read_address("64:ff9b::a00:1").place_key is None
