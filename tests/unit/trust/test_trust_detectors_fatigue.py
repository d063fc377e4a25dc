"""MFA fatigue and failed attempts: found in time, and no way to keep somebody else out."""

from __future__ import annotations

import pytest
from detector_acts import CURL, DAY, MINUTE, SAFARI, START, act, prompt, sign_in

from watchword.trust.detectors import INFLICTED, Detectors
from watchword.trust.observation import Finding

ELSEWHERE = "203.0.113.0/24"


def _found(findings: tuple[Finding, ...], indicator: str = "mfa_fatigue") -> float:
    return next((finding.value for finding in findings if finding.indicator == indicator), 0.0)


def _bomb(detectors: Detectors, prompts: int, gap_s: float = 30.0, network: str = ELSEWHERE) -> list[float]:
    return [
        _found(detectors.observe(prompt(START + n * gap_s, network=network, session="", is_success=False)))
        for n in range(prompts)
    ]


@pytest.mark.parametrize("gap_s", [1.0, 10.0, MINUTE, 3 * MINUTE, 5 * MINUTE])
def test_mfa_bombing_is_found_by_the_fifth_prompt(gap_s: float) -> None:
    found = _bomb(Detectors(), 5, gap_s)
    assert found[:2] == [0.0, 0.0]
    assert found[4] >= 2.0


def test_a_yes_after_a_burst_counts_most_and_stays_with_the_session() -> None:
    detectors = Detectors()
    asked = _bomb(detectors, 5)[-1]
    given = prompt(START + 4 * MINUTE, network=ELSEWHERE, session="won", is_verified=True)
    assert _found(detectors.observe(given)) > asked
    assert _found(detectors.findings_for("ada", "won", ELSEWHERE, START + 600)) >= 3.5
    # A second factor that was wrung out of somebody settles nothing.
    detectors.observe(prompt(START + 15 * MINUTE, network=ELSEWHERE, session="won", is_verified=True))
    assert _found(detectors.findings_for("ada", "won", ELSEWHERE, START + 1000)) >= 3.5


def test_two_mistyped_codes_before_the_right_one_are_nothing() -> None:
    detectors = Detectors()
    _bomb(detectors, 2, 5.0)
    assert detectors.observe(prompt(START + 15, network=ELSEWHERE, is_verified=True)) == ()


def test_prompts_that_were_refused_over_a_day_are_nothing() -> None:
    assert max(_bomb(Detectors(), 10, 20 * MINUTE)) == 0.0


def test_bombing_somebody_does_not_keep_him_out() -> None:
    detectors = Detectors()
    detectors.observe(sign_in(START - DAY, network="home", is_verified=True))
    for n in range(200):
        detectors.observe(prompt(START + n, network=ELSEWHERE, session="", is_success=False))
        detectors.observe(sign_in(START + n, network=ELSEWHERE, is_success=False))
    for network in ("home", "hotel"):
        running = detectors.findings_for("ada", "running", network, START + 200)
        assert {finding.indicator for finding in running} <= INFLICTED
        assert 0 < sum(finding.value for finding in running) <= 2.0
        answer = detectors.judge(prompt(START + 200, network=network, is_verified=True))
        assert sum(finding.value for finding in answer) <= 3.5
    at_home = detectors.judge(prompt(START + 200, network="home", is_verified=True))
    assert sum(finding.value for finding in at_home) <= 2.0


def test_failures_count_for_ten_minutes_and_never_much() -> None:
    detectors = Detectors()
    found = [
        _found(detectors.observe(sign_in(START + n, network=ELSEWHERE, is_success=False)), "failed_attempts")
        for n in range(1000)
    ]
    assert found[:2] == [0.0, 0.0]
    assert found[2] > 0.9
    assert max(found) <= 1.2
    assert detectors.findings_for("ada", "s", "n", START + 1000 + 2 * 3600) == ()


def test_denied_requests_are_no_failed_attempts() -> None:
    detectors = Detectors()
    for n in range(20):
        detectors.observe(act(START + n, is_success=False))
    assert detectors.findings_for("ada", "session-of-ada", "198.51.100.0/24", START + 20) == ()


def test_prompts_of_one_account_say_nothing_of_another() -> None:
    detectors = Detectors()
    _bomb(detectors, 10)
    assert detectors.findings_for("bob", "s", ELSEWHERE, START + 300) == ()
    assert detectors.observe(prompt(START + 300, user="bob", agent=SAFARI, network=ELSEWHERE)) == ()
    assert detectors.observe(prompt(START + 300, user="bob", agent=CURL, network=ELSEWHERE, is_success=False)) == ()
