"""Find what would change an answer: the fewest facts that would have to be otherwise for access to be given.

Each way that is found is tried: the request is changed so and asked again. A way that does not lead to a permit is
told as what it is, a guess, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, Final

from watchword.policy.errors import UnknownSyntaxError
from watchword.policy.evaluator import Evaluator
from watchword.policy.facts import Act, Drop, Join, Leave, Path, Put, UnreachableError, changed, value_at
from watchword.policy.index import scope_of
from watchword.policy.load import WrittenPolicy
from watchword.policy.model import Effect, EntityUid, PolicyRequest
from watchword.policy.schema import Schema
from watchword.policy.tracing import run_of
from watchword.policy.variants import Clause, Variant, as_number

_MOST_OPTIONS: Final = 4
_MOST_TRIED: Final = 24
_MOST_WAYS: Final = 3
_MOST_CLAUSES: Final = 100


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that would have to be otherwise.

    Attributes:
        node: the clause that asks for it, in Cedar's JSON form; nothing for a side of a head.
        wanted: what the clause would have to come to.
        act: one of the least changes that make it so.
        now: the fact as it is; nothing where it is missing.
    """

    node: Any
    wanted: bool
    act: Act
    now: Any


@dataclass(frozen=True, slots=True)
class Way:
    """Changes that together would lead to access.

    Attributes:
        policies: the ids of those that stand in the way or would open it.
        is_certain: the request was changed so, asked again, and permitted.
    """

    changes: tuple[Change, ...]
    policies: tuple[str, ...]
    is_certain: bool


_Options = list[tuple[Change, ...]]


def ways_to_permit(
    evaluator: Evaluator,
    schema: Schema,
    request: PolicyRequest,
    *,
    forbids: Sequence[WrittenPolicy],
    permits: Sequence[WrittenPolicy],
) -> tuple[Way, ...]:
    """Return the shortest ways, those that were proved before the others; at most three.

    Args:
        forbids: those that hold or fail; each must cease to.
        permits: the nearest of those that do not hold; empty when one holds already.
    """
    seeker = Seeker(evaluator, schema, request)
    lifts = [[(policy.id, option) for option in seeker.conditions(policy, holds=False)] for policy in forbids]
    opens = [(policy.id, option) for policy in permits for option in seeker.opening(policy)] if permits else []
    if not all(lifts) or (permits and not opens):
        return ()
    choices = [*lifts, *([opens] if permits else [])]
    tried = [seeker.way(chosen) for chosen in islice(product(*choices), _MOST_TRIED)]
    ordered = sorted(filter(None, tried), key=lambda way: (not way.is_certain, len(way.changes)))
    unique = {repr([change.act for change in way.changes]): way for way in reversed(ordered)}
    return tuple(way for way in ordered if way in unique.values())[:_MOST_WAYS]


