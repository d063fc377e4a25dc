"""Lazy decay: what is newer weighs more from the start, so that nothing has to be reduced later.

The weight of an event doubles with every half-life of the day it belongs to (forward decay). Weights are whole
numbers, so that counters add up to the same sum in whatever order the events come. Whoever reads a counter divides it
by the weight of today.

Source: Cormode, Shkapenyuk, Srivastava, Xu, "Forward Decay: A Practical Time Decay Model", ICDE 2009.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp2, log2

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


@lru_cache(maxsize=4096)
def is_of_one_day(total: int, most: int) -> bool:
    """Tell whether a total is what a single day taught: none or up to `most` events of that day.

    The weights of two days add up to those of no third, so a sum tells by itself, and no days are kept beside it. The
    exceptions are cautious: two events and, a half-life later to the day, one more weigh what two of that day do; and
    weights of days before 2023 are too small to tell more than that there were more than `most`.
    """
    return total <= 0 or any(
        times * weight_of(_EPOCH_DAY + round(HALF_LIFE_DAYS * log2(total / times / _ONE))) == total
        for times in range(1, most + 1)
    )


def day_of(at: float) -> int:
    """Return the day, since 1970 and in UTC, that a time belongs to."""
    return int(at // DAY_S)
