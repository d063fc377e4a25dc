"""Ask the policies what the rows of a table say, and tell where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from watchword.kernel import Answer
from watchword.policy.engine import PolicySet
from watchword.policy.model import Effect, PolicyAnswer
from watchword.policy.obligations import ANNOTATION, ObligationBook, attached_names
from watchword.policy.trials.tables import Trial, Verdict
from watchword.policy.verdict import verdict_of as meaning_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial went.

    Attributes:
        differences: what was expected and what came, a line each; empty when they agree.
    """

    trial: Trial
    answer: PolicyAnswer
    verdict: Verdict
    differences: tuple[str, ...]

    @property
    def is_as_expected(self) -> bool:
        """Whether the trial passed."""
        return not self.differences


def run_trials(policies: PolicySet, trials: Iterable[Trial]) -> Iterator[Outcome]:
    """Ask each; one after the other, so that a caller can show progress."""
    for trial in trials:
        answer = policies.evaluate(trial.request)
        verdict = verdict_of(answer)
        yield Outcome(trial, answer, verdict, tuple(_differences(trial, answer, verdict)))


def verdict_of(answer: PolicyAnswer) -> Verdict:
    """Say what an answer comes to: a forbid is softer only if each forbid that held says what would satisfy it."""
    if answer.effect is not Effect.FORBID:
        return Verdict(answer.effect.value)
    meant = meaning_of(answer, ObligationBook()).answer
    return {Answer.STEP_UP: Verdict.STEP_UP, Answer.APPROVAL: Verdict.APPROVAL}.get(meant, Verdict.FORBID)


def obligations_of(answer: PolicyAnswer) -> frozenset[str]:
    """Return the names of the obligations that ride on a permit."""
    if answer.effect is not Effect.PERMIT:
        return frozenset()
    written = (ref.annotations[ANNOTATION] for ref in answer.determining if ANNOTATION in ref.annotations)
    return frozenset(name for text in written for name in attached_names(text))


def reasons_of(answer: PolicyAnswer) -> frozenset[str]:
    """Return the ids of the determining policies; of an error, its codes."""
    if answer.effect is Effect.ERROR:
        return frozenset(error.partition(":")[0] for error in answer.errors)
    return frozenset(ref.id for ref in answer.determining)


def _differences(trial: Trial, answer: PolicyAnswer, verdict: Verdict) -> Iterator[str]:
    expected = trial.expected
    if verdict is not expected.verdict:
        why = f" ({answer.errors[0]})" if answer.errors else ""
        yield f"expected {expected.verdict.value}, got {verdict.value}{why}"
    got = reasons_of(answer)
    if expected.reasons is not None and got != expected.reasons:
        yield f"expected the reasons {_listed(expected.reasons)}, got {_listed(got)}"
    obliged = obligations_of(answer)
    if expected.obligations is not None and obliged != expected.obligations:
        yield f"expected the obligations {_listed(expected.obligations)}, got {_listed(obliged)}"


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"
