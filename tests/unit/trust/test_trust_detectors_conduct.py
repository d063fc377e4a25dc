"""What is asked for inside: how much, how often, what others of the group never ask for, and door after door."""

from __future__ import annotations

import random
from typing import Any

import pytest
from detector_acts import DAY, HOUR, MINUTE, START, act

from watchword.trust.detectors import Detectors, hours
from watchword.trust.observation import Finding, Observation

MORNING = START - START % DAY + 8 * HOUR


def _value(findings: tuple[Finding, ...], *indicators: str) -> float:
    return max((finding.value for finding in findings if finding.indicator in indicators), default=0.0)


def _work(
    days: int, *, user: str = "ada", size: int = 300_000, each_day: int = 24, **changes: Any
) -> list[Observation]:
    """Return plain working days of one person: a few things, again and again, more or less of each."""
    chance = random.Random(f"{user} {days}")  # noqa: S311  # a fixed seed
    return [
        act(
            MORNING + day * DAY + n * 8 * HOUR / each_day + chance.random() * MINUTE,
            user=user,
            session=f"{user}-{day}",
            application=f"app-{chance.randrange(3)}",
            resource=f"/pages/{chance.randrange(1000)}",
            size_bytes=int(size * chance.lognormvariate(0, 1)),
            is_verified=True,
            **changes,
        )
        for day in range(days)
        for n in range(each_day)
    ]


def _learned(*lives: list[Observation]) -> Detectors:
    detectors = Detectors()
    for observation in sorted((one for life in lives for one in life), key=lambda one: one.at):
        detectors.observe(observation)
    return detectors


def _after(days: int) -> float:
    return MORNING + days * DAY + 2 * HOUR


# --- how much, how often --------------------------------------------------------------------------------------------


def test_a_copy_of_everything_within_an_hour_is_found() -> None:
    detectors, at = _learned(_work(15)), _after(15)
    found = [
        _value(detectors.observe(act(at + n, size_bytes=20_000_000, is_verified=True, application="app-1")), "volume")
        for n in range(50)
    ]
    assert found[-1] >= 2.0
    assert _value(detectors.findings_for("ada", "session-of-ada", "198.51.100.0/24", at + 60), "volume") >= 2.0


def test_hundreds_of_records_within_an_hour_are_found() -> None:
    detectors, at = _learned(_work(15)), _after(15)
    found = [
        _value(detectors.observe(act(at + n * 5, application="app-1", resource=f"/pages/{n}")), "bulk_read")
        for n in range(200)
    ]
    assert found[5] == 0.0
    assert found[-1] >= 2.0


def test_a_little_too_much_every_day_adds_up() -> None:
    plain, greedy = _work(30), _work(45, size=2_400_000)[30 * 24 :]
    detectors = _learned(plain)
    found = [_value(detectors.observe(one), "slow_exfiltration", "volume") for one in greedy]
    assert max(found[:12]) < 1.0
    assert max(found[: 10 * 24]) >= 1.5


def test_a_thief_s_harvest_does_not_become_usual_at_once() -> None:
    detectors = _learned(_work(30))
    found = []
    for day in range(4):
        for n in range(20):
            at = _after(30 + day) + n * 10
            found.append(_value(detectors.observe(act(at, size_bytes=30_000_000, is_verified=True)), "volume"))
    assert found[-1] >= 2.0


def test_what_no_second_factor_vouches_for_teaches_nothing() -> None:
    detectors = _learned([one for one in _work(30) if one.at < 0], [act(_after(n), size_bytes=9) for n in range(40)])
    found = [detectors.observe(act(_after(50) + n, size_bytes=50_000_000)) for n in range(12)]
    assert {_value(one, "volume", "slow_exfiltration") for one in found} == {0.0}


def test_denied_requests_are_no_volume() -> None:
    detectors, at = _learned(_work(15)), _after(15)
    for n in range(300):
        found = detectors.observe(act(at + n, size_bytes=20_000_000, application="app-1", is_success=False))
        assert _value(found, "volume", "bulk_read") == 0.0
    assert _value(detectors.observe(act(at + 301, size_bytes=1, application="app-1")), "volume", "bulk_read") == 0.0


# --- others ---------------------------------------------------------------------------------------------------------


def _team(members: int = 12, days: int = 10) -> Detectors:
    return _learned(*(_work(days, user=f"peer-{n}", each_day=8) for n in range(members)), _work(days, each_day=8))


def test_what_nobody_else_in_the_group_asks_for_is_told() -> None:
    detectors = _team()
    rare = detectors.observe(act(_after(10), application="payroll", resource="/salaries"))
    assert _value(rare, "peer_rarity") >= 0.8
    assert "of about 12 others" in next(one.detail for one in rare if one.indicator == "peer_rarity")
    assert _value(detectors.judge(act(_after(10), application="app-2", resource="/pages/new")), "peer_rarity") == 0.0


def test_an_unusual_action_on_a_usual_thing_is_told() -> None:
    detectors = _team()
    assert _value(detectors.judge(act(_after(10), application="app-2", action="delete")), "peer_rarity") >= 0.8


def test_doing_it_again_for_days_does_not_make_it_one_s_own_and_having_done_it_long_ago_does() -> None:
    detectors = _team()
    for n in range(50):
        rare = detectors.observe(act(_after(10) + n, application="payroll", resource="/salaries", is_verified=True))
        assert _value(rare, "peer_rarity") >= 0.8
    again = act(_after(13), application="payroll", resource="/salaries", is_verified=True)
    assert _value(detectors.observe(again), "peer_rarity") >= 0.8
    assert _value(detectors.judge(act(_after(16), application="payroll", resource="/salaries")), "peer_rarity") == 0.0


