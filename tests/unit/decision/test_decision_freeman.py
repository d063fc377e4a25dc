"""An application that chose the published score is judged by it: cold at first, by name, and again to the bit."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from behaviour_world import EDGE, FIREFOX, PARIS, living, records_of
from decision_world import LONDON, NOTES, DecisionWorld, Visit

from watchword.kernel import Answer, FrozenClock, Reason, RiskLevel, Sensitivity
from watchword.storage import Database
from watchword.trust import (
    ADDITIVE,
    FREEMAN,
    STATISTICAL,
    Assessment,
    ContextSource,
    Outcome,
    Weighed,
    profiles,
    replay,
)
from watchword.trust.learning import FeedbackMalformedError, KeptModels, Scope, Suppression, judged_of

CONTEXT = ContextSource.open()


@pytest.fixture
def world(plain_database: Database, clock: FrozenClock, entropy: Any) -> DecisionWorld:
    return DecisionWorld(
        plain_database, clock, entropy, applications=(replace(NOTES, profile=FREEMAN),), learns=[FREEMAN]
    )


async def at_home(world: DecisionWorld) -> Visit:
    """Let a few people work for a month, each from elsewhere and with another program, and return the first."""
    for number in range(3):
        other = await world.person(f"other{number}")
        await living(world, await world.session(other), ip=f"133.11.0.{number + 1}")
    user = await world.person()
    visit = await world.session(user, await world.device(user), ip=LONDON)
    await living(world, visit)
    return visit


async def records(world: DecisionWorld) -> list[dict[str, Any]]:
    return await records_of(world, await at_home(world))


async def test_without_a_sign_in_to_compare_with_rules_judge_and_the_cold_start_is_named(world: DecisionWorld) -> None:
    visit = await world.visit()
    decision = visit.asks(user_agent=FIREFOX)
    assert decision.assessment is not None
    assert decision.assessment.weighed is None
    assert decision.assessment.contributions[0].indicator == "cold_start"
    assert decision.assessment.versions["profile"] == "freeman/1"


async def test_the_owner_at_home_is_let_in_and_a_session_used_from_elsewhere_is_asked(world: DecisionWorld) -> None:
    visit = await at_home(world)
    home = visit.asks(user_agent=FIREFOX)
    assert home.answer is Answer.ALLOW
    assert home.assessment is not None
    assert home.assessment.weighed is not None
    assert home.assessment.weighed.log_odds == sum(each.points for each in home.assessment.contributions)
    stolen = await world.session(visit.user, None, ip=LONDON)
    asked = stolen.asks(client_ip=PARIS, user_agent=EDGE)
    assert (asked.answer, asked.reasons[0]) == (Answer.STEP_UP, Reason.RISK_MEDIUM)
    assert asked.assessment is not None
    told = {each.indicator: each for each in asked.assessment.contributions}
    assert {"account", "address", "agent"} >= told.keys() - {"prior"} >= {"address", "agent"}
    assert told["address"].points > 0
    assert "country" in told["address"].detail


async def test_an_address_on_a_list_is_a_cause_of_its_own(world: DecisionWorld) -> None:
    found = (await records(world))[4]
    assert dict(found["contributions"])["suspicious_ip"] == 2.5
    told = dict(found["contributions"])
    assert told["prior"] == -4.0
    assert found["behaviour"]["log_odds"] == sum(told.values())
    assert (found["risk"], found["level"]) == (62, "medium")


async def test_every_recorded_risk_is_computed_again_to_the_bit(world: DecisionWorld) -> None:
    before = await records(world)
    await at_home(world)  # what was learned since does not matter
    world.trust.habits.forget(before[0]["user"])
    for record in before:
        found = replay(record, CONTEXT, lambda _: None)
        assert (found.outcome, found.why) == (Outcome.SAME, "")
        assert found.log_odds == record["behaviour"]["log_odds"]


async def test_what_was_read_names_no_place_no_address_and_no_program(world: DecisionWorld) -> None:
    for record in await records(world):
        told = json.dumps(record["personal"]["behaviour"])
        for name in ("Firefox", "Windows", "81.2.69", "GB", LONDON):
            assert name not in told
        assert len(told) < 1000


@pytest.mark.parametrize("part", ["read", "findings", "log_odds", "contributions", "ip", "user_agent"])
async def test_a_record_that_was_changed_does_not_come_out_the_same(world: DecisionWorld, part: str) -> None:
    record = (await records(world))[4]
    inputs = record["personal"]["behaviour"]
    if part == "read":
        inputs["read"][1] += 1
    elif part == "findings":
        inputs["findings"] = []
    elif part == "log_odds":
        record["behaviour"]["log_odds"] += 2**-20
    elif part == "contributions":
        record["contributions"][1][1] += 1
    else:
        record["personal"][part] = {"ip": "8.8.8.8", "user_agent": FIREFOX}[part]
    assert replay(record, CONTEXT, lambda _: None).outcome is Outcome.DIFFERENT


@pytest.mark.parametrize("read", [[], {}, None, [1, 2], [1, 1, 1, [], [], []], ["a", "b", "c", "d", "e", "f"]])
async def test_a_damaged_record_is_said_to_be_one_and_raises_nothing(world: DecisionWorld, read: Any) -> None:
    record = (await records(world))[0]
    record["personal"]["behaviour"]["read"] = read
    assert replay(record, CONTEXT, lambda _: None).outcome is not Outcome.SAME
    record["behaviour"]["versions"]["profile"] = "freeman/2"
    assert replay(record, CONTEXT, lambda _: None).outcome is Outcome.CANNOT


async def test_sign_ins_that_are_still_being_read_are_said_to_be_and_rules_judge(world: DecisionWorld) -> None:
    visit, habits = await at_home(world), world.trust.habits
    habits._sign_ins.shelf._most = 0
    await habits.flush()
    decision = visit.asks(user_agent=FIREFOX)
    assert decision.assessment is not None
    assert decision.assessment.contributions[0].indicator == "history_away"
    await habits.fetch()
    again = visit.asks(user_agent=FIREFOX)
    assert again.assessment is not None
    assert again.assessment.weighed is not None


async def test_what_an_administrator_said_is_all_right_speaks_against_nobody_and_is_replayed(
    world: DecisionWorld,
) -> None:
    visit = await at_home(world)
    now = world.clock.now()
    until = now + timedelta(days=3)
    said = Suppression("sup_1", visit.user.id, Scope.NETWORK, "193.48.1.0/24", until, "hotel", "test", now)
    loud = visit.asks(client_ip=PARIS, user_agent=FIREFOX)
    world.trust.habits.use_suppressions([said])
    quiet = visit.asks(client_ip=PARIS, user_agent=FIREFOX)
    assert loud.assessment is not None
    assert quiet.assessment is not None
    assert quiet.assessment.weighed is not None
    assert quiet.assessment.risk < loud.assessment.risk
    told = {each.indicator: each for each in quiet.assessment.contributions}
    assert told["address"].points == 0
    assert "said to be all right" in told["address"].detail
    assert quiet.assessment.weighed.log_odds == sum(each.points for each in quiet.assessment.contributions)
    record = json.loads(quiet.encoded())
    assert replay(record, CONTEXT, lambda _: None).outcome is Outcome.SAME


async def test_weights_learn_nothing_from_a_score_that_has_none(world: DecisionWorld, tmp_path: Path) -> None:
    with pytest.raises(FeedbackMalformedError, match="published score"):
        judged_of((await records(world))[4], KeptModels.of(tmp_path))


async def test_an_allow_is_given_again_until_the_counts_change(world: DecisionWorld) -> None:
    visit = await at_home(world)
    world.clock.advance(timedelta(seconds=3))
    first = visit.asks(user_agent=FIREFOX)
    world.clock.advance(timedelta(milliseconds=5))
    assert visit.asks(user_agent=FIREFOX).repeats == first.id
    await living(world, visit, days=1)
    assert visit.asks(user_agent=FIREFOX).repeats is None


async def test_two_profiles_judge_side_by_side_and_each_by_its_own(
    plain_database: Database, clock: FrozenClock, entropy: Any
) -> None:
    names = {ADDITIVE: "plain", FREEMAN: "counted", STATISTICAL: "habits"}
    apps = [replace(NOTES, name=name, hosts=(f"{name}.localhost",), profile=by) for by, name in names.items()]
    world = DecisionWorld(plain_database, clock, entropy, applications=apps, learns=[STATISTICAL, FREEMAN])
    user = await world.person()
    device = await world.device(user)
    versions = {}
    for by, name in names.items():
        visit = await world.session(user, device, ip=LONDON, host=f"{name}.localhost")
        await living(world, visit)
        decision = visit.asks(user_agent=FIREFOX)
        assert decision.assessment is not None
        versions[by] = decision.assessment.versions["profile"], decision.assessment.weighed is not None
    assert versions == {
        ADDITIVE: ("additive/1", False),
        FREEMAN: ("freeman/1", True),
        STATISTICAL: ("statistical/2", True),
    }


@pytest.mark.parametrize(
    ("sensitivity", "asks_from", "refuses_from"),
    [
        (Sensitivity.PUBLIC, 26, 100),
        (Sensitivity.INTERNAL, 5, 95),
        (Sensitivity.CONFIDENTIAL, 2, 87),
        (Sensitivity.RESTRICTED, 2, 66),
    ],
)
async def test_thresholds_follow_sensitivity_and_only_a_cause_refuses(
    world: DecisionWorld, sensitivity: Sensitivity, asks_from: int, refuses_from: int
) -> None:
    del world
    profile = profiles()[FREEMAN]

    def level(risk: int, *, is_habit_alone: bool) -> RiskLevel:
        weighed = Weighed(risk / 100, 0.0, is_habit_alone, {})
        return profile.gate(_assessed(risk, weighed), sensitivity)

    assert level(asks_from - 1, is_habit_alone=False) is RiskLevel.LOW
    assert level(asks_from, is_habit_alone=False) is RiskLevel.MEDIUM
    assert level(refuses_from - 1, is_habit_alone=False) is RiskLevel.MEDIUM
    assert level(refuses_from, is_habit_alone=False) is RiskLevel.HIGH
    alone = RiskLevel.HIGH if sensitivity is Sensitivity.RESTRICTED else RiskLevel.MEDIUM
    assert level(refuses_from, is_habit_alone=True) is alone


def _assessed(risk: int, weighed: Weighed) -> Assessment:
    return Assessment(risk, 0, (), (), {}, weighed)
