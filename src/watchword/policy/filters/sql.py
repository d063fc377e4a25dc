"""The few pieces of SQL that filters are made of. Each gives true or false for every row, never null.

Values are bound. Text is compared byte by byte, whatever collation a column has, as Cedar compares it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Exists, String, and_, exists, false, literal, not_, or_, true
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

__all__ = ["ColumnElement", "and_", "false", "not_", "or_", "true"]

Expression = ColumnElement[bool]
_MOST_IN_A_RUN = 100


class ExactText(FunctionElement[str]):
    """A text column, compared byte by byte."""

    inherit_cache = True
    type = String()
    name = "exact_text"


class HoldsText(FunctionElement[bool]):
    """The column holds text, and not null or, where the database lets it, something else."""

    inherit_cache = True
    type = Boolean()
    name = "holds_text"


class HoldsNumber(FunctionElement[bool]):
    """The column holds a whole number."""

    inherit_cache = True
    type = Boolean()
    name = "holds_number"


class HoldsTruth(FunctionElement[bool]):
    """The column holds a truth value."""

    inherit_cache = True
    type = Boolean()
    name = "holds_truth"


class HasNoZero(FunctionElement[bool]):
    """The text holds no zero character, at which a pattern of the database would stop reading."""

    inherit_cache = True
    type = Boolean()
    name = "has_no_zero"


class Matches(FunctionElement[bool]):
    """The text fits a pattern; given as the two databases write it."""

    inherit_cache = True
    type = Boolean()
    name = "matches"


class Whole(FunctionElement[bool]):
    """A run of conditions that stays together; the library would take its brackets away."""

    inherit_cache = True
    type = Boolean()
    name = "whole"


_PIECES = (ExactText, HoldsText, HoldsNumber, HoldsTruth, HasNoZero, Matches)


def _arguments(element: Any, compiler: Any, options: Any) -> list[str]:
    return [compiler.process(clause, **options) for clause in element.clauses]


def _refused(element: Any, compiler: Any, **_: Any) -> str:
    # Prevents: a database that compares text in another way, unseen.
    raise CompileError(f"a policy's filter has no form for the dialect `{compiler.dialect.name}`: `{element.name}`")


for _piece in _PIECES:
    compiles(_piece)(_refused)


@compiles(ExactText, "sqlite")
def _exact_text_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    # Prevents: a column with COLLATE NOCASE that takes `Admin` for `admin`.
    return f"({_arguments(element, compiler, options)[0]} COLLATE BINARY)"


@compiles(ExactText, "postgresql")
def _exact_text_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f'(CAST({_arguments(element, compiler, options)[0]} AS TEXT) COLLATE "C")'


@compiles(HoldsText, "sqlite")
def _holds_text(element: Any, compiler: Any, **options: Any) -> str:
    return f"(typeof({_arguments(element, compiler, options)[0]}) = 'text')"


@compiles(HoldsNumber, "sqlite")
def _holds_number(element: Any, compiler: Any, **options: Any) -> str:
    # Prevents: text in a column for numbers, which SQLite allows and takes for greater than every number.
    return f"(typeof({_arguments(element, compiler, options)[0]}) = 'integer')"


@compiles(HoldsTruth, "sqlite")
def _holds_truth(element: Any, compiler: Any, **options: Any) -> str:
    column = _arguments(element, compiler, options)[0]
    return f"(typeof({column}) = 'integer' AND {column} IN (0, 1))"


@compiles(HoldsText, "postgresql")
@compiles(HoldsNumber, "postgresql")
@compiles(HoldsTruth, "postgresql")
def _holds(element: Any, compiler: Any, **options: Any) -> str:
    return f"({_arguments(element, compiler, options)[0]} IS NOT NULL)"


@compiles(Whole)
def _whole(element: Any, compiler: Any, **options: Any) -> str:
    return f"({_arguments(element, compiler, options)[0]})"


@compiles(HasNoZero, "sqlite")
def _has_no_zero_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"(instr({_arguments(element, compiler, options)[0]}, char(0)) = 0)"


@compiles(HasNoZero, "postgresql")
def _has_no_zero_postgresql(_element: Any, _compiler: Any, **_: Any) -> str:
    return "(1 = 1)"  # its text holds none


@compiles(Matches, "sqlite")
def _matches_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    column, glob, _ = element.clauses
    return f"({compiler.process(column, **options)} GLOB {compiler.process(glob, **options)})"


@compiles(Matches, "postgresql")
def _matches_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    column, _, like = element.clauses
    written = compiler.process(column, **options)
    return f"(CAST({written} AS TEXT) COLLATE \"C\" LIKE {compiler.process(like, **options)} ESCAPE '~')"


def matches(column: Any, pattern: tuple[str | None, ...]) -> Expression:
    """Test text against a pattern in which nothing stands for any run of characters."""
    glob = "".join("*" if part is None else _escaped_glob(part) for part in pattern)
    like = "".join("%" if part is None else _escaped_like(part) for part in pattern)
    return Matches(column, literal(glob, String()), literal(like, String()))


def _escaped_glob(text: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)


def _escaped_like(text: str) -> str:
    return "".join(f"~{letter}" if letter in "%_~" else letter for letter in text)


def some(row: Any, where: Expression, *conditions: Expression) -> Exists:
    """Tell whether a related row exists; `row` is the table that the relation is asked of."""
    return exists(literal(1)).where(where, *conditions).correlate(row)


def every(expressions: Iterable[Expression]) -> Expression:
    """Join by "and"."""
    return _joined(and_, true(), list(expressions))


def any_of(expressions: Iterable[Expression]) -> Expression:
    """Join by "or"."""
    return _joined(or_, false(), list(expressions))


def _joined(join: Any, nothing: Expression, expressions: list[Expression]) -> Expression:
    """Join as a shallow tree: SQLite counts a run of operators as that many levels, and takes a thousand."""
    while len(expressions) > _MOST_IN_A_RUN:
        runs = (expressions[at : at + _MOST_IN_A_RUN] for at in range(0, len(expressions), _MOST_IN_A_RUN))
        expressions = [Whole(join(nothing, *run)) for run in runs]
    joined: Expression = join(nothing, *expressions)
    return joined
