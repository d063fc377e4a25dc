"""Read an operator's own MaxMind-form database; the only file that knows `maxminddb`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import maxminddb

from watchword.kernel import V4_BITS
from watchword.trust.errors import PlaceDataError
from watchword.trust.ownfile import own_copy

# Databases without an accuracy radius (DB-IP's) are city-level at best.
_DEFAULT_RADIUS_KM = 100.0
_LONGEST_NAME = 120
_IN_A_ROW = 200
# The five registries' parts of the IPv6 space.
_V6_STARTS = (0x2001, 0x2003, 0x2400, 0x2408, 0x2600, 0x2604, 0x2800, 0x2A00, 0x2A02, 0x2A06, 0x2C00)
_POLES_DEG = 90.0
_DATE_LINE_DEG = 180.0
_HALF_EARTH_KM = 20040.0


class OperatorDatabase:
    """A city or ASN database that the operator brought.

    Read by the library's Python code: its C code aborts the process on some damaged files. A look-up of a new address
    takes up to 90 us; the caller remembers it. A look-up never raises: what a damaged file cannot answer is unknown,
    and `problem` says so from then on.
    A copy of the file is mapped, which lives as long as this does; what becomes of the file counts at the next start.

    Args:
        read: takes what is wanted out of a record; by default a place, by the names of `Place`'s fields.

    Attributes:
        source: its type and build time.
        problem: the last failure of a look-up, or nothing.

    Raises:
        PlaceDataError: the file is missing, cut off, damaged, or none of its records tells of a place.
    """

    def __init__(self, path: Path, read: Callable[[dict[str, Any]], dict[str, Any]] | None = None) -> None:
        self.problem: str | None = None
        self._read = read or _read
        try:
            with own_copy(path) as copy:
                self._reader = maxminddb.open_database(str(copy), maxminddb.MODE_MMAP)
            meta = self._reader.metadata()
            self.source = f"{meta.database_type} {meta.build_epoch}"[:_LONGEST_NAME]
            self._is_v6 = meta.ip_version == 6  # noqa: PLR2004  # the IP version
            self._probe()
        except PlaceDataError:
            raise
        except OSError as error:
            raise PlaceDataError(f"the database `{path}` cannot be read", hint=str(error.strerror or error)) from error
        except Exception as error:
            raise _damaged(path) from error

    def _probe(self) -> None:
        # Reads networks in a row from many starts in both families: damage shows here, not at midnight.
        starts: list[IPv4Address | IPv6Address] = [IPv4Address(first << 24) for first in range(0, 256, 8)]
        starts += [IPv6Address(start << 112) for start in _V6_STARTS] if self._is_v6 else []
        found = [known for start in starts for known in self._walk(start)]
        # Prevents: a database of something else, which would make every place unknown and say nothing of it.
        if found and not any(found) and self._read is _read:
            raise ValueError("it tells of no place")

    def _walk(self, start: IPv4Address | IPv6Address) -> Iterator[bool]:
        """Read networks in a row; yield of each record whether it tells anything."""
        address, bits = int(start), start.max_prefixlen
        for _ in range(_IN_A_ROW):
            record, length = self._reader.get_with_prefix_len(type(start)(address))
            if isinstance(record, dict):
                yield bool(self._read(record))
            # One network on; a step is at least one address, so that a damaged tree cannot hold us here.
            size = 1 << max(0, bits - length)
            address = address // size * size + size
            if address >> bits:
                break

    def find(self, bits: int, number: int) -> dict[str, Any]:
        """Return what the database says; empty where it knows nothing."""
        if bits != V4_BITS and not self._is_v6:
            return {}
        try:
            record = self._reader.get(IPv4Address(number) if bits == V4_BITS else IPv6Address(number))
            return self._read(record) if isinstance(record, dict) else {}
        except Exception as error:  # noqa: BLE001  # a damaged database may raise anything, and a look-up must not
            self.problem = f"{type(error).__name__} in {self.source}"
            return {}


def _read(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    country = _dig(record, "country", "iso_code") or record.get("country_code")
    if isinstance(country, str) and len(country) == 2 and country.isascii() and country.isupper():  # noqa: PLR2004
        found["country"] = country
    city = _dig(record, "city", "names", "en")
    if isinstance(city, str) and city:
        found["city"] = city[:_LONGEST_NAME]
    traits = record.get("traits")
    network = traits if isinstance(traits, dict) and "autonomous_system_number" in traits else record
    asn, name = network.get("autonomous_system_number"), network.get("autonomous_system_organization")
    if isinstance(asn, int) and 0 < asn < 1 << 32:
        found["asn"] = asn
        if isinstance(name, str) and name:
            found["organisation"] = name[:_LONGEST_NAME]
    return found | _position(record.get("location"))


def _position(location: object) -> dict[str, float]:
    if not isinstance(location, dict):
        return {}
    latitude, longitude = location.get("latitude"), location.get("longitude")
    radius = location.get("accuracy_radius")
    if not isinstance(radius, int | float) or not 0 < radius <= _HALF_EARTH_KM:
        radius = _DEFAULT_RADIUS_KM
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return {}
    if not (abs(latitude) <= _POLES_DEG and abs(longitude) <= _DATE_LINE_DEG):
        return {}
    return {"latitude": float(latitude), "longitude": float(longitude), "radius_km": float(radius)}


def _dig(record: Any, *path: str) -> Any:
    for key in path:
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record


def _damaged(path: Path) -> PlaceDataError:
    return PlaceDataError(
        f"`{path}` is no MaxMind-form database of the kind that is wanted here, or is damaged",
        hint="download it again, and look whether it is the one that the setting is for",
    )
