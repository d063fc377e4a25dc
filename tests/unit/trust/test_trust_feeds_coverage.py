"""What a feed covers: measured in addresses, bounded, and compared with what was covered before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path

import pytest
from feed_world import FeedWorld, bundle, intake, networks, stix
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.trust.feeds import FeedFormat, FeedSettings, Meaning
from watchword.trust.feeds.coverage import Coverage, Size, check_coverage, coverage_of, grown, shrunk
from watchword.trust.feeds.errors import FeedMalformedError, FeedTooLargeError
from watchword.trust.feeds.model import IndicatorKind

EIGHT = 1 << 24
SIXTEEN = 1 << 16
SEVEN_EIGHTHS = "".join(f"{first}.0.0.0/8\n" for first in range(64, 71))


@pytest.fixture
def world(feed_world: FeedWorld) -> FeedWorld:
    return feed_world


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "list.txt"
    found.write_text(networks(*range(1, 101)))
    return found


def covers(*values: str) -> Coverage:
    taken = intake(most=10_000)
    for value in values:
        taken.take(IndicatorKind.DOMAIN if value.endswith("example") else IndicatorKind.ADDRESS, value)
    return coverage_of(taken.finish())


# --- measured --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "v4", "v6"),
    [
        ((), 0, 0),
        (("bad.example",), 0, 0),
        (("45.1.1.7",), 1, 0),
        (("45.1.1.7", "45.1.1.0/24", "45.1.0.0/16", "45.1.9.0/24"), SIXTEEN, 0),
        (("45.1.0.0/24", "45.1.1.0/24"), 512, 0),
        (("2606:4700::1", "2606:4700::/64", "2606:4700:0:9::/64", "2606:4700::/48"), 0, 1),
        (("2606:4700::1", "2606:4700:1::1"), 0, 2),
        (("2606:4700::/32", "2606:4700:1::1", "45.1.1.7"), 1, SIXTEEN),
    ],
)
def test_what_lies_within_several_networks_counts_once(values: tuple[str, ...], v4: int, v6: int) -> None:
    assert covers(*values) == (v4, v6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 10), st.integers(22, 32)), max_size=12))
def test_as_many_addresses_are_covered_as_are_listed(drawn: list[tuple[int, int]]) -> None:
    base = int(IPv4Address("45.1.0.0"))
    texts = [f"{IPv4Address(base + number)}/{length}" for number, length in drawn]
    listed = {each for text in texts for each in ip_network(text, strict=False)}
    assert covers(*texts).v4 == len(listed)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 31), st.integers(43, 128)), max_size=12))
def test_as_many_sites_are_covered_as_hold_something_that_is_listed(drawn: list[tuple[int, int]]) -> None:
    base = int(ip_address("2606:4700::"))
    texts = [f"{ip_address(base + (number << 80))}/{length}" for number, length in drawn]
    sites = {
        int(site.network_address)
        for each in (ip_network(text, strict=False) for text in texts)
        for site in ([each.supernet(new_prefix=48)] if each.prefixlen > 48 else each.subnets(new_prefix=48))
    }
    assert covers(*texts).v6 == len(sites)


def test_coverage_is_said_in_words_and_as_a_share() -> None:
    found = Coverage(15_500_000, 3)
    assert str(found) == "15,500,000 addresses of IPv4 and 3 /48s of IPv6"
    assert round(found.percent, 3) == 0.5
    assert str(Coverage()) == "no address"


# --- bounded ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["{0}.0.0.0/8", "2a{0:02x}::/19"])
def test_the_whole_internet_in_pieces_is_refused_as_a_whole(network: str) -> None:
    listed = covers(*(network.format(number) for number in range(256)))
    with pytest.raises(FeedMalformedError, match="half of the Internet"):
        check_coverage(listed, 50)


def test_a_list_of_half_the_internet_may_be_meant() -> None:
    pieces = [f"{first}.{second}.0.0/14" for first in range(60, 95) for second in range(0, 256, 4)]
    whole = [f"{first}.0.0.0/8" for first in range(60, 95)]
    assert covers(*pieces, *whole) == (35 * EIGHT, 0)
    check_coverage(covers(*pieces, *whole), 50)
    with pytest.raises(FeedTooLargeError, match="covers 587,202,560 addresses of IPv4, 19% of the Internet") as refused:
        check_coverage(covers(*whole), 3)
    assert "`max_percent`" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("meaning", "percent", "most"), [("block", 0, 3), ("suspicious", 0, 3), ("hosting", 0, 50), ("block", 12, 12)]
)
def test_what_blocks_may_cover_less_than_what_describes(meaning: str, percent: float, most: float) -> None:
    made = FeedSettings(
        name="x", format=FeedFormat.PLAIN, file="x", meaning=Meaning(meaning), max_percent=float(percent)
    )
    assert made.most_percent == most


async def test_a_first_version_of_seven_eighths_of_an_eighth_of_the_internet_is_refused_unless_it_is_meant(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    path.write_text(SEVEN_EIGHTHS)
    status = await (await world.feeds(drop)).refresh("drop")
    assert (status.state, status.is_well) == ("never fetched", False)
    assert status.problem == ("the feed covers 117,440,512 addresses of IPv4, 3.8% of the Internet, and may cover 3%")
    assert "max_percent" in status.hint
    meant = await (await world.feeds(replace(drop, max_percent=5.0))).refresh("drop")
    assert (meant.state, meant.entries, meant.covers) == ("in force", 7, (7 * EIGHT, 0))


# --- compared --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("former", "fresh", "odd"),
    [
        (0, 10**6, ""),
        (10, 5, "shrank"),
        (10, 6, ""),
        (1, 0, "shrank"),
        (11, 5, "shrank"),
        (90, 1_000, ""),
        (100, 1_001, "grew"),
        (10_000, 100_000, ""),
        (10_000, 100_001, "grew"),
    ],
)
def test_what_is_odd_about_a_number_of_entries_is_said(former: int, fresh: int, odd: str) -> None:
    before, after = Size(former, Coverage()), Size(fresh, Coverage())
    said = shrunk(before, after) or grown(before, after)
    assert said == (odd and f"it {odd} from {former} to {fresh} entries")


@pytest.mark.parametrize(
    ("former", "fresh", "odd"),
    [
        ((0, 0), (310_000, 0), ""),
        ((0, 0), (310_001, 0), "grew from 0 to 310,001 addresses of IPv4"),
        ((60_000, 0), (600_000, 0), ""),
        ((60_000, 0), (600_001, 0), "grew from 60,000 to 600,001 addresses of IPv4"),
        ((15_000_000, 0), (15_000_000 + EIGHT, 0), "grew from 15,000,000 to 31,777,216 addresses of IPv4"),
        ((15_000_000, 0), (30_000_000, 0), ""),
        ((310_000_000, 0), (310_000_000 + 2 * EIGHT, 0), ""),
        ((310_000_000, 0), (310_000_000 + 5 * EIGHT, 0), "grew from 310,000,000 to 393,886,080 addresses of IPv4"),
        ((5, 0), (5, SIXTEEN), ""),
        ((5, 0), (5, 1 << 21), "grew from 0 to 2,097,152 /48s of IPv6"),
        ((400_000, 0), (200_001, 0), ""),
        ((400_000, 0), (200_000, 0), "shrank from 400,000 to 200,000 addresses of IPv4"),
        ((200_000, 0), (0, 0), ""),
        ((400_000, 1 << 21), (400_000, 1 << 20), "shrank from 2,097,152 to 1,048,576 /48s of IPv6"),
    ],
)
def test_what_is_odd_about_a_coverage_is_said(former: tuple[int, int], fresh: tuple[int, int], odd: str) -> None:
    before, after = Size(1_000, Coverage(*former)), Size(1_000, Coverage(*fresh))
    assert (shrunk(before, after) or grown(before, after)) == (odd and f"it {odd}")


async def test_a_feed_that_grows_by_a_few_huge_networks_is_kept_for_review(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    feeds = await world.feeds(replace(drop, max_percent=50.0))
    await feeds.refresh("drop")
    path.write_text(path.read_text() + SEVEN_EIGHTHS)
    status = await feeds.refresh("drop")
    assert (status.entries, status.covers) == (100, (25_600, 0))
    assert status.problem == "it grew from 25,600 to 117,466,112 addresses of IPv4 and waits for review"
    assert status.review is not None
    assert (status.review["entries"], status.review["covers"]) == (107, (7 * EIGHT + 25_600, 0))
    assert not feeds.reputation.of("64.1.1.1", world.clock.now()).hits
    accepted = await feeds.accept("drop", actor="cli:root")
    assert (accepted.covers, accepted.is_well) == ((7 * EIGHT + 25_600, 0), True)
    assert feeds.reputation.of("64.1.1.1", world.clock.now()).is_blocked
    assert (await (await world.feeds(replace(drop, max_percent=50.0))).refresh("drop")).is_well


async def test_huge_networks_one_by_one_are_stopped_before_they_are_a_hundredth_of_the_internet(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    path.write_text(networks(*range(1, 101)) + "45.128.0.0/9\n")
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    taken = 0
    for look in range(100):
        world.clock.advance(timedelta(hours=1))
        path.write_text(path.read_text() + f"{60 + look // 4}.{look % 4 * 64}.0.0/10\n")
        status = await feeds.refresh("drop")
        if status.review:
            break
        taken += 1
    assert taken == 3
    assert status.problem == "it grew from 8,414,208 to 25,191,424 addresses of IPv4 and waits for review"


async def test_a_dip_does_not_make_room_for_what_was_once_covered(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    feeds = await world.feeds(drop)
    for count in (80, 42, 23, 13, 7):
        path.write_text("".join(f"60.{at}.0.0/16\n" for at in range(count)))
        assert (await feeds.refresh("drop")).is_well
    path.write_text("".join(f"60.{at}.0.0/16\n" for at in range(80)))
    assert "grew" in (await feeds.refresh("drop")).problem


async def test_a_feed_that_loses_the_few_networks_that_are_most_of_it_is_kept_for_review(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    small = path.read_text()
    path.write_text(small + "60.0.0.0/12\n")
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    path.write_text(small)
    status = await feeds.refresh("drop")
    assert status.problem == "it shrank from 1,074,176 to 25,600 addresses of IPv4 and waits for review"
    assert feeds.reputation.of("60.1.1.1", world.clock.now()).is_blocked


async def test_networks_that_ended_by_themselves_are_not_counted_as_taken_away(world: FeedWorld, path: Path) -> None:
    stays = [stix(f"[ipv4-addr:value = '45.1.1.{number}']") for number in range(9)]
    path.write_bytes(bundle(*stays, stix("[ipv4-addr:value = '60.0.0.0/9']", valid_until="2026-11-21T13:00:00Z")))
    feeds = await world.feeds(FeedSettings(name="drop", format=FeedFormat.STIX, file=str(path)))
    assert (await feeds.refresh("drop")).covers == (EIGHT // 2 + 9, 0)
    world.clock.advance(timedelta(hours=2))
    path.write_bytes(bundle(*stays))
    assert (await feeds.refresh("drop")).is_well


async def test_a_state_from_before_coverage_was_measured_is_measured_now(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    await (await world.feeds(drop)).refresh("drop")
    state = world.root / "drop" / "state.json"
    state.write_text(state.read_text().replace('"covers": [25600, 0]', '"covers": null').replace("[25600, 0]", "null"))
    feeds = await world.feeds(drop)
    assert (feeds.status("drop").covers, feeds.status("drop").entries) == (None, 100)
    path.write_text(path.read_text() + "60.0.0.0/8\n")
    assert "grew from 25,600" in (await feeds.refresh("drop")).problem


# --- nothing left ----------------------------------------------------------------------------------------------------


async def test_a_feed_of_the_whole_internet_alone_says_that_all_was_left_out_and_why(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    path.write_text("0.0.0.0/0\n")
    feeds = await world.feeds(drop)
    status = await feeds.refresh("drop")
    assert (status.state, status.entries, status.is_well) == ("empty", 0, False)
    assert status.problem == "all of its entries were left out (too broad: 1)"
    assert [(kind, data["reason"]) for kind, data in await world.told()] == [("refused", "left out")]
    assert (await feeds.refresh("drop")).problem == status.problem
    assert len(await world.told()) == 1
    assert (await world.feeds(drop)).status("drop").problem == status.problem
    path.write_text(networks(1))
    assert (await feeds.refresh("drop")).is_well


async def test_a_feed_whose_entries_are_all_left_out_at_once_waits_for_review_and_says_why(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    path.write_text("10.0.0.0/8\n10.1.1.1\n")
    status = await feeds.refresh("drop")
    assert status.entries == 100
    assert status.problem == (
        "it shrank from 100 to 0 entries; all of its entries were left out (private: 2) and waits for review"
    )
    accepted = await feeds.accept("drop", actor="cli:root")
    assert (accepted.state, accepted.is_well) == ("empty", False)


async def test_a_feed_that_says_nothing_at_all_is_empty_and_well(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    path.write_text("# nobody today\n")
    status = await (await world.feeds(drop)).refresh("drop")
    assert (status.state, status.entries, status.is_well) == ("empty", 0, True)
