"""What is usual for everybody together: the background that one user's habits are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import nsmallest

from watchword.trust.behaviour.chains import NO_DEVICE, parent_of
from watchword.trust.behaviour.company import Companies, merge_companies
from watchword.trust.behaviour.profile import Step

MOST_KEYS = 100_000
_EVICTED_SHARE = 10
_MOST_DEVICES = 50_000
_MOST_NETWORKS = 50_000
# Of one user alone nearly always, so not counted for everybody; who else uses a device is counted apart.
_ADDRESS, _DEVICE = "n4", "d1"


@dataclass(slots=True)
class Population:
    """Counters of all users of an organisation; each user adds at most what their own profile learned.

    Attributes:
        totals: as in a profile.
        under: as in a profile.
        distinct: sums over all users of the number of keys at each level.
        learned: how many events were learned.
        users: how many users taught it.
        devices: who else was verified with a device key.
        networks: who else was verified in a /24 or /48.
    """

    totals: dict[str, int] = field(default_factory=dict)
    under: dict[str, int] = field(default_factory=dict)
    distinct: dict[str, int] = field(default_factory=dict)
    learned: int = 0
    users: int = 0
    devices: Companies = field(default_factory=lambda: Companies(_MOST_DEVICES))
    networks: Companies = field(default_factory=lambda: Companies(_MOST_NETWORKS))

    @property
    def version(self) -> int:
        """Count what was learned."""
        return self.learned

    def count(self, steps: Sequence[Step], weight: int) -> None:
        """Count what one user's profile has counted."""
        for level, parent, key, is_new in steps:
            if is_new:
                self.distinct[level] = self.distinct.get(level, 0) + 1
            if level == _ADDRESS:
                continue
            self.under[parent] = self.under.get(parent, 0) + weight
            if level != _DEVICE or key == NO_DEVICE:
                self.totals[key] = self.totals.get(key, 0) + weight
        if len(self.totals) > MOST_KEYS:
            self._evict(len(self.totals) // _EVICTED_SHARE)

    def _evict(self, number: int) -> None:
        leaves = [(total, key) for key, total in self.totals.items() if not self.under.get(key)]
        for total, key in nsmallest(number, leaves):
            del self.totals[key]
            parent = parent_of(key)
            self.under[parent] -= total
            if not self.under[parent]:
                del self.under[parent]


def merge_populations(first: Population, second: Population) -> Population:
    """Return the population of both, in whichever order they are given; they must have learned different events."""
    merged = Population(learned=first.learned + second.learned, users=first.users + second.users)
    for part in (first, second):
        for mine, theirs in (
            (merged.totals, part.totals),
            (merged.under, part.under),
            (merged.distinct, part.distinct),
        ):
            for key, value in theirs.items():
                mine[key] = mine.get(key, 0) + value
    merged.devices = merge_companies(first.devices, second.devices)
    merged.networks = merge_companies(first.networks, second.networks)
    return merged
