"""What the feeds say of an address: decay, staleness, caps, and what people of the organisation listed."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feed_world import DAY, NOON, intake
from hypothesis import given
from hypothesis import strategies as st

from watchword.kernel import FrozenClock
from watchword.storage import Database
from watchword.trust import (
    EMPTY_BASELINE,
    Evidence,
    NetworkList,
    NetworkListing,
    NetworkLists,
    Place,
    assess,
    profiles,
)
from watchword.trust.feeds import MOST_LOG_ODDS, FeedSettings, IndicatorKind, Meaning, Reputation
from watchword.trust.feeds.index import FeedIndex, write_index
from watchword.trust.feeds.intake import Vouched
from watchword.trust.feeds.reputation import FeedInForce
from watchword.trust.model import Standing
from watchword.trust.observation import NetworkTraits

AT = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
ENTRY = "45.1.0.0/16"


@pytest.fixture
def put(tmp_path: Path) -> Any:
    """Put a feed in force: its name, what it means, its entries."""
    reputation = Reputation()

    def make(
        name: str,
        meaning: Meaning,
        *entries: str | tuple[str, Vouched],
        stale_in: int = 180,
        confidence: int = 80,
        **about: Any,
    ) -> Reputation:
        settings = FeedSettings(name=name, file="x", meaning=meaning, confidence=confidence, format="plain", **about)  # type: ignore[arg-type]
        taken = intake(confidence=confidence)
        for entry in entries:
            value, vouched = entry if isinstance(entry, tuple) else (entry, Vouched())
            kind = IndicatorKind.DOMAIN if value.endswith("example") else IndicatorKind.ADDRESS
            taken.take(kind, value, vouched)
        file = io.BytesIO()
        write_index(file, taken.finish(), {})
        path = tmp_path / name
        path.write_bytes(file.getvalue())
        reputation.put(FeedInForce(settings, FeedIndex(path), NOON, NOON + stale_in))
        return reputation

    return make


def test_a_listed_address_is_evidence_that_names_the_feed(put: Any) -> None:
    verdict = put("drop", Meaning.SUSPICIOUS, ENTRY).of("45.1.2.3", AT)
    assert (verdict.feeds, verdict.confidence, verdict.is_suspicious, verdict.is_blocked) == (
        ("drop",),
        80,
        True,
        False,
    )
    assert verdict.finding.value == pytest.approx(MOST_LOG_ODDS * 0.8)
    assert verdict.finding.detail == "listed by drop: 45.1.0.0/16, confidence 80 of 100"
    assert verdict.hits[0].first_seen == AT
    assert verdict.hits[0].expires_at is None


def test_an_unlisted_address_is_no_evidence(put: Any) -> None:
    verdict = put("drop", Meaning.SUSPICIOUS, ENTRY).of("45.2.2.3", AT)
    assert (verdict.hits, verdict.finding.value, verdict.finding.is_known) == ((), 0.0, True)


def test_without_feeds_reputation_is_unknown() -> None:
    assert not Reputation().of("45.1.2.3", AT).finding.is_known


def test_the_contribution_falls_with_age(put: Any) -> None:
    reputation = put("drop", Meaning.SUSPICIOUS, (ENTRY, Vouched(seen=NOON)), stale_in=30 * DAY, half_life_days=7)
    said = [reputation.of("45.1.2.3", AT + timedelta(days=days)) for days in (0, 7, 14)]
    assert [each.confidence for each in said] == [80, 40, 20]
    assert [each.is_suspicious for each in said] == [True, True, False]
    assert [round(each.finding.value, 6) for each in said] == [2.4, 1.2, 0.6]


def test_an_entry_without_a_time_is_as_old_as_the_last_good_answer(put: Any) -> None:
    reputation = put("drop", Meaning.SUSPICIOUS, ENTRY, stale_in=30 * DAY, half_life_days=7)
    assert reputation.of("45.1.2.3", AT + timedelta(days=7)).confidence == 40


def test_an_expired_entry_counts_no_more_and_hides_nothing(put: Any) -> None:
    narrow = ("45.1.2.0/24", Vouched(confidence=100, until=NOON + 5))
    reputation = put("drop", Meaning.SUSPICIOUS, ENTRY, narrow)
    before, after = (reputation.of("45.1.2.3", AT + timedelta(minutes=minutes)) for minutes in (4, 5))
    assert (before.hits[0].network, after.hits[0].network) == ("45.1.2.0/24", ENTRY)
    assert before.hits[0].expires_at == AT + timedelta(minutes=5)


def test_a_weak_entry_for_one_address_does_not_hide_a_sure_one_for_its_network(put: Any) -> None:
    """Whoever can report an address, weakly or long ago, must not thereby clear it."""
    weak, faded = ("45.1.2.3", Vouched(confidence=1)), ("45.1.2.4", Vouched(seen=NOON - 300 * DAY, until=NOON + DAY))
    reputation = put("drop", Meaning.BLOCK, ENTRY, weak, faded)
    for address in ("45.1.2.3", "45.1.2.4"):
        verdict = reputation.of(address, AT)
        assert (verdict.is_blocked, verdict.hits[0].network, verdict.confidence) == (True, ENTRY, 80)


def test_a_stale_feed_contributes_nothing_and_says_so(put: Any) -> None:
    reputation = put("drop", Meaning.BLOCK, ENTRY, stale_in=180)
    assert reputation.of("45.1.2.3", AT + timedelta(minutes=179)).is_blocked
    verdict = reputation.of("45.1.2.3", AT + timedelta(minutes=180))
    assert (verdict.hits, verdict.is_blocked, verdict.finding.value, verdict.finding.is_known) == (
        (),
        False,
        0.0,
        False,
    )
    assert "drop was not refreshed in time" in verdict.finding.detail


def test_feeds_that_copy_from_one_another_do_not_add_up(put: Any) -> None:
    for number in range(9):
        reputation = put(f"copy-{number}", Meaning.SUSPICIOUS, ENTRY, confidence=100 - number)
    verdict = reputation.of("45.1.2.3", AT)
    assert verdict.finding.value == MOST_LOG_ODDS
    assert len(verdict.hits) == 9
    assert verdict.feeds[0] == "copy-0"


@given(st.integers(1, 100), st.integers(0, 100), st.integers(-DAY, 400 * DAY))
def test_evidence_stays_within_its_cap(confidence: int, own: int, age: int) -> None:
    from watchword.trust.feeds.model import decayed  # noqa: PLC0415  # only here

    left = decayed(round(confidence * own / 100), age, 14 * DAY)
    assert 0 <= MOST_LOG_ODDS * left / 100 <= MOST_LOG_ODDS


def test_traits_are_no_evidence_by_themselves(put: Any) -> None:
    put("tor", Meaning.TOR, ENTRY)
    put("dc", Meaning.HOSTING, ENTRY)
    reputation = put("mobile", Meaning.MOBILE, "45.1.3.0/24")
    verdict = reputation.of("45.1.2.3", AT)
    assert verdict.traits == NetworkTraits(is_tor=True, is_hosting=True)
    assert (verdict.finding.value, verdict.standing) == (0.0, None)
    assert reputation.of("45.1.3.3", AT).traits == NetworkTraits(is_tor=True, is_hosting=True, is_mobile=True)
    vpn = put("vpn", Meaning.VPN, (ENTRY, Vouched(seen=NOON)), stale_in=30 * DAY, half_life_days=7)
    assert [vpn.of("45.1.2.3", AT + timedelta(days=days)).traits.is_vpn for days in (0, 7, 14)] == [True, True, False]


@pytest.mark.parametrize("tunnel", ["2002:2d01:203::1", "64:ff9b::2d01:203", "::ffff:45.1.2.3", "2001:0:1::d2fe:fdfc"])
def test_nobody_leaves_a_listed_network_by_tunnelling(put: Any, tunnel: str) -> None:
    assert put("drop", Meaning.BLOCK, ENTRY).of(tunnel, AT).is_blocked


@pytest.mark.parametrize("text", ["", "x", "1" * 10_000, "::1%eth0", "45.1.2.3 ", "\x00"])
def test_what_is_no_address_is_on_no_list_and_raises_nothing(put: Any, text: str) -> None:
    assert put("drop", Meaning.BLOCK, ENTRY).of(text, AT).hits == ()


def test_a_table_that_breaks_a_lookup_is_unknown_and_no_exception(put: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reputation = put("drop", Meaning.BLOCK, ENTRY)
    monkeypatch.setattr(FeedIndex, "around", lambda *_: 1 // 0)
    verdict = reputation.of("45.1.2.3", AT)
    assert (verdict.hits, verdict.finding.is_known) == ((), False)


def test_a_million_addresses_leave_the_memory_as_it_was(put: Any) -> None:
    reputation = put("drop", Meaning.BLOCK, ENTRY)
    for number in range(40_000):
        reputation.of(f"45.{number >> 16}.{number >> 8 & 255}.{number & 255}", AT)
    assert len(reputation._known) <= 16_384


def test_the_same_question_within_a_minute_has_the_same_answer_to_the_bit(put: Any) -> None:
    reputation = put("drop", Meaning.SUSPICIOUS, (ENTRY, Vouched(seen=NOON - 77)))
    one = reputation.of("45.1.2.3", AT + timedelta(seconds=1))
    assert reputation.of("45.1.2.3", AT + timedelta(seconds=59)) is one
    reputation.put(reputation.feeds[0])
    assert reputation.of("45.1.2.3", AT + timedelta(seconds=30)) == one


def test_names_are_asked_for_too(put: Any) -> None:
    reputation = put("names", Meaning.SUSPICIOUS, "bad.example", ENTRY)
    assert [hit.feed for hit in reputation.of_name(IndicatorKind.DOMAIN, "BAD.example.", AT)] == ["names"]
    assert reputation.of_name(IndicatorKind.DOMAIN, "good.example", AT) == ()
    assert reputation.of_name(IndicatorKind.URL, "not a url", AT) == ()
    assert reputation.of_name(IndicatorKind.DOMAIN, "bad.example", AT + timedelta(days=1)) == ()
    assert [hit.feed for hit in reputation.about("bad.example", AT)] == ["names"]
    assert [hit.feed for hit in reputation.about("45.1.2.3", AT)] == ["names"]
    assert reputation.about("", AT) == reputation.about("https://bad.example/", AT) == reputation.about("\0", AT) == ()


# --- together with the lists of administrators -----------------------------------------------------------------------


async def test_the_additive_profile_sees_what_feeds_list(put: Any, database: Database) -> None:
    lists = NetworkLists(database, put("drop", Meaning.SUSPICIOUS, ENTRY))
    evidence = Evidence(place=Place(), is_device_known=True, standing=lists.standing("45.1.2.3", AT))
    found = assess(evidence, EMPTY_BASELINE, profiles()["additive"], now=AT)
    assert [(each.points, each.detail) for each in found.contributions if each.indicator == "suspicious_ip"] == [
        (35, "the network is listed: feed drop lists 45.1.0.0/16")
    ]


async def test_whoever_gets_our_office_onto_a_public_list_does_not_shut_us_out(
    put: Any, database: Database, clock: FrozenClock, entropy: Any
) -> None:
    lists = NetworkLists(database, put("drop", Meaning.BLOCK, "45.1.2.3"))
    assert lists.standing("45.1.2.3", AT).blocked
    await NetworkListing(database, clock, entropy).add(NetworkList.ALLOW, "45.1.0.0/16", reason="office", actor="cli:x")
    await lists.load()
    assert lists.standing("45.1.2.3", AT) == Standing(allowed=True, reason="office")


async def test_a_word_of_an_administrator_stands_before_that_of_a_feed(
    put: Any, database: Database, clock: FrozenClock, entropy: Any
) -> None:
    lists = NetworkLists(database, put("doubt", Meaning.SUSPICIOUS, ENTRY))
    listing = NetworkListing(database, clock, entropy)
    await listing.add(NetworkList.SUSPICIOUS, "45.1.2.0/24", reason="scans us", actor="cli:x")
    await listing.add(NetworkList.BLOCK, "45.1.3.0/24", reason="attacked us", actor="cli:x")
    await lists.load()
    assert [lists.standing(f"45.1.{third}.1", AT).reason for third in (2, 3, 4)] == [
        "scans us",
        "attacked us",
        "feed doubt lists 45.1.0.0/16",
    ]
    put("worse", Meaning.BLOCK, ENTRY)
    assert lists.standing("45.1.2.1", AT).blocked


async def test_without_feeds_nothing_changes(database: Database) -> None:
    assert NetworkLists(database, Reputation()).standing("45.1.2.3", AT) == Standing()
