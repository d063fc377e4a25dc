"""What compiled policies call: Cedar's operations where Python's own would answer differently.

Each either returns a value of the right kind or raises; what is raised makes the policy fail, never succeed.
Source: the Cedar Policy Language Reference, "Operators and functions".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, cast

from watchword.policy.extension import LONG_MAX, LONG_MIN, Datetime, Decimal, Duration, Ip
from watchword.policy.extension import decimal as parse_decimal
from watchword.policy.extension import duration as parse_duration
from watchword.policy.extension import instant as parse_datetime
from watchword.policy.extension import ip as parse_ip
from watchword.policy.lazy import LazySet
from watchword.policy.model import Entity, EntityUid, RecordKey, Truth


class Entities(Protocol):
    """Where entities are described."""

    def get(self, uid: EntityUid, /) -> Entity | None:
        """Return a description, or nothing."""
        ...


_NOTHING: Final[Mapping[str, Any]] = {}
_MOST_ANCESTORS = 10_000
_DAY_MS = 86_400_000


class EvaluationError(Exception):
    """A policy failed on this request."""


class BudgetSpentError(Exception):
    """A decision would take more steps than it may."""


def truth(value: Any) -> bool:
    """Return a truth value as it is."""
    if value is True or value is False:
        return bool(value)
    raise EvaluationError("a condition is neither true nor false")


def long(value: Any) -> int:
    """Return a whole number as it is."""
    if value.__class__ is int or (isinstance(value, int) and not isinstance(value, bool)):
        return int(value)
    raise EvaluationError("a value is not a number")


def text(value: Any) -> str:
    """Return a string as it is."""
    if isinstance(value, str):
        return value
    raise EvaluationError("a value is not a string")


def members(value: Any) -> frozenset[Any]:
    """Return a set as it is."""
    if value.__class__ is frozenset or isinstance(value, LazySet):
        return cast("frozenset[Any]", value)  # a lazy set answers to the same questions
    raise EvaluationError("a value is not a set")


def entity(value: Any) -> EntityUid:
    """Return the name of an entity as it is."""
    if value.__class__ is EntityUid:
        found: EntityUid = value
        return found
    raise EvaluationError("a value is not an entity")


def fit(value: int) -> int:
    """Return the result of arithmetic if it fits 64 bits. Prevents: sums that wrap around a limit."""
    if LONG_MIN <= value <= LONG_MAX:
        return value
    raise EvaluationError("a number does not fit 64 bits")


def add(left: Any, right: Any) -> int:
    """Add two numbers."""
    return fit(long(left) + long(right))


def sub(left: Any, right: Any) -> int:
    """Subtract two numbers."""
    return fit(long(left) - long(right))


def mul(left: Any, right: Any) -> int:
    """Multiply two numbers."""
    return fit(long(left) * long(right))


def neg(value: Any) -> int:
    """Negate a number; the least one has no negative."""
    return fit(-long(value))


def less(left: Any, right: Any) -> bool:
    """Compare two numbers, two points in time or two spans."""
    first, second = _ordered(left, right)
    return first < second


def less_or_equal(left: Any, right: Any) -> bool:
    """Compare two numbers, two points in time or two spans."""
    first, second = _ordered(left, right)
    return first <= second


def _ordered(left: Any, right: Any) -> tuple[int, int]:
    if left.__class__ is right.__class__ and left.__class__ in {Datetime, Duration}:
        return left.ms, right.ms
    return long(left), long(right)


def same(left: Any, right: Any) -> bool:
    """Compare any two values; different kinds are different, and never an error."""
    if left is right:
        return True
    if left.__class__ is bool or right.__class__ is bool:
        return False
    if isinstance(left, Mapping):
        return isinstance(right, Mapping) and key(left) == key(right)
    return bool(left == right)


def key(value: Any) -> Any:
    """Return a value as it lies in a set."""
    if value is True:
        return Truth.YES
    if value is False:
        return Truth.NO
    if isinstance(value, Mapping):
        return RecordKey(frozenset((name, key(inner)) for name, inner in value.items()))
    return value


def set_literal(values: Iterable[Any]) -> frozenset[Any]:
    """Make a set of evaluated elements."""
    return frozenset(map(key, values))


def record_literal(names: tuple[str, ...], values: tuple[Any, ...]) -> dict[str, Any]:
    """Make a record of evaluated values."""
    return dict(zip(names, values, strict=True))


def attributes(value: Any, entities: Entities) -> Mapping[str, Any]:
    """Return what a record or entity holds; an entity that nobody described holds nothing."""
    if value.__class__ is EntityUid:
        found = entities.get(value)
        return found.attributes if found is not None else _NOTHING
    if isinstance(value, Mapping):
        return value
    raise EvaluationError("a value has no attributes")


def has(value: Any, name: str, entities: Entities) -> bool:
    """Tell whether a record or entity has an attribute."""
    return name in attributes(value, entities)


def get_tag(value: Any, name: Any, entities: Entities) -> Any:
    """Return a tag of an entity."""
    found = entities.get(entity(value))
    return (found.tags if found is not None else _NOTHING)[text(name)]


def has_tag(value: Any, name: Any, entities: Entities) -> bool:
    """Tell whether an entity has a tag."""
    found = entities.get(entity(value))
    return text(name) in (found.tags if found is not None else _NOTHING)


def up(value: Any, entities: Entities) -> frozenset[EntityUid] | set[EntityUid]:
    """Return an entity and everything above it. Prevents: a walk that a cycle or a huge graph never lets end."""
    start = entity(value)
    seen = {start}
    waiting = [start]
    while waiting:
        found = entities.get(waiting.pop())
        for parent in found.parents if found is not None else ():
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
        if len(seen) > _MOST_ANCESTORS:
            raise BudgetSpentError
    return seen


def within(above: frozenset[EntityUid] | set[EntityUid], right: Any) -> bool:
    """Tell whether one of the right is among an entity and its ancestors."""
    if right.__class__ is EntityUid:
        return right in above
    for element in members(right):
        entity(element)
    return not above.isdisjoint(right)


def is_of(value: Any, type_name: str) -> bool:
    """Tell whether an entity is of a type."""
    return entity(value).type == type_name


def matcher(pattern: tuple[str | None, ...]) -> Callable[[str], bool]:
    """Make the test of a `like` pattern; nothing stands for any run of characters.

    The leftmost place for each piece is always good enough, so a test looks at each character a few times only.
    Prevents: a pattern of many stars that makes a matcher try every split.
    """
    cut: list[str] = [""]
    for part in pattern:
        if part is None:
            cut.append("")
        else:
            cut[-1] += part
    if len(cut) == 1:
        only = cut[0]
        return lambda subject: subject == only
    first, *middle, last = cut
    wanted = [piece for piece in middle if piece]

    def matches(subject: str) -> bool:
        end = len(subject) - len(last)
        if end < len(first) or not subject.startswith(first) or not subject.endswith(last):
            return False
        at = len(first)
        for piece in wanted:
            at = subject.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return matches


def like(subject: Any, matches: Callable[[str], bool]) -> bool:
    """Test a string against a pattern."""
    return matches(text(subject))


def _typed(kind: type, value: Any) -> Any:
    if value.__class__ is kind:
        return value
    raise EvaluationError("a function was given a value of another type")


_LOOPBACK = (parse_ip("127.0.0.0/8"), parse_ip("::1/128"))
_MULTICAST = (parse_ip("224.0.0.0/4"), parse_ip("ff00::/8"))
_V4, _V6 = 4, 6


def _in_any(value: Any, networks: tuple[Ip, ...]) -> bool:
    address: Ip = _typed(Ip, value)
    return any(address.lies_in(network) for network in networks)


def _decimals(left: Any, right: Any) -> tuple[int, int]:
    return _typed(Decimal, left).value, _typed(Decimal, right).value


def _to_date(value: Any) -> Datetime:
    ms = _typed(Datetime, value).ms
    return Datetime(fit(ms - ms % _DAY_MS))


def _units(ms_per_unit: int) -> Callable[[Any], int]:
    def whole(value: Any) -> int:
        ms = _typed(Duration, value).ms
        return int(ms // ms_per_unit if ms >= 0 else -(-ms // ms_per_unit))

    return whole


FUNCTIONS: Final[Mapping[str, tuple[int, str, Callable[..., Any]]]] = {
    # name in Cedar: number of arguments, kind of the result, what it does
    "ip": (1, "ip", lambda value: parse_ip(text(value))),
    "decimal": (1, "decimal", lambda value: parse_decimal(text(value))),
    "datetime": (1, "datetime", lambda value: parse_datetime(text(value))),
    "duration": (1, "duration", lambda value: parse_duration(text(value))),
    "isIpv4": (1, "bool", lambda value: _typed(Ip, value).version == _V4),
    "isIpv6": (1, "bool", lambda value: _typed(Ip, value).version == _V6),
    "isLoopback": (1, "bool", lambda value: _in_any(value, _LOOPBACK)),
    "isMulticast": (1, "bool", lambda value: _in_any(value, _MULTICAST)),
    "isInRange": (2, "bool", lambda left, right: _typed(Ip, left).is_in_range(_typed(Ip, right))),
    "lessThan": (2, "bool", lambda left, right: _decimals(left, right)[0] < _decimals(left, right)[1]),
    "lessThanOrEqual": (2, "bool", lambda left, right: _decimals(left, right)[0] <= _decimals(left, right)[1]),
    "greaterThan": (2, "bool", lambda left, right: _decimals(left, right)[0] > _decimals(left, right)[1]),
    "greaterThanOrEqual": (2, "bool", lambda left, right: _decimals(left, right)[0] >= _decimals(left, right)[1]),
    "offset": (2, "datetime", lambda at, by: Datetime(fit(_typed(Datetime, at).ms + _typed(Duration, by).ms))),
    "durationSince": (2, "duration", lambda at, to: Duration(fit(_typed(Datetime, at).ms - _typed(Datetime, to).ms))),
    "toDate": (1, "datetime", _to_date),
    "toTime": (1, "duration", lambda value: Duration(_typed(Datetime, value).ms % _DAY_MS)),
    "toMilliseconds": (1, "long", lambda value: _typed(Duration, value).ms),
    "toSeconds": (1, "long", _units(1_000)),
    "toMinutes": (1, "long", _units(60_000)),
    "toHours": (1, "long", _units(3_600_000)),
    "toDays": (1, "long", _units(_DAY_MS)),
}
