"""A flood of strangers is counted, and never hides anything about somebody we know."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from decision_world import DecisionWorld

from watchword.decision import AccessRequest
from watchword.decision.strangers import Rate, Strangers
from watchword.kernel import Answer, WatchwordError


@pytest.fixture(autouse=True)
def _small(world: DecisionWorld) -> None:
    world.point._strangers = Strangers(Rate(3, 1), Rate(10, 2))


def stranger(ip: str, **changes: Any) -> AccessRequest:
    return AccessRequest("GET", "notes.localhost", "/", ip, **changes)


async def refused(world: DecisionWorld, ip: str, times: int, **changes: Any) -> None:
    for _ in range(times):
        decision = await world.point.authorize(stranger(ip, **changes))
        assert decision.answer is Answer.DENY


async def summed_up(world: DecisionWorld) -> dict[str, Any] | None:
    before = len(world.journal.records)
    await world.point.sum_up(world.clock.now())
    added = world.journal.records[before:]
    return added[0] if added else None


async def test_a_few_strangers_are_each_recorded(world: DecisionWorld) -> None:
    await refused(world, "203.0.113.7", 3)
    assert [record["type"] for record in world.journal.records] == ["decision"] * 3
    assert await summed_up(world) is None


async def test_a_flood_from_one_network_fills_no_disk_and_is_told(world: DecisionWorld) -> None:
    began = world.clock.now()
    await refused(world, "203.0.113.7", 20)
    await refused(world, "203.0.113.99", 20, session_handle="x" * 43)
    assert len(world.journal.records) == 3
    record = await summed_up(world)
    assert record is not None
    assert (record["type"], record["count"]) == ("decision.strangers", 37)
    assert record["since"] == began.isoformat()
    assert record["reasons"] == {"session_missing": 17, "session_invalid": 20}
    assert record["personal"] == {"networks": {"203.0.113.0/24": 37}}
    assert "203.0.113" not in json.dumps({name: value for name, value in record.items() if name != "personal"})
    assert await summed_up(world) is None


async def test_many_networks_do_not_help_a_flood(world: DecisionWorld) -> None:
    for n in range(50):
        await refused(world, f"198.51.{n}.1", 1)
    assert len(world.journal.records) == 10
    record = await summed_up(world)
    assert record is not None
    assert record["count"] == 40


async def test_a_flood_hides_nothing_about_somebody_we_know(world: DecisionWorld) -> None:
    visit = await world.visit()
    await refused(world, visit.ip, 30)
    before = len(world.journal.records)
    for _ in range(20):
        assert (await world.point.authorize(visit.request())).answer is Answer.ALLOW
    ended = await world.visit(is_disabled=True)
    assert (await world.point.authorize(ended.request())).answer is Answer.DENY
    assert len(world.journal.records) == before + 21


async def test_an_open_path_is_never_answered_without_a_record(world: DecisionWorld) -> None:
    for _ in range(30):
        decision = await world.point.authorize(AccessRequest("GET", "notes.localhost", "/healthz", "203.0.113.7"))
        assert decision.answer is Answer.ALLOW
    assert len(world.journal.records) == 30


async def test_after_the_flood_strangers_are_recorded_again(world: DecisionWorld) -> None:
    await refused(world, "203.0.113.7", 10)
    world.clock.advance(timedelta(seconds=2))
    before = len(world.journal.records)
    await refused(world, "203.0.113.7", 10)
    assert len(world.journal.records) == before + 2


async def test_a_clock_that_goes_back_gives_no_more_records(world: DecisionWorld) -> None:
    await refused(world, "203.0.113.7", 10)
    before = len(world.journal.records)
    world.clock.step(timedelta(hours=-1))
    await refused(world, "203.0.113.7", 10)
    assert len(world.journal.records) == before


async def test_figures_that_could_not_be_written_are_in_the_next_record(world: DecisionWorld) -> None:
    await refused(world, "203.0.113.7", 5)
    world.journal.error = WatchwordError("the disk is full")
    with pytest.raises(WatchwordError):
        await world.point.sum_up(world.clock.now())
    world.journal.error = None
    await refused(world, "203.0.113.7", 1)
    record = await summed_up(world)
    assert record is not None
    assert (record["count"], record["personal"]["networks"]) == (3, {"203.0.113.0/24": 3})


async def test_the_memory_of_networks_is_bounded(world: DecisionWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.decision.strangers._MOST_NETWORKS", 5)
    world.point._strangers = strangers = Strangers(Rate(1, 0), Rate(0, 0))
    for n in range(40):
        await refused(world, f"198.51.{n}.1", 1)
    assert len(strangers._buckets) <= 5
    record = await summed_up(world)
    assert record is not None
    assert record["count"] == 40
    assert len(record["personal"]["networks"]) == 6
