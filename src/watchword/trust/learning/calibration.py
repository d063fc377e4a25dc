"""From log-odds that rank well to probabilities that come true: a line at first, a staircase when labels are many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite, log

from watchword.trust.behaviour import Calibration, Isotonic, Platt, sigmoid
from watchword.trust.learning.regression import Bounds, Example, fit

# From so many labels on the staircase has enough in each step.
# Source: Niculescu-Mizil and Caruana, ICML 2005, section 4: isotonic wins from about a thousand cases.
ISOTONIC_FROM = 1000

_MARGIN = "margin"
# Few labels say less of a probability than what was shipped: both are pulled towards no change, by as much as a handful
# of labels, and the slope never turns the ranking round.
_SLOPES = Bounds(lowest=0.05, highest=5.0, strength=4.0, intercept_strength=4.0)
# Where a step of the staircase has seen one kind only, half a case of either kind is imagined with it.
_IMAGINED = 0.5
_MOST_STEPS = 200
_STEEPEST = 10.0


@dataclass(frozen=True, slots=True)
class Case:
    """Log-odds that were computed for something, and what it turned out to be.

    Attributes:
        margin: log-odds of the score before calibration.
        weight: above 0; how many cases of the whole traffic it stands for, relative to others.
    """

    margin: float
    is_attack: bool
    weight: float = 1.0


def calibrated(cases: Sequence[Case], shipped: Calibration, *, by: float = 0.0) -> Calibration:
    """Fit the calibration that so many cases allow.

    Args:
        shipped: what a line begins from; a staircase needs no beginning.
        by: log-odds by which attacks are commoner among the cases than among what will be scored.

    Raises:
        ValueError: labels of both kinds are needed.

    Source: King and Zeng, Logistic Regression in Rare Events Data, Political Analysis 9 (2001), section 4.1, for `by`.
    """
    if len(cases) < ISOTONIC_FROM:
        return platt(cases, shipped if isinstance(shipped, Platt) else Platt(), by=by)
    found = isotonic(cases)
    return Isotonic(found.edges, tuple(sigmoid(log(p / (1.0 - p)) - by) for p in found.values))


def platt(cases: Sequence[Case], shipped: Platt, *, by: float = 0.0) -> Platt:
    """Fit a line through log-odds, pulled towards the one that was shipped.

    Raises:
        ValueError: labels of both kinds are needed.

    Source: Platt, Advances in Large Margin Classifiers (1999). Where he keeps targets off 0 and 1, a pull keeps the
    line near the one before: labels that separate perfectly do not make certainty.
    """
    lines = [shipped.slope * case.margin + shipped.shift for case in cases]
    examples = [
        Example({_MARGIN: line}, case.is_attack, case.weight, by) for line, case in zip(lines, cases, strict=True)
    ]
    found = fit(examples, {_MARGIN: 1.0}, bounds=_SLOPES)
    slope = found.weights[_MARGIN]
    return Platt(min(slope * shipped.slope, _STEEPEST), slope * shipped.shift + found.intercept)


def isotonic(cases: Sequence[Case]) -> Isotonic:
    """Fit steps that never fall: neighbours that stand in the wrong order are pooled until none does.

    A step that has seen attacks only, or owners only, says nearly 1 or nearly 0, never quite.

    Raises:
        ValueError: labels of both kinds are needed, or a margin is not a number.

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
    while len(pools) > _MOST_STEPS:
        _join_lightest(pools)
    heights = [pool.probability for pool in pools]
    if len(heights) > 1:
        # An end that has seen one kind only must not be imagined past its neighbour.
        heights[0], heights[-1] = min(heights[0], heights[1]), max(heights[-1], heights[-2])
    return Isotonic(tuple(pool.lowest for pool in pools), tuple(heights))


@dataclass(frozen=True, slots=True)
class _Pool:
    lowest: float  # margin
    attacks: float  # sum of weights
    weight: float

    @property
    def observed(self) -> float:
        return self.attacks / self.weight

    @property
    def probability(self) -> float:
        if 0 < self.attacks < self.weight:
            return self.observed
        return (self.attacks + _IMAGINED) / (self.weight + 2 * _IMAGINED)

    def joined(self, other: _Pool) -> _Pool:
        return _Pool(self.lowest, self.attacks + other.attacks, self.weight + other.weight)


def _pools(cases: Sequence[Case]) -> list[_Pool]:
    if not all(isfinite(case.margin) and case.weight > 0 for case in cases):
        raise ValueError("a margin is not a number, or a label's weight is not above 0")
    found = []
    for margin, tied in groupby(sorted(cases, key=lambda case: case.margin), key=lambda case: case.margin):
        together = list(tied)
        attacks = sum(case.weight for case in together if case.is_attack)
        # Sums of the same weights, so that a pool of attacks only is exactly that.
        found.append(_Pool(margin, attacks, attacks + sum(case.weight for case in together if not case.is_attack)))
    return found


def _join_lightest(pools: list[_Pool]) -> None:
    place = min(range(len(pools) - 1), key=lambda each: pools[each].weight + pools[each + 1].weight)
    pools[place : place + 2] = [pools[place].joined(pools[place + 1])]
