"""What an analysis is asked and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from watchword.policy.load import WrittenPolicy
from watchword.policy.model import PolicyRequest


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much.

    Attributes:
        query_s: seconds for one question to the solver.
        total_s: seconds for the whole analysis; what is not settled then is unknown.
        memory_mb: what the solver may take.
    """

    query_s: float = 2.0
    total_s: float = 600.0
    memory_mb: int = 1024


class FindingKind(StrEnum):
    """What may be wrong with a policy or an invariant."""

    NEVER_MATCHES = "never-matches"
    ONLY_FAILS = "only-fails"
    SHADOWED = "shadowed"
    CONTRADICTS = "contradicts"
    IMPLIED = "implied"
    CONSTANT = "constant"
    VIOLATED = "invariant-violated"
    VACUOUS = "invariant-vacuous"


class Verdict(StrEnum):
    """What became of an invariant."""

    HOLDS = "holds"
    VIOLATED = "violated"
    UNKNOWN = "unknown"
    VACUOUS = "vacuous"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; line and column count from 1, 0 where there is none."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part)


@dataclass(frozen=True, slots=True)
class Example:
    """A request that shows something, confirmed by the engine.

    Attributes:
        facts: what the policies look at, by path, as text.
        policies: the ids of those that settled the answer.
    """

    request: PolicyRequest
    facts: Mapping[str, str]
    effect: str
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was proved, or shown by a request that the engine confirmed.

    Attributes:
        subject: the id of the policy or invariant.
        message: a whole sentence for operators.
        others: the ids of the other policies that it takes.
    """

    kind: FindingKind
    subject: str
    place: Place
    message: str
    others: tuple[str, ...] = ()
    example: Example | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """One thing that could not be settled."""

    subject: str
    place: Place
    message: str


@dataclass(frozen=True, slots=True)
class Invariant:
    """A promise that the policies shall keep.

    Attributes:
        is_never: under the condition nothing is permitted; else everything is.
        policy: its scope and condition as a policy, which is how it is evaluated.
    """

    id: str
    is_never: bool
    policy: WrittenPolicy
    place: Place
    description: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What an analysis found.

    Attributes:
        invariants: the verdict on each, by id.
        policies: how many were looked at.
        questions: how many were put to the solver.
    """

    findings: tuple[Finding, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    invariants: Mapping[str, Verdict] = field(default_factory=dict)
    policies: int = 0
    questions: int = 0

    @property
    def is_clean(self) -> bool:
        """Nothing was found, and every invariant was proved; an unknown one is not clean."""
        return not self.findings and all(verdict is Verdict.HOLDS for verdict in self.invariants.values())
