"""Tell of bundles through the outbox, so that what was refused is in the journal and reaches every observer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from watchword.kernel import Clock, Entropy, EventType
from watchword.kernel.events import Json
from watchword.storage import Database


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that must be told."""

    type: EventType
    subject: str
    data: Mapping[str, Json] = field(default_factory=dict)
    actor: str = "system"


class Alarm(Protocol):
    """Where notices go; one that raises is given the same notice again."""

    async def __call__(self, notice: Notice) -> None:
        """Tell it, durably."""
        ...


class OutboxAlarm:
    """Each notice is one event in a unit of work of its own."""

    def __init__(self, database: Database, clock: Clock, entropy: Entropy) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy

    async def __call__(self, notice: Notice) -> None:
        """Commit the event."""
        async with self._database.work() as unit:
            unit.emit(
                notice.type.at(
                    self._clock.now(), self._entropy, actor=notice.actor, subject=notice.subject, **notice.data
                )
            )
