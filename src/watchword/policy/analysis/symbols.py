"""Everything a request of one kind may hold, as terms of a solver: facts are unknown functions, types are the schema's.

An entity is a number: a literal id has its own, any other number is some other entity. So no request is left out.
Whatever has no exact form here becomes a value that may be anything, which only adds requests and never hides one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import z3

from watchword.policy.extension import LONG_MAX, LONG_MIN, Ip
from watchword.policy.model import EntityUid
from watchword.policy.schema import Action, Record, Reference, Scalar, Schema, SetOf, Type

TRUE, FALSE = z3.BoolVal(True), z3.BoolVal(False)
NUMERIC: Final = frozenset({"long", "decimal", "datetime", "duration"})
MOST_CHARACTER: Final = 0x2FFFF  # the solver's alphabet ends here
V4, V6 = 4, 6
_V4_BITS, _V6_BITS = 32, 128

_ip = z3.Datatype("Ip")
_ip.declare("ip", *((name, z3.IntSort()) for name in ("version", "address", "prefix", "first", "last")))
IP: Final = _ip.create()


@dataclass(frozen=True, slots=True)
class Sym:
    """What an expression comes to.

    Attributes:
        type: nothing when it may be of any type; then there is no term either.
        term: of the solver; for a record, by name: whether the field is there, and what it then is.
        failed: under which circumstances the expression fails; the term means nothing then.
    """

    type: Type | None
    term: Any
    failed: z3.BoolRef = FALSE

    @property
    def kind(self) -> str:
        """The kind of the value; empty when unknown."""
        return self.type.kind if self.type else ""


@dataclass(slots=True)
class Touched:
    """What the expressions of one policy rely upon, besides their own terms.

    Attributes:
        facts: true of every request that fits the schema.
        wishes: what makes a counter-example plainer, where it can be had.
        below: every question whether one entity lies below another, with both types.
        entities: every entity that is named or reached.
        is_exact: nothing in it was taken for a value that may be anything.
    """

    facts: dict[str, z3.BoolRef] = field(default_factory=dict)
    wishes: dict[str, z3.BoolRef] = field(default_factory=dict)
    below: dict[str, tuple[str, Any, str, Any]] = field(default_factory=dict)
    entities: dict[str, tuple[str, Any]] = field(default_factory=dict)
    is_exact: bool = True

    def merge(self, other: Touched) -> None:
        """Take over what another policy relies upon."""
        self.facts.update(other.facts)
        self.wishes.update(other.wishes)
        self.below.update(other.below)
        self.entities.update(other.entities)
        self.is_exact = self.is_exact and other.is_exact


@dataclass(frozen=True, slots=True)
class Fields(Mapping[str, tuple[Any, Sym]]):
    """The fields of an unknown record, each made when it is looked at: whether it is there, and what it then is."""

    world: World
    record: Record
    name: str
    arguments: tuple[Any, ...]
    condition: Any = TRUE

    def __getitem__(self, key: str) -> tuple[Any, Sym]:
        one = self.record.fields[key]
        inner = f"{self.name}.{json.dumps(key)}"
        is_there = self.condition
        if not one.is_required:
            is_there = both(is_there, _apply(f"{inner}?", self.arguments, z3.BoolSort()))
        return is_there, self.world.unknown(one.type, inner, self.arguments)

    def __iter__(self) -> Iterator[str]:
        return iter(self.record.fields)

    def __len__(self) -> int:
        return len(self.record.fields)


class World:
    """One action by one type of principal on one type of resource.

    Args:
        is_textual: strings are real strings, as `like` needs them; else they are numbers that can only be compared.
    """

    def __init__(self, schema: Schema, action: Action, principal: str, resource: str, *, is_textual: bool) -> None:
        self.schema = schema
        self.action = action
        self.is_textual = is_textual
        self.touched = Touched()
        self._ids: dict[str, dict[str, int]] = {
            name: {one: number for number, one in enumerate(sorted(type_.ids or ()))}
            for name, type_ in schema.entities.items()
        }
        self._texts: dict[str, int] = {}
        self.principal_type, self.resource_type = principal, resource
        assert action.context is not None
        self.context_type: Record = action.context

    # ---- the four variables --------------------------------------------------------------------------------------

    def principal(self) -> Sym:
        """Return who asks."""
        return self._side("principal", self.principal_type)

    def resource(self) -> Sym:
        """Return what is asked for."""
        return self._side("resource", self.resource_type)

    def context(self) -> Sym:
        """Return the circumstances."""
        return self.unknown(self.context_type, "context", ())

    def _side(self, name: str, type_name: str) -> Sym:
        found = self.unknown(Reference(type_name), name, ())
        # The decision point refuses a side that may hold something and is not described.
        if self.must_be_described(type_name):
            self._fact(self.described(type_name, found.term))
        return found

    def must_be_described(self, type_name: str) -> bool:
        """Tell whether an entity of a type, without a description, would hide something."""
        type_ = self.schema.entities[type_name]
        return bool(type_.parents) or any(one.is_required for one in type_.attributes.fields.values())

    def nests(self, type_name: str) -> bool:
        """Tell whether a parent of an entity may have parents itself."""
        entities = self.schema.entities
        return any(entities[name].parents for name in entities[type_name].parents if name in entities)

    # ---- unknown values ------------------------------------------------------------------------------------------

    def sort(self, type_: Type) -> Any:
        """Return the solver's sort for a type; nothing where there is none."""
        if isinstance(type_, SetOf):
            element = self.sort(type_.element) if not isinstance(type_.element, SetOf | Record) else None
            return z3.ArraySort(element, z3.BoolSort()) if element is not None else None
        if isinstance(type_, Record):
            return None
        sorts = {"bool": z3.BoolSort(), "ip": IP, "string": z3.StringSort() if self.is_textual else z3.IntSort()}
        return sorts.get(type_.kind, z3.IntSort())

    def unknown(self, type_: Type, name: str, arguments: tuple[Any, ...]) -> Sym:
        """Return a value of a type that nothing else is known of; the same name and arguments, the same value."""
        if isinstance(type_, Record):
            return Sym(type_, Fields(self, type_, name, arguments))
        sort = self.sort(type_)
        if sort is None or (isinstance(type_, Reference) and type_.entity not in self.schema.entities):
            return Sym(type_ if isinstance(type_, SetOf) else None, None)
        term = _apply(name, arguments, sort)
        self._bound(type_, term)
        return Sym(type_, term)

    def anything(self, node: object, type_: Type | None = None) -> Sym:
        """Stand for an expression that has no exact form here; the same expression is always the same value."""
        self.touched.is_exact = False
        name = "any:" + hashlib.sha256(json.dumps(node, sort_keys=True).encode()).hexdigest()
        found = self.unknown(type_, name, ()) if type_ else Sym(None, None)
        return Sym(found.type, found.term, z3.Bool(f"{name}!"))

    def may_fail(self, node: object) -> Any:
        """Return a term that is true when an expression fails for a reason that is not modelled."""
        self.touched.is_exact = False
        return z3.Bool("fails:" + hashlib.sha256(json.dumps(node, sort_keys=True).encode()).hexdigest())

    def _bound(self, type_: Type, term: Any) -> None:
        if isinstance(type_, Reference):
            self.see(type_.entity, term)
            known = self.schema.entities[type_.entity].ids
            if known is not None:
                self._fact(z3.And(term >= 0, term < len(known)))
        elif type_.kind in NUMERIC:
            self._fact(z3.And(term >= LONG_MIN, term <= LONG_MAX))
        elif type_.kind == "ip":
            self._fact(_is_ip(term))
            self.touched.wishes[term.sexpr()] = IP.prefix(term) == z3.If(IP.version(term) == V4, _V4_BITS, _V6_BITS)

    def _fact(self, fact: Any) -> None:
        self.touched.facts[fact.sexpr()] = fact

    # ---- entities ------------------------------------------------------------------------------------------------

    def see(self, type_name: str, term: Any) -> None:
        """Remember an entity, so that a counter-example describes it."""
        self.touched.entities[f"{type_name} {term.sexpr()}"] = (type_name, term)

    def described(self, type_name: str, term: Any) -> Any:
        """Tell whether an entity is described; one that is not has no attributes, tags or parents."""
        return _apply(f"described:{type_name}", (term,), z3.BoolSort())

    def attributes(self, type_name: str, term: Any) -> Fields:
        """Return what an entity holds, if it is described."""
        self.see(type_name, term)
        record = self.schema.entities[type_name].attributes
        return Fields(self, record, f"of:{type_name}", (term,), self.described(type_name, term))

    def tag(self, type_name: str, term: Any, name: Any) -> tuple[Any, Sym]:
        """Tell whether an entity has a tag, and what it then is."""
        self.see(type_name, term)
        type_ = self.schema.entities[type_name].tags
        if type_ is None:
            return FALSE, Sym(None, None)
        has = z3.And(self.described(type_name, term), _apply(f"tag?:{type_name}", (term, name), z3.BoolSort()))
        return has, self.unknown(type_, f"tag:{type_name}", (term, name))

    def reach(self, type_name: str) -> frozenset[str]:
        """Return the types that an ancestor of an entity may have."""
        seen: set[str] = set()
        waiting = [type_name]
        while waiting:
            known = self.schema.entities.get(waiting.pop())
            for above in (known.parents if known else frozenset()) - seen:
                seen.add(above)
                waiting.append(above)
        return frozenset(seen)

    def lies_below(self, type_name: str, term: Any, above_type: str, above: Any) -> Any:
        """Tell whether an entity has another among its ancestors; whether it is that other is not asked."""
        self.see(type_name, term)
        self.see(above_type, above)
        if above_type not in self.reach(type_name):
            return FALSE
        asked = (type_name, term, above_type, above)
        self.touched.below[f"{type_name} {term.sexpr()} {above_type} {above.sexpr()}"] = asked
        return self.is_below(*asked)

    def is_below(self, type_name: str, term: Any, above_type: str, above: Any) -> Any:
        """Return the term that tells it, without noting the question."""
        return _apply(f"below:{type_name}:{above_type}", (term, above), z3.BoolSort())

    # ---- literals ------------------------------------------------------------------------------------------------

    def uid(self, uid: EntityUid) -> Sym | None:
        """Return an entity by its name; nothing for a type that the schema does not know."""
        ids = self._ids.get(uid.type)
        if ids is None:
            return None
        term = z3.IntVal(ids.setdefault(uid.id, len(ids)))
        self.see(uid.type, term)
        return Sym(Reference(uid.type), term)

    def id_of(self, type_name: str, number: int) -> str:
        """Return the id that stands behind a number, made up for an entity that no policy names."""
        ids = self._ids[type_name]
        found = next((one for one, known in ids.items() if known == number), None)
        return _fresh(f"{type_name.rpartition('::')[2].lower()}{number}", ids) if found is None else found

    def text(self, value: str) -> Sym | None:
        """Return a string; nothing for one that the solver cannot hold."""
        if not self.is_textual:
            return Sym(Scalar("string"), z3.IntVal(self._texts.setdefault(value, len(self._texts))))
        held = text_term(value)
        return Sym(Scalar("string"), held) if held is not None else None

    def text_of(self, number: int) -> str:
        """Return the string that stands behind a number, made up for one that no policy names."""
        found = next((one for one, known in self._texts.items() if known == number), None)
        return _fresh(f"text{number}", self._texts) if found is None else found


