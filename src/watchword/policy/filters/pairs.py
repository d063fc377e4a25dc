"""What an expression is while the row is unknown: a value, a piece of the row, or two tests of the row.

A truth value is a pair of tests: the row makes it true, the row makes it false. When both fail the expression fails, as
a policy does on a missing attribute. Both may be too narrow, never too wide; joining keeps that, so a permit that
counts where it is true and a forbid that is over where it is false can never let a row through that they should not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from watchword.policy.filters.mapping import Bound, Path
from watchword.policy.filters.sql import Expression, and_, false, not_, or_, some, true
from watchword.policy.schema import Record, Type

MOST_TESTS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tests of a row.

    Attributes:
        is_total: every row makes it true or false, so the second test is the opposite of the first.
        size: how many tests it is joined of.
    """

    is_true: Expression
    is_false: Expression
    is_total: bool = False
    size: int = 1


@dataclass(frozen=True, slots=True)
class Known:
    """A value that does not depend on the row."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """Fails whenever it is reached."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that no expression of a query can ask; its words say what."""

    what: str


@dataclass(frozen=True, slots=True)
class Row:
    """The resource itself."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A record of the row that is always there."""

    path: Path
    record: Record


@dataclass(frozen=True, slots=True)
class Cell:
    """A column's value."""

    bound: Bound

    @property
    def type(self) -> Type:
        """Its type in Cedar."""
        return self.bound.type

    @property
    def is_there(self) -> Expression:
        """The test whether there is a value."""
        return true() if self.bound.is_there is None else self.bound.is_there


@dataclass(frozen=True, slots=True)
class Members:
    """A set that lies in related rows."""

    bound: Bound
    where: Expression
    row: Any

    def has(self, condition: Expression) -> Expression:
        """Test whether some element fulfils a condition."""
        return some(self.row, self.where, condition)


Found: TypeAlias = Pair | Known | Failed | Gap | Row | Inside | Cell | Members

ALWAYS, NEVER = Pair(true(), false(), is_total=True, size=0), Pair(false(), true(), is_total=True, size=0)
NEITHER = Pair(false(), false(), size=0)


def total(test: Expression) -> Pair:
    """Make a pair of a test that no row escapes."""
    return Pair(test, not_(test), is_total=True, size=2)


def where_there(cell: Cell, test: Expression, opposite: Expression | None = None) -> Pair:
    """Make a pair of a test of a cell that may be empty; an empty one makes it neither true nor false."""
    if cell.bound.is_there is None:
        return total(test)
    return Pair(and_(cell.is_there, test), and_(cell.is_there, not_(test) if opposite is None else opposite), size=4)


def conjunction(left: Pair, right: Pair) -> Pair:
    """Join by `&&`: the right side is looked at where the left is true."""
    is_total = left.is_total and right.is_total
    is_false = right.is_false if is_total else and_(left.is_true, right.is_false)
    size = left.size + right.size + (0 if is_total else left.size)
    return Pair(and_(left.is_true, right.is_true), or_(left.is_false, is_false), is_total, size)


def disjunction(left: Pair, right: Pair) -> Pair:
    """Join by `||`: the right side is looked at where the left is false."""
    return negation(conjunction(negation(left), negation(right)))


def negation(pair: Pair) -> Pair:
    """Turn around."""
    return Pair(pair.is_false, pair.is_true, pair.is_total, pair.size)


def choice(test: Pair, then: Pair, other: Pair) -> Pair:
    """Join by `if`: one side is looked at, as the test says."""
    return Pair(
        or_(and_(test.is_true, then.is_true), and_(test.is_false, other.is_true)),
        or_(and_(test.is_true, then.is_false), and_(test.is_false, other.is_false)),
        test.is_total and then.is_total and other.is_total,
        2 * test.size + then.size + other.size,
    )
