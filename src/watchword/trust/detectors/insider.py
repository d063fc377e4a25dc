"""An insider out of the peer group: things within one day that others of the group do not use."""

from __future__ import annotations

from typing import Any, NamedTuple

from watchword.trust.detectors import fading, newest, stored
from watchword.trust.detectors.fading import NOTHING, Fading, counted, worth
from watchword.trust.detectors.newest import NONE, Newest, noted
from watchword.trust.detectors.surprise import surprise
from watchword.trust.observation import Finding

INDICATOR = "insider"
DAY_S = 86_400.0
NEW_S = 5 * DAY_S
_MONTH_S = 30 * DAY_S
_MOST = 16
_USUAL, _CERTAINTY = 0.5, 2.0
_SURPRISING = 2.0
_EACH = 0.9
_SHOWN = 0.3
MOST = 5.0


class Strays(NamedTuple):
    """What one account asked for that others of its group do not use.

    Attributes:
        kinds: those that are new to the account itself, each since when.
        today: those of the last day, new or not, each when it was first asked for.
        usual: how many a day, fading over a month.
    """

    kinds: Newest = NONE
    today: Newest = NONE
    usual: Fading = NOTHING

    @classmethod
    def parse(cls, given: Any) -> Strays:
        """Read what was stored."""
        kinds, today, usual = given
        return cls(stored.newest(kinds, most=_MOST), stored.newest(today, most=_MOST), stored.fading(usual))


def is_new(known: Strays, kind: str, now: float) -> bool:
    """Tell whether a kind that others do not use was first asked for a few days ago at most."""
    return now - known.kinds.get(kind, 0.0) < NEW_S


def fold(known: Strays, kind: str, at: float, *, is_own: bool) -> Strays:
    """Count a kind that others do not use, once a day.

    Args:
        is_own: the account asked for it before.
    """
    kinds = known.kinds if is_own or is_new(known, kind, at) else noted(known.kinds, kind, at, most=_MOST)
    if at - known.today.get(kind, 0.0) < DAY_S:
        return known if kinds is known.kinds else known._replace(kinds=kinds)
    return Strays(kinds, noted(known.today, kind, at, most=_MOST), counted(known.usual, at, over_s=_MONTH_S))


def turned_back(known: Strays, now: float) -> Strays:
    """Let what was asked for in the future have been asked for now."""
    return Strays(
        newest.not_after(known.kinds, now), newest.not_after(known.today, now), fading.not_after(known.usual, now)
    )


def find(known: Strays, now: float, group: str) -> Finding | None:
    """Judge how many different ones there were within a day, by how many are usual for the account."""
    today = sum([-DAY_S < now - at < DAY_S for at in known.today.values()])
    past = max(0.0, worth(known.usual, now, over_s=_MONTH_S) - today)
    value = _EACH * (surprise(today, _USUAL + past / 20.0, _CERTAINTY) - _SURPRISING)
    if value < _SHOWN:
        return None
    return Finding(
        INDICATOR, min(MOST, value), f"{today} kinds of things within a day that others in `{group}` do not use"
    )
