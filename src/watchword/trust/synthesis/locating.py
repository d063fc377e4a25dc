"""What a database of places makes of a network: right most of the time, near at others, and sometimes far off.

Two of three fixed lines lie within the radius that the database gives, as a vendor says of its own; of the others
most are a little outside, and some are shown in another city. Mobile ones are shown where their operator hands the
traffic over.

Source: MaxMind, GeoIP2 documentation, `accuracy_radius`: 67 % confidence. The rest of the shares is assumed.
"""

from __future__ import annotations

from math import cos, pi, radians, sin, sqrt

from watchword.trust.geometry import great_circle_km
from watchword.trust.model import Place
from watchword.trust.synthesis.draws import mixed
from watchword.trust.synthesis.geography import BY_COUNTRY, City
from watchword.trust.synthesis.providers import Line, Provider

_WITHIN = 67  # of 100 networks
_NEAR = 92  # up to here they lie outside of the radius, but near
_AT_HOME = 60  # of 100 mobile networks
_FAR_FACTOR = 3.0
_RADII = (5.0, 10.0, 20.0, 50.0, 100.0)
_MOBILE_RADII = (100.0, 200.0, 500.0)
_DEGREE_KM = 111.2
_SOURCES = ("synthetic",)


def locate(provider: Provider, city: City, number: int) -> Place:
    """Return what a database says of the network with that number; always the same."""
    chance = mixed(number, 7)
    kind, share, angle = chance % 100, (chance >> 8 & 0xFFFF) / 0xFFFF, (chance >> 24 & 0xFFFF) / 0xFFFF
    radius = _RADII[(chance >> 40) % len(_RADII)]
    shown, distance = city, radius * sqrt(share)
    if provider.line is Line.MOBILE:
        radius = _MOBILE_RADII[(chance >> 40) % len(_MOBILE_RADII)]
        cities = BY_COUNTRY[city.country]
        shown = city if kind < _AT_HOME else cities[mixed(provider.number) % len(cities)]
    elif provider.line is Line.FIXED and kind >= _NEAR:
        shown = _other(city, chance >> 48)
    elif provider.line is Line.FIXED and kind >= _WITHIN:
        distance = radius * (1.0 + _FAR_FACTOR * share)
    north, east = distance * cos(2 * pi * angle), distance * sin(2 * pi * angle)
    return Place(
        country=city.country,
        asn=provider.asn,
        organisation=provider.organisation,
        city=shown.name,
        latitude=round(shown.latitude + north / _DEGREE_KM, 3),
        longitude=round(shown.longitude + east / (_DEGREE_KM * cos(radians(shown.latitude))), 3),
        radius_km=radius,
        sources=_SOURCES,
    )


def _other(city: City, chance: int) -> City:
    """Choose another city of the country, rather a near one."""
    others = [one for one in BY_COUNTRY[city.country] if one is not city]
    if not others:
        return city
    weights = [1.0 / (50.0 + _distance_km(city, one)) for one in others]
    left = (chance & 0xFFFF) / 0x10000 * sum(weights)
    for one, weight in zip(others, weights, strict=True):
        left -= weight
        if left < 0:
            return one
    return others[-1]


def _distance_km(one: City, other: City) -> float:
    return great_circle_km(one.latitude, one.longitude, other.latitude, other.longitude)
