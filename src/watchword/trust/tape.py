"""Record what a score read, number by number, so that the same bits can be computed again later.

A score reads a few dozen counters out of thousands. In the order of reading they are all that it takes, and by
themselves they tell of no place, network or program: of the names they were read by a checksum is kept.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar
from zlib import crc32

from watchword.trust.behaviour import BehaviourProfile, Population

C = TypeVar("C", BehaviourProfile, Population)
FORMAT: Final = 2
_FEW: Final = 8


class ReplayError(ValueError):
    """A score asked for something else than was recorded."""


@dataclass(slots=True)
class Tape:
    """The numbers that were read, in order.

    Attributes:
        is_whole: nothing was read in a way that cannot be recorded.
    """

    values: list[Any]
    keys: list[str]
    is_whole: bool = True

    @property
    def checksum(self) -> str:
        """Stand for the names that were read by."""
        return f"{crc32(chr(0).join(map(str, self.keys)).encode('utf-8', 'replace')):08x}"


class _Recorded:
    """A dictionary, set or list whose readings are recorded."""

    __slots__ = ("_source", "_tape", "get")

    def __init__(self, source: Any, tape: Tape) -> None:
        self._source = source
        self._tape = tape
        if isinstance(source, dict):
            self.get = _getter(source.get, tape.values.append, tape.keys.append)

    def __getitem__(self, key: Any) -> Any:
        return self._note(key, self._source[key])

    def __contains__(self, key: Any) -> bool:
        return bool(self._note(key, key in self._source))

    def __len__(self) -> int:
        return int(self._note("", len(self._source)))

    def _note(self, key: Any, value: Any) -> Any:
        self._tape.values.append(value)
        self._tape.keys.append(key)
        return value

    def __iter__(self) -> Iterator[Any]:
        self._tape.is_whole = False
        return iter(self._source)

    def __getattr__(self, name: str) -> Any:
        self._tape.is_whole = False
        return getattr(self._source, name)


def _getter(get: Any, note_value: Any, note_key: Any) -> Any:
    # A closure, for it runs some eighty times a score.
    def recorded(key: Any, default: Any = None) -> Any:
        value = get(key, default)
        note_value(value)
        note_key(key)
        return value

    return recorded


class _RecordedPart:
    """Something else that answers questions; what it answers is recorded."""

    __slots__ = ("_source", "_tape")

    def __init__(self, source: Any, tape: Tape) -> None:
        self._source = source
        self._tape = tape

    def __getattr__(self, name: str) -> Any:
        asked, tape = getattr(self._source, name), self._tape

        def ask(*arguments: Any) -> Any:
            answer = asked(*arguments)
            tape.values.append(answer)
            tape.keys.append(f"{name}{arguments}")
            return answer

        if not callable(asked):
            tape.is_whole = False
            return asked
        return ask


class _Played:
    """A dictionary, set or part that answers as it once did."""

    __slots__ = ("_tape",)

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def get(self, key: Any, _default: Any = None) -> Any:
        return self[key]

    def __getitem__(self, key: Any) -> Any:
        self._tape.keys.append(key)
        if not self._tape.values:
            raise ReplayError("more is read than was recorded")
        return self._tape.values.pop(0)

    def __contains__(self, key: Any) -> bool:
        return bool(self[key])

    def __len__(self) -> int:
        return int(self[""])

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self[f"{name}{arguments}"]


def recording(counters: C, tape: Tape) -> C:
    """Return the same counters; whatever is read of them stands on the tape afterwards."""
    # Past the constructor, which would check and derive again: it is done for every score.
    made = object.__new__(type(counters))
    for name in _names(type(counters)):
        value = getattr(counters, name)
        if isinstance(value, dict):
            value = _Recorded(value, tape)
        elif not _is_plain(value):
            value = _RecordedPart(value, tape) if is_dataclass(value) else _Recorded(value, tape)
        setattr(made, name, value)
    return made


def _fields(counters: BehaviourProfile | Population) -> list[tuple[str, Any]]:
    return [(name, getattr(counters, name)) for name in _names(type(counters))]


_NAMES: Final[Mapping[type, tuple[str, ...]]] = MappingProxyType(
    {kind: tuple(each.name for each in fields(kind)) for kind in (BehaviourProfile, Population)}
)


def _names(kind: type) -> tuple[str, ...]:
    return _NAMES[kind]


def _is_plain(value: Any) -> bool:
    """Tell what is recorded as it is, because it is small: numbers, texts, a place, a few sums."""
    if isinstance(value, list | tuple):
        return len(value) <= _FEW
    return value is None or isinstance(value, int | float | str)


def rest_of(counters: BehaviourProfile | Population) -> dict[str, Any]:
    """Return what counters hold beside what is recorded when it is read, as JSON values."""
    return {
        name: dict(value._asdict()) if hasattr(value, "_asdict") else value
        for name, value in _fields(counters)
        if _is_plain(value)
    }


def playing(kind: type[C], rest: Mapping[str, Any], tape: Tape) -> C:
    """Return counters that answer from the tape.

    Raises:
        ReplayError: what was recorded does not make such counters.
    """
    try:
        values = {name: _tuple(value) if isinstance(value, dict) else value for name, value in rest.items()}
        played = {name: _Played(tape) for name in _names(kind) if name not in values}
        return kind(**{**played, **values})
    except (TypeError, ValueError) as error:
        raise ReplayError("the counters were recorded by another version") from error


def _tuple(value: Mapping[str, Any]) -> Any:
    return namedtuple("Recorded", value)(**value)  # noqa: PYI024  # its fields are those that were recorded
