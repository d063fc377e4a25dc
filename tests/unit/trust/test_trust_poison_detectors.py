"""An attacker who knows how the detectors count: what he leaves out, mixes in, asks for in turn, and waits for."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from math import isfinite
from typing import Any

import pytest
from detector_acts import CURL, DAY, FIREFOX, HOUR, MINUTE, START, act, prompt, sign_in

from watchword.trust.detectors import INFLICTED, Detectors, Limits, Row
from watchword.trust.observation import Agent, Finding

EVIL = "203.0.113.0/24"


def _found(findings: tuple[Finding, ...], indicator: str) -> float:
    return next((finding.value for finding in findings if finding.indicator == indicator), 0.0)


def test_a_thief_who_sends_no_user_agent_is_found_at_the_first_request() -> None:
    detectors = Detectors()
    detectors.observe(sign_in(START, session="s", is_verified=True))
    assert _found(detectors.judge(act(START + MINUTE, session="s", agent=Agent())), "token_replay") >= 3.0
    assert detectors.judge(act(START + MINUTE, session="s")) == ()


def test_a_session_that_never_named_its_program_goes_on_without_doing_so() -> None:
    detectors = Detectors()
    detectors.observe(sign_in(START, session="s", agent=Agent(), is_verified=True))
    assert detectors.judge(act(START + MINUTE, session="s", agent=Agent())) == ()


def test_a_sprayer_who_signs_in_to_his_own_account_in_between_is_found_by_the_twentieth_account() -> None:
    detectors = Detectors()
    found = 0.0
    for n in range(20):
        at = START + 60.0 * n
        for own in range(60):
            detectors.observe(sign_in(at + own / 2, user="mallory", network=EVIL, agent=CURL))
        failed = sign_in(at + 40, user=f"u{n}", network=EVIL, agent=CURL, is_success=False)
        found = _found(detectors.observe(failed), "password_spray")
    assert found >= 2.0


def test_a_stuffer_who_signs_in_to_his_own_account_in_between_is_found() -> None:
    detectors = Detectors()
    for own in range(1000):
        detectors.observe(sign_in(START + own, user="mallory", network=EVIL, agent=CURL))
    found = [
        _found(
            detectors.observe(sign_in(START + 1000 + n, user="", network=EVIL, agent=CURL, is_success=False)),
            "credential_stuffing",
        )
        for n in range(30)
    ]
    assert max(found) >= 2.0


FEW = Limits(users=500, sessions=60, networks=200, programs=100, devices=10, groups=5, marked=50, acts=100, answers=30)


def test_a_sprayer_who_floods_the_memory_with_networks_and_programs_is_found_all_the_same() -> None:
    """Attack: between the spray and the sign-in a thousand failures, each from another /48 and with another program."""
    detectors = Detectors(limits=FEW)
    for n in range(30):
        detectors.observe(sign_in(START + n, user=f"u{n}", network=EVIL, agent=CURL, is_success=False))
        detectors.observe(sign_in(START + n, user="", network=EVIL, agent=CURL, is_success=False))
    for n in range(1000):
        user = "" if n % 2 else f"v{n}"
        flood = {"user": user, "network": f"2001:db8:{n:x}::/48", "agent": Agent(f"x/{n}"), "is_success": False}
        detectors.observe(sign_in(START + 100 + n, **flood))
    assert len(detectors._entrance.networks) == 200
    found = detectors.judge(sign_in(START + 2000, user="victim", network=EVIL, agent=CURL))
    assert _found(found, "password_spray") >= 4.0
    assert _found(found, "credential_stuffing") >= 4.0


def test_what_was_tried_long_ago_makes_room_for_what_is_tried_now() -> None:
    detectors = Detectors(limits=FEW)
    for old in range(200):
        for n in range(30):
            detectors.observe(sign_in(START + n, user=f"u{n}", network=f"old-{old}", agent=CURL, is_success=False))
    for n in range(400):
        detectors.observe(sign_in(START + 30 * DAY + n, user="x", network=f"new-{n}", agent=CURL, is_success=False))
    assert not [name for name in detectors._entrance.networks.keys() if name.startswith("old")]  # noqa: SIM118  # no dictionary


def _people_with_many_habits() -> Detectors:
    detectors = Detectors()
    for hour in range(40):
        for kind in range(24):
            detectors.observe(act(START + hour * HOUR + kind, resource=f"/k{kind}", is_verified=True))
    return detectors


@pytest.mark.parametrize("is_new_account", [True, False])
def test_a_harvest_of_ever_other_kinds_in_turn_is_a_bulk_read(*, is_new_account: bool) -> None:
    """Each kind that is asked for makes the one before be forgotten, so that none is ever many."""
    detectors = Detectors() if is_new_account else _people_with_many_habits()
    start = START + 50 * HOUR
    worst = 0.0
    for n in range(700):
        for resource in ("/aaa-contracts", f"/junk{n % 40}"):
            worst = max(worst, _found(detectors.observe(act(start + n, resource=resource)), "bulk_read"))
    assert worst > 0.9


def test_kinds_made_up_by_a_thief_crowd_out_no_habit_and_fill_no_memory() -> None:
    detectors = _people_with_many_habits()
    before = set(detectors._conduct.rates.get("ada").kinds)
    for n in range(500):
        detectors.observe(act(START + 50 * HOUR + n, resource=f"/junk{n}"))
    kinds = detectors._conduct.rates.get("ada").kinds
    assert len(before & set(kinds)) >= 23
    assert len(kinds) <= 25
    copy = Detectors()
    assert copy.restore(detectors.changes()) == 0


def test_what_is_asked_for_in_many_kinds_now_and_then_is_no_bulk_read() -> None:
    detectors = _people_with_many_habits()
    for n in range(30):
        found = detectors.observe(act(START + 50 * HOUR + n * MINUTE, resource=f"/other{n}"))
        assert _found(found, "bulk_read") == 0.0


def test_a_copy_of_everything_in_small_pieces_is_found_by_its_volume() -> None:
    """Each answer adds less than a fiftieth to the hour, and is nothing by itself."""
    detectors = Detectors()
    for hour in range(60):
        detectors.observe(act(START + hour * HOUR, is_verified=True, size_bytes=100 << 20))
    worst = 0.0
    for n in range(3000):
        found = detectors.observe(act(START + 70 * HOUR + n, resource=f"/{n}", size_bytes=4 << 20))
        worst = max(worst, _found(found, "volume"))
    assert worst >= 1.5


def test_the_owner_s_own_session_is_not_held_for_what_another_one_copies() -> None:
    detectors = Detectors()
    for hour in range(60):
        detectors.observe(act(START + hour * HOUR, is_verified=True, size_bytes=100 << 20))
    start = START + 70 * HOUR
    detectors.observe(act(start, session="owner", size_bytes=10 << 20))
    for n in range(300):
        detectors.observe(act(start + n, session="thief", size_bytes=100 << 20))
    assert _found(detectors.judge(act(start + 400, session="thief")), "volume") >= 2.0
    assert _found(detectors.observe(act(start + 400, session="owner", size_bytes=10 << 20)), "volume") == 0.0


def test_an_insider_who_is_refused_at_one_door_every_hour_makes_no_walk_through_the_house_usual() -> None:
    detectors = Detectors()
    for hour in range(30 * 24):
        at = START + hour * (HOUR + MINUTE)
        detectors.observe(act(at, is_verified=True))
        refused = detectors.observe(act(at + 1, application=f"closed{hour % 3}", is_success=False))
        assert _found(refused, "lateral_movement") < 0.5
    start = START + 31 * DAY
    walked = [detectors.observe(act(start + n * MINUTE, application=f"new{n}")) for n in range(8)]
    assert max(_found(found, "lateral_movement") for found in walked) >= 3.0


# --- clocks -----------------------------------------------------------------------------------------------------------


def _harvest(detectors: Detectors, start: float, *, size_bytes: int, pieces: int = 400) -> dict[str, float]:
    worst: dict[str, float] = {}
    for n in range(pieces):
        for finding in detectors.observe(act(start + n, is_verified=True, size_bytes=size_bytes)):
            worst[finding.indicator] = max(worst.get(finding.indicator, 0.0), finding.value)
    return worst


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_clock_that_was_a_year_ahead_hides_no_harvest_until_then(*, is_restarted: bool) -> None:
    now = [START + 400 * DAY]
    detectors = Detectors(clock=lambda: now[0])
    for day in range(20):
        for hour in range(3):
            now[0] = START + (400 + day) * DAY + hour * HOUR
            detectors.observe(act(now[0], is_verified=True, size_bytes=1 << 20))
    detectors.note_posture("laptop", {"edr_running": True}, now[0])
    now[0] = START
    if is_restarted:
        rows = list(detectors.changes())
        detectors = Detectors(clock=lambda: now[0])
        assert detectors.restore(rows) == 0
    detectors.observe(act(START, is_verified=True))
    now[0] = START + 2 * HOUR
    assert _harvest(detectors, START + HOUR, size_bytes=0)["bulk_read"] > 0.9
    assert _harvest(detectors, START + HOUR, size_bytes=50 << 20)["volume"] >= 2.0
    detectors.note_posture("laptop", {"edr_running": False}, now[0])
    assert _found(detectors.judge(act(now[0], device="laptop")), "posture_change") > 1.0


@pytest.mark.parametrize("is_restarted", [False, True])
def test_what_was_found_while_the_clock_ran_ahead_does_not_stand_until_then(*, is_restarted: bool) -> None:
    now = [START + 400 * DAY]
    detectors = Detectors(clock=lambda: now[0])
    detectors.observe(sign_in(now[0], session="s", is_verified=True))
    assert detectors.observe(act(now[0] + 1, session="s", agent=CURL)) != ()
    for n in range(40):
        detectors.observe(sign_in(now[0] + n, user=f"u{n}", network=EVIL, is_success=False))
        detectors.observe(prompt(now[0] + n, network=EVIL, is_success=False))
    now[0] = START
    if is_restarted:
        rows = list(detectors.changes())
        detectors = Detectors(clock=lambda: now[0])
        assert detectors.restore(rows) == 0
    detectors.observe(act(START, user="somebody", session="other"))
    assert detectors.findings_for("ada", "s", EVIL, START + 4 * DAY) == ()


# --- prompts ----------------------------------------------------------------------------------------------------------


def test_a_prompt_that_was_wrung_out_of_somebody_while_signing_in_stays_with_the_session() -> None:
    """A sign-in that needs a second factor is one act; nothing tells that it was given in it."""
    detectors = Detectors()
    for n in range(5):
        detectors.observe(prompt(START + n * MINUTE, network=EVIL, session="", is_success=False))
    detectors.observe(sign_in(START + 5 * MINUTE, network=EVIL, session="won", is_verified=True))
    assert _found(detectors.findings_for("ada", "won", EVIL, START + HOUR), "mfa_fatigue") >= 3.0


def test_somebody_who_is_bombed_signs_in_at_home_without_being_denied_for_it() -> None:
    detectors = Detectors()
    detectors.observe(sign_in(START - DAY, network="home", session="old", is_verified=True))
    for n in range(50):
        detectors.observe(prompt(START + n, network=EVIL, session="", is_success=False))
    found = detectors.observe(sign_in(START + MINUTE, network="home", session="new", is_verified=True))
    assert {finding.indicator for finding in found} <= INFLICTED


# --- what was stored --------------------------------------------------------------------------------------------------


def _damaged(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        return {key: _damaged(item, chance) for key, item in value.items() if chance.random() < 0.95}
    if isinstance(value, list):
        return [_damaged(item, chance) for item in value]
    if chance.random() < 0.15:
        odd: tuple[Any, ...] = (0, -1, 1e308, -1e308, 1e17, 5e-324, 2**70, -(2**70), None, "x", True, [], {}, START)
        return chance.choice(odd)
    return value


def test_states_damaged_in_storage_are_refused_or_judge_in_numbers() -> None:
    whole = Detectors()
    for n in range(40):
        at = START + n * HOUR
        whole.observe(sign_in(at, user=f"u{n}", network=EVIL, agent=CURL, is_success=False))
        whole.observe(prompt(at, network=EVIL, is_success=False))
        whole.observe(sign_in(at + 1, session="s", is_verified=True))
        whole.observe(act(at + 2, session="s", is_verified=True, size_bytes=1 << 22, application=f"a{n % 9}"))
        whole.observe(act(at + 3, session="s", agent=CURL, device="laptop"))
        for peer in range(6):
            whole.observe(act(at + 4, user=f"peer{peer}", session="", is_verified=True, application=f"p{n % 3}"))
    whole.note_posture("laptop", {"edr_running": True}, START)
    whole.note_posture("laptop", {"edr_running": False}, START + 1)
    rows = list(whole.changes())
    chance = random.Random(7)  # noqa: S311  # a fixed seed
    end = START + 40 * HOUR
    for _ in range(60):
        damaged = [Row(row.detector, row.key, json.dumps(_damaged(json.loads(row.data or ""), chance))) for row in rows]
        detectors = Detectors(clock=lambda: end + DAY)
        detectors.restore(damaged)
        for seen in (
            sign_in(end, user="u3", network=EVIL, agent=CURL, session="s"),
            sign_in(end, network=EVIL, agent=CURL, is_success=False),
            prompt(end, network=EVIL, is_verified=True),
            act(end, session="s", is_verified=True, size_bytes=1 << 30, application="new", agent=FIREFOX),
            act(end + HOUR, session="s", device="laptop", application="a1"),
        ):
            again = replace(seen, id=f"{seen.id}-again", at=seen.at + 2 * HOUR)
            for finding in (*detectors.judge(seen), *detectors.observe(seen), *detectors.observe(again)):
                assert isfinite(finding.value)
                assert finding.value <= 6.0
        detectors.findings_for("ada", "s", EVIL, end)
        copy = Detectors()
        assert copy.restore(detectors.changes()) == 0
