from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.trust.learning import metrics

_SCORES = st.lists(
    st.tuples(st.sampled_from([-3.0, -1.0, 0.0, 0.5, 0.5000001, 2.0, 7.0]), st.booleans()), min_size=2, max_size=40
).filter(lambda pairs: len({label for _, label in pairs}) == 2)


def _split(pairs: list[tuple[float, bool]]) -> tuple[list[float], list[bool]]:
    return [score for score, _ in pairs], [label for _, label in pairs]


@given(_SCORES)
def test_the_area_is_how_often_an_attack_scores_higher_with_ties_half(pairs: list[tuple[float, bool]]) -> None:
    scores, labels = _split(pairs)
    attacks = [score for score, label in pairs if label]
    owners = [score for score, label in pairs if not label]
    wins = sum((a > o) + 0.5 * (a == o) for a in attacks for o in owners)
    assert metrics.auc(scores, labels) == pytest.approx(wins / (len(attacks) * len(owners)), abs=1e-12)


@given(_SCORES, st.sampled_from([0.0, 0.01, 0.1, 0.34, 1.0]))
def test_the_detection_rate_at_a_false_alarm_rate_is_the_best_of_all_thresholds(
    pairs: list[tuple[float, bool]], fpr: float
) -> None:
    scores, labels = _split(pairs)
    attacks = [score for score, label in pairs if label]
    owners = [score for score, label in pairs if not label]
    best = 0.0
    for threshold in {*scores, math.inf}:
        if sum(score >= threshold for score in owners) / len(owners) <= fpr:
            best = max(best, sum(score >= threshold for score in attacks) / len(attacks))
    assert metrics.tpr_at_fpr(scores, labels, fpr=fpr) == best


def test_a_tie_across_the_bound_is_not_used_in_part() -> None:
    scores, labels = [9.0, 5.0, 5.0, 1.0], [True, True, False, False]
    assert metrics.tpr_at_fpr(scores, labels, fpr=0.01) == 0.5


def test_one_owner_in_a_hundred_is_within_one_percent_and_two_are_not() -> None:
    scores, labels = [9.0, 8.5, 8.0, 7.0, *([1.0] * 98)], [False, True, False, True, *([False] * 98)]
    assert metrics.tpr_at_fpr(scores, labels, fpr=0.01) == 0.5


def test_one_score_for_everybody_tells_nothing() -> None:
    assert metrics.auc([3.0] * 6, [True, False] * 3) == 0.5
    assert metrics.tpr_at_fpr([3.0] * 6, [True, False] * 3) == 0.0


@pytest.mark.parametrize(
    ("scores", "labels"),
    [([1.0], [True]), ([1.0, 2.0], [False, False]), ([1.0], [True, False]), ([math.nan, 1.0], [True, False])],
)
def test_what_cannot_be_measured_is_refused(scores: list[float], labels: list[bool]) -> None:
    with pytest.raises(ValueError, match=r"label|score|needed"):
        metrics.auc(scores, labels)


@given(st.lists(st.sampled_from([0.1, 0.4, 2.0, 9.0]), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_the_threshold_for_a_detection_rate_is_the_highest_that_reaches_it(scores: list[float], wanted: float) -> None:
    threshold = metrics.threshold_for_detection(scores, detection=wanted)
    assert sum(score >= threshold for score in scores) / len(scores) >= wanted - 1e-9
    higher = [score for score in scores if score > threshold]
    assert len(higher) / len(scores) < wanted


def test_ninety_eight_percent_of_fifty_are_forty_nine() -> None:
    assert metrics.threshold_for_detection([float(n) for n in range(50)], detection=0.98) == 1.0


def test_reauthentication_counts_the_first_log_ins_of_those_who_have_so_many() -> None:
    scores = {"ann": [9.0, 1.0, 1.0, 9.0], "bob": [1.0, 1.0], "eve": [9.0]}
    assert metrics.reauthentication_rate(scores, threshold=5.0, logins=2) == pytest.approx(0.25)
    assert metrics.reauthentication_rate(scores, threshold=5.0, logins=4) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="nobody has 5"):
        metrics.reauthentication_rate(scores, threshold=5.0, logins=5)
    assert sorted(metrics.reauthentication_rates(scores, threshold=5.0, logins=2)) == [0.0, 0.5]


def test_calibration_error_weighs_each_bin_by_its_predictions() -> None:
    probabilities = [0.1] * 8 + [0.9] * 2
    labels = [True] + [False] * 7 + [True, False]
    assert metrics.ece(probabilities, labels) == pytest.approx(0.8 * abs(0.1 - 0.125) + 0.2 * abs(0.9 - 0.5))


def test_a_prediction_that_always_comes_true_has_no_error() -> None:
    assert metrics.ece([0.0, 0.0, 1.0], [False, False, True]) == 0.0
    assert [each.count for each in metrics.calibration_bins([0.0, 0.0, 1.0], [False, False, True])] == [2, 1]


def test_a_bin_is_closed_above() -> None:
    (first, second) = metrics.calibration_bins([0.5, 0.51], [True, False], bins=2)
    assert (first.count, second.count) == (1, 1)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan])
def test_what_is_no_probability_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        metrics.ece([0.5, wrong], [True, False])


def test_the_brier_score_is_the_mean_squared_error() -> None:
    assert metrics.brier([0.0, 0.5], [False, True]) == pytest.approx(0.125)
