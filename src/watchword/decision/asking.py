"""Ask the policies, and turn what they say into an answer: a forbid wins, silence and errors deny."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from watchword.decision.case import Case
from watchword.decision.model import Application, StepUp
from watchword.decision.vocabulary import ACTIONS, Vocabulary, permission_uid, resource_uid
from watchword.kernel import Answer, Reason, merge, wire_bytes
from watchword.policy import PolicyRequest, PolicySet, Value, verdict_of
from watchword.policy.replay import Grant, Question, Then


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
        verdict = verdict_of(answer, policies.bundle.obligations)
        case.policy = answer
        if verdict.obligations:
            case.obligations += tuple(found for found in verdict.obligations if found not in case.obligations)
        if verdict.answer is Answer.ALLOW and case.obligations and not self._can_be_met(case):
            return case.settle(Answer.DENY, Reason.OBLIGATION_UNKNOWN)
        if verdict.step_up is not None:
            case.step_up = StepUp(*verdict.step_up)
        return case.settle(verdict.answer, verdict.reason)

    def _can_be_met(self, case: Case) -> bool:
        """Tell whether each obligation has somebody who fulfils it: every door, this one, or the application."""
        assert case.app is not None
        app_does = case.app.fulfils_obligations
        for duty in case.obligations:
            if duty.name in self._known_obligations or (duty.is_for_application and app_does):
                continue
            if duty.limits is not None:
                # Only the edge can end a stream. Where it cannot, nobody knows that none was opened.
                if duty.limits.session_s is not None and not case.request.filters_bodies:
                    return False
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
            verdict = verdict_of(answer, policies.bundle.obligations)
            if verdict.answer is Answer.ALLOW and not verdict.obligations:
                granted.append(grant.name)
        case.permissions = tuple(granted)


def _grant(app: Application, permission: str) -> Grant:
    return Grant(permission, ACTIONS["use"], permission_uid(app, permission), {"permission": permission})
