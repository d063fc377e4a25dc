"""A new score from labels: the shipped weights, moved as far as the labels justify, and calibrated anew."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from types import MappingProxyType

from watchword.trust.behaviour import Model, sigmoid
from watchword.trust.learning.calibration import Case, calibrated
from watchword.trust.learning.errors import TooFewLabelsError
from watchword.trust.learning.labels import Label
from watchword.trust.learning.regression import Bounds, Example, Fitted, fit

LEAST_LABELS = 50
LEAST_OF_EACH = 8
_FOLDS = 5
_LEAST_BIAS, _MOST_BIAS = -15.0, 5.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a refit is made; everything that decides its outcome beside the labels.

    Attributes:
        base_rate: the share of attacks in what will be scored; labels have far more of them than traffic has. Nothing
            means the share that the shipped score assumes.
    """

    bounds: Bounds = Bounds(intercept_strength=0.25)  # noqa: RUF009  # frozen
    least_labels: int = LEAST_LABELS
    least_of_each: int = LEAST_OF_EACH
    base_rate: float | None = None


_RECIPE = Recipe()


def refit(labels: Sequence[Label], shipped: Model, *, version: str, recipe: Recipe = _RECIPE) -> Model:
    """Fit weights and calibration to labels.

    Deterministic: the same labels in any order give the same model. Weights are pulled towards those that were
    shipped, never towards those in force, so that many small refits cannot walk further than one large one.

    Args:
        labels: as `admit` counted them.
        shipped: where weights are pulled to.

    Raises:
        TooFewLabelsError: fewer labels than the recipe asks for, or of one kind.
    """
    ranked = sorted(labels, key=lambda each: each.id)
    _check(ranked, recipe)
    indicators = sorted({name for each in ranked for name in each.values})
    prior = {name: shipped.weights.get(name, shipped.default_weight) for name in indicators}
    base = sigmoid(shipped.bias) if recipe.base_rate is None else recipe.base_rate
    # Among labels attacks are far commoner than in traffic; the difference is known, and no weight has to explain it.
    by = _log_odds(_share(ranked)) - _log_odds(base)
    examples = [Example(each.values, each.is_attack, each.weight, by) for each in ranked]
    fitted = fit(examples, prior, intercept=shipped.bias, bounds=recipe.bounds)
    bias = min(max(fitted.intercept, _LEAST_BIAS), _MOST_BIAS)
    cases = _cross_scored(ranked, examples, prior, shipped, recipe)
    return Model(
        name="refit",
        version=version,
        weights=MappingProxyType({**shipped.weights, **fitted.weights}),
        bias=bias,
        default_weight=shipped.default_weight,
        calibration=calibrated(cases, shipped.calibration, by=by),
    )


def margin_of(values: Mapping[str, float], model: Model) -> float:
    """Return the log-odds that a model gives to what the indicators said."""
    return model.bias + sum(model.weights.get(name, model.default_weight) * value for name, value in values.items())


def _check(labels: Sequence[Label], recipe: Recipe) -> None:
    attacks = sum(each.is_attack for each in labels)
    if len(labels) < recipe.least_labels or min(attacks, len(labels) - attacks) < recipe.least_of_each:
        raise TooFewLabelsError(
            f"{len(labels)} labels count, {attacks} of them attacks",
            hint=f"a refit needs {recipe.least_labels}, and {recipe.least_of_each} of each kind: "
            "give verdicts with `watchword risk feedback give`",
        )


def _cross_scored(
    labels: Sequence[Label], examples: Sequence[Example], prior: Mapping[str, float], shipped: Model, recipe: Recipe
) -> list[Case]:
    """Score each label by weights that have not seen it, nor anything of its user.

    # Prevents: a calibration that is too sure, because the labels it is made from shaped the weights.
    """
    folds = [_fold(each.user) for each in labels]
    found: list[Case] = []
    for number in range(_FOLDS):
        seen = [example for example, fold in zip(examples, folds, strict=True) if fold != number]
        fitted = _fit_or_prior(seen, prior, shipped, recipe)
        for label, fold in zip(labels, folds, strict=True):
            if fold == number:
                margin = fitted.intercept + sum(fitted.weights[name] * value for name, value in label.values.items())
                found.append(Case(margin, label.is_attack, label.weight))
    return found


def _fit_or_prior(seen: Sequence[Example], prior: Mapping[str, float], shipped: Model, recipe: Recipe) -> Fitted:
    if len({each.is_attack for each in seen}) < 2:  # noqa: PLR2004  # attacks and owners
        return Fitted(prior, shipped.bias, 0.0, 0)
    return fit(seen, prior, intercept=shipped.bias, bounds=recipe.bounds)


def _fold(user: str) -> int:
    return hashlib.sha256(user.encode()).digest()[0] % _FOLDS


def _log_odds(share: float) -> float:
    return log(share / (1.0 - share))


def _share(labels: Sequence[Label]) -> float:
    attacks = sum(each.weight for each in labels if each.is_attack)
    return attacks / sum(each.weight for each in labels)
