"""Posture that changes, and how strongly somebody proved to be who they are."""

from __future__ import annotations

import pytest
from detector_acts import DAY, HOUR, START, act

from watchword.kernel import Acr
from watchword.trust.detectors import Detectors, authentication_strength
from watchword.trust.observation import Finding

IN_ORDER = {"managed_device": True, "disk_encrypted": True, "edr_running": True, "os_patched": None}


def _of_posture(detectors: Detectors, at: float) -> dict[str, Finding]:
    return {one.indicator: one for one in detectors.judge(act(at, device="laptop"))}


def test_a_watch_that_is_switched_off_is_told_for_a_day() -> None:
    detectors = Detectors()
    detectors.note_posture("laptop", IN_ORDER, START)
    assert _of_posture(detectors, START + 1) == {}
    detectors.note_posture("laptop", {"edr_running": False}, START + HOUR)
    found = _of_posture(detectors, START + 2 * HOUR)
    assert found["posture_change"].value == 1.5
    assert "the watch on the device was switched off" in found["posture_change"].detail
    assert "posture_change" not in _of_posture(detectors, START + 2 * DAY)
    detectors.note_posture("laptop", {"edr_running": True}, START + 3 * HOUR)
    assert _of_posture(detectors, START + 4 * HOUR) == {}


def test_a_device_that_was_never_in_order_has_not_changed() -> None:
    detectors = Detectors()
    detectors.note_posture("laptop", {"disk_encrypted": False, "edr_running": None}, START)
    detectors.note_posture("laptop", {"disk_encrypted": False, "edr_running": False}, START + 1)
    assert _of_posture(detectors, START + 2) == {}


def test_an_older_report_and_one_from_the_future_change_nothing() -> None:
    detectors = Detectors(clock=lambda: START + DAY)
    detectors.note_posture("laptop", IN_ORDER, START)
    detectors.note_posture("laptop", {"edr_running": False}, START - HOUR)
    detectors.note_posture("laptop", {"edr_running": False}, START + 2 * DAY)
    detectors.note_posture("laptop", {"made_up": False}, START + HOUR)
    detectors.note_posture("", {"edr_running": False}, START + HOUR)
    assert _of_posture(detectors, START + HOUR) == {}


def test_a_device_that_fell_silent_is_told() -> None:
    detectors = Detectors()
    detectors.note_posture("laptop", IN_ORDER, START)
    assert _of_posture(detectors, START + 3 * DAY)["posture_age"].value == 0.2
    assert _of_posture(detectors, START + 9 * DAY)["posture_age"].value == 0.5
    assert detectors.judge(act(START + 9 * DAY, device="unheard-of")) == ()


def test_the_stronger_and_the_fresher_the_more_it_speaks_for_the_owner() -> None:
    values = [
        authentication_strength(Acr.PHISHING_RESISTANT, 60).value,
        authentication_strength(Acr.PHISHING_RESISTANT, 3600).value,
        authentication_strength(Acr.MULTI_FACTOR, 60).value,
        authentication_strength(Acr.MULTI_FACTOR, 3600).value,
        authentication_strength(Acr.MULTI_FACTOR, DAY).value,
        authentication_strength(Acr.SINGLE_FACTOR, 1).value,
    ]
    assert values == sorted(values)
    assert values[0] >= -1.0
    assert values[-1] > 0


@pytest.mark.parametrize("age_s", [-3600.0, float("nan"), float("inf"), 1e9])
def test_a_second_factor_from_the_future_or_from_no_time_speaks_for_nobody(age_s: float) -> None:
    assert authentication_strength(Acr.PHISHING_RESISTANT, age_s).value > 0


def test_without_any_sign_in_strength_is_unknown() -> None:
    assert not authentication_strength(Acr.NONE, 0).is_known
