"""Generate schemas, policies, entities and requests: well-typed ones, and with a slack ones that are nearly so.

Every choice goes through `Choice`: it asks hypothesis, and then shrinks, or a seeded generator, and then is fast.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import cedarpy
from policy_oracle import Oracle, Verdict

from watchword.policy import (
    Effect,
    Entity,
    EntityUid,
    PolicyAnswer,
    PolicyRequest,
    Value,
    decimal,
    duration,
    instant,
    ip,
    set_of,
)
from watchword.policy.evaluator import Evaluator, Mode
from watchword.policy.load import Bundle, WrittenPolicy
from watchword.policy.schema import (
    Action,
    EntityType,
    Field,
    Record,
    Reference,
    Scalar,
    Schema,
    SetOf,
    Type,
)

_FAILED = re.compile(r"policy_error: `([^`]*)`")
T = TypeVar("T")
Est = dict[str, Any]

HOSTILE = (
    'a"b',
    "a'b",
    "\\",
    "\\x41",
    "a\nb",
    '"""',
    "'''",
    "{0}",
    "%s",
    "k0",
    "C",
    "__class__",
    "__import__('os')",
    "*",
    "a*b",
    "\0",
    "ü😀",
    "",
    "); return True",
    "#",
)
NAMES = ("name", "size", "flag", "items", "owner", "home", "x y", "class", "k0", 'q"', "", "\n", "isIn", "P", "E")
STRINGS = ("a", "b", "ab", "abc", "aXbXc", *HOSTILE)
NUMBERS = (0, 1, -1, 2, 3, 10, 100, 2**31, 2**62, 2**63 - 1, -(2**63), -(2**63) + 1)
ADDRESSES = (
    "10.0.0.1",
    "10.0.0.0/8",
    "10.1.2.3/16",
    "127.0.0.1",
    "127.0.0.0/7",
    "::1",
    "ff02::1",
    "2001:db8::/32",
    "0.0.0.0/0",
    "224.0.0.1",
    "::/0",
)
DECIMALS = ("0.0", "1.5", "-1.5", "1.5000", "922337203685477.5807", "-922337203685477.5808", "0.0001")
INSTANTS = (
    "1970-01-01",
    "2024-02-29",
    "2026-11-21T10:30:00Z",
    "1969-12-31T23:59:59.999Z",
    "2026-11-21T10:30:00.500+0130",
    "0001-01-01",
)
DURATIONS = ("0ms", "1d", "-1d2h3m4s5ms", "1h", "90m", "-1ms", "9223372036854775807ms", "1500ms")
MALFORMED = (
    "",
    "x",
    "10.0.0.256",
    "10.0.0.1/33",
    "1.23456",
    "1",
    "2024-02-30",
    "1d1d",
    "5x",
    "::1.2.3.4",
    "1.",
    "h1",
    "2024-01-01T00:00:00",
)
LITERALS = {
    "ip": (ADDRESSES, ip),
    "decimal": (DECIMALS, decimal),
    "datetime": (INSTANTS, instant),
    "duration": (DURATIONS, duration),
}
SCALARS = ("bool", "long", "string", "ip", "decimal", "datetime", "duration")
IDS = ("a", "b", "c", 'd"\\')


