"""Sign-ins that risk refuses: what is left of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from decision_world import HOME, LONDON, DecisionWorld

from watchword.app.adapters import RiskAdapter
from watchword.audit import JournalUnwritableError
from watchword.decision import Decision
from watchword.identity import Client, UserFacts
from watchword.kernel import Answer, FrozenClock
from watchword.storage import Database

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class Desk:
    """A risk adapter over the real procedure, with what it recorded and whom it told."""

    def __init__(self, world: DecisionWorld) -> None:
        self.records: list[Mapping[str, Any]] = []
        self.told: list[Decision] = []
        self.error: Exception | None = None
        self.adapter = RiskAdapter(world.procedure, self.told.append, self._record)

    async def _record(self, record: Mapping[str, Any]) -> int:
        if self.error is not None:
            raise self.error
        self.records.append(record)
        return len(self.records)


@pytest.fixture
def world(plain_database: Database, clock: FrozenClock, entropy: Any) -> DecisionWorld:
    return DecisionWorld(plain_database, clock, entropy)


async def stranger(world: DecisionWorld) -> UserFacts:
    """Return somebody whose account others are guessing at, from a browser that nobody knows."""
    user = (await world.visit()).user
    await world.fail_sign_ins(user)
    return user


async def test_a_sign_in_that_risk_refuses_is_in_the_journal_under_the_reference_it_is_told(
    world: DecisionWorld,
) -> None:
    user, desk = await stranger(world), Desk(world)
    verdict = await desk.adapter.assess_sign_in(user, Client(LONDON, FIREFOX), device_id=None, is_multi_factor=True)
    assert verdict.answer is Answer.DENY
    (record,) = desk.records
    assert (record["type"], record["id"]) == ("decision", verdict.reference)
    assert (record["user"], record["answer"], record["reasons"]) == (user.id, "deny", ["risk_high"])
    assert record["personal"]["ip"] == LONDON
    assert [decision.id for decision in desk.told] == [verdict.reference]


async def test_a_sign_in_that_is_let_in_is_left_to_the_session_it_begins(world: DecisionWorld) -> None:
    user, desk = await world.person(), Desk(world)
    device, client = await world.device(user), Client(HOME, FIREFOX)
    verdict = await desk.adapter.assess_sign_in(user, client, device_id=device.id, is_multi_factor=True)
    assert (verdict.answer, verdict.reference, desk.records, desk.told) == (Answer.ALLOW, None, [], [])


async def test_a_refusal_that_cannot_be_recorded_is_a_refusal_without_a_reference(world: DecisionWorld) -> None:
    user, desk = await stranger(world), Desk(world)
    desk.error = JournalUnwritableError("the disk is full")
    verdict = await desk.adapter.assess_sign_in(user, Client(LONDON, FIREFOX), device_id=None, is_multi_factor=True)
    assert (verdict.answer, verdict.reference) == (Answer.DENY, None)