class Seeker:
    """Looks for changes of one request."""

    def __init__(self, evaluator: Evaluator, schema: Schema, request: PolicyRequest) -> None:
        self._evaluator = evaluator
        self._schema = schema
        self._request = request
        self._clauses: dict[int, Clause] = {}

    def way(self, chosen: Iterable[tuple[str, tuple[Change, ...]]]) -> Way | None:
        """Join what each policy needs, and ask again."""
        pairs = list(chosen)
        changes = _joined(change for _, option in pairs for change in option)
        request = with_changes(self._request, changes)
        if not changes or request is None:
            return None
        is_certain = self._evaluator.evaluate(request).effect is Effect.PERMIT
        return Way(changes, tuple(dict.fromkeys(name for name, _ in pairs)), is_certain)

    def opening(self, policy: WrittenPolicy) -> _Options:
        """Return what would make a permit hold; a head that misses by a membership can be mended, no other."""
        scope = scope_of(policy.est)
        joins = []
        for root, side, uid in (
            ("principal", scope.principal, self._request.principal),
            ("resource", scope.resource, self._request.resource),
        ):
            if side.anchor is None or side.anchor in self._above(uid):
                continue
            if side.is_exact or not side.admits(uid.type):
                return []
            joins.append(Change(None, wanted=True, act=Join(root, side.anchor), now=None))
        return [(*joins, *option) for option in self.conditions(policy, holds=True)]

    def conditions(self, policy: WrittenPolicy, *, holds: bool) -> _Options:
        """Return what would make all conditions of a policy hold, or one of them not."""
        wanted = [(one["body"], (one["kind"] == "when") is holds) for one in policy.est.get("conditions", [])]
        parts = (self.options(body, wanted=truth) for body, truth in wanted)
        return _all_of(parts) if holds else _any_of(parts)

    def options(self, node: Any, *, wanted: bool) -> _Options:
        """Return the ways in which an expression would come to a value; one that needs nothing when it does."""
        clause = self._clause(node)
        if clause is None:
            return []
        if clause.says(self._request) is wanted:
            return [()]
        match node:
            case {"&&": _} | {"||": _}:
                (name,) = node
                parts = (self.options(part, wanted=wanted) for part in run_of(node, name))
                return _all_of(parts) if (name == "&&") is wanted else _any_of(parts)
            case {"!": {"arg": inner}}:
                return self.options(inner, wanted=not wanted)
            case {"if-then-else": body}:
                return _any_of(
                    _all_of([self.options(body["if"], wanted=test), self.options(body[branch], wanted=wanted)])
                    for test, branch in ((True, "then"), (False, "else"))
                )
        return self._single(clause, wanted=wanted)

    def _single(self, clause: Clause, *, wanted: bool) -> _Options:
        fitting: dict[str, list[Variant]] = {}
        for variant in clause.variants(self._request):
            act = variant.act
            is_other_question = isinstance(act, Put) and not act.path.steps
            if variant.says is wanted and not is_other_question:
                fitting.setdefault(str(act.path if isinstance(act, Put | Drop) else act.root), []).append(variant)
        options: _Options = []
        for variants in fitting.values():
            act = min(variants, key=lambda variant: self._distance(variant.act)).act
            now = value_at(act.path, self._request) if isinstance(act, Put | Drop) else None
            options.append((Change(clause.node, wanted, act, now),))
        return options[:_MOST_OPTIONS]

    def _distance(self, act: Act) -> float:
        """Tell how far a value lies from what is: the least change is the one worth telling."""
        if not isinstance(act, Put):
            return 1.0
        before, after = as_number(value_at(act.path, self._request)), as_number(act.value)
        return 0.0 if before is None or after is None else float(abs(after - before))

    def _clause(self, node: Any) -> Clause | None:
        if id(node) not in self._clauses:
            # Prevents: a policy of thousands of clauses that keeps an explanation busy.
            if len(self._clauses) >= _MOST_CLAUSES:
                return None
            try:
                self._clauses[id(node)] = Clause(node, self._evaluator, self._schema)
            except UnknownSyntaxError:
                return None
        return self._clauses[id(node)]

    def _above(self, uid: EntityUid) -> set[EntityUid]:
        _, asked = self._evaluator.prepare(self._request)
        found: set[EntityUid] = asked[7] if uid == self._request.principal else asked[8]
        return found


def with_changes(request: PolicyRequest, changes: Iterable[Change]) -> PolicyRequest | None:
    """Return the request with all of them; nothing when one cannot be made."""
    try:
        for change in changes:
            request = changed(request, change.act)
    except UnreachableError:
        return None
    return request


def _all_of(parts: Iterable[_Options]) -> _Options:
    found: _Options = [()]
    for options in parts:
        if not options:
            return []
        found = sorted(((*one, *other) for one in found for other in options), key=len)[:_MOST_OPTIONS]
    return found


def _any_of(parts: Iterable[_Options]) -> _Options:
    return sorted((option for options in parts for option in options), key=len)[:_MOST_OPTIONS]


def _joined(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Keep the last change of each fact: to ask for a value is to ask that there be one."""
    found: dict[Any, Change] = {}
    for change in changes:
        key: Path | tuple[str, EntityUid]
        key = change.act.path if isinstance(change.act, Put | Drop) else (change.act.root, change.act.above)
        found.pop(key, None)
        found[key] = change
    return tuple(found.values())


def is_membership(change: Change) -> bool:
    """Tell whether a change is one of groups."""
    return isinstance(change.act, Join | Leave)
