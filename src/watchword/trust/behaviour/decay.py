"""Lazy decay: what is newer weighs more from the start, so that nothing has to be reduced later.

The weight of an event doubles with every half-life of the day it belongs to (forward decay). Weights are whole
numbers, so that counters add up to the same sum in whatever order the events come. Whoever reads a counter divides it
by the weight of today.

Source: Cormode, Shkapenyuk, Srivastava, Xu, "Forward Decay: A Practical Time Decay Model", ICDE 2009.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp2

HALF_LIFE_DAYS = 90
DAY_S = 86_400
_EPOCH_DAY = 18_262  # 2020-01-01
_ONE = 64  # the weight of an event on that day; before it every event weighs at least 1
# Prevents: a date far in the future making numbers without bound; 250 half-lives are sixty years.
_MOST_HALF_LIVES = 250.0


@lru_cache(maxsize=4096)
def weight_of(day: int) -> int:
    """Return what one event of that day (since 1970, UTC) weighs; at least 1."""
    half_lives: float = min(_MOST_HALF_LIVES, (day - _EPOCH_DAY) / HALF_LIFE_DAYS)
    return max(1, round(_ONE * exp2(half_lives)))


def day_of(at: float) -> int:
    """Return the day, since 1970 and in UTC, that a time belongs to."""
    return int(at // DAY_S)
