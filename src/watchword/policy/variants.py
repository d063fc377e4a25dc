"""Find the values of facts that matter to a clause: those on either side of each point where it changes.

They come from the constants of the clause: a number with its neighbours, the ends of a range of addresses with what
lies just outside, a text and texts that nearly are it, a set with and without each element. Where a clause computes
before it compares, the point is searched for by halving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from watchword.policy.checks import MisfitError
from watchword.policy.emit import Types, compile_conditions, uid_of
from watchword.policy.errors import PolicyError
from watchword.policy.evaluator import Evaluator
from watchword.policy.extension import LONG_MAX, LONG_MIN, Datetime, Decimal, Duration, Ip, ip
from watchword.policy.facts import (
    Act,
    Drop,
    Join,
    Leave,
    Path,
    Put,
    UnreachableError,
    changed,
    field_at,
    paths_in,
    value_at,
)
from watchword.policy.lazy import LazySet
from watchword.policy.model import EntityUid, PolicyRequest, Value
from watchword.policy.runtime import FUNCTIONS, BudgetSpentError, set_literal
from watchword.policy.schema import Field, Record, Reference, Schema, SetOf, Type
from watchword.policy.tracing import children

_NUMBERS: Final[Mapping[str, Callable[[int], Value]]] = {
    "long": lambda number: number,
    "decimal": Decimal,
    "datetime": Datetime,
    "duration": Duration,
}
_DAY_MS: Final = 86_400_000
_MOST_VALUES: Final = 64
_MOST_FLIPS: Final = 8
_V4, _V6 = 4, 6
_BITS: Final = {_V4: 32, _V6: 128}


@dataclass(frozen=True, slots=True)
class Variant:
    """One fact as it might be, and what the clause then says; nothing when it fails."""

    act: Act
    request: PolicyRequest
    says: bool | None


class Clause:
    """One clause of a policy, to be asked of many requests."""

    def __init__(self, node: Any, evaluator: Evaluator, schema: Schema) -> None:
        self.node = node
        self._evaluator = evaluator
        self._schema = schema
        self._function = compile_conditions([], [{"kind": "when", "body": node}], Types()).function

    def says(self, request: PolicyRequest) -> bool | None:
        """Tell what the clause says of a request; nothing when it fails or the request does not fit the schema."""
        try:
            _, asked = self._evaluator.prepare(request)
            said: object = self._function(*asked)
        except Exception:  # noqa: BLE001 (whatever it is, the clause says nothing)
            return None
        return said if isinstance(said, bool) else None

    def variants(self, request: PolicyRequest) -> Iterator[Variant]:
        """Yield a request for each value that matters; those that do not fit the schema are left out."""
        done: set[str] = set()
        for path in dict.fromkeys(paths_in(self.node)):
            field = field_at(path, request, self._schema)
            values = [] if field is None else list(self._values(path, field, request))
            acts: list[Act] = [Put(path, value) for value in values[:_MOST_VALUES]]
            if field is not None and not field.is_required:
                now = value_at(path, request)
                acts += [Put(path, now)] if now is not None and "has" in self.node else []
                acts.append(Drop(path))
            yield from self._tried(acts, request, done)
        yield from self._tried(list(self._moves()), request, done)

    def _tried(self, acts: list[Act], request: PolicyRequest, done: set[str]) -> Iterator[Variant]:
        for act in acts:
            if repr(act) in done:
                continue
            done.add(repr(act))
            try:
                other = changed(request, act)
                self._evaluator.prepare(other)
            except (UnreachableError, MisfitError, BudgetSpentError):
                continue
            yield Variant(act, other, self.says(other))

    def _moves(self) -> Iterator[Act]:
        match self.node:
            case {"in": {"left": {"Var": "principal" | "resource" as root}, "right": right}}:
                for uid in (one for one in constants_in(right) if isinstance(one, EntityUid)):
                    yield Join(root, uid)
                    yield Leave(root, uid)
            case {"==": sides} | {"!=": sides}:
                yield from _swaps(sides["left"], sides["right"])
                yield from _swaps(sides["right"], sides["left"])

    # ---- values --------------------------------------------------------------------------------------------------

    def _values(self, path: Path, field: Field, request: PolicyRequest) -> Iterator[Value]:
        constants = list(constants_in(self.node))
        # Another fact that this one is compared with is as good as a constant, in this request.
        for other in dict.fromkeys(paths_in(self.node)):
            value = value_at(other, request) if other != path else None
            constants += [] if value is None else [value, *(value if isinstance(value, frozenset) else ())]
        now = value_at(path, request)
        kind = field.type.kind
        if kind in _NUMBERS:
            yield from self._numbers(path, kind, constants, now, request)
        else:
            yield from values_near(field.type, constants, now, patterns_in(self.node))
        if now is None:
            yield from samples(field.type)

    def _numbers(
        self, path: Path, kind: str, constants: list[Value], now: Value | None, request: PolicyRequest
    ) -> Iterator[Value]:
        make = _NUMBERS[kind]
        same = [number for one in constants if _kind(one) == kind and (number := as_number(one)) is not None]
        spans = [one.ms for one in constants if isinstance(one, Duration)] if kind == "datetime" else []
        current = as_number(now)
        points = {*same} if current is None else {*same, current}
        points |= {point + sign * span for point in points for span in spans for sign in (1, -1)}
        points |= {point - point % _DAY_MS + span for point in points for span in spans}
        near = sorted({one for point in points for one in (point - 1, point, point + 1) if LONG_MIN <= one <= LONG_MAX})
        flips = self._flips([LONG_MIN, *near, LONG_MAX], lambda number: Put(path, make(number)), request)
        wanted = {one for point in same for one in (point - 1, point, point + 1)} | set(flips)
        yield from (make(number) for number in sorted(wanted) if LONG_MIN <= number <= LONG_MAX)

    def _flips(self, points: list[int], put: Callable[[int], Act], request: PolicyRequest) -> Iterator[int]:
        """Halve between points where the clause says different things, until both sides of the change are known."""

        def says(number: int) -> bool | None:
            try:
                return self.says(changed(request, put(number)))
            except UnreachableError:
                return None

        said = [says(point) for point in points]
        found = 0
        for at in range(len(points) - 1):
            low, high, before = points[at], points[at + 1], said[at]
            if before == said[at + 1] or found == _MOST_FLIPS:
                continue
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if says(middle) == before else (low, middle)
            found += 1
            yield low
            yield high


def _swaps(variable: Any, constant: Any) -> Iterator[Act]:
    """Ask about the entity that is named, and about another one of its type."""
    match variable, constant:
        case {"Var": "principal" | "resource" as root}, {"Value": {"__entity": body}}:
            uid = uid_of(body)
            yield Put(Path(root, ()), uid)
            yield Put(Path(root, ()), EntityUid(uid.type, f"{uid.id}-other"))


def constants_in(node: Any) -> Iterator[Value]:
    """Yield every literal of an expression; of a set its elements and the set itself."""
    match node:
        case {"Value": {"__entity": uid}}:
            yield uid_of(uid)
        case {"Value": value}:
            yield value
        case {"Set": list(elements)}:
            inner = [one for element in elements for one in constants_in(element)]
            yield from inner
            yield set_literal(inner)
        case {"ip": [{"Value": text}]} | {"decimal": [{"Value": text}]}:
            yield from _made(next(iter(node)), text)
        case {"datetime": [{"Value": text}]} | {"duration": [{"Value": text}]}:
            yield from _made(next(iter(node)), text)
        case dict():
            for child in children(node):
                yield from constants_in(child)


def _made(name: str, text: Any) -> Iterator[Value]:
    try:
        yield FUNCTIONS[name][2](text)
    except Exception:  # noqa: BLE001 (a malformed literal makes its clause fail; it is no value)
        return


def patterns_in(node: Any) -> list[tuple[str | None, ...]]:
    """Return the patterns of every `like`; nothing stands for a star."""
    found = []
    if "like" in node:
        parts = node["like"]["pattern"]
        found = [tuple(None if part == "Wildcard" else part["Literal"] for part in parts)]
    return found + [pattern for child in children(node) for pattern in patterns_in(child)]


def values_near(
    type_: Type, constants: list[Value], now: Value | None, patterns: list[tuple[str | None, ...]]
) -> Iterator[Value]:
    """Yield values of a type that the constants make interesting."""
    if isinstance(type_, SetOf):
        yield from _sets(type_, constants, now)
    elif isinstance(type_, Reference):
        same = [one for one in constants if isinstance(one, EntityUid) and one.type == type_.entity]
        yield from same
        yield from (EntityUid(one.type, f"{one.id}-other") for one in same)
    elif type_.kind == "bool":
        yield from (True, False)
    elif type_.kind == "string":
        yield from _texts([one for one in constants if isinstance(one, str)], patterns)
    elif type_.kind == "ip":
        for one in constants:
            if isinstance(one, Ip):
                yield from _addresses(one)


def _texts(constants: list[str], patterns: list[tuple[str | None, ...]]) -> Iterator[str]:
    for text in constants:
        yield from dict.fromkeys((text, text.swapcase(), f"{text}x", text[:-1]))
    for pattern in patterns:
        for filling in ("", "x"):
            yield "".join(filling if part is None else part for part in pattern)
        yield "".join("" if part is None else part for part in pattern)[:-1]
        yield "x" + "".join("" if part is None else part for part in pattern)
    if constants or patterns:
        yield ""


def _sets(type_: SetOf, constants: list[Value], now: Value | None) -> Iterator[Value]:
    has = now if isinstance(now, frozenset) else _found_out(now)
    whole = [one for one in constants if isinstance(one, frozenset)]
    inner = [one for one in constants if not isinstance(one, frozenset) and _kind(one) == type_.element.kind]
    for one in dict.fromkeys(inner):
        yield has | {one}
        yield has - {one}
    for several in whole:
        yield has | several
        yield has - several
        yield several
    yield frozenset()


def _found_out(now: Value | None) -> frozenset[Value]:
    try:
        return frozenset(now) if isinstance(now, LazySet) else frozenset()
    except (PolicyError, BudgetSpentError):  # one that nobody can tell whole varies from nothing
        return frozenset()


def _addresses(value: Ip) -> Iterator[Ip]:
    bits = _BITS[value.version]
    for number in (value.first - 1, value.first, value.last, value.last + 1):
        if 0 <= number < 1 << bits:
            yield ip(str(IPv4Address(number) if value.version == _V4 else IPv6Address(number)))
    if value.prefix < bits:
        yield value
        yield Ip(value.version, value.address, max(0, value.prefix - 1), *_wider(value, bits))


def _wider(value: Ip, bits: int) -> tuple[int, int]:
    host = (1 << (bits - max(0, value.prefix - 1))) - 1
    return value.address & ~host, value.address | host


def samples(type_: Type) -> Iterator[Value]:
    """Yield a value of a type, for a fact that is missing."""
    if isinstance(type_, Record):
        required = {name: field.type for name, field in type_.fields.items() if field.is_required}
        yield {name: next(samples(inner)) for name, inner in required.items()}
    elif isinstance(type_, SetOf):
        yield frozenset()
    elif isinstance(type_, Reference):
        yield EntityUid(type_.entity, "any")
    elif type_.kind in _NUMBERS:
        yield _NUMBERS[type_.kind](0)
    elif type_.kind == "bool":
        yield from (True, False)
    else:
        yield ip("192.0.2.1") if type_.kind == "ip" else ""


def _kind(value: Value) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "long"
        case str():
            return "string"
        case EntityUid():
            return "entity"
    return {Ip: "ip", Decimal: "decimal", Datetime: "datetime", Duration: "duration"}.get(type(value), "")


def as_number(value: Value | None) -> int | None:
    """Return a number, or the number that a decimal, time or span is held as; nothing for any other value."""
    match value:
        case bool():
            return None
        case Decimal(number) | Datetime(number) | Duration(number):
            return number
        case int():
            return value
    return None
