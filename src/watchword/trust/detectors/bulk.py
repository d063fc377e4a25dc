"""How often each kind of thing is asked for within an hour, against the account's own rate.

Counts are Poisson, the rate Gamma distributed: learned hour by hour, never believed beyond a few hours' worth, for
people work in bursts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from watchword.trust.detectors import stored
from watchword.trust.detectors.surprise import surprise
from watchword.trust.observation import Finding

INDICATOR = "bulk_read"
HOUR_S = 3600.0
_MOST_KINDS = 24
# What has no room among them; no kind is called that.
_OTHERS = ""
# Before anything is known: twenty an hour, as sure as two occurrences make it.
_PRIOR_COUNT, _PRIOR_HOURS = 2.0, 0.1
_KEPT = 0.97
# Bursts: however long the history, the rate counts as if known from so many occurrences.
_CERTAINTY = 3.0
_KNOWN_HOURS = 8.0
_SURPRISING = 7.0
_EACH = 0.5
_SHOWN = 0.3
# Prevents: one harvest becoming the usual rate.
_TAUGHT = 3.0
MOST = 4.0
MOST_COLD = 1.0


class Rate(NamedTuple):
    """One kind of thing.

    Attributes:
        hour: the hour that is going on; `number` in it, `taught` of those what a second factor vouches for.
        shape: of the Gamma distribution, beyond its prior; `hours` likewise.
    """

    hour: int = 0
    number: float = 0.0
    taught: float = 0.0
    shape: float = 0.0
    hours: float = 0.0


_NEVER = Rate()
_NONE: Mapping[str, Rate] = MappingProxyType({})


class Rates(NamedTuple):
    """The kinds of things one account asks for."""

    kinds: Mapping[str, Rate] = _NONE

    @classmethod
    def parse(cls, given: Any) -> Rates:
        """Read what was stored."""
        (kinds,) = given
        if len(kinds) > _MOST_KINDS + 1:
            raise ValueError("too many kinds")
        return cls({stored.text(kind): _rate(rate) for kind, rate in kinds.items()})


def fold(known: Rates, kind: str, at: float, *, is_verified: bool) -> Rates:
    """Count one thing that was given; only what a second factor vouches for becomes usual."""
    hour = int(at // HOUR_S)
    kinds = dict(known.kinds)
    if kind not in kinds and len(kinds.keys() - {_OTHERS}) >= _MOST_KINDS:
        # Prevents: made-up kinds crowding out the habits; what has the least history goes first.
        lightest = min(kinds.keys() - {_OTHERS}, key=lambda name: (kinds[name].hours, kinds[name].hour, name))
        # Prevents: two kinds asked for in turn, each of which makes the other be forgotten, never being many.
        if kinds[lightest].hour < hour:
            del kinds[lightest]
        else:
            kind = _OTHERS
    rate = _turned(kinds.get(kind, _NEVER), hour)
    if rate.hour > hour:
        return known
    kinds[kind] = Rate(hour, rate.number + 1, rate.taught + is_verified, rate.shape, rate.hours)
    return Rates(kinds)


def turned_back(known: Rates, now: float) -> Rates:
    """Let hours that went on in the future go on now; what is usual stays."""
    hour = int(now // HOUR_S)
    return Rates({kind: rate._replace(hour=min(rate.hour, hour)) for kind, rate in known.kinds.items()})


def find(known: Rates, kind: str, at: float) -> Finding | None:
    """Judge the hour that goes on, with the act itself in it."""
    rate = known.kinds.get(kind) or known.kinds.get(_OTHERS, _NEVER)
    what = "one kind" if kind in known.kinds else "kinds that are new to this account"
    count = rate.number if rate.hour == int(at // HOUR_S) else 0.0
    shape, hours = rate.shape + _PRIOR_COUNT, rate.hours + _PRIOR_HOURS
    usual = shape / hours
    if count <= usual:
        return None
    value = _EACH * (surprise(count, usual, min(_CERTAINTY, shape)) - _SURPRISING)
    if value < _SHOWN:
        return None
    most = MOST if rate.hours >= _KNOWN_HOURS else MOST_COLD
    return Finding(INDICATOR, min(most, value), f"{count:.0f} of {what} within the hour; usual are {usual:.0f}")


def _turned(rate: Rate, hour: int) -> Rate:
    if hour <= rate.hour:
        return rate
    if rate.taught <= 0:
        return Rate(hour, 0.0, 0.0, rate.shape, rate.hours)
    most = _TAUGHT * (rate.shape + _PRIOR_COUNT) / (rate.hours + _PRIOR_HOURS)
    return Rate(hour, 0.0, 0.0, _KEPT * rate.shape + min(rate.taught, most), _KEPT * rate.hours + 1.0)


def _rate(given: Any) -> Rate:
    hour, *rest = given
    number, taught, shape, hours = [max(0.0, stored.number(item)) for item in rest]
    return Rate(int(stored.number(hour)), number, taught, shape, hours)
