"""The console on a database of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from console_world import ConsoleWorld, open_world

from watchword.storage import Database


@pytest.fixture
async def world(anyio_backend: str, migrated_sqlite_url: str, clock: Any, entropy: Any) -> AsyncIterator[ConsoleWorld]:  # noqa: ARG001  # for anyio
    """The console over real identity, devices and facts."""
    database = Database(migrated_sqlite_url)
    opened = await open_world(database, clock, entropy)
    yield opened
    opened.identity.close()
    await database.close()
