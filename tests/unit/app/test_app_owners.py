"""What was in doubt is remembered, bounded; and what owners say of it changes no decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from behaviour_world import EDGE, FIREFOX, PARIS, at_home
from decision_world import DecisionWorld, Visit
from identity_world import CHEAP
from sqlalchemy import text

from watchword.app.owners import DoubtsNoted, OwnersFeedback
from watchword.console import Standing
from watchword.identity import Identity, IdentitySettings
from watchword.kernel import Acr, Answer, SessionId
from watchword.keys import MasterKey, Sealer
from watchword.trust.learning import Doubts, Feedback, KeptModels, Witness


@pytest.fixture
def doubts(world: DecisionWorld) -> Doubts:
    return Doubts(world.database, world.clock)


@pytest.fixture
def noted(world: DecisionWorld, doubts: Doubts, tmp_path: Path) -> DoubtsNoted:
    made = DoubtsNoted(doubts, KeptModels.of(tmp_path))
    world.point.subscribe(made.see)
    return made


@pytest.fixture
def owners(world: DecisionWorld, feedback: Feedback, doubts: Doubts, tmp_path: Path) -> Any:
    (tmp_path / "journal").mkdir()
    sealer = Sealer(MasterKey(b"\x11" * 32), world.entropy)
    settings = IdentitySettings(argon2=CHEAP)
    identity = Identity.open(world.database, world.clock, world.entropy, sealer=sealer, settings=settings)
    kept = KeptModels.of(tmp_path)
    yield OwnersFeedback(
        feedback, doubts, kept, world.point, tmp_path / "journal", identity=identity, clock=world.clock
    )
    identity.close()


async def thief_of(world: DecisionWorld, visit: Visit) -> Visit:
    """Somebody with the password, in another country."""
    return await world.session(visit.user, None, ip=PARIS, mfa_at=None, mfa_network=None, acr=Acr.SINGLE_FACTOR)


async def said(world: DecisionWorld) -> list[tuple[str, bool]]:
    async with world.database.read() as connection:
        rows = (await connection.execute(text("SELECT act, is_attack FROM trust_labels"))).all()
    return [(act, bool(is_attack)) for act, is_attack in rows]


async def test_this_was_not_me_labels_the_newest_act_of_the_session_as_an_attack(
    world: DecisionWorld, owners: OwnersFeedback, feedback: Feedback
) -> None:
    visit = await at_home(world)
    thief = await thief_of(world, visit)
    decision = await world.point.authorize(thief.request(user_agent=EDGE))
    assert decision.answer is Answer.STEP_UP
    await owners.disown(thief.session, by=visit.session)
    found = await feedback.admitted()
    (label,) = (*found.counted, *(held.label for held in found.held))
    assert (label.act, label.user, label.is_attack) == (decision.id, visit.user.id, True)
    assert label.values["new_country"] > 3


async def test_a_session_that_did_nothing_is_labelled_by_its_sign_in(
    world: DecisionWorld, owners: OwnersFeedback
) -> None:
    visit = await at_home(world)
    thief = await world.session(visit.user, None, ip=PARIS)
    await owners.disown(thief.session, by=visit.session)
    assert await said(world) == [(thief.session.id, True)]


async def test_whoever_disowns_without_end_is_not_heard_without_end(
    world: DecisionWorld, owners: OwnersFeedback
) -> None:
    visit = await at_home(world)
    for _ in range(30):
        thief = await world.session(visit.user, None, ip=PARIS)
        await owners.disown(thief.session, by=visit.session)
    assert 0 < len(await said(world)) <= 20


async def test_what_risk_asks_about_or_refuses_is_remembered_and_what_it_lets_in_quietly_is_not(
    world: DecisionWorld, noted: DoubtsNoted, doubts: Doubts
) -> None:
    visit = await at_home(world)
    usual = await world.point.authorize(visit.request(user_agent=FIREFOX))
    assert usual.answer is Answer.ALLOW
    thief = await thief_of(world, visit)
    asked = await world.point.authorize(thief.request(user_agent=EDGE))
    refused = world.procedure.weigh_sign_in(visit.user, PARIS, device_id=None, is_multi_factor=False, user_agent=EDGE)
    assert refused.answer is not Answer.ALLOW
    noted.see(refused)
    await noted.write()
    at_sign_in, in_session = sorted(await doubts.of(visit.user.id), key=lambda doubt: doubt.application)
    assert (in_session.judged.act, in_session.answer, in_session.ip) == (asked.id, Answer.STEP_UP, PARIS)
    assert (in_session.judged.session, in_session.application) == (thief.session.id, "notes")
    assert in_session.judged.values["new_country"] > 3
    # Nobody has a session there, so nobody can be taken for it.
    assert at_sign_in.judged.session == at_sign_in.judged.act == refused.id


async def test_a_thief_with_the_session_alone_is_not_taken_for_its_browser(
    world: DecisionWorld, noted: DoubtsNoted, doubts: Doubts, owners: OwnersFeedback
) -> None:
    visit = await at_home(world)
    stolen = await world.point.authorize(visit.request(user_agent=EDGE, client_ip=PARIS, device_handle=None))
    assert stolen.answer is not Answer.ALLOW
    await noted.write()
    (doubt,) = await doubts.of(visit.user.id)
    # The device of the session counts where somebody vouches; what the thief showed is what its owner reads.
    assert doubt.judged.device == visit.session.device_id
    (shown,) = await owners.flagged(Standing(visit.session, is_fresh=True, is_risky=False))
    assert shown.is_known_device is False


async def test_a_browser_that_was_registered_by_the_sign_in_in_doubt_is_not_a_recognised_one(
    world: DecisionWorld, noted: DoubtsNoted, doubts: Doubts
) -> None:
    visit = await at_home(world)
    fresh = await world.session(visit.user, await world.device(visit.user), ip=PARIS)
    decision = await world.point.authorize(fresh.request(user_agent=EDGE))
    assert decision.device is not None
    await noted.write()
    (doubt,) = await doubts.of(visit.user.id)
    assert doubt.is_known_device is False


async def test_a_flood_of_refused_requests_pushes_nothing_else_out_and_fills_nothing(
    world: DecisionWorld, noted: DoubtsNoted, doubts: Doubts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a thief asks a thousand times, so that the one act that matters is too far down the list."""
    visit = await at_home(world)
    thief = await thief_of(world, visit)
    first = await world.point.authorize(thief.request(user_agent=EDGE))
    for number in range(200):
        noted.see(replace(first, id=f"dec_{number}"))
    await noted.write()
    assert [doubt.judged.act for doubt in await doubts.of(visit.user.id)] == [first.id]
    monkeypatch.setattr("watchword.app.owners._MOST_REMEMBERED", 3)
    monkeypatch.setattr("watchword.app.owners._MOST_WAITING", 5)
    assert first.session is not None
    for _ in range(20):
        session = replace(first.session, id=SessionId.new(world.clock.now(), world.entropy))
        noted.see(replace(first, session=session))
    assert (len(noted._seen), len(noted._waiting)) == (3, 5)


