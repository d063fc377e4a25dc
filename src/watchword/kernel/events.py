"""Facts that were committed, and what of them may be shown to whom.

Every field of an event type is declared public or personal. A field that nobody declared counts as secret and is
dropped before it reaches a disk or another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from watchword.kernel.entropy import Entropy
from watchword.kernel.errors import WatchwordError
from watchword.kernel.ids import EventId

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

_types: dict[str, EventType] = {}


class Visibility(StrEnum):
    """Who may see a field."""

    PUBLIC = "public"
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True)
class Event:
    """One fact, named `room.subject.verb_past`.

    Attributes:
        actor: the identifier of who did it; `system` or `cli:NAME` where no user did.
        subject: the identifier of what it was done to.
        data: only declared fields, JSON values.
    """

    id: EventId
    type: str
    at: datetime
    actor: str
    subject: str
    data: Mapping[str, Json]


class EventType:
    """Declare an event once, at import, with the visibility of each field.

    Args:
        name: `room.subject.verb_past`.
        meaning: one sentence for the reference page.
        public: fields that anybody who reads the journal may see.
        personal: fields about a person, for those who may see personal data.
    """

    def __init__(self, name: str, meaning: str, *, public: str = "", personal: str = "") -> None:
        if name in _types:
            raise ValueError(f"event type declared twice: {name}")
        self.name = name
        self.meaning = meaning
        self.fields: Mapping[str, Visibility] = MappingProxyType(
            dict.fromkeys(public.split(), Visibility.PUBLIC) | dict.fromkeys(personal.split(), Visibility.PERSONAL)
        )
        _types[name] = self

    def __repr__(self) -> str:
        return f"EventType({self.name})"

    def at(self, now: datetime, entropy: Entropy, *, actor: str, subject: str, **data: Json) -> Event:
        """Make one event of this type.

        Raises:
            UndeclaredFieldError: a field has no declared visibility; it counts as secret.
        """
        undeclared = data.keys() - self.fields.keys()
        if undeclared:
            raise UndeclaredFieldError(f"event `{self.name}` does not declare `{', '.join(sorted(undeclared))}`")
        return Event(
            id=EventId.new(now, entropy),
            type=self.name,
            at=now,
            actor=actor,
            subject=subject,
            data=MappingProxyType(data),
        )


class UndeclaredFieldError(WatchwordError):
    """An event carries a field that nobody classified; it counts as secret."""

    code = "kernel.undeclared_event_field"


def event_types() -> Mapping[str, EventType]:
    """Return every event type declared so far, by name."""
    return MappingProxyType(_types)
