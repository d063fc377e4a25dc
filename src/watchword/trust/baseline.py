"""What is usual for one user; learned from verified outcomes and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypeVar

from watchword.kernel import Acr
from watchword.trust.addresses import AddressKind
from watchword.trust.geometry import effective_km, great_circle_km
from watchword.trust.model import Place, Sighting
from watchword.trust.worktime import local_time

K = TypeVar("K", str, int)

MAX_COUNTRIES = 16
MAX_ASNS = 32
MAX_NETWORKS = 64
_FORGET_AFTER_S = 180 * 86_400
# A place is usual after verifications worth this much, over at least this long: two with a second factor, or four
# with a password alone. One sign-in, however good, does not make a place usual.
USUAL_WEIGHT = 4
_USUAL_SPREAD_S = 12 * 3600
_STRONG, _WEAK = 2, 1
_MAX_WEIGHT = 1000
# Hours are judged after this much history.
_HOURS_OUTCOMES = 20
_HOURS_DAYS = 5
_HOURS_SHARE = 50
_MAX_HOUR = 255
_DAY = 24
_SATURDAY = 6
FASTEST_KMH = 1000.0
_LEAST_S = 1.0
_NOT_MOVED = 0.0, 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One verified outcome: somebody proved to be this user, from here, at this time.

    Attributes:
        is_step_up: it was asked for within a session, so it vouches even for a place that could not be reached.
    """

    at: datetime
    place: Place
    network: str
    acr: Acr
    timezone: str = "UTC"
    is_step_up: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """How often and how long something was verified; times are seconds since 1970."""

    weight: int
    first: float
    last: float

    @property
    def is_usual(self) -> bool:
        """Whether it was verified often enough, over long enough."""
        return self.weight >= USUAL_WEIGHT and self.last - self.first >= _USUAL_SPREAD_S


