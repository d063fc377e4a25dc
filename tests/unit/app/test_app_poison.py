"""Whoever floods a node, or wears its people down, from within a session of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from behaviour_world import EDGE, PARIS, at_home, records_of
from decision_world import LONDON, DecisionWorld
from identity_world import CHEAP
from sqlalchemy import text

from watchword.app.acts import Acts
from watchword.app.behaviour import StepUpOutcomes
from watchword.app.owners import OwnersFeedback, _newest_of
from watchword.audit import Record
from watchword.identity import Identity, IdentitySettings
from watchword.kernel import Acr, Answer, SessionId
from watchword.keys import MasterKey, Sealer
from watchword.trust import replay
from watchword.trust.behaviour import Model
from watchword.trust.learning import Doubts, Feedback, KeptModels
from watchword.trust.replay import Outcome


async def test_whoever_asks_for_ever_other_things_leaves_room_for_what_others_ask_for(
    world: DecisionWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.app.acts._MOST", 4)
    monkeypatch.setattr("watchword.app.acts._MOST_OF_USER", 2)
    acts = Acts(world.trust, world.places)
    world.point.subscribe(acts.note)
    flooder, victim = await world.visit(name="mallory"), await world.visit(name="ada")
    for _ in range(2):
        for path in ("/", "/press", "/vault", "/admin", "/x"):
            await world.point.authorize(flooder.request(path, "POST"))
        await world.point.authorize(victim.request("/vault"))
        assert [act.user for act in acts.drain()] == [flooder.user.id, flooder.user.id, victim.user.id]
    assert acts.dropped == 6


async def test_a_thief_who_signed_out_in_time_does_not_keep_what_the_session_taught(
    world: DecisionWorld, feedback: Feedback, tmp_path: Path
) -> None:
    visit = await at_home(world)
    thief = await world.session(visit.user, None, ip=PARIS)
    about = {"user": visit.user.id, "session": thief.session.id, "ip": PARIS, "acr": Acr.MULTI_FACTOR.value}
    await world.trust.observe([world.event("identity.session.started", thief.session.id, **about)])
    await world.trust.habits.learn_waiting()
    await world.trust.observe([world.event("identity.session.ended", thief.session.id, reason="signed_out")])
    assert "FR" in world.trust.baseline(visit.user.id).countries
    (tmp_path / "journal").mkdir()
    kept = KeptModels.of(tmp_path)
    sealer = Sealer(MasterKey(b"\x11" * 32), world.entropy)
    settings = IdentitySettings(argon2=CHEAP)
    identity = Identity.open(world.database, world.clock, world.entropy, sealer=sealer, settings=settings)
    owners = OwnersFeedback(
        feedback,
        Doubts(world.database, world.clock),
        kept,
        world.point,
        tmp_path / "journal",
        identity=identity,
        clock=world.clock,
        unlearn=world.trust.unlearn,
    )
    await owners.disown(thief.session, by=visit.session)
    identity.close()
    assert "FR" not in world.trust.baseline(visit.user.id).countries
    assert not [key for key in world.trust.habits.known(visit.user.id).profile.totals if "FR" in key]


@pytest.mark.parametrize(("step_s", "most"), [(1.0, 5_000), (0.0, 50_000)])
def test_a_session_that_did_nothing_has_no_whole_journal_read_when_it_is_disowned(
    world: DecisionWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_s: float, most: int
) -> None:
    """Attack: an account signs in, does nothing, and disowns that again and again in a node of many gigabytes."""
    began = world.clock.now()
    session = SessionId.new(began, world.entropy)
    looked_at = 0

    def endless(_journal: Path, _count: int, *, where: Callable[[Record], bool]) -> list[Record]:
        nonlocal looked_at
        for number in range(1_000_000):
            at = began + timedelta(hours=1) - timedelta(seconds=number * step_s)
            looked_at = number
            assert not where(Record(number, at, "decision", {"session": "another", "behaviour": {}}))
        return []

    monkeypatch.setattr("watchword.app.owners.last", endless)
    assert _newest_of(tmp_path, session) is None
    assert looked_at <= most


async def test_a_record_damaged_in_any_place_is_replayed_without_an_error(world: DecisionWorld) -> None:
    record = (await records_of(world, await at_home(world)))[0]
    before = replay(record, world.places, lambda _label: Model())
    assert before.outcome is Outcome.SAME
    for odd in (float("inf"), None, "x", [], {}, 2**70, -1):
        for place in ("utc_offset_s", "quiet", "findings", "profile", "population", "read", "traits", "format"):
            damaged = {**record["personal"], "behaviour": {**record["personal"]["behaviour"], place: odd}}
            found = replay({**record, "personal": damaged}, world.places, lambda _label: Model())
            assert isinstance(found.outcome, Outcome)
        assert replay({**record, "personal": odd}, world.places, lambda _label: Model()).outcome is Outcome.CANNOT


async def test_a_factor_that_somebody_was_worn_down_to_give_says_nothing_for_the_owner(
    world: DecisionWorld, feedback: Feedback, tmp_path: Path
) -> None:
    def refused_of(user: str) -> int:
        return world.trust.habits.detectors.refused_prompts(user, world.clock.now().timestamp())

    outcomes = StepUpOutcomes(feedback, KeptModels.of(tmp_path), world.clock, lambda _: Acr.MULTI_FACTOR, refused_of)
    world.point.subscribe(outcomes.see)
    visit = await at_home(world)
    thief = await world.session(visit.user, None, ip=PARIS, mfa_at=None, mfa_network=None, acr=Acr.SINGLE_FACTOR)
    assert (await world.point.authorize(thief.request(user_agent=EDGE))).answer is Answer.STEP_UP
    wrong = {"user": visit.user.id, "reason": "wrong", "factor": "totp", "ip": LONDON}
    await world.trust.observe([world.event("identity.sign_in.failed", visit.user.id, **wrong) for _ in range(3)])
    await outcomes.observe([world.event("identity.session.stepped_up", thief.session.id)])
    await outcomes.learn()
    async with world.database.read() as connection:
        assert list((await connection.execute(text("SELECT act FROM trust_labels"))).scalars()) == []
