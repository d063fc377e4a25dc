"""Whether indicators still say what they used to: the population stability index of each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite, log
from typing import Final

_BINS: Final = 10
_LEAST: Final = 50
_NEVER_EMPTY: Final = 0.5


class Stability(StrEnum):
    """What an index means.

    Source: the usual reading in credit scoring, as in Siddiqi, Credit Risk Scorecards (2006), chapter 8.
    """

    STABLE = "stable"  # below 0.1
    MOVING = "moving"  # below 0.25: look at it
    DRIFTED = "drifted"  # fit again
    UNKNOWN = "unknown"  # too little to say


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one indicator moved.

    Attributes:
        psi: population stability index; nothing where there is too little to say.
        before: mean of what it said; `after` as well.
    """

    indicator: str
    psi: float | None
    stability: Stability
    before: float = 0.0
    after: float = 0.0


def drift(past: Sequence[Mapping[str, float]], recent: Sequence[Mapping[str, float]]) -> list[Drift]:
    """Compare what each indicator said in two spans of time; what moved most comes first."""
    names = sorted({name for values in (*past, *recent) for name in values})
    found = [
        _drift(name, [values.get(name, 0.0) for values in past], [values.get(name, 0.0) for values in recent])
        for name in names
    ]
    return sorted(found, key=lambda each: (-(each.psi or 0.0), each.indicator))


def psi(past: Sequence[float], recent: Sequence[float], *, bins: int = _BINS) -> float:
    """Return the population stability index, over tenths of the past; many equal values share one bin.

    Raises:
        ValueError: one side is empty, or holds what is no number.
    """
    if not past or not recent or not all(map(isfinite, (*past, *recent))):
        raise ValueError("two samples of numbers are needed")
    ranked = sorted(past)
    edges = sorted({ranked[number * len(ranked) // bins] for number in range(1, bins)})
    # An edge belongs to the bin below it; a heap of equal values, such as 0 for "did not fire", is a bin of its own.
    expected, actual = _shares(past, edges), _shares(recent, edges)
    return sum((b - a) * log(b / a) for a, b in zip(expected, actual, strict=True))


def _shares(values: Sequence[float], edges: Sequence[float]) -> list[float]:
    counts = [_NEVER_EMPTY] * (2 * len(edges) + 1)
    for value in values:
        place = bisect_left(edges, value)
        is_edge = place < len(edges) and edges[place] == value
        counts[2 * place + is_edge] += 1
    total = sum(counts)
    return [count / total for count in counts]


def _drift(name: str, past: Sequence[float], recent: Sequence[float]) -> Drift:
    if min(len(past), len(recent)) < _LEAST:
        return Drift(name, None, Stability.UNKNOWN)
    index = psi(past, recent)
    return Drift(name, index, _stability(index), sum(past) / len(past), sum(recent) / len(recent))


def _stability(index: float) -> Stability:
    if index < 0.1:  # noqa: PLR2004  # see `Stability`
        return Stability.STABLE
    return Stability.MOVING if index < 0.25 else Stability.DRIFTED  # noqa: PLR2004  # as above
