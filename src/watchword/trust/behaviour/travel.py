"""Impossible travel: how much too fast the way from the last verified place would have been.

Source: docs/explanation/trust-algorithm.md for the effective distance; design section 5 for the discounts.
"""

from __future__ import annotations

from math import log

from watchword.trust.behaviour.chains import Path, site_of
from watchword.trust.behaviour.profile import BehaviourProfile, LastPlace
from watchword.trust.geometry import effective_km, great_circle_km
from watchword.trust.observation import Finding, Observation

NAME = "impossible_travel"
FASTEST_KMH = 1000.0
# From this much evidence on it is an alarm: somebody is told that the way was impossible.
ALARM = 2.0
_AT_LIMIT, _MOST = 2.0, 6.0
_LEAST_S = 60.0
_FAMILIAR = 3
_EXIT_DISCOUNT, _FAMILIAR_DISCOUNT = 0.25, 0.25
_LONGEST_WORDS = 64

_UNKNOWN = Finding(NAME, 0.0, "unknown: no two places to compare", is_known=False)
_POSSIBLE = Finding(NAME, 0.0, "the way from the last verified place is possible")


def travel(observation: Observation, path: Path, profile: BehaviourProfile, one: int) -> Finding:
    """Judge the way from the last place where this user certainly was to this one.

    Both accuracy radii and 50 km are given away. What is over 1000 km/h counts, the more the faster; little of it
    where the address says where a network ends and not where somebody is, and where this user was verified in this
    network three times before.

    Args:
        path: of the network, as `paths_of` gives it.
        one: the weight of one event today.
    """
    last, place = profile.last_place, observation.place
    if last is None or place.latitude is None or place.longitude is None:
        return _UNKNOWN
    if place.latitude == last.latitude and place.longitude == last.longitude:
        return _POSSIBLE
    straight = great_circle_km(last.latitude, last.longitude, place.latitude, place.longitude)
    certain = effective_km(straight, last.radius_km, place.radius_km or 0.0)
    speed = certain * 3600 / max(_LEAST_S, abs(observation.at - last.at))
    if not speed > FASTEST_KMH:
        return _POSSIBLE
    value = min(_MOST, _AT_LIMIT + log(speed / FASTEST_KMH))
    value *= _discount(observation, path, profile, one)
    words = f"at least {certain:,.0f} km from {last.words} to {place.words}, {min(speed, 99_999):,.0f} km/h"
    return Finding(NAME, value, f"impossible travel: {words}" if value >= ALARM else f"a network's end moved: {words}")


def last_place_of(observation: Observation) -> LastPlace | None:
    """Return where an observation certainly was, to judge the next way by; nothing if its address does not tell."""
    place = observation.place
    if place.latitude is None or place.longitude is None or _is_exit(observation):
        return None
    return LastPlace(
        observation.at,
        float(place.latitude),
        float(place.longitude),
        float(place.radius_km or 0.0),
        place.words[:_LONGEST_WORDS],
    )


def _is_exit(observation: Observation) -> bool:
    """Tell whether a network ends where its address is said to be, and its users are anywhere.

    A telephone shows its operator's gateway: across the country, or at home while its owner is abroad.
    """
    traits = observation.traits
    return traits.is_hosting or traits.is_vpn or traits.is_tor or traits.is_shared or traits.is_mobile


def _discount(observation: Observation, path: Path, profile: BehaviourProfile, one: int) -> float:
    if _is_exit(observation):
        return _EXIT_DISCOUNT
    times = profile.totals.get(site_of(path), 0) / one
    return _FAMILIAR_DISCOUNT if times > _FAMILIAR - 0.5 else 1.0
