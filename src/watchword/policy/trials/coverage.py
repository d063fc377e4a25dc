"""Which clauses of which policies do tests reach, and have they seen each both ways?

Counted are: each policy, which must apply once; each side of a head, which counts only while the two others fit, so
that it makes the difference; and each single clause of the conditions, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from watchword.policy.checks import MisfitError
from watchword.policy.evaluator import Asked, Evaluator
from watchword.policy.index import Scope, scope_of
from watchword.policy.load import Bundle, WrittenPolicy
from watchword.policy.model import PolicyRequest
from watchword.policy.runtime import BudgetSpentError
from watchword.policy.schema import Schema, parse_schema
from watchword.policy.spans import Span, head_spans, spans_of
from watchword.policy.tracing import Place, Seen, Watched, head_holds, head_texts, watched

_NOWHERE: Final = (0, 0)


@dataclass(frozen=True, slots=True)
class ClauseCover:
    """What tests saw of one clause.

    Attributes:
        kind: `principal`, `action`, `resource`, or `clause`.
        span: where it stands in the policy's text.
        reached: how often it was asked while it mattered.
        can_be: which values it can have at all; a literal has one.
    """

    kind: str
    span: Span
    reached: int
    true: int
    false: int
    can_be: frozenset[bool] = frozenset({True, False})

    @property
    def branches(self) -> int:
        """How many of its values were seen."""
        return (self.true > 0) + (self.false > 0)

    @property
    def missing(self) -> str:
        """What no test showed, in words; empty when everything was."""
        if not self.reached:
            return "never reached" if self.kind == "clause" else "never decides"
        unseen = [value for value, times in ((True, self.true), (False, self.false)) if not times]
        return " and ".join(f"never {'true' if value else 'false'}" for value in unseen if value in self.can_be)


@dataclass(frozen=True, slots=True)
class PolicyCover:
    """What tests saw of one policy.

    Attributes:
        asked: how often its head fitted.
        applied: how often all of it held.
        failed: how often it ended in an error.
    """

    policy: WrittenPolicy
    asked: int
    applied: int
    failed: int
    clauses: tuple[ClauseCover, ...]

    @property
    def counted_clauses(self) -> tuple[int, int]:
        """How many were covered, of how many; the policy itself is one."""
        return (self.applied > 0) + sum(one.reached > 0 for one in self.clauses), 1 + len(self.clauses)

    @property
    def counted_branches(self) -> tuple[int, int]:
        """How many values were seen, of how many that there are; the policy's applying is one."""
        seen = sum(one.branches for one in self.clauses)
        return (self.applied > 0) + seen, 1 + sum(len(one.can_be) for one in self.clauses)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What tests saw of a set of policies."""

    policies: tuple[PolicyCover, ...]

    @property
    def clauses(self) -> float:
        """The covered share in percent; of no policies at all, everything."""
        return _percent(one.counted_clauses for one in self.policies)

    @property
    def branches(self) -> float:
        """The covered share in percent."""
        return _percent(one.counted_branches for one in self.policies)


def _percent(counts: Iterable[tuple[int, int]]) -> float:
    pairs = list(counts)
    total = sum(whole for _, whole in pairs)
    return 100.0 * sum(part for part, _ in pairs) / total if total else 100.0


class Covering:
    """Collects what requests reach; ask one after the other, then look."""

    def __init__(self, bundle: Bundle) -> None:
        self._evaluator = Evaluator(bundle)
        schema = parse_schema(bundle.schema)
        self._watched = [_Policy(policy, schema) for policy in bundle.policies]

    def ask(self, request: PolicyRequest) -> None:
        """Run every policy whose head fits; a request outside the schema reaches none."""
        try:
            _, asked = self._evaluator.prepare(request)
        except (MisfitError, BudgetSpentError):
            return
        for policy in self._watched:
            policy.ask(asked)

    def coverage(self) -> Coverage:
        """Return what was seen so far."""
        return Coverage(tuple(policy.cover() for policy in self._watched))


def cover(bundle: Bundle, requests: Iterable[PolicyRequest]) -> Coverage:
    """Return what requests reach of a bundle."""
    covering = Covering(bundle)
    for request in requests:
        covering.ask(request)
    return covering.coverage()


class _Policy:
    """One policy, compiled to be watched."""

    def __init__(self, policy: WrittenPolicy, schema: Schema) -> None:
        self._policy = policy
        self._schema = schema
        self._scope: Scope = scope_of(policy.est)
        self._watched: Watched = watched(policy.est)
        self._head = (Seen(), Seen(), Seen())
        self._asked = self._applied = self._failed = 0

    def ask(self, asked: Asked) -> None:
        holds = head_holds(self._scope, asked)
        misses = holds.count(False)
        if misses > 1:
            return
        for seen, value in zip(self._head, holds, strict=True):
            if not misses or not value:
                seen.enter()
                seen.leave(value)
        if not misses:
            self._run(asked)

    def _run(self, asked: Asked) -> None:
        self._asked += 1
        self._failed += 1
        with suppress(Exception):  # whatever it is, the policy has failed, and stays counted so
            self._applied += self._watched.function(*asked) is True
            self._failed -= 1

    def cover(self) -> PolicyCover:
        heads, at = head_spans(self._policy.text), spans_of(self._policy.text, self._watched.places)
        texts, can_be = head_texts(self._scope), _head_can_be(self._scope, self._schema)
        clauses = [
            ClauseCover(kind, heads.get(kind, _NOWHERE), *_counts(seen), possible)
            for (kind, text), seen, possible in zip(texts.items(), self._head, can_be, strict=True)
            if text != kind  # a side that asks nothing is no clause
        ]
        singles = (clause for place in self._watched.places for clause in place.clauses)
        clauses += [
            ClauseCover("clause", at.get(id(one), _NOWHERE), *_counts(one.seen), _can_be(one)) for one in singles
        ]
        return PolicyCover(self._policy, self._asked, self._applied, self._failed, tuple(clauses))


def _counts(seen: Seen) -> tuple[int, int, int]:
    return seen.entered, seen.true, seen.false


def _can_be(place: Place) -> frozenset[bool]:
    value: Any = place.node.get("Value")
    return frozenset({value}) if isinstance(value, bool) else frozenset({True, False})


def _head_can_be(scope: Scope, schema: Schema) -> list[frozenset[bool]]:
    """Tell which values each side of a head can have while the others fit, by the kinds of requests that there are."""
    kinds = [
        (scope.principal.admits(principal), scope.admits_action(uid, action.ancestors), scope.resource.admits(resource))
        for uid, action in schema.actions.items()
        for principal in action.principals
        for resource in action.resources
    ]
    found = []
    for at, is_anchored in enumerate((scope.principal.anchor, None, scope.resource.anchor)):
        values = {kind[at] for kind in kinds if kind.count(False) - (not kind[at]) == 0}
        # An entity may always lie elsewhere than the head wants it, whatever its type.
        found.append(frozenset(values | {False} if is_anchored and values else values or {True, False}))
    return found


def annotated(cover: PolicyCover) -> Iterator[str]:
    """Write a policy's text with a mark before each line that holds clauses, and what is missing below it.

    Marks: `+` every clause that begins here was seen both ways, `!` something is missing.
    """
    text, line = cover.policy.text, cover.policy.line
    begin = 0
    for number, words in enumerate(text.split("\n")):
        here = [one for one in cover.clauses if begin <= one.span[0] < begin + len(words) + 1 and one.span != _NOWHERE]
        lacking = [one for one in here if one.missing]
        mark = "!" if lacking else "+" if here else " "
        yield f"{mark} {line + number:>5}  {words}"
        for one in lacking:
            first = one.span[0] - begin
            length = max(1, min(one.span[1] - begin, len(words)) - first)
            yield f"{'':>7}  {' ' * first}{'^' * length} {one.missing}"
        begin += len(words) + 1


def lacking(coverage: Coverage) -> Sequence[PolicyCover]:
    """Return the policies of which something is missing."""
    return [one for one in coverage.policies if one.counted_branches[0] < one.counted_branches[1]]
