"""Where an address is: the operator's own databases first, what we ship after them, country centres last."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from watchword.trust.addresses import AddressKind, read_address
from watchword.trust.errors import PlaceDataError
from watchword.trust.mmdb import OperatorDatabase
from watchword.trust.model import Place
from watchword.trust.placetable import PlaceTable
from watchword.trust.settings import TrustSettings

_REMEMBERED = 16_384
_CENTRES_SOURCE = "Natural Earth"
DATA = Path(str(files("watchword.trust"))) / "data"

Centre = tuple[float, float, float]


class ContextSource:
    """Answer where an address is, without network and in microseconds."""

    def __init__(
        self, table: PlaceTable, centres: Mapping[str, Centre], databases: tuple[OperatorDatabase, ...] = ()
    ) -> None:
        self._table = table
        self._centres = centres
        self._databases = databases
        self._nowhere = {kind: Place(kind=kind) for kind in AddressKind}
        self._find = lru_cache(maxsize=_REMEMBERED)(self._look_up)

    @classmethod
    def open(cls, settings: TrustSettings | None = None) -> ContextSource:
        """Open the shipped data, and the operator's where configured.

        Raises:
            PlaceDataError: a file is missing or damaged.
        """
        given = settings or TrustSettings()
        paths = [path for path in (given.city_file, given.asn_file) if path]
        return cls(
            PlaceTable(Path(given.place_file)) if given.place_file else PlaceTable(DATA / "places.bin", is_ours=True),
            read_centres(DATA / "countries.csv"),
            tuple(OperatorDatabase(Path(path)) for path in paths),
        )

    def place_of(self, ip: str) -> Place:
        """Return the place of an address as the proxy wrote it; never raises.

        Private and other special addresses have no place. Tunnelled ones (6to4, Teredo, NAT64) have the place of
        the IPv4 address inside, for that is where answers are delivered.
        """
        address = read_address(ip)
        key = address.place_key
        return self._nowhere[address.kind] if key is None else self._find(key[0], key[1], address.kind)

    @property
    def sources(self) -> tuple[str, ...]:
        """Name every source in use, with its version."""
        return (*(database.source for database in self._databases), self._table.source, _CENTRES_SOURCE)

    @property
    def problems(self) -> tuple[str, ...]:
        """Tell which databases failed at a look-up since they were opened."""
        return tuple(database.problem for database in self._databases if database.problem)

    def _look_up(self, bits: int, number: int, kind: AddressKind) -> Place:
        known: dict[str, Any] = {}
        sources: list[str] = []
        for database in self._databases:
            found = database.find(bits, number)
            if found.keys() - known.keys():
                sources.append(database.source)
            known = found | known
        country, asn = self._table.find(bits, number)
        shipped: dict[str, Any] = {"country": country, "asn": asn}
        if any(value is not None and name not in known for name, value in shipped.items()):
            sources.append(self._table.source)
        known = {name: value for name, value in shipped.items() if value is not None} | known
        centre = self._centres.get(known.get("country", ""))
        if "latitude" not in known and centre:
            known["latitude"], known["longitude"], known["radius_km"] = centre
            sources.append(_CENTRES_SOURCE)
        return Place(**known, kind=kind, sources=tuple(sources))


def read_centres(path: Path) -> Mapping[str, Centre]:
    """Read the table of country centres: degrees, degrees, kilometres.

    Raises:
        PlaceDataError: the file is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return {
                row["country"]: (float(row["latitude"]), float(row["longitude"]), float(row["radius_km"]))
                for row in csv.DictReader(lines)
            }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PlaceDataError(f"`{path.name}` cannot be read", hint="install Watchword again") from error
