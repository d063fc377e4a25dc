"""Tell whether the disk is quick enough for the event loop to wait for it."""

from __future__ import annotations

# Handing a group to a thread and back costs about half a millisecond of everybody's time; measured on two cores, where
# the whole of a group took 0.2 ms.
_QUICK_S = 0.001
_WEIGHT = 1 / 8
_PAUSE_S = 10.0


class Pace:
    """Follow how long the disk takes, on average over the last dozen groups.

    A disk that is slow is left to a thread for ten seconds, then tried again. One that takes 8 ms once in a while is
    slow after the first time; so nobody waits for a slow disk but for a moment every ten seconds.
    """

    def __init__(self) -> None:
        self._mean_s = 0.0
        self._slow_until = float("-inf")

    def is_quick(self, now_s: float) -> bool:
        """Tell whether the event loop may wait; `now_s` is monotonic."""
        return now_s >= self._slow_until

    def note(self, took_s: float, now_s: float) -> None:
        """Take note of how long a group took while the event loop waited."""
        self._mean_s += (took_s - self._mean_s) * _WEIGHT
        if self._mean_s > _QUICK_S:
            self._mean_s = 0.0
            self._slow_until = now_s + _PAUSE_S
