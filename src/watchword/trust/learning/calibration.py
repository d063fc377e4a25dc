"""From log-odds that rank well to probabilities that come true: a line at first, a staircase when labels are many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite, log

from watchword.trust.learning.regression import Bounds, Example, fit

# From so many labels on the staircase has enough in each step.
# Source: Niculescu-Mizil and Caruana, ICML 2005, section 4: isotonic wins from about a thousand cases.
ISOTONIC_FROM = 1000

_MARGIN = "margin"
# A slope is pulled towards 1 by as much as a handful of labels, and never turns the ranking round.
_SLOPES = Bounds(lowest=0.05, highest=5.0, strength=4.0)
# Where a step of the staircase has seen one kind only, one case of the other kind is imagined with it.
_IMAGINED = 1.0


@dataclass(frozen=True, slots=True)
class Labelled:
    """Log-odds that were computed for something, and what it turned out to be."""

    margin: float
    is_attack: bool
    weight: float = 1.0


def platt(cases: Sequence[Labelled]) -> tuple[float, float]:
    """Return slope and intercept of the log-odds that fit the labels best.

    Raises:
        ValueError: labels of both kinds are needed.

    Source: Platt, Advances in Large Margin Classifiers (1999), equations 1 and 2: targets are kept off 0 and 1 by one
    imagined case of each kind.
    """
    attacks = sum(case.weight for case in cases if case.is_attack)
    owners = sum(case.weight for case in cases if not case.is_attack)
    if not (attacks > 0 and owners > 0):
        raise ValueError("labels of both kinds are needed")
    high, low = (attacks + 1.0) / (attacks + 2.0), 1.0 / (owners + 2.0)
    examples = []
    for case in cases:
        target = high if case.is_attack else low
        values = {_MARGIN: case.margin}
        # A target between 0 and 1 is the same as two labels that share its weight.
        examples.append(Example(values, is_attack=True, weight=case.weight * target))
        examples.append(Example(values, is_attack=False, weight=case.weight * (1.0 - target)))
    found = fit(examples, {_MARGIN: 1.0}, bounds=_SLOPES)
    return found.weights[_MARGIN], found.intercept


def isotonic(cases: Sequence[Labelled]) -> tuple[tuple[float, float], ...]:
    """Return points (margin, log-odds), both rising, between which log-odds are read off by straight lines.

    Neighbours that stand in the wrong order are pooled until none does; each pool is a point at its mean margin.

    Raises:
        ValueError: labels of both kinds are needed.

    Source: Barlow et al., Statistical Inference under Order Restrictions (1972): pool adjacent violators.
    """
    if len({case.is_attack for case in cases}) < 2:  # noqa: PLR2004  # attacks and owners
        raise ValueError("labels of both kinds are needed")
    pools: list[_Pool] = []
    for pool in _pools(cases):
        pools.append(pool)
        while len(pools) > 1 and pools[-2].observed >= pools[-1].observed:
            last = pools.pop()
            pools[-1] = pools[-1].joined(last)
    heights = [pool.log_odds for pool in pools]
    if len(heights) > 1:
        # An end that has seen one kind only must not be imagined past its neighbour.
        heights[0], heights[-1] = min(heights[0], heights[1]), max(heights[-1], heights[-2])
    return tuple((pool.margins / pool.weight, height) for pool, height in zip(pools, heights, strict=True))


def interpolate(points: Sequence[tuple[float, float]], margin: float) -> float:
    """Read log-odds off the points of `isotonic`; beyond either end they stay level."""
    before = points[0]
    if margin <= before[0]:
        return before[1]
    for after in points[1:]:
        if margin <= after[0]:
            share = (margin - before[0]) / (after[0] - before[0])
            return before[1] + share * (after[1] - before[1])
        before = after
    return before[1]


@dataclass(frozen=True, slots=True)
class _Pool:
    margins: float  # sum, weighted
    attacks: float  # sum of weights
    weight: float

    @property
    def observed(self) -> float:
        return self.attacks / self.weight

    @property
    def log_odds(self) -> float:
        owners = self.weight - self.attacks
        if self.attacks <= 0 or owners <= 0:
            return log((self.attacks + _IMAGINED / 2) / (owners + _IMAGINED / 2))
        return log(self.attacks / owners)

    def joined(self, other: _Pool) -> _Pool:
        return _Pool(self.margins + other.margins, self.attacks + other.attacks, self.weight + other.weight)


def _pools(cases: Sequence[Labelled]) -> list[_Pool]:
    if not all(isfinite(case.margin) and case.weight > 0 for case in cases):
        raise ValueError("a margin is not a number, or a label's weight is not above 0")
    ranked = sorted(cases, key=lambda case: case.margin)
    found = []
    for margin, tied in groupby(ranked, key=lambda case: case.margin):
        together = list(tied)
        weight = sum(case.weight for case in together)
        found.append(_Pool(margin * weight, sum(case.weight for case in together if case.is_attack), weight))
    return found
