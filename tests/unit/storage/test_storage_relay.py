from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from watchword.bus import Bus
from watchword.kernel import Entropy, Event, EventType, FrozenClock
from watchword.storage import Database, OutboxRelay, newest_position, relay

_TESTED = EventType("relay_test.thing.tested", "Something was tested.", public="n")


class MemoryJournal:
    """A journal that keeps what it was given and fails when told to."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, Event]] = []
        self.fails = False

    @property
    def outbox_position(self) -> int:
        return self.kept[-1][0] if self.kept else 0

    async def append_events(self, events: Sequence[tuple[int, Event]]) -> None:
        if self.fails:
            raise OSError("no room")
        self.kept += events


class Observer:
    """An observer that remembers and fails when told to."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.fails = False
        self.told = asyncio.Event()

    async def __call__(self, events: Sequence[Event]) -> None:
        if self.fails:
            raise ValueError("not today")
        self.seen += [int(str(event.data["n"])) for event in events]
        self.told.set()


class World:
    def __init__(self, database: Database, clock: FrozenClock, entropy: Entropy) -> None:
        self.database, self.clock, self.entropy = database, clock, entropy
        self.bus, self.journal, self.observer = Bus(), MemoryJournal(), Observer()
        self.bus.subscribe(self.observer)
        self.relay = OutboxRelay(database, self.bus, self.journal, clock)

    async def commit(self, *numbers: int) -> None:
        async with self.database.work() as unit:
            for n in numbers:
                unit.emit(_TESTED.at(self.clock.now(), self.entropy, actor="system", subject="thing", n=n))

    def restarted(self) -> World:
        again = World(self.database, self.clock, self.entropy)
        again.journal = self.journal
        again.relay = OutboxRelay(self.database, again.bus, self.journal, self.clock)
        return again

    @property
    def journaled(self) -> list[int]:
        return [int(str(event.data["n"])) for _, event in self.journal.kept]


@pytest.fixture
async def world(anyio_backend: str, database: Database, clock: FrozenClock, entropy: Entropy) -> World:  # noqa: ARG001  # for anyio
    return World(database, clock, entropy)


async def test_committed_events_reach_the_journal_and_the_observers_in_order(world: World) -> None:
    await world.commit(1, 2)
    await world.commit(3)
    await world.relay.catch_up()
    assert world.journaled == world.observer.seen == [1, 2, 3]
    assert [position for position, _ in world.journal.kept] == sorted(position for position, _ in world.journal.kept)


async def test_an_event_arrives_as_it_was_emitted(world: World) -> None:
    await world.commit(1)
    await world.relay.catch_up()
    event = world.journal.kept[0][1]
    assert (event.type, event.at, event.actor, event.subject) == (
        "relay_test.thing.tested",
        world.clock.now(),
        "system",
        "thing",
    )


async def test_many_events_come_in_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "_BATCH", 7)
    await world.commit(*range(40))
    await world.relay.catch_up()
    assert world.journaled == world.observer.seen == list(range(40))


async def test_a_failing_journal_shows_nothing_to_anybody_and_leaves_the_snapshot_stale(world: World) -> None:
    await world.commit(1)
    world.journal.fails = True
    with pytest.raises(OSError, match="no room"):
        await world.relay.catch_up()
    assert world.observer.seen == []
    assert world.relay.fresh_at == float("-inf")
    world.journal.fails = False
    await world.relay.catch_up()
    assert world.journaled == world.observer.seen == [1]


async def test_a_failing_observer_is_told_again_and_the_journal_is_not(world: World) -> None:
    await world.commit(1)
    world.observer.fails = True
    with pytest.raises(ValueError, match="not today"):
        await world.relay.catch_up()
    assert world.relay.fresh_at == float("-inf")
    world.observer.fails = False
    await world.relay.catch_up()
    assert world.observer.seen == [1]
    assert world.journaled == [1]


