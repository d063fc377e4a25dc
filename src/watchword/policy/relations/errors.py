"""What can be wrong with relations, and the one family that a check is refused with."""

from __future__ import annotations

from typing import ClassVar

from watchword.policy.errors import PolicyError


class RelationError(PolicyError):
    """A question about relations has no answer; whoever asked denies."""

    code: ClassVar[str] = "policy.relation_error"
    status: ClassVar[int] = 400


class RelationUnknownError(RelationError):
    """A type or relation is not in the model, so nothing can be said of it."""

    code: ClassVar[str] = "policy.relation_unknown"


class RelationMalformedError(RelationError):
    """An object, user or tuple is not written as one, or the model does not allow it."""

    code: ClassVar[str] = "policy.relation_malformed"
    status: ClassVar[int] = 422


class RelationMissingError(RelationError):
    """A tuple that should be deleted is not there."""

    code: ClassVar[str] = "policy.relation_missing"
    status: ClassVar[int] = 404


class RelationConditionError(RelationError):
    """A condition could not be evaluated: a parameter is missing or of another type, or the expression failed."""

    code: ClassVar[str] = "policy.relation_condition"


class RelationCycleError(RelationError):
    """What is excluded depends on the answer itself, so there is none."""

    code: ClassVar[str] = "policy.relation_cycle"


class RelationBudgetError(RelationError):
    """A check would take more steps, depth or breadth than it may; nothing is said, and that denies."""

    code: ClassVar[str] = "policy.relation_budget"
    status: ClassVar[int] = 503


class RelationStaleError(RelationError):
    """The relations in memory are older than the asker's token wants."""

    code: ClassVar[str] = "policy.relation_stale"
    status: ClassVar[int] = 503
