"""A score names what it is made of, exactly; is the same again; and is never upset by what a client sends."""

from __future__ import annotations

import random
from dataclasses import replace
from math import exp, fsum
from sys import getrefcount
from typing import Any

import pytest
from behaviour_cases import AT_WORK, CURL, DAY_S, FIREFOX, POTSDAM, START, SYDNEY, THIEF, crowd, event, taught
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.kernel import Acr
from watchword.trust import Place
from watchword.trust.behaviour import (
    BehaviourProfile,
    Model,
    Population,
    Score,
    authentication,
    learn,
    posture,
    score,
)
from watchword.trust.behaviour.rhythm import log_bessel
from watchword.trust.observation import Act, Agent, Finding, NetworkTraits, Observation

NOW = START + 21 * DAY_S
EVERYBODY = crowd(30)
ANNA = taught(20, EVERYBODY)
MODEL = Model()


def judged(observation: Observation, profile: BehaviourProfile = ANNA, *findings: Finding, at: float = NOW) -> Score:
    return score(replace(observation, at=at), profile, EVERYBODY, MODEL, findings, now=at)


def evidence(found: Score) -> dict[str, float]:
    return {term.indicator: term.evidence for term in found.contributions}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.builds(Finding, st.sampled_from(("spray", "reputation", "travel")), st.floats(), st.just("why"))),
    st.floats(-15, 5),
    st.dictionaries(st.sampled_from(("network", "agent", "spray", "hour")), st.floats(0, 3)),
    st.randoms(use_true_random=False),
)
def test_contributions_sum_to_the_log_odds_exactly_in_any_order(
    findings: list[Finding], bias: float, weights: dict[str, float], chance: random.Random
) -> None:
    found = score(THIEF, ANNA, EVERYBODY, Model(weights=weights, bias=bias), findings, now=NOW)
    values = [term.value for term in found.contributions]
    chance.shuffle(values)
    assert sum(values) == found.log_odds
    assert fsum(values) == found.log_odds


def test_the_same_inputs_give_the_same_bits_again() -> None:
    assert judged(THIEF) == judged(THIEF)
    everybody = crowd(30)
    again = taught(20, everybody)
    assert score(THIEF, again, everybody, MODEL, now=NOW) == score(THIEF, ANNA, EVERYBODY, MODEL, now=NOW)


def test_scoring_changes_nothing() -> None:
    everybody = crowd(5)
    profile = taught(8, everybody)
    before = repr((profile, everybody))
    score(THIEF, profile, everybody, MODEL, now=NOW)
    score(event(30), profile, everybody, MODEL, now=NOW)
    assert repr((profile, everybody)) == before


def test_the_owner_at_work_is_no_risk_and_a_thief_is() -> None:
    assert judged(AT_WORK).risk == 0
    assert judged(THIEF).risk > 95


def test_versions_of_model_baselines_and_data_are_named() -> None:
    seen = replace(THIEF, place=replace(THIEF.place, sources=("cities 2026-11", "systems 2026-10")))
    found = score(seen, ANNA, EVERYBODY, MODEL, now=NOW, versions={"feeds": "7"})
    assert found.versions == {
        "places": "cities 2026-11, systems 2026-10",
        "feeds": "7",
        "model": f"shipped/1/{MODEL.hash[:12]}",
        "profile": "20",
        "population": str(EVERYBODY.version),
    }


def test_a_cold_start_is_said() -> None:
    for events in (0, 1, 2, 4, 6):
        found = judged(THIEF, taught(events), at=START + events * DAY_S)
        assert found.is_cold is (events < 5)
        assert found.history == pytest.approx(events, rel=0.05)


def test_what_was_seen_once_counts_at_once_and_more_with_each_time() -> None:
    thief, owner = ([judged(act, taught(times)).log_odds for times in (0, 1, 3, 9)] for act in (THIEF, AT_WORK))
    assert thief == sorted(thief)
    assert owner == sorted(owner, reverse=True)
    assert owner[1] < owner[0] - 3


