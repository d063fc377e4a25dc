"""Lists of networks: what is refused, what covers what, and how long it takes."""

from __future__ import annotations

import ipaddress
import os
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.trust import NetworkList, NetworkMalformedError, NetworkTooBroadError, PlaceDataError
from watchword.trust.networks import Entry, NetworkTables, PrefixTable, parse_network, read_list

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BLOCK, ALLOW, SUSPICIOUS = NetworkList.BLOCK, NetworkList.ALLOW, NetworkList.SUSPICIOUS


def tables(*entries: tuple[NetworkList, str] | tuple[NetworkList, str, Entry]) -> NetworkTables:
    made = NetworkTables()
    for kind, network, *entry in entries:
        made.put(kind, ipaddress.ip_network(network), entry[0] if entry else Entry())
    return made


# --- parsing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "0.0.0.0/7", "2000::/3", "::ffff:0:0/96", "10.0.0.0/4", "::/18"])
def test_the_whole_internet_is_not_listed_by_a_slip(text: str) -> None:
    with pytest.raises(NetworkTooBroadError):
        parse_network(text)
    parse_network(text, allow_broad=True)


@pytest.mark.parametrize(
    "text",
    ["", "x", "1.2.3.4/33", "1.2.3.4/-1", "fe80::1%eth0", "fe80::%eth0/64", "1.2.3.4/24/24", "1" * 10_000, "::/129"],
)
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(NetworkMalformedError) as refused:
        parse_network(text)
    assert len(refused.value.message) < 120


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.77/24", "192.0.2.0/24"),
        (" 192.0.2.77 ", "192.0.2.77/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:192.0.2.77", "192.0.2.77/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_networks_are_read_in_their_one_form(text: str, network: str) -> None:
    assert str(parse_network(text)) == network


def test_a_plain_list_is_read_with_its_comments(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("# drop\n1.2.3.0/24 ; SBL1\n\n  2001:db8::/32   extra words\r\n5.6.7.8 # one\n")
    assert [str(network) for network in read_list(path)] == ["1.2.3.0/24", "2001:db8::/32", "5.6.7.8/32"]


@pytest.mark.parametrize("line", ["nonsense", "0.0.0.0/0", "1.2.3.4/99"])
def test_a_list_with_one_bad_line_is_refused_with_its_number(line: str, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"1.2.3.0/24\n{line}\n")
    with pytest.raises(PlaceDataError, match="line 2"):
        list(read_list(path))


def test_a_list_may_begin_with_the_mark_that_editors_put_there(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf1.2.3.0/24\r\n5.6.7.8\r\n")
    assert [str(network) for network in read_list(path)] == ["1.2.3.0/24", "5.6.7.8/32"]


def test_a_pipe_or_a_device_in_place_of_a_list_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(PlaceDataError, match="no file"):
            list(read_list(path))


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.bin"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlaceDataError):
        list(read_list(path))


@given(st.text(max_size=300))
def test_no_content_makes_reading_a_list_fail_in_another_way(text: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "list.txt"
        path.write_text(text, encoding="utf-8", errors="replace")
        with suppress(PlaceDataError):
            for network in read_list(path):
                assert network.prefixlen >= (8 if network.version == 4 else 19)


# --- what covers what -----------------------------------------------------------------------------------------------


def test_an_address_on_no_list_stands_for_itself() -> None:
    standing = tables((BLOCK, "192.0.2.0/24")).standing("198.51.100.1", NOW)
    assert (standing.blocked, standing.allowed, standing.suspicious) == (False, False, False)


def test_a_more_specific_allow_makes_an_exception_from_a_block() -> None:
    listed = tables((BLOCK, "192.0.2.0/24", Entry("noise")), (ALLOW, "192.0.2.7/32", Entry("ours")))
    assert listed.standing("192.0.2.7", NOW).allowed
    assert not listed.standing("192.0.2.7", NOW).blocked
    assert listed.standing("192.0.2.8", NOW).blocked
    assert listed.standing("192.0.2.8", NOW).reason == "noise"


def test_at_equal_length_the_block_wins() -> None:
    standing = tables((BLOCK, "192.0.2.0/24"), (ALLOW, "192.0.2.0/24")).standing("192.0.2.7", NOW)
    assert standing.blocked
    assert not standing.allowed


def test_at_equal_length_the_suspicion_stands() -> None:
    assert tables((SUSPICIOUS, "192.0.2.0/24"), (ALLOW, "192.0.2.0/24")).standing("192.0.2.7", NOW).suspicious
    assert not tables((SUSPICIOUS, "192.0.2.0/24"), (ALLOW, "192.0.2.0/25")).standing("192.0.2.7", NOW).suspicious


def test_a_block_inside_an_allowed_network_blocks() -> None:
    standing = tables((ALLOW, "192.0.2.0/24"), (BLOCK, "192.0.2.7/32")).standing("192.0.2.7", NOW)
    assert standing.blocked
    assert not standing.allowed


def test_a_suspicion_inside_a_blocked_network_does_not_lift_the_block() -> None:
    standing = tables((BLOCK, "192.0.2.0/24"), (SUSPICIOUS, "192.0.2.7/32")).standing("192.0.2.7", NOW)
    assert standing.blocked
    assert standing.suspicious


def test_an_expired_entry_counts_no_more_and_does_not_hide_the_one_behind_it() -> None:
    listed = tables(
        (BLOCK, "192.0.2.0/24", Entry("for ever")),
        (BLOCK, "192.0.2.7/32", Entry("for an hour", expires_at=NOW + timedelta(hours=1))),
        (ALLOW, "192.0.2.9/32", Entry("for an hour", expires_at=NOW + timedelta(hours=1))),
    )
    assert listed.standing("192.0.2.7", NOW).reason == "for an hour"
    assert listed.standing("192.0.2.9", NOW).allowed
    later = NOW + timedelta(hours=1)
    assert listed.standing("192.0.2.7", later).reason == "for ever"
    assert listed.standing("192.0.2.9", later).blocked


@pytest.mark.parametrize(
    "text", ["::ffff:192.0.2.7", "2002:c000:207::1", "64:ff9b::c000:207", "2001:0:1:1:1:1:3fff:fdf8"]
)
@pytest.mark.parametrize("kind", [BLOCK, SUSPICIOUS])
def test_a_listed_ipv4_network_is_not_escaped_through_ipv6(text: str, kind: NetworkList) -> None:
    standing = tables((kind, "192.0.2.0/24")).standing(text, NOW)
    assert standing.blocked or standing.suspicious


@pytest.mark.parametrize("text", ["2002:c000:207::1", "64:ff9b::c000:207", "2001:0:1:1:1:1:3fff:fdf8"])
def test_an_address_that_embeds_an_allowed_one_is_not_allowed_by_that(text: str) -> None:
    assert not tables((ALLOW, "192.0.2.0/24")).standing(text, NOW).allowed


def test_an_allowed_tunnel_does_not_carry_a_blocked_address_in() -> None:
    listed = tables((BLOCK, "192.0.2.0/24"), (ALLOW, "2002:c000:207::/48"))
    standing = listed.standing("2002:c000:207::1", NOW)
    assert standing.blocked
    assert not standing.allowed


@pytest.mark.parametrize("text", ["", "nonsense", "1.2.3.4.5", "\0"])
def test_an_address_that_cannot_be_read_is_suspicious(text: str) -> None:
    assert tables((ALLOW, "0.0.0.0/0")).standing(text, NOW).suspicious


def test_removing_an_entry_leaves_the_other_sources_alone() -> None:
    listed = tables((BLOCK, "192.0.2.0/24", Entry("mine")), (BLOCK, "192.0.2.0/24", Entry("a file", "file:x")))
    listed.drop(BLOCK, ipaddress.ip_network("192.0.2.0/24"))
    assert listed.standing("192.0.2.1", NOW).reason == "a file"
    listed.drop(BLOCK, ipaddress.ip_network("192.0.2.0/24"))  # twice does no harm
    assert listed.standing("192.0.2.1", NOW).blocked


_NETWORKS = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
        lambda p: ipaddress.ip_network((p[0] & 0xFF0000FF, p[1]), strict=False)
    ),
    st.tuples(st.integers(0, 2**16 - 1), st.integers(0, 128)).map(
        lambda p: ipaddress.IPv6Network((p[0] << 112 | p[0], p[1]), strict=False)
    ),
)


@given(st.lists(_NETWORKS, max_size=30), st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1))
def test_the_longest_prefix_is_found_as_a_search_through_all_would_find_it(
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network], v4: int, v6: int
) -> None:
    table = PrefixTable()
    for network in networks:
        table.put(network, Entry(str(network)))
    for address in (ipaddress.IPv4Address(v4 & 0xFF0000FF), ipaddress.IPv6Address(v6 << 112 | v6)):
        covering = [n for n in networks if n.version == address.version and address in n]
        expected = max((n.prefixlen for n in covering), default=None)
        found = table.find(address.max_prefixlen, int(address), NOW)
        assert (found[0] if found else None) == expected
        if found:
            assert found[1].reason in {str(n) for n in covering if n.prefixlen == expected}
    for network in networks:
        table.drop(network)
    assert len(table) == 0


def test_a_look_up_costs_the_same_in_a_long_list_as_in_a_short_one() -> None:
    def cost_ns(count: int) -> int:
        listed = NetworkTables()
        for index in range(count):
            listed.put(BLOCK, ipaddress.IPv4Network((index << 8, 24)), Entry("x"))
        times = []
        for _ in range(2000):
            started = time.perf_counter_ns()
            listed.standing("200.1.2.3", NOW)
            times.append(time.perf_counter_ns() - started)
        return sorted(times)[len(times) // 2]

    # The margin is for a busy machine; a search through the list would be a thousand times slower.
    assert cost_ns(100_000) < 10 * cost_ns(10)
