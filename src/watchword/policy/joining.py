"""Join what Rego says to what Cedar says: a denial of either wins, and what fails denies. See docs/adr/0047."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import MappingProxyType

from watchword.policy.explain import Clause, Trace
from watchword.policy.model import Effect, PolicyAnswer, PolicyRef
from watchword.policy.rego import Outcome, Package, RegoPolicies, Said, Stand

_LONGEST_VALUE = 200


def is_settled(cedar: PolicyAnswer) -> bool:
    """Tell whether Cedar's answer stands whatever Rego would say, so that Rego need not be asked."""
    return cedar.effect in {Effect.FORBID, Effect.ERROR}


def join(cedar: PolicyAnswer, said: Sequence[Said]) -> PolicyAnswer:
    """Return the answer of all sources together.

    Args:
        cedar: a permit or silence.
        said: by each package; at least one.
    """
    # 1. A package that failed might have denied. Prevents: a broken rule that lets everybody pass.
    failed = tuple(one.problem for one in said if one.stand is Stand.FAILED)
    if failed:
        return PolicyAnswer(Effect.ERROR, (), failed, cedar.version)
    # 2. A package that denies wins over every permit.
    denied = [one for one in said if one.stand is Stand.DENIES]
    allowed = [one for one in said if one.stand is Stand.ALLOWS]
    if denied:
        words: tuple[str, ...] = ()
        if allowed:
            no, yes = denied[0].package.name, allowed[0].package.name
            words = (f"rego_disagree: `{no}` denies what `{yes}` allows; a denial wins",)
        return PolicyAnswer(Effect.FORBID, tuple(map(_ref, denied)), words, cedar.version)
    # 3. A package that allows is a permit like any other.
    permits = (*cedar.determining, *map(_ref, allowed))
    effect = Effect.PERMIT if permits else Effect.SILENT
    return PolicyAnswer(effect, permits, cedar.errors, cedar.version)


def _ref(said: Said) -> PolicyRef:
    notes = {"reason": " ".join(said.reasons)} if said.reasons else {}
    return PolicyRef(said.package.id, MappingProxyType(notes))


def traces(policies: RegoPolicies, said: Sequence[Said], document: dict[str, object]) -> tuple[Trace, ...]:
    """Say what every rule of every package came to, the rules that answer first."""
    return tuple(_trace(policies, one, document) for one in said)


def _trace(policies: RegoPolicies, said: Said, document: dict[str, object]) -> Trace:
    package = said.package
    values = policies.values(package, document)
    clauses = [
        Clause(
            "rego",
            f"{rule.name} ({module.path}:{rule.line})",
            _value(outcome),
            _holds(package, rule.name, said, outcome),
            {},
        )
        for module, rule, outcome in sorted(values, key=lambda each: each[1].name not in package.asks)
    ]
    if said.stand is Stand.FAILED:
        clauses.insert(0, Clause("rego", "the answer of the package", f"failed: {said.problem}", False, {}))
    effect = "permit" if "allow" in package.asks else "forbid"
    return Trace(package.id, effect, package.path, package.line, tuple(clauses))


def _holds(package: Package, name: str, said: Said, outcome: Outcome) -> bool:
    """A rule that answers holds if it lets the package apply; a helper never keeps it from that."""
    if name == "allow":
        return said.stand is Stand.ALLOWS
    if name == "deny" and "allow" in package.asks:
        return said.stand is not Stand.DENIES
    if name == "deny":
        return said.stand is Stand.DENIES
    return outcome.kind == "value" and outcome.value is not False


def _value(outcome: Outcome) -> str:
    if outcome.kind == "value":
        return json.dumps(outcome.value, sort_keys=True, ensure_ascii=False)[:_LONGEST_VALUE]
    return "undefined" if outcome.kind == "undefined" else "failed: a builtin failed, or the rules contradict"
