"""The running node follows the promoted score and the suppressions, and hands on what owners say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from behaviour_world import EDGE, FIREFOX, PARIS, at_home
from decision_world import DecisionWorld, Visit
from sqlalchemy import text

from watchword.app.behaviour import Abreast, StepUpOutcomes
from watchword.decision import Decision
from watchword.kernel import Acr, Answer, SessionId
from watchword.trust.behaviour import Model
from watchword.trust.learning import Feedback, KeptModels, Scope


@pytest.fixture
def kept(tmp_path: Path) -> KeptModels:
    return KeptModels.of(tmp_path)


async def test_a_promoted_score_is_in_force_at_the_next_look_and_rolled_back_as_well(
    world: DecisionWorld, feedback: Feedback, kept: KeptModels
) -> None:
    abreast = Abreast(kept, feedback, world.trust.habits)
    await abreast.look()
    visit = await at_home(world)
    refitted = Model(name="refitted", version="1", bias=-3.0)
    kept.promote(refitted, over=kept.current())
    await abreast.look()
    decision = visit.asks(user_agent=FIREFOX)
    assert decision.assessment is not None
    assert decision.assessment.versions["model"] == refitted.label
    kept.rollback()
    await abreast.look()
    assert world.trust.habits.model.label == kept.shipped.label


async def test_a_promoted_score_that_was_tampered_with_is_not_taken_and_the_one_before_stays(
    world: DecisionWorld, feedback: Feedback, kept: KeptModels, tmp_path: Path
) -> None:
    """Attack: somebody edits the weights on disk, so that a new country weighs nothing."""
    abreast = Abreast(kept, feedback, world.trust.habits)
    await abreast.look()
    kept.promote(Model(name="refitted", bias=-3.0), over=kept.current())
    file = next((tmp_path / "trust" / "models").glob("0*.json"))
    file.chmod(0o600)
    file.write_text(file.read_text().replace("-3.0", "-9.0"))
    await abreast.look()
    assert abreast.problem is not None
    assert world.trust.habits.model.label == kept.shipped.label


async def test_what_an_administrator_suppressed_says_nothing_against_that_user_there(
    world: DecisionWorld, feedback: Feedback, kept: KeptModels
) -> None:
    visit = await at_home(world)
    away = await world.session(visit.user, None, ip=PARIS, mfa_at=None, mfa_network=None, acr=Acr.SINGLE_FACTOR)
    before = away.asks(user_agent=FIREFOX)
    await feedback.suppress(visit.user.id, Scope.COUNTRY, "FR", days=7, reason="a conference", actor="cli:root")
    await Abreast(kept, feedback, world.trust.habits).look()
    after = away.asks(user_agent=FIREFOX)
    assert before.assessment is not None
    assert after.assessment is not None
    assert before.assessment.weighed is not None
    assert after.assessment.weighed is not None
    assert after.assessment.weighed.log_odds < before.assessment.weighed.log_odds - 3
    points = {each.indicator: each.points for each in after.assessment.contributions}
    assert points["new_country"] == 0
    assert sum(points.values()) == after.assessment.weighed.log_odds


@pytest.fixture
def outcomes(world: DecisionWorld, feedback: Feedback, kept: KeptModels) -> StepUpOutcomes:
    made = StepUpOutcomes(feedback, kept, world.clock, lambda _: Acr.PHISHING_RESISTANT)
    world.point.subscribe(made.see)
    return made


async def asked(world: DecisionWorld) -> tuple[Visit, Decision]:
    """Make somebody whom behaviour asks for a second factor, twice in a row."""
    visit = await at_home(world)
    away = await world.session(visit.user, None, ip=PARIS, mfa_at=None, mfa_network=None, acr=Acr.SINGLE_FACTOR)
    first, _ = [await world.point.authorize(away.request(user_agent=EDGE)) for _ in range(2)]
    assert first.answer is Answer.STEP_UP
    return away, first


async def test_a_second_factor_that_was_given_speaks_for_the_owner_once(
    world: DecisionWorld, outcomes: StepUpOutcomes
) -> None:
    away, decision = await asked(world)
    stepped_up = world.event("identity.session.stepped_up", away.session.id)
    await outcomes.observe([stepped_up, stepped_up])
    await outcomes.learn()
    world.clock.advance(timedelta(hours=1))
    await outcomes.learn()
    [(act, is_attack, weight)] = await _weak(world)
    assert (act, is_attack) == (decision.id, False)
    assert 0 < weight < 1


async def test_a_second_factor_that_never_came_speaks_a_little_against(
    world: DecisionWorld, outcomes: StepUpOutcomes
) -> None:
    away, decision = await asked(world)
    world.clock.advance(timedelta(minutes=14))
    await outcomes.learn()
    assert await _labels(world) == []
    world.clock.advance(timedelta(minutes=1))
    await outcomes.learn()
    [(act, is_attack, weight)] = await _weak(world)
    assert (act, is_attack) == (decision.id, True)
    assert 0 < weight < 1
    await outcomes.observe([world.event("identity.session.stepped_up", away.session.id)])
    await outcomes.learn()
    assert await _labels(world) == [decision.id]


async def test_what_was_said_of_somebody_who_is_gone_goes_with_them(
    world: DecisionWorld, outcomes: StepUpOutcomes
) -> None:
    away, _ = await asked(world)
    await outcomes.observe([world.event("identity.session.stepped_up", away.session.id)])
    await outcomes.learn()
    assert len(await _labels(world)) == 1
    await outcomes.observe([world.event("identity.user.deleted", away.user.id)])
    await outcomes.learn()
    assert await _labels(world) == []


async def test_sessions_that_are_asked_and_never_answer_fill_no_memory(
    world: DecisionWorld, outcomes: StepUpOutcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.app.behaviour._MOST_ASKED", 2)
    _, decision = await asked(world)
    assert decision.session is not None
    for _ in range(5):
        session = replace(decision.session, id=SessionId.new(world.clock.now(), world.entropy))
        outcomes.see(replace(decision, session=session))
    assert len(outcomes._asked) == 2


async def _labels(world: DecisionWorld) -> list[str]:
    async with world.database.read() as connection:
        return list((await connection.execute(text("SELECT act FROM trust_labels"))).scalars())


async def _weak(world: DecisionWorld) -> list[tuple[str, bool, float]]:
    async with world.database.read() as connection:
        rows = (await connection.execute(text("SELECT act, is_attack, weight FROM trust_labels"))).all()
    return [(act, bool(is_attack), weight) for act, is_attack, weight in rows]
