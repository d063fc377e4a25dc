"""The running node follows the promoted score and the suppressions, and hands on what owners say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from behaviour_world import EDGE, FIREFOX, PARIS, at_home
from decision_world import NOTES, DecisionWorld
from sqlalchemy import text

from watchword.app.behaviour import Abreast, OwnersFeedback
from watchword.kernel import Acr, Answer, FrozenClock
from watchword.storage import Database
from watchword.trust import STATISTICAL
from watchword.trust.behaviour import Model
from watchword.trust.learning import Feedback, KeptModels, Scope


@pytest.fixture
async def world(
    anyio_backend: str,  # noqa: ARG001  # for anyio
    migrated_sqlite_url: str,
    clock: FrozenClock,
    entropy: Any,
) -> AsyncIterator[DecisionWorld]:
    database = Database(migrated_sqlite_url)
    yield DecisionWorld(database, clock, entropy, applications=(replace(NOTES, profile=STATISTICAL),))
    await database.close()


@pytest.fixture
def feedback(world: DecisionWorld) -> Feedback:
    return Feedback(world.database, world.clock, world.entropy)


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


async def test_this_was_not_me_labels_the_newest_act_of_the_session_as_an_attack(
    world: DecisionWorld, feedback: Feedback, kept: KeptModels, tmp_path: Path
) -> None:
    visit = await at_home(world)
    thief = await world.session(visit.user, None, ip=PARIS, mfa_at=None, mfa_network=None, acr=Acr.SINGLE_FACTOR)
    decision = await world.point.authorize(thief.request(user_agent=EDGE))
    assert decision.answer is Answer.STEP_UP
    listening = OwnersFeedback(feedback, kept, world.point, tmp_path)
    await listening.disown(thief.session, by=visit.session)
    found = await feedback.admitted()
    (label,) = (*found.counted, *(held.label for held in found.held))
    assert (label.act, label.user, label.is_attack) == (decision.id, visit.user.id, True)
    assert label.values["new_country"] > 3


async def test_a_session_that_did_nothing_is_labelled_by_its_sign_in(
    world: DecisionWorld, feedback: Feedback, kept: KeptModels, tmp_path: Path
) -> None:
    visit = await at_home(world)
    thief = await world.session(visit.user, None, ip=PARIS)
    (tmp_path / "journal").mkdir()
    await OwnersFeedback(feedback, kept, world.point, tmp_path / "journal").disown(thief.session, by=visit.session)
    assert await _labels(world) == [thief.session.id]


async def test_whoever_disowns_without_end_is_not_heard_without_end(
    world: DecisionWorld, feedback: Feedback, kept: KeptModels, tmp_path: Path
) -> None:
    visit = await at_home(world)
    (tmp_path / "journal").mkdir()
    listening = OwnersFeedback(feedback, kept, world.point, tmp_path / "journal")
    for _ in range(30):
        thief = await world.session(visit.user, None, ip=PARIS)
        await listening.disown(thief.session, by=visit.session)
    assert 0 < len(await _labels(world)) <= 20


async def _labels(world: DecisionWorld) -> list[str]:
    async with world.database.read() as connection:
        return list((await connection.execute(text("SELECT act FROM trust_labels"))).scalars())
