"""Distances on the globe, and how much of one is certain when both ends are blurred."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

EARTH_RADIUS_KM = 6371.0
# Positions in address data are the provider's as often as the person's; this much is never held against anyone.
ALLOWANCE_KM = 50.0


def great_circle_km(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    """Return the length of the shortest way over a spherical earth, degrees in, kilometres out.

    Source: the haversine formula; off by at most 0.6 % for the flattening of the earth.
    """
    phi_a, phi_b = radians(latitude_a), radians(latitude_b)
    across = sin((phi_b - phi_a) / 2) ** 2
    along = sin(radians(longitude_b - longitude_a) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(across + cos(phi_a) * cos(phi_b) * along)))


def effective_km(distance_km: float, radius_a_km: float, radius_b_km: float) -> float:
    """Return the part of a distance that two uncertain places leave certain."""
    return max(0.0, distance_km - radius_a_km - radius_b_km - ALLOWANCE_KM)
