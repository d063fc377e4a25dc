"""The profile `statistical`: how unlike its user a request is, by the habits that were learned.

With too little history, or none at hand, it says so by name and is as cautious as the profile `additive`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from watchword.kernel import RiskLevel, Sensitivity
from watchword.trust.behaviour import Paths, Score, excerpt, paths_of, score, thresholds_by_sensitivity
from watchword.trust.detectors import INFLICTED
from watchword.trust.indicators import suspicious_ip
from watchword.trust.model import Assessment, Contribution, Evidence, Thresholds, Weighed, level
from watchword.trust.observation import Finding
from watchword.trust.settings import STATISTICAL
from watchword.trust.situation import Known, Situation

# The number of this way to record what was read; another one is not read by this code.
FORMAT: Final = 2
_PROFILE: Final = f"{STATISTICAL}/2"
TRAITS: Final = ("is_hosting", "is_vpn", "is_tor", "is_mobile", "is_shared")
COLD_START, HISTORY_AWAY = "cold_start", "history_away"
HIGHEST: Final = 100
# What evidence from elsewhere is worth where habits cannot be judged: a tenth of log-odds is a point, within a bound,
# so that no single one of them denies.
_POINTS, _MOST_POINTS = 10, 35
# What an operator's own list is worth, in log-odds. Source: set by hand below what feeds together may say, 3.
_LISTED = 2.5

# What a score of habits finds that is no habit; and from how much log-odds on something is a cause.
_FACTS: Final = frozenset({"impossible_travel", "unreadable"})
_CAUSE: Final = 1.0

# Where asking costs less than a takeover is to be feared for, and refusing less than asking.
DEFAULT_PROBABILITIES: Mapping[Sensitivity, Thresholds] = thresholds_by_sensitivity()


def probability_level(
    risk: int, weighed: Weighed, sensitivity: Sensitivity, bounds: Mapping[Sensitivity, Thresholds]
) -> RiskLevel:
    """Say what a risk of behaviour means for a resource: habits ask, and only a cause beside them refuses.

    # Prevents: somebody on a journey with a new laptop, of whom everything is new at once, being locked out. What is
    restricted is refused all the same: there a takeover costs more than the owner's lost hour.
    """
    found = level(risk, sensitivity, bounds)
    if found is RiskLevel.HIGH and weighed.is_habit_alone and sensitivity is not Sensitivity.RESTRICTED:
        return RiskLevel.MEDIUM
    return found


def with_behaviour(added: Assessment, evidence: Evidence, situation: Situation) -> Assessment:
    """Put the risk of behaviour in place of the points that were added up; the trust score stays as it is."""
    known = situation.known
    assert isinstance(known, Known)
    if known.is_away:
        return cautious(added, situation, AWAY, _PROFILE)
    causes = causes_of(evidence, situation)
    findings = (*causes, *situation.given)
    seen = situation.observation
    paths = paths_of(seen)
    found = score(
        seen,
        known.profile,
        known.population,
        known.model,
        findings,
        now=seen.at,
        versions=situation.versions,
        paths=paths,
    )
    if situation.quiet:
        found = hushed(found, situation.quiet, known.model.calibration.probability)
    if found.is_cold:
        return cautious(added, situation, COLD, _PROFILE)
    return in_place_of_points(added, found, causes, _PROFILE, _inputs(situation, findings, paths, known))


def in_place_of_points(
    added: Assessment, found: Score, causes: Sequence[Finding], profile: str, inputs: Mapping[str, Any]
) -> Assessment:
    """Put a score in place of the points that were added up; the trust score stays as it is.

    Args:
        causes: what speaks against the request beside habits.
        profile: the name and version of what judged.
        inputs: what the score was read from, for the record.
    """
    return replace(
        added,
        risk=found.risk,
        contributions=tuple(told(found)),
        versions={**added.versions, **found.versions, "profile": profile},
        weighed=Weighed(found.probability, found.log_odds, is_habit_alone(found, causes), inputs),
    )


def is_habit_alone(found: Score, causes: Sequence[Finding]) -> bool:
    """Tell whether nothing but habits speaks against a request; what others can bring about for somebody is nothing."""
    named = {each.indicator for each in causes if each.indicator not in INFLICTED} | _FACTS
    return not any(term.indicator in named and term.value >= _CAUSE for term in found.contributions)


def causes_of(evidence: Evidence, situation: Situation) -> tuple[Finding, ...]:
    """Return what speaks against a request beside habits: what watchers found, and what lists say."""
    return (*situation.findings, *_listed(evidence, situation.reputation))


def hushed(found: Score, quiet: Collection[str], probability_of: Callable[[float], float]) -> Score:
    """Return a score to which some indicators add nothing; what they say for the owner stays.

    Args:
        probability_of: makes a probability of log-odds, as the score did.
    """
    terms = tuple(
        term._replace(value=0.0, is_known=False, detail=f"{term.detail} (said to be all right for a while)")
        if term.indicator in quiet and term.value > 0
        else term
        for term in found.contributions
    )
    log_odds = sum([term.value for term in terms])
    probability = probability_of(log_odds)
    return replace(
        found, risk=round(probability * 100), probability=probability, log_odds=log_odds, contributions=terms
    )


def told(found: Score) -> Iterator[Contribution]:
    """Name what counted, and what could not be judged; what was judged and said nothing is left out."""
    for term in found.contributions:
        if term.value or not term.is_known:
            yield Contribution(term.indicator, term.value, term.detail)


COLD: Final = Contribution(COLD_START, 0, "too little history to say what is usual: judged by rules alone")
AWAY: Final = Contribution(HISTORY_AWAY, 0, "the history is still being read: judged by rules alone for the moment")


def cautious(added: Assessment, situation: Situation, why: Contribution, profile: str) -> Assessment:
    """Judge by rules alone, and by what watchers and feeds found, where habits cannot be judged.

    Args:
        profile: that judges, with its version.
    """
    # Prevents: failures and a spray, made beside a newcomer by anybody, adding up to a refusal.
    known = INFLICTED | {each.indicator for each in added.contributions}
    others = [
        Contribution(each.indicator, min(_MOST_POINTS, round(each.value * _POINTS)), each.detail)
        for each in (*situation.findings, *((situation.reputation,) if situation.reputation is not None else ()))
        if each.is_known and each.value > 0 and each.indicator not in known
    ]
    contributions = (why, *added.contributions, *others)
    return replace(
        added,
        risk=min(HIGHEST, round(sum([each.points for each in contributions]))),
        contributions=contributions,
        versions={**added.versions, **situation.versions, "profile": profile},
    )


def _listed(evidence: Evidence, reputation: Finding | None) -> Iterator[Finding]:
    """Say what lists hold against the address."""
    if reputation is not None and (reputation.value or not reputation.is_known):
        yield reputation
    listed = suspicious_ip(evidence)
    # What feeds say stands in the lists, too, and counts once.
    if listed.is_present and not (reputation is not None and reputation.value):
        yield Finding("suspicious_ip", _LISTED, listed.detail)


def _inputs(situation: Situation, findings: Sequence[Finding], paths: Paths, known: Known) -> Mapping[str, Any]:
    seen = situation.observation
    taken = excerpt(paths, seen.user, known.profile, known.population)
    return {
        "format": FORMAT,
        "read": taken.read,
        "by": taken.by,
        "rest": taken.rest,
        "findings": [[each.indicator, each.value, each.is_known] for each in findings],
        "utc_offset_s": seen.utc_offset_s,
        "traits": [name for name in TRAITS if getattr(seen.traits, name)],
        "group": seen.group,
        "is_verified": seen.is_verified,
        "quiet": sorted(situation.quiet),
    }
