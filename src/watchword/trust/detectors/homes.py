"""The networks and programs with which an account proved itself, long enough ago to count as its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from watchword.trust.detectors import stored

_MOST = 12
# As for usual places, docs/adr/0011: a second factor counts at once, a password alone from the fourth time on, and
# nothing within half a day.
_PROVED, _SIGNED_IN, _ENOUGH, _MOST_WEIGHT = 4.0, 1.0, 4.0, 100.0
SETTLED_S = 12 * 3600.0
_FORGOTTEN_S = 90 * 86_400.0


class Times(NamedTuple):
    """First and newest time of one network or program, and how much vouches for it."""

    first: float
    last: float
    weight: float


_NONE: Mapping[str, Times] = MappingProxyType({})


class Homes(NamedTuple):
    """An account's networks, or its programs."""

    known: Mapping[str, Times] = _NONE

    @classmethod
    def parse(cls, given: Any) -> Homes:
        """Read what was stored."""
        (times,) = given
        if len(times) > _MOST:
            raise ValueError("too many homes")
        return cls({stored.text(name): _times(item) for name, item in times.items()})


def fold(known: Homes, name: str, at: float, *, is_verified: bool) -> Homes:
    """Note a completed sign-in there."""
    before = known.known.get(name, Times(at, at, 0.0))
    weight = min(_MOST_WEIGHT, before.weight + (_PROVED if is_verified else _SIGNED_IN))
    kept = {**known.known, name: Times(min(before.first, at), max(before.last, at), weight)}
    if len(kept) > _MOST:
        # What was proved once goes before what was proved over days, the oldest first.
        del kept[min(kept, key=lambda key: (_is_settled(kept[key], at), kept[key].last, key))]
    return Homes(kept)


def turned_back(known: Homes, now: float) -> Homes:
    """Let proofs in the future have been given now."""
    return Homes(
        {name: Times(min(first, now), min(last, now), weight) for name, (first, last, weight) in known.known.items()}
    )


def before(known: Homes, since: float) -> Homes:
    """Forget what was proved for the first time since then."""
    return Homes({name: times for name, times in known.known.items() if times.first < since})


def is_home(known: Homes, name: str, now: float) -> bool:
    """Tell whether the account proved itself there half a day ago or earlier, and not only in another life."""
    times = known.known.get(name)
    return times is not None and _is_settled(times, now) and now - times.last <= _FORGOTTEN_S


def _is_settled(times: Times, now: float) -> bool:
    return times.weight >= _ENOUGH and now - times.first >= SETTLED_S


def _times(given: Any) -> Times:
    first, last, weight = given
    return Times(stored.number(first), stored.number(last), max(0.0, stored.number(weight)))
