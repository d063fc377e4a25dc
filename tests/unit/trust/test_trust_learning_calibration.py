from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.trust.learning.calibration import Labelled, interpolate, isotonic, platt
from watchword.trust.learning.metrics import ece
from watchword.trust.learning.regression import sigmoid

_CASES = st.lists(
    st.builds(Labelled, st.integers(-6, 6).map(float), st.booleans(), st.sampled_from([0.25, 1.0, 2.0])),
    min_size=2,
    max_size=40,
).filter(lambda cases: len({case.is_attack for case in cases}) == 2)


def _drawn(seed: int, count: int, slope: float, shift: float) -> list[Labelled]:
    drawer = random.Random(seed)  # noqa: S311  # drawn from a fixed seed, for figures
    margins = [drawer.uniform(-6, 6) for _ in range(count)]
    return [Labelled(margin, drawer.random() < sigmoid(slope * margin + shift)) for margin in margins]


def test_a_line_finds_by_how_much_scores_were_too_sure() -> None:
    slope, shift = platt(_drawn(4, 3000, 0.5, -1.0))
    assert (slope, shift) == (pytest.approx(0.5, abs=0.06), pytest.approx(-1.0, abs=0.15))


def test_a_line_never_turns_the_ranking_round() -> None:
    slope, _ = platt([Labelled(4.0, is_attack=False)] * 50 + [Labelled(-4.0, is_attack=True)] * 50)
    assert slope > 0


def test_labels_that_separate_perfectly_do_not_make_certainty() -> None:
    slope, shift = platt([Labelled(1.0, is_attack=True)] * 10 + [Labelled(-1.0, is_attack=False)] * 10)
    assert 0.8 < sigmoid(slope + shift) < 0.99


@given(_CASES)
def test_the_staircase_rises_and_is_finite(cases: list[Labelled]) -> None:
    points = isotonic(cases)
    assert all(math.isfinite(margin) and math.isfinite(height) for margin, height in points)
    for (margin, height), (next_margin, next_height) in pairwise(points):
        assert margin < next_margin
        assert height <= next_height


@given(_CASES, st.floats(-9, 9), st.floats(0, 9))
def test_what_is_read_off_the_staircase_rises_with_the_margin(
    cases: list[Labelled], margin: float, more: float
) -> None:
    points = isotonic(cases)
    assert interpolate(points, margin) <= interpolate(points, margin + more) + 1e-12


def test_neighbours_in_the_wrong_order_are_pooled() -> None:
    wrong = [Labelled(0.0, is_attack=True), Labelled(1.0, is_attack=False), Labelled(1.0, is_attack=False)]
    points = isotonic([Labelled(-5.0, is_attack=False), *wrong, Labelled(5.0, is_attack=True)])
    assert points[1] == (pytest.approx(2 / 3), pytest.approx(math.log(1 / 2)))


def test_the_staircase_calibrates_what_no_line_can() -> None:
    drawer = random.Random(11)  # noqa: S311  # as above
    margins = [drawer.uniform(-4, 4) for _ in range(4000)]
    cases = [Labelled(margin, drawer.random() < (0.05 if margin < 1 else 0.6)) for margin in margins]
    slope, shift = platt(cases)
    points = isotonic(cases)
    labels = [case.is_attack for case in cases]
    straight = ece([sigmoid(slope * m + shift) for m in margins], labels)
    stairs = ece([sigmoid(interpolate(points, m)) for m in margins], labels)
    assert stairs < 0.02 < straight


@pytest.mark.parametrize("how", [platt, isotonic])
def test_labels_of_one_kind_calibrate_nothing(how: object) -> None:
    assert callable(how)
    with pytest.raises(ValueError, match="both kinds"):
        how([Labelled(1.0, is_attack=True)] * 3)
