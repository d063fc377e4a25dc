"""Posture that changes."""

from __future__ import annotations

from detector_acts import DAY, HOUR, START, act

from watchword.trust.detectors import Detectors
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


def test_of_a_device_that_never_reported_nothing_is_said() -> None:
    assert Detectors().judge(act(START, device="unheard-of")) == ()
