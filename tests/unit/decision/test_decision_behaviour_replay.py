"""A recorded risk is computed again from its record alone, to the bit; or somebody says why not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from behaviour_world import FIREFOX, at_home, records_of
from decision_world import NOTES, DecisionWorld

from watchword.kernel import FrozenClock
from watchword.storage import Database
from watchword.trust import STATISTICAL, ContextSource, Outcome, Replayed, replay
from watchword.trust.behaviour import Model

SHIPPED = Model()
CONTEXT = ContextSource.open()


@pytest.fixture
def world(plain_database: Database, clock: FrozenClock, entropy: Any) -> DecisionWorld:
    return DecisionWorld(plain_database, clock, entropy, applications=(replace(NOTES, profile=STATISTICAL),))


async def records(world: DecisionWorld) -> list[dict[str, Any]]:
    return await records_of(world, await at_home(world))


def again(record: dict[str, Any], *models: Model) -> Replayed:
    return replay(record, CONTEXT, {model.label: model for model in models or (SHIPPED,)}.get)


async def test_every_recorded_risk_is_computed_again_to_the_bit(world: DecisionWorld) -> None:
    for record in await records(world):
        found = again(record)
        assert (found.outcome, found.why) == (Outcome.SAME, "")
        assert found.log_odds == record["behaviour"]["log_odds"]


async def test_what_was_learned_since_does_not_matter(world: DecisionWorld) -> None:
    before = await records(world)
    await at_home(world)
    world.trust.habits.forget(before[0]["user"])
    assert {again(record).outcome for record in before} == {Outcome.SAME}


async def test_the_record_of_what_was_read_names_no_place_no_network_and_no_browser(world: DecisionWorld) -> None:
    for record in await records(world):
        inputs = dict(record["personal"]["behaviour"])
        inputs["rest"] = {**inputs["rest"], "last_place": None}  # where the account was last is said there
        told = json.dumps(inputs)
        for name in ("Firefox", "Windows", "81.2.69", "GB", "notes"):
            assert name not in told
        assert len(told) < 2500


@pytest.mark.parametrize("part", ["read", "findings", "log_odds", "contributions", "ip", "user_agent", "resource"])
async def test_a_record_that_was_changed_does_not_come_out_the_same(world: DecisionWorld, part: str) -> None:
    record = (await records(world))[4]
    inputs = record["personal"]["behaviour"]
    if part == "read":
        at = next(number for number, value in enumerate(inputs["read"]) if value and value is not True)
        inputs["read"][at] = 0
    elif part == "findings":
        inputs["findings"] = []
    elif part == "log_odds":
        record["behaviour"]["log_odds"] += 2**-20
    elif part == "contributions":
        record["contributions"][1][1] += 1
    elif part in {"ip", "user_agent"}:
        record["personal"][part] = {"ip": "8.8.8.8", "user_agent": FIREFOX}[part]
    else:
        record["resource"] = "elsewhere"
    assert again(record).outcome is not Outcome.SAME


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("read", []),
        ("read", None),
        ("read", "1" * 150),
        ("rest", {}),
        ("rest", None),
        ("rest", {"newest": "x", "learned": 1, "last_place": None, "circles": [], "everybody": 1, "users": 1}),
        ("rest", {"newest": 1, "learned": 1, "last_place": {"at": 1}, "circles": [1] * 4, "everybody": 1, "users": 1}),
        ("rest", {"newest": 1, "learned": 1, "last_place": [], "circles": None, "everybody": 1, "users": 1}),
    ],
)
async def test_numbers_that_are_no_such_numbers_are_said_to_be_none(
    world: DecisionWorld, part: str, value: object
) -> None:
    record = (await records(world))[4]
    record["personal"]["behaviour"][part] = value
    assert again(record).outcome is Outcome.CANNOT


@pytest.mark.parametrize(("at", "number"), [(-1, 10**9), (-2, -1), (0, 0.5), (0, True), (3, None)])
async def test_a_number_that_was_never_counted_is_refused(world: DecisionWorld, at: int, number: object) -> None:
    """Attack: a record made up to fill the memory of whoever replays it, or to be read as something else."""
    record = (await records(world))[4]
    record["personal"]["behaviour"]["read"][at] = number
    assert again(record).outcome is Outcome.CANNOT


async def test_weights_that_are_not_kept_are_named(world: DecisionWorld) -> None:
    record = (await records(world))[0]
    found = again(record, Model(name="other"))
    assert found.outcome is Outcome.CANNOT
    assert SHIPPED.label in found.why


async def test_other_data_of_places_are_named_as_the_cause(world: DecisionWorld) -> None:
    record = (await records(world))[4]
    record["behaviour"]["versions"]["places"] = "an older table"
    record["personal"]["ip"] = "8.8.8.8"
    found = again(record)
    assert found.outcome is not Outcome.SAME
    assert "an older table" in found.why


@pytest.mark.parametrize(
    "damage",
    [
        {"personal": {}},
        {"personal": None},
        {"behaviour": {}},
        {"behaviour": []},
        {"at": 7},
        {"contributions": None},
        {"personal": {"behaviour": {"format": 99}}},
        {"personal": {"behaviour": {"format": 2, "read": [], "rest": {"x": 1}, "findings": []}}},
        {"personal": {"behaviour": {"format": 2, "read": {}, "rest": 3, "findings": None}}},
    ],
)
async def test_a_damaged_record_is_said_to_be_one_and_raises_nothing(
    world: DecisionWorld, damage: dict[str, Any]
) -> None:
    record = {**(await records(world))[0], **damage}
    found = again(record)
    assert found.outcome is Outcome.CANNOT
    assert found.why
