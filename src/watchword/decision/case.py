"""One request on its way through the procedure: what was found so far."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from time import perf_counter_ns
from typing import NamedTuple

from watchword.decision.model import AccessRequest, Application, Decision, Permit, ResourceRule, StepUp, grant
from watchword.devices import DeviceFacts
from watchword.identity import SessionFacts, UserFacts
from watchword.kernel import Answer, DecisionId, Obligation, Reason, RiskLevel
from watchword.policy import PolicyAnswer
from watchword.policy.relations import RelationSet
from watchword.policy.replay import Question
from watchword.trust import Assessment, Baseline, Place, Situation, Standing


class Meaning(NamedTuple):
    """What a request is about.

    Attributes:
        app: nothing for a host that is not published.
        rule: the part of the application; nothing for a path that two readers may read in two ways.
        is_open: the path needs no identity.
    """

    app: Application | None
    rule: ResourceRule | None
    is_open: bool


# What a fact is made of: its name, its value and, where that means something, its age.
Noted = tuple[str, str | float | None, float | None]


class Case:
    """Mutable while the procedure runs; `close` makes the decision of it, with what was noted by `read`.

    The answer starts as a denial for an internal error: a path through the procedure that settles nothing denies.
    """

    __slots__ = (
        "action",
        "answer",
        "app",
        "asked",
        "assessment",
        "baseline",
        "device",
        "facts",
        "id",
        "is_open",
        "is_question",
        "level",
        "meaning",
        "mfa_age_min",
        "now",
        "obligations",
        "permissions",
        "place",
        "policy",
        "posture",
        "read",
        "reasons",
        "relations",
        "request",
        "rule",
        "session",
        "situation",
        "snapshot_version",
        "standing",
        "started_ns",
        "step_up",
        "supposed",
        "user",
    )

    def __init__(
        self,
        request: AccessRequest,
        decision_id: DecisionId,
        now: datetime,
        *,
        supposed: SessionFacts | None = None,
        is_question: bool = False,
    ) -> None:
        self.started_ns = perf_counter_ns()
        self.request = request
        self.id = decision_id
        self.supposed = supposed
        self.is_question = is_question or supposed is not None
        self.now = now
        self.answer = Answer.DENY
        self.reasons: tuple[Reason, ...] = (Reason.INTERNAL_ERROR,)
        self.meaning: Meaning | None = None
        self.app: Application | None = None
        self.rule: ResourceRule | None = None
        self.action: str | None = None
        self.is_open = False
        self.user: UserFacts | None = None
        self.session: SessionFacts | None = None
        self.device: DeviceFacts | None = None
        self.mfa_age_min: float | None = None
        self.posture = "unknown"
        self.place: Place | None = None
        self.standing: Standing | None = None
        self.baseline: Baseline | None = None
        self.situation: Situation | None = None
        self.assessment: Assessment | None = None
        self.level: RiskLevel | None = None
        self.asked: Question | None = None
        self.relations: RelationSet | None = None
        self.policy: PolicyAnswer | None = None
        self.obligations: tuple[Obligation, ...] = ()
        self.permissions: tuple[str, ...] = ()
        self.step_up: StepUp | None = None
        self.facts: list[str | float | None] = []
        self.read: Callable[[Noted], None] = self.facts.extend
        self.snapshot_version = 0

    def settle(self, answer: Answer, *reasons: Reason) -> None:
        """Fix the answer; the first reason is the one that decided."""
        self.answer = answer
        self.reasons = reasons

    def close(self) -> Decision:
        """Make the decision; only an allow that answers a real request carries a permit."""
        app, policy, relations = self.app, self.policy, self.relations
        if relations is not None and relations.asked:
            self.read(("relations", relations.version, None))
            relations.rest()
        permit: Permit | None = None
        if self.answer is Answer.ALLOW and app is not None and not self.is_question:
            permit = grant(self.id, app.name)
        return Decision(
            id=self.id,
            at=self.now,
            answer=self.answer,
            reasons=self.reasons,
            request=self.request,
            application=app.name if app else None,
            resource=self.rule.name if self.rule else None,
            action=self.action,
            user=self.user,
            session=self.session,
            device=self.device,
            posture=self.posture,
            assessment=self.assessment,
            level=self.level,
            policies=tuple([(ref.id, ref.annotations.get("reason", "")) for ref in policy.determining])
            if policy
            else (),
            asked=self.asked,
            policy_version=policy.version if policy else "",
            policy_errors=policy.errors if policy else (),
            obligations=self.obligations,
            permissions=self.permissions,
            step_up=self.step_up,
            country=self.place.country if self.place else None,
            read=tuple(self.facts),
            snapshot_version=self.snapshot_version,
            cost_us=(perf_counter_ns() - self.started_ns) // 1000,
            permit=permit,
        )
