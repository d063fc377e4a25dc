"""Write the Python source of a policy, from Cedar's JSON form. Every form is named here; any other is refused.

Source: the Cedar Policy Language Reference, "JSON policy format".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from watchword.policy import runtime
from watchword.policy.codegen import Constants, build
from watchword.policy.errors import MalformedValueError, UnknownSyntaxError
from watchword.policy.extension import LONG_MAX, LONG_MIN
from watchword.policy.model import EntityUid
from watchword.policy.schema import Reference, Scalar, Schema, SetOf, Type
from watchword.policy.types import ANY_ENTITY, BOOL, LONG, STRING, field_of, merge

Node: TypeAlias = Any
Test: TypeAlias = tuple[str, str, Any]
# Called for each place where a truth value decides; what it returns is called before and after that value is found.
Watch: TypeAlias = Callable[[Node], tuple[Callable[[], bool], Callable[[Any], Any]]]
_DEEPEST = 120
_SPILL_DEPTH = 24
# What going through two sets of the request costs: their size is unknown here, and a literal's elements are counted.
_WHOLE_SETS = 100
_CONSTRUCTORS = ("ip", "decimal", "datetime", "duration")
_EQUAL_BY_VALUE = frozenset({"string", "entity", "ip", "decimal", "datetime", "duration", "set"})
_VARIABLES: Final = {"principal": ("P", "PA", "PS"), "action": ("A", "", "AS"), "resource": ("R", "RA", "RS")}

VOCABULARY: Final[Mapping[str, Any]] = {
    "truth": runtime.truth,
    "members": runtime.members,
    "entity": runtime.entity,
    "fit": runtime.fit,
    "add": runtime.add,
    "sub": runtime.sub,
    "mul": runtime.mul,
    "neg": runtime.neg,
    "less": runtime.less,
    "lesseq": runtime.less_or_equal,
    "same": runtime.same,
    "key": runtime.key,
    "setlit": runtime.set_literal,
    "reclit": runtime.record_literal,
    "attributes": runtime.attributes,
    "has": runtime.has,
    "gettag": runtime.get_tag,
    "hastag": runtime.has_tag,
    "up": runtime.up,
    "within": runtime.within,
    "isof": runtime.is_of,
    "like": runtime.like,
    **{name.lower(): function for name, (_, _, function) in runtime.FUNCTIONS.items()},
}


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of source: what it evaluates to, as far as that is known, and the constant that it is, if it is one."""

    text: str
    type: Type | None = None
    constant: Any = None
    depth: int = 0

    @property
    def kind(self) -> str:
        """The kind of its value; empty when unknown."""
        return self.type.kind if self.type else ""


