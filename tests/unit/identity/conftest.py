"""Identity on a real database, with passwords that are cheap to hash."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from identity_world import CHEAP, World

from watchword.identity import Identity, IdentitySettings
from watchword.kernel import FrozenClock
from watchword.keys import MasterKey, Sealer
from watchword.storage import Database, migrate


@pytest.fixture
async def world(database: Database, clock: FrozenClock, entropy: Any) -> AsyncIterator[World]:
    """Identity on each database."""
    made = _world(database, clock, entropy)
    yield made
    made.identity.close()


@pytest.fixture
async def sqlite_world(sqlite_url: str, clock: FrozenClock, entropy: Any) -> AsyncIterator[World]:
    """Identity on SQLite alone, for the many variants of one attack that no dialect could tell apart."""
    database = Database(sqlite_url)
    await migrate(database)
    made = _world(database, clock, entropy)
    yield made
    made.identity.close()
    await database.close()


def _world(database: Database, clock: FrozenClock, entropy: Any) -> World:
    sealer = Sealer(MasterKey(bytes(32)))
    settings = IdentitySettings(argon2=CHEAP)
    identity = Identity.open(database, clock, entropy, sealer=sealer, settings=settings)
    return World(identity, database, clock, entropy, sealer)