def both(left: Any, right: Any) -> Any:
    """Join by "and", leaving out what says nothing."""
    if z3.is_false(left) or z3.is_true(right):
        return left
    return right if z3.is_true(left) or z3.is_false(right) else z3.And(left, right)


def either(left: Any, right: Any) -> Any:
    """Join by "or", leaving out what says nothing."""
    if z3.is_true(left) or z3.is_false(right):
        return left
    return right if z3.is_false(left) or z3.is_true(right) else z3.Or(left, right)


def negated(term: Any) -> Any:
    """Turn around."""
    return FALSE if z3.is_true(term) else TRUE if z3.is_false(term) else z3.Not(term)


def text_term(value: str) -> Any:
    r"""Write a string for the solver; nothing if it holds a character outside its alphabet.

    The solver reads `\u{41}` in a string as a letter. Prevents: a literal that means another one to the solver.
    """
    if any(ord(letter) > MOST_CHARACTER for letter in value):
        return None
    return z3.StringVal("".join(r"\u{5c}" if letter == "\\" else letter for letter in value))


def ip_term(value: Ip) -> Any:
    """Write an address."""
    return IP.ip(value.version, value.address, value.prefix, value.first, value.last)


def _is_ip(term: Any) -> Any:
    version, prefix, bits = IP.version(term), IP.prefix(term), z3.If(IP.version(term) == V4, _V4_BITS, _V6_BITS)
    first, address, last = IP.first(term), IP.address(term), IP.last(term)
    most = z3.If(version == V4, z3.IntVal(2**_V4_BITS - 1), z3.IntVal(2**_V6_BITS - 1))
    return z3.And(
        z3.Or(version == V4, version == V6),
        prefix >= 0,
        prefix <= bits,
        first >= 0,
        first <= address,
        address <= last,
        last <= most,
        (prefix == bits) == (first == last),
    )


def _apply(name: str, arguments: tuple[Any, ...], sort: Any) -> Any:
    if not arguments:
        return z3.Const(f"{name}|{sort.sexpr()}", sort)
    sorts = [argument.sort() for argument in arguments]
    return z3.Function(f"{name}|{sort.sexpr()}", *sorts, sort)(*arguments)


def _fresh(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "-"
    return name
