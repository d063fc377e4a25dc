"""Ask the policies, and turn what they say into an answer: a forbid wins, silence and errors deny."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from watchword.decision.case import Case
from watchword.decision.model import Application, StepUp
from watchword.decision.vocabulary import ACTIONS, Vocabulary, permission_uid, resource_uid
from watchword.kernel import Acr, Answer, Obligation, Reason, merge, wire_bytes
from watchword.policy import Effect, PolicyAnswer, PolicyRequest, PolicySet, Value, reason_of_failure
from watchword.policy.replay import Grant, Question, Then

_SPAN: Final = re.compile(r"(\d{1,5})([smh])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_STEP_UP_ACR: Final = {"mfa": Acr.MULTI_FACTOR, "phishing_resistant": Acr.PHISHING_RESISTANT}


class PolicyGate:
    """Settle cases by policy.

    Args:
        policies: the set in force, asked anew for each question.
        known_obligations: names of what every door of this node can do, besides rules for answers; another one denies.
    """

    def __init__(
        self,
        applications: Sequence[Application],
        policies: Callable[[], PolicySet],
        known_obligations: frozenset[str],
    ) -> None:
        self._vocabulary = Vocabulary(applications)
        self._policies = policies
        self._known_obligations = known_obligations
        self._grants = {
            app.name: tuple(_grant(app, permission) for permission in app.permissions) for app in applications
        }

    def ask(self, case: Case, context: Mapping[str, Value], then: Then | None = None) -> None:
        """Ask about the action; a request that opens a WebSocket is a GET as well and must be allowed as both.

        Args:
            then: what will become of an allow; kept with the question, for those who ask it again.

        # Prevents: `Upgrade: websocket` turning a read that is forbidden into a `connect` that is not, before an
        # upstream that knows no WebSockets and answers with the page.
        """
        assert case.app is not None
        assert case.rule is not None
        assert case.user is not None
        assert case.action is not None
        principal, entities = self._vocabulary.principal(case.user)
        request = PolicyRequest(principal, ACTIONS[case.action], resource_uid(case.app, case.rule), context, entities)
        before = (ACTIONS["read"],) if case.request.is_upgrade else ()
        case.asked = Question(request, before, self._grants[case.app.name], then)
        for action in before:
            self._ask_about(case, replace(request, action=action))
            if case.answer is not Answer.ALLOW:
                return
        self._ask_about(case, request)

    def _ask_about(self, case: Case, request: PolicyRequest) -> None:
        policies = self._policies()
        answer = policies.evaluate(request)
        effect, case.policy = answer.effect, answer
        if effect is Effect.PERMIT:
            attached = _obligations(answer, policies)
            case.obligations += tuple(found for found in attached if found not in case.obligations)
            if case.obligations and not self._can_be_met(case):
                return case.settle(Answer.DENY, Reason.OBLIGATION_UNKNOWN)
            return case.settle(Answer.ALLOW, Reason.POLICY_PERMITS)
        if effect is Effect.FORBID:
            return self._forbidden(case, answer)
        if effect is Effect.SILENT:
            return case.settle(Answer.DENY, Reason.POLICY_SILENT)
        return case.settle(Answer.DENY, reason_of_failure(answer))

    def _forbidden(self, case: Case, answer: PolicyAnswer) -> None:
        """A forbid wins; only if every one of them says what would satisfy it is the answer softer than deny."""
        annotations = [ref.annotations for ref in answer.determining]
        if annotations and all("step_up" in each for each in annotations):
            case.step_up = _strictest(annotations)
            if case.step_up is not None:
                return case.settle(Answer.STEP_UP, Reason.POLICY_ASKS_STEP_UP)
        elif annotations and all("step_up" in each or "approval" in each for each in annotations):
            return case.settle(Answer.APPROVAL, Reason.POLICY_ASKS_APPROVAL)
        return case.settle(Answer.DENY, Reason.POLICY_FORBIDS)

    def _can_be_met(self, case: Case) -> bool:
        """Tell whether each obligation has somebody who fulfils it: every door, this one, or the application."""
        assert case.app is not None
        app_does = case.app.fulfils_obligations
        for duty in case.obligations:
            if duty.name in self._known_obligations or (duty.is_for_application and app_does):
                continue
            # A WebSocket has no body that could be reduced.
            if duty.rules is None or case.request.is_upgrade or not (app_does or case.request.filters_bodies):
                return False
        try:
            wire_bytes(merge(frozenset(duty.rules for duty in case.obligations if duty.rules is not None)))
        except ValueError:  # together they are longer than a header may carry
            return False
        return True

    def grant(self, case: Case, context: Mapping[str, Value]) -> None:
        """Find which of the application's own permissions policy gives."""
        assert case.app is not None
        assert case.user is not None
        if not case.app.permissions:
            return
        principal, entities = self._vocabulary.principal(case.user)
        policies = self._policies()
        granted = []
        for grant in self._grants[case.app.name]:
            asked = {**context, **grant.extra}
            answer = policies.evaluate(PolicyRequest(principal, grant.action, grant.resource, asked, entities))
            if answer.effect is Effect.PERMIT and not _obligations(answer, policies):
                granted.append(grant.name)
        case.permissions = tuple(granted)


def _grant(app: Application, permission: str) -> Grant:
    return Grant(permission, ACTIONS["use"], permission_uid(app, permission), {"permission": permission})


def _obligations(answer: PolicyAnswer, policies: PolicySet) -> tuple[Obligation, ...]:
    if not any("obligation" in ref.annotations for ref in answer.determining):
        return ()
    return policies.bundle.obligations.attached(ref.annotations for ref in answer.determining)


def _strictest(annotations: Sequence[Mapping[str, str]]) -> StepUp | None:
    """Join what several policies ask: the strongest class, the shortest age. Nothing when one cannot be read."""
    acr, max_age_s = Acr.MULTI_FACTOR, 24 * 3600
    for each in annotations:
        wanted = _STEP_UP_ACR.get(each["step_up"])
        span = _SPAN.fullmatch(each.get("max_age", "15m"))
        if wanted is None or span is None:
            return None
        acr = max(acr, wanted, key=lambda a: a.strength)
        max_age_s = min(max_age_s, int(span[1]) * _SECONDS[span[2]])
    return StepUp(acr, max_age_s)
