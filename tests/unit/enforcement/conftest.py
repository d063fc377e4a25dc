from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from decision_world import DecisionWorld

from watchword.kernel import FrozenClock, KeyId
from watchword.keys import Algorithm, Signer
from watchword.storage import Database


@pytest.fixture
async def plain_database(anyio_backend: str, migrated_sqlite_url: str) -> AsyncIterator[Database]:  # noqa: ARG001  # for anyio
    found = Database(migrated_sqlite_url)
    yield found
    await found.close()


@pytest.fixture
def world(plain_database: Database, clock: FrozenClock, entropy: Any) -> DecisionWorld:
    return DecisionWorld(plain_database, clock, entropy)


@pytest.fixture
def journal_signer(clock: FrozenClock, entropy: Any) -> Signer:
    return Signer.generate(KeyId.new(clock.now(), entropy), Algorithm.ED25519)
