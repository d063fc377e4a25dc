"""Travel: no alarm over ten thousand honest trips, and nearly every jump is seen."""

from __future__ import annotations

import random
from dataclasses import replace

from behaviour_cases import AT_WORK, BERLIN, DAY_S, RENTED, START, SYDNEY, event, taught

from watchword.trust.behaviour import BehaviourProfile, Population, learn
from watchword.trust.behaviour.chains import paths_of
from watchword.trust.behaviour.decay import day_of, weight_of
from watchword.trust.behaviour.travel import ALARM, last_place_of, travel
from watchword.trust.geometry import great_circle_km
from watchword.trust.model import Place
from watchword.trust.observation import Finding, NetworkTraits, Observation

ONE = weight_of(day_of(START))
TRIPS = 10_000
CITIES = (
    (52.52, 13.40), (48.86, 2.35), (51.51, -0.13), (40.71, -74.01), (37.77, -122.42), (-33.87, 151.21),
    (35.68, 139.69), (1.35, 103.82), (-23.55, -46.63), (28.61, 77.21), (55.76, 37.62), (30.04, 31.24),
)  # fmt: skip


def at(city: tuple[float, float], chance: random.Random, *, radius_km: float = 50.0) -> Place:
    """A place as a database names it: somewhere within its radius of the true one."""
    blur = radius_km / 111 * 0.6
    return Place(
        country="XX",
        latitude=city[0] + chance.uniform(-blur, blur),
        longitude=city[1] + chance.uniform(-blur, blur),
        radius_km=radius_km,
    )


def way(start: Observation, end: Observation, profile: BehaviourProfile | None = None) -> Finding:
    seen = replace(profile) if profile else BehaviourProfile()
    seen.last_place = last_place_of(start)
    return travel(end, paths_of(end).network, seen, ONE)


def test_no_alarm_over_ten_thousand_honest_trips() -> None:
    chance = random.Random(7)  # noqa: S311  # honest trips are drawn, not guarded
    alarms = 0
    for number in range(TRIPS):
        start, end = chance.sample(CITIES, 2)
        here = replace(AT_WORK, place=at(start, chance), network=f"10.{number % 200}.0.0/24")
        kind = chance.random()
        if kind < 0.5:  # a flight, door to door
            hours = great_circle_km(*start, *end) / chance.uniform(600, 900) + chance.uniform(1, 4)
            there = replace(here, at=START + hours * 3600, place=at(end, chance))
        elif kind < 0.7:  # the organisation's own exit, switched on or off between two requests
            there = replace(here, at=START + 20, place=at(end, chance), traits=NetworkTraits(is_shared=True))
        elif kind < 0.85:  # from the office's network to the telephone's, whose gateway stands elsewhere in the country
            gateway = (start[0] + chance.uniform(-3, 3), start[1] + chance.uniform(-3, 3))
            there = replace(here, at=START + 30, place=at(gateway, chance), traits=NetworkTraits(is_mobile=True))
        else:  # a private VPN, switched on or off
            there = replace(here, at=START + 40, place=at(end, chance), traits=NetworkTraits(is_vpn=True))
        if chance.random() < 0.5 and kind >= 0.5:
            here, there = replace(there, at=START), replace(here, at=there.at)
        alarms += way(here, there).value >= ALARM
    assert alarms == 0


def test_99_of_100_injected_jumps_are_seen() -> None:
    chance = random.Random(8)  # noqa: S311  # as above
    seen = 0
    for _ in range(2000):
        start, end = chance.sample(CITIES, 2)
        here = replace(AT_WORK, place=at(start, chance))
        hours = chance.uniform(0, great_circle_km(*start, *end) / 2500)
        seen += way(here, replace(here, at=START + hours * 3600, place=at(end, chance))).value >= ALARM
    assert seen >= 1980


def test_the_faster_the_way_the_more_it_counts() -> None:
    values = [way(AT_WORK, replace(AT_WORK, at=START + h * 3600, place=SYDNEY)).value for h in (15, 10, 5, 1, 0.01)]
    assert values == sorted(values)
    assert values[1] > ALARM
    assert values[-1] <= 6.0


def test_fourteen_hours_are_enough_for_sydney_and_an_hour_is_not() -> None:
    assert way(AT_WORK, replace(AT_WORK, at=START + 17 * 3600, place=SYDNEY)).value == 0.0
    found = way(AT_WORK, replace(AT_WORK, at=START + 3600, place=SYDNEY))
    assert found.value >= ALARM
    assert "km/h" in found.detail


def test_a_rented_server_far_away_is_the_end_of_a_tunnel_and_no_journey() -> None:
    jump = replace(AT_WORK, at=START + 3600, place=SYDNEY)
    assert 0 < way(AT_WORK, replace(jump, traits=RENTED)).value < ALARM
    assert not way(replace(AT_WORK, traits=RENTED), jump).is_known


def test_a_thief_is_compared_with_home_while_the_owner_is_on_the_telephone() -> None:
    profile, population = taught(5), Population()
    phone = replace(event(5), place=replace(SYDNEY, city="Gateway"), traits=NetworkTraits(is_mobile=True))
    learn(phone, profile, population, now=START + 6 * DAY_S)
    assert profile.last_place is not None
    assert profile.last_place.words == "Berlin, DE"


def test_a_network_the_user_was_verified_in_three_times_is_no_alarm() -> None:
    profile = taught(20, place=SYDNEY)
    known = replace(AT_WORK, at=START + 21 * DAY_S, place=SYDNEY)
    assert way(replace(AT_WORK, at=START + 21 * DAY_S - 600), known, profile).value < ALARM
    assert way(replace(AT_WORK, at=START + 21 * DAY_S - 600), known).value >= ALARM


def test_two_certain_places_within_their_radii_are_one() -> None:
    vague = replace(SYDNEY, radius_km=17_000.0)
    assert way(AT_WORK, replace(AT_WORK, at=START + 60, place=vague)).value == 0.0


def test_a_clock_that_goes_back_makes_nobody_fly() -> None:
    before = replace(AT_WORK, at=START - 20 * 3600, place=SYDNEY)
    assert way(AT_WORK, before).value == 0.0


def test_an_address_without_a_place_is_unknown_and_not_impossible() -> None:
    assert not way(AT_WORK, replace(AT_WORK, place=Place())).is_known
    assert not travel(AT_WORK, (), BehaviourProfile(), ONE).is_known


def test_the_last_place_is_the_newest_whatever_the_order_events_come_in() -> None:
    profile, population = BehaviourProfile(), Population()
    for number, (hours, place) in enumerate(((5.0, SYDNEY), (1.0, BERLIN))):
        learn(
            replace(AT_WORK, id=str(number), at=START + hours * 3600, place=place),
            profile,
            population,
            now=START + DAY_S,
        )
    assert profile.last_place is not None
    assert profile.last_place.words == "Sydney, AU"
