"""One fortress for every attack that leaves it standing; attacks that do not build their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from siege import Fortress, SiegeNode, build_fortress, tear_down


@pytest.fixture(scope="session")
def fortress() -> Iterator[Fortress]:
    """A running node with an echo application, an administrator and a member."""
    built = build_fortress()
    yield built
    tear_down(built)


@pytest.fixture
def make_node() -> Iterator[Callable[..., SiegeNode]]:
    """Make nodes of a test's own; they are stopped and deleted afterwards, whatever happened."""
    made: list[SiegeNode] = []

    def make(**settings: object) -> SiegeNode:
        made.append(SiegeNode(**settings))  # type: ignore[arg-type]  # checked by SiegeNode itself
        return made[-1]

    yield make
    for node in made:
        node.close()
