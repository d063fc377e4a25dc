"""Take fields out of what others wrote, of the kind they should have or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from watchword.trust.addresses import AddressKind, read_address
from watchword.trust.importers.model import Reading, RecordMalformedError
from watchword.trust.model import Place

LONGEST: Final = 1_024
_LATEST: Final = 253_402_300_800.0  # the year 10000


def part(record: Any, *path: str) -> dict[str, Any]:
    """Return an object within an object; an empty one where there is none."""
    for name in path:
        record = record.get(name) if isinstance(record, dict) else None
    return record if isinstance(record, dict) else {}


def text(record: Any, *path: str, longest: int = LONGEST) -> str:
    """Return a text within an object, cut; the empty text where there is none.

    Raises:
        RecordMalformedError: there is something else.
    """
    value = part(record, *path[:-1]).get(path[-1])
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        raise RecordMalformedError(f"`{'.'.join(path)}` is no text")
    found = str(value)[:longest]
    if not found.isascii() and any("\ud800" <= letter <= "\udfff" for letter in found):
        # Prevents: half a letter, which JSON can spell, failing where the observation is written.
        raise RecordMalformedError(f"`{'.'.join(path)}` is no text")
    return found


def flag(record: Any, *path: str) -> bool:
    """Tell whether a field says yes, as JSON does or in words."""
    value = part(record, *path[:-1]).get(path[-1])
    return value is True or (isinstance(value, str) and value.lower() in {"true", "yes"})


def needed(value: str, name: str) -> str:
    """Return a text that must be there.

    Raises:
        RecordMalformedError: it is empty.
    """
    if not value:
        raise RecordMalformedError(f"`{name}` is missing")
    return value


def number(record: Any, *path: str) -> int:
    """Return a whole number within an object; 0 where there is none.

    Raises:
        RecordMalformedError: there is something else, or it is below 0 or beyond what 62 bits hold.
    """
    value = text(record, *path)
    try:
        found = int(float(value)) if "." in value or "e" in value.lower() else int(value or 0)
    except (ValueError, OverflowError):
        raise RecordMalformedError(f"`{'.'.join(path)}` is no number") from None
    if not 0 <= found < 1 << 62:
        raise RecordMalformedError(f"`{'.'.join(path)}` is out of range")
    return found


def moment(value: str, name: str) -> float:
    """Read a time in ISO 8601; without a zone it is UTC.

    Raises:
        RecordMalformedError: it is none, or before 1970.
    """
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise RecordMalformedError(f"`{name}` is no time") from None
    return within_time((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp(), name)


def within_time(at: float, name: str) -> float:
    """Return seconds since 1970 if they can be such.

    Raises:
        RecordMalformedError: they lie before 1970 or after the year 9999.
    """
    if not 0.0 <= at < _LATEST:
        raise RecordMalformedError(f"`{name}` is out of range")
    return at


def where(ip: str, reading: Reading) -> tuple[str, str, Place]:
    """Return an address, its network and its place; nothing of it for the empty text.

    Raises:
        RecordMalformedError: it is no address.
    """
    if not ip:
        return "", "", Place()
    address = read_address(ip)
    if address.kind is AddressKind.MALFORMED:
        raise RecordMalformedError("the address cannot be read")
    return ip, address.network, reading.place_of(ip)


def placed(place: Place, given: Iterable[tuple[str, Any]]) -> Place:
    """Put what a record itself says over what a database says."""
    known = {name: value for name, value in given if value not in {None, ""}}
    return replace(place, **known) if known else place


@lru_cache(maxsize=4_096)
def major(name_and_version: str) -> str:
    """Cut a version to its first part: `Chrome Mobile 46.0.2490` is `Chrome Mobile 46`."""
    name, _, version = name_and_version.rpartition(" ")
    return f"{name} {version.partition('.')[0]}" if name and version[:1].isdigit() else name_and_version