async def test_what_was_in_doubt_is_kept_for_a_month_few_for_each_account_and_goes_with_it(
    world: DecisionWorld, noted: DoubtsNoted, doubts: Doubts, feedback: Feedback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.trust.learning.doubts.MOST_PER_USER", 3)
    visit = await at_home(world)
    for _ in range(5):
        thief = await thief_of(world, visit)
        newest = await world.point.authorize(thief.request(user_agent=EDGE))
        world.clock.advance(timedelta(minutes=1))
    await noted.write()
    found = await doubts.of(visit.user.id)
    assert (len(found), found[0].judged.act) == (3, newest.id)
    await feedback.forget(visit.user.id)
    assert await doubts.of(visit.user.id) == []
    await doubts.keep(found)
    world.clock.advance(timedelta(days=31))
    assert await doubts.of(visit.user.id) == []


async def test_that_was_me_lowers_nothing_in_the_session_in_doubt(
    world: DecisionWorld, noted: DoubtsNoted, doubts: Doubts, feedback: Feedback
) -> None:
    """Attack: a thief has the owner fooled into "that was me"; the thief's session is asked as before."""
    visit = await at_home(world)
    thief = await thief_of(world, visit)
    before = await world.point.authorize(thief.request(user_agent=EDGE))
    await noted.write()
    (doubt,) = await doubts.of(visit.user.id)
    long_ago = world.clock.now() - timedelta(days=9)
    witness = Witness(visit.user.id, visit.session.id, Acr.MULTI_FACTOR, "dev_own", long_ago, long_ago, is_fresh=True)
    await feedback.owner_says(doubt.judged, is_attack=False, witness=witness)
    assert await said(world) == [(before.id, False)]
    assert [doubt.is_owners for doubt in await doubts.of(visit.user.id)] == [True]
    after = await world.point.authorize(thief.request(user_agent=EDGE))
    assert before.assessment is not None
    assert after.assessment is not None
    assert (after.answer, after.assessment.risk) == (before.answer, before.assessment.risk)
    assert await feedback.suppressions() == []


async def test_a_device_that_was_disowned_vouches_for_nothing(
    world: DecisionWorld, owners: OwnersFeedback, noted: DoubtsNoted
) -> None:
    """Attack: a thief, thrown out once, signs in again on the same device and vouches for another of their sessions."""
    visit = await at_home(world)
    device = await world.device(visit.user)
    thrown_out = await world.session(visit.user, device, ip=PARIS)
    await owners.disown(thrown_out.session, by=visit.session)
    elsewhere = await thief_of(world, visit)
    decision = await world.point.authorize(elsewhere.request(user_agent=EDGE))
    await noted.write()
    back = await world.session(visit.user, device, ip=PARIS)
    shown = await owners.flagged(Standing(back.session, is_fresh=True, is_risky=False))
    (act,) = (each for each in shown if each.reference == decision.id)
    assert act.obstacle == "this session is in doubt as well"
