"""Logistic regression in pure Python: weights pulled towards what was shipped, and never out of bounds.

A few dozen indicators and some thousand labels need no numerical library: Newton's method with the box solved by
coordinates takes milliseconds, and the same labels give the same bits on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log1p

from watchword.trust.behaviour import sigmoid

_MOST_STEPS = 50
_MOST_SWEEPS = 200
_CLOSE = 1e-10
_LEAST_CURVATURE = 1e-9
_MOST_HALVINGS = 30
_FLAT = 1e-12


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled observation.

    Attributes:
        values: the indicators' log-odds, by name; what is not named is 0.
        weight: how much the label is worth, above 0; 1 for a verdict that somebody gave.
        offset: log-odds that are added as they are and get no weight.
    """

    values: Mapping[str, float]
    is_attack: bool
    weight: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a refit may make of a weight.

    Attributes:
        strength: of the pull towards the prior weight; as many label-units as a squared deviation of 1 costs twice.
        intercept_strength: of the pull of the intercept towards where it begins; 0 leaves it free.
    """

    lowest: float = 0.0
    highest: float = 3.0
    strength: float = 4.0
    intercept_strength: float = 0.0

    def __post_init__(self) -> None:
        """Refuse bounds between which there is nothing."""
        if not (self.lowest <= self.highest and self.strength > 0 and self.intercept_strength >= 0):
            raise ValueError("bounds must satisfy lowest <= highest and strength > 0")


@dataclass(frozen=True, slots=True)
class Fitted:
    """The result of a regression.

    Attributes:
        weights: one for each indicator that was asked for.
        loss: penalised negative log-likelihood.
        steps: how many Newton steps it took.
    """

    weights: Mapping[str, float]
    intercept: float
    loss: float
    steps: int


def fit(
    examples: Sequence[Example], prior: Mapping[str, float], *, intercept: float = 0.0, bounds: Bounds | None = None
) -> Fitted:
    """Find the weights that explain the labels best without leaving the prior further than labels justify.

    Minimises the weighted logistic loss plus `strength / 2` times the squared distance to `prior`, each weight within
    its bounds; the intercept has no bounds. Deterministic in the order of `examples` up to rounding.

    Args:
        prior: the shipped weight of each indicator; only these are fitted.
        intercept: where the search begins, and where it is pulled to.

    Raises:
        ValueError: a value is not a number, a weight is not above 0, or all labels are the same.

    Source: Hastie, Tibshirani and Friedman, Elements of Statistical Learning, section 4.4.1 (iteratively reweighted
    least squares); Friedman et al., JSS 33 (2010), section 3 (coordinates on its quadratic).
    """
    limits = bounds or Bounds()
    names = sorted(prior)
    rows = _rows(examples, names)
    centre = [min(max(prior[name], limits.lowest), limits.highest) for name in names] + [intercept]
    pulls = [*(limits.strength for _ in names), limits.intercept_strength]
    problem = _Problem(rows, centre, limits, pulls)
    found, loss, steps = _minimise(problem, centre)
    return Fitted(dict(zip(names, found[:-1], strict=True)), found[-1], loss, steps)


@dataclass(frozen=True, slots=True)
class _Row:
    """One example with only what is not 0; the intercept is the last place."""

    places: tuple[int, ...]
    values: tuple[float, ...]
    label: float
    weight: float
    offset: float


@dataclass(frozen=True, slots=True)
class _Problem:
    rows: Sequence[_Row]
    centre: Sequence[float]
    bounds: Bounds
    pulls: Sequence[float]

    def loss(self, at: Sequence[float]) -> float:
        total = sum(row.weight * (_softplus(margin) - row.label * margin) for row, margin in self._margins(at))
        return total + sum(pull / 2 * (w - c) ** 2 for pull, w, c in zip(self.pulls, at, self.centre, strict=True))

    def slopes(self, at: Sequence[float]) -> tuple[list[float], list[list[float]]]:
        """Return gradient and curvature at a point."""
        size = len(at)
        gradient = [pull * (w - c) for pull, w, c in zip(self.pulls, at, self.centre, strict=True)]
        curvature = [[0.0] * size for _ in range(size)]
        for row, margin in self._margins(at):
            p = sigmoid(margin)
            error, bend = row.weight * (p - row.label), row.weight * p * (1.0 - p)
            for place, value in zip(row.places, row.values, strict=True):
                gradient[place] += error * value
                line, scaled = curvature[place], bend * value
                for other, other_value in zip(row.places, row.values, strict=True):
                    line[other] += scaled * other_value
        for place, pull in enumerate(self.pulls):
            curvature[place][place] += pull + _LEAST_CURVATURE
        return gradient, curvature

    def clip(self, place: int, value: float) -> float:
        if place == len(self.centre) - 1:
            return value
        return min(max(value, self.bounds.lowest), self.bounds.highest)

    def _margins(self, at: Sequence[float]) -> list[tuple[_Row, float]]:
        return [
            (row, row.offset + sum(at[place] * value for place, value in zip(row.places, row.values, strict=True)))
            for row in self.rows
        ]


def _minimise(problem: _Problem, start: Sequence[float]) -> tuple[list[float], float, int]:
    at, loss = list(start), problem.loss(start)
    for step in range(1, _MOST_STEPS + 1):
        towards = _box_newton(problem, at)
        nearer, lower = _line_search(problem, at, towards, loss)
        gain, at, loss = loss - lower, nearer, lower
        if gain <= _FLAT * (1.0 + abs(loss)):
            return at, loss, step
    return at, loss, _MOST_STEPS


def _box_newton(problem: _Problem, at: Sequence[float]) -> list[float]:
    """Minimise the quadratic at a point within the box, one coordinate at a time."""
    gradient, curvature = problem.slopes(at)
    found, slope = list(at), list(gradient)
    for _ in range(_MOST_SWEEPS):
        furthest = 0.0
        for place, line in enumerate(curvature):
            moved = problem.clip(place, found[place] - slope[place] / line[place]) - found[place]
            if moved == 0.0:
                continue
            found[place] += moved
            furthest = max(furthest, abs(moved))
            for other, bend in enumerate(line):
                slope[other] += bend * moved
        if furthest < _CLOSE:
            break
    return found


def _line_search(
    problem: _Problem, at: Sequence[float], towards: Sequence[float], loss: float
) -> tuple[list[float], float]:
    """Go as far as the loss falls; Newton's full step can jump over the valley where labels separate perfectly."""
    share = 1.0
    for _ in range(_MOST_HALVINGS):
        there = [a + share * (b - a) for a, b in zip(at, towards, strict=True)]
        lower = problem.loss(there)
        if lower <= loss:
            return there, lower
        share /= 2
    return list(at), loss


def _rows(examples: Sequence[Example], names: Sequence[str]) -> list[_Row]:
    place_of = {name: place for place, name in enumerate(names)}
    rows = []
    for example in examples:
        if not (isfinite(example.weight) and example.weight > 0 and isfinite(example.offset)):
            raise ValueError("a label's weight must be above 0")
        found = [
            (place_of[name], float(value)) for name, value in example.values.items() if name in place_of and value != 0
        ]
        if not all(isfinite(value) for _, value in found):
            raise ValueError("an indicator's value is not a number")
        found.sort()
        places, values = [place for place, _ in found], [value for _, value in found]
        rows.append(
            _Row((*places, len(names)), (*values, 1.0), float(example.is_attack), example.weight, example.offset)
        )
    if len({row.label for row in rows}) < 2:  # noqa: PLR2004  # attacks and owners
        raise ValueError("labels of both kinds are needed")
    return rows


def _softplus(margin: float) -> float:
    return max(margin, 0.0) + log1p(exp(-abs(margin)))
