"""Keeping feeds fresh: what is put in force, what is kept for review, what is told, and what survives a restart."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bundle_server import BundleServer, serving
from feed_world import FeedWorld, bundle, held_up, networks, run_here, stix
from taxii_server import Taxii

from watchword.kernel import ConfigurationError
from watchword.settings import load
from watchword.trust.feeds import (
    FeedAuth,
    FeedFormat,
    FeedKeptError,
    Feeds,
    FeedSettings,
    FeedUnknownError,
)

LISTED = "45.1.1.7"
PLAIN = FeedFormat.PLAIN


@pytest.fixture
def world(feed_world: FeedWorld) -> FeedWorld:
    return feed_world


def counting(calls: list[Mapping[str, Any]], *outcomes: Mapping[str, Any]) -> Callable[..., Any]:
    """Answer jobs with outcomes made beforehand, the last one for ever."""

    async def run(job: Mapping[str, Any]) -> dict[str, Any]:
        calls.append(job)
        return dict(outcomes[min(len(calls), len(outcomes)) - 1])

    return run


FAILED = {"status": "failed", "code": "trust.feed_unreachable", "message": "the server answers 500", "hint": ""}


async def test_what_a_feed_lists_is_in_force_told_and_there_after_a_restart(
    world: FeedWorld, drop: FeedSettings
) -> None:
    feeds = await world.feeds(drop)
    assert feeds.status("drop").state == "never fetched"
    status = await feeds.refresh("drop")
    assert (status.state, status.entries, status.is_well) == ("in force", 10, True)
    assert feeds.reputation.of(LISTED, world.clock.now()).is_blocked
    ((kind, data),) = await world.told()
    assert (kind, data["feed"], data["entries"], data["former_entries"]) == ("refreshed", "drop", 10, None)
    again = await world.feeds(drop)
    assert again.reputation.of(LISTED, world.clock.now()).is_blocked
    assert again.status("drop") == status


async def test_what_did_not_change_is_confirmed_and_not_told_again(world: FeedWorld, drop: FeedSettings) -> None:
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    world.clock.advance(timedelta(minutes=60))
    status = await feeds.refresh("drop")
    assert status.refreshed_at == world.clock.now()
    assert len(await world.told()) == 1


async def test_a_server_that_says_unchanged_keeps_a_feed_fresh(world: FeedWorld) -> None:
    with BundleServer(serving(networks(1, 2).encode())) as server:
        feeds = await world.feeds(FeedSettings(name="drop", format=PLAIN, url=server.url("/x"), allow_private=True))
        await feeds.refresh("drop")
        world.clock.advance(timedelta(hours=2))
        status = await feeds.refresh("drop")
        assert [headers.get("If-None-Match") for _, headers in server.asked] == [None, '"one"']
    assert status.refreshed_at == world.clock.now()


async def test_a_cache_that_says_unchanged_for_ever_is_asked_for_the_whole_once_a_week(world: FeedWorld) -> None:
    with BundleServer(serving(networks(1, 2).encode())) as server:
        feeds = await world.feeds(FeedSettings(name="drop", format=PLAIN, url=server.url("/x"), allow_private=True))
        for _ in range(9):
            await feeds.refresh("drop")
            world.clock.advance(timedelta(days=1))
        shown = [headers.get("If-None-Match") for _, headers in server.asked]
    assert shown == [None, *['"one"'] * 6, None, '"one"']


async def test_first_sight_is_remembered_as_long_as_an_entry_stays(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    begun = world.clock.now()
    world.clock.advance(timedelta(days=3))
    path.write_text(networks(*range(1, 12)))
    await feeds.refresh("drop")
    seen = [feeds.reputation.of(f"45.1.{third}.7", world.clock.now()).hits[0].first_seen for third in (1, 11)]
    assert seen == [begun, world.clock.now()]


async def test_a_feed_that_shrinks_by_half_is_refused_and_kept_for_review(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    path.write_text(networks(2, 3, 4, 5, 6))
    status = await feeds.refresh("drop")
    assert (status.entries, status.is_well) == (10, False)
    assert status.review is not None
    assert (status.review["entries"], status.review["reason"]) == (5, "shrank")
    assert feeds.reputation.of(LISTED, world.clock.now()).is_blocked
    await feeds.refresh("drop")
    assert [(kind, data.get("detail")) for kind, data in await world.told()] == [
        ("refreshed", None),
        ("refused", "it shrank from 10 to 5 entries"),
    ]


async def test_a_feed_that_shrinks_by_less_is_taken(world: FeedWorld, drop: FeedSettings, path: Path) -> None:
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    path.write_text(networks(2, 3, 4, 5, 6, 7))
    assert (await feeds.refresh("drop")).entries == 6
    assert not feeds.reputation.of(LISTED, world.clock.now()).is_blocked


async def test_a_feed_that_grows_beyond_measure_is_kept_for_review(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    path.write_text("".join(networks(*range(256), base=f"46.{second}") for second in range(5)))
    status = await feeds.refresh("drop")
    assert status.review is not None
    assert (status.entries, status.review["entries"], status.review["reason"]) == (10, 1280, "grew")
    assert not feeds.reputation.of("46.1.1.1", world.clock.now()).hits


async def test_entries_that_ended_by_themselves_are_not_counted_as_taken_away(world: FeedWorld, path: Path) -> None:
    pattern = "[ipv4-addr:value = '45.1.1.{}']"
    short = [stix(pattern.format(number), valid_until="2026-11-21T13:00:00Z") for number in range(9)]
    path.write_bytes(bundle(*short, stix(pattern.format(99))))
    feeds = await world.feeds(FeedSettings(name="drop", format=FeedFormat.STIX, file=str(path)))
    assert (await feeds.refresh("drop")).entries == 10
    world.clock.advance(timedelta(hours=2))
    path.write_bytes(bundle(stix(pattern.format(99))))
    status = await feeds.refresh("drop")
    assert (status.entries, status.review) == (1, None)


async def test_what_is_accepted_is_in_force_here_and_in_the_node(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    node, command = await world.feeds(drop), await world.feeds(drop)
    await node.refresh("drop")
    path.write_text(networks(9))
    await node.refresh("drop")
    await command.load()
    status = await command.accept("drop", actor="cli:root")
    assert (status.entries, status.review, status.is_well) == (1, None, True)
    kind, data = (await world.told())[-1]
    assert (kind, data["verdict"], data["entries"]) == ("reviewed", "accepted", 1)
    assert node.reputation.of(LISTED, world.clock.now()).is_blocked
    event = world.heard("trust.feed.reviewed")
    await node.observe([event, event])
    assert not node.reputation.of(LISTED, world.clock.now()).is_blocked
    assert node.status("drop").entries == 1


async def test_what_is_rejected_is_not_kept_again_and_another_is(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    path.write_text(networks(9))
    await feeds.refresh("drop")
    assert (await feeds.reject("drop", actor="cli:root")).review is None
    with pytest.raises(FeedUnknownError):
        await feeds.reject("drop", actor="cli:root")
    world.clock.advance(timedelta(minutes=60))
    status = await feeds.refresh("drop")
    assert (status.review, status.problem) == (None, "it shrank from 10 to 1 entries, which was rejected")
    path.write_text(networks(8))
    assert (await feeds.refresh("drop")).review is not None
    path.write_text(networks(*range(1, 10)))
    assert (await feeds.refresh("drop")).is_well
    assert [kind for kind, _ in await world.told()] == ["refreshed", "refused", "reviewed", "refused", "refreshed"]


async def test_a_long_review_does_not_make_old_entries_young(world: FeedWorld, drop: FeedSettings, path: Path) -> None:
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    path.write_text(networks(1))
    await feeds.refresh("drop")
    world.clock.advance(timedelta(days=1))
    assert (await feeds.accept("drop", actor="cli:root")).state == "stale"


@pytest.mark.parametrize(
    "content",
    [
        b"<html>sign in</html>\n",
        b"\x00\xff" * 500,
        b"0.0.0.0/0\n" * 3,
        b"10.0.0.0/8\n127.0.0.1\n" * 3,
        b"",
        b"".join(b"45.%d.%d.0/24\n" % (at >> 8, at & 255) for at in range(5001)),
    ],
    ids=["page", "garbage", "internet", "private", "empty", "too many"],
)
async def test_a_bad_feed_leaves_the_last_good_in_force(
    world: FeedWorld, drop: FeedSettings, path: Path, content: bytes
) -> None:
    feeds = await world.feeds(replace(drop, max_entries=5000))
    await feeds.refresh("drop")
    path.write_bytes(content)
    status = await feeds.refresh("drop")
    assert (status.state, status.entries, status.is_well) == ("in force", 10, False)
    assert feeds.reputation.of(LISTED, world.clock.now()).is_blocked
    assert not feeds.reputation.of("10.0.0.1", world.clock.now()).hits
    assert [kind for kind, _ in await world.told()] == ["refreshed", "refused"]
    await feeds.refresh("drop")
    assert len(await world.told()) == 2


async def test_the_whole_internet_and_private_networks_are_refused_with_counts(
    world: FeedWorld, drop: FeedSettings, path: Path
) -> None:
    path.write_text("0.0.0.0/0\n::/0\n128.0.0.0/1\n10.0.0.0/8\n192.168.1.1\n127.0.0.1\n" + networks(1))
    feeds = await world.feeds(drop)
    status = await feeds.refresh("drop")
    assert status.refused == {"too broad": 3, "private": 2, "loopback": 1}
    assert status.examples["too broad"] == "0.0.0.0/0"
    assert (await world.told())[0][1]["refused"] == status.refused


async def test_a_feed_that_is_not_refreshed_becomes_stale_contributes_nothing_and_says_so(
    world: FeedWorld, drop: FeedSettings
) -> None:
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    refreshed = world.clock.now()
    world.clock.advance(timedelta(minutes=179))
    await feeds.look_for_stale()
    assert feeds.reputation.of(LISTED, world.clock.now()).is_blocked
    world.clock.advance(timedelta(minutes=1))
    for _ in range(2):
        await feeds.look_for_stale()
    assert feeds.reputation.of(LISTED, world.clock.now()).hits == ()
    status = feeds.status("drop")
    assert (status.state, status.problem) == ("stale", "it is stale and contributes nothing")
    assert [(kind, data.get("refreshed_at")) for kind, data in await world.told()][1:] == [
        ("stale", refreshed.isoformat())
    ]
    await feeds.refresh("drop")
    assert feeds.reputation.of(LISTED, world.clock.now()).is_blocked


async def test_a_clock_that_went_back_does_not_keep_old_entries_fresh(world: FeedWorld, drop: FeedSettings) -> None:
    world.clock.step(timedelta(days=3650))
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    world.clock.step(timedelta(days=-3650))
    again = await world.feeds(drop)
    assert again.reputation.of(LISTED, world.clock.now()).hits == ()
    assert again.wait_s("drop") == 0
    await again.refresh("drop")
    assert again.reputation.of(LISTED, world.clock.now()).is_blocked


async def test_failures_are_tried_again_ever_later_but_within_a_period(world: FeedWorld, drop: FeedSettings) -> None:
    calls: list[Mapping[str, Any]] = []
    feeds = await world.feeds(drop, run=counting(calls, FAILED))
    waits = [feeds.wait_s("drop")]
    for _ in range(12):
        await feeds.refresh("drop")
        waits.append(feeds.wait_s("drop"))
    assert waits[0] == 0
    for number, wait in enumerate(waits[1:]):
        usual = min(30 * 2**number, 3600)
        assert usual * 0.75 <= wait <= usual * 1.25
    assert len({wait / min(30 * 2**number, 3600) for number, wait in enumerate(waits[1:])}) > 6
    assert [(kind, data["detail"]) for kind, data in await world.told()] == [("unreachable", FAILED["message"])]


async def test_a_server_that_asks_for_patience_is_asked_later(world: FeedWorld, drop: FeedSettings) -> None:
    feeds = await world.feeds(drop, run=counting([], FAILED | {"wait_s": 1200}))
    await feeds.refresh("drop")
    assert feeds.wait_s("drop") == 1200


async def test_an_asked_feed_is_due_a_period_later_give_or_take_a_tenth(world: FeedWorld, drop: FeedSettings) -> None:
    feeds = await world.feeds(drop)
    await feeds.refresh("drop")
    waits = [feeds.wait_s("drop") for _ in range(20)]
    assert all(3240 <= wait <= 3960 for wait in waits)
    assert len(set(waits)) > 10
    world.clock.advance(timedelta(hours=5))
    assert feeds.wait_s("drop") == 0


async def test_whatever_the_worker_does_the_node_goes_on(world: FeedWorld, drop: FeedSettings) -> None:
    async def broken(_job: Mapping[str, Any]) -> dict[str, Any]:
        raise RuntimeError("boom")

    feeds = await world.feeds(drop, run=broken)
    assert "RuntimeError" in (await feeds.refresh("drop")).problem


@pytest.mark.parametrize(
    "lie",
    [
        {"digest": "../../../outside"},
        {"digest": "0" * 64},
        {"fingerprint": None},
        {"entries": "many"},
        {"entries": -1},
        {"refused": {"unheard of": 1}},
        {"examples": {"private": ["x"]}, "tag": 7},
        {"status": "done", "code": "x", "message": "y" * 9_999},
        {"covers": [-1, 0]},
        {"covers": 7},
        {"former_covers": ["x", 0]},
        {"former_live": "x"},
    ],
)
async def test_a_worker_that_was_taken_over_is_not_believed(
    world: FeedWorld, drop: FeedSettings, lie: Mapping[str, Any]
) -> None:
    await (await world.feeds(drop)).refresh("drop")
    before = sorted(
        each for each in world.root.parent.rglob("*") if "-wal" not in each.name and "-shm" not in each.name
    )

    async def lying(job: Mapping[str, Any]) -> dict[str, Any]:
        return await run_here(job) | lie

    feeds = await world.feeds(drop, run=lying)
    status = await feeds.refresh("drop")
    assert (status.is_well, len(status.problem) <= 1_000) == (False, True)
    assert feeds.reputation.of(LISTED, world.clock.now()).is_blocked
    after = sorted(each for each in world.root.parent.rglob("*") if "-wal" not in each.name and "-shm" not in each.name)
    assert after == before


async def test_two_processes_do_not_fetch_one_feed_at_once(world: FeedWorld, drop: FeedSettings) -> None:
    slow, begun, go = held_up()
    node, command = await world.feeds(drop, run=slow), await world.feeds(drop)
    task = asyncio.create_task(node.refresh("drop"))
    await begun.wait()
    assert (await command.refresh("drop")).state == "never fetched"
    assert command.wait_s("drop") == 5.0
    with pytest.raises(FeedKeptError):
        await command.accept("drop", actor="cli:root")
    go.set()
    assert (await task).entries == 10


async def test_half_of_a_file_that_is_being_written_is_not_the_whole(
    world: FeedWorld, drop: FeedSettings, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds = await world.feeds(drop)
    real = os.fstat

    def writing(handle: int) -> os.stat_result:
        found = real(handle)
        if found.st_ino == path.stat().st_ino:
            path.write_text(path.read_text() + "45.1.99.0/24\n")
        return found

    monkeypatch.setattr("watchword.trust.feeds.worker.os.fstat", writing)
    assert "was written while it was read" in (await feeds.refresh("drop")).problem
    monkeypatch.undo()
    assert (await feeds.refresh("drop")).is_well


async def test_a_damaged_table_counts_for_nothing_and_is_fetched_again(world: FeedWorld, drop: FeedSettings) -> None:
    await (await world.feeds(drop)).refresh("drop")
    (table,) = world.root.glob("drop/*/table")
    content = bytearray(table.read_bytes())
    content[-200] ^= 1
    table.write_bytes(content)
    feeds = await world.feeds(drop)
    assert feeds.reputation.of(LISTED, world.clock.now()).hits == ()
    assert "damaged" in feeds.status("drop").problem
    assert (await feeds.refresh("drop")).is_well
    assert feeds.reputation.of(LISTED, world.clock.now()).is_blocked


@pytest.mark.parametrize("text", ["", "{", "[]", '{"in_force": 7}', "null", "[" * 100_000])
async def test_a_damaged_memory_is_forgotten(world: FeedWorld, drop: FeedSettings, text: str) -> None:
    await (await world.feeds(drop)).refresh("drop")
    (world.root / "drop" / "state.json").write_text(text)
    feeds = await world.feeds(drop)
    assert feeds.status("drop").state == "never fetched"
    assert (await feeds.refresh("drop")).is_well


async def test_what_came_from_another_address_counts_for_nothing(
    world: FeedWorld, drop: FeedSettings, tmp_path: Path
) -> None:
    await (await world.feeds(drop)).refresh("drop")
    moved = replace(drop, file=str(tmp_path / "other.txt"))
    feeds = await world.feeds(moved)
    assert feeds.reputation.of(LISTED, world.clock.now()).hits == ()
    (tmp_path / "other.txt").write_text(networks(77))
    assert (await feeds.refresh("drop")).is_well


async def test_settings_that_read_otherwise_take_the_feed_as_a_whole(world: FeedWorld) -> None:
    with BundleServer(serving(networks(1, 2).encode())) as server:
        drop = FeedSettings(name="drop", format=PLAIN, url=server.url("/x"), allow_private=True)
        await (await world.feeds(drop)).refresh("drop")
        feeds = await world.feeds(replace(drop, confidence=10))
        await feeds.refresh("drop")
        assert [headers.get("If-None-Match") for _, headers in server.asked] == [None, None]
    assert feeds.reputation.of(LISTED, world.clock.now()).confidence == 10


async def test_old_tables_are_removed(world: FeedWorld, drop: FeedSettings, path: Path) -> None:
    feeds = await world.feeds(drop)
    for number in range(11, 15):
        path.write_text(networks(*range(1, number)))
        await feeds.refresh("drop")
    assert len(list(world.root.glob("drop/*/table"))) == 1
    assert not list(world.root.glob("drop/.staging-*"))


async def test_a_collection_is_read_in_part_and_once_a_day_as_a_whole(world: FeedWorld) -> None:
    taxii = Taxii(page=100)
    for number in range(4):
        taxii.add(
            f"2026-11-20T0{number}:00:00Z", stix(f"[ipv4-addr:value = '45.1.{number}.7']", id=f"indicator--{number}")
        )
    with BundleServer(taxii) as server:
        settings = FeedSettings(name="ti", format=FeedFormat.TAXII, url=server.url("/taxii2/"), allow_private=True)
        feeds = await world.feeds(settings)
        assert (await feeds.refresh("ti")).entries == 4
        taxii.add("2026-11-21T00:00:00Z", stix("[ipv4-addr:value = '45.1.9.7']", id="indicator--9"))
        server.asked.clear()
        again = await world.feeds(settings)
        assert (await again.refresh("ti")).entries == 5
        assert "added_after=" in server.asked[-1][0]
        del taxii.objects[0]
        assert (await again.refresh("ti")).entries == 5
        world.clock.advance(timedelta(days=1))
        assert (await again.refresh("ti")).entries == 4
    assert not again.reputation.of("45.1.0.7", world.clock.now()).hits
    assert again.reputation.of("45.1.9.7", world.clock.now()).hits


async def test_a_collection_whose_memory_is_damaged_is_read_as_a_whole(world: FeedWorld) -> None:
    taxii = Taxii(page=100)
    taxii.add("2026-11-20T00:00:00Z", stix("[ipv4-addr:value = '45.1.1.7']"))
    with BundleServer(taxii) as server:
        settings = FeedSettings(name="ti", format=FeedFormat.TAXII, url=server.url("/taxii2/"), allow_private=True)
        feeds = await world.feeds(settings)
        await feeds.refresh("ti")
        (statements,) = world.root.glob("ti/*/statements")
        statements.write_text("{")
        server.asked.clear()
        status = await feeds.refresh("ti")
        assert "added_after=" not in server.asked[-1][0]
    assert (status.entries, status.is_well) == (1, True)


@pytest.mark.parametrize("where", ["variable", "file"])
async def test_a_credential_comes_from_its_place_and_is_written_nowhere(
    world: FeedWorld, tmp_path: Path, where: str
) -> None:
    secret = "t0p-secret-token"
    with BundleServer(serving(networks(1).encode())) as server:
        about = {"variable": {"credential_variable": "FEED_KEY"}, "file": {"credential_file": str(tmp_path / "key")}}
        settings = FeedSettings(
            name="drop", format=PLAIN, url=server.url("/x"), allow_private=True, auth=FeedAuth.BEARER, **about[where]
        )
        feeds = await world.feeds(settings)
        status = await feeds.refresh("drop")
        assert "credential" in status.problem
        assert not server.asked
        world.environment["FEED_KEY"] = f"{secret}\n"
        (tmp_path / "key").write_text(f"{secret}\n")
        assert (await feeds.refresh("drop")).is_well
        assert server.asked[0][1]["Authorization"] == f"Bearer {secret}"
    written = [each.read_bytes() for each in world.root.rglob("*") if each.is_file()]
    assert not any(secret.encode() in each for each in written)
    assert secret not in json.dumps(await world.told(), default=str)


@pytest.mark.parametrize("given", ["", "two\nlines", "gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n"])
async def test_a_credential_that_could_carry_another_header_is_refused(world: FeedWorld, given: str) -> None:
    world.environment["FEED_KEY"] = given
    settings = FeedSettings(
        name="drop",
        format=PLAIN,
        url="https://127.0.0.1:1/x",
        auth=FeedAuth.BEARER,
        credential_variable="FEED_KEY",
    )
    feeds = await world.feeds(settings)
    assert "credential" in (await feeds.refresh("drop")).problem


async def test_the_schedule_looks_at_every_feed(world: FeedWorld, drop: FeedSettings) -> None:
    calls: list[Mapping[str, Any]] = []
    done = asyncio.Event()

    async def run(job: Mapping[str, Any]) -> dict[str, Any]:
        calls.append(job)
        if len(calls) == 3:
            done.set()
        return await run_here(job)

    feeds: Feeds = await world.feeds(*(replace(drop, name=name) for name in ("a", "b", "c")), run=run)
    task = asyncio.create_task(feeds.run())
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert sorted(job["feed"]["name"] for job in calls) == ["a", "b", "c"]


async def test_a_clock_that_is_set_right_does_not_leave_feeds_stale_until_their_period_is_over(
    world: FeedWorld, drop: FeedSettings
) -> None:
    looks: asyncio.Queue[None] = asyncio.Queue()

    async def run(job: Mapping[str, Any]) -> dict[str, Any]:
        looks.put_nowait(None)
        return await run_here(job)

    feeds = await world.feeds(drop, run=run)
    task = asyncio.create_task(feeds.run())
    await asyncio.wait_for(looks.get(), 5)
    while not feeds.status("drop").is_well:  # noqa: ASYNC110  # it tells nobody that it is done
        await asyncio.sleep(0)
    world.clock.step(timedelta(days=365))
    assert feeds.status("drop").state == "stale"
    await feeds.look_for_stale()
    await asyncio.wait_for(looks.get(), 5)
    while not feeds.status("drop").is_well:  # noqa: ASYNC110  # as above
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert feeds.reputation.of(LISTED, world.clock.now()).is_blocked


async def test_a_feed_nobody_configured_is_unknown(world: FeedWorld, drop: FeedSettings) -> None:
    feeds = await world.feeds(drop)
    with pytest.raises(FeedUnknownError):
        await feeds.refresh("other")


# --- the configuration -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        'name = "../x"\nfile = "x"',
        'name = "x"',
        'name = "x"\nfile = "x"\nurl = "https://a.example/"',
        'name = "x"\nurl = "http://a.example/"',
        'name = "x"\nurl = "https://user:key@a.example/"',
        'name = "x"\nfile = "x"\nevery_min = 0.5',
        'name = "x"\nfile = "x"\nevery_min = nan',
        'name = "x"\nfile = "x"\nconfidence = 0',
        'name = "x"\nfile = "x"\nmax_entries = 5000001',
        'name = "x"\nfile = "x"\nmeaning = "allow"',
        'name = "x"\nfile = "x"\ncolumns = {value = "1"}',
        'name = "x"\nfile = "x"\nauth = "bearer"',
        'name = "x"\nfile = "x"\ncredential_variable = "X"',
        'name = "x"\nfile = "x"\npassword = "x"',
    ],
)
def test_a_feed_that_cannot_be_meant_is_refused_at_the_start(line: str, tmp_path: Path) -> None:
    config = tmp_path / "w.toml"
    config.write_text(f'[[trust.feeds]]\nformat = "plain"\n{line}\n')
    with pytest.raises(ConfigurationError):
        load(config, data=tmp_path, environment={})


@pytest.mark.parametrize("columns", ["{}", '{value = ""}', '{value = "0"}', '{value = "ip", colour = "c"}'])
def test_columns_that_cannot_be_meant_are_refused(columns: str, tmp_path: Path) -> None:
    config = tmp_path / "w.toml"
    config.write_text(f'[[trust.feeds]]\nformat = "csv"\nname = "x"\nfile = "x"\ncolumns = {columns}\n')
    with pytest.raises(ConfigurationError):
        load(config, data=tmp_path, environment={})


def test_two_feeds_of_one_name_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "w.toml"
    config.write_text('[[trust.feeds]]\nformat = "plain"\nname = "x"\nfile = "x"\n' * 2)
    with pytest.raises(ConfigurationError, match="same name"):
        load(config, data=tmp_path, environment={})
