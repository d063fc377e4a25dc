from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.trust.behaviour import sigmoid
from watchword.trust.learning.regression import Bounds, Example, fit

_NAMES = ("device", "place", "hour")


def _drawn(seed: int, count: int, weights: dict[str, float], intercept: float = -1.0) -> list[Example]:
    drawer = random.Random(seed)  # noqa: S311  # drawn from a fixed seed, for figures
    found = []
    for _ in range(count):
        values = {name: drawer.gauss(0.0, 1.5) for name in weights}
        margin = intercept + sum(weights[name] * value for name, value in values.items())
        found.append(Example(values, drawer.random() < sigmoid(margin)))
    return found


def _loss(examples: list[Example], weights: dict[str, float], intercept: float, bounds: Bounds) -> float:
    total = sum((weights[name] - 1.0) ** 2 for name in weights) * bounds.strength / 2
    for example in examples:
        margin = example.offset + intercept + sum(weights[n] * example.values.get(n, 0.0) for n in weights)
        total -= example.weight * math.log(max(sigmoid(margin if example.is_attack else -margin), 1e-300))
    return total


def test_what_the_labels_were_drawn_from_is_found_again() -> None:
    true = {"device": 1.6, "place": 0.4, "hour": 0.0}
    found = fit(_drawn(5, 4000, true), dict.fromkeys(_NAMES, 1.0))
    assert found.intercept == pytest.approx(-1.0, abs=0.15)
    for name, weight in true.items():
        assert found.weights[name] == pytest.approx(weight, abs=0.15)


def test_few_labels_move_weights_less_than_many() -> None:
    true = {"device": 2.5, "place": 0.2, "hour": 1.0}
    few, many = (fit(_drawn(8, count, true), dict.fromkeys(_NAMES, 1.0)) for count in (12, 3000))
    assert abs(few.weights["device"] - 1.0) < abs(many.weights["device"] - 1.0)
    assert 0.2 <= few.weights["place"] <= 1.0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 40), st.sampled_from([Bounds(), Bounds(0.5, 1.5, 0.3), Bounds(1.0, 1.0)]))
def test_no_neighbour_within_bounds_is_better(seed: int, count: int, bounds: Bounds) -> None:
    examples = [
        *_drawn(seed, count, dict.fromkeys(_NAMES, 0.5)),
        Example({"device": 1.0}, is_attack=True, weight=0.3, offset=0.5),
        Example({"place": -1.0}, is_attack=False),
    ]
    found = fit(examples, dict.fromkeys(_NAMES, 1.0), bounds=bounds)
    best = _loss(examples, dict(found.weights), found.intercept, bounds)
    assert best == pytest.approx(found.loss, rel=1e-9)
    for name in _NAMES:
        assert bounds.lowest <= found.weights[name] <= bounds.highest
        for step in (-1e-3, 1e-3):
            there = {**found.weights, name: found.weights[name] + step}
            if bounds.lowest <= there[name] <= bounds.highest:
                assert _loss(examples, there, found.intercept, bounds) >= best - 1e-9
    for step in (-1e-3, 1e-3):
        assert _loss(examples, dict(found.weights), found.intercept + step, bounds) >= best - 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_a_first_step_that_would_jump_over_the_valley_is_shortened(seed: int) -> None:
    drawer = random.Random(seed)  # noqa: S311  # drawn from a fixed seed, for figures
    examples = [Example({name: drawer.gauss(0.0, 5.0) for name in _NAMES}, is_attack=n % 2 == 0) for n in range(12)]
    bounds = Bounds(-50.0, 50.0, 1e-3)
    found = fit(examples, dict.fromkeys(_NAMES, 1.0), intercept=-4.0, bounds=bounds)
    assert found.loss < _loss(examples, dict.fromkeys(_NAMES, 0.0), 0.0, bounds)


def test_labels_that_separate_perfectly_still_give_bounded_weights() -> None:
    examples = [Example({"device": 3.0}, is_attack=True)] * 40 + [Example({"device": -3.0}, is_attack=False)] * 40
    found = fit(examples, {"device": 1.0}, bounds=Bounds(highest=2.0, strength=1e-6))
    assert found.weights["device"] == 2.0
    assert math.isfinite(found.intercept)


def test_a_sign_is_never_turned_round_by_labels() -> None:
    examples = [Example({"device": 3.0}, is_attack=False)] * 60 + [Example({"device": -3.0}, is_attack=True)] * 60
    assert fit(examples, {"device": 1.0}).weights["device"] == 0.0


def test_the_same_labels_give_the_same_bits() -> None:
    examples = _drawn(3, 300, dict.fromkeys(_NAMES, 0.7))
    assert fit(examples, dict.fromkeys(_NAMES, 1.0)) == fit(list(examples), dict.fromkeys(reversed(_NAMES), 1.0))


def test_an_indicator_that_never_fired_keeps_its_shipped_weight() -> None:
    assert fit(_drawn(1, 60, {"device": 1.0}), {"device": 1.0, "place": 0.8}).weights["place"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    "examples",
    [
        [],
        [Example({}, is_attack=True)],
        [Example({}, is_attack=True), Example({}, is_attack=False, weight=0.0)],
        [Example({}, is_attack=True), Example({"device": math.nan}, is_attack=False)],
        [Example({}, is_attack=True), Example({}, is_attack=False, offset=math.inf)],
    ],
)
def test_labels_that_cannot_be_used_are_refused(examples: list[Example]) -> None:
    with pytest.raises(ValueError, match=r"label|number"):
        fit(examples, {"device": 1.0})


def test_bounds_with_nothing_between_them_are_refused() -> None:
    with pytest.raises(ValueError, match="lowest"):
        Bounds(2.0, 1.0)
