from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from authzen_world import AuthzenWorld

from watchword.kernel import FrozenClock
from watchword.policy import PolicySet

_HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def todo_policies() -> PolicySet:
    return PolicySet.load(_HERE / "todo")


@pytest.fixture(scope="session")
def record_policies() -> PolicySet:
    return PolicySet.load(_HERE / "records")


@pytest.fixture
def todo(clock: FrozenClock, entropy: Any, todo_policies: PolicySet) -> AuthzenWorld:
    return AuthzenWorld(clock, entropy, todo_policies, entities=_HERE / "todo" / "entities.json")


@pytest.fixture
def records(clock: FrozenClock, entropy: Any, record_policies: PolicySet) -> AuthzenWorld:
    return AuthzenWorld(clock, entropy, record_policies, entities=_HERE / "records" / "entities.json")