@dataclass(frozen=True, slots=True)
class Baseline:
    """One user's own history, bounded.

    Attributes:
        hours: verified outcomes by hour of the user's day, working week first (24), then weekend (24); a byte each.
        outcomes: how many were learned.
        days: on how many days.
        last_verified: the newest verified place that has a position.
        usual_hours: indices into `hours`; nothing while there is too little history.
        version: counts what was learned.
    """

    version: int = 0
    countries: Mapping[str, Seen] = field(default_factory=lambda: MappingProxyType({}))
    asns: Mapping[int, Seen] = field(default_factory=lambda: MappingProxyType({}))
    networks: Mapping[str, Seen] = field(default_factory=lambda: MappingProxyType({}))
    hours: bytes = bytes(2 * _DAY)
    outcomes: int = 0
    days: int = 0
    last_day: int = 0
    last_verified: Sighting | None = None
    usual_countries: frozenset[str] = frozenset()
    usual_asns: frozenset[int] = frozenset()
    usual_networks: frozenset[str] = frozenset()
    usual_hours: frozenset[int] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever learned."""
        return self.outcomes == 0


EMPTY_BASELINE = Baseline()


def hour_index(local: datetime) -> int:
    """Return where an hour stands in `Baseline.hours`."""
    return local.hour + (_DAY if local.isoweekday() >= _SATURDAY else 0)


def speed_kmh(origin: Sighting, place: Place, now: datetime) -> tuple[float, float] | None:
    """Return the certain distance in km from a sighting, and the speed it would take to be here now.

    Nothing if either end has no position. A sighting from the future (the clock went back) counts as just now.
    """
    there = origin.place
    # Nearly every request comes from where the last one came from; the look-up gives the same object for it.
    if there is place and place.latitude is not None:
        return _NOT_MOVED
    if there.latitude is None or there.longitude is None or place.latitude is None or place.longitude is None:
        return None
    straight = great_circle_km(there.latitude, there.longitude, place.latitude, place.longitude)
    certain = effective_km(straight, there.radius_km or 0.0, place.radius_km or 0.0)
    return certain, certain * 3600 / max(_LEAST_S, (now - origin.at).total_seconds())


def learn(baseline: Baseline, outcome: Outcome) -> Baseline:
    """Return the baseline with one more verified outcome in it."""
    at, place = outcome.at.timestamp(), outcome.place
    weight = _STRONG if outcome.acr.strength >= Acr.MULTI_FACTOR.strength else _WEAK
    countries = _counted(baseline.countries, place.country, at, weight, MAX_COUNTRIES)
    asns = _counted(baseline.asns, place.asn, at, weight, MAX_ASNS)
    networks = _counted(baseline.networks, outcome.network or None, at, weight, MAX_NETWORKS)
    local = local_time(outcome.at, outcome.timezone)
    day = local.toordinal()
    return _with_usual(
        Baseline(
            version=baseline.version + 1,
            countries=countries,
            asns=asns,
            networks=networks,
            hours=_hour_counted(baseline.hours, hour_index(local)),
            outcomes=baseline.outcomes + 1,
            days=baseline.days + (day > baseline.last_day),
            last_day=max(day, baseline.last_day),
            last_verified=_last_verified(baseline.last_verified, outcome, weight),
        )
    )


def _last_verified(known: Sighting | None, outcome: Outcome, weight: int) -> Sighting | None:
    if outcome.place.latitude is None:
        return known
    found = Sighting(replace(outcome.place, organisation=None, sources=()), outcome.at)
    if known is None:
        return found
    if outcome.at < known.at:
        return known
    # Prevents: a sign-in with stolen factors from a place that could not be reached vouching for itself.
    # Only a step-up, asked for because of the place, does.
    travel = speed_kmh(known, outcome.place, outcome.at)
    is_possible = travel is None or travel[1] <= FASTEST_KMH
    return found if is_possible or (outcome.is_step_up and weight == _STRONG) else known


def _counted(known: Mapping[K, Seen], key: K | None, at: float, weight: int, most: int) -> Mapping[K, Seen]:
    if key is None:
        return known
    before = known.get(key)
    seen = (
        Seen(min(_MAX_WEIGHT, before.weight + weight), min(before.first, at), max(before.last, at))
        if before
        else Seen(weight, at, at)
    )
    kept = {k: s for k, s in known.items() if s.last >= at - _FORGET_AFTER_S} | {key: seen}
    # Prevents: memory growing with every network somebody passes through. What is usual goes last.
    while len(kept) > most:
        del kept[min(kept, key=lambda k: (kept[k].is_usual, k == key, kept[k].last))]
    return MappingProxyType(kept)


def _hour_counted(hours: bytes, index: int) -> bytes:
    # Old habits fade: everything is halved when one hour's byte is full.
    counted = bytearray(hours) if hours[index] < _MAX_HOUR else bytearray(count // 2 for count in hours)
    counted[index] += 1
    return bytes(counted)


def _usual_hours(hours: bytes, outcomes: int, days: int) -> frozenset[int] | None:
    if outcomes < _HOURS_OUTCOMES or days < _HOURS_DAYS:
        return None
    total = sum(hours)
    usual = set()
    for start in (0, _DAY):
        for hour in range(_DAY):
            around = sum(hours[start + (hour + shift) % _DAY] for shift in (-1, 0, 1))
            if around > 1 and around * _HOURS_SHARE >= total:
                usual.add(start + hour)
    return frozenset(usual)


def _with_usual(learned: Baseline) -> Baseline:
    # Computed once when something is learned, so that a decision only asks for membership.
    for name, seen in (
        ("usual_countries", learned.countries),
        ("usual_asns", learned.asns),
        ("usual_networks", learned.networks),
    ):
        object.__setattr__(learned, name, frozenset(key for key, entry in seen.items() if entry.is_usual))
    object.__setattr__(learned, "usual_hours", _usual_hours(learned.hours, learned.outcomes, learned.days))
    return learned


def dump(baseline: Baseline) -> str:
    """Write a baseline as JSON."""
    last = baseline.last_verified
    place = last.place if last else None
    return json.dumps(
        {
            "version": baseline.version,
            "countries": {k: [s.weight, s.first, s.last] for k, s in baseline.countries.items()},
            "asns": {str(k): [s.weight, s.first, s.last] for k, s in baseline.asns.items()},
            "networks": {k: [s.weight, s.first, s.last] for k, s in baseline.networks.items()},
            "hours": list(baseline.hours),
            "outcomes": baseline.outcomes,
            "days": baseline.days,
            "last_day": baseline.last_day,
            "last_verified": [
                last.at.timestamp(),
                place.country,
                place.asn,
                place.city,
                place.latitude,
                place.longitude,
                place.radius_km,
                place.kind.value,
            ]
            if last and place
            else None,
        },
        separators=(",", ":"),
    )


def parse(text: str) -> Baseline:
    """Read what `dump` wrote.

    Raises:
        ValueError: the text is not a baseline.
    """
    try:
        return _parse(json.loads(text))
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError, OSError, RecursionError) as error:
        raise ValueError("not a stored baseline") from error


def _parse(stored: Any) -> Baseline:
    # Prevents: a damaged number being taken for so many bytes.
    if not isinstance(stored["hours"], list) or len(stored["hours"]) != 2 * _DAY:
        raise ValueError("not a stored baseline")
    hours = bytes(stored["hours"])
    last = None
    if stored["last_verified"]:
        at, country, asn, city, latitude, longitude, radius, kind = stored["last_verified"]
        place = Place(
            country=country,
            asn=asn,
            city=city,
            latitude=float(latitude),
            longitude=float(longitude),
            radius_km=float(radius or 0.0),
            kind=AddressKind(kind),
        )
        last = Sighting(place, datetime.fromtimestamp(float(at), UTC))
    return _with_usual(
        Baseline(
            version=int(stored["version"]),
            countries=MappingProxyType({str(k): Seen(*v) for k, v in stored["countries"].items()}),
            asns=MappingProxyType({int(k): Seen(*v) for k, v in stored["asns"].items()}),
            networks=MappingProxyType({str(k): Seen(*v) for k, v in stored["networks"].items()}),
            hours=hours,
            outcomes=int(stored["outcomes"]),
            days=int(stored["days"]),
            last_day=int(stored["last_day"]),
            last_verified=last,
        )
    )
