"""Released decisions become acts: a few at a time, each thing once, and never more than fits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from decision_world import LONDON, TOKYO, DecisionWorld, Visit

from watchword.app.acts import Acts
from watchword.decision import Decision
from watchword.kernel import DecisionId, Obligation, body_rules
from watchword.trust import Act, usual_of
from watchword.trust.detectors import Detectors

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def acts(world: DecisionWorld) -> Acts:
    made = Acts(world.trust, world.places)
    world.point.subscribe(made.note)
    world.trust.habits.fed_by(made.drain)
    return made


async def asked(world: DecisionWorld, visit: Visit, path: str = "/", method: str = "GET", **about: Any) -> None:
    await world.point.authorize(visit.request(path, method, **{"user_agent": FIREFOX, **about}))


async def visit_from(world: DecisionWorld, ip: str = LONDON, **about: Any) -> Visit:
    user = await world.person()
    return await world.session(user, await world.device(user), ip=ip, **about)


async def test_an_allowed_request_of_a_verified_session_teaches_what_was_asked_for(
    world: DecisionWorld, acts: Acts
) -> None:
    del acts
    visit = await visit_from(world)
    await asked(world, visit)
    await asked(world, visit, "/press", "POST")
    assert world.trust.habits.known(visit.user.id).profile.learned == 0
    await world.trust.habits.learn_waiting()
    usual = usual_of(world.trust.habits.known(visit.user.id).profile)
    assert usual.history == 2
    assert usual.applications == (("notes", 1.0),)
    assert usual.countries == ()


async def test_what_was_refused_or_asked_again_teaches_nothing(world: DecisionWorld, acts: Acts) -> None:
    del acts
    user = await world.person()
    stranger = await world.session(user, None, ip=TOKYO, mfa_at=None, mfa_network=None)
    await asked(world, stranger)
    password_only = await world.session(user, await world.device(user), mfa_at=None, mfa_network=None)
    await asked(world, password_only)
    await asked(world, password_only, session_handle="made-up")
    await world.trust.habits.learn_waiting()
    assert world.trust.habits.known(user.id).profile.learned == 0


async def test_repetitions_count_with_the_first_and_are_bounded(world: DecisionWorld, acts: Acts) -> None:
    visit = await visit_from(world)
    world.clock.advance(timedelta(seconds=7.3))
    for _ in range(80):
        await asked(world, visit)
        world.clock.advance(timedelta(milliseconds=10))
    drained = list(acts.drain())
    assert len(drained) == 50
    assert len({observation.id for observation in drained}) == 50
    assert {observation.act for observation in drained} == {Act.REQUEST}
    assert list(acts.drain()) == []


async def test_a_stranger_without_a_session_is_not_noted(world: DecisionWorld, acts: Acts) -> None:
    visit = await visit_from(world)
    await asked(world, visit, session_handle=None)
    await asked(world, visit, client_ip="not an address")
    assert list(acts.drain()) == []


async def test_a_flood_of_different_requests_fills_no_memory(
    world: DecisionWorld, acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.app.acts._MOST", 3)
    visit = await visit_from(world)
    for path in ("/", "/press", "/vault", "/admin"):
        for method in ("GET", "POST"):
            await asked(world, visit, path, method)
    assert len(list(acts.drain())) == 3
    assert acts.dropped == 5


# --- how much was read -----------------------------------------------------------------------------------------------


async def measured(world: DecisionWorld, visit: Visit) -> Decision:
    """Make a decision whose answer passes through the door's filter."""
    decision = await world.point.authorize(visit.request(user_agent=FIREFOX))
    assert decision.permit is not None
    return replace(decision, obligations=(Obligation("mask", rules=body_rules()),))


async def test_the_size_of_an_answer_that_rules_look_into_comes_with_its_act(world: DecisionWorld) -> None:
    acts = Acts(world.trust, world.places)
    decision = await measured(world, await visit_from(world))
    acts.note(decision)
    again = replace(decision, id=DecisionId.new(world.clock.now(), world.entropy), repeats=decision.id)
    acts.note(again)
    acts.measure(decision.id, 1000)
    assert list(acts.drain()) == []
    acts.measure(again.id, 500)
    assert [seen.size_bytes for seen in acts.drain()] == [1500, 0]
    assert list(acts.drain()) == []


async def test_an_answer_that_never_ends_holds_its_act_for_half_a_minute_and_is_forgotten(world: DecisionWorld) -> None:
    acts = Acts(world.trust, world.places)
    decision = await measured(world, await visit_from(world))
    acts.note(decision)
    assert [len(list(acts.drain())) for _ in range(8)] == [0, 0, 0, 0, 0, 0, 1, 0]
    assert not acts._awaited
    acts.measure(decision.id, 1 << 30)
    acts.measure("dec_of_nobody", 1 << 30)
    acts.note(replace(decision, obligations=()))
    assert [seen.size_bytes for seen in acts.drain()] == [0]


async def test_somebody_who_reads_a_thousand_times_as_much_as_ever_is_seen_by_the_bytes(world: DecisionWorld) -> None:
    """Attack: one export instead of many requests: nothing is frequent, and one answer is huge."""
    acts, detectors = Acts(world.trust, world.places), Detectors()
    decision = await measured(world, await visit_from(world))

    def read(size: int, hours: int) -> list[float]:
        at = decision.at + timedelta(hours=hours)
        made = replace(decision, id=DecisionId.new(at, world.entropy), at=at)
        acts.note(made)
        acts.measure(made.id, size)
        (seen,) = acts.drain()
        return [each.value for each in detectors.observe(replace(seen, is_verified=True)) if each.indicator == "volume"]

    for hour in range(40):
        read(40_000, hour)
    assert not any(read(40_000, 41))
    assert max(read(40_000_000, 42)) > 1
