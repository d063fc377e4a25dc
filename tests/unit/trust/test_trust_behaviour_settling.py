"""What a single day taught is believed on the second, and at once beside what a stranger hardly has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from behaviour_cases import AT_WORK, CURL, DAY_S, RENTED, START, SYDNEY, THIEF, crowd, event, taught
from habit_acts import act, live

from watchword.kernel import FrozenClock
from watchword.storage import Database
from watchword.trust import Act, Habits
from watchword.trust.behaviour import BehaviourProfile, Model, Score, learn, score
from watchword.trust.behaviour.decay import HALF_LIFE_DAYS, day_of, is_of_one_day, weight_of
from watchword.trust.observation import NetworkTraits, Observation

DAYS = 30
EVERYBODY = crowd(30)
PHISHED = replace(THIEF, is_verified=True)
ON_A_JOURNEY = replace(
    AT_WORK, id="journey", ip="198.51.100.7", network="198.51.100.0/24", place=SYDNEY, traits=NetworkTraits()
)


def judged(observation: Observation, profile: BehaviourProfile, day: float = DAYS) -> Score:
    at = START + day * DAY_S
    return score(replace(observation, at=at), profile, EVERYBODY, Model(), now=at)


def after(*proofs: tuple[float, Observation], days: int = DAYS) -> BehaviourProfile:
    """Anna's habits after so many days at work and these second factors, each on its day."""
    profile, everybody = taught(days), crowd(1)
    for number, (day, seen) in enumerate(proofs):
        at = START + day * DAY_S
        learn(replace(seen, id=f"proof {number}", at=at), profile, everybody, now=START + 400 * DAY_S)
    return profile


def said(found: Score) -> dict[str, float]:
    return {term.indicator: term.evidence for term in found.contributions}


def test_one_second_factor_got_out_of_the_owner_makes_no_stranger_usual() -> None:
    """Attack: phishing in real time. The owner is tricked into one second factor, at the thief's place and browser."""
    never, once = judged(THIEF, after()), judged(THIEF, after((DAYS - 0.1, PHISHED)))
    assert never.log_odds > once.log_odds > 10


def test_two_hundred_second_factors_of_one_day_make_no_stranger_usual() -> None:
    """Attack: a thief who holds the factor pours proofs from their own place into the owner's history."""
    poured = after(*((DAYS - 0.4 + number / 1000, PHISHED) for number in range(200)))
    assert judged(THIEF, poured).risk > 95


def test_a_place_proven_on_a_second_day_is_usual() -> None:
    once, twice = (after(*((DAYS - day, ON_A_JOURNEY) for day in days)) for days in ((2.1,), (2.1, 1.1)))
    there = replace(ON_A_JOURNEY, device="")
    assert judged(there, once).risk > 50
    assert judged(there, twice).risk < 5
    assert "new_country" in said(judged(there, once))
    assert not [name for name in said(judged(there, twice)) if name.startswith("new_")]


def test_showing_no_key_as_usual_vouches_for_nothing() -> None:
    """Attack: the victim never shows a device key, and so does the thief."""
    profile, everybody = taught(DAYS, device=""), crowd(1)
    learn(replace(PHISHED, at=START + (DAYS - 0.1) * DAY_S), profile, everybody, now=START + 400 * DAY_S)
    assert judged(THIEF, profile).risk > 95


@pytest.mark.parametrize(
    ("indicator", "changes"),
    [
        ("network", {"place": replace(AT_WORK.place, asn=64500), "network": "198.51.100.0/24", "ip": "198.51.100.7"}),
        ("agent", {"agent": replace(AT_WORK.agent, browser="Chrome 126", full="Chrome/126")}),
        ("traits", {"traits": RENTED}),
        ("familiar_network", {"network": "85.0.4.0/24", "ip": "85.0.4.9", "place": replace(AT_WORK.place, asn=3004)}),
        ("shared_device", {"device": "dev_1"}),
    ],
)
def test_a_single_day_changes_nothing_that_tells_who_acts(indicator: str, changes: dict[str, Any]) -> None:
    away = {"network": "192.0.2.0/24", "ip": "192.0.2.7", "device": ""}
    seen = replace(AT_WORK, **{**away, **changes})
    never, once = said(judged(seen, after())), said(judged(seen, after((DAYS - 0.1, seen))))
    assert never[indicator]
    assert once[indicator] == pytest.approx(never[indicator], abs=0.15)


