"""What can be wrong with policies, in the words of this room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from watchword.kernel import WatchwordError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in one place.

    Attributes:
        path: the file's name inside the policy directory; empty when no file is to blame.
        line: counted from 1; 0 when the whole file is meant.
        column: counted in characters from 1; 0 when the whole line is meant.
        message: lower-case, without full stop.
        expected: what would have been right here; empty when unknown.
        nearest: the known name that comes nearest to the one written; empty when none is near.
        policy: the policy's id; empty when the problem lies outside any policy.
    """

    path: str
    line: int
    column: int
    message: str
    expected: str = ""
    nearest: str = ""
    policy: str = ""

    def __str__(self) -> str:
        words = f"{self.place}: {self.message}" if self.place else self.message
        if self.expected:
            words += f"; expected {self.expected}"
        if self.nearest:
            words += f"; did you mean `{self.nearest}`?"
        return words

    @property
    def place(self) -> str:
        """`file:line:column`, as editors understand it."""
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part)


class PolicyError(WatchwordError):
    """A policy, schema or request cannot be used."""

    code: ClassVar[str] = "policy.error"


class PolicyLoadError(PolicyError):
    """The policy set in a directory is wrong; what was in force stays in force.

    Attributes:
        problems: everything that was found, in the order of files and lines; never empty.
    """

    code: ClassVar[str] = "policy.invalid"
    status: ClassVar[int] = 422

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(
            f"{self.problems[0]}{more}",
            hint="mend the file and save it; the policies in force stay in force until then",
        )


class MalformedValueError(PolicyError):
    """A text is not an address, decimal, date or duration of Cedar."""

    code: ClassVar[str] = "policy.malformed_value"
    status: ClassVar[int] = 400


class UnknownSyntaxError(PolicyError):
    """A policy uses a form that the evaluator does not know; refusing it is the only safe answer."""

    code: ClassVar[str] = "policy.unknown_syntax"
    status: ClassVar[int] = 422
