"""What a baseline learns, what it refuses to learn, and that it stays small."""

from __future__ import annotations

import json
import random
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.kernel import Acr
from watchword.trust import EMPTY_BASELINE, Baseline, Evidence, Place
from watchword.trust.baseline import MAX_ASNS, MAX_COUNTRIES, MAX_NETWORKS, Outcome, dump, learn, parse
from watchword.trust.indicators import impossible_travel, unusual_location

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
BERLIN = Place(country="DE", asn=3320, city="Berlin", latitude=52.52, longitude=13.40, radius_km=20.0)
SYDNEY = Place(country="AU", asn=1221, latitude=-33.87, longitude=151.21, radius_km=50.0)


def outcome(days: float, place: Place = BERLIN, acr: Acr = Acr.MULTI_FACTOR, *, is_step_up: bool = False) -> Outcome:
    return Outcome(NOW - timedelta(days=days), place, "192.0.2.0/24", acr, "UTC", is_step_up)


def taught(*outcomes: Outcome) -> Baseline:
    learned = EMPTY_BASELINE
    for one in outcomes:
        learned = learn(learned, one)
    return learned


# --- when a place becomes usual -------------------------------------------------------------------------------------


def test_one_sign_in_however_strong_does_not_make_a_place_usual() -> None:
    assert not taught(outcome(1, acr=Acr.PHISHING_RESISTANT)).usual_countries


def test_many_sign_ins_within_one_night_do_not_make_a_place_usual() -> None:
    assert not taught(*(outcome(n / 100) for n in range(20, 0, -1))).usual_countries


def test_two_with_a_second_factor_half_a_day_apart_make_a_place_usual() -> None:
    learned = taught(outcome(2), outcome(1))
    assert learned.usual_countries == {"DE"}
    assert learned.usual_asns == {3320}
    assert learned.usual_networks == {"192.0.2.0/24"}


def test_a_password_alone_counts_half() -> None:
    weak = [outcome(n, acr=Acr.SINGLE_FACTOR) for n in (5, 4, 3, 2)]
    assert not taught(*weak[:3]).usual_countries
    assert taught(*weak).usual_countries == {"DE"}


def test_what_was_not_verified_for_half_a_year_is_forgotten() -> None:
    learned = taught(outcome(400, SYDNEY), outcome(399, SYDNEY), outcome(2), outcome(1))
    assert learned.usual_countries == {"DE"}
    assert set(learned.countries) == {"DE"}


# --- the last verified place ----------------------------------------------------------------------------------------


def test_a_sign_in_with_stolen_factors_from_an_impossible_place_does_not_vouch_for_itself() -> None:
    learned = taught(outcome(0.1), outcome(0.05, SYDNEY))
    assert learned.last_verified is not None
    assert learned.last_verified.place.country == "DE"
    assert impossible_travel(Evidence(SYDNEY), learned, NOW).is_present is True


def test_a_step_up_in_an_impossible_place_vouches_for_it() -> None:
    learned = taught(outcome(0.1), outcome(0.05, SYDNEY), outcome(0.04, SYDNEY, is_step_up=True))
    assert learned.last_verified is not None
    assert learned.last_verified.place.country == "AU"


def test_a_step_up_with_a_password_alone_vouches_for_nothing() -> None:
    learned = taught(outcome(0.1), outcome(0.04, SYDNEY, Acr.SINGLE_FACTOR, is_step_up=True))
    assert learned.last_verified is not None
    assert learned.last_verified.place.country == "DE"


def test_a_place_that_could_be_reached_is_the_last_verified_one() -> None:
    learned = taught(outcome(3), outcome(1, SYDNEY))
    assert learned.last_verified is not None
    assert learned.last_verified.place.country == "AU"


def test_an_event_that_comes_late_does_not_move_the_last_verified_place_back() -> None:
    learned = taught(outcome(1), outcome(3, SYDNEY))
    assert learned.last_verified is not None
    assert learned.last_verified.place.country == "DE"


def test_an_event_that_comes_late_from_the_same_place_does_not_make_the_last_verification_older() -> None:
    # Prevents: a journey looking slower than it was.
    learned = taught(outcome(1), outcome(3))
    assert learned.last_verified is not None
    assert learned.last_verified.at == NOW - timedelta(days=1)


