"""Feeds on a frozen clock, read in this process, and small files of every format."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from watchword.kernel import Event, EventId, FrozenClock
from watchword.storage import Database
from watchword.storage.model import outbox
from watchword.trust.feeds import Feeds, FeedSettings
from watchword.trust.feeds.intake import Intake
from watchword.trust.feeds.worker import perform

# Noon of the tests' Saturday, in minutes since 1970.
NOON = 29_921_040
DAY = 1440


def held_up() -> tuple[Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]], asyncio.Event, asyncio.Event]:
    """Return what looks at a feed but waits, the event that it has begun, and the one that lets it go on."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(job: Mapping[str, Any]) -> dict[str, Any]:
        begun.set()
        await go.wait()
        return await run_here(job)

    return slow, begun, go


async def run_here(job: Mapping[str, Any]) -> dict[str, Any]:
    """Do a job in this process, with everything that crosses to the other as it would."""
    found: dict[str, Any] = json.loads(json.dumps(perform(json.loads(json.dumps(job)))))
    return found


def intake(now: int = NOON, *, confidence: int = 100, most: int = 1000, expiry_min: int = 30 * DAY) -> Intake:
    return Intake(now=now, confidence=confidence, expiry_min=expiry_min, most=most)


def networks(*numbers: int, base: str = "45.1") -> str:
    """Write a plain list of /24s, one for each number."""
    return "".join(f"{base}.{number}.0/24\n" for number in numbers)


def stix(pattern: str, **about: Any) -> dict[str, Any]:
    """Make one STIX indicator; an attribute that is `None` is left out."""
    number = abs(hash(pattern)) % 10**12
    made: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--00000000-0000-4000-8000-{number:012d}",
        "created": "2026-11-20T12:00:00.000Z",
        "modified": "2026-11-20T12:00:00.000Z",
        "pattern": pattern,
        "pattern_type": "stix",
        "valid_from": "2026-11-20T12:00:00Z",
    } | about
    return {name: value for name, value in made.items() if value is not None}


def bundle(*objects: Mapping[str, Any]) -> bytes:
    return json.dumps(
        {"type": "bundle", "id": "bundle--00000000-0000-4000-8000-000000000000", "objects": objects}
    ).encode()


def misp(*attributes: Mapping[str, Any], **event: Any) -> bytes:
    return json.dumps({"response": [{"Event": {"info": "x", "Attribute": list(attributes)} | event}]}).encode()


class FeedWorld:
    """One installation's feeds; `again` is its restart."""

    def __init__(self, database: Database, clock: FrozenClock, entropy: Any, root: Path) -> None:
        self.database, self.clock, self.entropy, self.root = database, clock, entropy, root
        self.environment: dict[str, str] = {}

    async def feeds(self, *settings: FeedSettings, run: Any = run_here) -> Feeds:
        made = Feeds(
            settings, self.root, self.database, self.clock, self.entropy, run=run, environment=self.environment
        )
        await made.load()
        return made

    def heard(self, kind: str, feed: str = "drop") -> Event:
        """Make what a node hears when a command did something to a feed."""
        now = self.clock.now()
        return Event(EventId.new(now, self.entropy), kind, now, "cli:root", f"feed_{feed}", {"feed": feed})

    async def told(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        async with self.database.read() as connection:
            rows = (await connection.execute(select(outbox).order_by(outbox.c.position))).all()
        return [(row.type.removeprefix("trust.feed."), json.loads(row.data)) for row in rows]
