"""What a feed may list, and what is refused by name and counted."""

from __future__ import annotations

import ipaddress

import pytest
from feed_world import DAY, NOON, intake
from hypothesis import given
from hypothesis import strategies as st

from watchword.trust.feeds.errors import FeedMalformedError, FeedTooLargeError
from watchword.trust.feeds.intake import Vouched, guess_kind, minute_of, read_network
from watchword.trust.feeds.model import NEVER, IndicatorKind, Refusal, decayed

ADDRESS = IndicatorKind.ADDRESS


@pytest.mark.parametrize("length", range(8))
def test_the_whole_internet_is_refused(length: int) -> None:
    assert read_network(f"0.0.0.0/{length}") is Refusal.TOO_BROAD
    assert read_network(f"44.0.0.0/{length}") is Refusal.TOO_BROAD
    assert read_network(f"2600::/{length + 10}") is Refusal.TOO_BROAD
    assert read_network(f"::ffff:0.0.0.0/{96 + length}") is Refusal.TOO_BROAD


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.1.2.3", Refusal.PRIVATE),
        ("172.0.0.0/8", Refusal.PRIVATE),
        ("192.168.0.0/16", Refusal.PRIVATE),
        ("192.168.7.0/24", Refusal.PRIVATE),
        ("127.0.0.1", Refusal.LOOPBACK),
        ("::1", Refusal.LOOPBACK),
        ("::ffff:127.0.0.1", Refusal.LOOPBACK),
        ("169.254.169.254", Refusal.LINK_LOCAL),
        ("100.64.0.0/10", Refusal.CGNAT),
        ("198.51.100.7", Refusal.DOCUMENTATION),
        ("2001:db8::/32", Refusal.DOCUMENTATION),
        ("224.0.0.1", Refusal.RESERVED),
        ("255.255.255.255", Refusal.RESERVED),
        ("fe80::1", Refusal.LINK_LOCAL),
        ("fd00::/20", Refusal.PRIVATE),
        ("2002:808:808::/48", Refusal.TUNNEL),
        ("64:ff9b::808:808", Refusal.TUNNEL),
        ("1.2.3", Refusal.MALFORMED),
        ("1.2.3.4/33", Refusal.MALFORMED),
        ("1.2.3.4/-1", Refusal.MALFORMED),
        ("1.2.3.4/", Refusal.MALFORMED),
        ("1.2.3.4/\N{SUPERSCRIPT TWO}", Refusal.MALFORMED),
        ("1.2.3.4\x00", Refusal.MALFORMED),
        ("fe80::1%eth0", Refusal.MALFORMED),
        ("9" * 300, Refusal.TOO_LONG),
    ],
)
def test_what_no_stranger_may_decide_about_is_refused_by_name(text: str, why: Refusal) -> None:
    assert read_network(text) is why


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("8.8.8.8", "8.8.8.8/32"),
        ("8.8.8.9/24", "8.8.8.0/24"),
        ("8.8.8.0/255.255.255.0", "8.8.8.0/24"),
        ("::ffff:8.8.8.8", "8.8.8.8/32"),
        ("::ffff:8.8.8.0/120", "8.8.8.0/24"),
        ("2606:4700::1/32", "2606:4700::/32"),
    ],
)
def test_networks_are_read_as_people_write_them(text: str, network: str) -> None:
    wanted = ipaddress.ip_network(network)
    assert read_network(text) == (wanted.max_prefixlen, int(wanted.network_address), wanted.prefixlen)


@given(st.text(max_size=60) | st.from_regex(r"[0-9a-f:./]{1,50}", fullmatch=True))
def test_any_text_is_a_public_network_or_a_refusal(text: str) -> None:
    found = read_network(text)
    if not isinstance(found, Refusal):
        bits, start, length = found
        made = (ipaddress.IPv4Network if bits == 32 else ipaddress.IPv6Network)((start, length))
        assert not made.is_private
        assert not made.is_multicast
        assert not made.is_loopback
    taken = intake()
    taken.take(guess_kind(text), text)
    assert taken.entries == 1
    assert len(taken.rows) + taken.refused.total() == 1


@given(st.one_of(st.text(max_size=50), st.floats(), st.integers(), st.none(), st.booleans(), st.lists(st.integers())))
def test_any_value_is_a_time_or_none(value: object) -> None:
    minute = minute_of(value)
    assert minute is None or 0 <= minute < NEVER


def test_times_are_read_in_the_ways_of_the_feeds() -> None:
    spoken = ("2026-11-21T12:00:00Z", "2026-11-21 12:00", "2026-11-21T13:00:00+01:00")
    counted = (NOON * 60, NOON * 60.0, f"{NOON * 60}", NOON * 60_000)
    assert [minute_of(each) for each in (*spoken, *counted)] == [NOON] * 7