def test_an_account_without_history_is_compared_with_everybody() -> None:
    stranger = BehaviourProfile()
    found = judged(THIEF, stranger)
    assert evidence(found)["network"] > 1
    assert "this network is unusual for any account" in {term.detail for term in found.contributions}
    assert found.log_odds > judged(AT_WORK, stranger).log_odds + 2
    assert judged(AT_WORK, stranger, at=START).contributions[0].indicator == "prior"


def test_to_an_account_without_history_nothing_is_said_to_be_new() -> None:
    assert not {name for name, value in evidence(judged(THIEF, BehaviourProfile())).items() if name.startswith("new_")}
    assert evidence(judged(AT_WORK, BehaviourProfile()))["new_device"] == 0.0


def test_habits_fade_with_what_is_done_since_and_not_with_silence() -> None:
    customer = taught(3, agent=FIREFOX)
    soon, late = (judged(AT_WORK, customer, at=START + days * DAY_S) for days in (4, 400))
    assert late.history == soon.history == pytest.approx(3, rel=0.05)
    assert evidence(late)["network"] <= evidence(soon)["network"] < -3
    for number in range(20):
        learn(event(400 + number, ip="85.0.4.9", network="85.0.4.0/24"), customer, Population(), now=NOW + 999 * DAY_S)
    assert customer.totals["n|DE|3320|84.1.2.0/24"] < 0.01 * customer.under["n"]


def test_what_is_new_is_less_surprising_the_shorter_the_history() -> None:
    other = replace(AT_WORK, place=replace(AT_WORK.place, asn=6805), network="91.1.2.0/24", ip="91.1.2.3")
    said = [evidence(judged(other, taught(times)))["new_asn"] for times in (1, 4, 20)]
    assert 0.0 <= said[0] < said[1] < said[2]


def test_what_is_new_never_speaks_for_the_owner() -> None:
    hasty, everybody = BehaviourProfile(), crowd(10)
    for number in range(20):
        learn(event(number, agent=replace(FIREFOX, browser=f"Firefox {number}")), hasty, everybody, now=NOW)
    updated = replace(AT_WORK, agent=replace(FIREFOX, browser="Firefox 99"))
    assert evidence(judged(updated, hasty))["new_version"] == 0.0


def test_another_address_of_a_mobile_carrier_is_nothing_new() -> None:
    phone = {"traits": NetworkTraits(is_mobile=True), "place": replace(AT_WORK.place, asn=6805)}
    customer = taught(4, **phone)
    elsewhere = replace(AT_WORK, ip="93.2.8.1", network="93.2.8.0/24", **phone)
    assert evidence(judged(elsewhere, customer))["network"] < 0
    assert not {"new_network", "new_address"} & evidence(judged(elsewhere, customer)).keys()
    abroad = replace(elsewhere, place=SYDNEY)
    assert evidence(judged(abroad, customer))["new_country"] > 1


def test_a_browser_that_anybody_can_copy_does_not_outweigh_a_strange_network() -> None:
    copied = replace(THIEF, agent=FIREFOX)
    said = evidence(judged(copied))
    assert -2 < said["agent"] < 0
    assert judged(copied).risk > 90


def test_an_update_is_less_suspicious_than_another_browser() -> None:
    updated, other = (
        judged(replace(AT_WORK, agent=replace(FIREFOX, full=name, browser=name)))
        for name in ("Firefox 131", "Opera 99")
    )
    assert updated.log_odds < other.log_odds - 1


