"""What is asked in the words of the Authorization API: subject, action, resource, context, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from watchword.kernel import Answer, DecisionId, Reason
from watchword.policy import PolicyRequest

MAX_ID: Final = 1024
MAX_NAME: Final = 256
MAX_TOKEN: Final = 4096
MAX_REQUEST_ID: Final = 8192

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Party:
    """A subject or a resource, as the caller describes it."""

    type: str
    id: str
    properties: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Action:
    """What the subject wants to do."""

    name: str
    properties: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Question:
    """May the subject do the action to the resource in this context?"""

    subject: Party
    action: Action
    resource: Party
    context: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def as_json(self) -> dict[str, Any]:
        """Return it as it was asked, without what was empty."""
        found: dict[str, Any] = {
            "subject": party_json(self.subject),
            "action": {"name": self.action.name} | _properties(self.action.properties),
            "resource": party_json(self.resource),
        }
        return found | ({"context": dict(self.context)} if self.context else {})


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One evaluation of a batch that lacks something; the others are answered all the same."""

    problem: str


class Semantic(StrEnum):
    """When a batch ends."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"

    def ends_with(self, *, is_permit: bool) -> bool:
        """Tell whether nothing further is asked after this answer."""
        if self is Semantic.DENY_ON_FIRST_DENY:
            return not is_permit
        return self is Semantic.PERMIT_ON_FIRST_PERMIT and is_permit


@dataclass(frozen=True, slots=True)
class Batch:
    """Several questions in one call; an `evaluation` call is a batch of one that says so."""

    items: tuple[Question | Unreadable, ...]
    semantic: Semantic = Semantic.EXECUTE_ALL


class Sought(StrEnum):
    """What a search looks for."""

    SUBJECT = "subject"
    RESOURCE = "resource"
    ACTION = "action"


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of the results is wanted.

    Attributes:
        limit: nothing where the caller leaves it to us.
    """

    token: str | None = None
    limit: int | None = None
    properties: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Search:
    """Which subjects, resources or actions would be permitted?

    Attributes:
        question: the sought one has an empty `id` or `name`; what a caller wrote there is ignored.
    """

    sought: Sought
    question: Question
    page: Page = field(default_factory=Page)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question, ready to be journaled and told.

    Attributes:
        detail: what happened, for the administrator of the enforcement point; never a value of the request.
        words: for the person concerned, without policy internals.
        obligations: in the form of the draft profile; `obligation_names` are those of the policies.
        policies: identifiers of the determining policies, with their own words.
        principal: of a user of this node, the identifier; of anybody else nothing.
        asked: what the policies were asked; nothing where they were not.
        ignored: properties that the schema does not know, by path.
    """

    id: DecisionId
    answer: Answer
    reason: Reason
    detail: str = ""
    words: str = ""
    error: str = ""
    step_up: Mapping[str, Any] | None = None
    obligations: tuple[Mapping[str, Any], ...] = ()
    obligation_names: tuple[str, ...] = ()
    policies: tuple[tuple[str, str], ...] = ()
    policy_version: str = ""
    policy_errors: tuple[str, ...] = ()
    principal: str | None = None
    action: str | None = None
    resource_type: str | None = None
    ignored: tuple[str, ...] = ()
    cost_us: int = 0
    asked: PolicyRequest | None = None

    @property
    def is_permit(self) -> bool:
        """Whether the access may go forward; everything else, step-up and approval too, is a denial to a caller."""
        return self.answer is Answer.ALLOW


def party_json(party: Party) -> dict[str, Any]:
    """Return a subject or resource as it was written."""
    return {"type": party.type, "id": party.id} | _properties(party.properties)


def _properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"properties": dict(properties)} if properties else {}
