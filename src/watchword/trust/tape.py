"""Record what a score read, number by number, so that the same bits can be computed again later.

A score reads a few dozen counters out of thousands. In the order of reading they are all that it takes, and by
themselves they tell of no place, network or program: of the names they were read by a checksum is kept.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar
from zlib import crc32

from watchword.trust.behaviour import BehaviourProfile, Population

C = TypeVar("C", BehaviourProfile, Population)
FORMAT: Final = 1


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
        return f"{crc32(chr(0).join(self.keys).encode('utf-8', 'replace')):08x}"


class _Recorded:
    """A dictionary or set whose readings are recorded."""

    __slots__ = ("_source", "_tape")

    def __init__(self, source: Any, tape: Tape) -> None:
        self._source = source
        self._tape = tape

    def get(self, key: Any, default: Any = None) -> Any:
        value = self._source.get(key, default)
        self._tape.values.append(value)
        self._tape.keys.append(key)
        return value

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


class _Played:
    """A dictionary or set that answers as it once did."""

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


def recording(counters: C, tape: Tape) -> C:
    """Return the same counters; whatever is read of them stands on the tape afterwards."""
    return _with(counters, lambda counter: _Recorded(counter, tape))


def _with(counters: C, wrap: Callable[[Any], Any]) -> C:
    values = {each.name: getattr(counters, each.name) for each in fields(counters)}
    return type(counters)(
        **{name: wrap(value) if isinstance(value, dict | set) else value for name, value in values.items()}
    )


def rest_of(counters: BehaviourProfile | Population) -> dict[str, Any]:
    """Return what counters hold beside dictionaries and sets, as JSON values."""
    values = {each.name: getattr(counters, each.name) for each in fields(counters)}
    return {
        name: dict(value._asdict()) if hasattr(value, "_asdict") else value
        for name, value in values.items()
        if not isinstance(value, dict | set)
    }


def playing(kind: type[C], rest: Mapping[str, Any], tape: Tape) -> C:
    """Return counters that answer from the tape.

    Raises:
        ReplayError: what was recorded does not make such counters.
    """
    try:
        values = {name: _tuple(value) if isinstance(value, dict) else value for name, value in rest.items()}
        empty = {each.name: _Played(tape) for each in fields(kind) if each.name not in values}
        return kind(**{**empty, **values})
    except (TypeError, ValueError) as error:
        raise ReplayError("the counters were recorded by another version") from error


def _tuple(value: Mapping[str, Any]) -> Any:
    return namedtuple("Recorded", value)(**value)  # noqa: PYI024  # its fields are those that were recorded
