"""Check invariants: proved for every request, or broken by one that the engine confirms, or unknown."""

from __future__ import annotations

from dataclasses import dataclass, field

from watchword.policy.analysis.model import Example, Finding, FindingKind, Invariant, Unknown, Verdict
from watchword.policy.analysis.solve import Prover, Said
from watchword.policy.analysis.subject import Kind, Subject, permits, touched_by
from watchword.policy.analysis.symbols import either, negated
from watchword.policy.model import Effect


@dataclass(slots=True)
class InvariantChecks:
    """One pass over the invariants of a bundle.

    Attributes:
        others_decide: something outside the bundle has a say as well.
    """

    subject: Subject
    prover: Prover
    others_decide: bool = False
    findings: list[Finding] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def check(self, invariant: Invariant) -> None:
        """Look at one invariant, in every kind of request of its scope."""
        kinds = self.subject.kinds_of(invariant.policy)
        said = [self._said(invariant, kind) for kind in kinds]
        broken = next((one for one in said if isinstance(one, Example)), None)
        if broken is not None:
            self._settle(invariant, Verdict.VIOLATED)
            message = _words(invariant, broken)
            self.findings.append(
                Finding(FindingKind.VIOLATED, invariant.id, invariant.place, message, broken.policies, broken)
            )
        elif Said.UNKNOWN in said:
            self._unsettled(invariant, "it may hold or not")
        elif all(self._is_vacuous(invariant, kind) for kind in kinds):
            self._settle(invariant, Verdict.VACUOUS)
            message = f"invariant `{invariant.id}` says nothing: its condition is true of no request in its scope"
            self.findings.append(Finding(FindingKind.VACUOUS, invariant.id, invariant.place, message))
        elif self.others_decide or not self.subject.whole.is_repeatable:
            # Prevents: a promise that Cedar keeps and a policy in Rego breaks.
            self._unsettled(invariant, "the policies in Cedar keep it, but others have a say and were not looked at")
        else:
            self._settle(invariant, Verdict.HOLDS)

    def _unsettled(self, invariant: Invariant, why: str) -> None:
        self._settle(invariant, Verdict.UNKNOWN)
        message = f"invariant `{invariant.id}` is not settled: {why}"
        self.unknown.append(Unknown(invariant.id, invariant.place, message))

    def _settle(self, invariant: Invariant, verdict: Verdict) -> None:
        self.verdicts[invariant.id] = verdict

    def _said(self, invariant: Invariant, kind: Kind) -> Said | Example:
        """Look for a request that breaks the promise; one on which the condition fails breaks it too."""
        promise = self.subject.encoded(invariant.policy, kind)
        policies = self.subject.all(kind.policies, kind)
        granted = permits(policies)
        terms = [either(promise.applies, promise.fails), granted if invariant.is_never else negated(granted)]
        touched = touched_by([promise, *policies])
        outcome = self.prover.ask(kind.world, terms, touched)
        if outcome.said is not Said.POSSIBLE:
            return outcome.said
        replayed = self.subject.replay(kind, outcome.model, touched)
        if replayed is None:
            return Said.UNKNOWN
        request, _ = replayed
        answer = self.subject.whole.evaluate(request)
        # Prevents: telling of a request that the engine would answer otherwise.
        is_broken = (answer.effect is Effect.PERMIT) == invariant.is_never
        if self.others_decide or not is_broken or answer.code in {"schema_misfit", "budget_spent"}:
            return Said.UNKNOWN
        if self.subject.holds(invariant.policy, request) is False:
            return Said.UNKNOWN
        return self.subject.example(request, answer, also=[invariant.policy])

    def _is_vacuous(self, invariant: Invariant, kind: Kind) -> bool:
        promise = self.subject.encoded(invariant.policy, kind)
        return self.prover.ask(kind.world, [promise.applies], promise.touched).said is Said.IMPOSSIBLE


def _words(invariant: Invariant, example: Example) -> str:
    request = example.request
    who = f"{request.principal} may {request.action.id} {request.resource}"
    if invariant.is_never:
        by = ", ".join(f"`{name}`" for name in example.policies)
        return f"invariant `{invariant.id}` is broken: {who}, permitted by {by}"
    by = ", ".join(f"`{name}`" for name in example.policies)
    why = f"refused by {by}" if by else "nothing permits it"
    return f"invariant `{invariant.id}` is broken: {who.replace(' may ', ' may not ', 1)}; {why}"
