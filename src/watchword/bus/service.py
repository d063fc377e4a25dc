"""Deliver events to observers, in order, one batch at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from watchword.kernel import Event

Observer = Callable[[Sequence[Event]], Awaitable[None]]


class Bus:
    """Hand each committed batch to every observer, in the order they subscribed.

    An observer that raises stops the batch: the relay will deliver the whole batch again, so observers are
    idempotent. Nothing is skipped silently, and a snapshot that cannot follow turns stale and denies.
    """

    def __init__(self) -> None:
        self._observers: list[Observer] = []

    def subscribe(self, observer: Observer) -> None:
        """Add an observer; it sees only what is delivered from now on."""
        self._observers.append(observer)

    async def deliver(self, events: Sequence[Event]) -> None:
        """Await every observer in turn."""
        for observer in self._observers:
            await observer(events)