def test_a_network_of_a_service_with_customers_everywhere_says_little_for_a_newcomer() -> None:
    crowded, everybody = replace(AT_WORK, ip="85.0.4.9", network="85.0.4.0/24"), crowd(30)
    for user in range(6):
        learn(replace(crowded, id=str(user), user=f"usr_{user}"), BehaviourProfile(), everybody, now=NOW)
    before = evidence(score(crowded, ANNA, everybody, MODEL, now=NOW))["familiar_network"]
    for number in range(600):
        act = replace(AT_WORK, id=f"other{number}", user=f"usr_other{number}", network=f"90.1.{number % 250}.0/24")
        learn(act, BehaviourProfile(), everybody, now=NOW)
    after = evidence(score(crowded, ANNA, everybody, MODEL, now=NOW))["familiar_network"]
    assert before < -0.5 < 2 * after < 0


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"place": SYDNEY, "network": "1.128.0.0/24", "ip": "1.128.0.7"}, "new_country"),
        ({"place": replace(AT_WORK.place, asn=6805), "network": "91.1.2.0/24", "ip": "91.1.2.3"}, "new_asn"),
        ({"network": "84.1.9.0/24", "ip": "84.1.9.3"}, "new_network"),
        ({"ip": "84.1.2.99"}, "new_address"),
        ({"agent": CURL}, "new_kind"),
        ({"agent": replace(FIREFOX, system="Windows 11")}, "new_system"),
        ({"agent": replace(FIREFOX, browser="Opera 99")}, "new_browser"),
        ({"agent": replace(FIREFOX, browser="Firefox 129")}, "new_version"),
        ({"agent": replace(FIREFOX, full="Mozilla/5.0 (another)")}, "new_agent"),
        ({"device": "dev_other"}, "new_device"),
        ({"application": "payroll"}, "new_application"),
        ({"resource": "/secrets"}, "new_resource"),
        ({"act": Act.REQUEST}, "new_act"),
        ({"action": "delete"}, "new_action"),
    ],
)
def test_each_level_has_its_own_first_seen_indicator(changes: dict[str, Any], flag: str) -> None:
    said = evidence(judged(replace(AT_WORK, **changes)))
    new = {name for name in said if name.startswith("new_")}
    assert new == {flag}
    assert judged(replace(AT_WORK, **changes)).log_odds > judged(AT_WORK).log_odds


def test_somebody_whose_networks_change_daily_is_less_suspicious_in_a_new_one() -> None:
    everybody = crowd(10)
    roaming = BehaviourProfile()
    for number in range(20):
        network = f"84.9.{number}"
        learn(event(number, ip=f"{network}.3", network=f"{network}.0/24"), roaming, everybody, now=NOW)
    new = replace(AT_WORK, network="84.1.9.0/24", ip="84.1.9.3", id="new")
    assert evidence(judged(new, roaming))["new_network"] < evidence(judged(new))["new_network"] - 1


def test_a_known_device_key_speaks_for_the_owner_and_none_speaks_for_nobody() -> None:
    keyless = taught(20, device="")
    assert evidence(judged(AT_WORK))["device"] < -2
    assert evidence(judged(replace(AT_WORK, device="")))["device"] > 1
    assert abs(evidence(judged(replace(AT_WORK, device=""), keyless))["device"]) < 0.5


def test_ones_own_habits_do_not_make_an_attacker_with_the_same_ones_likely() -> None:
    alone = Population()
    profile = taught(20, alone)
    found = score(event(21), profile, alone, MODEL, now=NOW)
    assert evidence(found)["network"] == -4.0
    assert evidence(found)["agent"] < -1


def test_the_night_alone_never_adds_anything() -> None:
    at_night = judged(AT_WORK, at=NOW + 12 * 3600)
    said = evidence(at_night)
    # The owner's own device, browser and network; only the time is new.
    other = [name for name in said if name not in {"hour", "weekday", "rhythm", "prior"} and said[name] > 0]
    assert other == []
    assert said["hour"] + said["weekday"] + said["rhythm"] <= 0.0
    assert at_night.risk == 0


def test_the_night_counts_where_something_else_does() -> None:
    day = evidence(judged(THIEF))
    night = evidence(judged(THIEF, at=NOW + 12 * 3600))
    assert night["hour"] > 0.5 > day["hour"]
    assert night["rhythm"] > 0.2 > day["rhythm"]
    assert sum(night[name] for name in ("hour", "weekday", "rhythm")) <= 4.5


