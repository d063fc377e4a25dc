"""An observation with the truth about it, and the line of a file that keeps both.

One JSON object a line, as JSON Lines has it; what has its default value is left out. docs/how-to/import-traffic.md
lists the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Final

import orjson

from watchword.trust.addresses import AddressKind
from watchword.trust.errors import TrustError
from watchword.trust.model import Place
from watchword.trust.observation import Act, Agent, NetworkTraits, Observation

LONGEST_LINE: Final = 65_536
_LONGEST_TEXT: Final = 4_096
_MOST_SOURCES: Final = 16
_LATEST: Final = 253_402_300_800.0  # the year 10000
_LARGEST: Final = 1 << 62
_WIDEST_OFFSET_S: Final = 26 * 3_600


class LineMalformedError(TrustError):
    """The line is no labelled observation."""

    code = "trust.line_malformed"
    status = 422


@dataclass(frozen=True, slots=True)
class Labelled:
    """An observation, and what no scorer may see: who made it.

    Attributes:
        attacker: the attacker's name, or nothing for the account's owner at their own work.
        incident: joins the observations of one attack; the empty text for the owner's.
        is_listed: the address was on a public list of attacking addresses when it was used.
        is_labelled: somebody knows who made it; `attacker` says nothing where not.
    """

    observation: Observation
    attacker: str | None = None
    incident: str = ""
    is_listed: bool = False
    is_labelled: bool = True


def encode(labelled: Labelled) -> bytes:
    """Write one line, without the line break."""
    observation = labelled.observation
    line: dict[str, Any] = {
        "id": observation.id,
        "at": observation.at,
        "user": observation.user,
        "act": observation.act,
    }
    for name, default in _PLAIN.items():
        value = getattr(observation, name)
        if value != default:
            line[name] = value
    for name in ("place", "traits", "agent"):
        part = _differing(getattr(observation, name), _PARTS[name])
        if part:
            line[name] = part
    line.update(_differing(labelled, _LABEL))
    return orjson.dumps(line)


def decode(line: bytes) -> Labelled:
    """Read one line; `decode(encode(x)) == x`.

    Raises:
        LineMalformedError: it is too long, no JSON object, or a field is missing, unknown or of the wrong kind.
    """
    # Prevents: a line of a gigabyte, or nested a million deep, in a file that somebody else wrote.
    if len(line) > LONGEST_LINE:
        raise LineMalformedError(f"it is longer than {LONGEST_LINE} bytes")
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise LineMalformedError("it is no JSON", hint=str(error)) from None
    if not isinstance(found, dict):
        raise LineMalformedError("it is no JSON object")
    label = {name: found.pop(name) for name in _LABEL if name in found}
    return Labelled(_observation(found), **_checked(label, _LABEL_KINDS))


def _observation(found: dict[str, Any]) -> Observation:
    parts = {name: found.pop(name) for name in _PARTS if name in found}
    values = _checked(found, _KINDS)
    for name in _ALWAYS:
        if name not in values:
            raise LineMalformedError(f"`{name}` is missing")
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise LineMalformedError(f"`{name}` is no object")
        values[name] = _CLASSES[name](**_checked(part, _PART_KINDS[name]))
    return Observation(**values)


def _differing(value: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, name) for name, default in defaults.items() if getattr(value, name) != default}


Check = Callable[[Any], Any]


def _checked(found: Mapping[str, Any], kinds: Mapping[str, Check]) -> dict[str, Any]:
    values = {}
    for name, value in found.items():
        if name not in kinds:
            raise LineMalformedError(f"`{name[:40]}` is no field of an observation")
        try:
            values[name] = kinds[name](value)
        except (TypeError, ValueError):
            raise LineMalformedError(f"`{name}` has a value that it cannot have") from None
    return values


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise TypeError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _number(least: float, most: float) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise TypeError
        if not least <= value <= most:
            raise ValueError
        return float(value)

    return check


def _count(least: int, most: int) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise TypeError
        return value

    return check


def _or_nothing(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _sources(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST_SOURCES:
        raise TypeError
    return tuple(map(_text, value))


def _defaults(of: Any, *without: str) -> dict[str, Any]:
    return {field.name: field.default for field in fields(of) if field.name not in without}


_ALWAYS: Final = ("id", "at", "user", "act")
_CLASSES: Final[dict[str, Any]] = {"place": Place, "traits": NetworkTraits, "agent": Agent}
_PARTS: Final = {name: _defaults(of) for name, of in _CLASSES.items()}
_PLAIN: Final = _defaults(Observation, *_ALWAYS, *_CLASSES)
_LABEL: Final = _defaults(Labelled, "observation")
_BY_DEFAULT: Final[dict[type, Check]] = {str: _text, bool: _flag}
_KINDS: Final[dict[str, Check]] = {
    **{name: _BY_DEFAULT[type(default)] for name, default in _PLAIN.items() if type(default) in _BY_DEFAULT},
    "id": _text,
    "at": _number(0.0, _LATEST),
    "user": _text,
    "act": Act,
    "utc_offset_s": _count(-_WIDEST_OFFSET_S, _WIDEST_OFFSET_S),
    "size_bytes": _count(0, _LARGEST),
}
_LABEL_KINDS: Final[dict[str, Check]] = {
    "attacker": _or_nothing(_text),
    "incident": _text,
    "is_listed": _flag,
    "is_labelled": _flag,
}
_PART_KINDS: Final[dict[str, Mapping[str, Check]]] = {
    "traits": dict.fromkeys(_PARTS["traits"], _flag),
    "agent": dict.fromkeys(_PARTS["agent"], _text),
    "place": {
        "country": _or_nothing(_text),
        "asn": _or_nothing(_count(0, 0xFFFFFFFF)),
        "organisation": _or_nothing(_text),
        "city": _or_nothing(_text),
        "latitude": _or_nothing(_number(-90.0, 90.0)),
        "longitude": _or_nothing(_number(-180.0, 180.0)),
        "radius_km": _or_nothing(_number(0.0, 20_038.0)),
        "sources": _sources,
        "kind": AddressKind,
    },
}
