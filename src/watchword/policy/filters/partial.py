"""Evaluate a policy as far as it goes without the resource; what is left are tests of a row.

What does not depend on the row is computed by the evaluator's own functions, so it means what it means there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Integer, String, Uuid, bindparam, literal

from watchword.policy import runtime
from watchword.policy.checks import MisfitError, entity_misfit
from watchword.policy.emit import uid_of
from watchword.policy.errors import MalformedValueError
from watchword.policy.extension import Datetime, Decimal, Duration, Ip
from watchword.policy.filters.mapping import Bound, Table, id_value, scalar_value
from watchword.policy.filters.pairs import (
    ALWAYS,
    MOST_TESTS,
    NEITHER,
    NEVER,
    Cell,
    Failed,
    Found,
    Gap,
    Inside,
    Known,
    Members,
    Pair,
    Row,
    choice,
    conjunction,
    disjunction,
    negation,
    total,
    where_there,
)
from watchword.policy.filters.sql import Expression, HasNoZero, and_, any_of, false, matches, not_, some
from watchword.policy.model import Entity, EntityUid, PolicyRequest, Truth
from watchword.policy.schema import Record, Reference, Schema

Node = Any
_MOST_VALUES = 2_000
_LONGEST_PATTERN, _MOST_STARS = 500, 6
_COMPARED = frozenset({"long", "datetime", "duration"})
_ERRORS = (runtime.EvaluationError, MalformedValueError, KeyError, TypeError, AttributeError)
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


class Partial:
    """Evaluates the policies of one question.

    Attributes:
        gaps: what was left out of the policy at hand.

    Raises:
        MisfitError: something known does not fit the schema, so the decision point would refuse every row.
    """

    def __init__(
        self,
        asked: PolicyRequest,
        table: Table,
        entities: CheckedEntities,
        above: frozenset[EntityUid],
        *,
        of_the_row: Collection[str] = (),
    ) -> None:
        self._asked = asked
        self._of_the_row = frozenset(of_the_row) & set(asked.context)
        self._table = table
        self._entities = entities
        self._actions = above
        self.gaps: list[str] = []

    # ---- truth values --------------------------------------------------------------------------------------------

    def condition(self, node: Node) -> Pair:
        """Evaluate an expression that must be true or false."""
        return self._pair(self.expression(node))

    def _pair(self, found: Found) -> Pair:
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
        return self._pair(self._row_within([anchor]))

    def row_is(self, uid: EntityUid) -> Pair:
        """Test whether the row is an entity."""
        return self._pair(self._same(Row(), Known(uid)))

    # ---- expressions ---------------------------------------------------------------------------------------------

    def expression(self, node: Node) -> Found:
        """Evaluate any expression."""
        ((name, body),) = node.items()
        if isinstance(body, list) and name in runtime.FUNCTIONS:
            return self._function(name, [self.expression(one) for one in body])
        form = _FORMS.get(name)
        return form(self, name, body) if form else Gap("a form that is not known here")

    def _computed(self, function: Callable[..., Any], *arguments: Any) -> Found:
        try:
            return Known(function(*arguments))
        except _ERRORS:
            return Failed()

    def _sides(self, body: Node) -> tuple[Found, Found]:
        return self.expression(body["left"]), self.expression(body["right"])

    def value(self, _name: str, body: Node) -> Found:
        """Take a literal."""
        return Known(uid_of(body["__entity"]) if isinstance(body, dict) else body)

    def variable(self, _name: str, body: Node) -> Found:
        """Take one of the four variables; the resource is the row."""
        if body == "context" and self._of_the_row:
            return Gap("the whole context, of which a part depends on the row")
        known = {"principal": self._asked.principal, "action": self._asked.action, "context": self._asked.context}
        return Row() if body == "resource" else Known(known[body])

    def conjunction(self, _name: str, body: Node) -> Found:
        """Join by `&&`."""
        left = self.condition(body["left"])
        return Known(False) if left is NEVER else conjunction(left, self.condition(body["right"]))

    def disjunction(self, _name: str, body: Node) -> Found:
        """Join by `||`."""
        left = self.condition(body["left"])
        return Known(True) if left is ALWAYS else disjunction(left, self.condition(body["right"]))

    def negation(self, _name: str, body: Node) -> Found:
        """Turn a truth value around."""
        return negation(self.condition(body["arg"]))

    def if_else(self, _name: str, body: Node) -> Found:
        """Take one side where the test is known, both where it depends on the row."""
        test = self.condition(body["if"])
        if test is ALWAYS or test is NEVER:
            return self.expression(body["then" if test is ALWAYS else "else"])
        then, other = self.expression(body["then"]), self.expression(body["else"])
        if all(map(_may_be_truth, (then, other))) and not all(isinstance(one, Gap) for one in (then, other)):
            return choice(test, self._pair(then), self._pair(other))
        return Gap("an `if` whose value depends on the row")

    def equality(self, name: str, body: Node) -> Found:
        """Compare any two."""
        left, right = self._sides(body)
        found = self._same(left, right)
        return found if name == "==" or isinstance(found, Failed | Gap) else negation(self._pair(found))

    def comparison(self, name: str, body: Node) -> Found:
        """Compare numbers, times or spans."""
        left, right = self._sides(body)
        first, second = (left, right) if name.startswith("<") else (right, left)
        return self._ordered(first, second, is_strict=len(name) == 1, kinds=_COMPARED)

    def arithmetic(self, name: str, body: Node) -> Found:
        """Add, subtract or multiply."""
        left, right = self._sides(body)
        operate = {"+": runtime.add, "-": runtime.sub, "*": runtime.mul}[name]
        return self._apply(operate, left, right, what="arithmetic on a column")

    def negative(self, _name: str, body: Node) -> Found:
        """Take the negative."""
        return self._apply(runtime.neg, self.expression(body["arg"]), what="arithmetic on a column")

    def _apply(self, function: Callable[..., Any], *parts: Found, what: str) -> Found:
        """Compute of known values; one that fails makes the whole fail, one of the row leaves a gap."""
        if all(isinstance(part, Known) for part in parts):
            return self._computed(function, *(part.value for part in parts if isinstance(part, Known)))
        if any(isinstance(part, Failed) for part in parts):
            return Failed()
        return next((part for part in parts if isinstance(part, Gap)), Gap(what))

    def _function(self, name: str, parts: list[Found]) -> Found:
        orders = {"lessThan": (0, 1, True), "lessThanOrEqual": (0, 1, False)}
        orders |= {"greaterThan": (1, 0, True), "greaterThanOrEqual": (1, 0, False)}
        if name in orders and any(isinstance(part, Cell) for part in parts):
            first, second, is_strict = orders[name]
            return self._ordered(parts[first], parts[second], is_strict=is_strict, kinds=frozenset({"decimal"}))
        return self._apply(runtime.FUNCTIONS[name][2], *parts, what=f"`{name}` of a column")

    # ---- comparing -----------------------------------------------------------------------------------------------

    def _same(self, left: Found, right: Found) -> Found:  # noqa: C901, PLR0911  # one line for each pair of kinds
        if isinstance(left, Known) and isinstance(right, Known):
            return self._computed(runtime.same, left.value, right.value)
        if isinstance(left, Failed) or isinstance(right, Failed):
            return Failed()
        left, right = (right, left) if isinstance(left, Known) else (left, right)
        match left, right:
            case Row(), Row():
                return Known(True)
            case Row(), Known(value):
                return self._equals(Cell(self._table.id), value)
            case (Row(), Cell() as cell) | (Cell() as cell, Row()):
                return self._same_cells(Cell(self._table.id), cell)
            case Cell(), Cell():
                return self._same_cells(left, right)
            case Cell(), Known(value):
                return self._equals(left, value)
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
        if _holding(left.bound) is not _holding(right.bound):
            return Gap("a comparison of two columns that hold their values differently")
        test = left.bound.term == right.bound.term
        if left.bound.is_there is None and right.bound.is_there is None:
            return total(test)
        there = and_(left.is_there, right.is_there)
        return Pair(and_(there, test), and_(there, not_(test)), size=6)

    def _equals(self, cell: Cell, value: Any) -> Found:
        return self._among(cell, [value])

    def _among(self, cell: Cell, values: Iterable[Any]) -> Found:
        """Test whether a cell holds one of some values; a value of another kind is none."""
        alike = [value for value in _plainly(values) if _is_alike(cell, value)]
        if len(alike) > _MOST_VALUES or any(_is_unheld(value) for value in alike):
            return Gap("values that a database may not hold")
        return where_there(cell, _in(cell.bound, alike))

    def _ordered(self, first: Found, second: Found, *, is_strict: bool, kinds: frozenset[str]) -> Found:
        if isinstance(first, Known) and isinstance(second, Known):
            return self._computed(runtime.less if is_strict else runtime.less_or_equal, first.value, second.value)
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
            return literal(_plain_number(found.value), BigInteger())
        return None

    # ---- entities and records ------------------------------------------------------------------------------------

    def attribute(self, _name: str, body: Node) -> Found:  # noqa: PLR0911  # one line for each kind of attribute
        """Take an attribute of something known, or a column of the row."""
        holder, name = self._holder(body), body["attr"]
        if isinstance(holder, Known):
            return self._computed(lambda: runtime.attributes(holder.value, self._entities)[name])
        inside = self._inside(holder)
        if inside is None:
            return holder if isinstance(holder, Failed | Gap) else Gap(f"the attribute `{name}` of a column")
        if name not in inside.record.fields:
            return Failed()
        path, wanted = (*inside.path, name), inside.record.fields[name]
        if path in self._table.cells:
            return Cell(self._table.cells[path][0])
        if path in self._table.sets:
            bound, where = self._table.sets[path]
            return Members(bound, where, self._table.row)
        if isinstance(wanted.type, Record) and wanted.is_required:
            return Inside(path, wanted.type)
        return Gap(f"the attribute `{'.'.join(path)}`, which is not mapped")

    def _holder(self, body: Node) -> Found:
        if body["left"] != {"Var": "context"}:
            return self.expression(body["left"])
        if body["attr"] in self._of_the_row:
            return Gap(f"`context.{body['attr']}`, which depends on the row")
        return Known(self._asked.context)

    def _inside(self, holder: Found) -> Inside | None:
        if isinstance(holder, Row):
            return Inside((), self._table.type.attributes)
        return holder if isinstance(holder, Inside) else None

    def presence(self, _name: str, body: Node) -> Found:
        """Test whether an attribute is there."""
        holder, name = self._holder(body), body["attr"]
        if isinstance(holder, Known):
            return self._computed(runtime.has, holder.value, name, self._entities)
        inside = self._inside(holder)
        if inside is None:
            return holder if isinstance(holder, Failed | Gap) else Gap(f"`has {name}` of a column")
        if name not in inside.record.fields:
            return Known(False)
        path = (*inside.path, name)
        if inside.record.fields[name].is_required:
            return Known(True)
        if path not in self._table.cells:
            return Gap(f"the attribute `{'.'.join(path)}`, which is not mapped")
        return total(Cell(self._table.cells[path][0]).is_there)

    def tag(self, name: str, body: Node) -> Found:
        """Take a tag of something known."""
        left, right = self._sides(body)
        function = runtime.has_tag if name == "hasTag" else runtime.get_tag
        return self._apply(lambda one, two: function(one, two, self._entities), left, right, what="a tag of the row")

    def membership(self, _name: str, body: Node) -> Found:
        """Test whether one lies below another."""
        left = self.expression(body["left"])
        above = self._actions if body["left"] == {"Var": "action"} else None
        return self._within(left, self.expression(body["right"]), above)

    def _within(self, left: Found, right: Found, above: Iterable[EntityUid] | None = None) -> Found:
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
            known = frozenset(above) if above is not None else frozenset(runtime.up(left.value, self._entities))
        except _ERRORS:
            return Failed()
        match right:
            case Known(value):
                return self._computed(runtime.within, known, value)
            case Row():
                return self._among(Cell(self._table.id), known)
            case Cell():
                return self._among(right, known)
            case Members():
                return self._has_any(right, known)
        return Gap("a hierarchy of this kind")

    def _cell_within(self, left: Found, right: Found) -> Found:
        """Tell of an entity in a column only that it is the other; what lies above it is not known here."""
        if not isinstance(left, Cell) or not isinstance(right, Known):
            return Gap("what lies above an entity in a column")
        anchors = self._anchors(right)
        same = anchors if isinstance(anchors, Failed | Gap) else self._among(left, anchors)
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
        found = self._among(Cell(self._table.id), anchors)
        above = _reach(self._table.type.name, self._table.schema)
        for name in sorted({anchor.type for anchor in anchors} & above):
            found = self._or(found, self._has_ancestor(name, [one for one in anchors if one.type == name]))
        return found

    def _or(self, left: Found, right: Found) -> Found:
        return disjunction(self._pair(left), self._pair(right))

    def _has_ancestor(self, name: str, anchors: list[EntityUid]) -> Found:
        if name not in self._table.above:
            return Gap(f"the ancestors of type `{name}`, which are not mapped")
        bound, where = self._table.above[name]
        if any(_is_unheld(anchor) for anchor in anchors) or len(anchors) > _MOST_VALUES:
            return Gap("values that a database may not hold")
        there = and_(bound.raw.is_not(None), _in(bound, anchors))
        return total(there if where is None else some(self._table.row, where, there))

    def typed(self, _name: str, body: Node) -> Found:
        """Test the type of an entity."""
        left = self.expression(body["left"])
        match left:
            case Known(value):
                found = self._computed(runtime.is_of, value, body["entity_type"])
            case Row():
                found = Known(self._table.type.name == body["entity_type"])
            case Cell() if isinstance(left.type, Reference):
                test = where_there(left, left.is_there, false())
                found = test if left.type.entity == body["entity_type"] else negation(test)
            case _:
                return left if isinstance(left, Failed | Gap) else Gap("a type of this kind")
        if "in" not in body or found == Known(False) or isinstance(found, Failed):
            return found
        inside = self._within(left, self.expression(body["in"]))
        return conjunction(self._pair(found), self._pair(inside))

    # ---- strings, sets, records ----------------------------------------------------------------------------------

    def pattern_test(self, _name: str, body: Node) -> Found:
        """Test text against a pattern."""
        left = self.expression(body["left"])
        pattern = tuple(None if part == "Wildcard" else part["Literal"] for part in body["pattern"])
        if isinstance(left, Known):
            return self._computed(runtime.like, left.value, runtime.matcher(pattern))
        if not isinstance(left, Cell) or left.type.kind != "string":
            return left if isinstance(left, Failed | Gap) else Gap("`like` on this")
        text = "".join(part or "" for part in pattern)
        if None not in pattern:
            return self._equals(left, text)
        if len(text) > _LONGEST_PATTERN or pattern.count(None) > _MOST_STARS or _is_unheld(text):
            return Gap("a pattern that a database may not hold")
        # Prevents: text that goes on behind a zero character, where the database's pattern stops.
        test, plain = matches(left.bound.raw, pattern), HasNoZero(left.bound.raw)
        return Pair(and_(left.is_there, plain, test), and_(left.is_there, plain, not_(test)), size=6)

    def contains(self, _name: str, body: Node) -> Found:
        """Test whether a set has an element."""
        left, right = self._sides(body)
        if isinstance(left, Known) and isinstance(right, Known):
            return self._computed(lambda: runtime.key(right.value) in runtime.members(left.value))
        if isinstance(left, Members) and isinstance(right, Known):
            return self._has_any(left, [right.value])
        if isinstance(left, Known) and isinstance(right, Cell | Row):
            if left.value.__class__ is not frozenset:
                return Failed()
            return self._among(Cell(self._table.id) if isinstance(right, Row) else right, left.value)
        return self._apply(lambda *_: False, left, right, what="`contains` of this kind")

    def contains_many(self, name: str, body: Node) -> Found:
        """Test whether a set has all or some of the elements of another."""
        left, right = self._sides(body)
        if isinstance(left, Known) and isinstance(right, Known):
            function = frozenset.issuperset if name == "containsAll" else _meets
            sides = left.value, right.value
            return self._computed(lambda: function(runtime.members(sides[0]), runtime.members(sides[1])))
        if name == "containsAny" and isinstance(left, Known):
            left, right = right, left
        if isinstance(left, Members) and isinstance(right, Known) and right.value.__class__ is frozenset:
            if name == "containsAny":
                return self._has_any(left, right.value)
            each = [self._pair(self._has_any(left, [one])) for one in right.value]
            return _joined(each) if len(each) <= _MOST_STARS * 10 else Gap("a set of too many elements")
        return self._apply(lambda *_: False, left, right, what=f"`{name}` of this kind")

    def is_empty(self, _name: str, body: Node) -> Found:
        """Test whether a set has no element."""
        inner = self.expression(body["arg"])
        if isinstance(inner, Members):
            return negation(total(inner.has(inner.bound.raw.is_not(None))))
        return self._apply(lambda value: not runtime.members(value), inner, what="`isEmpty` of this kind")

    def _has_any(self, found: Members, values: Iterable[Any]) -> Found:
        """Test whether a set of related rows holds one of some values."""
        cell = Cell(found.bound)
        alike = [value for value in _plainly(values) if _is_alike(cell, value)]
        if len(alike) > _MOST_VALUES or any(_is_unheld(value) for value in alike):
            return Gap("values that a database may not hold")
        if not alike:
            return Known(False)
        return total(found.has(and_(found.bound.raw.is_not(None), _in(found.bound, alike))))

    def set_of(self, _name: str, body: Node) -> Found:
        """Make a set."""
        parts = [self.expression(one) for one in body]
        return self._apply(lambda *values: runtime.set_literal(values), *parts, what="a set with a column in it")

    def record(self, _name: str, body: Node) -> Found:
        """Make a record."""
        parts = [self.expression(one) for one in body.values()]
        return self._apply(
            lambda *values: runtime.record_literal(tuple(body), values), *parts, what="a record with a column in it"
        )


def _in(bound: Bound, values: Iterable[Any]) -> Expression:
    """Test a column that is not null against values of its own kind."""
    if isinstance(bound.type, Reference):
        held = [one for one in (id_value(bound, value) for value in values) if one is not None]
    else:
        held = [scalar_value(bound.type, value) for value in values]
    if bound.type.kind == "bool":
        return any_of(bound.raw.is_(one) for one in held)
    if not held:
        return false()
    affinity = bound.raw.type
    type_ = String() if isinstance(affinity, String) else affinity if isinstance(affinity, Uuid) else BigInteger()
    if len(held) == 1:
        only: Expression = bound.term == literal(held[0], type_)
        return only
    listed: Expression = bound.term.in_(bindparam(None, held, type_=type_, expanding=True, unique=True))
    return listed


def _may_be_truth(found: Found) -> bool:
    if isinstance(found, Known):
        return found.value is True or found.value is False
    return isinstance(found, Pair | Failed | Gap) or (isinstance(found, Cell) and found.type.kind == "bool")


def _plainly(values: Iterable[Any]) -> Iterator[Any]:
    """Take elements out of a set, where truth values have another form."""
    return (one.value if isinstance(one, Truth) else one for one in values)


def _kind(value: Any) -> str:
    return next((kind for class_, kind in _KINDS.items() if isinstance(value, class_)), "")


def _holding(bound: Bound) -> type:
    return next((class_ for class_ in (String, Integer, Uuid, Boolean) if isinstance(bound.raw.type, class_)), object)


def _is_alike(cell: Cell, value: Any) -> bool:
    if isinstance(cell.type, Reference):
        return value.__class__ is EntityUid and value.type == cell.type.entity
    return _kind(value) == cell.type.kind


def _is_unheld(value: Any) -> bool:
    """Tell text that not every database can hold."""
    text = value.id if isinstance(value, EntityUid) else value
    return isinstance(text, str) and ("\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text))


def _plain_number(value: Any) -> int:
    if isinstance(value, Datetime | Duration):
        return value.ms
    return int(value.value if isinstance(value, Decimal) else value)


def _meets(one: frozenset[Any], other: frozenset[Any]) -> bool:
    return not one.isdisjoint(other)


def _joined(pairs: list[Pair]) -> Pair:
    found = ALWAYS
    for pair in pairs:
        found = conjunction(found, pair)
    return found


def _reach(type_name: str, schema: Schema) -> frozenset[str]:
    seen: set[str] = set()
    waiting = [type_name]
    while waiting:
        known = schema.entities.get(waiting.pop())
        for above in (known.parents if known else frozenset()) - seen:
            seen.add(above)
            waiting.append(above)
    return frozenset(seen)


_FORMS: Final[Mapping[str, Callable[[Partial, str, Node], Found]]] = {
    "Value": Partial.value,
    "Var": Partial.variable,
    "&&": Partial.conjunction,
    "||": Partial.disjunction,
    "!": Partial.negation,
    "neg": Partial.negative,
    "if-then-else": Partial.if_else,
    "==": Partial.equality,
    "!=": Partial.equality,
    "<": Partial.comparison,
    "<=": Partial.comparison,
    ">": Partial.comparison,
    ">=": Partial.comparison,
    "+": Partial.arithmetic,
    "-": Partial.arithmetic,
    "*": Partial.arithmetic,
    ".": Partial.attribute,
    "has": Partial.presence,
    "getTag": Partial.tag,
    "hasTag": Partial.tag,
    "in": Partial.membership,
    "is": Partial.typed,
    "like": Partial.pattern_test,
    "contains": Partial.contains,
    "containsAll": Partial.contains_many,
    "containsAny": Partial.contains_many,
    "isEmpty": Partial.is_empty,
    "Set": Partial.set_of,
    "Record": Partial.record,
}
