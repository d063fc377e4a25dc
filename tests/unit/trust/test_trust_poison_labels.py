"""Analysts who turn, accounts in wrong hands, and labels made in one's own account: none of it moves a weight."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from watchword.kernel import Acr, Answer, FrozenClock
from watchword.storage import Database
from watchword.trust.behaviour import Model, Platt
from watchword.trust.learning import Doubts
from watchword.trust.learning.errors import FeedbackRefusedError, TooFewLabelsError
from watchword.trust.learning.feedback import Feedback
from watchword.trust.learning.guard import Hold, admit
from watchword.trust.learning.labels import Doubt, Judged, Label, Review, Source, Witness
from watchword.trust.learning.trial import compare

_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_LIVE = Answer.STEP_UP


@pytest.fixture
def feedback(plain_database: Database, clock: FrozenClock, entropy: Any) -> Feedback:
    return Feedback(plain_database, clock, entropy)


@pytest.fixture
def act(clock: FrozenClock) -> Judged:
    return Judged("dec_1", "usr_ann", clock.now(), 1.5, {"network": 3.0}, session="ses_doubted", device="dev_new")


async def test_an_analyst_who_turned_does_not_make_a_colleague_s_verdict_vanish(
    feedback: Feedback, act: Judged
) -> None:
    honest = await feedback.verdict(act, is_attack=True, actor="usr_honest")
    poison = await feedback.verdict(act, is_attack=False, actor="usr_turned")
    assert {(each.label.id, each.why) for each in (await feedback.admitted()).held} == {
        (honest.id, Hold.DISPUTED),
        (poison.id, Hold.DISPUTED),
    }
    with pytest.raises(FeedbackRefusedError, match="own verdict"):
        await feedback.review(honest.id, is_released=False, actor="usr_turned")
    await feedback.review(poison.id, is_released=False, actor="usr_third")
    assert (await feedback.admitted()).counted == (honest,)


@pytest.mark.parametrize("is_attack", [True, False])
async def test_an_analyst_whose_label_was_rejected_does_not_give_it_again_as_a_new_one(
    feedback: Feedback, act: Judged, *, is_attack: bool
) -> None:
    label = await feedback.verdict(act, is_attack=False, actor="usr_turned")
    await feedback.review(label.id, is_released=False, actor="usr_honest")
    with pytest.raises(FeedbackRefusedError, match="rejected"):
        await feedback.verdict(act, is_attack=is_attack, actor="usr_turned")
    assert [each.why for each in (await feedback.admitted()).held] == [Hold.REJECTED]
    other = await feedback.verdict(act, is_attack=True, actor="usr_honest")
    assert (await feedback.admitted()).counted == (other,)


async def test_an_administrator_s_account_in_wrong_hands_rejects_nothing_that_was_said_of_itself(
    feedback: Feedback, act: Judged
) -> None:
    verdict = await feedback.verdict(act, is_attack=True, actor="usr_admin")
    with pytest.raises(FeedbackRefusedError, match="own account"):
        await feedback.review(verdict.id, is_released=False, actor="usr_ann")
    assert (await feedback.admitted()).counted == (verdict,)
    assert (await feedback.review(verdict.id, is_released=False, actor="cli:root")).review is Review.REJECTED


# --- crowding out -----------------------------------------------------------------------------------------------------


def test_an_account_that_is_asked_without_end_leaves_room_for_what_others_were_asked() -> None:
    said = [_label(n, {"network": 1.0}, is_attack=n % 2 == 0) for n in range(40)]
    weak = {"source": Source.STEP_UP, "given_by": "system", "weight": 0.1, "is_attack": False}
    others = [_label(100 + n, {"network": 1.0}, **weak) for n in range(30)]
    flood = [
        _label(200 + n, {"network": 1.0}, given_at=_NOW + timedelta(minutes=n), **(weak | {"user": "usr_mallory"}))
        for n in range(200)
    ]
    counted = admit([*said, *others, *flood]).counted
    assert {each.id for each in others} <= {each.id for each in counted}
    assert sum(each.user == "usr_mallory" for each in counted) <= 50


async def test_a_thief_who_is_asked_again_and_again_leaves_the_owner_room_to_say_not_me(
    feedback: Feedback, act: Judged
) -> None:
    for n in range(25):
        with suppress(FeedbackRefusedError):
            await feedback.step_up(replace(act, act=f"dec_{n}"), acr=Acr.MULTI_FACTOR, is_passed=False)
    label = await feedback.owner_says(act, is_attack=True, witness=Witness("usr_ann", "ses_own", Acr.SINGLE_FACTOR))
    assert label in (await feedback.admitted()).counted


# --- the trial --------------------------------------------------------------------------------------------------------


def _label(number: int, values: dict[str, float], **about: Any) -> Label:
    made = Label(
        f"lbl_{number:03}",
        f"act_{number}",
        f"usr_{number}",
        Source.ANALYST,
        True,
        "usr_admin",
        _NOW,
        _NOW,
        values=values,  # a field of the label
    )
    return replace(made, **about)


def _model(**weights: float) -> Model:
    return Model(weights=MappingProxyType(weights), bias=-6.0, calibration=Platt())


_OWNERS = [_label(100 + n, {"network": -1.0}, is_attack=False) for n in range(20)]
# What somebody asked for in their own account and did not give: weak labels of attacks, as many as they like.
_MADE_UP = [_label(50 + n, {"hour": 6.0}, source=Source.STEP_UP, weight=0.1) for n in range(12)]


def test_second_factors_that_somebody_did_not_give_on_purpose_do_not_make_up_for_an_attack_that_is_missed() -> None:
    attacks = [_label(n, {"network": 6.0}) for n in range(5)] + [_label(9, {"reputation": 6.0})]
    before, after = _model(network=2.0, reputation=2.0, hour=0.0), _model(network=2.0, reputation=0.0, hour=2.0)
    trial = compare([*attacks, *_MADE_UP, *_OWNERS], before, after)
    assert trial.challenger.detection < trial.champion.detection
    assert not trial.is_promoted


def test_a_trial_on_attacks_that_nobody_said_were_any_is_none() -> None:
    with pytest.raises(TooFewLabelsError, match="0 labelled attacks"):
        compare([*_MADE_UP, *_OWNERS], _model(), _model(hour=2.0))


# --- what was in doubt ------------------------------------------------------------------------------------------------


async def test_a_thief_who_was_thrown_out_does_not_push_that_out_of_what_is_remembered(
    plain_database: Database, clock: FrozenClock, feedback: Feedback, act: Judged
) -> None:
    """Attack: thrown out once, a thief comes back on the same device and is in doubt until nothing tells of it."""
    doubts = Doubts(plain_database, clock)
    await doubts.keep([Doubt(act, _LIVE, "203.0.113.7", "Firefox")])
    await feedback.owner_says(act, is_attack=True, witness=Witness("usr_ann", "ses_own", Acr.SINGLE_FACTOR))
    clock.advance(timedelta(hours=1))
    again = [replace(act, act=f"dec_again{n}", at=clock.now(), session=f"ses_{n}") for n in range(60)]
    await doubts.keep([Doubt(each, _LIVE, "203.0.113.7", "Firefox") for each in again])
    found = await doubts.of("usr_ann")
    assert [each.judged.device for each in found if each.is_owners is False] == ["dev_new"]
    assert len(found) == 51
