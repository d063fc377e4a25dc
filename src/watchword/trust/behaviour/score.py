"""The score of one observation: evidence from many indicators, weighed, summed and calibrated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from watchword.trust.behaviour import likelihood
from watchword.trust.behaviour.chains import Path, paths_of
from watchword.trust.behaviour.decay import day_of, weight_of
from watchword.trust.behaviour.likelihood import Chain, evidence, limited
from watchword.trust.behaviour.model import Model
from watchword.trust.behaviour.population import Population
from watchword.trust.behaviour.profile import BehaviourProfile
from watchword.trust.observation import Finding, Observation

NO_VERSIONS: Mapping[str, str] = MappingProxyType({})
PRIOR = "prior"
COLD_BELOW = 5
# Contributions are multiples of 2^-20 and stay far below 2^32, so that adding them up is exact in any order.
_GRAIN = 1048576.0
_UNREADABLE = 20.0


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
        history: how many events the user's baseline has learned.
        is_cold: too few of them to say what is usual; evidence from habits is limited.
    """

    risk: int
    probability: float
    log_odds: float
    contributions: tuple[Term, ...]
    versions: Mapping[str, str]
    history: int
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
) -> Score:
    """Weigh one observation.

    Pure, deterministic and total: what cannot be read is the worst there is.

    Args:
        profile: of the account that is named; an empty one for an account without history.
        findings: of the stream detectors, of reputation, of posture and authentication.
        now: seconds since 1970; the only clock that is read.
        versions: of the data that the findings and the observation come from.
    """
    try:
        return _score(observation, profile, population, model, findings, now, versions)
    except Exception as error:  # noqa: BLE001  # fail closed: a decision must not fail on what a client sent
        return _unreadable(error, model)


def _score(
    observation: Observation,
    profile: BehaviourProfile,
    population: Population,
    model: Model,
    findings: Sequence[Finding],
    now: float,
    versions: Mapping[str, str],
) -> Score:
    one = weight_of(day_of(now))
    paths = paths_of(observation)
    found: list[tuple[str, float, str, bool]] = []
    for chain, path in (
        (likelihood.NETWORK, paths.network),
        (likelihood.AGENT, paths.agent),
        (likelihood.DEVICE, paths.device),
        (likelihood.RESOURCE, paths.resource),
        (likelihood.ACTION, paths.action),
        (likelihood.TRAITS, paths.traits),
    ):
        found.append(_habit(chain, path, profile, population, one))
    found.extend([(item.indicator, limited(item.value, COLD_BELOW), item.detail, item.is_known) for item in findings])
    return _combined(found, profile, population, model, versions)


def _habit(
    chain: Chain, path: Path, profile: BehaviourProfile, population: Population, one: int
) -> tuple[str, float, str, bool]:
    if not path:
        return chain.name, 0.0, "unknown: nothing was said about it", False
    events = profile.under.get(path[0], 0) / one
    return chain.name, limited(evidence(chain, path, profile, population, one), events), "", True


def _combined(
    found: list[tuple[str, float, str, bool]],
    profile: BehaviourProfile,
    population: Population,
    model: Model,
    versions: Mapping[str, str],
) -> Score:
    weights, usual = model.weights, model.default_weight
    terms = [Term(PRIOR, model.bias, round(model.bias * _GRAIN) / _GRAIN)]
    for indicator, value, detail, is_known in found:
        weighed = round(weights.get(indicator, usual) * value * _GRAIN) / _GRAIN if is_known else 0.0
        terms.append(Term(indicator, value if is_known else 0.0, weighed, detail, is_known))
    log_odds = sum([term.value for term in terms])
    probability = model.calibration.probability(log_odds)
    return Score(
        round(probability * 100),
        probability,
        log_odds,
        tuple(terms),
        {
            **versions,
            "model": model.label,
            "profile": str(profile.version),
            "population": str(population.version),
        },
        profile.learned,
        profile.learned < COLD_BELOW,
    )


def _unreadable(error: Exception, model: Model) -> Score:
    detail = f"the observation could not be read ({type(error).__name__})"
    terms = (Term("unreadable", _UNREADABLE, _UNREADABLE, detail),)
    return Score(100, 1.0, _UNREADABLE, terms, {"model": model.label}, 0, is_cold=True)
