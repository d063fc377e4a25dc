"""Released decisions become acts: a few at a time, each thing once, and never more than fits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from decision_world import LONDON, NOTES, TOKYO, DecisionWorld, Visit

from watchword.app.acts import Acts
from watchword.kernel import FrozenClock
from watchword.storage import Database
from watchword.trust import STATISTICAL, Act, usual_of

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def world(plain_database: Database, clock: FrozenClock, entropy: Any) -> DecisionWorld:
    return DecisionWorld(plain_database, clock, entropy, applications=(replace(NOTES, profile=STATISTICAL),))


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
