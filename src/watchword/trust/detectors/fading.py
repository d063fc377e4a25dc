"""A count that fades: folded in any order it comes to the same."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

_MOST = 1_000_000.0


class Fading(NamedTuple):
    """A sum of weights, each of which has faded since its time.

    Attributes:
        weight: the sum at `at`.
        at: the newest time that was counted; seconds since 1970.
    """

    weight: float = 0.0
    at: float = 0.0


NOTHING = Fading()


def counted(known: Fading, at: float, *, over_s: float, weight: float = 1.0) -> Fading:
    """Add a weight that was put down at that time; late ones count for what is left of them."""
    newest = max(known.at, at)
    return Fading(min(_MOST, worth(known, newest, over_s=over_s) + weight * exp((at - newest) / over_s)), newest)


def worth(known: Fading, now: float, *, over_s: float) -> float:
    """Return what is left: a weight loses all but a third in `over_s` seconds, and never grows."""
    return known.weight * exp(-max(0.0, now - known.at) / over_s)


def not_after(known: Fading, now: float) -> Fading:
    """Let what was counted in the future have been counted now."""
    return Fading(known.weight, min(known.at, now))
