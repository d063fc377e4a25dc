"""Write Cedar's values as JSON and read them back, exactly.

Strings, numbers, truth values and records stand as they are; whatever else there is stands in a list whose first
element names its kind, so that no record of anybody's can be taken for one of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from watchword.policy.errors import MalformedValueError
from watchword.policy.extension import LONG_MAX, LONG_MIN, Datetime, Decimal, Duration, Ip
from watchword.policy.extension import ip as parse_ip
from watchword.policy.lazy import AskedSet, LazySet
from watchword.policy.model import EntityUid, RecordKey, Truth, Value, set_of
from watchword.policy.replay.errors import MalformedRecordError

Json: TypeAlias = "bool | int | str | list[Any] | dict[str, Any]"

_PLAIN: Final = frozenset({str, int, bool})
_DEEPEST: Final = 64
_GROUPS: Final = range(112, -16, -16)
_ENTITY_LENGTH, _PAIR = 3, 2
_V4: Final = 4
_MARK: Final = 16
_NUMBERED: Final[Mapping[str, type[Decimal | Datetime | Duration]]] = {
    "decimal": Decimal,
    "datetime": Datetime,
    "duration": Duration,
}


def written(value: Any) -> Any:
    """Return a value as JSON.

    Raises:
        MalformedRecordError: it is no value of Cedar.
    """
    return _written(value, _DEEPEST)


def _written(value: Any, depth: int) -> Any:
    kind = value.__class__
    if kind in _PLAIN:
        return value
    if depth == 0:
        raise MalformedRecordError("a value is nested too deeply to be recorded")
    if kind is dict:
        for inner in value.values():
            if inner.__class__ not in _PLAIN:
                break
        else:
            return value  # shared, not copied: nobody changes what was decided on
        return {
            name: inner if inner.__class__ in _PLAIN else _written(inner, depth - 1) for name, inner in value.items()
        }
    write = _WRITERS.get(kind)
    return write(value) if write is not None else _written_rarely(value, depth)


def _written_rarely(value: Any, depth: int) -> Any:
    kind = value.__class__
    if isinstance(value, LazySet):
        # What was asked by then; nobody asks for more only to write it down.
        # Which model said it, where one did: another one would have said something else.
        asked, model = dict(value.asked), value.model[:_MARK]
        return ["asked", asked, model] if asked and model else ["asked", asked]
    if isinstance(value, RecordKey | Mapping):
        items = value.items if isinstance(value, RecordKey) else value.items()
        return {name: _written(inner, depth - 1) for name, inner in items}
    if isinstance(value, str | int):  # identifiers and the like
        return value
    raise MalformedRecordError(f"a value of the class `{kind.__name__}` cannot be recorded")


# Both are asked for the same few values again and again: methods of authentication, addresses of offices.
@lru_cache(maxsize=1024)
def _written_set(value: frozenset[Value]) -> list[Any]:
    # In one order, so that the same set is always written alike.
    return ["set", *sorted((_written(element, _DEEPEST) for element in value), key=repr)]


@lru_cache(maxsize=8192)
def _written_ip(value: Ip) -> list[Any]:
    if value.version == _V4:
        address = ".".join(str(value.address >> shift & 0xFF) for shift in (24, 16, 8, 0))
    else:
        # Written out by hand: newer versions of Python write some of these with a tail of IPv4, which Cedar refuses.
        address = ":".join(f"{value.address >> shift & 0xFFFF:x}" for shift in _GROUPS)
    return ["ip", f"{address}/{value.prefix}"]


_WRITERS: Final[Mapping[type, Callable[[Any], Any]]] = {
    frozenset: _written_set,
    Ip: _written_ip,
    EntityUid: lambda value: ["entity", value.type, value.id],
    Truth: lambda value: value.value,
    Decimal: lambda value: ["decimal", value.value],
    Datetime: lambda value: ["datetime", value.ms],
    Duration: lambda value: ["duration", value.ms],
}


def read_value(found: Any, place: str, *, depth: int = _DEEPEST) -> Value:
    """Return the value that stands in a record.

    Args:
        place: where it stands, for the words of an error; the value itself is never quoted.

    Raises:
        MalformedRecordError: it is none.
    """
    if isinstance(found, bool | str):
        return found
    if isinstance(found, int):
        return _long(found, place)
    if depth == 0:
        raise MalformedRecordError(f"`{place}` is nested too deeply")
    if isinstance(found, dict):
        return read_record(found, place, depth=depth)
    if isinstance(found, list) and found and isinstance(found[0], str):
        return _read_kind(found, place, depth)
    raise MalformedRecordError(f"`{place}` is no value", hint="the record was changed, or written by another version")


def read_record(found: Any, place: str, *, depth: int = _DEEPEST) -> dict[str, Value]:
    """Return the record, attributes or tags that stand in a record.

    Raises:
        MalformedRecordError: they are none.
    """
    if not isinstance(found, dict):
        raise MalformedRecordError(f"`{place}` is no record")
    made: dict[str, Value] = {}
    for name, inner in found.items():
        if not isinstance(name, str):
            raise MalformedRecordError(f"`{place}` is no record")
        # Nearly everything is one of these; a replay reads millions of them.
        kind = inner.__class__
        if kind is str or kind is bool or (kind is int and LONG_MIN <= inner <= LONG_MAX):
            made[name] = inner
        elif kind is dict and depth > 1:
            made[name] = read_record(inner, f"{place}.{name}", depth=depth - 1)
        else:
            made[name] = read_value(inner, f"{place}.{name}", depth=depth - 1)
    return made


def read_uid(found: Any, place: str) -> EntityUid:
    """Return the name of an entity that stands as `[type, id]`.

    Raises:
        MalformedRecordError: it is none.
    """
    if found.__class__ is list and len(found) == _PAIR:
        type_, id_ = found
        if isinstance(type_, str) and isinstance(id_, str):
            return EntityUid(type_, id_)
    raise MalformedRecordError(f"`{place}` is no name of an entity")


def _read_kind(found: list[Any], place: str, depth: int) -> Value:
    kind, rest = found[0], found[1:]
    if kind == "set":
        return set_of(read_value(element, f"an element of {place}", depth=depth - 1) for element in rest)
    if kind == "entity" and len(found) == _ENTITY_LENGTH:
        return read_uid(rest, place)
    if kind == "ip" and len(rest) == 1 and isinstance(rest[0], str):
        try:
            return parse_ip(rest[0])
        except MalformedValueError:
            raise MalformedRecordError(f"`{place}` is no address") from None
    if kind == "asked" and rest and isinstance(rest[0], dict):
        return _read_asked(rest[0], rest[1:], place)
    made = _NUMBERED.get(kind)
    if made is not None and len(rest) == 1 and isinstance(rest[0], int) and not isinstance(rest[0], bool):
        return made(_long(rest[0], place))
    raise MalformedRecordError(f"`{place}` is a value of no known kind")


def _read_asked(found: dict[Any, Any], more: list[Any], place: str) -> AskedSet:
    if more and (len(more) > 1 or not isinstance(more[0], str)):
        raise MalformedRecordError(f"`{place}` is a value of no known kind")
    for name, answer in found.items():
        if not isinstance(name, str) or not (answer is None or isinstance(answer, bool)):
            raise MalformedRecordError(f"`{place}` says of a member neither yes nor no")
    return AskedSet(found, *more)


def _long(value: int, place: str) -> int:
    # Prevents: a number from a record that no policy could ever have been asked with.
    if not LONG_MIN <= value <= LONG_MAX:
        raise MalformedRecordError(f"`{place}` does not fit 64 bits")
    return value