@dataclass(frozen=True, slots=True)
class Types:
    """What a policy may rely on. Without a schema that was checked, that is nothing."""

    schema: Schema | None = None
    principal: Type | None = None
    resource: Type | None = None
    context: Type | None = None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy as a function of `(P, A, R, C, E, PA, RA, PS, RS, AS)`.

    The letters: principal, action, resource, context, entities; attributes of principal and resource; and for
    principal, resource and action the set of themselves and their ancestors.

    Attributes:
        cost: how many steps an evaluation takes at most, roughly one for each node.
    """

    function: Callable[..., bool]
    source: str
    cost: int


def compile_conditions(
    tests: list[Test], conditions: list[Mapping[str, Any]], types: Types, watch: Watch | None = None
) -> Compiled:
    """Compile what the index leaves to test of a scope, and the conditions, in their order.

    Args:
        tests: of the scope: `(variable, "==" | "in" | "is", constant)`, the constant a uid, set of uids or type name.
        conditions: Cedar's `when` and `unless`.
        types: what may be relied upon.
        watch: for a compilation that shows its work: explanations and coverage; decisions run without.

    Raises:
        UnknownSyntaxError: a node that is not Cedar's, or nesting beyond reason.
    """
    return _Emitter(types, watch).policy(tests, conditions)


class _Emitter:
    """Writes one policy."""

    def __init__(self, types: Types, watch: Watch | None) -> None:
        self._types = types
        self._watch = watch
        self._constants = Constants()
        self._spilled: list[str] = []
        self._cost = 0

    def policy(self, tests: list[Test], conditions: list[Mapping[str, Any]]) -> Compiled:
        parts = [self._scope_test(variable, operator, constant) for variable, operator, constant in tests]
        for condition in conditions:
            if condition.get("kind") not in {"when", "unless"} or set(condition) != {"kind", "body"}:
                raise UnknownSyntaxError("a condition is neither `when` nor `unless`")
            said = self._condition(self._expression(condition["body"], 0), condition["body"])
            parts.append(said if condition["kind"] == "when" else f"(not {said})")
        body = "".join(f"  {line}\n" for line in self._spilled)
        source = f"def f(P, A, R, C, E, PA, RA, PS, RS, AS):\n{body}  return {' and '.join(parts) or 'True'}\n"
        return Compiled(build(source, self._constants, VOCABULARY), source, self._cost + len(tests) + 1)

    def _scope_test(self, variable: str, operator: str, constant: Any) -> str:
        value, _, above = _VARIABLES[variable]
        name = self._constants.name(constant)
        if operator == "is":
            return f"{value}[0] == {name}"
        if operator == "==":
            return f"{value} == {name}"
        return f"(not {above}.isdisjoint({name}))" if isinstance(constant, frozenset) else f"{name} in {above}"

    # ---- expressions ---------------------------------------------------------------------------------------------

    def _expression(self, node: Node, depth: int) -> Code:
        if depth > _DEEPEST:
            raise UnknownSyntaxError("the policy is nested too deeply")
        if not isinstance(node, dict) or len(node) != 1:
            raise UnknownSyntaxError("a node is not an object with one key")
        self._cost += 1
        ((name, body),) = node.items()
        if isinstance(body, list) and name in runtime.FUNCTIONS:
            return self._shallow(self._function(name, body, depth + 1))
        form = _FORMS.get(name)
        if form is None:
            raise UnknownSyntaxError("a node is of no known form")
        return self._shallow(form(self, name, body, depth + 1))

    def _shallow(self, code: Code) -> Code:
        """Move what is nested deeply into a function of its own: Python's parser takes 200 brackets, no more."""
        if code.depth < _SPILL_DEPTH:
            return code
        name = f"x{len(self._spilled)}"
        self._spilled += [f"def {name}():", f"  return {code.text}"]
        return Code(f"{name}()", code.type)

    def _made(self, text: str, type_: Type | None, *parts: Code) -> Code:
        return Code(text, type_, depth=max((part.depth for part in parts), default=0) + 1)

    def _constant(self, value: Any, type_: Type) -> Code:
        return Code(self._constants.name(value), type_, value)

    def _sides(self, body: Node, depth: int) -> tuple[Code, Code]:
        _expect_keys(body, "left", "right")
        return self._expression(body["left"], depth), self._expression(body["right"], depth)

    def _condition(self, code: Code, node: Node) -> str:
        return self._seen(code.text if code.kind == "bool" else f"truth({code.text})", node)

    def _seen(self, text: str, node: Node) -> str:
        if self._watch is None:
            return text
        before, after = map(self._constants.name, self._watch(node))
        return f"({before}() and {after}({text}))"

    # ---- leaves --------------------------------------------------------------------------------------------------

    def value(self, _name: str, body: Node, _depth: int) -> Code:
        if body is True or body is False:
            return Code(str(body), BOOL, body)
        if isinstance(body, int) and LONG_MIN <= body <= LONG_MAX:
            return self._constant(body, LONG)
        if isinstance(body, str):
            return self._constant(body, STRING)
        if isinstance(body, dict) and set(body) == {"__entity"}:
            uid = uid_of(body["__entity"])
            return self._constant(uid, Reference(uid.type))
        raise UnknownSyntaxError("a literal is of no known form")

    def variable(self, _name: str, body: Node, _depth: int) -> Code:
        if body == "context":
            return Code("C", self._types.context or Scalar("record"))
        if body not in _VARIABLES:
            raise UnknownSyntaxError("a variable is none of Cedar's four")
        known = {"principal": self._types.principal, "resource": self._types.resource}.get(body)
        return Code(_VARIABLES[body][0], known or ANY_ENTITY)

    # ---- logic ---------------------------------------------------------------------------------------------------

    def chain(self, name: str, body: Node, depth: int) -> Code:
        """Join a whole run of `&&` or `||` at once: they nest to the left, one level for each."""
        nodes = []
        left: Node = {name: body}
        while isinstance(left, dict) and set(left) == {name}:
            _expect_keys(left[name], "left", "right")
            nodes.append(left[name]["right"])
            left = left[name]["left"]
        nodes = [left, *reversed(nodes)]
        parts = [self._expression(part, depth) for part in nodes]
        tests = [self._condition(part, node) for part, node in zip(parts, nodes, strict=True)]
        joined = (" and " if name == "&&" else " or ").join(tests)
        return self._made(f"({joined})", BOOL, *parts)

    def negation(self, _name: str, body: Node, depth: int) -> Code:
        inner = self._argument(body, depth)
        return self._made(f"(not {self._condition(inner, body['arg'])})", BOOL, inner)

    def if_else(self, _name: str, body: Node, depth: int) -> Code:
        _expect_keys(body, "if", "then", "else")
        test, then, other = (self._expression(body[part], depth) for part in ("if", "then", "else"))
        first, second = self._seen(then.text, body["then"]), self._seen(other.text, body["else"])
        text = f"({first} if {self._condition(test, body['if'])} else {second})"
        return self._made(text, merge([then.type, other.type]), test, then, other)

    def equality(self, name: str, body: Node, depth: int) -> Code:
        left, right = self._sides(body, depth)
        is_whole = "set" in {left.kind, right.kind} and left.constant is None and right.constant is None
        self._cost += _WHOLE_SETS * is_whole
        is_plain = left.kind in _EQUAL_BY_VALUE or right.kind in _EQUAL_BY_VALUE or left.kind == right.kind == "long"
        if left.kind == right.kind == "bool":
            text = f"({left.text} is {right.text})"
        else:
            text = f"({left.text} == {right.text})" if is_plain else f"same({left.text}, {right.text})"
        return self._made(text if name == "==" else f"(not {text})", BOOL, left, right)

    def comparison(self, name: str, body: Node, depth: int) -> Code:
        left, right = self._sides(body, depth)
        if left.kind == right.kind == "long":
            text = f"({left.text} {name} {right.text})"
        elif left.kind == right.kind and left.kind in {"datetime", "duration"}:
            text = f"({left.text}.ms {name} {right.text}.ms)"
        else:
            first, second = (left, right) if name.startswith("<") else (right, left)
            text = f"{'lesseq' if name.endswith('=') else 'less'}({first.text}, {second.text})"
        return self._made(text, BOOL, left, right)

    def arithmetic(self, name: str, body: Node, depth: int) -> Code:
        left, right = self._sides(body, depth)
        if left.kind == right.kind == "long":
            return self._made(f"fit({left.text} {name} {right.text})", LONG, left, right)
        helper = {"+": "add", "-": "sub", "*": "mul"}[name]
        return self._made(f"{helper}({left.text}, {right.text})", LONG, left, right)

    def negative(self, _name: str, body: Node, depth: int) -> Code:
        inner = self._argument(body, depth)
        return self._made(f"neg({inner.text})", LONG, inner)

    # ---- entities and records ------------------------------------------------------------------------------------

    def _holder(self, code: Code) -> str:
        """Write where the attributes of a value are found."""
        if code.text in {"P", "R"}:
            return f"{code.text}A"
        if code.kind == "record":
            return code.text
        return f"attributes({code.text}, E)"

    def attribute(self, _name: str, body: Node, depth: int) -> Code:
        _expect_keys(body, "left", "attr")
        left, attribute = self._expression(body["left"], depth), _string(body["attr"])
        known = field_of(left.type, attribute, self._types.schema)
        return self._made(f"{self._holder(left)}[{self._constants.name(attribute)}]", known, left)

    def presence(self, _name: str, body: Node, depth: int) -> Code:
        _expect_keys(body, "left", "attr")
        left, attribute = self._expression(body["left"], depth), _string(body["attr"])
        return self._made(f"({self._constants.name(attribute)} in {self._holder(left)})", BOOL, left)

    def tag(self, name: str, body: Node, depth: int) -> Code:
        left, right = self._sides(body, depth)
        schema = self._types.schema
        known = None
        if name == "getTag" and schema and isinstance(left.type, Reference) and left.type.entity in schema.entities:
            known = schema.entities[left.type.entity].tags
        text = f"{name.lower()}({left.text}, {right.text}, E)"
        return self._made(text, known if name == "getTag" else BOOL, left, right)

    def _above(self, code: Code) -> str:
        found = next((above for value, _, above in _VARIABLES.values() if value == code.text), None)
        return found or f"up({code.text}, E)"

    def membership(self, _name: str, body: Node, depth: int) -> Code:
        left, right = self._sides(body, depth)
        return self._membership(left, right)

    def _membership(self, left: Code, right: Code) -> Code:
        above = self._above(left)
        if right.kind == "entity":
            text = f"({right.text} in {above})"
        elif isinstance(right.type, SetOf) and right.type.element.kind == "entity":
            text = f"(not {above}.isdisjoint({right.text}))"
        else:
            text = f"within({above}, {right.text})"
        return self._made(text, BOOL, left, right)

    def typed(self, _name: str, body: Node, depth: int) -> Code:
        _expect_keys(body, "left", "entity_type", optional="in")
        left = self._expression(body["left"], depth)
        name = self._constants.name(_string(body["entity_type"]))
        text = f"({left.text}[0] == {name})" if left.kind == "entity" else f"isof({left.text}, {name})"
        if "in" not in body:
            return self._made(text, BOOL, left)
        inside = self._membership(left, self._expression(body["in"], depth))
        return self._made(f"({text} and {inside.text})", BOOL, left, inside)

    # ---- strings, sets, records ----------------------------------------------------------------------------------

    def pattern_test(self, _name: str, body: Node, depth: int) -> Code:
        _expect_keys(body, "left", "pattern")
        left = self._expression(body["left"], depth)
        pattern = tuple(_pattern_part(part) for part in body["pattern"])
        self._cost += len(pattern)
        return self._made(f"like({left.text}, {self._constants.name(runtime.matcher(pattern))})", BOOL, left)

    def contains(self, _name: str, body: Node, depth: int) -> Code:
        left, right = self._sides(body, depth)
        element = right.text if right.kind in _EQUAL_BY_VALUE | {"long"} else f"key({right.text})"
        return self._made(f"({element} in {self._members(left)})", BOOL, left, right)

    def contains_many(self, name: str, body: Node, depth: int) -> Code:
        left, right = self._sides(body, depth)
        first, second = self._members(left), self._members(right)
        self._cost += _WHOLE_SETS * (left.constant is None and right.constant is None)
        test = f"{first}.issuperset({second})" if name == "containsAll" else f"(not {first}.isdisjoint({second}))"
        return self._made(test, BOOL, left, right)

    def is_empty(self, _name: str, body: Node, depth: int) -> Code:
        inner = self._argument(body, depth)
        return self._made(f"(not {self._members(inner)})", BOOL, inner)

    def _members(self, code: Code) -> str:
        return code.text if code.kind == "set" else f"members({code.text})"

    def set_of(self, _name: str, body: Node, depth: int) -> Code:
        if not isinstance(body, list):
            raise UnknownSyntaxError("a set is not a list")
        parts = [self._expression(part, depth) for part in body]
        element = merge([part.type for part in parts]) if parts else None
        known: Type = SetOf(element) if element else Scalar("set")
        if all(part.constant is not None for part in parts):
            return self._constant(runtime.set_literal(part.constant for part in parts), known)
        return self._made(f"setlit(({''.join(f'{part.text}, ' for part in parts)}))", known, *parts)

    def record(self, _name: str, body: Node, depth: int) -> Code:
        if not isinstance(body, dict):
            raise UnknownSyntaxError("a record is not an object")
        parts = [self._expression(part, depth) for part in body.values()]
        names = self._constants.name(tuple(map(_string, body)))
        values = "".join(f"{part.text}, " for part in parts)
        return self._made(f"reclit({names}, ({values}))", Scalar("record"), *parts)

    def _function(self, name: str, body: list[Node], depth: int) -> Code:
        wanted, kind, function = runtime.FUNCTIONS[name]
        if len(body) != wanted:
            raise UnknownSyntaxError(f"a call of `{name}` has another number of arguments")
        parts = [self._expression(part, depth) for part in body]
        if name in _CONSTRUCTORS and isinstance(parts[0].constant, str):
            try:
                return self._constant(function(parts[0].constant), Scalar(kind))
            except MalformedValueError:
                pass  # Cedar fails when it is reached, and so does the call that is written below
        return self._made(f"{name.lower()}({', '.join(part.text for part in parts)})", Scalar(kind), *parts)

    def _argument(self, body: Node, depth: int) -> Code:
        _expect_keys(body, "arg")
        return self._expression(body["arg"], depth)


