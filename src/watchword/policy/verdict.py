"""What the policies' answer means at a door: a forbid wins, silence and errors deny. Every door and replay share it.

A forbid whose annotations say what would satisfy it is softer than a denial: `@step_up("mfa") @max_age("15m")`,
`@approval("...")`. A permit may carry obligations, and one that nobody can carry out denies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from watchword.kernel import Acr, Answer, Obligation, Reason
from watchword.policy.annotations import STEP_UPS, span_s
from watchword.policy.model import Effect, PolicyAnswer, PolicyRef
from watchword.policy.obligations import ObligationBook

IsKnown: TypeAlias = Callable[[Obligation], bool]

_LONGEST_AGE_S: Final = 24 * 3600
_FAILURES: Final = {
    "policy_missing": Reason.POLICY_MISSING,
    "schema_misfit": Reason.SCHEMA_MISFIT,
    "rego_unavailable": Reason.REGO_UNREACHABLE,
    "rego_timeout": Reason.REGO_UNREACHABLE,
    "rego_unasked": Reason.REGO_UNREACHABLE,
}
_REGO: Final = "rego_"


class Verdict(NamedTuple):
    """What one question to the policies came to.

    Attributes:
        step_up: with the answer step-up, the least authentication context and its greatest age in seconds.
    """

    answer: Answer
    reason: Reason
    obligations: tuple[Obligation, ...] = ()
    step_up: tuple[Acr, int] | None = None


_ALLOWED: Final = Verdict(Answer.ALLOW, Reason.POLICY_PERMITS)
_FORBIDDEN: Final = Verdict(Answer.DENY, Reason.POLICY_FORBIDS)
_SILENT: Final = Verdict(Answer.DENY, Reason.POLICY_SILENT)


def verdict_of(answer: PolicyAnswer, book: ObligationBook, is_known: IsKnown | None = None) -> Verdict:
    """Return what an answer means.

    Args:
        book: what the obligations of these policies ask for.
        is_known: tells what every door can do; another one denies. Nothing for a rehearsal that asks of policies alone,
            where every obligation counts as known.
    """
    if answer.effect is Effect.PERMIT:
        return _permitted(answer.determining, book, is_known)
    if answer.effect is Effect.FORBID:
        return _forbidden(answer.determining)
    if answer.effect is Effect.SILENT:
        return _SILENT
    return Verdict(Answer.DENY, _reason_of_failure(answer))


def _reason_of_failure(answer: PolicyAnswer) -> Reason:
    """Return the reason for a denial by an answer whose effect is an error."""
    other = Reason.REGO_FAILED if answer.code.startswith(_REGO) else Reason.POLICY_ERROR
    return _FAILURES.get(answer.code, other)


def _permitted(determining: Sequence[PolicyRef], book: ObligationBook, is_known: IsKnown | None) -> Verdict:
    obligations = book.attached([ref.annotations for ref in determining])
    if not obligations:
        return _ALLOWED
    if is_known is not None and not all(map(is_known, obligations)):
        return Verdict(Answer.DENY, Reason.OBLIGATION_UNKNOWN, obligations)
    return Verdict(Answer.ALLOW, Reason.POLICY_PERMITS, obligations)


def _forbidden(determining: Sequence[PolicyRef]) -> Verdict:
    """A forbid wins; only if every one of them says what would satisfy it is the answer softer than deny."""
    annotations = [ref.annotations for ref in determining]
    if annotations and all("step_up" in each for each in annotations):
        step_up = _strictest(annotations)
        if step_up is not None:
            return Verdict(Answer.STEP_UP, Reason.POLICY_ASKS_STEP_UP, step_up=step_up)
    elif annotations and all("step_up" in each or "approval" in each for each in annotations):
        return Verdict(Answer.APPROVAL, Reason.POLICY_ASKS_APPROVAL)
    return _FORBIDDEN


def _strictest(annotations: Sequence[Mapping[str, str]]) -> tuple[Acr, int] | None:
    """Join what several policies ask: the strongest class, the shortest age. Nothing when one cannot be read."""
    acr, max_age_s = Acr.MULTI_FACTOR, _LONGEST_AGE_S
    for each in annotations:
        wanted, age_s = STEP_UPS.get(each["step_up"]), span_s(each.get("max_age", "15m"))
        if wanted is None or age_s is None:
            return None
        acr = max(acr, wanted, key=lambda a: a.strength)
        max_age_s = min(max_age_s, age_s)
    return acr, max_age_s
