"""How good a score is on labelled traffic: figures for each attacker and for all, beside those of other methods."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from statistics import fmean, median
from types import MappingProxyType
from typing import Any

from watchword.trust.behaviour import Model
from watchword.trust.labelled import Labelled
from watchword.trust.learning import metrics
from watchword.trust.learning.errors import ObservationsError, TooFewLabelsError
from watchword.trust.learning.generic import Detector, past_of
from watchword.trust.learning.labels import Label, Source
from watchword.trust.learning.refit import Recipe, margin_of, refit
from watchword.trust.learning.replaying import UNREADABLE, Replay, Rival, Scored, Tell
from watchword.trust.observation import Act

FALSE_POSITIVES = 0.01
DETECTION = 0.98
# For these two attackers there are published figures to compare with.
COMPARED = ("naive", "vpn")
LOG_INS = (12, 39)
EVERYBODY = "all"
# Points of a curve that are nearer than this look like one.
_NEAR = 0.01


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured on which part of the traffic.

    Attributes:
        since: acts before this time teach and are not counted, save for `reauthentication`; nothing means that the
            second half of the time in which there are attacks is counted, and labels come from the first.
        labels: so many are drawn before `since`, half of them attacks, and a refit on them is measured as well.
        needs_labels: whether to fail where there are too few for a refit; else it is left out.
        seed: of that draw.
        asks_from: the probability from which owners are asked for more than a password, and give it; see `Replay`.
    """

    since: float | None = None
    labels: int = 0
    seed: int = 0
    recipe: Recipe = Recipe()  # noqa: RUF009  # frozen
    asks_from: float | None = None
    needs_labels: bool = True


@dataclass(frozen=True, slots=True)
class Quality:
    """How well one attacker is told from owners.

    Attributes:
        act: what was compared: log-ins where the attacker logs in, else prompts or requests.
    """

    auc: float
    tpr_at_1pct_fpr: float
    attacks: int
    owners: int
    act: Act = Act.SIGN_IN


