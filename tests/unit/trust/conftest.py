"""What tests of feeds share: one installation on a temporary database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from feed_world import FeedWorld

from watchword.kernel import FrozenClock
from watchword.storage import Database


@pytest.fixture
async def feed_world(plain_database: Database, clock: FrozenClock, entropy: Any, tmp_path: Path) -> FeedWorld:
    return FeedWorld(plain_database, clock, entropy, tmp_path / "feeds")
