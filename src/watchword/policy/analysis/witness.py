"""Turn a model of the solver into a request that can be put to the engine. Only what the engine confirms is told."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import z3

from watchword.policy.analysis.symbols import IP, Fields, Sym, Touched, World
from watchword.policy.extension import LONG_MAX, LONG_MIN, Datetime, Decimal, Duration, Ip
from watchword.policy.model import Entity, EntityUid, PolicyRequest, Value, set_of
from watchword.policy.schema import Record, Reference, SetOf, Type

_ESCAPED = re.compile(r"\\u\{([0-9a-fA-F]{1,6})\}")
_V4, _V4_BITS, _V6_BITS = 4, 32, 128
_MOST_ELEMENTS = 64


def request_of(world: World, model: Any, touched: Touched) -> PolicyRequest:
    """Build the request that a model describes: it fits the schema, and holds no entity that nothing needs."""
    return _Witness(world, model, touched).request()


class _Witness:
    """One model, read once."""

    def __init__(self, world: World, model: Any, touched: Touched) -> None:
        self._world = world
        self._model = model
        self._touched = touched
        self._entities: dict[EntityUid, Entity] = {}
        self._parents: dict[EntityUid, set[EntityUid]] = {}
        self._made = 0

    def request(self) -> PolicyRequest:
        world = self._world
        principal, resource = world.principal(), world.resource()
        context = self._record(world.context())
        described: dict[EntityUid, tuple[str, Any]] = {}
        for type_name, term in [*self._touched.entities.values()]:
            if z3.is_true(self._value(world.described(type_name, term))):
                described[self._uid(type_name, term)] = type_name, self._value(term)
        sides = (world.principal_type, principal.term), (world.resource_type, resource.term)
        for type_name, term in sides:
            if world.must_be_described(type_name):
                described[self._uid(type_name, term)] = type_name, self._value(term)
        self._link()
        for uid, (type_name, number) in described.items():
            self._describe(uid, type_name, number)
        for uid in self._parents:  # whoever has parents is described, or nobody would know of them
            if uid not in self._entities:
                self._describe(uid, uid.type, z3.IntVal(-1))
        return PolicyRequest(
            self._uid(world.principal_type, principal.term),
            world.action.uid,
            self._uid(world.resource_type, resource.term),
            context,
            self._entities,
        )

    def _value(self, term: Any) -> Any:
        return self._model.eval(term, model_completion=True)

    def _uid(self, type_name: str, term: Any) -> EntityUid:
        number = self._value(term).as_long()
        known = self._world.schema.entities[type_name].ids
        if known is not None:
            number = min(max(number, 0), len(known) - 1)
        return EntityUid(type_name, self._world.id_of(type_name, number))

    def _describe(self, uid: EntityUid, type_name: str, number: Any) -> None:
        attributes = self._record(
            Sym(
                self._world.schema.entities[type_name].attributes,
                Fields(self._world, self._world.schema.entities[type_name].attributes, f"of:{type_name}", (number,)),
            )
        )
        tags = {}
        for name in self._tag_names(type_name):
            has, value = self._world.tag(type_name, number, name)
            if value.type is not None and z3.is_true(self._value(has)):
                tags[str(self._scalar("string", name))] = self._plain(value)
        parents = tuple(sorted(self._parents.get(uid, ())))
        self._entities[uid] = Entity(uid, attributes, parents, tags)

    def _tag_names(self, type_name: str) -> list[Any]:
        """Return every name that the model speaks of a tag under."""
        found = {}
        for declared in self._model.decls():
            if declared.name().startswith(f"tag?:{type_name}|") and declared.arity():
                for entry in _entries(self._model[declared]):
                    found[entry.arg_value(1).sexpr()] = entry.arg_value(1)
        return list(found.values())

    # ---- the hierarchy -------------------------------------------------------------------------------------------

    def _link(self) -> None:
        for question in self._touched.below.values():
            if not z3.is_true(self._value(self._world.is_below(*question))):
                continue
            uid, above = self._uid(question[0], question[1]), self._uid(question[2], question[3])
            path = self._path(question[0], question[2])
            between = [self._between(name) for name in path[1:-1]]
            steps = [uid, *between, above]
            for lower, upper in itertools.pairwise(steps):
                self._parents.setdefault(lower, set()).add(upper)

    def _between(self, type_name: str) -> EntityUid:
        self._made += 1
        return EntityUid(type_name, f"between{self._made}")

    def _path(self, type_name: str, above: str) -> list[str]:
        """Return the shortest way up the schema's types."""
        waiting = deque([[type_name]])
        seen: set[str] = set()
        while waiting:
            path = waiting.popleft()
            known = self._world.schema.entities.get(path[-1])
            for name in sorted(known.parents) if known else ():
                if name == above:
                    return [*path, name]
                if name not in seen:
                    seen.add(name)
                    waiting.append([*path, name])
        return [type_name, above]

    # ---- values --------------------------------------------------------------------------------------------------

    def _record(self, found: Sym) -> dict[str, Value]:
        said = {}
        assert isinstance(found.type, Record)
        for name in found.term:
            is_there, value = found.term[name]
            one = found.type.fields[name]
            if one.is_required or z3.is_true(self._value(is_there)):
                said[name] = self._plain(value) if value.type is not None else self._default(one.type)
        return said

    def _plain(self, found: Sym) -> Value:
        type_ = found.type
        if isinstance(type_, Record):
            return self._record(found)
        if isinstance(type_, SetOf):
            return self._set(found, type_)
        if isinstance(type_, Reference):
            return self._uid(type_.entity, found.term)
        assert type_ is not None
        return self._scalar(type_.kind, self._value(found.term))

    def _scalar(self, kind: str, value: Any) -> Value:
        match kind:
            case "bool":
                return bool(z3.is_true(value))
            case "string":
                return _text(value) if self._world.is_textual else self._world.text_of(value.as_long())
            case "ip":
                return self._ip(value)
        number = min(max(value.as_long(), LONG_MIN), LONG_MAX)
        makers: Mapping[str, Callable[[int], Value]] = {"decimal": Decimal, "datetime": Datetime, "duration": Duration}
        return makers[kind](number) if kind in makers else number

    def _ip(self, value: Any) -> Ip:
        parts = [self._value(part(value)).as_long() for part in (IP.version, IP.address, IP.prefix)]
        version = _V4 if parts[0] == _V4 else 6
        bits = _V4_BITS if version == _V4 else _V6_BITS
        address, prefix = min(max(parts[1], 0), 2**bits - 1), min(max(parts[2], 0), bits)
        host = (1 << (bits - prefix)) - 1
        return Ip(version, address, prefix, address & ~host, address | host)

    def _set(self, found: Sym, type_: SetOf) -> Value:
        if found.term is None:
            return frozenset()
        array, elements = self._value(found.term), []
        while z3.is_store(array):
            elements.append(array.arg(1))
            array = array.arg(0)
        inside = [one for one in elements[:_MOST_ELEMENTS] if z3.is_true(self._value(z3.Select(found.term, one)))]
        return set_of(self._plain(Sym(type_.element, one)) for one in inside)

    def _default(self, type_: Type) -> Value:
        if isinstance(type_, SetOf):
            return frozenset()
        return EntityUid(type_.entity, "someone") if isinstance(type_, Reference) else {}


def _entries(interpretation: Any) -> list[Any]:
    return [interpretation.entry(number) for number in range(interpretation.num_entries())]


def _text(value: Any) -> str:
    r"""Read a string of the solver, which writes what is not plain as `\u{41}`."""
    plain = _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), value.as_string())
    return "".join("?" if "\ud800" <= letter <= "\udfff" else letter for letter in plain)
