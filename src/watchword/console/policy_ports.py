"""What the pages about relations, candidates and AuthZEN need; `app` fills it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from watchword.kernel import Answer, DecisionId
from watchword.policy.relations import RelationTuple, RelationView


@dataclass(frozen=True, slots=True)
class TuplePage:
    """Some of the tuples that were looked for.

    Attributes:
        next: after which one the next page begins; empty on the last one.
    """

    tuples: Sequence[RelationTuple]
    next: str = ""


@dataclass(frozen=True, slots=True)
class RelatedPerson:
    """A user, as relations know one."""

    id: str
    name: str
    groups: Collection[str]


class RelationDesk(Protocol):
    """Who is related to what, as it is in force."""

    def view(self) -> RelationView | None:
        """Return the tuples in memory as the model in force sees them; nothing where there is no model."""
        ...

    def person(self, name: str) -> RelatedPerson | None:
        """Return a user, by identifier or sign-in name."""
        ...

    def people(self) -> Iterable[RelatedPerson]:
        """Return every user, in the order of their names."""
        ...

    async def page(self, text: str, *, after: str, most: int) -> TuplePage:
        """Return tuples in which a text stands, in the order of objects.

        Args:
            after: `TuplePage.next` of the page before; one that names nothing begins anew.
        """
        ...


@dataclass(frozen=True, slots=True)
class AuthzenCaller:
    """An enforcement point that may ask.

    Attributes:
        namespaces: what it may ask about; none means all.
        obligations: what it is known to fulfil.
        answered: by answer, since the start of the node.
    """

    name: str
    namespaces: tuple[str, ...]
    obligations: tuple[str, ...]
    keys: int
    answered: tuple[tuple[Answer, int], ...] = ()


@dataclass(frozen=True, slots=True)
class AuthzenAnswer:
    """One of the last answers; the whole of it stands in the journal."""

    id: DecisionId
    at: datetime
    caller: str
    answer: Answer
    reason: str
    subject: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class AuthzenOverview:
    """The API as it is.

    Attributes:
        address: where callers reach it.
        answers: the newest first.
        problem: why the file of entities was not taken; nothing while all is well.
    """

    is_on: bool
    address: str
    callers: tuple[AuthzenCaller, ...] = ()
    answers: tuple[AuthzenAnswer, ...] = ()
    problem: str | None = None


class AuthzenStatus(Protocol):
    """The AuthZEN API, for reading."""

    def overview(self) -> AuthzenOverview:
        """Return whether it is on, who may ask, and what was answered last."""
        ...
