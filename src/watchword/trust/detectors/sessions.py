"""One session in two hands: what it began with, and what it shows now."""

from __future__ import annotations

from typing import Any, NamedTuple

from watchword.trust.detectors import stored
from watchword.trust.detectors.newest import NONE, Newest, not_after, noted
from watchword.trust.detectors.reading import family
from watchword.trust.geometry import effective_km, great_circle_km
from watchword.trust.observation import Finding, Observation

REPLAY, HIJACK, CHANGE = "token_replay", "session_hijack", "context_change"
# Contexts are told apart by these; the words are for the person concerned.
_DEVICE_CHANGED = (5.0, "another device key")
_DEVICE_GONE = (4.0, "the device key it began with is missing")
_PROGRAM = (3.5, "another program")
_SYSTEM = (4.0, "another system")
_UNREADABLE = (2.0, "a program that names itself differently")
# Prevents: a thief leaving out what would give him away. Browsers always name themselves.
_SILENT = (3.5, "a program that does not name itself any more")
_UPDATED = (0.3, "another version of the same program")
_COUNTRY = (2.2, "another country")
_OPERATOR = (0.9, "another network operator")
_NETWORK = (0.2, "another network")
_ANONYMOUS = (1.3, "an anonymous or hosted network")
_FAR = (3.0, "a place too far away for the time between")
_AT_ONCE = (0.8, "two networks at once")
# Telephones, VPN exits and shared exits change under people who do nothing; a proved device key vouches for itself.
_EGRESS = 0.35
_PROVED = 0.3
_MATERIAL = 2.0
_SHOWN = 0.5
MOST = 6.0
_HIJACK_KM, _HIJACK_S = 500.0, 300.0
_AT_ONCE_S = 20.0
# Acts may be told by the whole minute.
_LATE_S = 90.0
_MOST_NETWORKS = 6

Change = tuple[float, str]


class Binding(NamedTuple):
    """What a session showed when its owner last proved themselves in it.

    Attributes:
        program: recognises the whole of what the client says of itself.
        country: of the place where that was, as are position and network operator; `radius_km` below 0 for no position.
        is_fluid: its network is one under which addresses change by themselves.
    """

    device: str = ""
    program: str = ""
    browser: str = ""
    system: str = ""
    kind: str = ""
    country: str = ""
    asn: int = 0
    latitude: float = 0.0
    longitude: float = 0.0
    radius_km: float = -1.0
    is_fluid: bool = False
    is_anonymous: bool = False


class Use(NamedTuple):
    """One session.

    Attributes:
        since: when it was bound; what was done before that, and is told late, is no change.
        at: when it was used last with nothing that matters changed.
        networks: from which it was used like that.
    """

    binding: Binding = Binding()
    since: float = 0.0
    at: float = 0.0
    networks: Newest = NONE

    @classmethod
    def parse(cls, given: Any) -> Use:
        """Read what was stored."""
        binding, since, at, networks = given
        return cls(
            _binding(binding), stored.number(since), stored.number(at), stored.newest(networks, most=_MOST_NETWORKS)
        )


def bound(seen: Observation, program: str) -> Use:
    """Bind a session to what this act shows."""
    place, traits = seen.place, seen.traits
    is_placed = place.latitude is not None and place.longitude is not None
    binding = Binding(
        device=seen.device,
        program=program,
        browser=family(seen.agent.browser),
        system=family(seen.agent.system),
        kind=seen.agent.kind,
        country=place.country or "",
        asn=place.asn or 0,
        latitude=(place.latitude or 0.0) if is_placed else 0.0,
        longitude=(place.longitude or 0.0) if is_placed else 0.0,
        radius_km=(place.radius_km or 0.0) if is_placed else -1.0,
        is_fluid=traits.is_mobile or traits.is_vpn or traits.is_shared,
        is_anonymous=traits.is_tor or traits.is_hosting,
    )
    return Use(binding, seen.at, seen.at, {seen.network: seen.at})


def used(known: Use, seen: Observation) -> Use:
    """Note an allowed act within the session; only the networks of what did not change otherwise are kept."""
    networks = noted(known.networks, seen.network, seen.at, most=_MOST_NETWORKS)
    return Use(known.binding, known.since, max(known.at, seen.at), networks)


