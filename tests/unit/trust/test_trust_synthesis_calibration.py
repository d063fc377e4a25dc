"""What the synthetic traffic has in common with what was published about real traffic."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import fmean

import pytest

from watchword.trust.geometry import great_circle_km
from watchword.trust.observation import Act
from watchword.trust.synthesis import Labelled, OrganisationSpec, Profile, generate
from watchword.trust.synthesis.draws import stream_of
from watchword.trust.synthesis.geography import BY_COUNTRY, CITIES
from watchword.trust.synthesis.locating import locate
from watchword.trust.synthesis.organisation import Organisation
from watchword.trust.synthesis.providers import PROVIDERS, Line
from watchword.trust.synthesis.work import APPLICATIONS, size_of
from watchword.trust.synthesis.workers import Worker

TAKEOVERS = ("naive", "vpn", "targeted", "very_targeted")
YEAR = OrganisationSpec(
    users=1_200, days=365, profile=Profile.PUBLIC, attackers=TAKEOVERS, incidents=230, requests_a_session=0.0
)
WORK = OrganisationSpec(users=40, days=28, attackers=())


@pytest.fixture(scope="module")
def year() -> list[Labelled]:
    return list(generate(YEAR, seed=1008))


@pytest.fixture(scope="module")
def work() -> list[Labelled]:
    return list(generate(WORK, seed=1009))


def quantile(values: list[int], share: float) -> int:
    return sorted(values)[int(share * len(values))]


def signed_in(found: list[Labelled]) -> list[Labelled]:
    return [one for one in found if one.observation.act is Act.SIGN_IN and one.observation.is_success]


def test_customers_sign_in_as_often_as_those_of_the_published_service(year: list[Labelled]) -> None:
    """Wiefling et al. 2022: median 2, 90th percentile 9, 99th 28 over a year."""
    counts = Counter(one.observation.user for one in signed_in(year) if one.attacker is None)
    log_ins = list(counts.values())

    assert len(log_ins) == YEAR.users
    assert quantile(log_ins, 0.5) == 2
    assert quantile(log_ins, 0.9) == pytest.approx(9, abs=1)
    assert quantile(log_ins, 0.99) == pytest.approx(28, abs=5)


def test_as_many_takeovers_as_published_come_from_addresses_on_no_list(year: list[Labelled]) -> None:
    """Wiefling et al. 2022: 45 %."""
    taken = {one.incident: one.is_listed for one in signed_in(year) if one.attacker}

    assert len(taken) > 900
    assert 1 - fmean(taken.values()) == pytest.approx(0.45, abs=0.04)


def test_few_of_the_addresses_that_honest_people_use_are_listed(year: list[Labelled]) -> None:
    assert 0 < fmean(one.is_listed for one in year if one.attacker is None) < 0.03


def test_people_at_work_sign_in_on_most_working_days_and_seldom_on_others(work: list[Labelled]) -> None:
    days = defaultdict(set)
    for one in signed_in(work):
        day = int((one.observation.at + one.observation.utc_offset_s) // 86_400)
        days[(day + 3) % 7 >= 5].add((one.observation.user, day))

    assert 0.75 < len(days[False]) / (WORK.users * 20) < 0.98
    assert 0 < len(days[True]) / (WORK.users * 8) < 0.12


def test_most_sign_ins_are_at_the_hours_of_work(work: list[Labelled]) -> None:
    hours = [(one.observation.at + one.observation.utc_offset_s) % 86_400 // 3_600 for one in signed_in(work)]

    assert fmean(7 <= hour < 19 for hour in hours) > 0.8


def test_sizes_have_a_heavy_tail(work: list[Labelled]) -> None:
    """Downey 2001: a few answers carry most of the bytes."""
    sizes = sorted((one.observation.size_bytes for one in work), reverse=True)

    assert sum(sizes[: len(sizes) // 100]) > 0.4 * sum(sizes)


def test_the_tail_of_sizes_is_heavier_than_a_lognormal_one() -> None:
    """Crovella and Bestavros 1997; of 50,000 lognormal draws 0.3 would be so large."""
    chance = stream_of(1013, "sizes")
    large = sum(size_of(chance, "tickets") > 50 * APPLICATIONS["tickets"].bytes_median for _ in range(50_000))

    assert large >= 5


def test_honest_people_mistype_and_are_refused_too(work: list[Labelled], year: list[Labelled]) -> None:
    """Or failing alone would betray an attacker."""
    seen = Counter((one.observation.act, one.observation.is_success) for one in work)
    attempts = seen[Act.SIGN_IN, True] + seen[Act.SIGN_IN, False]

    assert 0.02 < seen[Act.SIGN_IN, False] / attempts < 0.12
    assert seen[Act.REQUEST, False] > 0
    assert seen[Act.PROMPT, False] > 0
    assert any(one.observation.user == "" and one.attacker is None for one in year)
    assert any(one.observation.agent.kind == "program" for one in work)


def test_two_of_three_fixed_lines_lie_within_the_radius_that_the_database_gives() -> None:
    """MaxMind: 67 % confidence."""
    line = next(one for one in PROVIDERS if one.line is Line.FIXED and one.country == "DE")
    city = BY_COUNTRY["DE"][0]
    places = [locate(line, city, number) for number in range(4_000)]

    def off_km(latitude: float | None, longitude: float | None) -> float:
        assert latitude is not None
        assert longitude is not None
        return great_circle_km(latitude, longitude, city.latitude, city.longitude)

    within = fmean(off_km(one.latitude, one.longitude) <= (one.radius_km or 0) * 1.01 for one in places)
    assert within == pytest.approx(0.67, abs=0.03)
    assert all(one.country == "DE" for one in places)


def test_nobody_arrives_before_a_journey_can_end() -> None:
    """The truth under every place, before a database blurs it: no change of city is faster than 1,000 km/h."""
    spec = OrganisationSpec(users=75, days=365, attackers=())
    organisation = Organisation(spec, 1010)
    journeys = 0
    for number in range(spec.users):
        before = None
        person = organisation.person(number)
        fixed = {person.household, person.next_household, person.office} - {None}
        for sessions in Worker(person, spec, 1010).sessions():
            for one in sorted(sessions, key=lambda session: session.start):
                line = one.legs[0][1]
                if one.agent.kind == "program":  # it stays in the office
                    continue
                if PROVIDERS[line.provider].line is not Line.FIXED or (line.is_shared and line not in fixed):
                    continue
                if before is not None and CITIES[line.city] is not before[0]:
                    here = CITIES[line.city]
                    distance = great_circle_km(before[0].latitude, before[0].longitude, here.latitude, here.longitude)
                    journeys += 1
                    assert distance / ((one.start - before[1]) / 3_600) < 1_000
                before = CITIES[line.city], one.end
    assert journeys > 500