def test_an_address_without_a_position_leaves_the_last_verified_place_alone() -> None:
    learned = taught(outcome(3), outcome(1, Place()))
    assert learned.last_verified is not None
    assert learned.last_verified.place.country == "DE"


# --- bounded --------------------------------------------------------------------------------------------------------


def test_a_user_who_roams_through_ten_thousand_networks_stays_small_and_keeps_what_is_usual() -> None:
    learned = taught(outcome(5), outcome(4), outcome(3))
    for n in range(10_000):
        place = Place(country=f"{chr(65 + n % 26)}{chr(65 + n // 26 % 26)}", asn=n + 1)
        at = NOW + timedelta(seconds=n)
        learned = learn(learned, Outcome(at, place, f"10.{n >> 8}.{n & 255}.0/24", Acr.MULTI_FACTOR))
    assert len(learned.countries) <= MAX_COUNTRIES
    assert len(learned.asns) <= MAX_ASNS
    assert len(learned.networks) <= MAX_NETWORKS
    assert "DE" in learned.usual_countries
    assert "192.0.2.0/24" in learned.usual_networks
    assert len(dump(learned)) < 12_000


def test_hours_fade_rather_than_grow() -> None:
    learned = EMPTY_BASELINE
    for n in range(5000):
        learned = learn(learned, outcome(5000 - n))
    assert max(learned.hours) <= 255
    assert learned.usual_hours is not None


def test_a_full_baseline_takes_little_memory() -> None:
    tracemalloc.start()
    learned = [taught(*(outcome(day) for day in range(30, 0, -1))) for _ in range(50)]
    size = tracemalloc.get_traced_memory()[0] / len(learned)
    tracemalloc.stop()
    assert size < 6000


# --- stored ---------------------------------------------------------------------------------------------------------

_PLACES = st.builds(
    Place,
    country=st.sampled_from([None, "DE", "AU", "JP"]),
    asn=st.one_of(st.none(), st.integers(1, 2**32 - 1)),
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    radius_km=st.floats(0, 5000),
)
_OUTCOMES = st.builds(
    Outcome,
    at=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # zoned by `timezones`
    place=_PLACES,
    network=st.sampled_from(["", "192.0.2.0/24", "2001:db8::/48"]),
    acr=st.sampled_from(list(Acr)),
    timezone=st.sampled_from(["UTC", "Asia/Tokyo", "nowhere"]),
    is_step_up=st.booleans(),
)


@given(st.lists(_OUTCOMES, max_size=12))
def test_a_baseline_is_stored_and_read_back_as_it_was(outcomes: list[Outcome]) -> None:
    learned = taught(*outcomes)
    assert parse(dump(learned)) == learned


@given(st.lists(st.tuples(st.integers(0, 90 * 24), st.sampled_from([BERLIN, SYDNEY])), max_size=12), st.randoms())
def test_the_order_of_delivery_does_not_change_what_is_usual(
    visits: list[tuple[int, Place]], chance: random.Random
) -> None:
    outcomes = [Outcome(NOW - timedelta(hours=hours), place, "", Acr.MULTI_FACTOR) for hours, place in visits]
    shuffled = list(outcomes)
    chance.shuffle(shuffled)
    assert taught(*outcomes).usual_countries == taught(*shuffled).usual_countries
    assert taught(*outcomes).hours == taught(*shuffled).hours


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "7", '{"version": "x"}', dump(EMPTY_BASELINE).replace("[0,", '["x",', 1), "x" * 1000],
)
def test_a_stored_baseline_that_is_damaged_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


def test_a_stored_baseline_with_wrong_types_inside_is_refused() -> None:
    stored = json.loads(dump(taught(outcome(2), outcome(1))))
    stored["countries"] = {"DE": ["many", 0, 0]}
    with pytest.raises(ValueError, match="stored baseline"):
        parse(json.dumps(stored))


def test_learning_changes_nothing_that_a_decision_already_read() -> None:
    before = taught(outcome(2))
    after = learn(before, outcome(1))
    assert before.outcomes == 1
    assert after.outcomes == 2
    assert unusual_location(Evidence(SYDNEY), before).is_present is None