@dataclass(frozen=True, slots=True)
class Measured:
    """One way to score, measured.

    Attributes:
        by_attacker: and `all` for every log-in of every attacker together. Left out is who does what no owner did.
        reauthentication: how often owners are asked again by log-ins made so far, at the threshold that finds 98% of
            naive and VPN attackers; only what enough people reached. The mean over owners.
        median_reauthentication: the same of the owner in the middle, as it was published.
        ece: nothing where the score is no probability.
        curve: false and true positive rates over every log-in, thinned for drawing; empty without log-ins.
        bins: what was predicted of log-ins and what came true.
    """

    name: str
    by_attacker: Mapping[str, Quality]
    reauthentication: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))
    median_reauthentication: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))
    ece: float | None = None
    brier: float | None = None
    curve: tuple[tuple[float, float], ...] = ()
    bins: tuple[metrics.CalibrationBin, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that was measured in one run, over the same acts.

    Attributes:
        scored: the acts that were counted, for pictures; `past` are those judged before them.
        model: that was measured; `refitted` is the one made from labels.
        labels: that the refit learned from.
    """

    own: Measured
    rivals: Mapping[str, Measured]
    scored: Sequence[Scored]
    model: Model
    acts: int
    since: float
    past: Sequence[Scored] = ()
    with_labels: Measured | None = None
    refitted: Model | None = None
    labels: Sequence[Label] = ()

    @property
    def left_out(self) -> tuple[str, ...]:
        """Attackers of whom nothing can be said, because no act of an owner is like theirs."""
        return tuple(sorted({each.attacker for each in self.scored if each.attacker} - self.own.by_attacker.keys()))

    @property
    def unreadable(self) -> int:
        """How many acts the score could not read; more than none is a fault of the score."""
        return sum(UNREADABLE in each.values for each in self.scored)


def evaluate(
    traffic: Iterable[Labelled],
    model: Model,
    plan: Plan | None = None,
    *,
    rivals: Mapping[str, Rival] | None = None,
    generic: Mapping[str, Detector] | None = None,
    tell: Tell = lambda _count: None,
) -> Evaluation:
    """Measure a model, and its rivals, on labelled traffic.

    Args:
        traffic: in order of time; read once.
        rivals: other ways to score that see each act as it comes.
        generic: detectors that learn from the log-ins before the measured ones; see `generic_detectors`.
        tell: is told how many acts were seen.

    Raises:
        ObservationsError: not in order, or without attacks or owners to compare.
        TooFewLabelsError: the plan asks for labels, and there are not so many.
    """
    asked = plan or Plan()
    others = dict(rivals or {})
    seen = _Counted(traffic)
    scored = Replay(model, others, features=bool(generic), asks_from=asked.asks_from).run(seen, tell)
    since = _since(scored, asked)
    counted = [each for each in scored if each.at >= since]
    first = [each for each in scored if 0 <= each.number < max(LOG_INS)]
    compared = {
        name: measure(
            name,
            counted,
            [each.rivals[place] for each in counted],
            first=[(each.user, each.rivals[place]) for each in first],
        )
        for place, name in enumerate(others)
    }
    if generic:
        compared |= _generic(generic, scored, counted, since)
    own = measure(
        "watchword",
        counted,
        [each.margin for each in counted],
        probabilities=[each.probability for each in counted],
        first=[(each.user, each.margin) for each in first],
    )
    past = [each for each in scored if each.at < since]
    evaluation = Evaluation(own, MappingProxyType(compared), counted, model, seen.count, since, past)
    if not asked.labels:
        return evaluation
    try:
        return _with_labels(evaluation, scored, first, asked)
    except TooFewLabelsError:
        if asked.needs_labels:
            raise
        return evaluation


def measure(
    name: str,
    scored: Sequence[Scored],
    scores: Sequence[float],
    *,
    probabilities: Sequence[float] | None = None,
    first: Sequence[tuple[str, float]] = (),
) -> Measured:
    """Compute the figures of one way to score.

    Args:
        scores: one for each act, higher for more suspicious.
        first: user and score of each of the owners' first sign-ins, in order of time.

    Raises:
        ObservationsError: there is nothing to compare.
    """
    owned = {each.act for each in scored if not each.is_attack}
    acts = {attacker: act for attacker, act in _act_of(scored).items() if act in owned}
    if not acts:
        raise ObservationsError(
            "there is nothing of owners to compare with", hint="the observations must hold ordinary traffic as well"
        )
    found = {attacker: _quality(scored, scores, {attacker}, act) for attacker, act in sorted(acts.items())}
    entering = {attacker for attacker, act in acts.items() if act is Act.SIGN_IN}
    if entering:
        found[EVERYBODY] = _quality(scored, scores, entering, Act.SIGN_IN)
    asked = _reauthentication(scored, scores, first)
    measured = Measured(
        name,
        MappingProxyType(found),
        MappingProxyType({count: fmean(rates) for count, rates in asked.items()}),
        MappingProxyType({count: median(rates) for count, rates in asked.items()}),
    )
    if not entering:
        return measured
    measured = replace(measured, curve=_curve(scored, scores))
    return measured if probabilities is None else replace(measured, **_calibrated(scored, probabilities))


def draw_labels(scored: Sequence[Scored], count: int, *, seed: int) -> list[Label]:
    """Draw labels as analysts would give them: verdicts on log-ins, half attacks and half owners, each drawn evenly.

    Of one attack at most one log-in is labelled.
    """
    chance = random.Random(seed)  # noqa: S311  # an experiment is repeated with its seed
    attacks = list({each.incident or each.id: each for each in scored if each.is_attack and _is_log_in(each)}.values())
    owners = [each for each in scored if not each.is_attack and _is_log_in(each)]
    chosen = chance.sample(attacks, min(count // 2, len(attacks)))
    chosen += chance.sample(owners, min(count - len(chosen), len(owners)))
    return [_label(each) for each in chosen]


def _label(scored: Scored) -> Label:
    when = datetime.fromtimestamp(scored.at, UTC)
    return Label(
        id=scored.id,
        act=scored.id,
        user=scored.user,
        source=Source.ANALYST,
        is_attack=scored.is_attack,
        given_by="evaluation",
        given_at=when,
        observed_at=when,
        margin=scored.margin,
        values=scored.values,
    )


def _generic(
    generic: Mapping[str, Detector], scored: Sequence[Scored], counted: Sequence[Scored], since: float
) -> dict[str, Measured]:
    past = past_of(scored, since)
    log_ins = [each for each in counted if _is_log_in(each)]
    rows = [each.features for each in log_ins]
    return {name: measure(name, log_ins, detect(past, rows)) for name, detect in generic.items()}


def _with_labels(evaluation: Evaluation, scored: Sequence[Scored], first: Sequence[Scored], plan: Plan) -> Evaluation:
    labels = draw_labels([each for each in scored if each.at < evaluation.since], plan.labels, seed=plan.seed)
    refitted = refit(labels, evaluation.model, version=f"labels-{len(labels)}", recipe=plan.recipe)
    margins = [margin_of(each.values, refitted) for each in evaluation.scored]
    measured = measure(
        f"watchword, {len(labels)} labels",
        evaluation.scored,
        margins,
        probabilities=[refitted.calibration.probability(margin) for margin in margins],
        first=[(each.user, margin_of(each.values, refitted)) for each in first],
    )
    return replace(evaluation, with_labels=measured, refitted=refitted, labels=labels)


class _Counted:
    """Pass traffic on, and count it."""

    def __init__(self, traffic: Iterable[Labelled]) -> None:
        self._traffic = traffic
        self.count = 0

    def __iter__(self) -> Iterator[Labelled]:
        for each in self._traffic:
            self.count += 1
            yield each


def _since(scored: Sequence[Scored], plan: Plan) -> float:
    if plan.since is not None:
        return plan.since
    attacks = [each.at for each in scored if each.is_attack]
    if not attacks:
        raise ObservationsError(
            "there is no attack among the observations",
            hint="label attacks with `attacker`; `watchword risk batch` looks through what nobody labelled",
        )
    return (attacks[0] + scored[-1].at) / 2


def _is_log_in(scored: Scored) -> bool:
    return scored.act is Act.SIGN_IN


_PREFERRED = (Act.SIGN_IN, Act.PROMPT, Act.REQUEST)


def _act_of(scored: Sequence[Scored]) -> dict[str, Act]:
    """Say by which of their acts each attacker is judged: the first of the preferred that they ever do."""
    acts: dict[str, set[Act]] = defaultdict(set)
    for each in scored:
        if each.is_attack:
            acts[each.attacker].add(each.act)
    return {attacker: next(act for act in _PREFERRED if act in done) for attacker, done in acts.items()}


def _quality(scored: Sequence[Scored], scores: Sequence[float], attackers: set[str], act: Act) -> Quality:
    kept, labels = [], []
    for each, value in zip(scored, scores, strict=True):
        if each.act is act and (not each.is_attack or each.attacker in attackers):
            kept.append(value)
            labels.append(each.is_attack)
    return Quality(
        metrics.auc(kept, labels),
        metrics.tpr_at_fpr(kept, labels, fpr=FALSE_POSITIVES),
        sum(labels),
        len(labels) - sum(labels),
        act,
    )


def _curve(scored: Sequence[Scored], scores: Sequence[float]) -> tuple[tuple[float, float], ...]:
    pairs = [(value, each.is_attack) for each, value in zip(scored, scores, strict=True) if _is_log_in(each)]
    points = metrics.roc([value for value, _ in pairs], [is_attack for _, is_attack in pairs])
    kept = [(0.0, 0.0)]
    for _, wrong, right in points:
        before = kept[-1]
        if wrong - before[0] > max(_NEAR * wrong, _NEAR / 10) or right - before[1] > _NEAR:
            kept.append((wrong, right))
    return (*kept, (1.0, 1.0))


def _calibrated(scored: Sequence[Scored], probabilities: Sequence[float]) -> dict[str, Any]:
    pairs = [(p, each.is_attack) for each, p in zip(scored, probabilities, strict=True) if _is_log_in(each)]
    said, labels = [p for p, _ in pairs], [label for _, label in pairs]
    return {
        "ece": metrics.ece(said, labels),
        "brier": metrics.brier(said, labels),
        "bins": tuple(metrics.calibration_bins(said, labels)),
    }


def _reauthentication(
    scored: Sequence[Scored], scores: Sequence[float], first: Sequence[tuple[str, float]]
) -> Mapping[int, list[float]]:
    attacks = [
        value for each, value in zip(scored, scores, strict=True) if each.attacker in COMPARED and _is_log_in(each)
    ]
    if not attacks or not first:
        return {}
    threshold = metrics.threshold_for_detection(attacks, detection=DETECTION)
    by_user: dict[str, list[float]] = defaultdict(list)
    for user, value in first:
        by_user[user].append(value)
    reached = [count for count in LOG_INS if any(len(values) >= count for values in by_user.values())]
    return {count: metrics.reauthentication_rates(by_user, threshold=threshold, logins=count) for count in reached}
