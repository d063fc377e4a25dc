"""What an administrator's verdict takes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from behaviour_world import PARIS, at_home, records_of
from decision_world import DecisionWorld

from watchword.app.verdicts import AnalystsVerdicts
from watchword.kernel import Acr, UserId
from watchword.trust.learning import Feedback, KeptModels


@pytest.mark.parametrize("is_attack", [True, False])
async def test_a_thief_whom_an_administrator_names_does_not_keep_what_the_session_taught(
    world: DecisionWorld, feedback: Feedback, tmp_path: Path, *, is_attack: bool
) -> None:
    visit = await at_home(world)
    thief = await world.session(visit.user, None, ip=PARIS)
    about = {"user": visit.user.id, "session": thief.session.id, "ip": PARIS, "acr": Acr.MULTI_FACTOR.value}
    await world.trust.observe([world.event("identity.session.started", thief.session.id, **about)])
    await world.trust.habits.learn_waiting()
    record = (await records_of(world, thief))[0]
    await world.trust.observe([world.event("identity.session.ended", thief.session.id, reason="signed_out")])
    assert "FR" in world.trust.baseline(visit.user.id).countries
    verdicts = AnalystsVerdicts(feedback, KeptModels.of(tmp_path), world.trust.unlearn)
    await verdicts.give(record, is_attack=is_attack, by=UserId.new(world.clock.now(), world.entropy))
    assert ("FR" in world.trust.baseline(visit.user.id).countries) is not is_attack


async def test_a_session_that_a_verdict_ended_keeps_nothing_on_the_other_nodes_either(world: DecisionWorld) -> None:
    visit = await at_home(world)
    thief = await world.session(visit.user, None, ip=PARIS)
    about = {"user": visit.user.id, "session": thief.session.id, "ip": PARIS, "acr": Acr.MULTI_FACTOR.value}
    await world.trust.observe([world.event("identity.session.started", thief.session.id, **about)])
    await world.trust.habits.learn_waiting()
    assert "FR" in world.trust.baseline(visit.user.id).countries
    await world.trust.observe([world.event("identity.session.ended", thief.session.id, reason="verdict")])
    assert "FR" not in world.trust.baseline(visit.user.id).countries
