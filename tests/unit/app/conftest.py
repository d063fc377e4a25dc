"""What several of the composition's tests stand on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from decision_world import NOTES, DecisionWorld

from watchword.kernel import FrozenClock
from watchword.storage import Database
from watchword.trust import STATISTICAL
from watchword.trust.learning import Feedback


@pytest.fixture
def world(plain_database: Database, clock: FrozenClock, entropy: Any) -> DecisionWorld:
    return DecisionWorld(plain_database, clock, entropy, applications=(replace(NOTES, profile=STATISTICAL),))


@pytest.fixture
def feedback(world: DecisionWorld) -> Feedback:
    return Feedback(world.database, world.clock, world.entropy)
