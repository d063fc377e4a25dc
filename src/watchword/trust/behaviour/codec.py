"""Write profiles and the population as compact JSON for storage, and read them again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from sys import intern
from typing import Any

import orjson

from watchword.trust.behaviour.company import Companies
from watchword.trust.behaviour.population import Population
from watchword.trust.behaviour.profile import MOST_IDS, BehaviourProfile, LastPlace
from watchword.trust.behaviour.upgrading import upgraded_population, upgraded_profile

_FORMAT, _FORMER = 2, 1
# So many entries are written in about a millisecond.
_SLICE = 2_000


def dump(profile: BehaviourProfile) -> str:
    """Write a profile; equal profiles give equal texts."""
    return json.dumps(
        {
            "v": _FORMAT,
            "t": profile.totals,
            "d": {str(day): counts for day, counts in profile.days.items()},
            "i": [f"{event:x}" for event in profile.ids],
            "n": profile.learned,
            "p": profile.last_place,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )


def parse(text: str) -> BehaviourProfile:
    """Read what `dump` wrote.

    Raises:
        ValueError: the text is not a profile.
    """
    try:
        return _parse(json.loads(text))
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("not a stored profile of behaviour") from error


def _parse(stored: Any) -> BehaviourProfile:
    if stored["v"] == _FORMER:
        stored = {**upgraded_profile(stored), "v": _FORMAT}
    if stored["v"] != _FORMAT:
        raise ValueError(f"a profile of behaviour in format {stored['v']!r}, not {_FORMAT}")
    place = stored["p"]
    profile = BehaviourProfile(
        totals=_counts(stored["t"]),
        days={int(day): _counts(counts) for day, counts in stored["d"].items()},
        ids=sorted([int(event, 16) for event in stored["i"]])[-MOST_IDS:],
        learned=int(stored["n"]),
        last_place=_place(*place) if place else None,
    )
    profile.derive()
    return profile


def _place(at: float, latitude: float, longitude: float, radius_km: float, words: str) -> LastPlace:
    return LastPlace(float(at), float(latitude), float(longitude), float(radius_km), str(words))


def dump_population(population: Population) -> str:
    """Write a population."""
    return "".join(population_parts(population))


def population_parts(population: Population) -> Iterator[str]:
    """Yield the parts of that text, each quick to make: the whole is large, and whoever decides waits meanwhile.

    The population must not change before the last of them.
    """
    head = {"v": _FORMAT, "s": population.distinct, "n": population.learned, "m": population.users}
    yield orjson.dumps(head).decode()[:-1]
    for name, counts in (
        ("t", population.totals),
        ("u", population.under),
        ("d", population.devices.known),
        ("w", population.networks.known),
    ):
        yield f',"{name}":{{'
        yield from members(counts)
        yield "}"
    yield "}"


def members(counts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the members of a JSON object, some at a time and without its braces.

    Raises:
        RuntimeError: it was changed meanwhile.
    """
    rest, comma = iter(counts.items()), ""
    while part := dict(islice(rest, _SLICE)):
        yield comma + orjson.dumps(part, option=orjson.OPT_NON_STR_KEYS).decode()[1:-1]
        comma = ","


def parse_population(text: str) -> Population:
    """Read what `dump_population` wrote.

    Raises:
        ValueError: the text is not a population.
    """
    try:
        stored = json.loads(text)
        if stored["v"] == _FORMER:
            stored = {**upgraded_population(stored), "v": _FORMAT}
        if stored["v"] != _FORMAT:
            raise ValueError(f"a population in format {stored['v']!r}, not {_FORMAT}")
        population = Population(
            totals=_counts(stored["t"]),
            under=_counts(stored["u"]),
            distinct=_counts(stored["s"]),
            learned=int(stored["n"]),
            users=int(stored["m"]),
        )
        _fill(population.devices, stored["d"])
        _fill(population.networks, stored["w"])
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("not a stored population") from error
    return population


def _counts(stored: Mapping[str, Any]) -> dict[str, int]:
    return {intern(key): int(value) for key, value in stored.items()}


def _fill(companies: Companies, stored: Mapping[str, Mapping[str, Any]]) -> None:
    for name, members in stored.items():
        for user, weight in members.items():
            companies.count(intern(name), int(user), int(weight))
