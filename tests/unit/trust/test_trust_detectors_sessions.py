"""One session in two hands: found at the first request, and roaming forgiven."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from detector_acts import (
    CURL,
    FIREFOX_NEWER,
    HAMBURG,
    HOSTING,
    HOUR,
    MINUTE,
    MOBILE,
    SAFARI,
    SHARED,
    START,
    SYDNEY,
    act,
    prompt,
)

from watchword.trust.detectors import Detectors
from watchword.trust.observation import Finding

THERE = "203.0.113.0/24"


def _begun(**changes: Any) -> Detectors:
    detectors = Detectors()
    for n in range(5):
        assert detectors.observe(act(START + n, **changes)) == ()
    return detectors


def _weight(findings: tuple[Finding, ...]) -> float:
    return sum(finding.value for finding in findings)


@pytest.mark.parametrize(
    ("stolen", "indicator"),
    [
        ({"network": THERE, "place": SYDNEY}, "session_hijack"),
        ({"network": THERE, "place": SYDNEY, "agent": CURL}, "token_replay"),
        ({"network": THERE, "place": HAMBURG, "agent": SAFARI}, "token_replay"),
        ({"agent": CURL}, "token_replay"),
        ({"device": "other-key"}, "token_replay"),
        ({"device": ""}, "token_replay"),
    ],
)
def test_a_replayed_token_is_found_at_the_first_request(stolen: dict[str, Any], indicator: str) -> None:
    detectors = _begun(device="key-of-ada")
    (found,) = detectors.observe(act(START + 60, **({"device": "" if "agent" in stolen else "key-of-ada"} | stolen)))
    assert found.indicator == indicator
    assert found.value >= 1.0


def test_a_session_without_a_device_key_replayed_from_another_country_is_found_at_the_first_request() -> None:
    (found,) = _begun().observe(act(START + HOUR, network=THERE, place=SYDNEY))
    assert found.indicator == "context_change"
    assert found.value >= 2.0


def test_a_hosted_network_of_the_same_country_is_found_at_the_first_request() -> None:
    (found,) = _begun().observe(act(START + HOUR, network=THERE, place=HAMBURG, traits=HOSTING))
    assert found.value >= 2.0


@pytest.mark.parametrize(
    "change",
    [
        {"network": "198.51.101.0/24"},
        {"network": THERE, "place": HAMBURG, "traits": MOBILE},
        {"network": THERE, "place": HAMBURG, "traits": SHARED},
        {"agent": FIREFOX_NEWER},
        {"network": THERE, "place": HAMBURG, "device": "key-of-ada"},
    ],
)
def test_what_changes_under_people_who_do_nothing_is_forgiven(change: dict[str, Any]) -> None:
    detectors = _begun(device=change.get("device", ""))
    assert detectors.observe(act(START + HOUR, **change)) == ()


def test_a_proved_device_key_vouches_for_a_journey() -> None:
    detectors = _begun(device="key-of-ada")
    findings = detectors.observe(act(START + 20 * HOUR, device="key-of-ada", network=THERE, place=SYDNEY))
    assert _weight(findings) < 1.0


def test_both_hands_are_asked_until_a_second_factor_shows_whose_it_is() -> None:
    detectors = _begun()
    detectors.observe(act(START + MINUTE, network=THERE, place=SYDNEY, agent=CURL))
    owner, thief = act(START + 2 * MINUTE), act(START + 2 * MINUTE, network=THERE, place=SYDNEY, agent=CURL)
    assert _weight(detectors.judge(owner)) >= 3.0
    assert _weight(detectors.judge(thief)) >= 3.0
    detectors.observe(prompt(START + 3 * MINUTE, is_verified=True))
    assert detectors.judge(replace(owner, at=START + 4 * MINUTE)) == ()
    assert _weight(detectors.judge(replace(thief, at=START + 4 * MINUTE))) >= 3.0


def test_a_thief_cannot_make_the_session_his_by_asking() -> None:
    detectors = _begun()
    for n in range(300):
        findings = detectors.observe(act(START + MINUTE + n, network=THERE, place=SYDNEY, agent=CURL, is_verified=True))
        assert _weight(findings) >= 3.0


def test_a_network_from_which_a_session_looked_stolen_does_not_become_its_own() -> None:
    detectors = _begun()
    for n in range(10):
        (found,) = detectors.observe(act(START + HOUR + n, network=THERE, place=HAMBURG))
        assert found.indicator == "context_change"
    assert THERE not in detectors._conduct.sessions.get("session-of-ada").networks


def test_a_denied_request_binds_no_session() -> None:
    detectors = Detectors()
    detectors.observe(act(START, network=THERE, place=SYDNEY, agent=CURL, is_success=False))
    assert detectors.observe(act(START + 1)) == ()


def test_what_was_done_before_a_step_up_elsewhere_and_is_told_late_is_no_change() -> None:
    detectors = _begun()
    detectors.observe(prompt(START + 20 * HOUR, network=THERE, place=SYDNEY, agent=SAFARI, is_verified=True))
    assert detectors.observe(act(START + HOUR)) == ()
    assert detectors.observe(prompt(START + HOUR, is_verified=True)) == ()
    assert detectors.observe(act(START + 20 * HOUR + 1, network=THERE, place=SYDNEY, agent=SAFARI)) == ()
    assert _weight(detectors.observe(act(START + 20 * HOUR + 2))) >= 3.0


def test_a_replay_that_is_told_by_the_whole_minute_is_found_all_the_same() -> None:
    detectors = Detectors()
    detectors.observe(prompt(START + 50, is_verified=True))
    assert _weight(detectors.judge(act(START, network=THERE, place=SYDNEY, agent=CURL))) >= 3.0


def test_what_is_found_stays_the_same_object_while_nothing_changes() -> None:
    detectors = _begun()
    detectors.observe(act(START + MINUTE, network=THERE, place=SYDNEY, agent=CURL))
    asked = [detectors.findings_for("ada", "session-of-ada", THERE, START + 70 + n) for n in range(100)]
    assert asked[0]
    assert all(answer is asked[0] for answer in asked)
    assert detectors.findings_for("bob", "other", "x", START) is detectors.findings_for("eve", "none", "y", START)
