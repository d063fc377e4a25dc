"""An open stream lives as long as its request would be allowed again, whatever changed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from decision_world import HOME, DecisionWorld, Visit

from watchword.decision import Decision
from watchword.enforcement import streams as module
from watchword.enforcement.streams import Streams
from watchword.kernel import Answer, DecisionId, Limits, Obligation, Reason
from watchword.trust import NetworkList


class Guard:
    """Open streams by decision."""

    def __init__(self) -> None:
        self.open: list[DecisionId] = []
        self.cut: list[DecisionId] = []

    def open_decisions(self) -> list[DecisionId]:
        return list(self.open)

    def cut_decision(self, decision_id: DecisionId) -> bool:
        if decision_id not in self.open:
            return False
        self.open.remove(decision_id)
        self.cut.append(decision_id)
        return True


class StreamWorld:
    def __init__(self, world: DecisionWorld) -> None:
        self.world, self.guard, self.told = world, Guard(), list[tuple[DecisionId, Decision]]()
        self.streams = Streams(world.point.evaluate, lambda *cut: self.told.append(cut))
        self.streams.guarded_by(self.guard)

    def open(self, visit: Visit, path: str = "/live") -> DecisionId:
        decision = visit.asks(path)
        assert decision.permit is not None
        self.streams.admitted(decision)
        assert self.streams.admits(decision.id)
        self.guard.open.append(decision.id)
        return decision.id

    async def tell(self, kind: str, subject: str) -> None:
        """Deliver as the bus does: the facts first, then the streams."""
        event = await self.world.tell(kind, subject)
        await self.streams.observe([event])


@pytest.fixture
def opened(world: DecisionWorld) -> StreamWorld:
    return StreamWorld(world)


async def test_the_streams_of_an_ended_session_are_cut_and_no_other(opened: StreamWorld) -> None:
    ada, eve = await opened.world.visit(name="ada"), await opened.world.visit(name="eve")
    hers, other = opened.open(ada), opened.open(eve)
    await ada.change(ended_at=opened.world.clock.now(), handles={})
    await opened.tell("identity.session.ended", ada.session.id)
    assert (opened.guard.cut, opened.guard.open) == ([hers], [other])
    assert [(cut, decision.reasons[0]) for cut, decision in opened.told] == [(hers, Reason.SESSION_ENDED)]


async def test_the_streams_of_a_disabled_user_are_cut(opened: StreamWorld) -> None:
    ada = await opened.world.visit()
    stream = opened.open(ada)
    await ada.change_user(is_disabled=True)
    await opened.tell("identity.user.disabled", ada.user.id)
    assert opened.guard.cut == [stream]


async def test_an_event_that_changes_nothing_for_it_leaves_a_stream_alone(opened: StreamWorld) -> None:
    ada = await opened.world.visit()
    opened.open(ada)
    await opened.tell("identity.user.changed", ada.user.id)
    await opened.tell("identity.session.handle_added", ada.session.id)
    assert opened.guard.cut == []


async def test_a_session_that_ends_before_its_stream_is_registered_opens_none(opened: StreamWorld) -> None:
    ada = await opened.world.visit()
    decision = ada.asks("/live")
    opened.streams.admitted(decision)
    await ada.change(ended_at=opened.world.clock.now(), handles={})
    await opened.tell("identity.session.ended", ada.session.id)
    assert opened.guard.cut == []
    assert not opened.streams.admits(decision.id)


async def test_a_decision_nobody_made_opens_no_stream(opened: StreamWorld) -> None:
    assert not opened.streams.admits(DecisionId.new(opened.world.clock.now(), opened.world.entropy))


async def test_a_device_that_is_taken_away_counts_for_open_streams(opened: StreamWorld) -> None:
    ada = await opened.world.visit()
    await ada.change(mfa_at=None, mfa_network=None)
    stream = opened.open(ada)
    assert ada.session.device_id is not None
    device = opened.world.people.all_devices[ada.session.device_id]
    opened.world.people.all_devices[device.id] = replace(device, user_ids=frozenset())
    await opened.tell("devices.device.unbound", device.id)
    assert opened.guard.cut == [stream]


async def test_a_stream_that_nobody_remembers_is_cut(opened: StreamWorld) -> None:
    unknown = DecisionId.new(opened.world.clock.now(), opened.world.entropy)
    opened.guard.open.append(unknown)
    await opened.streams.review()
    assert opened.guard.cut == [unknown]


async def reviewed(opened: StreamWorld) -> None:
    """Let `run` do what is due now."""
    task = asyncio.create_task(opened.streams.run())
    for _ in range(10):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_what_may_concern_everybody_is_reviewed_for_everybody(opened: StreamWorld) -> None:
    ada = await opened.world.visit()
    for kind in ("identity.group.deleted", "trust.network.listed", "policy.relation.deleted"):
        stream = opened.open(ada)
        await reviewed(opened)
        assert opened.guard.cut == []
        await opened.world.list_network(NetworkList.BLOCK, HOME)
        await opened.streams.observe([opened.world.event(kind, "net_203.0.113.7/32")])
        await reviewed(opened)
        assert opened.guard.cut == [stream]
        opened.guard.cut.clear()
        await _unlist(opened.world)


async def _unlist(world: DecisionWorld) -> None:
    from watchword.trust import NetworkListing  # noqa: PLC0415  # only here

    await NetworkListing(world.database, world.clock, world.entropy).remove(NetworkList.BLOCK, HOME, actor="test")
    await world.networks.load()


async def test_other_policies_cut_what_they_do_not_allow(opened: StreamWorld, tmp_path: Path) -> None:
    stream = opened.open(await opened.world.visit())
    opened.world.policy('permit (principal in Watchword::Group::"x", action, resource);', tmp_path / "p")
    opened.streams.review_all()
    await reviewed(opened)
    assert opened.guard.cut == [stream]


async def test_a_stream_does_not_outlive_its_session(opened: StreamWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody tells when a session runs out, so every stream is asked about now and then."""
    monkeypatch.setattr(module, "_REVIEW_EVERY_S", 0)
    stream = opened.open(await opened.world.visit())
    opened.world.clock.advance(timedelta(minutes=61))
    assert opened.guard.cut == []
    task = asyncio.create_task(opened.streams.run())
    async with asyncio.timeout(5):
        while not opened.guard.cut:  # noqa: ASYNC110  # the review tells nobody when it is done
            await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert opened.guard.cut == [stream]