def test_hours_around_midnight_are_neighbours() -> None:
    late = BehaviourProfile()
    for number in range(20):
        learn(event(number, day=number + 0.35), late, Population(), now=NOW + DAY_S)  # 21:57 UTC, 23:57 where Anna is
    soon = evidence(judged(THIEF, late, at=NOW + 0.36 * DAY_S + 1800))
    noon = evidence(judged(THIEF, late, at=NOW - 0.1 * DAY_S))
    assert soon["hour"] < noon["hour"]
    assert soon["rhythm"] < noon["rhythm"]


def test_the_bessel_function_is_the_published_one() -> None:
    # Source: Abramowitz and Stegun, Handbook of Mathematical Functions, table 9.8: e^-x I0(x).
    for x, tabled in ((0.0, 1.0), (1.0, 0.4657596077), (2.0, 0.3085083225), (4.0, 0.2070019212)):
        assert exp(log_bessel(x) - x) == pytest.approx(tabled, rel=1e-3)


def test_a_network_that_colleagues_use_is_less_suspicious() -> None:
    office = replace(AT_WORK, ip="85.0.4.9", network="85.0.4.0/24", place=replace(AT_WORK.place, asn=3004))
    everybody = crowd(30)
    for user in range(6):
        learn(replace(office, id=str(user), user=f"usr_{user}"), BehaviourProfile(), everybody, now=NOW)
    alone = score(office, ANNA, EVERYBODY, MODEL, now=NOW)
    together = score(office, ANNA, everybody, MODEL, now=NOW)
    assert evidence(together)["familiar_network"] < -1
    assert together.log_odds < alone.log_odds - 1


def test_a_device_of_somebody_else_is_named() -> None:
    stolen = replace(AT_WORK, device="dev_1")
    assert evidence(judged(stolen))["shared_device"] > 0


def test_lists_together_are_worth_at_most_three() -> None:
    findings = [Finding("reputation", 2.5, "on a list"), Finding("reputation_feed", 2.5, "on another")]
    said = judged(AT_WORK, ANNA, *findings).contributions
    assert sum(term.value for term in said if term.indicator.startswith("reputation")) == pytest.approx(3.0, abs=1e-5)


@pytest.mark.parametrize(("value", "counted"), [(1e300, 6.0), (-1e300, -4.0), (float("nan"), 6.0), (2.0, 2.0)])
def test_a_finding_is_clipped_and_no_number_is_the_worst(value: float, counted: float) -> None:
    assert evidence(judged(AT_WORK, ANNA, Finding("spray", value, "")))["spray"] == counted


def test_a_finding_that_is_unknown_counts_nothing_and_is_listed() -> None:
    found = judged(AT_WORK, ANNA, Finding("spray", 5.0, "unknown: no memory of it", is_known=False))
    term = next(term for term in found.contributions if term.indicator == "spray")
    assert (term.evidence, term.value, term.is_known) == (0.0, 0.0, False)


def test_a_user_agent_of_a_megabyte_is_cut_and_named() -> None:
    huge = replace(AT_WORK, agent=Agent("x" * 2**20, "y" * 2**20, "z" * 2**20, "w" * 2**20), resource="r" * 2**20)
    found = judged(huge)
    assert evidence(found)["overlong"] == 1.0
    assert found.log_odds > judged(AT_WORK).log_odds
    assert max(len(term.detail) for term in found.contributions) < 200


def test_nothing_remembers_a_text_of_a_megabyte() -> None:
    texts = [f"{name}{'x' * 2**20}" for name in "abcd"]
    before = [getrefcount(text) for text in texts]
    huge = replace(AT_WORK, agent=Agent(full=texts[0]), resource=texts[1], device=texts[2], application=texts[3])
    judged(huge)
    del huge
    assert [getrefcount(text) for text in texts] == before