def test_the_words_tell_a_first_time_from_a_first_day() -> None:
    never, once = after(), after((DAYS - 0.1, PHISHED))
    for profile, words in (
        (never, "seen for the first time"),
        (once, "not yet proven with this account on a second day"),
    ):
        new = [term.detail for term in judged(THIEF, profile).contributions if term.indicator == "new_country"]
        assert len(new) == 1
        assert new[0].startswith(words)
        assert new[0].endswith(": AU")


def test_the_owners_device_vouches_for_a_journey_at_once() -> None:
    journey = after((DAYS - 0.1, ON_A_JOURNEY))
    assert judged(ON_A_JOURNEY, journey).log_odds < judged(ON_A_JOURNEY, after()).log_odds - 3
    assert judged(ON_A_JOURNEY, journey).risk == 0


def test_a_device_that_a_single_day_taught_vouches_for_nothing() -> None:
    """Attack: the thief's own device becomes known with the phished sign-in, and is to vouch for the rest of it."""
    mine = replace(PHISHED, device="dev_thief")
    found = judged(mine, after((DAYS - 0.1, mine)))
    assert found.risk > 95
    assert said(found)["new_device"] > 0
    assert any("device was not yet proven" in term.detail for term in found.contributions)


def test_the_owners_network_vouches_for_a_new_browser_at_once() -> None:
    at_home = replace(AT_WORK, agent=CURL, device="dev_new")
    found = judged(at_home, after((DAYS - 0.1, at_home)))
    assert not [name for name in said(found) if name.startswith("new_")]
    assert found.risk == 0


def test_a_network_that_is_anybodys_vouches_for_nothing() -> None:
    """Attack: the victim uses a rented exit, and so does the thief."""
    home = {"traits": RENTED, "network": "203.0.113.0/24", "ip": "203.0.113.7"}
    profile, everybody = BehaviourProfile(), crowd(1)
    for number in range(DAYS):
        learn(event(number, **home), profile, everybody, now=START + 400 * DAY_S)
    same_exit = replace(AT_WORK, id="thief", agent=CURL, device="dev_thief", **home)  # type: ignore[arg-type]  # fields
    learn(replace(same_exit, at=START + (DAYS - 0.1) * DAY_S), profile, everybody, now=START + 400 * DAY_S)
    assert said(judged(same_exit, profile))["new_kind"] > 0


def test_a_short_history_is_believed_at_once() -> None:
    short = after((4.1, ON_A_JOURNEY), days=3)
    there = replace(ON_A_JOURNEY, device="")
    assert not [name for name in said(judged(there, short, day=5)) if name.startswith("new_")]


@pytest.mark.parametrize("year", [2024, 2026, 2036, 2066])
def test_a_sum_of_weights_tells_whether_it_is_of_one_day(year: int) -> None:
    first = day_of((year - 1970) * 365.25 * DAY_S)
    days = range(first, first + 200)
    assert all(is_of_one_day(times * weight_of(day), 2) for day in days for times in (0, 1, 2))
    told = {
        (later - day, one, other)
        for day in days
        for later in range(day + 1, first + 200)
        for one in (1, 2)
        for other in (1, 2)
        if is_of_one_day(one * weight_of(day) + other * weight_of(later), 2)
    }
    # Two of a day, and a half-life later one more, weigh what two of that day do: doubted for one proof longer.
    assert told <= {(HALF_LIFE_DAYS, 2, 1)}


async def test_requests_of_a_session_do_not_teach_that_no_key_is_shown(
    plain_database: Database, clock: FrozenClock
) -> None:
    """Attack: what an owner asks for all day says nothing of keys; else a thief without one would soon be usual."""
    habits = Habits(plain_database, clock)
    await live(habits, clock, days=1)
    for day in range(30, 0, -1):
        habits.note(act(clock, ago_days=day, device="dev_ada"))
        habits.note(act(clock, ago_days=day - 0.01, id=f"asked {day}", act=Act.REQUEST, device="dev_ada"))
    await habits.learn_waiting()
    profile = habits.known("usr_ada").profile
    assert profile.under["x"] > profile.under["h"]
    assert {name: profile.distinct[name] for name in ("d1", "t1", "h1")} == {"d1": 2, "t1": 1, "h1": 1}
    assert profile.totals["d|-"] < 2 * weight_of(day_of(clock.now().timestamp()))