async def test_new_requests_are_decided_while_many_streams_are_reviewed(opened: StreamWorld) -> None:
    ada = await opened.world.visit()
    for _ in range(120):
        opened.open(ada)
    review = asyncio.create_task(opened.streams.review())
    turns = 0
    while not review.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns >= 3


async def test_a_cut_that_cannot_be_told_does_not_save_the_others(opened: StreamWorld) -> None:
    def refuse(*_cut: object) -> None:
        raise OSError

    opened.streams._on_cut = refuse
    ada = await opened.world.visit()
    both = [opened.open(ada), opened.open(ada)]
    await ada.change(ended_at=opened.world.clock.now(), handles={})
    await opened.tell("identity.session.ended", ada.session.id)
    assert opened.guard.cut == both


async def test_memory_is_bounded_and_open_streams_are_never_forgotten(
    opened: StreamWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 20)
    opened.streams._evict_above = 20
    ada = await opened.world.visit()
    oldest = [opened.open(ada) for _ in range(15)]
    for _ in range(200):
        opened.streams.admitted(ada.asks("/live"))
    assert len(opened.streams._admitted) <= 15 + 2 * 20
    assert set(oldest) <= set(opened.streams._admitted)
    await opened.streams.review()
    assert opened.guard.cut == []


async def test_without_a_guard_nothing_is_open(world: DecisionWorld) -> None:
    streams = Streams(world.point.evaluate, lambda *_: None)
    streams.admitted((await world.visit()).asks())
    await streams.review()


async def test_a_stream_is_cut_when_the_time_that_a_policy_gave_it_is_over(opened: StreamWorld) -> None:
    visit = await opened.world.visit()
    decision = visit.asks("/live")
    limited = Obligation("lunch", limits=Limits(session_s=60))
    opened.streams.admitted(replace(decision, obligations=(limited,)))
    opened.guard.open.append(decision.id)
    opened.world.clock.advance(timedelta(seconds=59))
    await opened.streams.review()
    assert opened.guard.cut == []
    opened.world.clock.advance(timedelta(seconds=1))
    await opened.streams.review()
    assert opened.guard.cut == [decision.id]
    [(_, why)] = opened.told
    assert (why.answer, why.reasons) == (Answer.DENY, (Reason.SESSION_EXPIRED,))
