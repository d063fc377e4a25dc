"""Lateral movement: applications an account never used, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from watchword.trust.detectors import fading, newest, stored
from watchword.trust.detectors.fading import NOTHING, Fading, counted, worth
from watchword.trust.detectors.newest import NONE, Newest, noted
from watchword.trust.detectors.surprise import surprise
from watchword.trust.observation import Finding

INDICATOR = "lateral_movement"
WINDOW_S = 3600.0
_MONTH_S = 30 * 86_400.0
_MOST_KNOWN, _MOST_TRIED = 64, 32
# Where the others of the group are at home anyway, a first visit is worth a part of one.
FAMILIAR_TO_PEERS = 0.35
# A closed door that was never tried before says more than an open one.
_REFUSED = 0.4
_USUAL, _CERTAINTY = 0.3, 1.5
_SURPRISING = 1.5
_EACH = 1.0
_SHOWN = 0.3
# An account that has used little so far finds everything new.
_SETTLED_S = 3 * 86_400.0
MOST = 5.5
MOST_COLD = 1.0

_NONE: Mapping[str, tuple[float, float]] = MappingProxyType({})


class Edges(NamedTuple):
    """The applications of one account.

    Attributes:
        known: those it was let in to, each with the newest time.
        tried: new ones, each with its first time and what it is worth.
        usual: how many new ones there were, fading over a month.
        since: when the account was first let in anywhere; 0 for never.
    """

    known: Newest = NONE
    tried: Mapping[str, tuple[float, float]] = _NONE
    usual: Fading = NOTHING
    since: float = 0.0

    @classmethod
    def parse(cls, given: Any) -> Edges:
        """Read what was stored."""
        known, tried, usual, since = given
        if len(tried) > _MOST_TRIED:
            raise ValueError("too many applications")
        return cls(
            stored.newest(known, most=_MOST_KNOWN),
            {stored.text(name): (stored.number(at), stored.number(value)) for name, (at, value) in tried.items()},
            stored.fading(usual),
            stored.number(since),
        )


def is_new(known: Edges, application: str, now: float) -> bool:
    """Tell whether the account has no habit of this application: never let in, or for the first time just now."""
    return application not in known.known or now - known.tried.get(application, (0.0, 0.0))[0] < WINDOW_S


def tried(known: Edges, application: str, at: float, *, is_refused: bool, is_familiar: bool) -> Edges:
    """Note a first visit, whether or not it was let in.

    Args:
        is_familiar: others of the account's group use the application.
    """
    value = (FAMILIAR_TO_PEERS if is_familiar else 1.0) + (_REFUSED if is_refused else 0.0)
    before = known.tried.get(application)
    if before is not None and abs(at - before[0]) < WINDOW_S:
        first = (min(before[0], at), max(before[1], value))
        return known if first == before else known._replace(tried={**known.tried, application: first})
    kept = {**known.tried, application: (at, value)}
    if len(kept) > _MOST_TRIED:
        del kept[min(kept, key=lambda name: (kept[name][0], name))]
    # Prevents: whoever is refused at the same door every hour making many new doors usual.
    is_another = before is None or at - before[0] >= _MONTH_S
    return known._replace(tried=kept, usual=counted(known.usual, at, over_s=_MONTH_S) if is_another else known.usual)


def used(known: Edges, application: str, at: float) -> Edges:
    """Note that the account was let in, vouched for by a second factor."""
    if known.since and abs(at - known.known.get(application, 0.0)) < WINDOW_S:
        return known
    return known._replace(known=noted(known.known, application, at, most=_MOST_KNOWN), since=min(known.since or at, at))


def turned_back(known: Edges, now: float) -> Edges:
    """Let visits in the future have been made now."""
    return Edges(
        newest.not_after(known.known, now),
        {name: (min(at, now), value) for name, (at, value) in known.tried.items()},
        fading.not_after(known.usual, now),
        min(known.since, now),
    )


def find(known: Edges, application: str, now: float) -> Finding | None:
    """Judge a visit to a new application by how many were tried within an hour, and how many are usual."""
    if now - known.tried.get(application, (0.0, 0.0))[0] >= WINDOW_S:
        return None
    values = [value for at, value in known.tried.values() if -WINDOW_S < now - at < WINDOW_S]
    past = max(0.0, worth(known.usual, now, over_s=_MONTH_S) - len(values))
    value = _EACH * (surprise(sum(values), _USUAL + past / 40.0, _CERTAINTY) - _SURPRISING)
    if value < _SHOWN:
        return None
    most = MOST if known.since and now - known.since >= _SETTLED_S else MOST_COLD
    return Finding(
        INDICATOR, min(most, value), f"{len(values)} applications within the hour that are new to this account"
    )
