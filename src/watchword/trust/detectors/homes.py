"""The networks from which an account proved itself, long enough ago to count as its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from watchword.trust.detectors import stored

_MOST = 12
# As for usual places, docs/adr/0011: one good sign-in makes no network somebody's own.
SETTLED_S = 12 * 3600.0
_FORGOTTEN_S = 90 * 86_400.0

_NONE: Mapping[str, tuple[float, float]] = MappingProxyType({})


class Homes(NamedTuple):
    """First and newest verified time of each network."""

    networks: Mapping[str, tuple[float, float]] = _NONE

    @classmethod
    def parse(cls, given: Any) -> Homes:
        """Read what was stored."""
        (networks,) = given
        if len(networks) > _MOST:
            raise ValueError("too many networks")
        return cls(
            {
                stored.text(network): (stored.number(first), stored.number(last))
                for network, (first, last) in networks.items()
            }
        )


def fold(known: Homes, network: str, at: float) -> Homes:
    """Note that the account proved itself from there with more than a password."""
    first, last = known.networks.get(network, (at, at))
    if first <= at <= last and network in known.networks:
        return known
    kept = {**known.networks, network: (min(first, at), max(last, at))}
    if len(kept) > _MOST:
        # What was proved once goes before what was proved over days, the oldest first.
        del kept[min(kept, key=lambda name: (kept[name][1] - kept[name][0] >= SETTLED_S, kept[name][1], name))]
    return Homes(kept)


def is_home(known: Homes, network: str, now: float) -> bool:
    """Tell whether the account proved itself from there half a day ago or earlier, and not only in another life."""
    times = known.networks.get(network)
    return times is not None and now - times[0] >= SETTLED_S and now - times[1] <= _FORGOTTEN_S
