"""The profiles: the two additive ones of the mission, what each indicator is worth, and what the sums mean.

Source: rows R2 and R3 of the mission; the slots for travel and hijack are explained in docs/adr/0012.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from watchword.kernel import RiskLevel, Sensitivity
from watchword.trust.baseline import Baseline
from watchword.trust.indicators import (
    Finding,
    failed_attempts,
    impossible_travel,
    mfa_recent,
    mfa_verified,
    new_device,
    off_hours,
    posture,
    session_hijack,
    suspicious_ip,
    unusual_location,
)
from watchword.trust.model import (
    DEFAULT_THRESHOLDS,
    Assessment,
    Contribution,
    Evidence,
    Thresholds,
    WorkingHours,
    level,
)
from watchword.trust.published import PUBLISHED_THRESHOLDS, with_published
from watchword.trust.settings import FREEMAN, LEARNING, PROFILES, TRUST_SCORE, TrustSettings
from watchword.trust.situation import KnownSignIns, Situation
from watchword.trust.statistical import DEFAULT_PROBABILITIES, probability_level, with_behaviour

HIGHEST = 100

# R2
NEW_DEVICE, UNUSUAL_LOCATION, OFF_HOURS, FAILED_ATTEMPTS, SUSPICIOUS_IP = 30, 25, 15, 40, 35
# R3
MFA_VERIFIED, MFA_RECENT, MANAGED_DEVICE, DISK_ENCRYPTED, OS_PATCHED, USUAL_PLACE, USUAL_HOURS = (
    30,
    10,
    20,
    10,
    10,
    10,
    10,
)
_MFA_POINTS = MappingProxyType({"mfa_verified": MFA_VERIFIED, "mfa_recent": MFA_RECENT})

# What the profile `trust-score` asks for where the resource itself asks for less.
REQUIRED_TRUST: Mapping[Sensitivity, int] = MappingProxyType(
    {Sensitivity.PUBLIC: 0, Sensitivity.INTERNAL: 30, Sensitivity.CONFIDENTIAL: 40, Sensitivity.RESTRICTED: 60}
)


@dataclass(frozen=True, slots=True)
class Profile:
    """One way to judge a request.

    Attributes:
        version: goes into every assessment, so that an old decision can be understood later.
        thresholds: for `additive`.
        required_trust: for `trust-score`, the least score by sensitivity.
        probabilities: for `statistical` and `freeman`, in hundredths.
    """

    name: str
    version: str = "1"
    working_hours: WorkingHours = field(default_factory=WorkingHours)
    thresholds: Mapping[Sensitivity, Thresholds] = field(default_factory=lambda: DEFAULT_THRESHOLDS)
    required_trust: Mapping[Sensitivity, int] = field(default_factory=lambda: REQUIRED_TRUST)
    probabilities: Mapping[Sensitivity, Thresholds] = field(default_factory=lambda: DEFAULT_PROBABILITIES)

    @property
    def reads_behaviour(self) -> bool:
        """Whether it compares with what was learned."""
        return self.name in LEARNING

    def gate(self, assessment: Assessment, sensitivity: Sensitivity, *, min_trust: int = 0) -> RiskLevel:
        """Say what an assessment means for a resource: by points, by trust (`trust-score`) or by probability."""
        if assessment.weighed is not None:
            return probability_level(assessment.risk, assessment.weighed, sensitivity, self.probabilities)
        if self.name == TRUST_SCORE:
            return trust_level(assessment, max(min_trust, self.required_trust.get(sensitivity, HIGHEST)))
        return level(assessment.risk, sensitivity, self.thresholds)


def profiles(settings: TrustSettings | None = None) -> Mapping[str, Profile]:
    """Return the profiles by name, with the configured thresholds and working hours."""
    given = settings or TrustSettings()
    hours, thresholds = given.working_hours(), given.risk_thresholds()
    made = {name: Profile(name, working_hours=hours, thresholds=thresholds) for name in PROFILES}
    made[FREEMAN] = replace(made[FREEMAN], probabilities=PUBLISHED_THRESHOLDS)
    return MappingProxyType(made)


def trust_level(assessment: Assessment, required: int) -> RiskLevel:
    """Compare trust with what is required: enough is low, what a second factor could make up for is medium."""
    if assessment.trust >= required:
        return RiskLevel.LOW
    missing = sum(_MFA_POINTS.get(item.indicator, 0) for item in assessment.trust_contributions if item.points == 0)
    return RiskLevel.MEDIUM if assessment.trust + missing >= required else RiskLevel.HIGH


def assess(
    evidence: Evidence, baseline: Baseline, profile: Profile, *, now: datetime, situation: Situation | None = None
) -> Assessment:
    """Weigh one request.

    Pure, deterministic and total: evidence that cannot be read is the worst evidence there is.

    Args:
        evidence: the request's own facts.
        baseline: the user's own history; an empty one leaves place and hours unknown.
        profile: supplies working hours and its version; both scores are computed under either profile.
        situation: what behaviour is judged by, for a profile that does; without it points are added up.
        now: timezone-aware; the only clock that is read.

    Returns:
        Risk and trust, 0 to 100 each; the contributions of each sum to it exactly before it is clipped. A risk of
        behaviour is a probability in hundredths, and its contributions sum exactly to the log-odds.
    """
    try:
        added = _assess(evidence, baseline, profile, now)
        if situation is None:
            return added
        judge = with_published if isinstance(situation.known, KnownSignIns) else with_behaviour
        return judge(added, evidence, situation)
    except Exception as error:  # noqa: BLE001  # fail closed: a decision must not fail on what a client sent
        return _unreadable(error)


class _Findings(NamedTuple):
    """What the indicators found, by slot.

    The mission has five slots of risk. Impossible travel is the strongest form of an unusual location and a hijacked
    session the strongest form of a suspicious address, so they stand in those slots and the sums stay the mission's.
    """

    device: Finding
    location: Finding
    hours: Finding
    failures: Finding
    network: Finding
    mfa: Finding
    mfa_recent: Finding
    managed: Finding
    encrypted: Finding
    patched: Finding


def _assess(evidence: Evidence, baseline: Baseline, profile: Profile, now: datetime) -> Assessment:
    travel, location = impossible_travel(evidence, baseline, now), unusual_location(evidence, baseline)
    hijack = session_hijack(evidence, now)
    found = _Findings(
        new_device(evidence),
        travel if travel.is_present else location,
        off_hours(evidence, baseline, profile.working_hours, now),
        failed_attempts(evidence),
        hijack if hijack.is_present else suspicious_ip(evidence),
        mfa_verified(evidence),
        mfa_recent(evidence, now),
        posture("managed_device", state=evidence.is_managed),
        posture("disk_encrypted", state=evidence.disk_encrypted),
        posture("os_patched", state=evidence.os_patched),
    )
    return _added(found, profile.name, profile.version, baseline.version)


@lru_cache(maxsize=4096)
def _added(found: _Findings, profile: str, profile_version: str, baseline_version: int) -> Assessment:
    """Add up what was found. Most requests find what others found, in the same words: they share one assessment."""
    risks = (
        _risk(found.device, NEW_DEVICE),
        _risk(found.location, UNUSUAL_LOCATION),
        _risk(found.hours, OFF_HOURS),
        _risk(found.failures, FAILED_ATTEMPTS),
        _risk(found.network, SUSPICIOUS_IP),
    )
    trusts = (
        _trust(found.mfa, MFA_VERIFIED),
        _trust(found.mfa_recent, MFA_RECENT),
        _trust(found.managed, MANAGED_DEVICE),
        _trust(found.encrypted, DISK_ENCRYPTED),
        _trust(found.patched, OS_PATCHED),
        _usual("usual_place", found.location, USUAL_PLACE),
        _usual("usual_hours", found.hours, USUAL_HOURS),
    )
    contributions = tuple(item for item in risks if item is not None)
    return Assessment(
        risk=min(HIGHEST, int(sum(item.points for item in contributions))),
        trust=min(HIGHEST, int(sum(item.points for item in trusts))),
        contributions=contributions,
        trust_contributions=trusts,
        versions=MappingProxyType({"profile": f"{profile}/{profile_version}", "baseline": str(baseline_version)}),
    )


def _risk(finding: Finding, points: int) -> Contribution | None:
    if finding.is_present is False:
        return None
    return Contribution(finding.indicator, points if finding.is_present else 0, finding.detail)


def _trust(finding: Finding, points: int) -> Contribution:
    return Contribution(finding.indicator, points if finding.is_present else 0, finding.detail)


def _usual(indicator: str, finding: Finding, points: int) -> Contribution:
    return Contribution(indicator, points if finding.is_present is False else 0, finding.detail)


def _unreadable(error: Exception) -> Assessment:
    detail = f"the evidence could not be read ({type(error).__name__})"
    return Assessment(
        risk=HIGHEST,
        trust=0,
        contributions=(Contribution("evidence_unreadable", HIGHEST, detail),),
        trust_contributions=(Contribution("evidence_unreadable", 0, detail),),
        versions={},
    )
