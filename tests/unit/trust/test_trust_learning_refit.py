from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from watchword.trust.behaviour import Isotonic, Model, Platt
from watchword.trust.learning.errors import TooFewLabelsError
from watchword.trust.learning.labels import Label, Source
from watchword.trust.learning.metrics import auc, ece
from watchword.trust.learning.refit import Recipe, margin_of, refit

_NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
_SHIPPED = Model(weights={"agent": 1.5})


def _labels(seed: int, count: int, *, share: float = 0.5, noise: str = "hour") -> list[Label]:
    """Draw labels of a world in which two indicators tell the truth and one only makes noise."""
    drawer = random.Random(seed)  # noqa: S311  # drawn from a fixed seed, for figures
    found = []
    for number in range(count):
        is_attack = number < count * share
        mean = 2.0 if is_attack else -1.0
        values = {"network": drawer.gauss(mean, 1.5), "agent": drawer.gauss(mean, 1.5), noise: drawer.gauss(0.0, 3.0)}
        when = _NOW + timedelta(minutes=number)
        user = f"usr_{number % 37}"
        found.append(
            Label(
                f"lbl_{number:04}", f"act_{number}", user, Source.ANALYST, is_attack, "root", when, when, values=values
            )
        )
    return found


def _scored(model: Model, labels: list[Label]) -> tuple[list[float], list[bool]]:
    return [margin_of(each.values, model) for each in labels], [each.is_attack for each in labels]


def test_fifty_labels_silence_noise_and_rank_better_than_what_was_shipped() -> None:
    found = refit(_labels(1, 50), _SHIPPED, version="2")
    assert found.weights["hour"] < 0.5 < found.weights["network"]
    unseen = _labels(99, 2000)
    assert auc(*_scored(found, unseen)) > auc(*_scored(_SHIPPED, unseen)) + 0.03


def test_the_order_of_labels_makes_no_difference() -> None:
    labels = _labels(3, 60)
    assert refit(labels, _SHIPPED, version="2").hash == refit(labels[::-1], _SHIPPED, version="2").hash


@pytest.mark.parametrize(("count", "share"), [(49, 0.5), (60, 0.1), (60, 0.95), (0, 0.5)])
def test_too_few_labels_change_nothing(count: int, share: float) -> None:
    with pytest.raises(TooFewLabelsError):
        refit(_labels(1, count, share=share), _SHIPPED, version="2")


def test_probabilities_come_true_at_the_base_rate_of_traffic_though_labels_have_many_attacks() -> None:
    found = refit(_labels(5, 400), _SHIPPED, version="2", recipe=Recipe(base_rate=0.05))
    margins, labels = _scored(found, _labels(123, 8000, share=0.05))
    assert ece([found.calibration.probability(margin) for margin in margins], labels) < 0.02


def test_from_a_thousand_labels_the_calibration_is_a_staircase() -> None:
    assert isinstance(refit(_labels(6, 999), _SHIPPED, version="2").calibration, Platt)
    found = refit(_labels(6, 1000), _SHIPPED, version="2", recipe=Recipe(base_rate=0.05))
    assert isinstance(found.calibration, Isotonic)
    margins, labels = _scored(found, _labels(321, 8000, share=0.05))
    assert ece([found.calibration.probability(margin) for margin in margins], labels) < 0.02


def test_a_calibration_is_made_of_labels_that_the_weights_have_not_seen() -> None:
    """Labels that say nothing must not look as if they did: with many indicators some fit by chance."""
    drawer = random.Random(17)  # noqa: S311  # as above
    labels = [
        Label(
            f"lbl_{n}",
            f"act_{n}",
            f"usr_{n}",
            Source.ANALYST,
            n % 2 == 0,
            "root",
            _NOW,
            _NOW,
            values={f"noise_{k}": drawer.gauss(0.0, 2.0) for k in range(25)},
        )
        for n in range(60)
    ]
    found = refit(labels, _SHIPPED, version="2", recipe=Recipe(base_rate=0.5))
    sure = [abs(found.calibration.probability(margin_of(each.values, found)) - 0.5) for each in labels]
    assert sum(sure) / len(sure) < 0.1


def test_what_labels_do_not_speak_of_keeps_its_shipped_weight() -> None:
    shipped = Model(weights={"velocity": 2.0})
    assert refit(_labels(1, 60), shipped, version="2").weights["velocity"] == 2.0


def test_fifty_labels_leave_probabilities_nearly_as_true_as_they_were() -> None:
    """Labels that separate perfectly must make the score neither certain nor shy."""
    shipped = Model(bias=-4.0, calibration=Platt(0.8, 0.3))
    found = refit(_labels(2, 50), shipped, version="2", recipe=Recipe(base_rate=0.05))
    unseen = _labels(77, 6000, share=0.05)
    before, after = (
        ece([model.calibration.probability(margin) for margin in _scored(model, unseen)[0]], _scored(model, unseen)[1])
        for model in (shipped, found)
    )
    assert after < min(before, 0.03)
