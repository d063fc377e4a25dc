"""Make a case on either side of each point where a clause changes its mind, from the constants that policies hold.

Each case varies one fact of a request that reaches the clause: one of the tests', or else one made up from the schema
and brought there by satisfying what stands before the clause.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, TypeAlias

from watchword.policy.checks import MisfitError
from watchword.policy.engine import PolicySet
from watchword.policy.evaluator import Evaluator
from watchword.policy.explain import plain, text_of
from watchword.policy.facts import Act, Drop, Join, Put
from watchword.policy.index import Scope, scope_of
from watchword.policy.load import WrittenPolicy
from watchword.policy.model import Entity, EntityUid, PolicyAnswer, PolicyRequest, Value
from watchword.policy.runtime import BudgetSpentError
from watchword.policy.schema import Record, Schema, Type, parse_schema
from watchword.policy.tracing import Place, head_holds, watched
from watchword.policy.trials.running import verdict_of
from watchword.policy.trials.tables import Verdict
from watchword.policy.variants import Clause, samples
from watchword.policy.ways import Seeker, with_changes

_MOST_BASES: Final = 8
_Base: TypeAlias = tuple[str, PolicyRequest]
_MADE_UP: Final = "made up"


@dataclass(frozen=True, slots=True)
class Boundary:
    """One case.

    Attributes:
        clause: the text of the clause whose constants made it.
        act: the fact that was varied.
        base: the name of the test whose request was varied; `made up` when none reached the clause.
        given: the request before that.
        says: what the clause then comes to; nothing when it fails.
        verdict: what all policies together then say.
    """

    policy: WrittenPolicy
    clause: str
    act: Act
    base: str
    given: PolicyRequest
    request: PolicyRequest
    says: bool | None
    verdict: Verdict
    answer: PolicyAnswer

    @property
    def fact(self) -> str:
        """The varied fact, in words."""
        match self.act:
            case Put(path, value):
                return f"{path} = {plain(value) if value != '' else 'empty text'}"
            case Drop(path):
                return f"{path} is absent"
        return f"{self.act.root} {'in' if isinstance(self.act, Join) else 'not in'} {self.act.above}"


def boundaries(policies: PolicySet, requests: Sequence[tuple[str, PolicyRequest]]) -> Iterator[Boundary]:
    """Yield the cases of every policy, clause by clause.

    Args:
        requests: by the names of the tests that they come from; may be empty.
    """
    maker = BoundaryMaker(policies, requests)
    for policy in policies.bundle.policies:
        yield from maker.of_policy(policy)


class BoundaryMaker:
    """Makes the cases of one set of policies."""

    def __init__(self, policies: PolicySet, requests: Sequence[tuple[str, PolicyRequest]]) -> None:
        self._policies = policies
        self._schema: Schema = parse_schema(policies.bundle.schema)
        self._evaluator = Evaluator(policies.bundle)
        self._requests = requests

    def of_policy(self, policy: WrittenPolicy) -> Iterator[Boundary]:
        """Yield the cases of one policy, clause by clause."""
        seen, scope = watched(policy.est), scope_of(policy.est)
        clauses = [place for condition in seen.places for place in condition.clauses]
        bases: list[dict[str, _Base]] = [{} for _ in clauses]
        fitting: dict[str, _Base] = {}
        for name, request in self._requests:
            asked = self._asked(request)
            if asked is None or not all(head_holds(scope, asked)):
                continue
            # One of each kind: where one request is denied for another reason, a clause of this policy changes nothing.
            kind = self._kind(request)
            fitting.setdefault(kind, (name, request))
            before = [clause.seen.entered for clause in clauses]
            with suppress(Exception):  # a policy that fails reached what it reached
                seen.function(*asked)
            for place, times, found in zip(clauses, before, bases, strict=True):
                if place.seen.entered > times:
                    found.setdefault(kind, (name, request))
        start = list(fitting.values()) or [(_MADE_UP, made) for made in self._made_up(scope)]
        for node in _head_nodes(scope):
            yield from self._of_clause(policy, node, start)
        for place, found in zip(clauses, bases, strict=True):
            brought = ((_MADE_UP, self._bring(request, seen.places, place)) for _, request in start)
            reached = list(found.values()) or [(name, request) for name, request in brought if request is not None]
            yield from self._of_clause(policy, place.node, reached)

    def _kind(self, request: PolicyRequest) -> str:
        answer = self._policies.evaluate(request)
        return f"{answer.effect} {[ref.id for ref in answer.determining]}"

    def _made_up(self, scope: Scope) -> Iterator[PolicyRequest]:
        """Yield a request that fits the head, and one like it that is permitted, from which a denial can be seen."""
        for request in made_up(scope, self._schema):
            yield request
            for way in self._policies.explain(request).ways[:1]:
                permitted = with_changes(request, way.changes)
                if permitted is not None:
                    yield permitted

    def _asked(self, request: PolicyRequest) -> tuple[Any, ...] | None:
        try:
            return self._evaluator.prepare(request)[1]
        except (MisfitError, BudgetSpentError):
            return None

    def _of_clause(
        self, policy: WrittenPolicy, node: Any, bases: Iterable[tuple[str, PolicyRequest]]
    ) -> Iterator[Boundary]:
        """Take the first request from which the cases lead to different answers, else the first of all."""
        clause, first = Clause(node, self._evaluator, self._schema), list[Boundary]()
        for name, request in islice(bases, _MOST_BASES):
            cases = [
                Boundary(
                    policy, text_of(node), one.act, name, request, one.request, one.says, verdict_of(answer), answer
                )
                for one in clause.variants(request)
                for answer in (self._policies.evaluate(one.request),)
            ]
            first = first or cases
            if len({case.verdict for case in cases}) > 1:
                first = cases
                break
        yield from first

    def _bring(self, request: PolicyRequest, conditions: Sequence[Place], target: Place) -> PolicyRequest | None:
        """Change a request so that evaluation comes to a clause; nothing when no change was found that does it."""
        found: PolicyRequest | None = request
        for node, wanted in _before(conditions, target):
            if found is None:
                return None
            options = Seeker(self._evaluator, self._schema, found).options(node, wanted=wanted)
            found = with_changes(found, options[0]) if options else None
        return found


def _head_nodes(scope: Scope) -> Iterator[Any]:
    """Write the sides of a head that ask for an entity or a group as the clauses that they are."""
    for root, side in (("principal", scope.principal), ("resource", scope.resource)):
        if side.anchor is not None:
            uid = {"type": side.anchor.type, "id": side.anchor.id}
            yield {"==" if side.is_exact else "in": {"left": {"Var": root}, "right": {"Value": {"__entity": uid}}}}


def _before(conditions: Sequence[Place], target: Place) -> list[tuple[Any, bool]]:
    """Return what must come to what, in order, so that evaluation reaches a clause."""
    needed: list[tuple[Any, bool]] = []
    for condition in conditions:
        inner = _within(condition, target)
        if inner is not None:
            return needed + inner
        needed.append((condition.node, condition.kind == "when"))
    return needed


def _within(place: Place, target: Place) -> list[tuple[Any, bool]] | None:
    if place is target:
        return []
    for number, part in enumerate(place.parts):
        inner = _within(part, target)
        if inner is None:
            continue
        if part.kind in {"&&", "||"}:
            earlier = [one for one in place.parts[:number] if one.kind == part.kind]
            return [*((one.node, part.kind == "&&") for one in earlier), *inner]
        if part.kind in {"then", "else"}:
            return [(place.parts[0].node, part.kind == "then"), *inner]
        return inner
    return None


# ---- a request from nothing ------------------------------------------------------------------------------------------


def made_up(scope: Scope, schema: Schema) -> Iterator[PolicyRequest]:
    """Yield a request that fits a head, of required facts alone, each with the least value of its type."""
    for uid, action in schema.actions.items():
        for principal in sorted(action.principals):
            for resource in sorted(action.resources):
                admitted = scope.principal.admits(principal) and scope.resource.admits(resource)
                if action.context is None or not admitted or not scope.admits_action(uid, action.ancestors):
                    continue
                entities: dict[EntityUid, Entity] = {}
                who = _made_up_entity(principal, scope.principal.anchor, scope.principal.is_exact, schema, entities)
                what = _made_up_entity(resource, scope.resource.anchor, scope.resource.is_exact, schema, entities)
                yield PolicyRequest(who, uid, what, _least(action.context), entities)
                return


def _made_up_entity(
    type_: str,
    anchor: EntityUid | None,
    is_exact: bool,  # noqa: FBT001 (of the anchor before it)
    schema: Schema,
    entities: dict[EntityUid, Entity],
) -> EntityUid:
    uid = anchor if anchor is not None and (is_exact or anchor.type == type_) else _any_of(type_, schema)
    for one in {uid, anchor or uid}:
        entities[one] = Entity(one, _least(schema.entities[one.type].attributes))
    if anchor is not None and anchor != uid:
        entities[uid] = replace(entities[uid], parents=(anchor,))
    return uid


def _any_of(type_: str, schema: Schema) -> EntityUid:
    ids = schema.entities[type_].ids
    return EntityUid(type_, min(ids) if ids else "any")


def _least(type_: Type) -> dict[str, Value]:
    assert isinstance(type_, Record)
    found = next(samples(type_))
    assert isinstance(found, dict)
    return found
