"""What a door proves and tells elsewhere: which fields somebody read or changed, and that somebody was let in at all.

Neither holds a value: a record has paths as policies write them and numbers, a notice has identifiers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, runtime_checkable

RECORD_TYPE: Final = "data_access"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whose exchange it is, as the decision point said.

    Attributes:
        decision: `dec_...`; the journal knows everything else by it.
        subject: `usr_...`.
    """

    decision: str
    application: str
    subject: str


@dataclass(frozen=True, slots=True)
class DataAccess:
    """What somebody read or is about to change.

    Attributes:
        part: `answer` for what was read, `request` for what is to be changed.
        status: of the answer; nothing for a request.
        counts: how often each recorded path led somewhere.
    """

    visitor: Visitor
    part: str
    at: datetime
    counts: Mapping[str, int]
    status: int | None = None

    def record(self) -> dict[str, Any]:
        """Render it for the journal: no value, no name of a member, no personal datum."""
        return {
            "type": RECORD_TYPE,
            "at": self.at.isoformat(),
            "decision": self.visitor.decision,
            "application": self.visitor.application,
            "user": self.visitor.subject,
            "part": self.part,
            "status": self.status,
            "counts": dict(self.counts),
        }


@dataclass(frozen=True, slots=True)
class Notice:
    """That somebody is about to be let in.

    Attributes:
        told: who shall know; names that whoever delivers it understands.
    """

    visitor: Visitor
    told: tuple[str, ...]
    at: datetime


class Witness(Protocol):
    """Where accesses are proved and told. Both return only when that is durable, and raise when it is impossible."""

    async def record(self, access: DataAccess) -> None:
        """Prove an access."""
        ...

    async def notify(self, notice: Notice) -> None:
        """Tell of an access."""
        ...


@runtime_checkable
class Meter(Protocol):
    """Told how much was shown to whom, where a witness wants to know that as well."""

    def measure(self, visitor: Visitor, size: int) -> None:
        """Take note of the bytes of an answer that went out; must be quick and must not raise."""
        ...
