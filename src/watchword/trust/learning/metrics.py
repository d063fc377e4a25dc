"""How well a score separates attackers from owners: the figures, and nothing that is not in the standard library.

Throughout, a higher score means more suspicious, and a label is true for an attack.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import ceil, isfinite
from typing import NamedTuple

# Calibration error is usually told over this many bins.  Source: Guo et al., ICML 2017, section 2 (15 bins).
BINS = 15


class RocPoint(NamedTuple):
    """What one threshold does: score at or above `threshold` raises an alarm."""

    threshold: float
    false_positive_rate: float
    true_positive_rate: float


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """What was predicted and what came true, over scores that are near one another.

    Attributes:
        count: how many predictions; weights are not counted here.
    """

    predicted: float
    observed: float
    count: int


def roc(scores: Sequence[float], labels: Sequence[bool]) -> list[RocPoint]:
    """Return one point for each different score, from the strictest threshold on; ties move together.

    Raises:
        ValueError: the lengths differ, a score is not a number, or one of the two kinds is missing.
    """
    attacks, owners = _counted(scores, labels)
    ranked = sorted(zip(scores, labels, strict=True), key=lambda pair: pair[0], reverse=True)
    points, hits, alarms = [RocPoint(float("inf"), 0.0, 0.0)], 0, 0
    for threshold, tied in groupby(ranked, key=lambda pair: pair[0]):
        for _, is_attack in tied:
            hits += is_attack
            alarms += not is_attack
        points.append(RocPoint(threshold, alarms / owners, hits / attacks))
    return points


def auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """Return how often an attack scores above an owner, ties counting half.

    Source: Hanley and McNeil, Radiology 143 (1982): the area is the Wilcoxon statistic.

    Raises:
        ValueError: as for `roc`.
    """
    points = roc(scores, labels)
    return sum(
        (after.false_positive_rate - before.false_positive_rate)
        * (after.true_positive_rate + before.true_positive_rate)
        / 2
        for before, after in pairwise(points)
    )


def tpr_at_fpr(scores: Sequence[float], labels: Sequence[bool], *, fpr: float = 0.01) -> float:
    """Return the share of attacks found by the best threshold that troubles at most `fpr` of the owners.

    Nothing is interpolated: a tie that would go over the bound is not used.

    Raises:
        ValueError: as for `roc`.
    """
    return max(point.true_positive_rate for point in roc(scores, labels) if point.false_positive_rate <= fpr)


def threshold_for_detection(attacks: Iterable[float], *, detection: float) -> float:
    """Return the highest threshold at which at least this share of attack scores raises an alarm.

    Raises:
        ValueError: there is no attack, or the share is not above 0 and at most 1.
    """
    ranked = sorted(attacks, reverse=True)
    if not ranked or not 0 < detection <= 1:
        raise ValueError("a detection rate above 0 and at most 1, of at least one attack, is needed")
    # A share such as 0.98 of 50 is 49, also where the product comes out a hair above it.
    return ranked[max(1, ceil(detection * len(ranked) - 1e-9)) - 1]


def reauthentication_rate(scores_by_user: Mapping[str, Sequence[float]], *, threshold: float, logins: int) -> float:
    """Return how often owners were asked again during their first `logins` log-ins; the mean over users.

    Raises:
        ValueError: nobody has so many log-ins.
    """
    rates = reauthentication_rates(scores_by_user, threshold=threshold, logins=logins)
    return sum(rates) / len(rates)


def reauthentication_rates(
    scores_by_user: Mapping[str, Sequence[float]], *, threshold: float, logins: int
) -> list[float]:
    """Return how often each owner was asked again during their first `logins` log-ins.

    The first log-in counts as any other. Users with fewer log-ins say nothing.

    Args:
        scores_by_user: of legitimate log-ins only, each user's in the order of time.

    Raises:
        ValueError: nobody has so many log-ins.

    Source: Wiefling et al., FC 2021 and ACM TOPS 2022: re-authentication requests over log-ins of regular users.
    """
    rates = [
        sum(score >= threshold for score in scores[:logins]) / logins
        for scores in scores_by_user.values()
        if len(scores) >= logins > 0
    ]
    if not rates:
        raise ValueError(f"nobody has {logins} log-ins")
    return rates


def calibration_bins(
    probabilities: Sequence[float], labels: Sequence[bool], *, bins: int = BINS
) -> list[CalibrationBin]:
    """Sort predictions into bins of equal width; those without a prediction are left out."""
    edges = [number / bins for number in range(1, bins + 1)]
    sums: dict[int, list[float]] = {}
    for probability, is_attack in zip(probabilities, labels, strict=True):
        if not 0.0 <= probability <= 1.0:
            raise ValueError("a probability is between 0 and 1")
        # Bins are closed above, as in the source, so that 1.0 has a place; 0.0 belongs to the first.
        held = sums.setdefault(bisect_left(edges, probability), [0.0, 0.0, 0.0])
        held[0] += probability
        held[1] += is_attack
        held[2] += 1
    return [
        CalibrationBin(predicted / count, observed / count, int(count))
        for _, (predicted, observed, count) in sorted(sums.items())
    ]


def ece(probabilities: Sequence[float], labels: Sequence[bool], *, bins: int = BINS) -> float:
    """Return the expected calibration error: how far predictions are from what came true, on average.

    Source: Guo et al., ICML 2017, equation 3.

    Raises:
        ValueError: there is no prediction, or one is not a probability.
    """
    if not probabilities:
        raise ValueError("there is no prediction")
    found = calibration_bins(probabilities, labels, bins=bins)
    return sum(each.count * abs(each.predicted - each.observed) for each in found) / len(probabilities)


def brier(probabilities: Sequence[float], labels: Sequence[bool]) -> float:
    """Return the mean squared error of probabilities; unlike `ece` it also punishes saying too little.

    Raises:
        ValueError: there is no prediction.
    """
    if not probabilities:
        raise ValueError("there is no prediction")
    return sum((p - label) ** 2 for p, label in zip(probabilities, labels, strict=True)) / len(probabilities)


def _counted(scores: Sequence[float], labels: Sequence[bool]) -> tuple[int, int]:
    if len(scores) != len(labels):
        raise ValueError("there must be one label for each score")
    if not all(map(isfinite, scores)):
        raise ValueError("a score is not a number")
    attacks = sum(map(bool, labels))
    if not 0 < attacks < len(labels):
        raise ValueError("both attacks and owners are needed")
    return attacks, len(labels) - attacks