class Choice(Protocol):
    """A source of choices."""

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit - 1`; 0 is the simplest."""
        ...


class Seeded:
    """Choices of a seeded generator."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 (test cases, no secrets)

    def below(self, limit: int) -> int:
        return self._random.randrange(limit)


class Drawn:
    """Choices of hypothesis."""

    def __init__(self, draw: Callable[[Any], int]) -> None:
        from hypothesis import strategies  # noqa: PLC0415 (the benchmark runs without hypothesis)

        self._draw = draw
        self._integers = strategies.integers

    def below(self, limit: int) -> int:
        return self._draw(self._integers(0, limit - 1))


@dataclass
class World:
    """A schema with what was made from it."""

    choice: Choice
    schema: Schema
    slack: int = 0  # one expression in so many has any type at all; 0 for none
    depth: int = 4
    scope: dict[str, Type] = field(default_factory=dict)

    # ---- choices -------------------------------------------------------------------------------------------------

    def pick(self, options: Sequence[T]) -> T:
        return options[self.choice.below(len(options))]

    def chance(self, one_in: int) -> bool:
        return self.choice.below(one_in) == one_in - 1

    def some(self, options: Sequence[T], most: int) -> list[T]:
        return [self.pick(options) for _ in range(self.choice.below(most + 1))]

    # ---- values --------------------------------------------------------------------------------------------------

    def uid(self, type_name: str) -> EntityUid:
        known = self.schema.entities.get(type_name)
        return EntityUid(type_name, self.pick(sorted(known.ids) if known and known.ids else IDS))

    def value(self, type_: Type) -> Value:
        if isinstance(type_, Record):
            return {
                name: self.value(wanted.type)
                for name, wanted in type_.fields.items()
                if wanted.is_required or self.chance(2)
            }
        if isinstance(type_, SetOf):
            return set_of(self.value(type_.element) for _ in range(self.choice.below(4)))
        if isinstance(type_, Reference):
            return self.uid(type_.entity)
        if type_.kind == "bool":
            return self.chance(2)
        if type_.kind in LITERALS:
            texts, parse = LITERALS[type_.kind]
            parsed: Value = parse(self.pick(texts))
            return parsed
        return self.pick(NUMBERS if type_.kind == "long" else STRINGS)

    def entities(self) -> dict[EntityUid, Entity]:
        """Describe every entity of the universe; parents come later in the list, so nothing is its own ancestor."""
        universe = [
            EntityUid(name, ident)
            for name, type_ in sorted(self.schema.entities.items())
            for ident in sorted(type_.ids or IDS)
        ]
        made = {}
        for place, uid in enumerate(universe):
            type_ = self.schema.entities[uid.type]
            later = [other for other in universe[place + 1 :] if other.type in type_.parents]
            parents = tuple(dict.fromkeys(self.some(later, 3))) if later else ()
            tags = (
                {self.pick(STRINGS): self.value(type_.tags) for _ in range(self.choice.below(3))} if type_.tags else {}
            )
            attributes = self.value(type_.attributes)
            assert isinstance(attributes, dict)
            made[uid] = Entity(uid, attributes, parents, tags)
        return made

    def forget_some(self, entities: dict[EntityUid, Entity], action: EntityUid) -> None:
        """Drop a few descriptions, and describe the actions, which the reference knows from the entities alone."""
        for uid in [uid for uid in entities if self.chance(6)]:
            del entities[uid]
        ancestors = self.schema.actions[action].ancestors
        for uid in ancestors:
            entities[uid] = Entity(uid, {}, tuple(sorted(ancestors - {uid})) if uid == action else ())

    def request(self, entities: dict[EntityUid, Entity]) -> PolicyRequest:
        action = self.pick([action for action in self.schema.actions.values() if action.context is not None])
        assert action.context is not None
        context = self.value(action.context)
        assert isinstance(context, dict)
        principal, resource = self.pick(sorted(action.principals)), self.pick(sorted(action.resources))
        return PolicyRequest(self.uid(principal), action.uid, self.uid(resource), context, entities)

    # ---- policies ------------------------------------------------------------------------------------------------

    def policy(self, name: str) -> Est:
        action = self.pick(sorted(self.schema.actions.values(), key=lambda action: action.uid))
        applies = [
            one for one in self.schema.actions.values() if action.uid in one.ancestors and one.context is not None
        ]
        one = self.pick(sorted(applies, key=lambda one: one.uid)) if applies else None
        principal = self.pick(sorted(one.principals)) if one else min(self.schema.entities)
        resource = self.pick(sorted(one.resources)) if one else min(self.schema.entities)
        self.scope = {"principal": Reference(principal), "resource": Reference(resource)}
        if one and one.context:
            self.scope["context"] = one.context
        kinds = ("when", "when", "unless")
        conditions = [
            {"kind": self.pick(kinds), "body": self.expression(Scalar("bool"), self.depth)}
            for _ in range(self.choice.below(3))
        ]
        return {
            "effect": self.pick(("permit", "forbid")),
            "principal": self._constraint(principal),
            "action": self._action_constraint(one or action),
            "resource": self._constraint(resource),
            "conditions": conditions,
            "annotations": {"id": name},
        }

    def _action_constraint(self, action: Action) -> Est:
        uids = [_uid_json(uid) for uid in sorted(action.ancestors)]
        return self.pick(
            [
                {"op": "==", "entity": _uid_json(action.uid)},
                {"op": "in", "entity": uids[-1]},
                {"op": "in", "entities": uids},
                *[{"op": "All"}] * (2 if self.slack else 0),
            ]
        )

    def _constraint(self, type_name: str) -> Est:
        own = _uid_json(self.uid(type_name))
        above = sorted(self.schema.entities[type_name].parents)
        anchor = _uid_json(self.uid(self.pick(above))) if above else own
        options: list[Est] = [
            *[{"op": "is", "entity_type": type_name}] * 6,
            {"op": "==", "entity": own},
            {"op": "is", "entity_type": type_name, "in": {"entity": anchor}},
            {"op": "in", "entity": anchor},
        ]
        if self.slack:
            options += [{"op": "All"}] * 4
        return self.pick(options)

    # ---- expressions ---------------------------------------------------------------------------------------------

    def any_type(self, depth: int = 2) -> Type:
        which = self.choice.below(len(SCALARS) + (4 if depth else 1))
        if which < len(SCALARS):
            return Scalar(SCALARS[which])
        if which == len(SCALARS):
            return Reference(self.pick(sorted(self.schema.entities)))
        if which == len(SCALARS) + 1:
            return SetOf(self.any_type(depth - 1))
        return Record(
            {name: Field(self.any_type(depth - 1), is_required=True) for name in dict.fromkeys(self.some(NAMES, 2))}
        )

    def expression(self, wanted: Type, depth: int) -> Est:
        if self.slack and self.choice.below(self.slack) == self.slack - 1:
            wanted = self.any_type()
        options: list[Callable[[], Est]] = [lambda: self.literal(wanted, depth)]
        paths = list(self._paths(wanted)) if self.scope else []
        if paths:
            options += [lambda: self._path(wanted, self.pick(paths))] * 3
        if depth > 0:
            options += [*self._forms(wanted, depth - 1)]
        return self.pick(options)()

    def literal(self, wanted: Type, depth: int) -> Est:
        if isinstance(wanted, Record):
            return {
                "Record": {
                    name: self.expression(one.type, max(depth - 2, 0))
                    for name, one in wanted.fields.items()
                    if one.is_required
                }
            }
        if isinstance(wanted, SetOf):
            count = self.choice.below(4) if self.slack else self.choice.below(3) + 1
            return {"Set": [self.expression(wanted.element, max(depth - 2, 0)) for _ in range(count)]}
        if isinstance(wanted, Reference):
            return {"Value": {"__entity": _uid_json(self.uid(wanted.entity))}}
        if wanted.kind in LITERALS:
            texts: tuple[str, ...] = LITERALS[wanted.kind][0]
            if self.slack and self.chance(self.slack):
                texts = MALFORMED
            return {wanted.kind: [{"Value": self.pick(texts)}]}
        options: Sequence[Any] = {"bool": (False, True), "long": NUMBERS, "string": STRINGS}[wanted.kind]
        return {"Value": self.pick(options)}

    def _paths(self, wanted: Type) -> Iterator[tuple[str, tuple[tuple[str, bool], ...]]]:
        for root, type_ in self.scope.items():
            yield from self._paths_below(root, type_, wanted, (), 3)

    def _paths_below(
        self, root: str, type_: Type, wanted: Type, steps: tuple[tuple[str, bool], ...], left: int
    ) -> Iterator[tuple[str, tuple[tuple[str, bool], ...]]]:
        if repr(type_) == repr(wanted):
            yield root, steps
        record = self.schema.entities[type_.entity].attributes if isinstance(type_, Reference) else type_
        if isinstance(record, Record) and left:
            for name, one in record.fields.items():
                yield from self._paths_below(root, one.type, wanted, (*steps, (name, one.is_required)), left - 1)

    def _path(self, wanted: Type, path: tuple[str, tuple[tuple[str, bool], ...]]) -> Est:
        root, steps = path
        node: Est = {"Var": root}
        guards: list[Est] = []
        for name, is_required in steps:
            if not is_required and not (self.slack and self.chance(self.slack)):
                guards.append({"has": {"left": node, "attr": name}})
            node = {".": {"left": node, "attr": name}}
        for guard in reversed(guards):
            if wanted == Scalar("bool") and self.chance(2):
                node = {"&&": {"left": guard, "right": node}}
            else:
                node = {"if-then-else": {"if": guard, "then": node, "else": self.literal(wanted, 0)}}
        return node

    def _forms(self, wanted: Type, depth: int) -> list[Callable[[], Est]]:
        def of(kind: str) -> Est:
            return self.expression(Scalar(kind), depth)

        def pair(kind: str) -> Est:
            return {"left": of(kind), "right": of(kind)}

        forms: list[Callable[[], Est]] = [
            lambda: {
                "if-then-else": {
                    "if": of("bool"),
                    "then": self.expression(wanted, depth),
                    "else": self.expression(wanted, depth),
                }
            },
            lambda: self._field_of_record(wanted, depth),
        ]
        tagged = [name for name, type_ in self.schema.entities.items() if repr(type_.tags) == repr(wanted)]
        if tagged:
            forms.append(lambda: self._tag(self.pick(tagged), wanted, depth))
        match wanted:
            case Scalar("bool"):
                forms += self._boolean_forms(depth)
            case Scalar("long"):
                forms += [lambda: {self.pick("+-*"): pair("long")}] * 3
                forms += [lambda: {"neg": {"arg": of("long")}}]
                forms += [
                    lambda: {
                        self.pick(("toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays")): [of("duration")]
                    }
                ]
            case Scalar("datetime"):
                forms += [lambda: {"offset": [of("datetime"), of("duration")]}, lambda: {"toDate": [of("datetime")]}]
            case Scalar("duration"):
                forms += [
                    lambda: {"durationSince": [of("datetime"), of("datetime")]},
                    lambda: {"toTime": [of("datetime")]},
                ]
        return forms

    def _field_of_record(self, wanted: Type, depth: int) -> Est:
        """Take a field of a record that was written out."""
        name = self.pick(NAMES)
        others = {other: self.literal(self.any_type(0), 0) for other in self.some(NAMES, 2)}
        return {".": {"left": {"Record": {**others, name: self.expression(wanted, depth)}}, "attr": name}}

    def _tag(self, type_name: str, wanted: Type, depth: int) -> Est:
        holder = self.expression(Reference(type_name), 0)
        name = {"Value": self.pick(STRINGS)}
        got = {"getTag": {"left": holder, "right": name}}
        if self.slack and self.chance(2):
            return got
        has = {"hasTag": {"left": holder, "right": name}}
        return {"if-then-else": {"if": has, "then": got, "else": self.expression(wanted, depth)}}

    def _boolean_forms(self, depth: int) -> list[Callable[[], Est]]:
        def of(kind: str) -> Est:
            return self.expression(Scalar(kind), depth)

        def pair(kind: str) -> Est:
            return {"left": of(kind), "right": of(kind)}

        def two(type_: Type) -> Est:
            return {"left": self.expression(type_, depth), "right": self.expression(type_, depth)}

        def member() -> Est:
            element = self.any_type(1)
            return {
                "contains": {"left": self.expression(SetOf(element), depth), "right": self.expression(element, depth)}
            }

        return [
            lambda: {self.pick(("&&", "||")): pair("bool")},
            lambda: {self.pick(("&&", "||")): pair("bool")},
            lambda: {"!": {"arg": of("bool")}},
            lambda: {self.pick(("==", "!=")): two(self.any_type())},
            lambda: {self.pick(("<", "<=", ">", ">=")): pair(self.pick(("long", "long", "datetime", "duration")))},
            lambda: {"like": {"left": of("string"), "pattern": self._pattern()}},
            member,
            lambda: {self.pick(("containsAll", "containsAny")): two(SetOf(self.any_type(1)))},
            lambda: {"isEmpty": {"arg": self.expression(SetOf(self.any_type(1)), depth)}},
            lambda: {self.pick(("isIpv4", "isIpv6", "isLoopback", "isMulticast")): [of("ip")]},
            lambda: {"isInRange": [of("ip"), of("ip")]},
            lambda: {
                self.pick(("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual")): [
                    of("decimal"),
                    of("decimal"),
                ]
            },
            lambda: self._in(depth),
            lambda: self._in(depth),
            lambda: self._is(depth),
            self._has,
            self._has_tag,
        ]

    def _pattern(self) -> list[Any]:
        parts = [self.pick(("*", "a", "b", "X", "", '"', "\\", "\n", "ü")) for _ in range(self.choice.below(6))]
        return [
            "Wildcard" if part == "*" and self.chance(2) else {"Literal": part}
            for part in parts
            if part or self.chance(2)
        ]

    def _in(self, depth: int) -> Est:
        left = self.pick([Reference(name) for name in sorted(self.schema.entities)])
        above = sorted(self.schema.entities[left.entity].parents) or [left.entity]
        right = Reference(self.pick(above))
        target = self.expression(right if self.chance(2) else SetOf(right), depth)
        return {"in": {"left": self.expression(left, depth), "right": target}}

    def _is(self, depth: int) -> Est:
        type_ = self.pick(sorted(self.schema.entities))
        body: Est = {
            "left": self.expression(Reference(type_), depth),
            "entity_type": self.pick(sorted(self.schema.entities)),
        }
        if self.chance(2):
            above = sorted(self.schema.entities[type_].parents) or [type_]
            body["in"] = self.expression(Reference(self.pick(above)), depth)
        return {"is": body}

    def _has(self) -> Est:
        root = self.pick(sorted(self.scope) or ["context"])
        type_ = self.scope.get(root)
        record = self.schema.entities[type_.entity].attributes if isinstance(type_, Reference) else type_
        names = [*record.fields] if isinstance(record, Record) else []
        return {"has": {"left": {"Var": root}, "attr": self.pick([*names, "missing"])}}

    def _has_tag(self) -> Est:
        tagged = sorted(name for name, type_ in self.schema.entities.items() if type_.tags)
        if not tagged:
            return {"Value": True}
        return {
            "hasTag": {"left": self.expression(Reference(self.pick(tagged)), 0), "right": {"Value": self.pick(STRINGS)}}
        }


# ---- comparing -------------------------------------------------------------------------------------------------------


def compare(choice: Choice, *, is_strict: bool) -> Effect | None:
    """Make one world with policies and requests, and put them to both engines.

    Returns:
        The last answer's effect; nothing where the world came out without a valid policy.

    Raises:
        AssertionError: the engines differ, with everything needed to see why.
    """
    made = schema(choice)
    rendered = str(cedarpy.Schema.from_str(schema_text(made)))
    world = World(choice, made, slack=0 if is_strict else 8)
    ests = [world.policy(f"p{number}") for number in range(1 + choice.below(6))]
    if is_strict:
        ests = [est for est in ests if is_valid([est], rendered)]
    bundle = bundle_of(reparsed(ests), rendered)
    if not ests:
        return None
    evaluator = Evaluator(bundle, mode=Mode.STRICT if is_strict else Mode.REFERENCE)
    oracle = Oracle(bundle, is_schema_checked=is_strict)
    effect = None
    for _ in range(3):
        entities = world.entities()
        request = world.request(entities)
        if not is_strict:
            world.forget_some(entities, request.action)
        verdict, answer = oracle.ask(request), evaluator.evaluate(request)
        assert not verdict.is_refused, (ests, request)
        (_assert_strict if is_strict else _assert_same)(oracle, verdict, answer, (ests, request))
        effect = answer.effect
    return effect


def _assert_strict(oracle: Oracle, verdict: Verdict, answer: PolicyAnswer, case: object) -> None:
    wanted = oracle.strict_effect(verdict)
    assert answer.effect is wanted, (wanted, verdict, answer, case)
    if wanted is not Effect.ERROR:
        assert {policy.id for policy in answer.determining} == verdict.reasons, (verdict, answer, case)


def _assert_same(_oracle: Oracle, verdict: Verdict, answer: PolicyAnswer, case: object) -> None:
    failed = {match.group(1) for error in answer.errors if (match := _FAILED.match(error))}
    said = ({policy.id for policy in answer.determining}, failed, answer.effect is Effect.PERMIT)
    assert said == (verdict.reasons, verdict.failed, verdict.is_allowed), (verdict, answer, case)


def differences(seeds: Iterable[int]) -> list[int]:
    """Return the seeds on which the engines differ; for long runs."""
    found = []
    for seed in seeds:
        try:
            compare(Seeded(seed), is_strict=seed % 3 == 0)
        except AssertionError:
            found.append(seed)
    return found


# ---- schemas ---------------------------------------------------------------------------------------------------------


def schema(choice: Choice) -> Schema:
    """Make a schema: a few entity types that may nest, tags, an enumerated type, actions in groups."""
    world = World(choice, Schema({}, {}))
    names = [world.pick(("", "N::", "N::M::")) + name for name in ("User", "Team", "Thing", "Box")]
    world.schema = Schema({name: EntityType(name) for name in names}, {})
    types = {}
    for place, name in enumerate(names):
        parents = frozenset(other for other in names[place:] if world.chance(2))
        tags = world.any_type(1) if world.chance(2) else None
        types[name] = EntityType(name, parents, record(world), tags)
    colour = world.pick(("", "N::")) + "Colour"
    types[colour] = EntityType(colour, ids=frozenset({"red", 'b"l\\ue'}))
    actions = {}
    namespace = world.pick(("", "N::"))
    group = EntityUid(namespace + "Action", "all of them")
    actions[group] = Action(group, frozenset({group}), frozenset(), frozenset(), None)
    for name in ("look", 'pu"sh'):
        uid = EntityUid(namespace + "Action", name)
        above = frozenset({uid, group}) if world.chance(2) else frozenset({uid})
        sides = [frozenset([world.pick(names), *world.some(names, 1)]) for _ in range(2)]
        actions[uid] = Action(uid, above, sides[0], sides[1], record(world))
    return Schema(types, actions)


def record(world: World) -> Record:
    """Make the record of an entity or a context."""
    names = dict.fromkeys([*world.some(NAMES, 3), world.pick(NAMES)])
    return Record({name: Field(world.any_type(), is_required=not world.chance(3)) for name in names})


def schema_text(schema: Schema) -> str:
    """Write a schema as Cedar's schema language."""
    spaces: dict[str, list[str]] = {}
    for name, type_ in schema.entities.items():
        space, _, short = name.rpartition("::")
        if type_.ids is not None:
            declared = f"entity {short} enum [{', '.join(map(quoted, sorted(type_.ids)))}];"
        else:
            above = f" in [{', '.join(sorted(type_.parents))}]" if type_.parents else ""
            tags = f" tags {type_text(type_.tags)}" if type_.tags else ""
            declared = f"entity {short}{above} = {type_text(type_.attributes)}{tags};"
        spaces.setdefault(space, []).append(declared)
    for uid, action in schema.actions.items():
        above = [f"{other.type}::{quoted(other.id)}" for other in sorted(action.ancestors - {uid})]
        groups = f" in [{', '.join(above)}]" if above else ""
        applies = ""
        if action.context is not None:
            sides = (", ".join(sorted(side)) for side in (action.principals, action.resources))
            applies = " appliesTo {{ principal: [{}], resource: [{}], context: {} }}".format(
                *sides, type_text(action.context)
            )
        spaces.setdefault(uid.type.rpartition("::")[0], []).append(f"action {quoted(uid.id)}{groups}{applies};")
    return "\n".join(
        f"namespace {space} {{ {' '.join(lines)} }}" if space else "\n".join(lines) for space, lines in spaces.items()
    )


def type_text(type_: Type) -> str:
    if isinstance(type_, Record):
        inner = (
            f"{quoted(name)}{'' if one.is_required else '?'}: {type_text(one.type)}"
            for name, one in type_.fields.items()
        )
        return "{" + ", ".join(inner) + "}"
    if isinstance(type_, SetOf):
        return f"Set<{type_text(type_.element)}>"
    if isinstance(type_, Reference):
        return type_.entity
    return {"bool": "Bool", "long": "Long", "string": "String", "ip": "ipaddr"}.get(type_.kind, type_.kind)


def quoted(text: str) -> str:
    """Write a string of Cedar."""
    plain = json.dumps(text, ensure_ascii=False)
    return plain.replace("\\u0000", "\\0")


def bundle_of(ests: list[Est], rendered_schema: str = "") -> Bundle:
    """Make a bundle from JSON forms without files."""
    written = [WrittenPolicy(est["annotations"]["id"], est, "generated", 1, "") for est in ests]
    return Bundle(tuple(sorted(written, key=lambda policy: policy.id)), (), rendered_schema, "generated")


def is_valid(ests: list[Est], rendered_schema: str) -> bool:
    """Tell whether Cedar's own validator takes the policies."""
    static = {est["annotations"]["id"]: est for est in ests}
    text = cedarpy.policies_from_json_str(json.dumps({"staticPolicies": static, "templates": {}, "templateLinks": []}))
    return cedarpy.validate_policies(text, rendered_schema).validation_passed


def reparsed(ests: list[Est]) -> list[Est]:
    """Write policies out as text and read them again, as they come from an operator's file."""
    static = {est["annotations"]["id"]: est for est in ests}
    text = cedarpy.policies_from_json_str(json.dumps({"staticPolicies": static, "templates": {}, "templateLinks": []}))
    return list(json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values())


def _uid_json(uid: EntityUid) -> Est:
    return {"type": uid.type, "id": uid.id}
