"""Test a row: compare its columns, follow its relations. Whatever cannot be asked of a row is a gap, and is noted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from watchword.policy import runtime
from watchword.policy.checks import MisfitError, entity_misfit
from watchword.policy.errors import PolicyError
from watchword.policy.extension import Datetime, Decimal, Duration, Ip
from watchword.policy.filters.mapping import Table, holding, number, one_of
from watchword.policy.filters.pairs import (
    ALWAYS,
    MOST_TESTS,
    NEITHER,
    NEVER,
    Cell,
    Failed,
    Found,
    Gap,
    Known,
    Members,
    Pair,
    Row,
    disjunction,
    negation,
    total,
    where_there,
)
from watchword.policy.filters.sql import Expression, and_, false, not_, some
from watchword.policy.model import Entity, EntityUid, Truth
from watchword.policy.schema import Reference, Schema

_MOST_VALUES = 2_000
_ERRORS = (runtime.EvaluationError, PolicyError, KeyError, TypeError, AttributeError)
_KINDS: Final[Mapping[type, str]] = {
    bool: "bool",
    int: "long",
    str: "string",
    EntityUid: "entity",
    Ip: "ip",
    Decimal: "decimal",
    Datetime: "datetime",
    Duration: "duration",
    frozenset: "set",
}


class CheckedEntities:
    """The entities that are known; each is checked against the schema when it is looked at, as by the evaluator."""

    def __init__(self, entities: Mapping[EntityUid, Entity], schema: Schema) -> None:
        self.entities = entities
        self._schema = schema

    def get(self, uid: EntityUid) -> Entity | None:
        """Return a description that fits the schema, or nothing where there is none."""
        entity = self.entities.get(uid)
        if entity is None:
            return None
        type_ = self._schema.entities.get(uid.type)
        if type_ is None or entity.uid != uid or entity_misfit(type_, entity, self._schema):
            raise MisfitError(f"an entity of type `{uid.type}` does not fit")
        return entity


class RowTests:
    """Tests of one table's rows, for the policy at hand.

    Attributes:
        gaps: what was left out of it.
    """

    def __init__(self, table: Table, entities: CheckedEntities) -> None:
        self.table = table
        self.entities = entities
        self.gaps: list[str] = []

    def pair(self, found: Found) -> Pair:
        """Take what was found as a truth value; what is none fails."""
        match found:
            case Pair():
                return found if found.size <= MOST_TESTS else self._left_out("a condition of too many parts")
            case Known(True):
                return ALWAYS
            case Known(False):
                return NEVER
            case Gap(what):
                return self._left_out(what)
            case Cell() if found.type.kind == "bool":
                return where_there(found, found.bound.raw.is_(True), found.bound.raw.is_(False))
        return NEITHER  # it fails

    def _left_out(self, what: str) -> Pair:
        self.gaps.append(what)
        return NEITHER

    def row_in(self, anchor: EntityUid) -> Pair:
        """Test whether the row is an entity or lies below it."""
        return self.pair(self._row_within([anchor]))

    def row_is(self, uid: EntityUid) -> Pair:
        """Test whether the row is an entity."""
        return self.pair(self.same(Row(), Known(uid)))

    def computed(self, function: Callable[..., Any], *arguments: Any) -> Found:
        """Compute of known values; what fails, fails."""
        try:
            return Known(function(*arguments))
        except _ERRORS:
            return Failed()

    def same(self, left: Found, right: Found) -> Found:  # noqa: C901, PLR0911  # one line for each pair of kinds
        """Compare any two."""
        if isinstance(left, Known) and isinstance(right, Known):
            return self.computed(runtime.same, left.value, right.value)
        if isinstance(left, Failed) or isinstance(right, Failed):
            return Failed()
        left, right = (right, left) if isinstance(left, Known) else (left, right)
        match left, right:
            case Row(), Row():
                return Known(True)
            case Row(), Known(value):
                return self.equals(Cell(self.table.id), value)
            case (Row(), Cell() as cell) | (Cell() as cell, Row()):
                return self._same_cells(Cell(self.table.id), cell)
            case Cell(), Cell():
                return self._same_cells(left, right)
            case Cell(), Known(value):
                return self.equals(left, value)
            case Pair(), Known(bool() as value):
                return left if value else negation(left)
            case Gap(), _:
                return left
            case _, Gap():
                return right
        return Gap("a comparison of this kind")

    def _same_cells(self, left: Cell, right: Cell) -> Found:
        if repr(left.type) != repr(right.type):
            return Gap("a comparison of two columns of different types")
        if holding(left.bound) is not holding(right.bound):
            return Gap("a comparison of two columns that hold their values differently")
        test = left.bound.term == right.bound.term
        if left.bound.is_there is None and right.bound.is_there is None:
            return total(test)
        there = and_(left.is_there, right.is_there)
        return Pair(and_(there, test), and_(there, not_(test)), size=6)

    def equals(self, cell: Cell, value: Any) -> Found:
        """Test a cell against one value."""
        return self.among(cell, [value])

    def among(self, cell: Cell, values: Iterable[Any]) -> Found:
        """Test whether a cell holds one of some values; a value of another kind is none."""
        alike = [value for value in _plainly(values) if _is_alike(cell, value)]
        if len(alike) > _MOST_VALUES or any(is_unheld(value) for value in alike):
            return Gap("values that a database may not hold")
        return where_there(cell, one_of(cell.bound, alike))

    def ordered(self, first: Found, second: Found, *, is_strict: bool, kinds: frozenset[str]) -> Found:
        """Compare two numbers, of which one may be a cell."""
        if isinstance(first, Known) and isinstance(second, Known):
            return self.computed(runtime.less if is_strict else runtime.less_or_equal, first.value, second.value)
        for one in (first, second):
            if isinstance(one, Failed | Gap):
                return one
        cells = [one for one in (first, second) if isinstance(one, Cell)]
        terms = [self._number(one, cells[0].type.kind) if cells else None for one in (first, second)]
        if terms[0] is None or terms[1] is None or cells[0].type.kind not in kinds:
            return Gap("a comparison of this kind")
        test: Expression = terms[0] < terms[1] if is_strict else terms[0] <= terms[1]
        there = [cell.is_there for cell in cells]
        if all(cell.bound.is_there is None for cell in cells):
            return total(test)
        return Pair(and_(*there, test), and_(*there, not_(test)), size=6)

    def _number(self, found: Found, kind: str) -> Any:
        if isinstance(found, Cell):
            return found.bound.term if found.type.kind == kind else None
        if isinstance(found, Known) and _kind(found.value) == kind:
            return number(_plain_number(found.value))
        return None

    def within(self, left: Found, right: Found, above: Iterable[EntityUid] | None = None) -> Found:
        """Test whether one lies below another; `above` is what the left is known to lie below."""
        for one in (left, right):
            if isinstance(one, Failed | Gap):
                return one
        if isinstance(left, Known):
            return self._known_within(left, right, above)
        if not isinstance(left, Row):
            return self._cell_within(left, right)
        if isinstance(right, Row):
            return Known(True)
        anchors = self._anchors(right)
        return anchors if isinstance(anchors, Failed | Gap) else self._row_within(anchors)

    def _known_within(self, left: Known, right: Found, above: Iterable[EntityUid] | None) -> Found:
        try:
            known = frozenset(above) if above is not None else frozenset(runtime.up(left.value, self.entities))
        except _ERRORS:
            return Failed()
        match right:
            case Known(value):
                return self.computed(runtime.within, known, value)
            case Row():
                return self.among(Cell(self.table.id), known)
            case Cell():
                return self.among(right, known)
            case Members():
                return self.has_any(right, known)
        return Gap("a hierarchy of this kind")

    def _cell_within(self, left: Found, right: Found) -> Found:
        """Tell of an entity in a column only that it is the other; what lies above it is not known here."""
        if not isinstance(left, Cell) or not isinstance(right, Known):
            return Gap("what lies above an entity in a column")
        anchors = self._anchors(right)
        same = anchors if isinstance(anchors, Failed | Gap) else self.among(left, anchors)
        if not isinstance(same, Pair):
            return same
        self.gaps.append("what lies above an entity in a column")
        return Pair(same.is_true, false(), size=same.size)

    def _anchors(self, right: Found) -> list[EntityUid] | Failed | Gap:
        if not isinstance(right, Known):
            return Gap("a hierarchy of this kind")
        value = right.value
        listed = [value] if value.__class__ is EntityUid else list(value) if value.__class__ is frozenset else None
        if listed is None or any(one.__class__ is not EntityUid for one in listed):
            return Failed()
        return listed

    def _row_within(self, anchors: list[EntityUid]) -> Found:
        """Test whether the row is one of some entities or lies below one."""
        found = self.among(Cell(self.table.id), anchors)
        above = _reach(self.table.type.name, self.table.schema)
        for name in sorted({anchor.type for anchor in anchors} & above):
            found = self._or(found, self._has_ancestor(name, [one for one in anchors if one.type == name]))
        return found

    def _or(self, left: Found, right: Found) -> Found:
        return disjunction(self.pair(left), self.pair(right))

    def _has_ancestor(self, name: str, anchors: list[EntityUid]) -> Found:
        if name not in self.table.above:
            return Gap(f"the ancestors of type `{name}`, which are not mapped")
        bound, where = self.table.above[name]
        if any(is_unheld(anchor) for anchor in anchors) or len(anchors) > _MOST_VALUES:
            return Gap("values that a database may not hold")
        there = and_(bound.raw.is_not(None), one_of(bound, anchors))
        return total(there if where is None else some(self.table.row, where, there))

    def has_any(self, found: Members, values: Iterable[Any]) -> Found:
        """Test whether a set of related rows holds one of some values."""
        cell = Cell(found.bound)
        alike = [value for value in _plainly(values) if _is_alike(cell, value)]
        if len(alike) > _MOST_VALUES or any(is_unheld(value) for value in alike):
            return Gap("values that a database may not hold")
        if not alike:
            return Known(False)
        return total(found.has(and_(found.bound.raw.is_not(None), one_of(found.bound, alike))))


def _plainly(values: Iterable[Any]) -> Iterator[Any]:
    """Take elements out of a set, where truth values have another form."""
    return (one.value if isinstance(one, Truth) else one for one in values)


def _kind(value: Any) -> str:
    return next((kind for class_, kind in _KINDS.items() if isinstance(value, class_)), "")


def _is_alike(cell: Cell, value: Any) -> bool:
    if isinstance(cell.type, Reference):
        return value.__class__ is EntityUid and value.type == cell.type.entity
    return _kind(value) == cell.type.kind


def is_unheld(value: Any) -> bool:
    """Tell text that not every database can hold."""
    text = value.id if isinstance(value, EntityUid) else value
    return isinstance(text, str) and ("\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text))


def _plain_number(value: Any) -> int:
    if isinstance(value, Datetime | Duration):
        return value.ms
    return int(value.value if isinstance(value, Decimal) else value)


def _reach(type_name: str, schema: Schema) -> frozenset[str]:
    seen: set[str] = set()
    waiting = [type_name]
    while waiting:
        known = schema.entities.get(waiting.pop())
        for above in (known.parents if known else frozenset()) - seen:
            seen.add(above)
            waiting.append(above)
    return frozenset(seen)
