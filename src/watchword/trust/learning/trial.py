"""Champion and challenger: the score in force and a refitted one, tried on labels that neither was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchword.trust.behaviour import Model
from watchword.trust.learning.errors import TooFewLabelsError
from watchword.trust.learning.labels import Label, Source
from watchword.trust.learning.refit import Recipe, margin_of, refit

HELD_OUT = timedelta(days=7)
_EVEN = 1e-12


@dataclass(frozen=True, slots=True)
class Rules:
    """When a challenger takes over.

    Attributes:
        held_out: so much of the newest is kept from the refit, to try both on.
        threshold: probability from which somebody is asked again; 0.05 is where asking begins to pay for what is
            internal, see docs/explanation/trust-algorithm.md.
        most_more: re-authentications of owners may rise by this much, as a share.
        least_attacks: held-out attacks, as somebody said, without which nothing can be told; `least_owners` as well.
    """

    held_out: timedelta = HELD_OUT
    threshold: float = 0.05
    most_more: float = 0.01
    least_attacks: int = 5
    least_owners: int = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one model did with the held-out labels.

    Attributes:
        detection: share of attacks at or above the threshold, of those that somebody said were attacks.
        reauthentication: share of owners there.
        brier: mean squared error of its probabilities.
    """

    detection: float
    reauthentication: float
    brier: float


@dataclass(frozen=True, slots=True)
class Trial:
    """Both outcomes, and what follows.

    Attributes:
        why: in one sentence, for people.
        is_worse: it would do harm, which is more than to do no good.
        learned: how many labels the challenger was made from.
    """

    champion: Outcome
    challenger: Outcome
    attacks: int
    owners: int
    is_promoted: bool
    why: str
    is_worse: bool = False
    learned: int = 0


_RULES = Rules()
_RECIPE = Recipe()


def train(
    labels: Sequence[Label],
    champion: Model,
    shipped: Model,
    *,
    version: str,
    now: datetime,
    rules: Rules = _RULES,
    recipe: Recipe = _RECIPE,
) -> tuple[Model, Trial]:
    """Make a challenger of all labels but those of the newest acts, and try it against the champion on these.

    Args:
        labels: as `admit` counted them.

    Raises:
        TooFewLabelsError: there is not enough to learn from, or not enough to try it on.
    """
    until = now - rules.held_out
    past = [each for each in labels if each.observed_at < until]
    held_out = [each for each in labels if each.observed_at >= until]
    try:
        challenger = refit(past, shipped, version=version, recipe=recipe)
    except TooFewLabelsError as error:
        attacks = sum(map(_is_said_attack, past))
        raise TooFewLabelsError(
            f"{len(past)} labels, {attacks} of them attacks, are older than the last {rules.held_out.days} days; "
            f"{len(held_out)} newer ones are kept for the trial",
            hint=f"{error.hint}; `--held-out-days` keeps fewer days for the trial",
        ) from None
    return challenger, compare(held_out, champion, challenger, rules, learned=len(past))


def compare(
    held_out: Sequence[Label], champion: Model, challenger: Model, rules: Rules = _RULES, *, learned: int = 0
) -> Trial:
    """Try both, and say whether the challenger takes over: never if detection falls, or owners are troubled more.

    Raises:
        TooFewLabelsError: too few labels to tell.
    """
    attacks = sum(map(_is_said_attack, held_out))
    owners = sum(not each.is_attack for each in held_out)
    if attacks < rules.least_attacks or owners < rules.least_owners:
        raise TooFewLabelsError(
            f"the last {rules.held_out.days} days have {attacks} labelled attacks and {owners} labelled owners",
            hint=f"a trial needs {rules.least_attacks} and {rules.least_owners}: give verdicts on recent decisions "
            "with `watchword risk feedback give`",
        )
    before, after = _outcome(held_out, champion, rules), _outcome(held_out, challenger, rules)
    harm = _harm(before, after, rules)
    gain = "" if harm else _gain(before, after)
    why = harm or gain or "it does nothing better"
    return Trial(before, after, attacks, owners, bool(gain), why, bool(harm), learned)


def _harm(before: Outcome, after: Outcome, rules: Rules) -> str:
    # Prevents: labels that somebody shaped making the score blind to their own attacks.
    if after.detection < before.detection - _EVEN:
        return f"it would find {after.detection:.1%} of the attacks, not {before.detection:.1%}"
    # Prevents: a score that finds everything because it asks everybody.
    if after.reauthentication > before.reauthentication + rules.most_more + _EVEN:
        asked = f"{after.reauthentication:.1%} of the owners again, not {before.reauthentication:.1%}"
        return f"it would ask {asked}"
    return ""


def _gain(before: Outcome, after: Outcome) -> str:
    if after.detection > before.detection + _EVEN:
        return f"it finds {after.detection:.1%} of the attacks, not {before.detection:.1%}"
    if after.reauthentication < before.reauthentication - _EVEN:
        return f"it asks {after.reauthentication:.1%} of the owners again, not {before.reauthentication:.1%}"
    if after.brier < before.brier - _EVEN:
        return f"its probabilities are nearer the truth: {after.brier:.4f}, not {before.brier:.4f} off (Brier)"
    return ""


def _outcome(held_out: Sequence[Label], model: Model, rules: Rules) -> Outcome:
    said = [(model.calibration.probability(margin_of(each.values, model)), each) for each in held_out]
    return Outcome(
        _share([(p >= rules.threshold, each.weight) for p, each in said if _is_said_attack(each)]),
        _share([(p >= rules.threshold, each.weight) for p, each in said if not each.is_attack]),
        sum(each.weight * (p - each.is_attack) ** 2 for p, each in said) / sum(each.weight for _, each in said),
    )


def _is_said_attack(label: Label) -> bool:
    # Prevents: second factors that somebody asked for in their own account, and did not give, making up in a trial for
    # an attack that would not be found any more.
    return label.is_attack and label.source is not Source.STEP_UP


def _share(alarms: Sequence[tuple[bool, float]]) -> float:
    return sum(weight for is_alarm, weight in alarms if is_alarm) / sum(weight for _, weight in alarms)
