"""Write a policy as terms of a solver: under which circumstances it applies, and under which it fails.

The meaning is the evaluator's, form by form: short circuits, 64-bit arithmetic that fails when it overflows, attributes
that are missing, sets, `like`, hierarchies. What has no form here may come to anything and may fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import z3

from watchword.policy.analysis.functions import FUNCTIONS, literal
from watchword.policy.analysis.symbols import (
    FALSE,
    TRUE,
    Sym,
    Touched,
    World,
    both,
    either,
    negated,
    text_term,
)
from watchword.policy.emit import uid_of
from watchword.policy.extension import LONG_MAX, LONG_MIN
from watchword.policy.index import Constraint, Scope, scope_of
from watchword.policy.load import WrittenPolicy
from watchword.policy.schema import Record, Reference, Scalar, SetOf
from watchword.policy.types import BOOL, LONG

Node = Any
_COMPARED = frozenset({"long", "datetime", "duration"})


@dataclass(frozen=True, slots=True)
class Part:
    """One conjunct of a condition.

    Attributes:
        reached: everything before it holds.
        holds: it lets the policy apply, given that it is reached.
        failed: it fails, given that it is reached.
        alternatives: for a run of `||`, each with: it is reached, and it holds.
    """

    condition: int
    place: int
    node: Node
    reached: Any
    holds: Any
    failed: Any
    alternatives: tuple[tuple[Any, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """One policy for one kind of request.

    Attributes:
        applies: it is satisfied.
        fails: it fails; never together with `applies`.
        head: its scope fits.
    """

    policy: WrittenPolicy
    applies: Any
    fails: Any
    head: Any
    parts: tuple[Part, ...]
    touched: Touched


def encode(policy: WrittenPolicy, world: World) -> Encoded:
    """Write one policy for one kind of request; a kind that its head does not admit makes it apply never."""
    world.touched = touched = Touched()
    head = _head(scope_of(policy.est), world)
    encoder = _Encoder(world)
    parts: list[Part] = []
    applies, fails = head, FALSE
    for number, condition in enumerate(policy.est.get("conditions", [])):
        is_when = condition["kind"] == "when"
        for place, node in enumerate(_run("&&", condition["body"]) if is_when else [condition["body"]]):
            parts.append(_part(encoder, node, number, place, applies, is_when=is_when))
            fails = either(fails, both(applies, parts[-1].failed))
            applies = both(applies, both(negated(parts[-1].failed), parts[-1].holds))
    return Encoded(policy, applies, fails, head, tuple(parts), touched)


def _part(encoder: _Encoder, node: Node, number: int, place: int, reached: Any, *, is_when: bool) -> Part:
    found = encoder.condition(node)
    alternatives = []
    before = reached
    nodes = _run("||", node)
    for one in nodes if len(nodes) > 1 or not is_when else []:
        said = encoder.condition(one)
        alternatives.append((before, both(negated(said.failed), said.term)))
        before = both(before, both(negated(said.failed), negated(said.term)))
    holds = found.term if is_when else negated(found.term)
    return Part(number, place, node, reached, holds, found.failed, tuple(alternatives))


def _run(name: str, node: Node) -> list[Node]:
    """Take a run of `&&` or `||` apart: they nest to the left."""
    nodes = []
    while isinstance(node, Mapping) and set(node) == {name}:
        nodes.append(node[name]["right"])
        node = node[name]["left"]
    return [node, *reversed(nodes)]


def _head(scope: Scope, world: World) -> Any:
    admitted = (
        scope.principal.admits(world.principal_type)
        and scope.resource.admits(world.resource_type)
        and scope.admits_action(world.action.uid, world.action.ancestors)
    )
    if not admitted:
        return FALSE
    principal = _side(scope.principal, world.principal(), world.principal_type, world)
    return both(principal, _side(scope.resource, world.resource(), world.resource_type, world))


def _side(wanted: Constraint, side: Sym, type_name: str, world: World) -> Any:
    if wanted.anchor is None:
        return TRUE
    anchor = world.uid(wanted.anchor)
    if anchor is None:
        return FALSE
    is_same = side.term == anchor.term if wanted.anchor.type == type_name else FALSE
    if wanted.is_exact:
        return is_same
    return either(is_same, world.lies_below(type_name, side.term, wanted.anchor.type, anchor.term))


class _Encoder:
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
        if isinstance(body, list) and name in FUNCTIONS:
            return self._function(name, body, node)
        form = _FORMS.get(name)
        return form(self, name, body, node) if form else self.world.anything(node)

    def _sides(self, body: Node) -> tuple[Sym, Sym, Any]:
        left, right = self.expression(body["left"]), self.expression(body["right"])
        return left, right, either(left.failed, right.failed)

    def _anything(self, node: Node, type_: Any, failed: Any) -> Sym:
        """Stand for a form that is not exact, of parts that may fail."""
        found = self.world.anything(node, type_)
        return Sym(found.type, found.term, either(failed, found.failed))

    # ---- leaves --------------------------------------------------------------------------------------------------

    def value(self, _name: str, body: Node, node: Node) -> Sym:
        if body is True or body is False:
            return Sym(BOOL, TRUE if body else FALSE)
        if isinstance(body, int):
            return Sym(LONG, z3.IntVal(body))
        if isinstance(body, str):
            return self.world.text(body) or self.world.anything(node, Scalar("string"))
        return self.world.uid(uid_of(body["__entity"])) or self.world.anything(node)

    def variable(self, _name: str, body: Node, node: Node) -> Sym:
        makers = {"principal": self.world.principal, "resource": self.world.resource, "context": self.world.context}
        maker = makers.get(body)
        return maker() if maker else self.world.anything(node)

    # ---- logic ---------------------------------------------------------------------------------------------------

    def chain(self, name: str, _body: Node, node: Node) -> Sym:
        """Join a run: what comes after the part that settles it is not looked at."""
        parts = [self.condition(one) for one in _run(name, node)]
        term, failed = parts[0].term, parts[0].failed
        for part in parts[1:]:
            goes_on = term if name == "&&" else negated(term)
            failed = either(failed, both(goes_on, part.failed))
            term = both(term, part.term) if name == "&&" else either(term, part.term)
        return Sym(BOOL, term, failed)

    def negation(self, _name: str, body: Node, _node: Node) -> Sym:
        inner = self.condition(body["arg"])
        return Sym(BOOL, negated(inner.term), inner.failed)

    def if_else(self, _name: str, body: Node, node: Node) -> Sym:
        test, then, other = self.condition(body["if"]), self.expression(body["then"]), self.expression(body["else"])
        term = z3.simplify(test.term)
        if z3.is_true(term) or z3.is_false(term):
            one = then if z3.is_true(term) else other
            return Sym(one.type, one.term, either(test.failed, one.failed))
        failed = either(test.failed, _if(term, then.failed, other.failed))
        joined = _choose(term, then, other)
        return Sym(joined.type, joined.term, failed) if joined else self._anything(node, None, failed)

    def equality(self, name: str, body: Node, node: Node) -> Sym:
        left, right, failed = self._sides(body)
        same = self._same(left, right)
        if same is None:
            return self._anything(node, BOOL, failed)
        return Sym(BOOL, same if name == "==" else negated(same), failed)

    def _same(self, left: Sym, right: Sym) -> Any:
        """Compare two values; nothing when that has no exact form."""
        if not left.kind or not right.kind:
            return None
        if left.kind != right.kind:
            return FALSE
        if isinstance(left.type, Reference) and isinstance(right.type, Reference):
            return left.term == right.term if left.type.entity == right.type.entity else FALSE
        if isinstance(left.type, Record):
            return self._same_records(left.term, right.term)
        if left.term is None or right.term is None or left.term.sort() != right.term.sort():
            return None
        return left.term == right.term

    def _same_records(self, left: Mapping[str, Any], right: Mapping[str, Any]) -> Any:
        said = TRUE
        for name in dict.fromkeys([*left, *right]):
            first, second = left.get(name), right.get(name)
            if first is None or second is None:
                said = both(said, negated((first or second or (FALSE,))[0]))
                continue
            same = self._same(first[1], second[1])
            if same is None:
                return None
            said = both(said, both(first[0] == second[0], either(negated(first[0]), same)))
        return said

    def comparison(self, name: str, body: Node, node: Node) -> Sym:
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
        holder = self.expression(body["left"])
        fields = self._fields(holder)
        if fields is None:
            return self._anything(node, None, TRUE if holder.kind else holder.failed)
        if body["attr"] not in fields:
            return self._anything(node, None, TRUE)  # of a closed record: it is never there
        is_there, value = fields[body["attr"]]
        return Sym(value.type, value.term, either(holder.failed, negated(is_there)))

    def presence(self, _name: str, body: Node, node: Node) -> Sym:
        holder = self.expression(body["left"])
        fields = self._fields(holder)
        if fields is None:
            return self._anything(node, BOOL, TRUE if holder.kind else holder.failed)
        is_there = fields[body["attr"]][0] if body["attr"] in fields else FALSE
        return Sym(BOOL, is_there, holder.failed)

    def tag(self, name: str, body: Node, node: Node) -> Sym:
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
        left = self.expression(body["left"])
        if not isinstance(left.type, Reference):
            return self._anything(node, BOOL, TRUE if left.kind else left.failed)
        if left.type.entity != body["entity_type"]:
            return Sym(BOOL, FALSE, left.failed)
        return self._within(left, body["in"], node) if "in" in body else Sym(BOOL, TRUE, left.failed)

    # ---- strings, sets, records ----------------------------------------------------------------------------------

    def pattern_test(self, _name: str, body: Node, node: Node) -> Sym:
        left = self.expression(body["left"])
        if left.kind not in {"", "string"}:
            return Sym(BOOL, FALSE, TRUE)
        pattern = _pattern(body["pattern"]) if left.kind and self.world.is_textual else None
        if pattern is None:
            return self._anything(node, BOOL, left.failed)
        return Sym(BOOL, z3.InRe(left.term, pattern), left.failed)

    def contains(self, _name: str, body: Node, node: Node) -> Sym:
        left, right, failed = self._sides(body)
        if left.kind not in {"", "set"}:
            return Sym(BOOL, FALSE, TRUE)
        if left.term is None or not right.kind:
            return self._anything(node, BOOL, failed)
        assert isinstance(left.type, SetOf)
        if not _are_alike(left.type.element, right.type):
            return Sym(BOOL, FALSE, failed)
        return Sym(BOOL, z3.Select(left.term, right.term), failed)

    def contains_many(self, name: str, body: Node, node: Node) -> Sym:
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
        inner = self.expression(body["arg"])
        if inner.kind not in {"", "set"}:
            return Sym(BOOL, FALSE, TRUE)
        if inner.term is None:
            return self._anything(node, BOOL, inner.failed)
        return Sym(BOOL, inner.term == z3.K(inner.term.sort().domain(), FALSE), inner.failed)

    def set_of(self, _name: str, body: Node, node: Node) -> Sym:
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


def fit(term: Any, failed: Any) -> Sym:
    """Return a number that fails where it does not fit 64 bits."""
    return Sym(LONG, term, either(failed, z3.Or(term < LONG_MIN, term > LONG_MAX)))


def _if(test: Any, then: Any, other: Any) -> Any:
    return then if then is other else z3.If(test, then, other)


def _choose(test: Any, then: Sym, other: Sym) -> Sym | None:
    """Return one of two values of one type; nothing when that has no exact form."""
    if isinstance(then.type, Record) and isinstance(other.type, Record):
        fields = {}
        for name in dict.fromkeys([*then.term, *other.term]):
            first, second = then.term.get(name), other.term.get(name)
            value = _choose(test, first[1], second[1]) if first and second else (first or second)[1]
            if value is None:
                return None
            there = _if(test, first[0] if first else FALSE, second[0] if second else FALSE)
            fields[name] = (there, value)
        return Sym(Record({}), fields)
    if then.term is None or other.term is None or repr(then.type) != repr(other.type):
        return None
    return Sym(then.type, z3.If(test, then.term, other.term))


def _are_alike(left: Any, right: Any) -> bool:
    if isinstance(left, Reference) and isinstance(right, Reference):
        return left.entity == right.entity
    return bool(left.kind == right.kind)


def _pattern(parts: Sequence[Any]) -> Any:
    """Write a pattern of `like`; nothing for one that the solver cannot hold."""
    anything = z3.Full(z3.ReSort(z3.StringSort()))
    pieces = []
    for part in parts:
        held = None if part == "Wildcard" else text_term(part["Literal"])
        if part != "Wildcard" and held is None:
            return None
        pieces.append(anything if part == "Wildcard" else z3.Re(held))
    if not pieces:
        return z3.Re(z3.StringVal(""))
    return pieces[0] if len(pieces) == 1 else z3.Concat(*pieces)


_FORMS: Final[Mapping[str, Callable[[_Encoder, str, Node, Node], Sym]]] = {
    "Value": _Encoder.value,
    "Var": _Encoder.variable,
    "&&": _Encoder.chain,
    "||": _Encoder.chain,
    "!": _Encoder.negation,
    "neg": _Encoder.negative,
    "if-then-else": _Encoder.if_else,
    "==": _Encoder.equality,
    "!=": _Encoder.equality,
    "<": _Encoder.comparison,
    "<=": _Encoder.comparison,
    ">": _Encoder.comparison,
    ">=": _Encoder.comparison,
    "+": _Encoder.arithmetic,
    "-": _Encoder.arithmetic,
    "*": _Encoder.arithmetic,
    ".": _Encoder.attribute,
    "has": _Encoder.presence,
    "getTag": _Encoder.tag,
    "hasTag": _Encoder.tag,
    "in": _Encoder.membership,
    "is": _Encoder.typed,
    "like": _Encoder.pattern_test,
    "contains": _Encoder.contains,
    "containsAll": _Encoder.contains_many,
    "containsAny": _Encoder.contains_many,
    "isEmpty": _Encoder.is_empty,
    "Set": _Encoder.set_of,
    "Record": _Encoder.record,
}
