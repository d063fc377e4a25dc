"""What is usual for one user, device or network: decayed counters, bounded, folded in any order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from watchword.trust.behaviour.chains import level_of, parent_of

# Bounds of one profile. What weighs least goes first.
MOST_KEYS = 120
_KEPT_KEYS = 108  # after an eviction, so that the next ones need none
MOST_IDS = 32
# Events may come this many days out of order.
LATE_DAYS = 2
# The poisoning guard: of one value this much is learned in a day, and of one chain this many new values.
A_DAY = 2
NEW_A_DAY = 6


class LastPlace(NamedTuple):
    """The newest verified place with a position; compares by time first."""

    at: float
    latitude: float
    longitude: float
    radius_km: float
    words: str


@dataclass(slots=True)
class BehaviourProfile:
    """Counters of one user; learns in place, is read without being changed.

    Attributes:
        totals: weight of each key, decayed lazily: divide by `weight_of(today)`.
        under: sum of the totals of the keys one step finer.
        distinct: number of keys at each level, such as `n1` for countries.
        days: how often each key was learned on each of the newest days.
        ids: digests of the newest events learned, with their times.
        learned: how many events were learned, undecayed.
        last_place: where the newest of them came from.
    """

    totals: dict[str, int] = field(default_factory=dict)
    under: dict[str, int] = field(default_factory=dict)
    distinct: dict[str, int] = field(default_factory=dict)
    days: dict[int, dict[str, int]] = field(default_factory=dict)
    ids: dict[int, int] = field(default_factory=dict)
    learned: int = 0
    last_place: LastPlace | None = None

    def derive(self) -> None:
        """Compute `under` and `distinct` anew from `totals`."""
        self.under, self.distinct = {}, {}
        for key, total in self.totals.items():
            parent, level = parent_of(key), level_of(key)
            self.under[parent] = self.under.get(parent, 0) + total
            self.distinct[level] = self.distinct.get(level, 0) + 1

    @property
    def version(self) -> int:
        """Count what was learned."""
        return self.learned