def turned_back(known: Use, now: float) -> Use:
    """Let a session that was bound while the clock ran ahead have been bound now.

    # Prevents: whoever takes such a session being read as an act from before it was bound.
    """
    return Use(known.binding, min(known.since, now), min(known.at, now), not_after(known.networks, now))


def is_late(known: Use, seen: Observation) -> bool:
    """Tell whether an act was done before the session was bound as it is."""
    return seen.at < known.since - _LATE_S


def find(known: Use, seen: Observation, program: str) -> Finding | None:
    """Weigh what changed within a session since its owner proved themselves in it."""
    before = known.binding
    if is_late(known, seen):
        return None
    if before.program == program and before.device == seen.device and seen.network in known.networks:
        return None
    client, network = _client_changes(before, seen, program), _network_changes(known, seen)
    factor = _PROVED if seen.device and seen.device == before.device else 1.0
    weight = sum([item[0] for item in client]) + factor * sum([item[0] for item in network])
    if weight < _SHOWN:
        return None
    if any(item[0] >= _MATERIAL for item in client):
        name = REPLAY
    else:
        name = HIJACK if any(item[1] == _FAR[1] for item in network) else CHANGE
    words = ", ".join([item[1] for item in (*client, *network)])
    return Finding(name, min(MOST, weight), f"what changed in this session: {words}")


def _client_changes(known: Binding, seen: Observation, program: str) -> tuple[Change, ...]:
    changes: tuple[Change, ...] = ()
    if known.device and seen.device != known.device:
        changes = (_DEVICE_CHANGED if seen.device else _DEVICE_GONE,)
    if program == known.program or not known.program:
        return changes
    if not program:
        return (*changes, _SILENT)
    browser, system = family(seen.agent.browser), family(seen.agent.system)
    if not (browser and system and known.browser and known.system):
        return (*changes, _UNREADABLE)
    if system != known.system or seen.agent.kind != known.kind:
        return (*changes, _SYSTEM)
    return (*changes, _PROGRAM if browser != known.browser else _UPDATED)


def _network_changes(use: Use, seen: Observation) -> tuple[Change, ...]:
    if seen.network in use.networks or not seen.network:
        return ()
    known, place, traits = use.binding, seen.place, seen.traits
    changes: tuple[Change, ...] = (_NETWORK,)
    if place.country and known.country and place.country != known.country:
        changes = (_COUNTRY,)
    elif place.asn and known.asn and place.asn != known.asn:
        changes = (_OPERATOR,)
    is_fluid = known.is_fluid or traits.is_mobile or traits.is_vpn or traits.is_shared
    factor = _EGRESS if is_fluid else 1.0
    if (traits.is_tor or traits.is_hosting) and not known.is_anonymous and not traits.is_vpn:
        changes = (*changes, _ANONYMOUS)
    age_s = seen.at - use.at
    if age_s <= _HIJACK_S and _distance_km(known, seen) > _HIJACK_KM:
        changes = (*changes, _FAR)
    elif age_s <= _AT_ONCE_S:
        changes = (*changes, _AT_ONCE)
    return tuple([(factor * weight, words) for weight, words in changes]) if is_fluid else changes


def _distance_km(known: Binding, seen: Observation) -> float:
    place = seen.place
    if known.radius_km < 0 or place.latitude is None or place.longitude is None:
        return 0.0
    straight = great_circle_km(known.latitude, known.longitude, place.latitude, place.longitude)
    return effective_km(straight, known.radius_km, place.radius_km or 0.0)


def _binding(given: Any) -> Binding:
    device, program, browser, system, kind, country, *rest = given
    asn, latitude, longitude, radius_km, is_fluid, is_anonymous = rest
    return Binding(
        device=stored.text(device),
        program=stored.text(program),
        browser=stored.text(browser),
        system=stored.text(system),
        kind=stored.text(kind),
        country=stored.text(country),
        asn=int(stored.number(asn)),
        latitude=stored.number(latitude),
        longitude=stored.number(longitude),
        radius_km=stored.number(radius_km),
        is_fluid=is_fluid is True,
        is_anonymous=is_anonymous is True,
    )
