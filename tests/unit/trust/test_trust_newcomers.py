"""Where habits cannot be judged yet, rules judge, and what watchers found beside them; a flood denies nobody."""

from __future__ import annotations

from behaviour_cases import AT_WORK

from watchword.trust import Assessment, Finding, Situation
from watchword.trust.behaviour import BehaviourProfile, Model, Population
from watchword.trust.detectors import INFLICTED
from watchword.trust.model import Contribution
from watchword.trust.situation import Known
from watchword.trust.statistical import COLD, cautious

KNOWN = Known(BehaviourProfile(), Population(), Model())


def judged(*found: Finding, points: int = 0) -> Assessment:
    added = Assessment(
        risk=points,
        trust=0,
        contributions=(Contribution("failed_attempts", points, "four"),),
        trust_contributions=(),
        versions={},
    )
    return cautious(added, Situation(AT_WORK, KNOWN, findings=found), COLD, "statistical/2")


def test_a_flood_beside_a_newcomer_costs_no_more_than_the_rules_say() -> None:
    """Attack: somebody fails at a new account, and at forty others in its network, to have its owner refused."""
    flood = [Finding(indicator, 2.0, "brought about by anybody") for indicator in sorted(INFLICTED)]
    assert judged(*flood, points=40).risk == 40


def test_what_watchers_found_of_the_session_itself_counts_in_points() -> None:
    found = judged(Finding("session_hijack", 2.0, "moved"), points=5)
    assert found.risk == 25
    assert [each.indicator for each in found.contributions] == ["cold_start", "failed_attempts", "session_hijack"]
