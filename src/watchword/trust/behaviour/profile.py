"""What is usual for one user: decayed counters, bounded, folded in any order, and guarded against being taught lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nsmallest
from typing import NamedTuple

from watchword.trust.behaviour.chains import DAY_CIRCLE, HOURS, LEVELS, WEEK_CIRCLE, WEEKDAYS, Path, level_of, parent_of
from watchword.trust.behaviour.decay import DAY_S, day_of, is_of_one_day, weight_of

# Bounds of one profile; what weighs least goes first, and with some room, so that the next key needs no eviction.
MOST_KEYS = 112
_ROOM = 8
MOST_IDS = 24
ID_BITS = 32  # of an event's number: a digest of its name, below the second it happened in
# Events may come this many days out of order.
LATE_DAYS = 2
# The poisoning guard: one value is learned twice a day, and new values only while the day has this many in all.
A_DAY = 2
VALUES_A_DAY = 48


def is_new(weight: int, doubted: int) -> bool:
    """Tell whether a value was never learned, or on a single day where that is not enough.

    Args:
        doubted: up to this weight it matters on how many days.
    """
    return weight <= doubted and is_of_one_day(weight, A_DAY)


class LastPlace(NamedTuple):
    """The newest verified place where the user certainly was; compares by time first."""

    at: float
    latitude: float
    longitude: float
    radius_km: float
    words: str


Step = tuple[str, str, str, bool]  # level, parent, key, whether the key is new


@dataclass(slots=True)
class BehaviourProfile:
    """Counters of one user; learns in place, is read without being changed.

    Attributes:
        totals: weight of each key, decayed lazily: divide by `weight_of(today)`.
        under: sum of the totals of the keys one step finer.
        distinct: number of keys at each level, such as `n1` for countries.
        days: how often each key was learned on each of the newest days.
        ids: the newest events that were learned, oldest first.
        learned: how many events were learned, undecayed.
        last_place: where the newest of them certainly came from.
        circles: sums of cosine and sine over the day and over the week, in units of `UNIT`.
    """

    totals: dict[str, int] = field(default_factory=dict)
    under: dict[str, int] = field(default_factory=dict)
    distinct: dict[str, int] = field(default_factory=dict)
    days: dict[int, dict[str, int]] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)
    learned: int = 0
    last_place: LastPlace | None = None
    circles: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    @property
    def version(self) -> int:
        """Count what was learned."""
        return self.learned

    def weight_on(self, day: int) -> int:
        """Return what one event weighs in these counters on a day.

        Habits fade with what is done since, not with silence: whoever comes twice a year is the same person with the
        same home, and two events are no less than two for being old.
        """
        return weight_of(min(day, (self.ids[-1] >> ID_BITS) // DAY_S)) if self.ids else weight_of(day)

    def count(self, path: Path, day: int, counted: list[Step]) -> None:
        """Count one path as seen on a day, and add the steps that the guard let through to `counted`."""
        today = self.days[day]
        # INVARIANT: a coarser key was counted whenever a finer one was, so where the finest is full, all are.
        if today.get(path[-1], 0) >= A_DAY:
            return
        totals, weight = self.totals, weight_of(day)
        parent = path[0]
        levels = LEVELS[parent]
        for depth in range(1, len(path)):
            key = path[depth]
            times = today.get(key, 0)
            # Prevents: two hundred events that look verified, from one place, making it the usual one.
            if times < A_DAY:
                total = totals.get(key)
                # Prevents: two hundred events that look verified, from two hundred places, in one afternoon.
                if total is None and len(today) >= VALUES_A_DAY:
                    return
                today[key] = times + 1
                totals[key] = weight if total is None else total + weight
                self.under[parent] = self.under.get(parent, 0) + weight
                if total is None:
                    self.distinct[levels[depth]] = self.distinct.get(levels[depth], 0) + 1
                counted.append((levels[depth], parent, key, total is None))
            parent = key

    def count_time(self, hour: int, weekday: int, day: int, counted: list[Step]) -> None:
        """Count the time of an event in the user's own day and week."""
        before = len(counted)
        self.count(("h", HOURS[hour]), day, counted)
        if len(counted) > before:
            self._turn(0, DAY_CIRCLE[hour], weight_of(day))
        before = len(counted)
        self.count(("w", WEEKDAYS[weekday]), day, counted)
        if len(counted) > before:
            self._turn(2, WEEK_CIRCLE[weekday], weight_of(day))

    def _turn(self, at: int, point: tuple[int, int], weight: int) -> None:
        self.circles[at] += point[0] * weight
        self.circles[at + 1] += point[1] * weight

    def open_day(self, day: int) -> bool:
        """Make ready to count a day's events; tell whether that is not too late."""
        if day in self.days:
            return True
        newest = max(self.days, default=day)
        if day < newest - LATE_DAYS:
            return False
        for old in [old for old in self.days if old < max(day, newest) - LATE_DAYS]:
            del self.days[old]
        self.days[day] = {}
        return True

    def turn_back(self, now: float) -> None:
        """Let go of what was learned under a clock that ran ahead, where it would keep the present from being learned.

        # Prevents: an hour of a clock in next year making every event until then come too late.
        """
        latest = int(now) + 1 << ID_BITS
        self.ids = [event for event in self.ids if event < latest]
        self.days = {day: counts for day, counts in self.days.items() if day <= day_of(now)}
        if self.last_place is not None and self.last_place.at > now:
            self.last_place = None

    def forget(self) -> None:
        """Drop what is past its bound: the oldest events, the lightest keys."""
        del self.ids[:-MOST_IDS]
        if len(self.totals) > MOST_KEYS:
            self._evict(len(self.totals) - MOST_KEYS + _ROOM)

    def _evict(self, number: int) -> None:
        # Only keys without finer ones go, so that sums stay sums; a coarse one goes after its last fine one.
        leaves = [(total, key) for key, total in self.totals.items() if not self.under.get(key)]
        for total, key in nsmallest(number, leaves):
            del self.totals[key]
            parent, level = parent_of(key), level_of(key)
            self.distinct[level] -= 1
            self.under[parent] -= total
            if not self.under[parent]:
                del self.under[parent]

    def derive(self) -> None:
        """Compute `under` and `distinct` anew from `totals`."""
        self.under, self.distinct = {}, {}
        for key, total in self.totals.items():
            parent, level = parent_of(key), level_of(key)
            self.under[parent] = self.under.get(parent, 0) + total
            self.distinct[level] = self.distinct.get(level, 0) + 1
        self.circles = [0, 0, 0, 0]
        for at, keys, circle in ((0, HOURS, DAY_CIRCLE), (2, WEEKDAYS, WEEK_CIRCLE)):
            for key, point in zip(keys, circle, strict=True):
                self._turn(at, point, self.totals.get(key, 0))


