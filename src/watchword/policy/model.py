"""What is asked of policies and what they answer. Nothing here knows of people, sessions or devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from watchword.policy.extension import Datetime, Decimal, Duration, Ip
from watchword.policy.lazy import LazySet


class EntityUid(NamedTuple):
    """The name of an entity: `Type::"id"`. A tuple, because it is hashed dozens of times a decision."""

    type: str
    id: str

    def __str__(self) -> str:
        return f'{self.type}::"{self.id}"'


class Truth(Enum):
    """How a truth value lies in a set; Python holds `True` and `1` for the same element, Cedar does not."""

    YES = True
    NO = False


@dataclass(frozen=True, slots=True)
class RecordKey:
    """How a record lies in a set: its items, each value as it would lie in a set."""

    items: frozenset[tuple[str, Value]]


Value: TypeAlias = (
    "bool | int | str | EntityUid | Ip | Decimal | Datetime | Duration | frozenset[Value] | Mapping[str, Value] | Truth"
    " | RecordKey | LazySet"
)


def set_of(values: Iterable[Value]) -> frozenset[Value]:
    """Make a Cedar set. A set of strings, numbers or entities is the same as a `frozenset` of them."""
    return frozenset(_element(value) for value in values)


def _element(value: Value) -> Value:
    if value is True or value is False:
        return Truth(value)
    if isinstance(value, Mapping):
        return RecordKey(frozenset((name, _element(inner)) for name, inner in value.items()))
    return value


@dataclass(frozen=True, slots=True)
class Entity:
    """What is known of one entity. Do not change the mappings after the first decision that saw them.

    Attributes:
        attributes: by name; records are dictionaries, sets come from `set_of`.
        parents: the direct ones; whoever decides follows them up.
    """

    uid: EntityUid
    attributes: Mapping[str, Value] = field(default_factory=dict)
    parents: tuple[EntityUid, ...] = ()
    tags: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PolicyRequest:
    """May `principal` do `action` to `resource` in this `context`?

    Attributes:
        context: by name; whoever made it may share a record in it with other requests, so nobody changes one.
        entities: at least the principal, the resource and all their ancestors; more does no harm.
    """

    principal: EntityUid
    action: EntityUid
    resource: EntityUid
    context: Mapping[str, Value]
    entities: Mapping[EntityUid, Entity]


class Effect(Enum):
    """What the policies say together. Only `PERMIT` may lead to access."""

    PERMIT = "permit"
    FORBID = "forbid"
    SILENT = "silent"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """A policy that settled an answer, with its annotations."""

    id: str
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """What the policies say to one request.

    Attributes:
        determining: the satisfied forbids if there is one, else the satisfied permits; in the order of ids.
        errors: `code: what happened`; with effect `ERROR` the first one is why. The codes are `policy_missing`,
            `policy_error`, `schema_misfit`, `budget_spent`, and those of Rego, which begin with `rego_`. A permit that
            failed is listed too and permits nothing.
        version: which policies answered.
    """

    effect: Effect
    determining: tuple[PolicyRef, ...]
    errors: tuple[str, ...]
    version: str

    @property
    def code(self) -> str:
        """The code of the first error; empty when there is none."""
        return self.errors[0].partition(":")[0] if self.errors else ""
