"""Password spray: found by the twentieth account, paid for by the next success, and no burden to the neighbours."""

from __future__ import annotations

import pytest
from detector_acts import CURL, DAY, FIREFOX, HOUR, MINUTE, MOBILE, SHARED, START, act, sign_in

from watchword.trust.detectors import INFLICTED, Detectors
from watchword.trust.observation import Finding

ELSEWHERE = "203.0.113.0/24"


def _found(findings: tuple[Finding, ...], indicator: str = "password_spray") -> float:
    return next((finding.value for finding in findings if finding.indicator == indicator), 0.0)


def _spray(detectors: Detectors, accounts: int, gap_s: float, *, start: float = START) -> list[float]:
    return [
        _found(
            detectors.observe(
                sign_in(start + n * gap_s, user=f"user-{n}", network=ELSEWHERE, agent=CURL, is_success=False)
            )
        )
        for n in range(accounts)
    ]


@pytest.mark.parametrize("gap_s", [0.0, 1.0, MINUTE, HOUR, 3 * HOUR])
def test_a_spray_is_found_by_the_twentieth_account_however_slow(gap_s: float) -> None:
    found = _spray(Detectors(), 20, gap_s)
    assert found[19] >= 2.0
    assert found[:8] == [0.0] * 8
    assert found == sorted(found)


def test_sign_ins_that_succeed_there_do_not_hide_a_spray() -> None:
    detectors = Detectors()
    for n in range(10):
        detectors.observe(sign_in(START - HOUR + n, user=f"neighbour-{n}", network=ELSEWHERE))
    assert _spray(detectors, 20, 1.0)[19] >= 2.0


def test_a_spray_from_ever_other_networks_is_found_by_its_program() -> None:
    detectors = Detectors()
    found = [
        _found(detectors.observe(sign_in(START + n, user=f"u{n}", network=f"net-{n}", agent=CURL, is_success=False)))
        for n in range(20)
    ]
    assert found[19] >= 2.0


def test_the_next_success_from_there_pays_for_the_spray() -> None:
    detectors = Detectors()
    _spray(detectors, 20, 1.0)
    success = detectors.observe(sign_in(START + 30, user="victim", network=ELSEWHERE, agent=CURL))
    assert _found(success) >= 4.0
    standing = detectors.findings_for("victim", "new-session", ELSEWHERE, START + 60)
    assert _found(standing) >= 4.0
    assert detectors.findings_for("victim", "old-session", "198.51.100.0/24", START + 60) == ()


def test_a_session_that_the_spray_won_carries_it_everywhere_until_a_second_factor_is_shown() -> None:
    detectors = Detectors()
    _spray(detectors, 20, 1.0)
    detectors.observe(sign_in(START + 30, user="victim", session="won", network=ELSEWHERE, agent=CURL))
    assert _found(detectors.findings_for("victim", "won", "another", START + 60)) >= 4.0
    detectors.observe(
        sign_in(START + 90, user="victim", session="won", network=ELSEWHERE, agent=CURL, is_verified=True)
    )
    assert _found(detectors.findings_for("victim", "won", "another", START + 120)) <= 1.0


def test_whoever_mistypes_and_then_signs_in_is_no_victim() -> None:
    detectors = Detectors()
    for n in range(200):
        at = START + n * MINUTE
        assert _found(detectors.observe(sign_in(at, user=f"u{n}", is_success=False))) == 0.0
        assert _found(detectors.observe(sign_in(at + 20, user=f"u{n}"))) == 0.0


def test_an_office_of_hundreds_has_more_who_give_up() -> None:
    detectors = Detectors()
    for n in range(1000):
        detectors.observe(sign_in(START + n * MINUTE, user=f"u{n}"))
    found = [
        _found(detectors.observe(sign_in(START + (1000 + n) * MINUTE, user=f"u{n}", is_success=False)))
        for n in range(20)
    ]
    assert max(found) == 0.0


def test_a_neighbour_of_the_attacker_is_not_denied_for_him() -> None:
    detectors = Detectors()
    detectors.observe(sign_in(START - 2 * DAY, network=ELSEWHERE, is_verified=True))
    _spray(detectors, 60, 1.0)
    owner = {"at": START + 90, "network": ELSEWHERE}
    assert _found(detectors.judge(sign_in(**owner))) <= 0.5
    assert _found(detectors.judge(sign_in(user="new", is_verified=True, **owner))) <= 1.0
    assert _found(detectors.judge(sign_in(user="new", traits=SHARED, **owner))) <= 2.0
    assert _found(detectors.judge(sign_in(user="new", traits=MOBILE, **owner))) <= 2.0
    running = detectors.judge(act(user="new", session="running", **owner))
    assert {finding.indicator for finding in running} <= INFLICTED
    assert sum(finding.value for finding in running) <= 2.0


def test_nobody_is_at_home_where_he_first_was_an_hour_ago() -> None:
    detectors = Detectors()
    detectors.observe(sign_in(START - HOUR, network=ELSEWHERE, agent=CURL, is_verified=True))
    _spray(detectors, 60, 1.0)
    assert _found(detectors.judge(sign_in(START + 90, network=ELSEWHERE, agent=CURL))) >= 4.0


def test_one_account_that_fails_a_thousand_times_is_no_spray() -> None:
    detectors = Detectors()
    found = [_found(detectors.observe(sign_in(START + n, is_success=False, agent=FIREFOX))) for n in range(1000)]
    assert max(found) == 0.0


def test_a_spray_is_the_same_in_any_order_and_when_told_twice() -> None:
    attempts = [
        sign_in(START + n * 7, user=f"u{n}", network=ELSEWHERE, agent=CURL, is_success=False) for n in range(40)
    ]
    straight, backward = Detectors(), Detectors()
    for attempt in attempts:
        straight.observe(attempt)
    for attempt in [*reversed(attempts), *attempts]:
        backward.observe(attempt)
    after = sign_in(START + 400, user="victim", network=ELSEWHERE, agent=CURL)
    assert straight.judge(after) == backward.judge(after) != ()
