"""Turn JSON values into Cedar values, led by the type that the schema declares. Nothing is guessed from a value's form.

What the schema does not declare is left out and named; `null` counts as absent (RFC 7493 has no opinion, the
Authorization API says "SHOULD be omitted"). Besides plain values Cedar's own escapes are understood.
Source: the Cedar Policy Language Reference, "Entity and context syntax"; Authorization API 1.0, "JSON Serialization".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from watchword.policy import (
    EntityUid,
    MalformedValueError,
    Record,
    Reference,
    Scalar,
    SetOf,
    Type,
    Value,
    decimal,
    duration,
    instant,
    ip,
    moment,
    set_of,
)

_LONGEST_TIME: Final = 64
_LONG: Final = 2**63
# Beyond it a double no longer names one whole number.
_EXACT: Final = 2**53
_MOST_IGNORED: Final = 32
_LONGEST_NAME: Final = 64


class UnfitError(Exception):
    """A value is not of the declared type; the words name the place, never the value."""


class Converter:
    """Convert the properties of one question.

    Attributes:
        ignored: paths of what the schema does not declare, at most 32.
    """

    def __init__(self) -> None:
        self.ignored: list[str] = []

    def record(self, type_: Record, given: Mapping[str, Any], place: str) -> dict[str, Value]:
        """Return what is declared and given; whether anything required is missing is the evaluator's to say.

        Raises:
            UnfitError: a value is of another type.
        """
        found: dict[str, Value] = {}
        for name, value in given.items():
            declared = type_.fields.get(name)
            if declared is None:
                self._ignore(f"{place}.{name[:_LONGEST_NAME]}")
            elif value is not None:
                found[name] = self.value(declared.type, value, f"{place}.{name}")
        return found

    def value(self, type_: Type, given: Any, place: str) -> Value:
        """Return one value.

        Raises:
            UnfitError: it is of another type.
        """
        if isinstance(type_, Record):
            if not isinstance(given, Mapping):
                raise UnfitError(f"`{place}` is not an object")
            return self.record(type_, given, place)
        if isinstance(type_, SetOf):
            if not isinstance(given, list):
                raise UnfitError(f"`{place}` is not an array")
            return set_of(self.value(type_.element, each, f"{place}[]") for each in given)
        if isinstance(type_, Reference):
            return _entity(type_, given, place)
        return _scalar(type_, given, place)

    def _ignore(self, path: str) -> None:
        if len(self.ignored) < _MOST_IGNORED:
            self.ignored.append(path)


def _entity(type_: Reference, given: Any, place: str) -> EntityUid:
    """Read an identifier, or `{"type", "id"}` with or without `__entity` around it."""
    if isinstance(given, str):
        return EntityUid(type_.entity, given)
    inner = given.get("__entity", given) if isinstance(given, Mapping) else None
    if isinstance(inner, Mapping) and inner.get("type") == type_.entity and isinstance(inner.get("id"), str):
        return EntityUid(type_.entity, inner["id"])
    raise UnfitError(f"`{place}` is not an entity of type `{type_.entity}`")


def _scalar(type_: Scalar, given: Any, place: str) -> Value:
    kind = type_.kind
    if kind == "bool" and isinstance(given, bool):
        return given
    if kind == "string" and isinstance(given, str):
        return given
    if kind == "long":
        is_whole = isinstance(given, float) and given.is_integer() and abs(given) <= _EXACT
        whole = int(given) if is_whole else given
        if isinstance(whole, int) and not isinstance(whole, bool) and -_LONG <= whole < _LONG:
            return whole
    if kind in _EXTENSIONS:
        call = given.get("__extn") if isinstance(given, Mapping) else None
        # Prevents: `{"fn": "ip", "arg": "1.0"}` read as a decimal here, which Cedar refuses.
        text = call.get("arg") if isinstance(call, Mapping) and call.get("fn") == kind else given
        if isinstance(text, str):
            try:
                return _EXTENSIONS[kind](text)
            except MalformedValueError:
                pass
    raise UnfitError(f"`{place}` is not {_WORDS[kind]}")


def _time(text: str) -> Value:
    """Read Cedar's form or RFC 3339, seconds and offset in any of its spellings; without an offset it is no time."""
    try:
        return instant(text)
    except MalformedValueError:
        if len(text) > _LONGEST_TIME:
            raise
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise MalformedValueError("a time without an offset")
        return moment(at)
    except (ValueError, OverflowError):
        raise MalformedValueError("not a time") from None


_EXTENSIONS: Final[Mapping[str, Callable[[str], Value]]] = {
    "ip": ip,
    "decimal": decimal,
    "datetime": _time,
    "duration": duration,
}
_WORDS: Final[Mapping[str, str]] = {
    "bool": "true or false",
    "long": "a whole number of 64 bits",
    "string": "a string",
    "ip": "an address or network",
    "decimal": "a string such as 12.34",
    "datetime": "a time with its offset",
    "duration": "a span such as 1h30m",
}
