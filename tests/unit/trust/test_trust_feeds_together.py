"""Several at work on one feed at once: the node's looks, commands on the same machine, reviews and the journal."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bundle_server import BundleServer, serving
from feed_world import FeedWorld, held_up, networks, run_here

from watchword.storage import Database
from watchword.trust.feeds import FeedFormat, FeedKeptError, Feeds, FeedSettings, FeedUnknownError
from watchword.trust.feeds.kept import KeptFeed

LISTED = "45.1.1.7"


async def _waiting(world: FeedWorld, drop: FeedSettings, path: Path, *numbers: int) -> Feeds:
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    path.write_text(networks(*numbers))
    await feeds.refresh("drop")
    return feeds


async def test_looks_that_end_at_once_tell_each_thing_once(
    feed_world: FeedWorld, drop: FeedSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Database.work

    class Slow:
        def __init__(self, work: Any) -> None:
            self._work = work

        async def __aenter__(self) -> Any:
            for _ in range(20):
                await asyncio.sleep(0)
            return await self._work.__aenter__()

        async def __aexit__(self, *about: object) -> Any:
            return await self._work.__aexit__(*about)

    feeds = await feed_world.feeds(*(replace(drop, name=name) for name in "abcd"))
    monkeypatch.setattr(Database, "work", lambda database: Slow(real(database)))
    await asyncio.gather(*(feeds.refresh(name) for name in "abcd"))
    assert sorted(data["feed"] for _, data in await feed_world.told()) == ["a", "b", "c", "d"]


async def test_a_command_is_told_that_somebody_else_looks_already(feed_world: FeedWorld, drop: FeedSettings) -> None:
    node = await feed_world.feeds(drop)
    await node.refresh("drop")
    slow, begun, go = held_up()
    other, command = await feed_world.feeds(drop, run=slow), await feed_world.feeds(drop)
    task = asyncio.create_task(other.refresh("drop"))
    await begun.wait()
    status = await command.refresh("drop")
    assert (status.state, status.is_well) == ("in force", False)
    assert status.problem == "another process on this machine looks at it right now"
    assert command.status("drop").is_well
    go.set()
    assert (await task).is_well


async def test_a_table_that_is_replaced_while_a_node_starts_is_in_force_there(
    feed_world: FeedWorld, drop: FeedSettings, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = await feed_world.feeds(drop)
    await command.refresh("drop")
    former = KeptFeed(feed_world.root, "drop").state()
    path.write_text(networks(*range(1, 12)))
    await command.refresh("drop")
    fresh = KeptFeed(feed_world.root, "drop").state()
    answers = [former, fresh, fresh]
    monkeypatch.setattr(KeptFeed, "state", lambda _: answers.pop(0))
    node = await feed_world.feeds(drop)
    assert (node.status("drop").entries, node.status("drop").is_well) == (11, True)
    assert node.reputation.of("45.1.11.7", feed_world.clock.now()).is_blocked


async def test_what_is_accepted_but_damaged_leaves_the_last_good_in_force(
    feed_world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    feeds = await _waiting(feed_world, drop, path, 9)
    kept = KeptFeed(feed_world.root, "drop")
    waiting = kept.state().review
    assert waiting is not None
    shutil.rmtree(kept.folder_of(waiting))
    with pytest.raises(FeedKeptError):
        await feeds.accept("drop", actor="cli:root")
    again = await feed_world.feeds(drop)
    assert (again.status("drop").entries, again.status("drop").state) == (10, "in force")
    assert again.reputation.of(LISTED, feed_world.clock.now()).is_blocked


@pytest.mark.parametrize("verb", ["accept", "reject"])
async def test_what_was_looked_at_is_not_confused_with_what_came_since(
    feed_world: FeedWorld, drop: FeedSettings, path: Path, verb: str
) -> None:
    feeds = await _waiting(feed_world, drop, path, 1, 2, 3)
    looked_at = (feeds.status("drop").review or {})["digest"][:12]
    path.write_text(networks(99))
    await feeds.refresh("drop")
    with pytest.raises(FeedUnknownError, match="something else"):
        await getattr(feeds, verb)("drop", actor="cli:root", digest=looked_at)
    assert (feeds.status("drop").review or {})["entries"] == 1
    now = (feeds.status("drop").review or {})["digest"][:12]
    feed_world.clock.advance(timedelta(minutes=5))
    await feeds.refresh("drop")
    assert (await getattr(feeds, verb)("drop", actor="cli:root", digest=now.upper())).review is None


async def test_what_its_source_took_back_waits_for_nobody(feed_world: FeedWorld) -> None:
    with BundleServer(serving(networks(*range(1, 11)).encode())) as server:
        settings = FeedSettings(name="drop", format=FeedFormat.PLAIN, url=server.url("/x"), allow_private=True)
        feeds = await feed_world.feeds(settings)
        await feeds.refresh("drop")
        server.answer = serving(networks(1).encode(), tag='"two"')
        assert (await feeds.refresh("drop")).review is not None
        server.answer = serving(networks(*range(1, 11)).encode())
        status = await feeds.refresh("drop")
    assert (status.review, status.is_well) == (None, True)
    assert len(list(feed_world.root.glob("drop/*/table"))) == 1


@pytest.mark.parametrize("tag", ['"one"', ""])
async def test_a_stale_feed_that_a_command_refreshes_counts_in_the_node_again(
    feed_world: FeedWorld, drop: FeedSettings, tag: str
) -> None:
    with BundleServer(serving(networks(1).encode(), tag=tag)) as server:
        settings = replace(drop, file="", url=server.url("/x"), allow_private=True)
        node = await feed_world.feeds(settings)
        await node.refresh("drop")
        feed_world.clock.advance(timedelta(days=1))
        await node.look_for_stale()
        assert not node.reputation.of(LISTED, feed_world.clock.now()).hits
        command = await feed_world.feeds(settings)
        assert (await command.refresh("drop")).is_well
        assert [kind for kind, _ in await feed_world.told()] == ["refreshed", "stale", "refreshed"]
        event = feed_world.heard("trust.feed.refreshed")
        await node.observe([event])
        assert node.reputation.of(LISTED, feed_world.clock.now()).is_blocked
        await command.refresh("drop")
        assert len(await feed_world.told()) == 3


@pytest.mark.parametrize("wait_s", [-5, 1, 10**9])
async def test_a_server_that_asks_for_a_second_of_patience_keeps_nobody_busy(
    feed_world: FeedWorld, drop: FeedSettings, wait_s: int
) -> None:
    async def refused(_job: Mapping[str, Any]) -> dict[str, Any]:
        said = {"code": "trust.feed_slow_down", "message": "the server answers 429", "hint": ""}
        return {"status": "failed", "wait_s": wait_s} | said

    feeds = await feed_world.feeds(drop, run=refused)
    waits = []
    for _ in range(9):
        await feeds.refresh("drop")
        waits.append(feeds.wait_s("drop"))
    assert min(waits) >= 22.5
    assert min(waits[7:]) >= 2700
    assert max(waits) <= 4500


async def test_a_table_of_another_length_than_was_said_is_not_put_in_force(
    feed_world: FeedWorld, drop: FeedSettings
) -> None:
    async def lying(job: Mapping[str, Any]) -> dict[str, Any]:
        return await run_here(job) | {"entries": 9}

    status = await (await feed_world.feeds(drop, run=lying)).refresh("drop")
    assert (status.state, status.problem) == (
        "never fetched",
        "the table of the feed holds another number of entries than was said",
    )
