"""What an observation says, as paths from the coarse to the fine: the keys that behaviour is counted by."""

from __future__ import annotations

from functools import lru_cache
from math import cos, pi, sin
from sys import intern
from typing import NamedTuple
from zlib import crc32

from watchword.trust.behaviour.decay import DAY_S
from watchword.trust.observation import NetworkTraits, Observation

Path = tuple[str, ...]

SEPARATOR = "|"
UNKNOWN = "-"
NO_DEVICE = "d|-"
LONGEST_TEXT = 40
LONGEST_AGENT = 512
_HASHED = 1024  # of a text that is too long to keep, this much tells it from another
_KEPT = 256  # of one that is too long for the rest
_REMEMBERED = 8192
_HOUR_S = 3600
_SITE_STEP = 3
_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


class Paths(NamedTuple):
    """One path a chain; each starts with the chain's own name. A chain of which nothing is known is the empty path.

    Attributes:
        network: country, autonomous system, /24 or /48, address; of a mobile carrier the first two only, for it hands
            its subscribers other addresses all the time.
        agent: type, operating system, browser, browser with major version, whole user agent.
        resource: application, resource.
        action: act, action.
        traits: what kind of network it is.
        hour: of the user's own day.
        weekday: of the user's own week.
        is_cut: something was longer than anything honest, and was shortened.
    """

    network: Path
    agent: Path
    resource: Path
    action: Path
    traits: Path
    device: Path
    hour: int
    weekday: int
    is_cut: bool


def paths_of(observation: Observation) -> Paths:
    """Say by which keys an observation is counted; bounded whatever was sent."""
    local_s = observation.at + observation.utc_offset_s
    place, agent, full = observation.place, observation.agent, observation.agent.full
    ip, network, resource, device = observation.ip, observation.network, observation.resource, observation.device
    # Prevents: a user agent of a megabyte being hashed, kept or compared.
    is_cut = len(full) > LONGEST_AGENT or len(resource) > LONGEST_AGENT or len(device) > LONGEST_AGENT
    if is_cut:
        full, resource, device = _cut(full), _cut(resource), _cut(device)
    return Paths(
        _carrier(place.country, place.asn)
        if observation.traits.is_mobile and place.asn is not None
        else _network(place.country, place.asn, network[:LONGEST_TEXT], ip[:LONGEST_TEXT])
        if network or ip
        else (),
        _agent(agent.kind[:_KEPT], agent.system[:_KEPT], agent.browser[:_KEPT], full),
        _two("r", observation.application[:_KEPT], resource) if observation.application else (),
        _two("x", observation.act, observation.action[:_KEPT]),
        _TRAITS[_trait(observation.traits)],
        ("d", f"d|{_digest(device)}" if device else NO_DEVICE),
        int(local_s // _HOUR_S) % 24,
        (int(local_s // DAY_S) + _FIRST_WEEKDAY) % 7,
        is_cut,
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_AGENT else f"{text[:_KEPT]}#{len(text):x}"


# The same few values come again and again; what is built once is found again by identity.
@lru_cache(maxsize=_REMEMBERED)
def _network(country: str | None, asn: int | None, network: str, ip: str) -> Path:
    first = f"n|{short(country or UNKNOWN)}"
    second = f"{first}|{asn or UNKNOWN}"
    third = f"{second}|{short(network or UNKNOWN)}"
    return _path("n", first, second, third, *([f"{third}|{_digest(ip)}"] if ip else []))


@lru_cache(maxsize=_REMEMBERED)
def _carrier(country: str | None, asn: int | None) -> Path:
    first = f"n|{short(country or UNKNOWN)}"
    return _path("n", first, f"{first}|{asn or UNKNOWN}")


@lru_cache(maxsize=_REMEMBERED)
def _agent(kind: str, system: str, browser: str, full: str) -> Path:
    if not full and not browser and not system and not kind:
        return ()
    first = f"a|{short(kind or UNKNOWN)}"
    second = f"{first}|{short(system or UNKNOWN)}"
    third = f"{second}|{short(family_of(browser) or UNKNOWN)}"
    fourth = f"{third}|{short(browser or UNKNOWN)}"
    return _path("a", first, second, third, fourth, *([f"{fourth}|{_digest(full)}"] if full else []))


@lru_cache(maxsize=_REMEMBERED)
def _two(name: str, coarse: str, fine: str) -> Path:
    first = f"{name}|{short(coarse)}"
    return _path(name, first, *([f"{first}|{short(fine)}"] if fine else []))


def _path(*keys: str) -> Path:
    return tuple([intern(key) for key in keys])


def family_of(browser: str) -> str:
    """Return a browser's name without its version: a browser is updated every month, and seldom another one."""
    name, _, version = browser.rpartition(" ")
    return name if name and version.isdecimal() else browser


def _trait(traits: NetworkTraits) -> str:
    if traits.is_tor:
        return "tor"
    if traits.is_vpn:
        return "vpn"
    if traits.is_hosting:
        return "hosting"
    return "mobile" if traits.is_mobile else "plain"


_TRAITS = {name: ("t", f"t|{name}") for name in ("tor", "vpn", "hosting", "mobile", "plain")}
PLAIN = _TRAITS["plain"]
HOURS = tuple(f"h|{hour}" for hour in range(24))
WEEKDAYS = tuple(f"w|{day}" for day in range(7))
# Where the hours of a day and the days of a week stand on their circles: whole numbers, so that sums are exact.
UNIT = 1024


def _circle(parts: int) -> tuple[tuple[int, int], ...]:
    turns = [2 * pi * part / parts for part in range(parts)]
    return tuple([(round(UNIT * cos(turn)), round(UNIT * sin(turn))) for turn in turns])


DAY_CIRCLE, WEEK_CIRCLE = _circle(24), _circle(7)


def short(text: str) -> str:
    """Return a text as it is if it can be kept, else a digest of its beginning and its length."""
    # Prevents: a text of a megabyte in a key; a separator in a text pretending to be another path.
    if len(text) <= LONGEST_TEXT and SEPARATOR not in text:
        return text
    return f"#{_digest(text)}{len(text):x}"


def _digest(text: str) -> str:
    # Tells values of one user apart; protects nothing, so four bytes are enough.
    return f"{crc32(text[:_HASHED].encode('utf-8', 'replace')):08x}"


# Names of the levels of a path, by the chain's name: `n1` is a country.
LEVELS = {name: tuple(f"{name}{depth}" for depth in range(6)) for name in "narxtdhw"}


def site_of(network: Path) -> str:
    """Return the key of the /24 or /48 on a network's path; the empty text where it ends above, as a carrier's does."""
    return network[_SITE_STEP] if len(network) > _SITE_STEP else ""


def parent_of(key: str) -> str:
    """Return the key one step coarser; of a chain's coarsest keys the chain itself."""
    return key.rpartition(SEPARATOR)[0]


def level_of(key: str) -> str:
    """Name chain and depth of a key, such as `n1` for a country."""
    return f"{key[0]}{key.count(SEPARATOR)}"
