"""What tests of feeds share: one installation on a temporary database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from feed_world import FeedWorld

from watchword.kernel import FrozenClock
from watchword.storage import Database


@pytest.fixture
async def feed_database(anyio_backend: str, migrated_sqlite_url: str) -> AsyncIterator[Database]:  # noqa: ARG001  # for anyio
    found = Database(migrated_sqlite_url)
    yield found
    await found.close()


@pytest.fixture
async def feed_world(feed_database: Database, clock: FrozenClock, entropy: Any, tmp_path: Path) -> FeedWorld:
    return FeedWorld(feed_database, clock, entropy, tmp_path / "feeds")