@pytest.mark.parametrize(
    "changes",
    [
        {"at": float("nan")},
        {"at": float("inf")},
        {"at": None},
        {"place": None},
        {"agent": None},
        {"ip": 7, "network": 8},
        {"utc_offset_s": "east"},
        {"place": Place(latitude=float("nan"), longitude=1.0), "agent": 5},
    ],
)
def test_what_cannot_be_read_is_the_worst_there_is(changes: dict[str, Any]) -> None:
    found = score(replace(AT_WORK, **changes), ANNA, EVERYBODY, MODEL, now=NOW)
    assert found.risk == 100
    assert [term.indicator for term in found.contributions] == ["unreadable"]
    assert found.log_odds == found.contributions[0].value
    assert not found.is_cold, "what cannot be read is no beginner, for whom milder rules stand in"


@settings(max_examples=80, deadline=None)
@given(
    st.builds(
        Observation,
        id=st.text(),
        at=st.floats(0, 4e9),
        user=st.text(),
        act=st.sampled_from(Act),
        is_verified=st.booleans(),
        ip=st.text(),
        network=st.text(),
        place=st.builds(
            Place,
            country=st.none() | st.text(),
            asn=st.none() | st.integers(),
            latitude=st.none() | st.floats(-90, 90),
            longitude=st.none() | st.floats(-180, 180),
            radius_km=st.none() | st.floats(0, 1000),
        ),
        traits=st.builds(NetworkTraits, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans()),
        agent=st.builds(Agent, st.text(), st.text(), st.text(), st.text()),
        utc_offset_s=st.integers(-50_000, 50_000),
        device=st.text(),
        application=st.text(),
        resource=st.text(),
        action=st.text(),
    )
)
def test_whatever_a_client_sends_is_scored_and_learned_without_an_exception(sent: Observation) -> None:
    profile, everybody = BehaviourProfile(), Population()
    for _ in range(2):
        found = score(sent, profile, everybody, MODEL, now=sent.at)
        assert 0 <= found.risk <= 100
        assert [term.indicator for term in found.contributions] != ["unreadable"]
        learn(replace(sent, is_verified=True), profile, everybody, now=sent.at)


def test_a_text_with_separators_pretends_to_be_no_other_path() -> None:
    before = judged(replace(AT_WORK, application="wiki|/pages", resource=""))
    assert "new_application" in evidence(before)


def test_posture_speaks_less_with_age_and_not_from_the_future() -> None:
    def value(age_s: float | None) -> float:
        return posture(is_managed=True, is_encrypted=True, is_patched=True, age_s=age_s).value

    assert value(0.0) == value(DAY_S) == pytest.approx(-1.4)
    assert -1.4 < value(3 * DAY_S) < 0
    assert value(8 * DAY_S) == value(-3600.0) == value(None) == 0.0
    assert posture(is_managed=False, is_encrypted=None, is_patched=None, age_s=0.0).value == pytest.approx(0.7)
    assert not posture(is_managed=None, is_encrypted=None, is_patched=None, age_s=0.0).is_known


def test_authentication_speaks_by_its_strength_and_age() -> None:
    fresh = [authentication(acr, age_s=60.0).value for acr in (Acr.SINGLE_FACTOR, Acr.MULTI_FACTOR)]
    assert authentication(Acr.PHISHING_RESISTANT, age_s=60.0).value < fresh[1] < fresh[0] < 0
    assert authentication(Acr.MULTI_FACTOR, age_s=6 * 3600.0).value > fresh[1]
    assert authentication(Acr.MULTI_FACTOR, age_s=13 * 3600.0).value == 0.0
    assert not authentication(Acr.MULTI_FACTOR, age_s=-3600.0).is_known
    assert not authentication(Acr.NONE, age_s=0.0).is_known


def test_a_neighbouring_town_is_no_journey() -> None:
    assert evidence(judged(replace(AT_WORK, place=POTSDAM)))["impossible_travel"] == 0.0


def test_how_a_session_was_opened_is_said_in_words() -> None:
    assert authentication(Acr.PHISHING_RESISTANT, age_s=180).detail == "signed in with a passkey 3 minutes ago"
