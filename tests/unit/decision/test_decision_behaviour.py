"""The profile `statistical` in a decision: habits judge, are learned in batches, and no allow outlasts them."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from behaviour_world import EDGE, FIREFOX, PARIS, at_home, lesson, living
from decision_world import LONDON, NOTES, DecisionWorld, Visit

from watchword.decision import ApplicationSettings, applications
from watchword.kernel import Acr, Answer, ConfigurationError, FrozenClock, Reason
from watchword.storage import Database
from watchword.trust import STATISTICAL, NetworkList
from watchword.trust.behaviour import Model


@pytest.fixture
def world(plain_database: Database, clock: FrozenClock, entropy: Any) -> DecisionWorld:
    return DecisionWorld(plain_database, clock, entropy, applications=(replace(NOTES, profile=STATISTICAL),))


async def test_without_history_it_says_cold_start_and_adds_points(world: DecisionWorld) -> None:
    visit = await world.visit()
    decision = visit.asks(user_agent=FIREFOX)
    assert decision.assessment is not None
    assert decision.assessment.contributions[0].indicator == "cold_start"
    assert decision.assessment.weighed is None
    assert decision.answer is Answer.ALLOW
    # As cautious as the additive profile: a browser that nobody knows is 30 points.
    stranger = await world.session(visit.user, None, mfa_at=None, mfa_network=None)
    assert stranger.asks(user_agent=EDGE).answer is Answer.STEP_UP


async def test_somebody_as_always_is_let_in_at_no_risk(world: DecisionWorld) -> None:
    visit = await at_home(world)
    decision = visit.asks(user_agent=FIREFOX)
    assert decision.assessment is not None
    assert decision.answer is Answer.ALLOW
    assert decision.assessment.risk == 0
    assert decision.assessment.weighed is not None
    assert decision.assessment.weighed.probability < 0.01


async def test_another_country_another_browser_and_another_device_are_asked_for_a_second_factor(
    world: DecisionWorld,
) -> None:
    visit = await at_home(world)
    thief = await world.session(visit.user, None, ip=PARIS, mfa_at=None, mfa_network=None, acr=Acr.SINGLE_FACTOR)
    decision = thief.asks(user_agent=EDGE)
    assert decision.assessment is not None
    assert (decision.answer, decision.reasons) == (Answer.STEP_UP, (Reason.RISK_MEDIUM,))
    against = {each.indicator for each in decision.assessment.contributions if each.points > 0}
    assert {"network", "new_country", "agent"} <= against


async def test_a_second_factor_that_was_phished_lets_in_for_a_quarter_of_an_hour_and_not_for_good(
    world: DecisionWorld,
) -> None:
    """Attack: the owner is tricked into one second factor, at the thief's place, browser and device."""
    visit = await at_home(world)
    phished = await world.session(visit.user, await world.device(visit.user), ip=PARIS)
    await living(world, phished, days=0, until=-1, ip=PARIS, agent=EDGE)
    assert phished.asks(user_agent=EDGE).answer is Answer.ALLOW
    world.clock.advance(timedelta(minutes=16))
    # At such a risk no session is older than a quarter of an hour, and the next one needs another second factor.
    asked = phished.asks(user_agent=EDGE)
    assert (asked.answer, asked.reasons) == (Answer.DENY, (Reason.SESSION_EXPIRED,))
    # The owner, meanwhile, is at home and at no risk.
    assert visit.asks(user_agent=FIREFOX).answer is Answer.ALLOW


async def test_a_place_that_was_proven_on_two_days_asks_no_more(world: DecisionWorld) -> None:
    visit = await at_home(world)
    moved = await world.session(visit.user, await world.device(visit.user), ip=PARIS)
    await living(world, moved, days=2, ip=PARIS, agent=EDGE)
    world.clock.advance(timedelta(minutes=16))
    assert moved.asks(user_agent=EDGE).answer is Answer.ALLOW


async def test_contributions_sum_exactly_to_the_log_odds_also_in_the_journal(world: DecisionWorld) -> None:
    visit = await at_home(world)
    for about in ({"user_agent": EDGE}, {"client_ip": PARIS}, {"user_agent": "x" * 100_000}, {"client_ip": "::1"}):
        record = json.loads(visit.asks(**{"user_agent": FIREFOX, **about}).encoded())
        assert sum(points for _, points in record["contributions"]) == record["behaviour"]["log_odds"]


async def test_habits_alone_ask_and_a_listed_network_beside_them_refuses(world: DecisionWorld) -> None:
    visit = await at_home(world)
    away = await world.session(visit.user, None, ip=PARIS, mfa_at=None, mfa_network=None, acr=Acr.SINGLE_FACTOR)
    assert away.asks(user_agent=EDGE).answer is Answer.STEP_UP
    assert away.asks("/vault", user_agent=EDGE).answer is Answer.DENY
    await world.list_network(NetworkList.SUSPICIOUS, "193.48.1.0/24")
    refused = away.asks(user_agent=EDGE)
    assert (refused.answer, refused.reasons) == (Answer.DENY, (Reason.RISK_HIGH,))


async def test_the_same_question_has_the_same_risk_to_the_bit_within_a_minute(world: DecisionWorld) -> None:
    visit = await at_home(world)
    # A proof fades with its age, from a quarter of an hour on.
    await visit.change(mfa_at=world.clock.now() - timedelta(minutes=30))
    world.clock.advance(timedelta(seconds=60 - world.clock.now().second + 0.25))
    first = visit.asks(user_agent=EDGE)
    world.clock.advance(timedelta(seconds=50))
    again = visit.asks(user_agent=EDGE)
    assert first.assessment is not None
    assert again.assessment is not None
    assert again.assessment.weighed == first.assessment.weighed
    world.clock.advance(timedelta(seconds=11))
    later = visit.asks(user_agent=EDGE)
    assert later.assessment is not None
    assert later.assessment.weighed != first.assessment.weighed


