"""What an observation says, as paths from the coarse to the fine: the keys that behaviour is counted by."""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

from watchword.trust.behaviour.decay import DAY_S
from watchword.trust.observation import NetworkTraits, Observation

Path = tuple[str, ...]

SEPARATOR = "|"
UNKNOWN = "-"
LONGEST_TEXT = 64
LONGEST_AGENT = 512
_HASHED = 1024  # of a text that is too long to keep, this much tells it from another
_HOUR_S = 3600
_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


class Paths(NamedTuple):
    """One path a chain; each starts with the chain's own name. A chain of which nothing is known is the empty path.

    Attributes:
        network: country, autonomous system, /24 or /48, address.
        agent: type, operating system, browser with major version, whole user agent.
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
    agent = observation.agent
    return Paths(
        _network(observation),
        _agent(observation),
        _two("r", observation.application, observation.resource) if observation.application else (),
        _two("x", observation.act, observation.action),
        ("t", _TRAITS[_trait(observation.traits)]),
        ("d", f"d|{_digest(observation.device)}" if observation.device else "d|-"),
        int(local_s // _HOUR_S) % 24,
        (int(local_s // DAY_S) + _FIRST_WEEKDAY) % 7,
        len(agent.full) > LONGEST_AGENT or len(observation.resource) > LONGEST_AGENT,
    )


def _network(observation: Observation) -> Path:
    if not observation.network and not observation.ip:
        return ()
    place = observation.place
    country = f"n|{short(place.country or UNKNOWN)}"
    system = f"{country}|{place.asn or UNKNOWN}"
    network = f"{system}|{short(observation.network or UNKNOWN)}"
    if not observation.ip:
        return "n", country, system, network
    return "n", country, system, network, f"{network}|{_digest(observation.ip)}"


def _agent(observation: Observation) -> Path:
    agent = observation.agent
    if not agent.full and not agent.browser and not agent.system and not agent.kind:
        return ()
    kind = f"a|{short(agent.kind or UNKNOWN)}"
    system = f"{kind}|{short(agent.system or UNKNOWN)}"
    browser = f"{system}|{short(agent.browser or UNKNOWN)}"
    if not agent.full:
        return "a", kind, system, browser
    return "a", kind, system, browser, f"{browser}|{_digest(agent.full)}"


def _two(name: str, coarse: str, fine: str) -> Path:
    first = f"{name}|{short(coarse)}"
    return (name, first, f"{first}|{short(fine)}") if fine else (name, first)


def _trait(traits: NetworkTraits) -> str:
    if traits.is_tor:
        return "tor"
    if traits.is_vpn:
        return "vpn"
    if traits.is_hosting:
        return "hosting"
    return "mobile" if traits.is_mobile else "plain"


_TRAITS = {name: f"t|{name}" for name in ("tor", "vpn", "hosting", "mobile", "plain")}
HOURS = tuple(f"h|{hour}" for hour in range(24))
WEEKDAYS = tuple(f"w|{day}" for day in range(7))


def short(text: str) -> str:
    """Return a text as it is if it can be kept, else a digest of its beginning and its length."""
    # Prevents: a text of a megabyte in a key; a separator in a text pretending to be another path.
    if len(text) <= LONGEST_TEXT and SEPARATOR not in text:
        return text
    return f"#{_digest(text)}{len(text):x}"


def _digest(text: str) -> str:
    # Tells values of one user apart; protects nothing, so four bytes are enough.
    return f"{crc32(text[:_HASHED].encode('utf-8', 'replace')):08x}"


def parent_of(key: str) -> str:
    """Return the key one step coarser; of a chain's coarsest keys the chain itself."""
    return key.rpartition(SEPARATOR)[0]


def level_of(key: str) -> str:
    """Name chain and depth of a key, such as `n1` for a country."""
    return f"{key[0]}{key.count(SEPARATOR)}"