def test_an_insider_who_had_a_look_once_before_is_found_when_he_takes_it_all() -> None:
    detectors = _team()
    for n in range(10):
        detectors.observe(act(_after(10 + 2 * n), application="files", resource=f"/team-{n}/x", is_verified=True))
    found = [
        _value(detectors.observe(act(_after(40) + n, application="files", resource=f"/team-{n}/x")), "insider")
        for n in range(10)
    ]
    assert found[-1] >= 2.0


def test_an_insider_who_looks_around_is_found_and_one_curious_click_is_not() -> None:
    detectors = _team()
    found = [
        _value(
            detectors.observe(act(_after(10) + n * 90 * MINUTE, application="files", resource=f"/team-{n}/x")),
            "insider",
        )
        for n in range(10)
    ]
    assert found[:3] == [0.0] * 3
    assert found[9] >= 2.0


def test_without_enough_peers_nothing_is_rare() -> None:
    detectors = _team(members=4)
    assert _value(detectors.observe(act(_after(10), application="payroll")), "peer_rarity", "insider") == 0.0
    assert _value(_team().observe(act(_after(10), application="payroll", group="")), "peer_rarity", "insider") == 0.0


def test_one_peer_who_asks_a_thousand_times_makes_nothing_usual() -> None:
    detectors = _team(members=30, days=3)
    often = {"user": "peer-1", "session": "peer-1", "application": "payroll", "is_verified": True}
    for n in range(1000):
        detectors.observe(act(_after(3) + n, **often))
    assert _value(detectors.judge(act(_after(3), application="payroll")), "peer_rarity") >= 0.4


def test_what_no_second_factor_vouches_for_makes_nothing_usual_in_the_group() -> None:
    detectors = _team()
    for n in range(12):
        detectors.observe(act(_after(10), user=f"peer-{n}", session=f"peer-{n}", application="payroll"))
    assert _value(detectors.judge(act(_after(10) + 1, application="payroll")), "peer_rarity") >= 0.8


def test_of_somebody_new_a_bulk_read_is_told_with_reserve() -> None:
    detectors = Detectors()
    found = [_value(detectors.observe(act(MORNING + n)), "bulk_read") for n in range(1000)]
    assert found[-1] == 1.0


# --- door after door ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_success", [True, False])
def test_lateral_movement_is_found_after_a_few_new_doors_open_or_not(is_success: bool) -> None:  # noqa: FBT001  # a case
    detectors = _learned(_work(10))
    found = [
        _value(
            detectors.observe(act(_after(10) + n * MINUTE, application=f"host-{n}", is_success=is_success)),
            "lateral_movement",
        )
        for n in range(6)
    ]
    assert found[0] == 0.0
    assert found[4] >= 2.0
    assert found == sorted(found)


def test_a_new_colleague_finds_everything_new() -> None:
    detectors = Detectors()
    found = [
        _value(
            detectors.observe(act(MORNING + n * MINUTE, application=f"app-{n}", is_verified=True)), "lateral_movement"
        )
        for n in range(20)
    ]
    assert max(found) <= 1.0


def test_doors_that_the_group_uses_count_for_less() -> None:
    lives = [
        [act(one.at, user=one.user, application=f"shared-{n % 6}", is_verified=True) for n, one in enumerate(life)]
        for life in (_work(5, user=f"peer-{m}", each_day=12) for m in range(8))
    ]
    detectors = _learned(_work(10), *lives)
    found = [
        _value(detectors.observe(act(_after(10) + n, application=f"shared-{n}", is_verified=True)), "lateral_movement")
        for n in range(5)
    ]
    assert max(found) <= 1.0


def test_the_usual_doors_say_nothing_however_often() -> None:
    detectors = _learned(_work(10))
    for n in range(300):
        found = detectors.observe(act(_after(10) + n * 30, application=f"app-{n % 3}"))
        assert _value(found, "lateral_movement") == 0.0


# --- the hour -------------------------------------------------------------------------------------------------------


def test_an_odd_hour_adds_nothing_to_next_to_nothing() -> None:
    rhythm = hours.Rhythm()
    for day in range(40):
        rhythm = hours.fold(rhythm, MORNING + day * DAY, 0)
    night = MORNING + 40 * DAY + 12 * HOUR
    assert hours.find(rhythm, night, 0, 0.9) is None
    assert hours.find(rhythm, MORNING + 41 * DAY, 0, 5.0) is None
    found = hours.find(rhythm, night, 0, 1.0)
    assert found is not None
    assert found.value > 0.3


def test_an_odd_hour_is_nothing_alone_and_makes_worse_what_else_was_found() -> None:
    night = MORNING + 10 * DAY + 18.5 * HOUR
    alone = _learned(_work(10)).observe(act(night, application="app-1"))
    assert _value(alone, "off_hours_activity") == 0.0
    detectors = _learned(_work(10))
    for n in range(5):
        at_night = detectors.observe(act(night + n, application=f"host-{n}"))
    assert _value(at_night, "off_hours_activity") > 0.3
    by_day = _learned(_work(10))
    for n in range(5):
        at_noon = by_day.observe(act(_after(10) + n, application=f"host-{n}"))
    assert _value(at_noon, "off_hours_activity") == 0.0
    assert _value(at_noon, "lateral_movement") >= 2.0
