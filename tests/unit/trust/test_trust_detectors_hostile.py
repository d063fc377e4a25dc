"""Floods, lies and clocks: bounded memory, no exception, nobody denied for what somebody else does."""

from __future__ import annotations

import json
import random
import string
from dataclasses import fields, replace
from typing import Any

import pytest
from detector_acts import (
    BERLIN,
    CURL,
    DAY,
    FIREFOX,
    HOSTING,
    HOUR,
    MINUTE,
    MOBILE,
    SAFARI,
    START,
    SYDNEY,
    act,
    prompt,
    sign_in,
)

from watchword.trust.detectors import INFLICTED, NO_FINDINGS, Detectors, Limits, Row
from watchword.trust.model import Place
from watchword.trust.observation import Act, Agent, Observation

FEW = Limits(users=50, sessions=60, networks=70, programs=20, devices=10, groups=5, marked=15, acts=100, answers=30)


def _size(detectors: Detectors) -> int:
    return sum(len(memory) for memory in detectors._memories.values())


def _flood(detectors: Detectors, acts: int) -> None:
    for n in range(acts):
        names: dict[str, Any] = {
            "user": f"user-{n}",
            "network": f"net-{n}",
            "agent": Agent(f"program/{n}"),
            "session": f"session-{n}",
            "group": f"group-{n}",
            "application": f"app-{n}",
            "resource": f"/r{n}",
        }
        detectors.observe(sign_in(START + n, is_success=False, **names))
        detectors.observe(prompt(START + n, is_success=False, **names))
        detectors.observe(act(START + n, is_verified=True, size_bytes=1 << 40, **names))
        detectors.findings_for(f"user-{n}", "", "", START + n)


def test_no_number_of_accounts_networks_programs_and_sessions_fills_the_memory() -> None:
    detectors = Detectors(limits=FEW)
    _flood(detectors, 500)
    full = _size(detectors)
    _flood(detectors, 1500)
    assert _size(detectors) == full
    assert len(detectors._seen) <= FEW.acts
    assert len(detectors._answers) <= FEW.answers
    assert sum(1 for row in detectors.changes()) == full


def test_no_one_account_network_or_group_fills_the_memory() -> None:
    detectors = Detectors()
    for n in range(3000):
        one: dict[str, Any] = {"user": "ada", "is_verified": n % 2 == 0, "is_success": n % 3 > 0}
        at = START + n * 400
        detectors.observe(sign_in(at, network=f"n{n}", agent=Agent(f"p/{n}"), **one))
        detectors.observe(sign_in(at, **(one | {"user": f"u{n}", "is_success": False})))
        detectors.observe(prompt(at, network=f"n{n}", **one))
        detectors.observe(act(at, network=f"n{n}", application=f"a{n}", resource=f"r{n}", action=f"x{n}", **one))
        detectors.observe(act(at, user="eve", application="wiki", resource=f"r{n}", is_verified=True))
    rows = list(detectors.changes())
    assert max(len(row.data or "") for row in rows) < 100_000
    assert 1000 < sum(len(row.data or "") for row in rows if row.key == "ada") < 15_000


def test_texts_of_a_megabyte_are_cut_to_keys() -> None:
    detectors = Detectors(limits=FEW)
    million = "x" * 1_000_000
    for n, kind in enumerate((Act.SIGN_IN, Act.PROMPT, Act.REQUEST)):
        for is_success in (True, False):
            detectors.observe(
                replace(
                    act(START + n, kind, is_success=is_success, is_verified=is_success),
                    **dict.fromkeys(("id", "user", "network", "device", "session"), f"{million}{n}{is_success}"),
                    **dict.fromkeys(("group", "application", "resource", "action"), million),
                    agent=Agent(million, million, million, million),
                )
            )
    detectors.note_posture(million, {"edr_running": True}, START)
    rows = list(detectors.changes())
    assert rows
    assert sum(len(row.key) + len(row.data or "") for row in rows) < 20_000


_HOSTILE_TEXTS = ["", "\x00", "\ud800", "🦊" * 50, "a\nb", " ", "/", "//", "x" * 5000, "' OR 1=1 --", "usr_1"]
_HOSTILE_FLOATS = [0.0, -1.0, 1e-300, 1e300, float("inf"), float("-inf"), float("nan"), START, START + DAY]