def test_a_feed_of_ten_million_entries_is_refused_before_it_is_held() -> None:
    taken = intake(most=100)
    with pytest.raises(FeedTooLargeError):
        for number in range(10_000_000):
            taken.take(ADDRESS, f"45.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
    assert taken.entries == 101


def test_refused_entries_count_against_the_bound_too() -> None:
    taken = intake(most=100)
    with pytest.raises(FeedTooLargeError):
        for _ in range(101):
            taken.refuse(Refusal.PRIVATE)


def test_a_feed_of_garbage_is_refused_as_a_whole() -> None:
    taken = intake()
    for number in range(8):
        taken.take(ADDRESS, f"45.1.1.{number}")
    taken.take(ADDRESS, "<html>")
    with pytest.raises(FeedMalformedError, match="1 of 9"):
        taken.finish()
    for number in range(8):
        taken.take(ADDRESS, f"45.1.2.{number}")
    assert len(taken.finish()) == 16


def test_an_entry_dated_ahead_is_refused_and_one_that_ended_too() -> None:
    taken = intake()
    taken.take(ADDRESS, "45.1.1.1", Vouched(seen=NOON + 2 * DAY))
    taken.take(ADDRESS, "45.1.1.2", Vouched(until=NOON))
    taken.take(ADDRESS, "45.1.1.3", Vouched(seen=NOON - 40 * DAY))
    assert taken.refused == {Refusal.FUTURE: 1, Refusal.EXPIRED: 2}


def test_a_clock_slightly_ahead_makes_an_entry_no_younger_than_now() -> None:
    taken = intake()
    taken.take(ADDRESS, "45.1.1.1", Vouched(seen=NOON + 30, first_seen=NOON + 20))
    (row,) = taken.finish()
    assert (row.seen, row.first_seen) == (NOON, NOON)


def test_what_has_neither_time_nor_end_ends_with_its_feed() -> None:
    taken = intake()
    taken.take(ADDRESS, "45.1.1.1")
    taken.take(ADDRESS, "45.1.1.2", Vouched(seen=NOON - DAY))
    assert [(row.seen, row.until) for row in taken.finish()] == [(0, NEVER), (NOON - DAY, NOON + 29 * DAY)]


@pytest.mark.parametrize(
    ("own", "effective"), [(None, 60), (100, 60), (50, 30), (0, 0), (-5, 0), (900, 60), (float("nan"), 60)]
)
def test_an_entry_is_believed_no_further_than_its_feed(own: float | None, effective: int) -> None:
    taken = intake(confidence=60)
    taken.take(ADDRESS, "45.1.1.1", Vouched(confidence=own))
    assert taken.finish()[0].confidence == effective


def test_of_two_entries_for_one_value_the_surer_counts_and_the_first_sight_stays() -> None:
    taken = intake()
    taken.take(ADDRESS, "45.1.1.1", Vouched(confidence=90, first_seen=NOON - 5, seen=NOON - 5))
    taken.take(ADDRESS, "45.1.1.1/32", Vouched(confidence=10, first_seen=NOON - 900, seen=NOON - 1))
    (row,) = taken.finish()
    assert (row.confidence, row.first_seen, row.seen) == (90, NOON - 900, NOON - 1)


@pytest.mark.parametrize(
    ("kind", "text", "is_taken"),
    [
        (IndicatorKind.DOMAIN, "Bad.Example.COM.", True),
        (IndicatorKind.DOMAIN, "nodots", False),
        (IndicatorKind.DOMAIN, "1.2.3.4", False),
        (IndicatorKind.DOMAIN, "a" * 64 + ".com", False),
        (IndicatorKind.URL, "https://bad.example.com/x?y", True),
        (IndicatorKind.URL, "javascript:alert(1)", False),
        (IndicatorKind.FILE, "D41D8CD98F00B204E9800998ECF8427E", True),
        (IndicatorKind.FILE, "d41d8cd98f00b204e9800998ecf8427", False),
    ],
)
def test_names_are_taken_in_their_own_form_only(kind: IndicatorKind, text: str, is_taken: bool) -> None:  # noqa: FBT001  # a table
    taken = intake()
    taken.take(kind, text)
    assert len(taken.rows) == is_taken


def test_confidence_halves_with_each_half_life_and_never_grows() -> None:
    assert [decayed(80, age, 100) for age in (-50, 0, 100, 200)] == [80, 80, 40, 20]
