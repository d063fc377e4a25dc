from __future__ import annotations

from typing import Any

import pytest
from decision_world import DecisionWorld

from watchword.kernel import FrozenClock, KeyId
from watchword.keys import Algorithm, Signer
from watchword.storage import Database


@pytest.fixture
def world(plain_database: Database, clock: FrozenClock, entropy: Any) -> DecisionWorld:
    return DecisionWorld(plain_database, clock, entropy)


@pytest.fixture
def journal_signer(clock: FrozenClock, entropy: Any) -> Signer:
    return Signer.generate(KeyId.new(clock.now(), entropy), Algorithm.ED25519)
