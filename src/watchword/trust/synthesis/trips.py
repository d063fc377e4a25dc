"""Business trips: where somebody is, and how long it takes to get there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from watchword.trust.geometry import great_circle_km
from watchword.trust.synthesis.draws import Chance, choice_of
from watchword.trust.synthesis.geography import BY_COUNTRY, CITIES, City
from watchword.trust.synthesis.networks import Access, draw_access
from watchword.trust.synthesis.people import Person
from watchword.trust.synthesis.providers import Line

_BY_AIR_KM = 400.0
_CRUISE_KM_H = 780.0  # a jet's block speed on a middle distance
_TRAIN_KM_H = 110.0
_AIRPORTS_H = 3.5  # to the airport, waiting, and from it
_ON_FOOT_H = 0.5


@dataclass(frozen=True, slots=True)
class Trip:
    """One business trip.

    Attributes:
        first_day: counted from 1970; the journey out is on its morning.
        last_day: the journey back begins on its afternoon.
        travel_h: door to door.
        hotel: the line there.
        local_mobile: the phone's line there, for those who are not routed home.
    """

    first_day: int
    last_day: int
    city: City
    travel_h: float
    hotel: Access
    local_mobile: Access


def travel_h(one: City, other: City) -> float:
    """Return how long a journey takes, door to door."""
    distance = great_circle_km(one.latitude, one.longitude, other.latitude, other.longitude)
    if distance < _BY_AIR_KM:
        return distance / _TRAIN_KM_H + _ON_FOOT_H
    return distance / _CRUISE_KM_H + _AIRPORTS_H


def trips(person: Person, first_day: int, chance: Chance) -> Iterator[Trip]:
    """Yield somebody's trips in order, without end."""
    gap = person.role.trip_gap_days
    near = [city for city in BY_COUNTRY[person.home.country] if city != person.home]
    far = choice_of(CITIES, [city.weight**0.5 for city in CITIES])
    day = first_day
    while True:
        day += 2 + int(chance.expovariate(1 / gap))
        city = chance.choice(near) if near and chance.random() < 0.55 else far.draw(chance)  # noqa: PLR2004  # an assumption
        if city == person.home:
            continue
        last = day + chance.choices((0, 1, 2, 3, 4, 9), (20, 25, 25, 15, 10, 5))[0]
        hotel = draw_access(chance, city, Line.FIXED, lease_days=3_650.0)
        local = draw_access(chance, city, Line.MOBILE, lease_days=0.2, spread=16)
        hours = travel_h(person.home, city)
        if hours > 5.0:  # noqa: PLR2004  # nobody flies so far for a day
            last = max(last, day + 2)
        yield Trip(day, last, city, hours, hotel, local)
        day = last
