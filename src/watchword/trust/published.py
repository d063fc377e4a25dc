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
from watchword.trust.behaviour import Model, Reading, Values, read, score_reading, sigmoid, values_of
from watchword.trust.model import Assessment, Evidence, Thresholds
from watchword.trust.observation import Finding
from watchword.trust.settings import FREEMAN
from watchword.trust.situation import KnownSignIns, Situation
from watchword.trust.statistical import (
    AWAY,
    COLD,
    DEFAULT_PROBABILITIES,
    causes_of,
    cautious,
    hushed,
    in_place_of_points,
)

PROFILE: Final = f"{FREEMAN}/1"
FORMAT: Final = 1

# Takeovers are rare: the formula leaves open how rare, and the shipped weights of the other score say it.
LOG_PRIOR: Final = Model().bias
# By cost, as of the other score, but where that asks from one in a hundred: so finely this score cannot tell, and it
# would ask most owners most of the time. See docs/adr/0064-the-published-score.md.
PUBLISHED_THRESHOLDS: Mapping[Sensitivity, Thresholds] = MappingProxyType(
    {
        **DEFAULT_PROBABILITIES,
        Sensitivity.RESTRICTED: replace(DEFAULT_PROBABILITIES[Sensitivity.RESTRICTED], step_up=2),
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
    found = score_reading(reading, causes, prior=LOG_PRIOR, versions=situation.versions)
    if situation.quiet:
        found = hushed(found, situation.quiet, sigmoid)
    return in_place_of_points(added, found, causes, PROFILE, _inputs(situation, reading, causes, values))


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
