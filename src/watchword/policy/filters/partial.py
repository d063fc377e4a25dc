"""Evaluate a policy as far as it goes without the resource; what is left are tests of a row.

What does not depend on the row is computed by the evaluator's own functions, so it means what it means there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from watchword.policy import runtime
from watchword.policy.emit import uid_of
from watchword.policy.errors import MalformedValueError
from watchword.policy.filters.mapping import Table
from watchword.policy.filters.pairs import (
    ALWAYS,
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
from watchword.policy.filters.rows import CheckedEntities, RowTests, is_unheld
from watchword.policy.filters.sql import HasNoZero, and_, false, matches, not_
from watchword.policy.model import EntityUid, PolicyRequest
from watchword.policy.schema import Record, Reference

Node = Any
_MOST_VALUES = 2_000
_LONGEST_PATTERN, _MOST_STARS = 500, 6
_COMPARED = frozenset({"long", "datetime", "duration"})
_ERRORS = (runtime.EvaluationError, MalformedValueError, KeyError, TypeError, AttributeError)


class Partial(RowTests):
    """Evaluates the policies of one question.

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
        super().__init__(table, entities)
        self._actions = above

    # ---- truth values --------------------------------------------------------------------------------------------

    def condition(self, node: Node) -> Pair:
        """Evaluate an expression that must be true or false."""
        return self.pair(self.expression(node))

    # ---- expressions ---------------------------------------------------------------------------------------------

    def expression(self, node: Node) -> Found:
        """Evaluate any expression."""
        ((name, body),) = node.items()
        if isinstance(body, list) and name in runtime.FUNCTIONS:
            return self._function(name, [self.expression(one) for one in body])
        form = _FORMS.get(name)
        return form(self, name, body) if form else Gap("a form that is not known here")

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
            return choice(test, self.pair(then), self.pair(other))
        return Gap("an `if` whose value depends on the row")

    def equality(self, name: str, body: Node) -> Found:
        """Compare any two."""
        left, right = self._sides(body)
        found = self.same(left, right)
        return found if name == "==" or isinstance(found, Failed | Gap) else negation(self.pair(found))

    def comparison(self, name: str, body: Node) -> Found:
        """Compare numbers, times or spans."""
        left, right = self._sides(body)
        first, second = (left, right) if name.startswith("<") else (right, left)
        return self.ordered(first, second, is_strict=len(name) == 1, kinds=_COMPARED)

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
            return self.computed(function, *(part.value for part in parts if isinstance(part, Known)))
        if any(isinstance(part, Failed) for part in parts):
            return Failed()
        return next((part for part in parts if isinstance(part, Gap)), Gap(what))

    def _function(self, name: str, parts: list[Found]) -> Found:
        orders = {"lessThan": (0, 1, True), "lessThanOrEqual": (0, 1, False)}
        orders |= {"greaterThan": (1, 0, True), "greaterThanOrEqual": (1, 0, False)}
        if name in orders and any(isinstance(part, Cell) for part in parts):
            first, second, is_strict = orders[name]
            return self.ordered(parts[first], parts[second], is_strict=is_strict, kinds=frozenset({"decimal"}))
        return self._apply(runtime.FUNCTIONS[name][2], *parts, what=f"`{name}` of a column")

    # ---- entities and records ------------------------------------------------------------------------------------

    def attribute(self, _name: str, body: Node) -> Found:  # noqa: PLR0911  # one line for each kind of attribute
        """Take an attribute of something known, or a column of the row."""
        holder, name = self._holder(body), body["attr"]
        if isinstance(holder, Known):
            return self.computed(lambda: runtime.attributes(holder.value, self.entities)[name])
        inside = self._inside(holder)
        if inside is None:
            return holder if isinstance(holder, Failed | Gap) else Gap(f"the attribute `{name}` of a column")
        if name not in inside.record.fields:
            return Failed()
        path, wanted = (*inside.path, name), inside.record.fields[name]
        if path in self.table.cells:
            return Cell(self.table.cells[path][0])
        if path in self.table.sets:
            bound, where = self.table.sets[path]
            return Members(bound, where, self.table.row)
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
            return Inside((), self.table.type.attributes)
        return holder if isinstance(holder, Inside) else None

    def presence(self, _name: str, body: Node) -> Found:
        """Test whether an attribute is there."""
        holder, name = self._holder(body), body["attr"]
        if isinstance(holder, Known):
            return self.computed(runtime.has, holder.value, name, self.entities)
        inside = self._inside(holder)
        if inside is None:
            return holder if isinstance(holder, Failed | Gap) else Gap(f"`has {name}` of a column")
        if name not in inside.record.fields:
            return Known(False)
        path = (*inside.path, name)
        if inside.record.fields[name].is_required:
            return Known(True)
        if path not in self.table.cells:
            return Gap(f"the attribute `{'.'.join(path)}`, which is not mapped")
        return total(Cell(self.table.cells[path][0]).is_there)

    def tag(self, name: str, body: Node) -> Found:
        """Take a tag of something known."""
        left, right = self._sides(body)
        function = runtime.has_tag if name == "hasTag" else runtime.get_tag
        return self._apply(lambda one, two: function(one, two, self.entities), left, right, what="a tag of the row")

    def membership(self, _name: str, body: Node) -> Found:
        """Test whether one lies below another."""
        left = self.expression(body["left"])
        above = self._actions if body["left"] == {"Var": "action"} else None
        return self.within(left, self.expression(body["right"]), above)

    def typed(self, _name: str, body: Node) -> Found:
        """Test the type of an entity."""
        left = self.expression(body["left"])
        match left:
            case Known(value):
                found = self.computed(runtime.is_of, value, body["entity_type"])
            case Row():
                found = Known(self.table.type.name == body["entity_type"])
            case Cell() if isinstance(left.type, Reference):
                test = where_there(left, left.is_there, false())
                found = test if left.type.entity == body["entity_type"] else negation(test)
            case _:
                return left if isinstance(left, Failed | Gap) else Gap("a type of this kind")
        if "in" not in body or found == Known(False) or isinstance(found, Failed):
            return found
        inside = self.within(left, self.expression(body["in"]))
        return conjunction(self.pair(found), self.pair(inside))

    # ---- strings, sets, records ----------------------------------------------------------------------------------

    def pattern_test(self, _name: str, body: Node) -> Found:
        """Test text against a pattern."""
        left = self.expression(body["left"])
        pattern = tuple(None if part == "Wildcard" else part["Literal"] for part in body["pattern"])
        if isinstance(left, Known):
            return self.computed(runtime.like, left.value, runtime.matcher(pattern))
        if not isinstance(left, Cell) or left.type.kind != "string":
            return left if isinstance(left, Failed | Gap) else Gap("`like` on this")
        text = "".join(part or "" for part in pattern)
        if None not in pattern:
            return self.equals(left, text)
        if len(text) > _LONGEST_PATTERN or pattern.count(None) > _MOST_STARS or is_unheld(text):
            return Gap("a pattern that a database may not hold")
        # Prevents: text that goes on behind a zero character, where the database's pattern stops.
        test, plain = matches(left.bound.raw, pattern), HasNoZero(left.bound.raw)
        return Pair(and_(left.is_there, plain, test), and_(left.is_there, plain, not_(test)), size=6)

    def contains(self, _name: str, body: Node) -> Found:
        """Test whether a set has an element."""
        left, right = self._sides(body)
        if isinstance(left, Known) and isinstance(right, Known):
            return self.computed(lambda: runtime.key(right.value) in runtime.members(left.value))
        if isinstance(left, Members) and isinstance(right, Known):
            return self.has_any(left, [right.value])
        if isinstance(left, Known) and isinstance(right, Cell | Row):
            if left.value.__class__ is not frozenset:
                return Failed()
            return self.among(Cell(self.table.id) if isinstance(right, Row) else right, left.value)
        return self._apply(lambda *_: False, left, right, what="`contains` of this kind")

    def contains_many(self, name: str, body: Node) -> Found:
        """Test whether a set has all or some of the elements of another."""
        left, right = self._sides(body)
        if isinstance(left, Known) and isinstance(right, Known):
            function = frozenset.issuperset if name == "containsAll" else _meets
            sides = left.value, right.value
            return self.computed(lambda: function(runtime.members(sides[0]), runtime.members(sides[1])))
        if name == "containsAny" and isinstance(left, Known):
            left, right = right, left
        if isinstance(left, Members) and isinstance(right, Known) and right.value.__class__ is frozenset:
            if name == "containsAny":
                return self.has_any(left, right.value)
            each = [self.pair(self.has_any(left, [one])) for one in right.value]
            return _joined(each) if len(each) <= _MOST_STARS * 10 else Gap("a set of too many elements")
        return self._apply(lambda *_: False, left, right, what=f"`{name}` of this kind")

    def is_empty(self, _name: str, body: Node) -> Found:
        """Test whether a set has no element."""
        inner = self.expression(body["arg"])
        if isinstance(inner, Members):
            return negation(total(inner.has(inner.bound.raw.is_not(None))))
        return self._apply(lambda value: not runtime.members(value), inner, what="`isEmpty` of this kind")

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


def _may_be_truth(found: Found) -> bool:
    if isinstance(found, Known):
        return found.value is True or found.value is False
    return isinstance(found, Pair | Failed | Gap) or (isinstance(found, Cell) and found.type.kind == "bool")


def _meets(one: frozenset[Any], other: frozenset[Any]) -> bool:
    return not one.isdisjoint(other)


def _joined(pairs: list[Pair]) -> Pair:
    found = ALWAYS
    for pair in pairs:
        found = conjunction(found, pair)
    return found


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
