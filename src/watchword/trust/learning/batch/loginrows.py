"""A night's log-ins in little room: about 400 bytes each, and drift from a sample of them."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final, overload

from watchword.trust.learning.batch.drift import Drift, drift, settled
from watchword.trust.learning.replaying import Scored

_MOST_COMPARED: Final = 20_000  # log-ins; of more a sample, for what each indicator said takes 2 KB
Head = tuple[str, str, float, float]  # identifier, user, time and log-odds of a log-in


class LogIns(Sequence[Sequence[float]]):
    """The features of log-ins by row, in single precision as trees are grown; and whose each was.

    Args:
        places: of the features that are kept, among all.
    """

    def __init__(self, places: Sequence[int], *, seed: int) -> None:
        self._places = places
        self._values = array("f")
        self._heads: list[Head] = []
        self._users: dict[str, str] = {}
        self._chance = Random(seed)  # noqa: S311  # chooses a sample, guards nothing
        self._lasting = 0
        self._sample: list[tuple[int, Mapping[str, float]]] = []

    def add(self, scored: Scored) -> None:
        """Keep one."""
        self._values.extend([scored.features[place] for place in self._places])
        self._heads.append((scored.id, self._users.setdefault(scored.user, scored.user), scored.at, scored.margin))
        if settled([scored]):
            self._compare(scored.values)

    def _compare(self, values: Mapping[str, float]) -> None:
        """Keep a sample in which each is as likely as any other.

        Source: Vitter, Random Sampling with a Reservoir, ACM TOMS 11 (1985), algorithm R.
        """
        number, self._lasting = self._lasting, self._lasting + 1
        if number < _MOST_COMPARED:
            self._sample.append((number, values))
        elif (place := self._chance.randrange(self._lasting)) < _MOST_COMPARED:
            self._sample[place] = (number, values)

    def __len__(self) -> int:
        return len(self._heads)

    @overload
    def __getitem__(self, number: int) -> array[float]: ...
    @overload
    def __getitem__(self, number: slice) -> list[array[float]]: ...
    def __getitem__(self, number: int | slice) -> array[float] | list[array[float]]:
        """Return a row, or several."""
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        width = len(self._places)
        start = number % len(self) * width
        return self._values[start : start + width]

    def head(self, number: int) -> Head:
        """Return identifier, user, time and log-odds of one."""
        return self._heads[number]

    def drifts(self) -> list[Drift]:
        """Compare what indicators said of the newer half with the older."""
        half = self._lasting // 2
        past = [values for number, values in self._sample if number < half]
        return drift(past, [values for number, values in self._sample if number >= half])
