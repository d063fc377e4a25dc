"""The profile `freeman`: how unlike its user a request is by the published score, and what lists and watchers found.

With no sign-in to compare with, or none at hand, it says so by name and is as cautious as the profile `additive`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final
from zlib import crc32

from watchword.kernel import Sensitivity
from watchword.trust.behaviour import Reading, Values, read, score_reading, sigmoid, values_of
from watchword.trust.model import Assessment, Evidence, Thresholds, Weighed
from watchword.trust.observation import Finding
from watchword.trust.settings import FREEMAN
from watchword.trust.situation import KnownSignIns, Situation
from watchword.trust.statistical import AWAY, COLD, causes_of, cautious, hushed, is_habit_alone, told

PROFILE: Final = f"{FREEMAN}/1"
FORMAT: Final = 1

# The published score is no calibrated probability, so costs say nothing of where to ask. Set by how many of the
# owners' sign-ins lie above, on synthetic traffic of 5 to 200 people: docs/adr/0064-the-published-score.md.
# Above 50 an address and program that everybody shares ask nobody.
PUBLISHED_THRESHOLDS: Mapping[Sensitivity, Thresholds] = MappingProxyType(
    {
        Sensitivity.PUBLIC: Thresholds(step_up=75, deny=99),
        Sensitivity.INTERNAL: Thresholds(step_up=55, deny=97),
        Sensitivity.CONFIDENTIAL: Thresholds(step_up=50, deny=95),
        Sensitivity.RESTRICTED: Thresholds(step_up=40, deny=90),
    }
)


def with_published(added: Assessment, evidence: Evidence, situation: Situation) -> Assessment:
    """Put the published score in place of the points that were added up; the trust score stays as it is."""
    known = situation.known
    assert isinstance(known, KnownSignIns)
    if known.is_away:
        return cautious(added, situation, AWAY, PROFILE)
    values = values_of(situation.observation)
    reading = read(values, known.own, known.everybody, known.everybody.users)
    if reading.is_cold:
        return cautious(added, situation, COLD, PROFILE)
    causes = causes_of(evidence, situation)
    found = score_reading(reading, causes, versions=situation.versions)
    if situation.quiet:
        found = hushed(found, situation.quiet, sigmoid)
    return replace(
        added,
        risk=found.risk,
        contributions=tuple(told(found)),
        versions={**added.versions, **found.versions, "profile": PROFILE},
        weighed=Weighed(
            found.probability,
            found.log_odds,
            is_habit_alone(found, causes),
            _inputs(situation, reading, causes, values),
        ),
    )


def checksum(values: Values) -> str:
    """Stand for the values that were looked up, without telling them."""
    return f"{crc32(chr(0).join([key for levels in values for key in levels]).encode('utf-8', 'replace')):08x}"


def _inputs(situation: Situation, reading: Reading, findings: Sequence[Finding], values: Values) -> Mapping[str, Any]:
    return {
        "format": FORMAT,
        "read": list(reading),
        "by": checksum(values),
        "findings": [[each.indicator, each.value, each.is_known] for each in findings],
        "quiet": sorted(situation.quiet),
    }
