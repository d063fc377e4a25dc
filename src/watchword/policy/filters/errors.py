"""What keeps policies from becoming an expression of a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from watchword.policy.errors import PolicyError, Problem


class FilterMappingError(PolicyError):
    """The map from a schema to columns is wrong; a mistake of the application's developer."""

    code: ClassVar[str] = "policy.filter_mapping"


class UntranslatableError(PolicyError):
    """A policy asks what no expression of a query can, and the caller would rather know than get fewer rows.

    Attributes:
        problems: every place that was left out.
    """

    code: ClassVar[str] = "policy.filter_untranslatable"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            f"{self.problems[0]}",
            hint="map what the policy asks about, or take the narrower filter",
        )
