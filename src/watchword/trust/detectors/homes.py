"""The networks and programs with which an account proved itself, long enough ago to count as its own."""

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
    """First and newest verified time of each network, or of each program."""

    known: Mapping[str, tuple[float, float]] = _NONE

    @classmethod
    def parse(cls, given: Any) -> Homes:
        """Read what was stored."""
        (times,) = given
        if len(times) > _MOST:
            raise ValueError("too many homes")
        return cls(
            {stored.text(name): (stored.number(first), stored.number(last)) for name, (first, last) in times.items()}
        )


def fold(known: Homes, name: str, at: float) -> Homes:
    """Note that the account proved itself there with more than a password."""
    first, last = known.known.get(name, (at, at))
    if first <= at <= last and name in known.known:
        return known
    kept = {**known.known, name: (min(first, at), max(last, at))}
    if len(kept) > _MOST:
        # What was proved once goes before what was proved over days, the oldest first.
        del kept[min(kept, key=lambda key: (kept[key][1] - kept[key][0] >= SETTLED_S, kept[key][1], key))]
    return Homes(kept)


def is_home(known: Homes, name: str, now: float) -> bool:
    """Tell whether the account proved itself there half a day ago or earlier, and not only in another life."""
    times = known.known.get(name)
    return times is not None and now - times[0] >= SETTLED_S and now - times[1] <= _FORGOTTEN_S
