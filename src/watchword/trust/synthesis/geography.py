"""Cities where people live and work, and the days on which their countries rest.

Positions are rounded to a tenth of a degree; weights are millions of people in the agglomeration, roughly.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

DATA = Path(str(files("watchword.trust.synthesis"))) / "data"


@dataclass(frozen=True, slots=True)
class City:
    """One city.

    Attributes:
        number: its place in `CITIES`.
        zone: IANA name.
        weight: how many people, relative to the other cities.
    """

    number: int
    name: str
    country: str
    zone: str
    latitude: float
    longitude: float
    weight: float


def _read() -> tuple[City, ...]:
    with (DATA / "cities.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            City(
                number,
                row["city"],
                row["country"],
                row["zone"],
                float(row["latitude"]),
                float(row["longitude"]),
                float(row["weight"]),
            )
            for number, row in enumerate(csv.DictReader(lines))
        )


CITIES = _read()
BY_COUNTRY: dict[str, tuple[City, ...]] = {
    country: tuple(city for city in CITIES if city.country == country) for country in {city.country for city in CITIES}
}

# Fixed days only; what moves with the moon or Easter is left out, and its place is taken by people's own free days.
_SATURDAY = 5
_EVERYWHERE = frozenset({(1, 1)})
_CHRISTMAS = frozenset({(12, 25), (12, 26)})
_REST: dict[str, frozenset[tuple[int, int]]] = {
    "DE": _CHRISTMAS | {(5, 1), (10, 3)},
    "AT": _CHRISTMAS | {(5, 1), (10, 26)},
    "CH": _CHRISTMAS | {(8, 1)},
    "GB": _CHRISTMAS,
    "IE": _CHRISTMAS | {(3, 17)},
    "FR": frozenset({(5, 1), (5, 8), (7, 14), (11, 11), (12, 25)}),
    "NL": _CHRISTMAS | {(4, 27)},
    "BE": frozenset({(5, 1), (7, 21), (12, 25)}),
    "ES": frozenset({(1, 6), (5, 1), (10, 12), (12, 6), (12, 25)}),
    "PT": frozenset({(4, 25), (5, 1), (6, 10), (12, 25)}),
    "IT": _CHRISTMAS | {(4, 25), (5, 1), (6, 2), (8, 15)},
    "NO": _CHRISTMAS | {(5, 1), (5, 17)},
    "SE": _CHRISTMAS | {(5, 1), (6, 6)},
    "DK": _CHRISTMAS | {(6, 5)},
    "FI": _CHRISTMAS | {(5, 1), (12, 6)},
    "PL": _CHRISTMAS | {(5, 1), (5, 3), (11, 11)},
    "CZ": _CHRISTMAS | {(5, 1), (5, 8), (9, 28), (10, 28)},
    "US": frozenset({(6, 19), (7, 4), (11, 11), (12, 25)}),
    "CA": _CHRISTMAS | {(7, 1)},
    "BR": frozenset({(4, 21), (5, 1), (9, 7), (11, 15), (12, 25)}),
    "IN": frozenset({(1, 26), (8, 15), (10, 2)}),
    "SG": frozenset({(5, 1), (8, 9), (12, 25)}),
    "AU": _CHRISTMAS | {(1, 26), (4, 25)},
}


@lru_cache(maxsize=65_536)
def offset_s(zone: str, day: int) -> int:
    """Return how far a zone is ahead of UTC at noon of a day, counted from 1970, seconds."""
    delta = datetime.fromtimestamp(day * 86_400 + 43_200, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return int(delta.total_seconds()) if delta is not None else 0


@lru_cache(maxsize=65_536)
def is_rest_day(country: str, day: int) -> bool:
    """Tell whether a country's offices are closed on a day counted from 1970: a weekend or a public holiday."""
    date = datetime.fromtimestamp(day * 86_400, UTC)
    on = (date.month, date.day)
    return date.weekday() >= _SATURDAY or on in _EVERYWHERE or on in _REST.get(country, frozenset())
