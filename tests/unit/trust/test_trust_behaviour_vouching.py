"""The usual device vouches against strangers, and not against whoever acts with it."""

from __future__ import annotations

from math import nan

import pytest
from detector_acts import CURL, HOUR, START, SYDNEY, act, sign_in

from watchword.trust.behaviour import BehaviourProfile, Model, Population, Score, learn, score
from watchword.trust.detectors import INFLICTED, WITHIN
from watchword.trust.observation import Finding

NOW = START + 60 * 20 * HOUR


@pytest.fixture(scope="module")
def learned() -> tuple[BehaviourProfile, Population]:
    profile, population = BehaviourProfile(), Population()
    for n in range(60):
        at = START + n * 20 * HOUR
        learn(sign_in(at, is_verified=True, device="key", ip="198.51.100.7"), profile, population, now=at)
        learn(act(at + 60, is_verified=True, device="key", ip="198.51.100.7"), profile, population, now=at + 60)
    return profile, population


def _score(learned: tuple[BehaviourProfile, Population], *findings: Finding, stranger: bool = False) -> Score:
    seen = act(NOW, device="key", ip="198.51.100.7")
    if stranger:
        seen = act(NOW, user="ada", ip="203.0.113.9", network="203.0.113.0/24", place=SYDNEY, agent=CURL)
    return score(seen, *learned, Model(), findings, now=NOW)


def _term(found: Score) -> float:
    return sum(term.value for term in found.contributions if term.indicator == "not_vouched")


def _vouched(found: Score) -> float:
    names = {"network", "agent", "device", "resource", "action", "traits", "familiar_network"}
    return sum(term.value for term in found.contributions if term.indicator in names and term.value < 0)


@pytest.mark.parametrize("indicator", sorted(WITHIN))
def test_what_speaks_for_an_attacker_from_within_is_not_outvoted_by_the_owner_s_machine(
    learned: tuple[BehaviourProfile, Population], indicator: str
) -> None:
    plain, found = _score(learned), _score(learned, Finding(indicator, 3.0, "why"))
    assert _vouched(plain) < -5.0
    assert _term(found) == pytest.approx(-_vouched(found), abs=1e-5)
    assert found.log_odds > plain.log_odds + 3.0 + 5.0
    assert found.log_odds == sum(term.value for term in found.contributions)


def test_a_weak_suspicion_takes_back_a_part(learned: tuple[BehaviourProfile, Population]) -> None:
    half, whole = _score(learned, Finding("volume", 1.25, "why")), _score(learned, Finding("volume", 9.0, "why"))
    assert 0 < _term(half) == pytest.approx(_term(whole) / 2, abs=1e-5)
    assert _term(_score(learned, Finding("peer_rarity", 0.5, "why"))) == 0.0
    assert _score(learned, Finding("peer_rarity", 1.5, "why")).risk < 1


@pytest.mark.parametrize(
    "finding",
    [
        *[Finding(name, 2.0, "why") for name in sorted(INFLICTED)],
        Finding("mfa_fatigue", 5.0, "why"),
        Finding("volume", 0.0, "why"),
        Finding("volume", -2.0, "why"),
        Finding("volume", 3.0, "why", is_known=False),
    ],
)
def test_what_others_can_bring_about_or_what_is_unknown_takes_nothing_back(
    learned: tuple[BehaviourProfile, Population], finding: Finding
) -> None:
    assert _term(_score(learned, finding)) == 0.0


def test_it_never_speaks_for_anybody(learned: tuple[BehaviourProfile, Population]) -> None:
    for stranger in (True, False):
        plain = _score(learned, stranger=stranger)
        assert _score(learned, Finding("volume", 3.0, "why"), stranger=stranger).log_odds > plain.log_odds
    assert _score(learned, Finding("volume", nan, "why")).log_odds > _score(learned).log_odds
