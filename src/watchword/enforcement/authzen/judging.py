"""Answer one question from memory: what is asked in the schema's words, what is known, what the policies say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter_ns
from typing import Any, Final

from watchword.enforcement.authzen.callers import Caller
from watchword.enforcement.authzen.duties import SUPPORTED, duties, duty_names, numbered, step_up, supported
from watchword.enforcement.authzen.known import USER_TYPE, Known, is_own
from watchword.enforcement.authzen.model import Party, Question, Verdict
from watchword.enforcement.authzen.names import OWN_NAMESPACE, Meaning, Names, NoMeaningError
from watchword.enforcement.authzen.values import Converter, UnfitError
from watchword.kernel import Answer, DecisionId, Reason
from watchword.policy import (
    Entity,
    EntityUid,
    PolicyAnswer,
    PolicyRequest,
    PolicySet,
    Scalar,
    SetOf,
    Value,
    verdict_of,
)
from watchword.policy.relations import RelationSet, RelationView, objects_of

# Where the properties of an action stand in the context; what a caller writes there itself is not read.
ACTION_PROPERTIES: Final = "action"

# Where policies ask for relations, as at the doors: `context.rel.contains("viewer")`.
RELATIONS: Final = "rel"
_NAMES_OF_RELATIONS: Final = SetOf(Scalar("string"))


class _Refused(Exception):  # noqa: N818  # an answer, not an error
    """The question is denied before any policy is asked."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Bench:
    """What one call is judged from; it stays the same while the call lasts.

    Attributes:
        is_fresh: whether the picture of the world is young enough.
        refuses_unknown: deny where a property is sent that the schema does not declare.
    """

    policies: PolicySet
    names: Names
    known: Known
    now: datetime
    view: RelationView | None
    is_fresh: bool
    refuses_unknown: bool

    def judge(self, question: Question, caller: Caller, decision_id: DecisionId) -> Verdict:
        """Answer; never raises, and what cannot be settled is denied."""
        started = perf_counter_ns()
        verdict = Verdict(decision_id, Answer.DENY, Reason.INTERNAL_ERROR, policy_version=self.policies.version)
        try:
            verdict = self._judge(question, caller, verdict)
        except _Refused as refused:
            verdict = replace(verdict, reason=refused.reason, detail=refused.detail)
        except Exception as error:  # noqa: BLE001  # whatever fails while deciding denies
            verdict = replace(verdict, detail=type(error).__name__)
        words = verdict.words or verdict.reason.words
        return replace(verdict, words=words, cost_us=(perf_counter_ns() - started) // 1000)

    def _judge(self, question: Question, caller: Caller, verdict: Verdict) -> Verdict:
        # 1. The picture of the world is fresh. Prevents: a user who was disabled a while ago.
        if not self.is_fresh:
            raise _Refused(Reason.SNAPSHOT_STALE, "")
        # 2. The question means one thing, and lies where this caller may ask.
        meaning = self._meaning(question, caller)
        principal = self._principal(question.subject, meaning)
        verdict = replace(
            verdict,
            principal=principal.id if is_own(principal.type) else None,
            action=str(meaning.action),
            resource_type=meaning.resource,
        )
        try:
            asked, ignored = self._request(question, meaning, principal)
        except _Refused as refused:
            return replace(verdict, reason=refused.reason, detail=refused.detail)
        # 4. The policies: default deny, a forbid wins, an error denies.
        verdict = replace(verdict, ignored=ignored, asked=asked)
        return self._settle(asked, verdict, supported(question.context, caller.obligations))

    def _request(
        self, question: Question, meaning: Meaning, principal: EntityUid
    ) -> tuple[PolicyRequest, tuple[str, ...]]:
        # 3. Both sides are who Watchword knows them to be, else who the caller says they are.
        converter = Converter()
        resource = EntityUid(meaning.resource, question.resource.id)
        try:
            own = self._sides(question, principal, resource, converter)
            context = self._context(question, meaning, converter)
        except UnfitError as error:
            raise _Refused(Reason.SCHEMA_MISFIT, str(error)) from None
        ignored = tuple(converter.ignored)
        if ignored and self.refuses_unknown:
            raise _Refused(Reason.SCHEMA_MISFIT, f"the schema does not declare `{ignored[0]}`")
        asked = PolicyRequest(principal, meaning.action, resource, context, _Around(own, self.known.entities))
        return asked, ignored

    def _meaning(self, question: Question, caller: Caller) -> Meaning:
        try:
            return self.names.meaning(
                question.subject.type, question.action.name, question.resource.type, caller.namespaces
            )
        except NoMeaningError as error:
            raise _Refused(Reason.SCHEMA_MISFIT, str(error)) from None

    def _principal(self, subject: Party, meaning: Meaning) -> EntityUid:
        if meaning.principal != USER_TYPE:
            return EntityUid(meaning.principal, subject.id)
        user = self.known.user(subject.id)
        if user is None:
            raise _Refused(Reason.FACT_MISSING, "no such user")
        if user.is_disabled:
            raise _Refused(Reason.USER_DISABLED, "")
        return EntityUid(meaning.principal, user.id)

    def _sides(
        self, question: Question, principal: EntityUid, resource: EntityUid, converter: Converter
    ) -> dict[EntityUid, Entity]:
        who = self._entity(principal, question.subject, "subject", converter)
        what = self._entity(resource, question.resource, "resource", converter)
        if principal != resource:
            return {principal: who, resource: what}
        # Prevents: one entity that is described in two ways, of which a policy reads the better.
        differs = (
            name for name in what.attributes if who.attributes.get(name, what.attributes[name]) != what.attributes[name]
        )
        if any(differs):
            raise _Refused(Reason.SCHEMA_MISFIT, "the subject is the resource, and is described in two ways")
        return {principal: replace(who, attributes={**what.attributes, **who.attributes})}

    def _entity(self, uid: EntityUid, party: Party, place: str, converter: Converter) -> Entity:
        """Describe one side.

        # Prevents: a caller, or whoever feeds it, raising somebody's rights by describing them otherwise.
        """
        if uid in self.known.misfits:
            raise _Refused(Reason.SCHEMA_MISFIT, f"what is known of the {place} does not fit the schema")
        known = self.known.entities.get(uid)
        if is_own(uid.type):
            if known is None:
                raise _Refused(Reason.FACT_MISSING, f"no such {place}")
            return known
        declared = self.names.schema.entities[uid.type].attributes
        given = converter.record(declared, party.properties, f"{place}.properties")
        if known is None:
            return Entity(uid, given)
        return replace(known, attributes={**given, **known.attributes})

    def _context(self, question: Question, meaning: Meaning, converter: Converter) -> dict[str, Value]:
        reserved = {ACTION_PROPERTIES}
        if SUPPORTED not in meaning.context.fields:
            reserved.add(SUPPORTED)
        given = {name: value for name, value in question.context.items() if name not in reserved}
        context = converter.record(meaning.context, given, "context")
        # Prevents: a caller that says which relations the subject has.
        if _asks_relations(meaning):
            context[RELATIONS] = self._relations(question, meaning)
        declared = meaning.context.fields.get(ACTION_PROPERTIES)
        if declared is not None and (question.action.properties or declared.is_required):
            context[ACTION_PROPERTIES] = converter.value(declared.type, question.action.properties, "action.properties")
        elif question.action.properties:
            converter.ignored.append("action.properties")
        return context

    def _relations(self, question: Question, meaning: Meaning) -> RelationSet:
        """Return what policies may ask of a user's relations to a part of an application, as the doors do."""
        user = self.known.user(question.subject.id) if meaning.principal == USER_TYPE else None
        application, slash, part = question.resource.id.partition("/")
        is_part = slash and meaning.resource == f"{OWN_NAMESPACE}::Resource"
        return RelationSet(
            self.view,
            user.id if user is not None else "",
            objects_of(application, part) if is_part and user is not None else (),
            groups=user.groups if user is not None else (),
            context={"current_time": self.now},
        )

    def _settle(self, asked: PolicyRequest, verdict: Verdict, can_do: frozenset[str] | None) -> Verdict:
        answer = self.policies.evaluate(asked)
        verdict = replace(
            verdict,
            policies=tuple((ref.id, ref.annotations.get("reason", "")) for ref in answer.determining),
            policy_errors=answer.errors,
            detail=", ".join(f"`{ref.id}`" for ref in answer.determining) or "; ".join(answer.errors),
        )
        means = verdict_of(answer, self.policies.bundle.obligations)
        if means.answer is Answer.ALLOW:
            return self._permitted(answer, verdict, can_do)
        words = " ".join(words for _, words in verdict.policies if words)
        verdict = replace(verdict, answer=means.answer, reason=means.reason, words=words)
        if means.step_up is None:
            return verdict
        wanted = step_up(*means.step_up)
        return replace(verdict, step_up=wanted["properties"], obligations=numbered([wanted]))

    def _permitted(self, answer: PolicyAnswer, verdict: Verdict, can_do: frozenset[str] | None) -> Verdict:
        found = duties(answer, self.policies.bundle.obligations)
        # A caller that says what it can do is not given a permit that it would have to turn into a denial itself.
        if found is None or (can_do is not None and any(each["type"] not in can_do for each in found)):
            return replace(verdict, reason=Reason.OBLIGATION_UNKNOWN)
        return replace(
            verdict,
            answer=Answer.ALLOW,
            reason=Reason.POLICY_PERMITS,
            detail="",
            obligations=numbered(found),
            obligation_names=duty_names(answer, self.policies.bundle.obligations),
        )


def _asks_relations(meaning: Meaning) -> bool:
    declared = meaning.context.fields.get(RELATIONS)
    return declared is not None and declared.type == _NAMES_OF_RELATIONS


class _Around(dict[EntityUid, Entity]):
    """The two sides of a question before everything that is known; `get` and `in` look at both."""

    __slots__ = ("_known",)

    def __init__(self, own: Mapping[EntityUid, Entity], known: Mapping[EntityUid, Entity]) -> None:
        super().__init__(own)
        self._known = known

    def __contains__(self, uid: object) -> bool:
        return dict.__contains__(self, uid) or uid in self._known

    def __missing__(self, uid: EntityUid) -> Entity:
        return self._known[uid]

    def get(self, uid: EntityUid, default: Any = None) -> Any:
        """Return a description from either."""
        found = dict.get(self, uid)
        return found if found is not None else self._known.get(uid, default)
