"""What a generic anomaly detector is given of a log-in: the same facts the score reads, as plain numbers.

A detector that knows nothing of log-ins is only as good as its features. These are made as somebody would who wants
it to win: what is new for the user and how rare it is, for the user and for all; distance and speed; the hour against
the user's own hours; what is known of the network; and the four counts of a log-in anomaly (hour, distinct addresses,
failures, resources accessed). They are learned from what the score learns from, and nothing else.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import atan2, cos, hypot, log, log1p, pi, sin
from zlib import crc32

from watchword.trust.geometry import great_circle_km
from watchword.trust.observation import Act, Observation

_DAY_S = 86_400.0
_RECENT_S = 600.0
_MOST_RECENT = 256
_FASTEST_KMH = 20_000.0
_LONGEST_H = 24.0 * 90

_KEYS: tuple[str, ...] = ("network", "asn", "country", "city", "agent", "browser", "system", "device")

FEATURES: tuple[str, ...] = (
    *(f"new_{key}" for key in _KEYS),
    *(f"own_rarity_{key}" for key in _KEYS),
    *(f"rarity_{key}" for key in _KEYS),
    "distance_km",
    "speed_kmh",
    "hours_since",
    "hour",
    "hour_sin",
    "hour_cos",
    "hour_off",
    "is_weekend",
    "is_hosting",
    "is_vpn",
    "is_tor",
    "is_mobile",
    "is_shared",
    "history",
    "distinct_addresses",
    "failures",
    "network_failures",
    "resources",
)

# What a column for each value is made from: names stand for values, and nothing follows from their size.
CODES: tuple[str, ...] = ("country", "asn", "city", "kind", "system", "browser", "has_device")

# The four of a log-in anomaly, as they are usually told.
FOUR: tuple[str, ...] = ("hour", "distinct_addresses", "failures", "resources")


def codes_of(seen: Observation) -> tuple[float, ...]:
    """Return a number that stands for each value of a log-in, in the order of `CODES`."""
    place, agent = seen.place, seen.agent
    family = agent.browser.rpartition(" ")[0] or agent.browser
    values = (place.country or "", str(place.asn), place.city or "", agent.kind, agent.system, family)
    return (*[float(crc32(value.encode())) for value in values], float(bool(seen.device)))


@dataclass(slots=True)
class _User:
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {key: Counter() for key in _KEYS})
    learned: int = 0
    hours: list[float] = field(default_factory=lambda: [0.0, 0.0])
    last: tuple[float, float | None, float | None] | None = None
    addresses: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=_MOST_RECENT))
    resources: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=_MOST_RECENT))
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_RECENT))


class Features:
    """Turn acts into rows of numbers, in order of time."""

    def __init__(self) -> None:
        self._users: dict[str, _User] = {}
        self._all: dict[str, Counter[str]] = {key: Counter() for key in _KEYS}
        self._learned = 0
        self._network_failures: dict[str, deque[float]] = {}

    def row(self, seen: Observation) -> list[float]:
        """Return the features of one log-in, in the order of `FEATURES`; nothing of it is remembered."""
        user = self._users.get(seen.user) or _User()
        keys = _keys(seen)
        own = [user.counts[key][keys[key]] for key in _KEYS]
        everybody = [self._all[key][keys[key]] for key in _KEYS]
        hour = _hour(seen)
        return [
            *(float(count == 0) for count in own),
            *(-log((count + 0.5) / (user.learned + 1.0)) for count in own),
            *(-log((count + 0.5) / (self._learned + 1.0)) for count in everybody),
            *_travel(user, seen),
            hour / (2 * pi) * 24.0,
            sin(hour),
            cos(hour),
            _hour_off(user, hour),
            float((seen.at + seen.utc_offset_s) // _DAY_S % 7 in {2.0, 3.0}),  # 1970 began on a Thursday
            float(seen.traits.is_hosting),
            float(seen.traits.is_vpn),
            float(seen.traits.is_tor),
            float(seen.traits.is_mobile),
            float(seen.traits.is_shared),
            log1p(user.learned),
            float(len({address for at, address in user.addresses if seen.at - at <= _DAY_S} | {seen.ip})),
            float(_recent(user.failures, seen.at)),
            float(_recent(self._network_failures.get(seen.network, ()), seen.at)),
            float(len({name for at, name in user.resources if seen.at - at <= _DAY_S})),
        ]

    def observe(self, seen: Observation) -> None:
        """Remember an act: failures always, everything else only if it was verified."""
        user = self._users.setdefault(seen.user, _User())
        if not seen.is_success:
            if seen.act is not Act.REQUEST:
                user.failures.append(seen.at)
                self._network_failures.setdefault(seen.network, deque(maxlen=_MOST_RECENT)).append(seen.at)
            return
        if not seen.is_verified:
            return
        if seen.act is Act.REQUEST:
            user.resources.append((seen.at, f"{seen.application} {seen.resource}"))
            return
        user.addresses.append((seen.at, seen.ip))
        user.last = (seen.at, seen.place.latitude, seen.place.longitude)
        user.learned += 1
        self._learned += 1
        for key, value in _keys(seen).items():
            user.counts[key][value] += 1
            self._all[key][value] += 1
        hour = _hour(seen)
        user.hours[0] += cos(hour)
        user.hours[1] += sin(hour)


def _keys(seen: Observation) -> dict[str, str]:
    place, agent = seen.place, seen.agent
    return {
        "network": seen.network,
        "asn": str(place.asn),
        "country": place.country or "",
        "city": place.city or "",
        "agent": agent.full,
        "browser": agent.browser,
        "system": agent.system,
        "device": seen.device,
    }


def _hour(seen: Observation) -> float:
    return (seen.at + seen.utc_offset_s) % _DAY_S / _DAY_S * 2 * pi


def _hour_off(user: _User, hour: float) -> float:
    if hypot(*user.hours) == 0:
        return 0.0
    away = abs(hour - atan2(user.hours[1], user.hours[0])) % (2 * pi)
    return min(away, 2 * pi - away)


def _travel(user: _User, seen: Observation) -> tuple[float, float, float]:
    """Return distance, speed and hours since the last verified log-in."""
    if user.last is None:
        return 0.0, 0.0, _LONGEST_H
    at, latitude, longitude = user.last
    hours = max(seen.at - at, 1.0) / 3600.0
    place = seen.place
    if latitude is None or longitude is None or place.latitude is None or place.longitude is None:
        return 0.0, 0.0, min(hours, _LONGEST_H)
    distance = great_circle_km(latitude, longitude, place.latitude, place.longitude)
    return distance, min(distance / hours, _FASTEST_KMH), min(hours, _LONGEST_H)


def _recent(times: Sequence[float] | deque[float], now: float) -> int:
    return sum(now - at <= _RECENT_S for at in times)
