"""The policies under analysis: filed by kind of request, encoded once for each, replayed in the engine on demand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import z3

from watchword.policy.analysis.encode import Encoded, encode
from watchword.policy.analysis.facts import facts_of
from watchword.policy.analysis.model import Example
from watchword.policy.analysis.symbols import Touched, World, both, either, negated
from watchword.policy.analysis.witness import request_of
from watchword.policy.engine import PolicySet
from watchword.policy.index import scope_of
from watchword.policy.load import Bundle, WrittenPolicy
from watchword.policy.model import Effect, EntityUid, PolicyAnswer, PolicyRequest
from watchword.policy.schema import Schema, parse_schema

Key = tuple[EntityUid, str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request, with the policies that its action and types admit."""

    key: Key
    world: World
    policies: tuple[WrittenPolicy, ...]


class Subject:
    """A bundle, ready to be asked about.

    Attributes:
        whole: the engine with everything that has a say.
        engine: the engine with the policies in Cedar alone.
    """

    def __init__(self, bundle: Bundle, extra: Iterable[WrittenPolicy] = ()) -> None:
        # What stands beside Cedar is no part of a proof; `whole` asks it too.
        self.whole = PolicySet(bundle)
        self.bundle = bundle = replace(bundle, rego=None, reported=())
        self.schema: Schema = parse_schema(bundle.schema)
        self.engine = PolicySet(bundle)
        self._encoded: dict[tuple[str, Key], Encoded] = {}
        self._extra = tuple(extra)
        self._textual = {policy.id for policy in (*bundle.policies, *self._extra) if '"like"' in json.dumps(policy.est)}
        self.kinds = tuple(self._kind(key) for key in _keys(self.schema))

    def _kind(self, key: Key) -> Kind:
        policies = tuple(policy for policy in self.bundle.policies if self.admits(policy, key))
        asked = [policy.id for policy in (*policies, *self._extra)]
        is_textual = not self._textual.isdisjoint(asked)
        return Kind(key, World(self.schema, self.schema.actions[key[0]], *key[1:], is_textual=is_textual), policies)

    def admits(self, policy: WrittenPolicy, key: Key) -> bool:
        """Tell whether a policy's head admits a kind of request at all."""
        scope, (action, principal, resource) = scope_of(policy.est), key
        return (
            scope.principal.admits(principal)
            and scope.resource.admits(resource)
            and scope.admits_action(action, self.schema.actions[action].ancestors)
        )

    def kinds_of(self, policy: WrittenPolicy) -> list[Kind]:
        """Return the kinds of requests that a policy's head admits."""
        return [kind for kind in self.kinds if self.admits(policy, kind.key)]

    def encoded(self, policy: WrittenPolicy, kind: Kind) -> Encoded:
        """Write a policy for a kind of request, once."""
        key = policy.id, kind.key
        if key not in self._encoded:
            self._encoded[key] = encode(policy, kind.world)
        return self._encoded[key]

    def all(self, policies: Sequence[WrittenPolicy], kind: Kind) -> list[Encoded]:
        """Write several."""
        return [self.encoded(policy, kind) for policy in policies]

    def replay(self, kind: Kind, model: Any, touched: Touched) -> tuple[PolicyRequest, PolicyAnswer] | None:
        """Put what the solver found to the engine; nothing where no request can be built of it."""
        try:
            request = request_of(kind.world, model, touched)
        except (z3.Z3Exception, AttributeError, KeyError, AssertionError, ValueError):
            return None
        return request, self.engine.evaluate(request)

    def holds(self, condition: WrittenPolicy, request: PolicyRequest) -> bool | None:
        """Ask the engine whether a condition holds of a request; nothing when it fails on it."""
        answer = PolicySet(replace(self.bundle, policies=(condition,), templates=())).evaluate(request)
        return None if answer.errors else answer.effect is Effect.PERMIT

    def example(self, request: PolicyRequest, answer: PolicyAnswer, also: Iterable[WrittenPolicy] = ()) -> Example:
        """Make what people see of a request: who, what, and the facts that the policies look at."""
        key = request.action, request.principal.type, request.resource.type
        looked_at = [*(one for one in self.bundle.policies if self.admits(one, key)), *also]
        facts = facts_of(request, [policy.est for policy in looked_at])
        return Example(request, facts, answer.effect.value, tuple(ref.id for ref in answer.determining))


def _keys(schema: Schema) -> list[Key]:
    return [
        (action.uid, principal, resource)
        for action in sorted(schema.actions.values(), key=lambda one: one.uid)
        if action.context is not None
        for principal in sorted(action.principals)
        for resource in sorted(action.resources)
    ]


def touched_by(encoded: Iterable[Encoded]) -> Touched:
    """Gather what several policies rely upon."""
    touched = Touched()
    for one in encoded:
        touched.merge(one.touched)
    return touched


def stops(forbid: Encoded) -> Any:
    """Tell when a forbid denies: when it applies, and in strict mode when it fails."""
    return either(forbid.applies, forbid.fails)


def permits(policies: Iterable[Encoded]) -> Any:
    """Tell when the policies together permit."""
    granted: Any = z3.BoolVal(False)
    free: Any = z3.BoolVal(True)
    for one in policies:
        if one.policy.est["effect"] == "permit":
            granted = either(granted, one.applies)
        else:
            free = both(free, negated(stops(one)))
    return both(granted, free)