def _hostile(chance: random.Random) -> Observation:
    position = {name: chance.choice([None, *_HOSTILE_FLOATS]) for name in ("latitude", "longitude", "radius_km")}
    texts = {
        field.name: chance.choice([*_HOSTILE_TEXTS, "".join(chance.choices(string.printable, k=8))])
        for field in fields(Observation)
        if field.type == "str"
    }
    return replace(
        act(chance.choice([*_HOSTILE_FLOATS, START + chance.random() * DAY])),
        **texts,
        act=chance.choice(list(Act)),
        is_success=chance.random() < 0.5,
        is_verified=chance.random() < 0.5,
        place=chance.choice([BERLIN, SYDNEY, Place(country="x" * 500, asn=-(10**30), **position)]),
        traits=chance.choice([MOBILE, HOSTING]),
        agent=chance.choice([FIREFOX, SAFARI, CURL, Agent(), Agent("\ud800", "\ud800", " ", "x" * 999)]),
        utc_offset_s=chance.choice([0, -(10**18), 10**18, 3600]),
        size_bytes=chance.choice([0, -5, 10**40, 1 << 30]),
    )


@pytest.mark.parametrize("seed", range(3))
def test_nothing_that_an_observation_says_raises(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # a fixed seed
    detectors = Detectors(clock=lambda: START + 2 * DAY, limits=FEW)
    for _ in range(2000):
        seen = _hostile(chance)
        for finding in (*detectors.judge(seen), *detectors.observe(seen)):
            assert -2.0 <= finding.value <= 6.0
            assert finding.detail
            assert len(finding.detail) < 300
        detectors.findings_for(seen.user, seen.session, seen.network, seen.at)
    copy = Detectors(limits=FEW)
    assert copy.restore(detectors.changes()) == 0


def test_an_act_told_twice_counts_once() -> None:
    once, twice = Detectors(), Detectors()
    for n in range(30):
        one = sign_in(START + n, user=f"u{n}", agent=CURL, is_success=False)
        once.observe(one)
        twice.observe(one)
        assert twice.observe(one) == NO_FINDINGS
    assert sorted(once.changes()) == sorted(twice.changes())


def test_acts_from_the_future_are_not_believed() -> None:
    detectors = Detectors(clock=lambda: START)
    for n in range(40):
        detectors.observe(sign_in(START + HOUR + n, user=f"u{n}", is_success=False))
        detectors.observe(prompt(START + HOUR + n, is_success=False))
    assert list(detectors.changes()) == []


def test_a_clock_that_goes_back_leaves_no_blind_hour() -> None:
    now = START + DAY
    detectors = Detectors(clock=lambda: now)
    for n in range(10):
        detectors.observe(prompt(now - 10 + n, network="elsewhere", session="", is_success=False))
    now = START
    for n in range(5):
        found = detectors.observe(prompt(now - 10 + n, network="elsewhere", session="", is_success=False))
    assert max(one.value for one in found if one.indicator == "mfa_fatigue") >= 2.0
    assert detectors.findings_for("ada", "", "elsewhere", now + HOUR) == ()
    detectors.observe(act(now))
    (stolen,) = detectors.observe(act(now + 1, agent=CURL, user="x"))
    assert stolen.indicator == "token_replay"


def test_a_session_bound_while_the_clock_ran_ahead_is_watched_when_it_went_back() -> None:
    now = START + DAY
    detectors = Detectors(clock=lambda: now)
    detectors.observe(prompt(now))
    now = START
    detectors.observe(act(now))
    (stolen,) = detectors.judge(act(now + MINUTE, agent=CURL))
    assert stolen.indicator == "token_replay"


def test_one_act_long_ago_out_of_order_changes_nothing_now() -> None:
    detectors = Detectors()
    for n in range(5):
        detectors.observe(prompt(START + n, network="elsewhere", session="", is_success=False))
    before = detectors.findings_for("ada", "", "elsewhere", START + 10)
    detectors.observe(prompt(START - 30 * DAY, network="elsewhere", session="", is_success=False))
    detectors.observe(sign_in(START - 30 * DAY, network="elsewhere", is_success=False))
    assert detectors.findings_for("ada", "", "elsewhere", START + 10) == before


def test_whatever_somebody_without_the_session_does_stays_below_denial_for_its_owner() -> None:
    """Everything that can be done from outside against one account: the owner's own session and network stay usable."""
    detectors = Detectors()
    for day in range(3):
        detectors.observe(sign_in(START - (3 - day) * DAY, session="owner", network="home", is_verified=True))
        detectors.observe(act(START - (3 - day) * DAY + 1, session="owner", network="home"))
    for n in range(2000):
        network = f"net-{n % 50}" if n % 2 else "home"
        agent = FIREFOX if n % 3 else CURL
        at = START + n / 10
        detectors.observe(sign_in(at, network=network, agent=agent, is_success=False))
        detectors.observe(sign_in(at, user=f"u{n}", network=network, agent=agent, is_success=False))
        detectors.observe(sign_in(at, user="", network=network, agent=agent, is_success=False))
        detectors.observe(prompt(at, network=network, agent=agent, session="", is_success=False))
        detectors.observe(act(at, network=network, agent=agent, session="made-up", is_success=False))
    now = START + 200
    for network in ("home", "hotel"):
        standing = detectors.findings_for("ada", "owner", network, now)
        assert {one.indicator for one in standing} <= INFLICTED
        assert sum(one.value for one in standing) <= 2.0
    again = detectors.observe(sign_in(now + MINUTE, session="owner-again", network="home", is_verified=True))
    assert sum(one.value for one in again) <= 3.0
    ordinary = detectors.observe(act(now + 2 * MINUTE, session="owner-again", network="home"))
    assert {one.indicator for one in ordinary} <= INFLICTED
    assert sum(one.value for one in ordinary) <= 2.0


def test_what_was_stored_comes_back_and_judges_the_same() -> None:
    detectors = Detectors()
    _flood(detectors, 30)
    for n in range(40):
        detectors.observe(sign_in(START + n, user=f"u{n}", network="bad", agent=CURL, is_success=False))
        detectors.observe(prompt(START + n, network="bad", is_success=False))
        detectors.observe(act(START + n, is_verified=True, size_bytes=1 << 20, application=f"a{n}"))
    detectors.observe(sign_in(START + 60, user="victim", network="bad", agent=CURL))
    detectors.note_posture("laptop", {"edr_running": True}, START)
    detectors.note_posture("laptop", {"edr_running": False}, START + 1)
    rows = list(detectors.changes())
    assert all(json.loads(row.data or "") for row in rows)
    copy = Detectors()
    assert copy.restore(rows) == 0
    assert list(copy.changes()) == []
    for seen in (
        sign_in(START + 70, user="other", network="bad", agent=CURL),
        prompt(START + 70, network="bad"),
        act(START + 70, agent=CURL, device="laptop", size_bytes=1 << 28),
        act(START + 70, user="victim", session="", network="bad"),
    ):
        assert copy.judge(seen) == detectors.judge(seen) != ()
        again = (seen.user, seen.session, seen.network, seen.at)
        assert copy.findings_for(*again) == detectors.findings_for(*again)


@pytest.mark.parametrize("data", [None, "", "{}", "[]", "null", "[[1]]", "[" * 5000, '["x"]', "[NaN,1]", "[[1e999,1]]"])
def test_rows_that_are_not_ours_are_counted_and_left(data: str | None) -> None:
    detectors = Detectors()
    names = [*detectors._memories, "unheard-of"]
    assert detectors.restore(Row(name, "key", data) for name in names) == len(names)
    assert _size(detectors) == 0


def test_a_deleted_account_and_an_ended_session_are_forgotten() -> None:
    detectors = Detectors()
    _flood(detectors, 3)
    for n in range(20):
        detectors.observe(sign_in(START + n, user=f"u{n}", network="bad", is_success=False))
    detectors.observe(sign_in(START + 30, user="user-1", network="bad"))
    detectors.observe(act(START + 31, user="user-1", session="session-1", agent=CURL))
    list(detectors.changes())
    detectors.forget_user("user-1")
    detectors.forget_session("session-1")
    gone = [(row.detector, row.key) for row in detectors.changes() if row.data is None]
    assert ("marked_users", "user-1 bad") in gone
    assert ("sessions", "session-1") in gone
    detectors.restore([])
    kept = [key for memory in detectors._memories.values() for key in memory._known]
    assert not [key for key in kept if key.startswith("user-1") or key == "session-1"]
