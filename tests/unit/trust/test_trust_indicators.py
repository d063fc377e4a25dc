"""Each indicator by itself: what makes it fire, what does not, and when it says that it cannot tell."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from watchword.kernel import Acr
from watchword.trust import EMPTY_BASELINE, AddressKind, Baseline, Evidence, Place, Sighting, Standing, WorkingHours
from watchword.trust import indicators as tell
from watchword.trust.baseline import Outcome, learn
from watchword.trust.geometry import effective_km, great_circle_km
from watchword.trust.worktime import _zone, local_time

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)  # a Wednesday
BERLIN = Place(country="DE", city="Berlin", latitude=52.52, longitude=13.40, radius_km=20.0)
MUNICH = Place(country="DE", city="Munich", latitude=48.14, longitude=11.58, radius_km=20.0)
SYDNEY = Place(country="AU", city="Sydney", latitude=-33.87, longitude=151.21, radius_km=50.0)
NOWHERE = Place(kind=AddressKind.PRIVATE)
HOURS = WorkingHours()


def habits(*places: Place, days: int = 10, network: str = "192.0.2.0/24", until: datetime = NOW) -> Baseline:
    """A user who proved themselves at noon on each of the last days."""
    learned = EMPTY_BASELINE
    for day in range(days, 0, -1):
        for place in places:
            learned = learn(learned, Outcome(until - timedelta(days=day), place, network, Acr.MULTI_FACTOR))
    return learned


# --- device ---------------------------------------------------------------------------------------------------------


def test_an_unknown_device_is_new_and_a_known_one_is_not() -> None:
    assert tell.new_device(Evidence(BERLIN)).is_present is True
    assert tell.new_device(Evidence(BERLIN, is_device_known=True)).is_present is False


# --- location -------------------------------------------------------------------------------------------------------


def test_with_an_empty_baseline_the_location_is_unknown_by_name() -> None:
    found = tell.unusual_location(Evidence(SYDNEY), EMPTY_BASELINE)
    assert found.is_present is None
    assert "too little history" in found.detail


def test_another_country_than_the_usual_ones_is_unusual_and_both_are_named() -> None:
    found = tell.unusual_location(Evidence(SYDNEY, network="198.51.100.0/24"), habits(BERLIN))
    assert found.is_present is True
    assert "Sydney, AU" in found.detail
    assert "DE" in found.detail


def test_a_usual_country_or_a_usual_network_is_usual() -> None:
    assert tell.unusual_location(Evidence(MUNICH, network="198.51.100.0/24"), habits(BERLIN)).is_present is False
    assert tell.unusual_location(Evidence(NOWHERE, network="192.0.2.0/24"), habits(BERLIN)).is_present is False


def test_an_address_without_a_place_is_unknown_not_unusual() -> None:
    assert tell.unusual_location(Evidence(NOWHERE, network="10.0.0.0/24"), habits(BERLIN)).is_present is None


def test_an_empty_network_is_never_a_usual_one() -> None:
    assert tell.unusual_location(Evidence(SYDNEY), habits(BERLIN, network="")).is_present is True


# --- travel ---------------------------------------------------------------------------------------------------------


def test_distances_are_those_of_the_globe() -> None:
    assert great_circle_km(52.52, 13.40, 48.14, 11.58) == pytest.approx(504, abs=5)
    assert great_circle_km(52.52, 13.40, -33.87, 151.21) == pytest.approx(16_090, rel=0.01)
    assert great_circle_km(0, 179.9, 0, -179.9) == pytest.approx(22, abs=1)
    assert great_circle_km(90, 0, -90, 0) == pytest.approx(20_015, abs=1)
    assert great_circle_km(10, 10, 10, 10) == 0


def test_the_effective_distance_gives_both_radii_and_fifty_kilometres_away() -> None:
    assert effective_km(1000, 100, 200) == 650
    assert effective_km(340, 100, 200) == 0


def _travel(hours: float, place: Place = SYDNEY) -> tell.Finding:
    learned = learn(EMPTY_BASELINE, Outcome(NOW - timedelta(hours=hours), BERLIN, "", Acr.MULTI_FACTOR))
    return tell.impossible_travel(Evidence(place), learned, NOW)


def test_faster_than_a_thousand_kilometres_an_hour_is_impossible_and_said_with_km_and_kmh() -> None:
    found = _travel(hours=2)
    assert found.is_present is True
    assert "from Berlin, DE to Sydney, AU" in found.detail
    certain = great_circle_km(52.52, 13.40, -33.87, 151.21) - 20 - 50 - 50
    assert f"{certain:,.0f} km" in found.detail
    assert f"{certain / 2:,.0f} km/h" in found.detail


def test_the_limit_is_a_thousand_kilometres_an_hour_to_the_minute() -> None:
    certain = great_circle_km(52.52, 13.40, -33.87, 151.21) - 120
    assert _travel(certain / 1000 + 0.02).is_present is False
    assert _travel(certain / 1000 - 0.02).is_present is True


def test_places_that_may_be_the_same_are_no_journey() -> None:
    wide = Place(country="DE", latitude=51.03, longitude=10.35, radius_km=445)
    assert _travel(0.001, wide).is_present is False


def test_without_an_earlier_place_travel_is_unknown() -> None:
    assert tell.impossible_travel(Evidence(SYDNEY), EMPTY_BASELINE, NOW).is_present is None
    assert tell.impossible_travel(Evidence(NOWHERE), habits(BERLIN), NOW).is_present is None


def test_the_sessions_own_last_place_counts_beside_the_last_verified_one() -> None:
    seen = Sighting(BERLIN, NOW - timedelta(minutes=10))
    assert tell.impossible_travel(Evidence(SYDNEY, session_sighting=seen), habits(SYDNEY), NOW).is_present is True


def test_a_clock_that_went_back_makes_a_far_place_impossible_not_possible() -> None:
    learned = learn(EMPTY_BASELINE, Outcome(NOW + timedelta(hours=40), BERLIN, "", Acr.MULTI_FACTOR))
    assert tell.impossible_travel(Evidence(SYDNEY), learned, NOW).is_present is True
    assert tell.impossible_travel(Evidence(BERLIN), learned, NOW).is_present is False


# --- hijack ---------------------------------------------------------------------------------------------------------


def _hijack(minutes: float, place: Place = SYDNEY, *, is_contested: bool = False) -> tell.Finding:
    seen = Sighting(BERLIN, NOW - timedelta(minutes=minutes), is_contested)
    return tell.session_hijack(Evidence(place, session_sighting=seen), NOW)


def test_one_session_in_two_far_places_within_five_minutes_is_hijacked() -> None:
    assert _hijack(4.9).is_present is True
    assert "500" not in _hijack(4.9).detail
    assert _hijack(5.1).is_present is False


def test_a_session_that_moves_less_than_500_certain_kilometres_is_not_hijacked() -> None:
    assert _hijack(1, MUNICH).is_present is False  # 504 km, less both radii and 50 km


def test_a_contested_session_stays_so_from_either_place_and_at_any_time() -> None:
    assert _hijack(1, BERLIN, is_contested=True).is_present is True
    assert _hijack(600, SYDNEY, is_contested=True).is_present is True


def test_without_a_sighting_hijack_is_unknown() -> None:
    assert tell.session_hijack(Evidence(SYDNEY), NOW).is_present is None


# --- hours ----------------------------------------------------------------------------------------------------------


def test_with_an_empty_baseline_hours_are_unknown_by_name() -> None:
    found = tell.off_hours(Evidence(BERLIN), EMPTY_BASELINE, HOURS, NOW.replace(hour=3))
    assert found.is_present is None
    assert "too little history" in found.detail


def test_with_little_history_the_configured_working_hours_decide_in_the_users_own_zone() -> None:
    learned = habits(BERLIN, days=2)
    evening = NOW.replace(hour=21)
    assert tell.off_hours(Evidence(BERLIN, timezone="UTC"), learned, HOURS, evening).is_present is True
    assert tell.off_hours(Evidence(BERLIN, timezone="America/New_York"), learned, HOURS, evening).is_present is False


def test_with_enough_history_the_users_own_habit_decides() -> None:
    nights = EMPTY_BASELINE
    for day in range(30):
        at = NOW.replace(hour=2) - timedelta(days=30 - day)
        nights = learn(nights, Outcome(at, BERLIN, "", Acr.MULTI_FACTOR))
    assert tell.off_hours(Evidence(BERLIN), nights, HOURS, NOW.replace(hour=2)).is_present is False
    assert tell.off_hours(Evidence(BERLIN), nights, HOURS, NOW.replace(hour=3)).is_present is False
    found = tell.off_hours(Evidence(BERLIN), nights, HOURS, NOW.replace(hour=12))
    assert found.is_present is True
    assert "12:00 on Wednesday" in found.detail


def test_habits_of_the_week_say_nothing_good_about_the_weekend() -> None:
    learned = EMPTY_BASELINE
    monday = datetime(2026, 9, 7, 12, tzinfo=UTC)
    for day in range(60):
        at = monday + timedelta(days=day)
        if at.isoweekday() < 6:
            learned = learn(learned, Outcome(at, BERLIN, "", Acr.MULTI_FACTOR))
    saturday = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert tell.off_hours(Evidence(BERLIN), learned, HOURS, saturday).is_present is True
    assert tell.off_hours(Evidence(BERLIN), learned, HOURS, NOW).is_present is False


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "x" * 5000, "", "\0"])
def test_a_zone_that_does_not_exist_counts_as_utc(zone: str) -> None:
    learned = habits(BERLIN, days=2)
    assert tell.off_hours(Evidence(BERLIN, timezone=zone), learned, HOURS, NOW).is_present is False


def test_names_too_long_to_be_a_zone_do_not_push_real_ones_out_of_the_cache() -> None:
    before = _zone.cache_info().currsize
    for n in range(100):
        local_time(NOW, f"{n}" * 1000)
    assert _zone.cache_info().currsize <= before


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        (datetime(2026, 11, 18, 23, 0, tzinfo=UTC), True),  # Wednesday night
        (datetime(2026, 11, 19, 5, 59, tzinfo=UTC), True),  # and its morning
        (datetime(2026, 11, 19, 6, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 21, 2, 0, tzinfo=UTC), True),  # Saturday morning still belongs to Friday's shift
        (datetime(2026, 11, 21, 23, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 23, 2, 0, tzinfo=UTC), False),  # Monday morning would belong to Sunday's
    ],
)
def test_a_shift_past_midnight_belongs_to_the_day_on_which_it_began(local: datetime, *, expected: bool) -> None:
    night = WorkingHours(frozenset({1, 2, 3, 4, 5}), time(22), time(6))
    assert night.cover(local) is expected


# --- failures, networks, second factor ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "expected"), [(0.0, False), (2.4, False), (2.9, True), (1000.0, True), (float("nan"), True)]
)
def test_about_three_failures_count(count: float, *, expected: bool) -> None:
    assert tell.failed_attempts(Evidence(BERLIN, failed_attempts=count)).is_present is expected


def test_a_listed_network_is_suspicious_with_its_reason_cut_to_a_sentence() -> None:
    found = tell.suspicious_ip(Evidence(BERLIN, standing=Standing(suspicious=True, reason="known scanner" * 100)))
    assert found.is_present is True
    assert "known scanner" in found.detail
    assert len(found.detail) < 200
    assert tell.suspicious_ip(Evidence(BERLIN, standing=Standing(allowed=True))).is_present is False
    assert tell.suspicious_ip(Evidence(BERLIN, standing=Standing(blocked=True))).is_present is True


@pytest.mark.parametrize(("minutes", "recent"), [(0, True), (14.9, True), (15.1, False), (600, False)])
def test_the_second_factor_is_recent_for_fifteen_minutes(minutes: float, *, recent: bool) -> None:
    evidence = Evidence(BERLIN, mfa_at=NOW - timedelta(minutes=minutes))
    assert tell.mfa_verified(evidence).is_present is True
    assert tell.mfa_recent(evidence, NOW).is_present is recent


def test_a_second_factor_from_the_future_is_not_recent() -> None:
    assert tell.mfa_recent(Evidence(BERLIN, mfa_at=NOW + timedelta(hours=1)), NOW).is_present is False
    assert tell.mfa_recent(Evidence(BERLIN, mfa_at=NOW + timedelta(seconds=20)), NOW).is_present is True


def test_no_second_factor_is_neither_verified_nor_recent() -> None:
    assert tell.mfa_verified(Evidence(BERLIN)).is_present is False
    assert tell.mfa_recent(Evidence(BERLIN), NOW).is_present is False


@pytest.mark.parametrize("name", ["managed_device", "disk_encrypted", "os_patched"])
def test_posture_that_was_not_reported_is_unknown(name: str) -> None:
    assert tell.posture(name, state=None).is_present is None
    assert tell.posture(name, state=True).is_present is True
    assert tell.posture(name, state=False).is_present is False
