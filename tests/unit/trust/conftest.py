"""What tests of feeds share: one installation on a temporary database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from feed_world import FeedWorld, networks

from watchword.kernel import FrozenClock
from watchword.storage import Database
from watchword.trust.feeds import FeedFormat, FeedSettings, Meaning


@pytest.fixture
async def feed_world(plain_database: Database, clock: FrozenClock, entropy: Any, tmp_path: Path) -> FeedWorld:
    return FeedWorld(plain_database, clock, entropy, tmp_path / "feeds")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "list.txt"
    found.write_text(networks(*range(1, 11)))
    return found


@pytest.fixture
def drop(path: Path) -> FeedSettings:
    return FeedSettings(name="drop", format=FeedFormat.PLAIN, file=str(path), meaning=Meaning.BLOCK)