# --- reuse: an allow is given again only while a fresh one would say the same -----------------------------------------


async def quiet(world: DecisionWorld) -> Visit:
    """Stand somewhere within a minute, where no anchor of time is."""
    visit = await at_home(world)
    world.clock.advance(timedelta(seconds=7.3))
    return visit


async def test_an_allow_by_behaviour_is_given_again_within_its_minute(world: DecisionWorld) -> None:
    visit = await quiet(world)
    first = visit.asks(user_agent=FIREFOX)
    world.clock.advance(timedelta(seconds=1))
    assert visit.asks("/other", user_agent=FIREFOX).repeats == first.id


async def test_a_lesson_of_the_user_ends_the_reuse(world: DecisionWorld) -> None:
    visit = await quiet(world)
    first = visit.asks(user_agent=FIREFOX)
    world.trust.habits.note(lesson(visit, world))
    world.clock.advance(timedelta(seconds=1))
    assert visit.asks(user_agent=FIREFOX).repeats == first.id  # until the batch is learned, nothing changes
    await world.trust.habits.learn_waiting()
    world.clock.advance(timedelta(seconds=1))
    assert visit.asks(user_agent=FIREFOX).repeats is None


async def test_a_lesson_of_anybody_ends_the_reuse_because_everybody_is_the_background(world: DecisionWorld) -> None:
    visit = await quiet(world)
    visit.asks(user_agent=FIREFOX)
    world.trust.habits.note(replace(lesson(visit, world), user="usr_other"))
    await world.trust.habits.learn_waiting()
    world.clock.advance(timedelta(seconds=1))
    assert visit.asks(user_agent=FIREFOX).repeats is None


async def test_other_weights_end_the_reuse(world: DecisionWorld) -> None:
    visit = await quiet(world)
    visit.asks(user_agent=FIREFOX)
    world.trust.habits.use_model(Model(name="refitted", bias=-3.0))
    world.clock.advance(timedelta(seconds=1))
    decision = visit.asks(user_agent=FIREFOX)
    assert decision.repeats is None
    assert decision.assessment is not None
    assert decision.assessment.versions["model"].startswith("refitted/")


async def test_failures_of_the_account_end_the_reuse(world: DecisionWorld) -> None:
    visit = await quiet(world)
    visit.asks(user_agent=FIREFOX)
    await world.fail_sign_ins(visit.user, 6)
    await world.trust.habits.learn_waiting()
    world.clock.advance(timedelta(seconds=1))
    assert visit.asks(user_agent=FIREFOX).repeats is None


async def test_what_is_given_again_is_what_would_have_been_decided(world: DecisionWorld) -> None:
    """Walk at random over lessons, browsers and time; a decision that repeats equals a fresh one, to the bit."""
    visit = await quiet(world)
    draw, repeated = random.Random(4), 0  # noqa: S311  # a walk, not a secret
    for _ in range(150):
        step = draw.randrange(12)
        if step == 0:
            world.trust.habits.note(lesson(visit, world, agent=draw.choice((FIREFOX, EDGE))))
        elif step == 1:
            await world.trust.habits.learn_waiting()
        elif step == 2:
            await world.fail_sign_ins(visit.user, 1)
        elif step == 3:
            world.clock.advance(timedelta(seconds=draw.random() * 40))
        world.clock.advance(timedelta(seconds=0.4))
        agent = draw.choice((FIREFOX, FIREFOX, FIREFOX, EDGE))
        given = visit.asks(user_agent=agent)
        fresh = world.rewired().decide(visit.request(user_agent=agent)) if given.repeats else None
        if fresh is not None:
            repeated += 1
            assert (given.answer, given.level) == (fresh.answer, fresh.level)
            assert given.assessment == fresh.assessment
    assert repeated > 10


# --- the profile as a setting ---------------------------------------------------------------------------------------


def test_an_application_that_names_no_profile_has_that_of_the_settings() -> None:
    listed = [
        ApplicationSettings(name="a", hosts=("a.example",), upstream="unix:/a"),
        ApplicationSettings(name="b", hosts=("b.example",), upstream="unix:/b", profile="trust-score"),
    ]
    assert [app.profile for app in applications(listed)] == ["additive", "trust-score"]
    assert [app.profile for app in applications(listed, profile=STATISTICAL)] == [STATISTICAL, "trust-score"]
    with pytest.raises(ConfigurationError):
        applications([replace(listed[0], profile="statistic")])


async def test_the_portal_weighs_sign_ins_by_behaviour_where_that_is_the_default(world: DecisionWorld) -> None:
    visit = await at_home(world)
    procedure = world.rewired(portal_profile=STATISTICAL)
    device = visit.session.device_id
    usual = procedure.weigh_sign_in(visit.user, LONDON, device_id=device, is_multi_factor=False, user_agent=FIREFOX)
    assert usual.answer is Answer.ALLOW
    odd = procedure.weigh_sign_in(visit.user, PARIS, device_id=None, is_multi_factor=False, user_agent=EDGE)
    assert odd.answer is Answer.STEP_UP
    assert odd.assessment is not None
    assert odd.assessment.weighed is not None
