from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from decision_world import DecisionWorld, Visit
from replay_world import APPLICATIONS, policies_in

from watchword.app.adapters import PolicyAdapter
from watchword.app.candidates import Candidates
from watchword.decision import DecisionPoint
from watchword.kernel import Answer, FrozenClock
from watchword.policy import PolicySet
from watchword.storage import Database

ALL = '@id("all") permit (principal, action, resource);'
NONE = '@id("none") forbid (principal, action, resource);'
NO_WRITES = '@id("no-writes") {} forbid (principal, action == Watchword::Action::"write", resource);'


@pytest.fixture
def world(plain_database: Database, clock: FrozenClock, entropy: Any) -> DecisionWorld:
    return DecisionWorld(plain_database, clock, entropy, applications=APPLICATIONS)


async def visit_of(world: DecisionWorld) -> Visit:
    user = await world.person()
    return await world.session(user, await world.device(user), host="notes.localhost")


@asynccontextmanager
async def watching(world: DecisionWorld, directory: Path | None) -> AsyncIterator[tuple[DecisionPoint, Candidates]]:
    """A decision point that is watched, as a node puts it together."""
    point = DecisionPoint(world.rewired(policies=lambda: world.policies), world.journal)
    candidates = Candidates(lambda: world.policies, directory)
    point.subscribe(candidates.observe)
    await candidates.open()
    tasks = [asyncio.ensure_future(work) for work in candidates.background()]
    try:
        yield point, candidates
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await candidates.close()


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not found():  # noqa: ASYNC110  # figures tell nobody that they changed
            await asyncio.sleep(0.001)


async def test_a_candidate_that_would_deny_everything_denies_nothing_and_is_told(
    world: DecisionWorld, tmp_path: Path
) -> None:
    world.policies = policies_in(tmp_path / "live", ALL)
    policies_in(tmp_path / "candidate", NONE)
    visit = await visit_of(world)
    async with watching(world, tmp_path / "candidate") as (point, candidates):
        answers = [(await point.authorize(visit.request(f"/page/{n}"))).answer for n in range(5)]
        assert answers == [Answer.ALLOW] * 5
        await until(lambda: candidates.figures()["candidate"]["report"]["compared"] == 5)
        found = candidates.figures()
    assert found["candidate"]["report"]["loses"] == 5
    assert [group["name"] for group in found["candidate"]["report"]["by_subject"]] == [visit.user.id]
    assert found["report_only"] is None
    json.dumps(found)


async def test_what_was_repeated_is_compared_with_its_own_path(
    world: DecisionWorld, tmp_path: Path, clock: FrozenClock
) -> None:
    world.policies = policies_in(tmp_path / "live", ALL)
    policies_in(
        tmp_path / "candidate",
        ALL + '@id("p") forbid (principal, action, resource) when { context.http.path like "*secret*" };',
    )
    visit = await visit_of(world)
    clock.advance(timedelta(seconds=1))
    async with watching(world, tmp_path / "candidate") as (point, candidates):
        decisions = [await point.authorize(visit.request(path)) for path in ("/a", "/secret", "/b", "/secret/2")]
        assert [decision.repeats for decision in decisions] == [None] + [decisions[0].id] * 3
        await until(lambda: candidates.figures()["candidate"]["report"]["compared"] == 4)
        report = candidates.figures()["candidate"]["report"]
    assert [example["id"] for example in report["examples"]] == [decisions[3].id, decisions[1].id]


async def test_a_policy_that_only_reports_shows_what_it_would_have_done(world: DecisionWorld, tmp_path: Path) -> None:
    world.policies = policies_in(tmp_path / "live", ALL + NO_WRITES.format('@mode("report_only")'))
    visit = await visit_of(world)
    async with watching(world, None) as (point, candidates):
        for method in ("GET", "POST", "POST"):
            assert (await point.authorize(visit.request("/page", method))).answer is Answer.ALLOW
        await until(lambda: candidates.figures()["report_only"]["report"]["compared"] == 3)
        report = candidates.figures()["report_only"]["report"]
        assert (report["loses"], [group["name"] for group in report["by_policy"]]) == (2, ["all", "no-writes"])
        # Switched to deciding, it decides, and nothing is left to report.
        world.policies = policies_in(tmp_path / "live", ALL + NO_WRITES.format(""))
        assert (await point.authorize(visit.request("/page", "POST"))).answer is Answer.DENY
        await until(lambda: candidates.figures()["report_only"] is None)


async def test_a_broken_candidate_is_told_and_nothing_else_happens(world: DecisionWorld, tmp_path: Path) -> None:
    world.policies = policies_in(tmp_path / "live", ALL)
    directory = tmp_path / "candidate"
    directory.mkdir()
    (directory / "p.cedar").write_text("permit (principle, action, resource);")
    visit = await visit_of(world)
    async with watching(world, directory) as (point, candidates):
        assert (await point.authorize(visit.request())).answer is Answer.ALLOW
        found = candidates.figures()["candidate"]
        assert "p.cedar:1" in found["problem"]
        assert found["report"]["compared"] == found["waiting"] == 0
        # Mended while the node runs, it begins to watch.
        (directory / "p.cedar").write_text(NONE)
        await until(lambda: candidates.figures()["candidate"]["problem"] is None)
        await point.authorize(visit.request())
        await until(lambda: candidates.figures()["candidate"]["report"]["loses"] == 1)


async def test_policies_that_cannot_be_rehearsed_do_not_end_the_node(
    world: DecisionWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.policies = policies_in(tmp_path / "live", ALL)

    def broken(_self: PolicySet) -> None:
        raise RecursionError

    monkeypatch.setattr(PolicySet, "rehearsed", broken)
    async with watching(world, None) as (_, candidates):
        assert candidates.figures()["report_only"]["problem"] == "they cannot be evaluated: RecursionError"


async def test_the_console_is_told_what_watches(world: DecisionWorld, tmp_path: Path) -> None:
    world.policies = policies_in(tmp_path / "live", ALL)
    policies_in(tmp_path / "candidate", NONE)
    visit = await visit_of(world)
    async with watching(world, tmp_path / "candidate") as (point, candidates):
        await point.authorize(visit.request())
        await until(lambda: candidates.figures()["candidate"]["report"]["compared"] == 1)

        class Source:
            current, problem, directory = world.policies, None, tmp_path / "live"

        (shown,) = PolicyAdapter(Source(), candidates).overview().watching  # type: ignore[arg-type]  # all it asks for
    assert (shown.title, shown.compared, shown.loses, shown.others) == ("The candidate", 1, 1, 0)
    assert shown.by_subject == ((visit.user.id, 0, 1, 0),)
    assert shown.by_policy == (("all", 0, 1, 0), ("none", 0, 1, 0))
