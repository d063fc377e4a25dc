"""Write one expression as terms of a solver: what it comes to, and under which circumstances it fails.

Form by form what the evaluator does. What has no form here may come to anything, and may fail.
Source: the Cedar Policy Language Reference, "Operators and functions".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import z3

from watchword.policy.analysis.functions import FUNCTIONS, literal
from watchword.policy.analysis.symbols import FALSE, TRUE, Sym, World, both, either, negated
from watchword.policy.analysis.values import are_alike, choose, either_of, fit, pattern_of, same
from watchword.policy.emit import uid_of
from watchword.policy.schema import Record, Reference, Scalar, SetOf
from watchword.policy.types import BOOL, LONG

Node = Any
# Sets in the context whose members the decision point finds out when a policy asks for them; that may fail.
FOUND_OUT_LATE = frozenset({"rel"})
_COMPARED = frozenset({"long", "datetime", "duration"})


def _children(body: Node) -> Iterable[Node]:
    return body.values() if isinstance(body, Mapping) else ()


def _is_found_out_late(node: Node) -> bool:
    match node:
        case {".": {"left": {"Var": "context"}, "attr": str(name)}}:
            return name in FOUND_OUT_LATE
    return False


def run_of(name: str, node: Node) -> list[Node]:
    """Take a run of `&&` or `||` apart: they nest to the left."""
    nodes = []
    while isinstance(node, Mapping) and set(node) == {name}:
        nodes.append(node[name]["right"])
        node = node[name]["left"]
    return [node, *reversed(nodes)]


class Encoder:
    """Writes the expressions of one policy."""

    def __init__(self, world: World) -> None:
        self.world = world

    def condition(self, node: Node) -> Sym:
        """Write an expression that must be true or false; anything else fails."""
        return self._truth(self.expression(node), node)

    def _truth(self, found: Sym, node: Node) -> Sym:
        if found.kind == "bool":
            return found
        if found.kind:
            return Sym(BOOL, FALSE, TRUE)
        return self.world.anything(["truth", node], BOOL)

    def expression(self, node: Node) -> Sym:
        """Write any expression."""
        ((name, body),) = node.items()
        is_late = any(map(_is_found_out_late, body if isinstance(body, list) else _children(body)))
        # Whatever reads a set that is found out when it is asked may fail there, each time for itself.
        if is_late and name in {"if-then-else", "Record", "Set"}:
            return self.world.anything(node)
        if isinstance(body, list) and name in FUNCTIONS:
            found = self._function(name, body, node)
        else:
            form = _FORMS.get(name)
            found = form(self, name, body, node) if form else self.world.anything(node)
        return Sym(found.type, found.term, either(found.failed, self.world.may_fail(node))) if is_late else found

    def _sides(self, body: Node) -> tuple[Sym, Sym, Any]:
        left, right = self.expression(body["left"]), self.expression(body["right"])
        return left, right, either(left.failed, right.failed)

    def _anything(self, node: Node, type_: Any, failed: Any) -> Sym:
        """Stand for a form that is not exact, of parts that may fail."""
        found = self.world.anything(node, type_)
        return Sym(found.type, found.term, either(failed, found.failed))

    # ---- leaves --------------------------------------------------------------------------------------------------

    def value(self, _name: str, body: Node, node: Node) -> Sym:
        """Write a literal."""
        if body is True or body is False:
            return Sym(BOOL, TRUE if body else FALSE)
        if isinstance(body, int):
            return Sym(LONG, z3.IntVal(body))
        if isinstance(body, str):
            return self.world.text(body) or self.world.anything(node, Scalar("string"))
        return self.world.uid(uid_of(body["__entity"])) or self.world.anything(node)

    def variable(self, _name: str, body: Node, node: Node) -> Sym:
        """Write one of the four variables."""
        makers = {"principal": self.world.principal, "resource": self.world.resource, "context": self.world.context}
        maker = makers.get(body)
        return maker() if maker else self.world.anything(node)

    # ---- logic ---------------------------------------------------------------------------------------------------

    def chain(self, name: str, _body: Node, node: Node) -> Sym:
        """Join a run: what comes after the part that settles it is not looked at."""
        parts = [self.condition(one) for one in run_of(name, node)]
        term, failed = parts[0].term, parts[0].failed
        for part in parts[1:]:
            goes_on = term if name == "&&" else negated(term)
            failed = either(failed, both(goes_on, part.failed))
            term = both(term, part.term) if name == "&&" else either(term, part.term)
        return Sym(BOOL, term, failed)

    def negation(self, _name: str, body: Node, _node: Node) -> Sym:
        """Turn a truth value around."""
        inner = self.condition(body["arg"])
        return Sym(BOOL, negated(inner.term), inner.failed)

    def if_else(self, _name: str, body: Node, node: Node) -> Sym:
        """Write `if`: only one side is looked at."""
        test, then, other = self.condition(body["if"]), self.expression(body["then"]), self.expression(body["else"])
        term = z3.simplify(test.term)
        if z3.is_true(term) or z3.is_false(term):
            one = then if z3.is_true(term) else other
            return Sym(one.type, one.term, either(test.failed, one.failed))
        failed = either(test.failed, either_of(term, then.failed, other.failed))
        joined = choose(term, then, other)
        return Sym(joined.type, joined.term, failed) if joined else self._anything(node, None, failed)

    def equality(self, name: str, body: Node, node: Node) -> Sym:
        """Compare any two values."""
        left, right, failed = self._sides(body)
        said = same(left, right)
        if said is None:
            return self._anything(node, BOOL, failed)
        return Sym(BOOL, said if name == "==" else negated(said), failed)

    def comparison(self, name: str, body: Node, node: Node) -> Sym:
        """Compare numbers, times or spans."""
        left, right, failed = self._sides(body)
        if not left.kind or not right.kind:
            return self._anything(node, BOOL, failed)
        if left.kind != right.kind or left.kind not in _COMPARED:
            return Sym(BOOL, FALSE, TRUE)
        compare: Mapping[str, Callable[[Any, Any], Any]] = {
            "<": lambda one, two: one < two,
            "<=": lambda one, two: one <= two,
            ">": lambda one, two: one > two,
            ">=": lambda one, two: one >= two,
        }
        return Sym(BOOL, compare[name](left.term, right.term), failed)

    def arithmetic(self, name: str, body: Node, node: Node) -> Sym:
        """Add, subtract or multiply within 64 bits."""
        left, right, failed = self._sides(body)
        if not left.kind or not right.kind:
            return self._anything(node, LONG, failed)
        if left.kind != "long" or right.kind != "long":
            return Sym(LONG, z3.IntVal(0), TRUE)
        operate: Mapping[str, Callable[[Any, Any], Any]] = {
            "+": lambda one, two: one + two,
            "-": lambda one, two: one - two,
            "*": lambda one, two: one * two,
        }
        return fit(operate[name](left.term, right.term), failed)

    def negative(self, _name: str, body: Node, node: Node) -> Sym:
        """Take the negative; the least number has none."""
        inner = self.expression(body["arg"])
        if not inner.kind:
            return self._anything(node, LONG, inner.failed)
        return fit(-inner.term, inner.failed) if inner.kind == "long" else Sym(LONG, z3.IntVal(0), TRUE)

    # ---- entities and records ------------------------------------------------------------------------------------

    def _fields(self, holder: Sym) -> Mapping[str, tuple[Any, Sym]] | None:
        if isinstance(holder.type, Record):
            found: Mapping[str, tuple[Any, Sym]] = holder.term
            return found
        return self.world.attributes(holder.type.entity, holder.term) if isinstance(holder.type, Reference) else None

    def attribute(self, _name: str, body: Node, node: Node) -> Sym:
        """Take an attribute, which fails where it is missing."""
        holder = self.expression(body["left"])
        fields = self._fields(holder)
        if fields is None:
            return self._anything(node, None, TRUE if holder.kind else holder.failed)
        if body["attr"] not in fields:
            return self._anything(node, None, TRUE)  # of a closed record: it is never there
        is_there, value = fields[body["attr"]]
        return Sym(value.type, value.term, either(holder.failed, negated(is_there)))

    def presence(self, _name: str, body: Node, node: Node) -> Sym:
        """Test whether an attribute is there."""
        holder = self.expression(body["left"])
        fields = self._fields(holder)
        if fields is None:
            return self._anything(node, BOOL, TRUE if holder.kind else holder.failed)
        is_there = fields[body["attr"]][0] if body["attr"] in fields else FALSE
        return Sym(BOOL, is_there, holder.failed)

    def tag(self, name: str, body: Node, node: Node) -> Sym:
        """Take a tag, or test whether it is there."""
        left, right, failed = self._sides(body)
        wanted = BOOL if name == "hasTag" else None
        if not isinstance(left.type, Reference) or right.kind != "string":
            is_wrong = (left.kind and left.kind != "entity") or (right.kind and right.kind != "string")
            return self._anything(node, wanted, TRUE if is_wrong else failed)
        has, value = self.world.tag(left.type.entity, left.term, right.term)
        if name == "hasTag":
            return Sym(BOOL, has, failed)
        return Sym(value.type, value.term, either(failed, negated(has)))

    def membership(self, _name: str, body: Node, node: Node) -> Sym:
        """Test whether an entity lies below another."""
        left = self.expression(body["left"])
        return self._within(left, body["right"], node)

    def _within(self, left: Sym, wanted: Node, node: Node) -> Sym:
        if wanted.keys() == {"Set"}:
            each = [self._within(left, one, [node, place]) for place, one in enumerate(wanted["Set"])]
            term, failed = FALSE, left.failed
            for one in each:
                term, failed = either(term, one.term), either(failed, one.failed)
            return Sym(BOOL, term, failed)
        right = self.expression(wanted)
        failed = either(left.failed, right.failed)
        if not isinstance(left.type, Reference) or not isinstance(right.type, Reference):
            return self._anything(node, BOOL, TRUE if left.kind not in {"", "entity"} else failed)
        names = left.type.entity, right.type.entity
        is_same = left.term == right.term if names[0] == names[1] else FALSE
        return Sym(BOOL, either(is_same, self.world.lies_below(names[0], left.term, names[1], right.term)), failed)

    def typed(self, _name: str, body: Node, node: Node) -> Sym:
        """Test the type of an entity."""
        left = self.expression(body["left"])
        if not isinstance(left.type, Reference):
            return self._anything(node, BOOL, TRUE if left.kind else left.failed)
        if left.type.entity != body["entity_type"]:
            return Sym(BOOL, FALSE, left.failed)
        return self._within(left, body["in"], node) if "in" in body else Sym(BOOL, TRUE, left.failed)

    # ---- strings, sets, records ----------------------------------------------------------------------------------

    def pattern_test(self, _name: str, body: Node, node: Node) -> Sym:
        """Test text against a pattern."""
        left = self.expression(body["left"])
        if left.kind not in {"", "string"}:
            return Sym(BOOL, FALSE, TRUE)
        pattern = pattern_of(body["pattern"]) if left.kind and self.world.is_textual else None
        if pattern is None:
            return self._anything(node, BOOL, left.failed)
        return Sym(BOOL, z3.InRe(left.term, pattern), left.failed)

    def contains(self, _name: str, body: Node, node: Node) -> Sym:
        """Test whether a set has an element."""
        left, right, failed = self._sides(body)
        if left.kind not in {"", "set"}:
            return Sym(BOOL, FALSE, TRUE)
        if left.term is None or not right.kind:
            return self._anything(node, BOOL, failed)
        assert isinstance(left.type, SetOf)
        if not are_alike(left.type.element, right.type):
            return Sym(BOOL, FALSE, failed)
        return Sym(BOOL, z3.Select(left.term, right.term), failed)

    def contains_many(self, name: str, body: Node, node: Node) -> Sym:
        """Test whether a set has all or some of the elements of another."""
        left, right, failed = self._sides(body)
        if left.kind not in {"", "set"} or right.kind not in {"", "set"}:
            return Sym(BOOL, FALSE, TRUE)
        if left.term is None or right.term is None or repr(left.type) != repr(right.type):
            return self._anything(node, BOOL, failed)
        if name == "containsAll":
            return Sym(BOOL, z3.IsSubset(right.term, left.term), failed)
        nothing = z3.K(left.term.sort().domain(), FALSE)
        return Sym(BOOL, z3.SetIntersect(left.term, right.term) != nothing, failed)

    def is_empty(self, _name: str, body: Node, node: Node) -> Sym:
        """Test whether a set has no element."""
        inner = self.expression(body["arg"])
        if inner.kind not in {"", "set"}:
            return Sym(BOOL, FALSE, TRUE)
        if inner.term is None:
            return self._anything(node, BOOL, inner.failed)
        return Sym(BOOL, inner.term == z3.K(inner.term.sort().domain(), FALSE), inner.failed)

    def set_of(self, _name: str, body: Node, node: Node) -> Sym:
        """Make a set."""
        parts = [self.expression(one) for one in body]
        failed = FALSE
        for part in parts:
            failed = either(failed, part.failed)
        kinds = {repr(part.type) for part in parts}
        element = parts[0].type if len(kinds) == 1 else None
        sort = self.world.sort(SetOf(element)) if element else None
        if element is None or sort is None:
            found = self.world.anything(node)
            return Sym(SetOf(element or Record({})), None, either(failed, found.failed) if not parts else failed)
        term = z3.K(sort.domain(), FALSE)
        for part in parts:
            term = z3.Store(term, part.term, TRUE)
        return Sym(SetOf(element), term, failed)

    def record(self, _name: str, body: Node, _node: Node) -> Sym:
        """Make a record."""
        parts = {name: self.expression(one) for name, one in body.items()}
        failed = FALSE
        for part in parts.values():
            failed = either(failed, part.failed)
        return Sym(Record({}), {name: (TRUE, part) for name, part in parts.items()}, failed)

    def _function(self, name: str, body: list[Node], node: Node) -> Sym:
        if len(body) == 1 and name in {"ip", "decimal", "datetime", "duration"}:
            written = body[0].get("Value") if isinstance(body[0], Mapping) else None
            if isinstance(written, str):
                return literal(name, written)
        parts = [self.expression(one) for one in body]
        failed = FALSE
        for part in parts:
            failed = either(failed, part.failed)
        wanted, result, make = FUNCTIONS[name]
        if any(part.kind and part.kind != kind for part, kind in zip(parts, wanted, strict=True)):
            return self._anything(node, Scalar(result), TRUE)
        if make is None or not all(part.kind for part in parts):
            return self._anything(node, Scalar(result), failed)
        term, overflows = make(*(part.term for part in parts))
        return Sym(Scalar(result), term, either(failed, overflows))


_FORMS: Final[Mapping[str, Callable[[Encoder, str, Node, Node], Sym]]] = {
    "Value": Encoder.value,
    "Var": Encoder.variable,
    "&&": Encoder.chain,
    "||": Encoder.chain,
    "!": Encoder.negation,
    "neg": Encoder.negative,
    "if-then-else": Encoder.if_else,
    "==": Encoder.equality,
    "!=": Encoder.equality,
    "<": Encoder.comparison,
    "<=": Encoder.comparison,
    ">": Encoder.comparison,
    ">=": Encoder.comparison,
    "+": Encoder.arithmetic,
    "-": Encoder.arithmetic,
    "*": Encoder.arithmetic,
    ".": Encoder.attribute,
    "has": Encoder.presence,
    "getTag": Encoder.tag,
    "hasTag": Encoder.tag,
    "in": Encoder.membership,
    "is": Encoder.typed,
    "like": Encoder.pattern_test,
    "contains": Encoder.contains,
    "containsAll": Encoder.contains_many,
    "containsAny": Encoder.contains_many,
    "isEmpty": Encoder.is_empty,
    "Set": Encoder.set_of,
    "Record": Encoder.record,
}