_FORMS: Final[Mapping[str, Callable[[_Emitter, str, Node, int], Code]]] = {
    "Value": _Emitter.value,
    "Var": _Emitter.variable,
    "&&": _Emitter.chain,
    "||": _Emitter.chain,
    "!": _Emitter.negation,
    "neg": _Emitter.negative,
    "if-then-else": _Emitter.if_else,
    "==": _Emitter.equality,
    "!=": _Emitter.equality,
    "<": _Emitter.comparison,
    "<=": _Emitter.comparison,
    ">": _Emitter.comparison,
    ">=": _Emitter.comparison,
    "+": _Emitter.arithmetic,
    "-": _Emitter.arithmetic,
    "*": _Emitter.arithmetic,
    ".": _Emitter.attribute,
    "has": _Emitter.presence,
    "getTag": _Emitter.tag,
    "hasTag": _Emitter.tag,
    "in": _Emitter.membership,
    "is": _Emitter.typed,
    "like": _Emitter.pattern_test,
    "contains": _Emitter.contains,
    "containsAll": _Emitter.contains_many,
    "containsAny": _Emitter.contains_many,
    "isEmpty": _Emitter.is_empty,
    "Set": _Emitter.set_of,
    "Record": _Emitter.record,
}


def uid_of(body: Node) -> EntityUid:
    """Read `{"type": ..., "id": ...}`."""
    _expect_keys(body, "type", "id")
    return EntityUid(_string(body["type"]), _string(body["id"]))


def _string(body: Node) -> str:
    if not isinstance(body, str):
        raise UnknownSyntaxError("a name is not a string")
    return body


def _pattern_part(body: Node) -> str | None:
    if body == "Wildcard":
        return None
    _expect_keys(body, "Literal")
    return _string(body["Literal"])


def _expect_keys(body: Node, *names: str, optional: str = "") -> None:
    if not isinstance(body, dict) or set(body) - {optional} != set(names):
        raise UnknownSyntaxError("a node has other parts than its form")
