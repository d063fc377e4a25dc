"""Whether indicators still say what they used to: the population stability index of each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite, log, sqrt
from typing import Final

from watchword.trust.learning.replaying import Scored

_BINS: Final = 10
_LEAST: Final = 50
_NEVER_EMPTY: Final = 0.5
# Of a thousand indicators that stay as they are, one moves so far by chance; in standard deviations.
_BY_CHANCE: Final = 3.09
# In log-odds: what moves by less changes no decision, however many small values crossed an edge of a bin.
_MATERIAL: Final = 0.1
_COMPARED: Final = 200
# Habits of newcomers become surer with every sign-in: what that moves is no drift.
_SETTLED: Final = 12


class Stability(StrEnum):
    """What an index means.

    Source: the usual reading in credit scoring, as in Siddiqi, Credit Risk Scorecards (2006), chapter 8.
    """

    STABLE = "stable"  # below 0.1, or moved by less than a tenth of log-odds
    MOVING = "moving"  # below 0.25: look at it
    DRIFTED = "drifted"  # fit again
    UNKNOWN = "unknown"  # too little to say: chance alone makes such an index of so few


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one indicator moved.

    Attributes:
        psi: population stability index; nothing where there is too little to say.
        before: mean of what it said; `after` as well.
        moved: how far its values moved, on average, in log-odds (the first Wasserstein distance).
    """

    indicator: str
    psi: float | None
    stability: Stability
    before: float = 0.0
    after: float = 0.0
    moved: float = 0.0


def drift(past: Sequence[Mapping[str, float]], recent: Sequence[Mapping[str, float]]) -> list[Drift]:
    """Compare what each indicator said in two spans of time; what moved most comes first."""
    names = sorted({name for values in (*past, *recent) for name in values})
    found = [
        _drift(name, [values.get(name, 0.0) for values in past], [values.get(name, 0.0) for values in recent])
        for name in names
    ]
    return sorted(found, key=lambda each: (-(each.psi or 0.0), each.indicator))


def settled(acts: Iterable[Scored]) -> list[Scored]:
    """Leave out the sign-ins of newcomers, and whatever no sign-in of an owner was."""
    return [each for each in acts if each.number >= _SETTLED]


def psi(past: Sequence[float], recent: Sequence[float], *, bins: int = _BINS) -> float:
    """Return the population stability index, over tenths of the past; many equal values share one bin.

    Raises:
        ValueError: one side is empty, or holds what is no number.
    """
    if not past or not recent or not all(map(isfinite, (*past, *recent))):
        raise ValueError("two samples of numbers are needed")
    index, _ = _index(past, recent, bins)
    return index


def _index(past: Sequence[float], recent: Sequence[float], bins: int) -> tuple[float, int]:
    """Return the index, and how many bins anything fell into."""
    ranked = sorted(past)
    edges = sorted({ranked[number * len(ranked) // bins] for number in range(1, bins)})
    # An edge belongs to the bin below it; a heap of equal values, such as 0 for "did not fire", is a bin of its own.
    expected, actual = _counts(past, edges), _counts(recent, edges)
    used = sum(max(pair) > _NEVER_EMPTY for pair in zip(expected, actual, strict=True))
    shares = zip(_shares(expected), _shares(actual), strict=True)
    return sum((b - a) * log(b / a) for a, b in shares), used


def _counts(values: Sequence[float], edges: Sequence[float]) -> list[float]:
    counts = [_NEVER_EMPTY] * (2 * len(edges) + 1)
    for value in values:
        place = bisect_left(edges, value)
        is_edge = place < len(edges) and edges[place] == value
        counts[2 * place + is_edge] += 1
    return counts


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts)
    return [count / total for count in counts]


def _drift(name: str, past: Sequence[float], recent: Sequence[float]) -> Drift:
    if min(len(past), len(recent)) < _LEAST:
        return Drift(name, None, Stability.UNKNOWN)
    (index, bins), moved = _index(past, recent, _BINS), _moved(past, recent)
    stability = _stability(index, moved, _noise(len(past), len(recent), bins))
    return Drift(name, index, stability, sum(past) / len(past), sum(recent) / len(recent), moved)


def _stability(index: float, moved: float, noise: float) -> Stability:
    if index < 0.1 or moved < _MATERIAL:  # noqa: PLR2004  # see `Stability`
        return Stability.STABLE
    if index <= noise:
        return Stability.UNKNOWN
    return Stability.MOVING if index < 0.25 else Stability.DRIFTED  # noqa: PLR2004  # as above


def _noise(past: int, recent: int, bins: int) -> float:
    """Return the index that chance alone hardly exceeds, where nothing has moved.

    Source: Yurdakul and Naranjo, Statistical Properties of the Population Stability Index, Journal of Risk Model
    Validation 14 (2020): the index over 1/n + 1/m is distributed as chi-squared. Its quantile: Wilson and Hilferty,
    PNAS 17 (1931).
    """
    free = max(bins - 1, 1)
    spread = 2.0 / (9.0 * free)
    return float((1.0 / past + 1.0 / recent) * free * (1.0 - spread + _BY_CHANCE * sqrt(spread)) ** 3)


def _moved(past: Sequence[float], recent: Sequence[float]) -> float:
    """Return how far apart the two lie: the mean distance of their quantiles."""
    one, other = sorted(past), sorted(recent)
    steps = [(2 * number + 1) / (2 * _COMPARED) for number in range(_COMPARED)]
    return sum(abs(one[int(at * len(one))] - other[int(at * len(other))]) for at in steps) / _COMPARED
