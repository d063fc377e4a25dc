"""Observations to try the behaviour of trust with: one person at work, and whatever is changed about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from watchword.trust import Place
from watchword.trust.behaviour import BehaviourProfile, Population, learn
from watchword.trust.observation import Act, Agent, NetworkTraits, Observation

DAY_S = 86_400.0
START = 1_790_000_000.0  # a Monday of September 2026, 13:33 UTC
BERLIN = Place(country="DE", asn=3320, city="Berlin", latitude=52.52, longitude=13.40, radius_km=20.0)
POTSDAM = Place(country="DE", asn=3320, city="Potsdam", latitude=52.39, longitude=13.06, radius_km=20.0)
SYDNEY = Place(country="AU", asn=1221, city="Sydney", latitude=-33.87, longitude=151.21, radius_km=50.0)
FIREFOX = Agent("Mozilla/5.0 (Windows NT 10.0) Firefox/128.0", "Firefox 128", "Windows 10", "desktop")
CURL = Agent("curl/8.5.0", "curl 8", "", "program")
RENTED = NetworkTraits(is_hosting=True)

AT_WORK = Observation(
    id="one",
    at=START,
    user="usr_anna",
    act=Act.SIGN_IN,
    is_verified=True,
    ip="84.1.2.3",
    network="84.1.2.0/24",
    place=BERLIN,
    agent=FIREFOX,
    utc_offset_s=7200,
    device="dev_anna",
    application="wiki",
    resource="/pages",
    action="read",
)
THIEF = replace(
    AT_WORK,
    id="thief",
    is_verified=False,
    ip="203.0.113.7",
    network="203.0.113.0/24",
    place=SYDNEY,
    traits=RENTED,
    agent=CURL,
    device="",
)


def event(number: int, *, day: float | None = None, **changes: Any) -> Observation:
    """One of Anna's events: one a day unless another day is given."""
    at = START + (number if day is None else day) * DAY_S
    return replace(AT_WORK, **{"id": f"event-{number}", "at": at, **changes})


def taught(events: int, population: Population | None = None, **changes: Any) -> BehaviourProfile:
    """What is usual for Anna after so many days at work."""
    profile = BehaviourProfile()
    everybody = Population() if population is None else population
    for number in range(events):
        learn(event(number, **changes), profile, everybody, now=START + 400 * DAY_S)
    return profile


def crowd(users: int, *, events: int = 12) -> Population:
    """What is usual for everybody: people at work in different networks of different providers."""
    population = Population()
    for user in range(users):
        network = f"85.{user // 200}.{user % 200}"
        changes = {
            "user": f"usr_{user}",
            "ip": f"{network}.9",
            "network": f"{network}.0/24",
            "place": replace(BERLIN, country=("DE", "FR", "PL", "US")[user % 4], asn=3000 + user % 7),
            "agent": replace(FIREFOX, browser=f"Firefox {120 + user % 9}", full=f"firefox-{user % 9}"),
            "device": f"dev_{user}" if user % 3 else "",
        }
        taught(events, population, **changes)
    return population
