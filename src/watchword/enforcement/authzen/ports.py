"""What the API needs of the rest of a node."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from watchword.enforcement.authzen.model import Verdict
from watchword.identity import UserFacts
from watchword.policy import EntityUid


class People(Protocol):
    """The users of this node, in memory."""

    @property
    def version(self) -> int:
        """Count changes of users and groups."""
        ...

    @property
    def snapshot(self) -> int:
        """Return the version of the whole picture, for records."""
        ...

    def age_s(self) -> float:
        """Return how old the picture may be; infinite while there is none."""
        ...

    def users(self) -> Iterable[UserFacts]:
        """Return every user."""
        ...


class Journal(Protocol):
    """Where decisions are proved."""

    async def append(self, record: dict[str, Any]) -> int:
        """Make a record durable and return its number; raise when that is impossible."""
        ...


class Remote(Protocol):
    """A policy server elsewhere, which an answer may have to ask although judging never waits."""

    async def settle(self, decide: Callable[[], Verdict]) -> Verdict:
        """Judge as often as that finds something new to ask, asking in between; return the last verdict."""
        ...


class Seals(Protocol):
    """Keeps the tokens of pages opaque and whole."""

    def seal(self, plaintext: bytes, *, purpose: str, context: str) -> bytes:
        """Encrypt and authenticate."""
        ...

    def open(self, sealed: bytes, *, purpose: str, context: str) -> bytes:
        """Decrypt, or raise a `WatchwordError`."""
        ...


class Candidates(Protocol):
    """Whom and what relations name, where a node can list them: candidates for searches, nothing more."""

    def subjects(self, resource: EntityUid, subject_type: str) -> Iterable[str]:
        """Return identifiers of subjects of a type that have some relation to a resource."""
        ...

    def resources(self, subject: EntityUid, resource_type: str) -> Iterable[str]:
        """Return identifiers of resources of a type that a subject has some relation to."""
        ...