def merge(first: BehaviourProfile, second: BehaviourProfile) -> BehaviourProfile:
    """Return what one profile would have learned from both profiles' events; in whichever order they are given.

    The two must have learned different events: each replica keeps and stores what it learned itself, and they are
    merged to be read. As long as nothing was evicted, the result is the profile of all events together; the limits of
    a day hold over both if they are no more than two days apart.
    """
    merged = BehaviourProfile(
        totals=_added(first.totals, second.totals),
        ids=sorted({*first.ids, *second.ids}),
        learned=first.learned + second.learned,
        last_place=max(filter(None, (first.last_place, second.last_place)), default=None),
    )
    for day in sorted(second.days.keys() | first.days.keys()):
        _limit(merged, day, first.days.get(day, {}), second.days.get(day, {}))
    merged.derive()
    merged.forget()
    return merged


def _limit(merged: BehaviourProfile, day: int, first: dict[str, int], second: dict[str, int]) -> None:
    # Prevents: the guard's limit growing with the number of replicas.
    both = {key: times + second.get(key, 0) for key, times in {**dict.fromkeys(second, 0), **first}.items()}
    for key, times in both.items():
        if key in merged.totals and times > A_DAY:
            merged.totals[key] -= (times - A_DAY) * weight_of(day)
    if merged.open_day(day):
        merged.days[day] = {key: min(A_DAY, times) for key, times in both.items()}


def _added(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    return {**first, **{key: first.get(key, 0) + total for key, total in second.items()}}
