from __future__ import annotations

from collections.abc import Sequence

import pytest

from watchword.bus import Bus
from watchword.kernel import Entropy, Event, EventType, FrozenClock

_TESTED = EventType("bus_test.thing.tested", "Something was tested.")


@pytest.fixture
def batch(clock: FrozenClock, entropy: Entropy) -> list[Event]:
    return [_TESTED.at(clock.now(), entropy, actor="system", subject=str(n)) for n in range(3)]


async def test_each_observer_sees_the_batch_in_the_order_they_subscribed(batch: list[Event]) -> None:
    seen: list[tuple[str, Sequence[Event]]] = []
    bus = Bus()

    async def first(events: Sequence[Event]) -> None:
        seen.append(("first", events))

    async def second(events: Sequence[Event]) -> None:
        seen.append(("second", events))

    bus.subscribe(first)
    bus.subscribe(second)
    await bus.deliver(batch)
    assert seen == [("first", batch), ("second", batch)]


async def test_an_observer_that_fails_stops_the_batch_aloud(batch: list[Event]) -> None:
    seen: list[str] = []
    bus = Bus()

    async def failing(_events: Sequence[Event]) -> None:
        raise ValueError("not today")

    async def after(_events: Sequence[Event]) -> None:
        seen.append("after")

    bus.subscribe(failing)
    bus.subscribe(after)
    with pytest.raises(ValueError, match="not today"):
        await bus.deliver(batch)
    assert seen == []


async def test_a_bus_without_observers_is_content(batch: list[Event]) -> None:
    await Bus().deliver(batch)
