"""Listing and unlisting networks: persisted, told, followed."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import select

from watchword.kernel import Event, EventId, FrozenClock
from watchword.storage import Database
from watchword.storage.model import outbox
from watchword.trust import (
    NetworkFileSettings,
    NetworkList,
    NetworkListing,
    NetworkLists,
    NetworkMalformedError,
    NetworkNotListedError,
    NetworkTooBroadError,
    PlaceDataError,
)

BLOCK, ALLOW, SUSPICIOUS = NetworkList.BLOCK, NetworkList.ALLOW, NetworkList.SUSPICIOUS


@pytest.fixture
def listing(database: Database, clock: FrozenClock, entropy: Any) -> NetworkListing:
    return NetworkListing(database, clock, entropy)


async def _told(database: Database) -> list[Event]:
    async with database.read() as connection:
        rows = (await connection.execute(select(outbox).order_by(outbox.c.position))).all()
    return [
        Event(EventId(row.id), row.type, row.at, row.actor, row.subject, MappingProxyType(json.loads(row.data)))
        for row in rows
    ]


async def test_a_listed_network_is_kept_told_and_followed(
    database: Database, clock: FrozenClock, listing: NetworkListing
) -> None:
    lists = NetworkLists(database)
    await lists.load()
    until = clock.now() + timedelta(hours=1)
    made = await listing.add(BLOCK, "192.0.2.77/24", reason="scans us", actor="cli:root", expires_at=until)
    assert made.network == "192.0.2.0/24"
    (event,) = await _told(database)
    assert event.type == "trust.network.listed"
    assert event.actor == "cli:root"
    await lists.observe([event, event])
    standing = lists.standing("192.0.2.1", clock.now())
    assert (standing.blocked, standing.reason, standing.expires_at) == (True, "scans us", until)
    restarted = NetworkLists(database)
    await restarted.load()
    assert restarted.standing("192.0.2.1", clock.now()) == standing
    assert not restarted.standing("192.0.2.1", until).blocked


async def test_an_unlisted_network_is_gone_told_and_followed(
    database: Database, clock: FrozenClock, listing: NetworkListing
) -> None:
    lists = NetworkLists(database)
    await listing.add(SUSPICIOUS, "2001:db8::/32", reason="x", actor="a")
    await listing.remove(SUSPICIOUS, "2001:db8::1/32", actor="b")
    events = await _told(database)
    await lists.observe(events[:1])
    assert lists.standing("2001:db8::5", clock.now()).suspicious
    await lists.observe(events)
    assert not lists.standing("2001:db8::5", clock.now()).suspicious
    assert await listing.entries() == []


async def test_listing_again_replaces_the_entry(
    database: Database, clock: FrozenClock, listing: NetworkListing
) -> None:
    await listing.add(BLOCK, "192.0.2.0/24", reason="first", actor="a", expires_at=clock.now() + timedelta(hours=1))
    await listing.add(BLOCK, "192.0.2.0/24", reason="second", actor="a")
    (entry,) = await listing.entries()
    assert (entry.reason, entry.expires_at) == ("second", None)
    lists = NetworkLists(database)
    await lists.observe(await _told(database))
    assert lists.standing("192.0.2.1", clock.now()).reason == "second"


async def test_what_is_refused_changes_nothing_and_tells_nothing(
    database: Database, clock: FrozenClock, listing: NetworkListing
) -> None:
    with pytest.raises(NetworkTooBroadError):
        await listing.add(BLOCK, "0.0.0.0/0", reason="", actor="a")
    with pytest.raises(NetworkMalformedError):
        await listing.add(BLOCK, "nonsense", reason="", actor="a")
    with pytest.raises(NetworkMalformedError, match="expired"):
        await listing.add(BLOCK, "192.0.2.1", reason="", actor="a", expires_at=clock.now())
    with pytest.raises(NetworkNotListedError):
        await listing.remove(BLOCK, "192.0.2.1", actor="a")
    assert await listing.entries() == []
    assert await _told(database) == []


async def test_the_whole_internet_is_listed_only_on_purpose_and_can_be_unlisted(
    database: Database, clock: FrozenClock, listing: NetworkListing
) -> None:
    await listing.add(BLOCK, "::/0", reason="under attack", actor="a", allow_broad=True)
    lists = NetworkLists(database)
    await lists.load()
    assert lists.standing("2001:4860::1", clock.now()).blocked
    assert not lists.standing("8.8.8.8", clock.now()).blocked
    await listing.remove(BLOCK, "::/0", actor="a")


async def test_what_expired_long_ago_is_removed_at_the_next_change(clock: FrozenClock, listing: NetworkListing) -> None:
    await listing.add(BLOCK, "192.0.2.1", reason="", actor="a", expires_at=clock.now() + timedelta(hours=1))
    clock.advance(timedelta(days=31))
    await listing.add(BLOCK, "192.0.2.2", reason="", actor="a")
    assert [entry.network for entry in await listing.entries()] == ["192.0.2.2/32"]


async def test_files_are_loaded_beside_what_administrators_listed(
    database: Database, clock: FrozenClock, listing: NetworkListing, tmp_path: Path
) -> None:
    path = tmp_path / "tor.txt"
    path.write_text("192.0.2.0/24\n198.51.100.7\n")
    await listing.add(ALLOW, "192.0.2.9", reason="our exit", actor="a")
    lists = NetworkLists(database)
    await lists.load([NetworkFileSettings(str(path), SUSPICIOUS, reason="Tor exit")])
    assert lists.standing("198.51.100.7", clock.now()).reason == "Tor exit"
    assert lists.standing("192.0.2.8", clock.now()).suspicious
    assert not lists.standing("192.0.2.9", clock.now()).suspicious


async def test_a_file_that_cannot_be_used_leaves_what_was_loaded_before(
    database: Database, clock: FrozenClock, listing: NetworkListing, tmp_path: Path
) -> None:
    lists = NetworkLists(database)
    await listing.add(BLOCK, "192.0.2.0/24", reason="", actor="a")
    await lists.load()
    with pytest.raises(PlaceDataError):
        await lists.load([NetworkFileSettings(str(tmp_path / "none"), BLOCK)])
    assert lists.standing("192.0.2.1", clock.now()).blocked
