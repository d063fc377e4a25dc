"""What somebody got at the door, what they would have got, and how the two differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from watchword.kernel import Answer, Obligation, Reason, to_wire
from watchword.policy.engine import PolicySet
from watchword.policy.lazy import AskedSet
from watchword.policy.model import Effect, PolicyAnswer, PolicyRequest
from watchword.policy.replay.question import Question
from watchword.policy.replay.record import RecordedEntities
from watchword.policy.verdict import IsKnown, Verdict, verdict_of

_OPENNESS: Final[Mapping[Answer, int]] = {Answer.DENY: 0, Answer.APPROVAL: 1, Answer.STEP_UP: 2, Answer.ALLOW: 3}


class Change(StrEnum):
    """How an outcome differs from what it was."""

    GAINS = "gains"
    LOSES = "loses"
    OBLIGATIONS = "obligations"
    PERMISSIONS = "permissions"
    STEP_UP = "step_up"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one request came to.

    Attributes:
        obligations: their names; they count where the answer is allow.
        rules: what the obligations ask for, in their compact form; nothing where only names are known.
        step_up: with the answer step-up, the class that is asked for and its greatest age in seconds.
        permissions: the application's own, where the answer is allow.
        policies: the ids of those that decided; those that failed, where one did.
        is_unknown: the draft asked for something that was not recorded, so that nobody can say.
    """

    answer: Answer
    reason: Reason
    obligations: tuple[str, ...] = ()
    step_up: tuple[str, int] | None = None
    permissions: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    is_unknown: bool = False
    rules: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision that was made, as far as a replay is concerned.

    Attributes:
        seq: orders decisions; the number of its record in the journal.
        at: when it was made, ISO 8601.
        subject: who asked, by identifier; empty where that was not known.
        target: what was asked for: `application/resource`.
        version: of the policies that answered.
        asked: the question, or the record of one; nothing where the policies were not reached.
        is_reached: the policies were asked, whether or not that was recorded.
    """

    id: str
    seq: int
    at: str
    subject: str
    target: str
    action: str
    version: str
    outcome: Outcome
    asked: Question | Mapping[str, Any] | None
    is_reached: bool


def outcome_of(question: Question, policies: PolicySet, is_known: IsKnown | None = None) -> Outcome:
    """Ask again, in the order in which a decision asks, and say what it would have come to.

    Args:
        is_known: as for `verdict_of`.
    """
    unsure = _Unsure(question.request)
    verdict, answer = _ask(question, policies, is_known)
    outcome = Outcome(
        verdict.answer,
        verdict.reason,
        tuple(obligation.name for obligation in verdict.obligations),
        (verdict.step_up[0].value, verdict.step_up[1]) if verdict.step_up else None,
        (),
        _blamed(answer),
        rules=tuple(map(_rules, verdict.obligations)),
    )
    if outcome.answer is Answer.ALLOW and question.then is not None:
        then = question.then
        outcome = replace(outcome, answer=Answer.STEP_UP, reason=then.reason, step_up=(then.acr.value, then.max_age_s))
    if outcome.answer is Answer.ALLOW and question.grants:
        outcome = replace(outcome, permissions=_granted(question, policies))
    return replace(outcome, is_unknown=True) if unsure.is_missed else outcome


class _Unsure:
    """Whatever of a request knows only what was recorded; it notes what it is asked for beyond that."""

    __slots__ = ("_entities", "_sets")

    def __init__(self, request: PolicyRequest) -> None:
        entities = request.entities
        self._entities = entities if isinstance(entities, RecordedEntities) else None
        self._sets = [value for value in request.context.values() if isinstance(value, AskedSet)]
        if self._entities is not None:
            self._entities.missed = False
        for each in self._sets:
            each.missed.clear()

    @property
    def is_missed(self) -> bool:
        return (self._entities is not None and self._entities.missed) or any(each.missed for each in self._sets)


def changes(was: Outcome, now: Outcome) -> tuple[Change, ...]:
    """Say how an outcome changed; nothing when it did not, even if other policies gave it."""
    if was.answer is not now.answer:
        return (Change.GAINS if _OPENNESS[now.answer] > _OPENNESS[was.answer] else Change.LOSES,)
    found = []
    if now.answer is Answer.ALLOW and _differ(was, now):
        found.append(Change.OBLIGATIONS)
    if now.answer is Answer.ALLOW and set(was.permissions) != set(now.permissions):
        found.append(Change.PERMISSIONS)
    if now.answer is Answer.STEP_UP and was.step_up != now.step_up:
        found.append(Change.STEP_UP)
    return tuple(found)


def _differ(was: Outcome, now: Outcome) -> bool:
    """Tell whether other obligations are asked for, or where that is known on both sides, other rules."""
    if set(was.obligations) != set(now.obligations):
        return True
    return was.rules is not None and now.rules is not None and set(was.rules) != set(now.rules)


def _rules(obligation: Obligation) -> str:
    asked = to_wire(obligation.rules) if obligation.rules is not None else obligation.limits or ""
    return f"{obligation.name} {asked}"


def responsible(was: Outcome, now: Outcome) -> tuple[str, ...]:
    """Return the policies that a change is put down to.

    Those that decide now and did not, and those that decided and do not any more; where they are the same, all of
    them, for then one of them was rewritten; where there is none, the reason stands in its place.
    """
    before, after = set(was.policies), set(now.policies)
    found = (before ^ after) or after
    return tuple(sorted(found)) or (f"({now.reason.code})",)


def _ask(question: Question, policies: PolicySet, is_known: IsKnown | None) -> tuple[Verdict, PolicyAnswer]:
    book = policies.bundle.obligations
    obligations: dict[str, Obligation] = {}
    for action in question.before:
        answer = policies.evaluate(replace(question.request, action=action))
        verdict = verdict_of(answer, book, is_known)
        if verdict.answer is not Answer.ALLOW:
            return verdict, answer
        obligations |= {obligation.name: obligation for obligation in verdict.obligations}
    answer = policies.evaluate(question.request)
    verdict = verdict_of(answer, book, is_known)
    if obligations:
        obligations |= {obligation.name: obligation for obligation in verdict.obligations}
        verdict = verdict._replace(obligations=tuple(obligations.values()))
    return verdict, answer


def _granted(question: Question, policies: PolicySet) -> tuple[str, ...]:
    request, book = question.request, policies.bundle.obligations
    granted = []
    for grant in question.grants:
        context = {**request.context, **grant.extra}
        answer = policies.evaluate(replace(request, action=grant.action, resource=grant.resource, context=context))
        # A permission that would bring an obligation with it is not given: nobody is there to meet it.
        if answer.effect is Effect.PERMIT and not verdict_of(answer, book).obligations:
            granted.append(grant.name)
    return tuple(granted)


def _blamed(answer: PolicyAnswer) -> tuple[str, ...]:
    if answer.effect is not Effect.ERROR:
        return tuple(ref.id for ref in answer.determining)
    named = (error.split("`", 2) for error in answer.errors if error.startswith("policy_error: `"))
    return tuple(dict.fromkeys(parts[1] for parts in named))