async def test_old_events_go_once_they_are_proved_and_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "_KEPT", 3)
    monkeypatch.setattr(relay, "_TRIMMED", 4)
    await world.commit(*range(10))
    assert await world.relay.trim() == 0
    await world.relay.catch_up()
    world.journal.fails = True
    await world.commit(10, 11)
    with pytest.raises(OSError, match="no room"):
        await world.relay.catch_up()
    assert [await world.relay.trim() for _ in range(3)] == [4, 3, 0]
    world.journal.fails = False
    await world.relay.catch_up()
    assert world.journaled == world.observer.seen == list(range(12))
    assert [await world.relay.trim() for _ in range(2)] == [2, 0]
    # Positions are never used twice, so an event after a trim is one that nobody has seen.
    await world.commit(12)
    await world.relay.catch_up()
    assert world.journaled == world.observer.seen == list(range(13))
    assert await newest_position(world.database) == world.relay.position


async def test_freshness_counts_from_before_the_question(world: World) -> None:
    await world.relay.catch_up()
    world.clock.advance(timedelta(seconds=3))
    assert world.relay.fresh_at == 0
    await world.relay.catch_up()
    assert world.relay.fresh_at == 3


async def test_a_restart_journals_what_was_committed_and_not_yet_proved(world: World) -> None:
    await world.commit(1)
    await world.relay.catch_up()
    await world.commit(2, 3)  # and the process dies here
    again = world.restarted()
    await again.relay.start_at_end()
    assert again.journaled == [1, 2, 3]
    assert again.observer.seen == []  # observers load their state from the tables
    await again.commit(4)
    await again.relay.catch_up()
    assert again.journaled == [1, 2, 3, 4]
    assert again.observer.seen == [4]


async def test_a_restart_after_the_journal_and_before_the_observers_proves_nothing_twice(world: World) -> None:
    await world.commit(1)
    world.observer.fails = True
    with pytest.raises(ValueError, match="not today"):
        await world.relay.catch_up()
    again = world.restarted()
    await again.relay.start_at_end()
    assert again.journaled == [1]


async def test_a_running_relay_acts_at_once_after_a_commit_and_survives_failures(world: World) -> None:
    running = asyncio.create_task(world.relay.run())
    await world.commit(1)
    await asyncio.wait_for(world.observer.told.wait(), 10)
    world.journal.fails = True
    await world.commit(2)
    async with asyncio.timeout(10):
        while world.relay.failure is None:  # noqa: ASYNC110  # nothing tells of a failure
            await asyncio.sleep(0.001)
    world.journal.fails = False
    world.observer.told.clear()
    await asyncio.wait_for(world.observer.told.wait(), 10)
    assert world.observer.seen == [1, 2]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_events_of_another_node_are_found_without_being_told(world: World) -> None:
    other = Database(world.database._url.render_as_string(hide_password=False))
    running = asyncio.create_task(world.relay.run())
    await World(other, world.clock, world.entropy).commit(9)
    await asyncio.wait_for(world.observer.told.wait(), 10)
    assert world.observer.seen == [9]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await other.close()


async def test_a_quiet_database_stays_fresh_without_being_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.database, "stamp", lambda: 7)
    await world.relay.catch_up()
    asked: list[int] = []
    read = world.relay._read

    async def counted(after: int) -> list[tuple[int, Event]]:
        asked.append(after)
        return await read(after)

    monkeypatch.setattr(world.relay, "_read", counted)
    monkeypatch.setattr(relay, "_POLL_S", 0.001)
    running = asyncio.create_task(world.relay.run())
    async with asyncio.timeout(10):
        while not asked:  # noqa: ASYNC110  # the first look reads
            await asyncio.sleep(0.001)
        world.clock.advance(timedelta(seconds=0.3))
        while world.relay.fresh_at < 0.3:  # noqa: ASYNC110  # a look without reading moves it
            await asyncio.sleep(0.001)
    assert len(asked) == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_commit_of_anybody_changes_the_stamp_and_nothing_else_does(world: World) -> None:
    if not world.database.is_sqlite:
        assert world.database.stamp() is None
        return
    before = world.database.stamp()
    assert world.database.stamp() == before
    await world.commit(1)
    after = world.database.stamp()
    assert after != before
    other = Database(world.database._url.render_as_string(hide_password=False))
    await World(other, world.clock, world.entropy).commit(2)
    await other.close()
    assert world.database.stamp() != after
