"""The score of one observation: evidence from many indicators, weighed, summed and calibrated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from watchword.trust.behaviour.chains import Paths, paths_of
from watchword.trust.behaviour.comparison import Comparison
from watchword.trust.behaviour.decay import day_of, weight_of
from watchword.trust.behaviour.given import cap_reputation
from watchword.trust.behaviour.indicators import Row, habits, history, times
from watchword.trust.behaviour.likelihood import ENOUGH_EVENTS, clipped
from watchword.trust.behaviour.model import Model
from watchword.trust.behaviour.population import Population
from watchword.trust.behaviour.profile import BehaviourProfile
from watchword.trust.behaviour.vouching import INDICATOR as NOT_VOUCHED
from watchword.trust.behaviour.vouching import not_vouched
from watchword.trust.observation import Finding, Observation

NO_VERSIONS: Mapping[str, str] = MappingProxyType({})
NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})
PRIOR = "prior"
# Contributions are multiples of 2^-20 and stay far below 2^32, so that adding them up is exact in any order.
_GRAIN = 1048576.0
_UNREADABLE = 20.0
_new = tuple.__new__  # a third of the time of calling the class


class Term(NamedTuple):
    """What one indicator contributes.

    Attributes:
        evidence: natural log-odds, before it is weighed.
        value: what it adds to the log-odds of the score; a multiple of 2^-20.
        is_known: whether it could be judged; both are 0 where not.
    """

    indicator: str
    evidence: float
    value: float
    detail: str = ""
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Score:
    """What one observation is worth.

    Attributes:
        risk: 0 to 100; the probability in hundredths, rounded.
        probability: that somebody else acts, calibrated.
        log_odds: before calibration; exactly the sum of the contributions' values, in any order.
        contributions: the prior first, then every indicator that was asked.
        versions: of the model, the baselines, and whatever data the caller names.
        history: how many events the user's baseline is worth; two a day count at most, and newer ones outweigh them.
        is_cold: fewer than five, few to say what is usual.
    """

    risk: int
    probability: float
    log_odds: float
    contributions: tuple[Term, ...]
    versions: Mapping[str, str]
    history: float
    is_cold: bool


def score(
    observation: Observation,
    profile: BehaviourProfile,
    population: Population,
    model: Model,
    findings: Sequence[Finding] = (),
    *,
    now: float,
    versions: Mapping[str, str] = NO_VERSIONS,
    paths: Paths | None = None,
) -> Score:
    """Weigh one observation.

    Pure, deterministic and total: what cannot be read is the worst there is.

    Args:
        profile: of the account that is named; an empty one for an account without history.
        findings: of the stream detectors, of reputation, of posture and authentication.
        now: seconds since 1970; the only clock that is read.
        versions: of the data that the findings and the observation come from; the place names its own.
        paths: of the observation, where they are known already.
    """
    try:
        return _score(observation, paths or paths_of(observation), profile, population, model, findings, now, versions)
    except Exception as error:  # noqa: BLE001  # fail closed: a decision must not fail on what a client sent
        return _unreadable(error, model)


def _score(
    observation: Observation,
    paths: Paths,
    profile: BehaviourProfile,
    population: Population,
    model: Model,
    findings: Sequence[Finding],
    now: float,
    versions: Mapping[str, str],
) -> Score:
    today = day_of(now)
    held = Comparison(profile, population, weight_of(today), profile.weight_on(today))
    rows = habits(paths, observation, held)
    if findings:
        rows += _given(findings, rows)
    support = sum([value for name, value, _, _ in rows if value > 0.0 and name != NOT_VOUCHED])
    rows += times(paths, held, support=support)
    sources = observation.place.sources
    if sources:
        versions = {"places": ", ".join(sources), **versions}
    return _combined(rows, profile, population, model, versions, history(profile, held.own_one))


def _given(findings: Sequence[Finding], habits: Sequence[Row]) -> list[Row]:
    rows: list[Row] = [
        (item.indicator, clipped(item.value) if item.is_known else 0.0, item.detail, item.is_known)
        for item in cap_reputation(findings)
    ]
    taken_back = not_vouched(habits, findings)
    return rows if taken_back is None else [*rows, taken_back]


def _combined(
    rows: list[Row],
    profile: BehaviourProfile,
    population: Population,
    model: Model,
    versions: Mapping[str, str],
    history: float,
) -> Score:
    prior = Term(PRIOR, model.bias, round(model.bias * _GRAIN) / _GRAIN)
    terms = (prior, *weighed(rows, model.weights, model.default_weight))
    log_odds = sum([term.value for term in terms])
    probability = model.calibration.probability(log_odds)
    return Score(
        round(probability * 100),
        probability,
        log_odds,
        terms,
        {
            **versions,
            "model": model.label,
            "profile": str(profile.version),
            "population": str(population.version),
        },
        history,
        history < ENOUGH_EVENTS,
    )


def weighed(rows: Sequence[Row], weights: Mapping[str, float], usual: float) -> list[Term]:
    """Weigh evidence, and round each contribution so that their sum is exact."""
    if not weights:  # as shipped, and a look-up for each row less
        return [
            _new(Term, (name, value, round(usual * value * _GRAIN) / _GRAIN, detail, is_known))
            for name, value, detail, is_known in rows
        ]
    return [
        _new(Term, (name, value, round(weights.get(name, usual) * value * _GRAIN) / _GRAIN, detail, is_known))
        for name, value, detail, is_known in rows
    ]


def _unreadable(error: Exception, model: Model) -> Score:
    detail = f"the observation could not be read ({type(error).__name__})"
    terms = (Term("unreadable", _UNREADABLE, _UNREADABLE, detail),)
    return Score(100, 1.0, _UNREADABLE, terms, {"model": model.label}, 0.0, is_cold=False)
