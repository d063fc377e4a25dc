"""A profile is the same whatever the order it learned in, stays small, and cannot be taught in an afternoon."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from behaviour_cases import AT_WORK, CURL, DAY_S, SYDNEY, THIEF, crowd, event, taught
from behaviour_cases import START as NOW
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.trust.behaviour import (
    BehaviourProfile,
    Lesson,
    Model,
    Population,
    dump,
    dump_population,
    learn,
    merge,
    merge_populations,
    parse,
    parse_population,
    score,
)
from watchword.trust.behaviour.company import Companies, member
from watchword.trust.behaviour.decay import day_of, weight_of
from watchword.trust.behaviour.profile import A_DAY, MOST_IDS, MOST_KEYS
from watchword.trust.observation import Agent, Observation

LATER = NOW + 30 * DAY_S
PLACES = st.sampled_from(("84.1.2", "84.1.3", "91.7.7"))
EVENTS = st.lists(
    st.builds(
        lambda at, network, browser, resource: (
            at,
            {
                "ip": f"{network}.3",
                "network": f"{network}.0/24",
                "agent": replace(AT_WORK.agent, browser=browser, full=browser),
                "resource": resource,
            },
        ),
        st.floats(0.0, 1.9),
        PLACES,
        st.sampled_from(("Firefox 128", "Chrome 140")),
        st.sampled_from(("/a", "/b", "")),
    ),
    min_size=1,
    max_size=MOST_IDS,
)


def folded(events: list[Observation]) -> BehaviourProfile:
    profile, population = BehaviourProfile(), Population()
    for each in events:
        assert learn(each, profile, population, now=LATER) is Lesson.LEARNED
    return profile


def observations(drawn: list[tuple[float, dict[str, Any]]], name: str = "drawn") -> list[Observation]:
    return [event(0, id=f"{name}-{number}", day=at, **changes) for number, (at, changes) in enumerate(drawn)]


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_events_in_any_order_make_the_same_profile(drawn: list[tuple[float, dict[str, Any]]], chance: Any) -> None:
    events = observations(drawn)
    shuffled = list(events)
    chance.shuffle(shuffled)
    assert folded(events) == folded(shuffled)


@settings(max_examples=40, deadline=None)
@given(EVENTS, EVENTS)
def test_merging_replicas_gives_the_same_either_way_round(
    first: list[tuple[float, dict[str, Any]]], second: list[tuple[float, dict[str, Any]]]
) -> None:
    a, b = folded(observations(first, "a")), folded(observations(second, "b"))
    assert merge(a, b) == merge(b, a)


@settings(max_examples=40, deadline=None)
@given(EVENTS, EVENTS)
def test_merged_replicas_know_what_one_would_have_learned(
    first: list[tuple[float, dict[str, Any]]], second: list[tuple[float, dict[str, Any]]]
) -> None:
    apart = observations(first[: MOST_IDS // 2], "a"), observations(second[: MOST_IDS // 2], "b")
    assert merge(folded(apart[0]), folded(apart[1])) == folded([*apart[0], *apart[1]])


@settings(max_examples=40, deadline=None)
@given(EVENTS, EVENTS)
def test_merging_populations_gives_the_same_either_way_round(
    first: list[tuple[float, dict[str, Any]]], second: list[tuple[float, dict[str, Any]]]
) -> None:
    made = []
    for name, drawn in (("a", first), ("b", second)):
        population, profile = Population(), BehaviourProfile()
        for each in observations(drawn, name):
            learn(replace(each, user=name), profile, population, now=LATER)
        made.append(population)
    assert merge_populations(*made) == merge_populations(*reversed(made))


def test_an_event_that_comes_twice_is_learned_once() -> None:
    profile, population = taught(3), Population()
    before = dump(profile)
    assert learn(event(2), profile, population, now=LATER) is Lesson.DUPLICATE
    assert dump(profile) == before
    assert population == Population()


def test_an_event_from_the_future_is_not_learned() -> None:
    profile = taught(3)
    before = dump(profile)
    assert learn(event(9), profile, Population(), now=NOW + 5 * DAY_S) is Lesson.FROM_THE_FUTURE
    assert dump(profile) == before


def test_an_event_of_last_week_comes_too_late() -> None:
    profile = taught(9)
    assert learn(event(50, day=1.0), profile, Population(), now=LATER) is Lesson.TOO_LATE


def test_an_event_older_than_all_that_are_remembered_comes_too_late_for_nobody_could_tell() -> None:
    profile, population = BehaviourProfile(), Population()
    for number in range(MOST_IDS):
        learn(event(number, day=0.1 + number / 1000), profile, population, now=LATER)
    assert learn(event(99, day=0.05), profile, population, now=LATER) is Lesson.TOO_LATE
    assert learn(event(98, day=0.1105), profile, population, now=LATER) is Lesson.LEARNED


def test_a_clock_that_ran_ahead_and_went_back_does_not_stop_learning() -> None:
    profile, population = taught(5), Population()
    assert learn(event(300), profile, population, now=NOW + 301 * DAY_S) is Lesson.LEARNED
    assert learn(event(6), profile, population, now=NOW + 6 * DAY_S) is Lesson.LEARNED
    assert learn(event(7), profile, population, now=NOW + 7 * DAY_S) is Lesson.LEARNED


@pytest.mark.parametrize("changes", [{"is_verified": False}, {"is_success": False}, {"is_verified": "yes"}])
def test_what_is_not_verified_teaches_nothing(changes: dict[str, Any]) -> None:
    profile, population = BehaviourProfile(), Population()
    assert learn(event(0, **changes), profile, population, now=LATER) is Lesson.NOT_VERIFIED
    assert (profile, population) == (BehaviourProfile(), Population())


@pytest.mark.parametrize("at", [float("nan"), float("-inf"), "noon", None])
def test_a_time_that_is_none_is_refused_by_name(at: Any) -> None:
    profile, population = taught(3), Population()
    before = dump(profile)
    assert learn(event(4, at=at), profile, population, now=LATER) is Lesson.UNREADABLE
    assert dump(profile) == before


def test_two_hundred_verified_looking_events_in_an_hour_do_not_shift_a_baseline() -> None:
    population = crowd(30)
    profile, two = taught(20, population), taught(20, population)
    lie = replace(THIEF, is_verified=True, device="dev_thief")
    for number in range(200):
        at = NOW + 20 * DAY_S + number * 18
        learn(replace(lie, id=f"lie-{number}", at=at), profile, population, now=LATER)
        if number < A_DAY:
            learn(replace(lie, id=f"lie-{number}", at=at), two, Population(), now=LATER)
    now = NOW + 21 * DAY_S
    own = score(event(21), profile, population, Model(), now=now)
    his = score(replace(lie, id="take", at=now, device=""), profile, population, Model(), now=now)
    # What two honest events from there would have taught, and nothing more.
    assert {key: total for key, total in profile.totals.items() if key[0] not in "hw"} == {
        key: total for key, total in two.totals.items() if key[0] not in "hw"
    }
    assert own.risk == 0
    assert his.log_odds > own.log_odds + 8


def test_two_hundred_places_in_an_hour_do_not_dilute_a_baseline() -> None:
    population = crowd(30)
    profile = taught(20, population)
    before = score(event(21), profile, population, Model(), now=NOW + 21 * DAY_S)
    for number in range(200):
        changes = {
            "id": f"lie-{number}",
            "at": NOW + 20 * DAY_S + number * 18,
            "ip": f"203.0.{number}.7",
            "network": f"203.0.{number}.0/24",
            "place": replace(SYDNEY, country=f"{number % 26:c}X", asn=number + 1),
            "agent": Agent(f"robot {number}", f"Robot {number}", f"System {number}", "program"),
            "device": f"dev_{number}",
        }
        learn(replace(AT_WORK, **changes), profile, population, now=LATER)
    after = score(event(21), profile, population, Model(), now=NOW + 21 * DAY_S)
    assert len([key for key in profile.totals if key.startswith("n|") and key.count("|") == 1]) <= 8
    assert after.risk == 0
    assert after.log_odds < before.log_odds + 4


def test_one_user_teaches_the_population_no_more_than_their_own_profile() -> None:
    population = Population()
    profile = BehaviourProfile()
    for number in range(200):
        learn(event(number, day=number / 2000), profile, population, now=LATER)
    weight = weight_of(day_of(NOW))
    assert population.totals["n|DE"] == A_DAY * weight
    assert population.totals["n|DE"] == profile.totals["n|DE"]


def test_a_profile_stays_small_whatever_it_is_taught() -> None:
    profile, population = BehaviourProfile(), Population()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(1500):
        long = f"{number:05d}" + "x" * 200
        changes = {
            "agent": Agent(long * 5000 if number == 7 else long, long, long, long),
            "ip": f"10.{number % 250}.{number // 250}.1",
            "network": f"10.{number % 250}.{number // 250}.0/24",
            "application": long,
            "resource": long,
            "action": long,
            "device": long,
        }
        learn(event(number, day=number / 40, **changes), profile, population, now=LATER + 100 * DAY_S)
    text = dump(profile)
    used = tracemalloc.get_traced_memory()[0]
    del population
    kept = parse(text)
    alone = tracemalloc.get_traced_memory()[0] - used
    tracemalloc.stop()
    assert before >= 0
    assert kept == profile
    assert len(profile.totals) <= MOST_KEYS
    assert alone < 40_000
    assert len(text) < 20_000


def test_what_weighs_least_is_forgotten_first() -> None:
    profile = taught(30)
    population = Population()
    for number in range(200):
        learn(
            event(number + 100, day=30 + number / 4, application="wiki", resource=f"/once/{number}"),
            profile,
            population,
            now=LATER + 90 * DAY_S,
        )
    assert "r|wiki|/pages" in profile.totals
    assert len([key for key in profile.totals if "/once/" in key]) < MOST_KEYS
    assert (
        sum(total for key, total in profile.totals.items() if key.count("|") == 1 and key[0] == "n")
        == (profile.under["n"])
    )


def test_sums_stay_sums_after_evictions() -> None:
    profile, population = BehaviourProfile(), Population()
    for number in range(400):
        changes = {"resource": f"/{number % 77}", "ip": f"84.1.{number % 31}.3", "network": f"84.1.{number % 31}.0/24"}
        learn(event(number, day=number / 8, **changes), profile, population, now=LATER + 100 * DAY_S)
    under, distinct, circles = profile.under, profile.distinct, profile.circles
    profile.derive()
    assert (under, {k: v for k, v in distinct.items() if v}, circles) == (
        profile.under,
        profile.distinct,
        profile.circles,
    )


def test_old_habits_fade_by_half_in_ninety_days() -> None:
    assert weight_of(20_000 + 90) == pytest.approx(2 * weight_of(20_000), rel=1e-3)
    assert weight_of(0) == 1
    assert weight_of(10_000_000) < 2**300


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 30))
def test_a_stored_profile_is_read_back_as_it_was(events: int) -> None:
    profile = taught(events)
    assert parse(dump(profile)) == profile


def test_a_stored_population_is_read_back_as_it_was() -> None:
    population = crowd(12)
    assert parse_population(dump_population(population)) == population


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(("v", "t", "d", "i", "n", "p", "u", "s", "m", "w", "1")), inner, max_size=9
            )
        ),
        max_leaves=20,
    )
)
def test_garbage_in_storage_is_refused_by_name(stored: Any) -> None:
    for read in (parse, parse_population):
        try:
            read(json.dumps(stored))
        except ValueError:
            continue


def test_another_format_is_refused_by_name() -> None:
    for text, read in ((dump(taught(2)), parse), (dump_population(crowd(2)), parse_population)):
        with pytest.raises(ValueError, match="in format 3"):
            read(text.replace('"v":2', '"v":3'))


def test_other_users_of_a_network_are_known_by_a_few() -> None:
    population = Population()
    for user in range(40):
        learn(event(0, id=str(user), user=f"usr_{user}", agent=CURL), BehaviourProfile(), population, now=LATER)
    assert population.users == 40
    assert max(len(members) for members in population.networks.known.values()) == 8


def test_the_population_stays_bounded_and_its_sums_stay_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.trust.behaviour.population.MOST_KEYS", 60)
    population = crowd(40, events=2)
    assert len(population.totals) <= 60
    for parent, total in population.under.items():
        if parent != "d":  # keys of devices are counted in sum alone
            children = [value for key, value in population.totals.items() if key.rpartition("|")[0] == parent]
            assert sum(children) == total


def test_devices_and_networks_are_forgotten_by_the_least_recent() -> None:
    known = Companies(most=3)
    for name in ("a", "b", "c", "a", "d"):
        known.count(name, member("usr_1"), 64)
    assert list(known.known) == ["c", "a", "d"]
    assert known.others("a", member("usr_2")) == 1
    assert known.others("a", member("usr_1")) == 0
    assert known.others("b", member("usr_2")) == 0
