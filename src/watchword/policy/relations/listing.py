"""The other ways to ask: which objects, which users, and what a relation is made of.

Objects and users are found in two steps. A walk that takes `and` for one of its operands, `but not` for its base, and
every condition for true, finds all that could be right; a check of each decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from watchword.policy.relations.check import Budget, Goal
from watchword.policy.relations.errors import RelationBudgetError, RelationError
from watchword.policy.relations.graph import Part, members
from watchword.policy.relations.model import (
    Computed,
    Direct,
    Exclusion,
    FromTupleset,
    Intersection,
    Rewrite,
    Union,
)
from watchword.policy.relations.nodes import Node
from watchword.policy.relations.tuples import Object, Subject, read_object, read_subject, unknown
from watchword.policy.relations.view import RelationView

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_SEARCH: Final = Budget(steps=100_000)
MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Listing:
    """What was found.

    Attributes:
        names: sorted; each was checked.
        is_complete: nothing was left out, because there were more than wanted or a check had no answer.
    """

    names: tuple[str, ...]
    is_complete: bool


def list_objects(
    view: RelationView,
    user: str,
    relation: str,
    type_: str,
    *,
    context: Mapping[str, Any] = _NOTHING,
    given: Mapping[tuple[str, str], Collection[str]] | None = None,
    most: int = MOST,
) -> Listing:
    """Return the objects of a type that a user is related to.

    Raises:
        RelationError: the question is malformed, or finding what could be right takes more steps than it may.
    """
    subject, root = read_subject(user), view.compiled.node(type_, relation)
    view.walk(subject)
    candidates = _Backwards(view, subject, root, given).objects()

    def is_related(object_id: str) -> bool:
        return view.walk(subject, context=context, given=given).check(root, object_id)

    return _checked(((f"{type_}:{each}", each) for each in sorted(candidates)), is_related, most)


def list_users(
    view: RelationView,
    object_: str,
    relation: str,
    kind: str,
    *,
    context: Mapping[str, Any] = _NOTHING,
    most: int = MOST,
) -> Listing:
    """Return the users of a kind that are related to an object; `user:*` stands for everybody, with exceptions.

    Args:
        kind: `user`, or `group#member` for usersets.

    Raises:
        RelationError: as above.
    """
    node, object_id = view.goal(relation, object_)
    type_, _, userset = kind.partition("#")
    if type_ not in view.model.types or (userset and view.model.relation(type_, userset) is None):
        raise unknown(view.model, type_, userset)
    candidates = _forwards((node, object_id), kind)

    def is_related(subject: Subject) -> bool:
        return view.walk(subject, context=context).check(node, object_id)

    subjects = (Subject(type_, each, userset) for each in sorted(candidates))
    return _checked(((str(each), each) for each in subjects), is_related, most)


def _checked(candidates: Iterable[tuple[str, Any]], is_related: Any, most: int) -> Listing:
    found: list[str] = []
    is_complete = True
    for name, candidate in candidates:
        if len(found) >= most:
            return Listing(tuple(found), is_complete=False)
        try:
            if is_related(candidate):
                found.append(name)
        except RelationError:
            is_complete = False  # no answer is not a yes
    return Listing(tuple(found), is_complete)


class _Backwards:
    """From a user to everything that could be related to them, as far as a root node is concerned."""

    def __init__(
        self,
        view: RelationView,
        subject: Subject,
        root: Node,
        given: Mapping[tuple[str, str], Collection[str]] | None,
    ) -> None:
        self._subject = subject
        self._root = root
        self._given = given or {}
        self._kind = "" if subject.relation or subject.is_wildcard else subject.type
        self._sought = f"{subject.type}#{subject.relation}" if subject.relation else subject.type
        self._held = view.compiled.node(subject.type, subject.relation) if subject.relation else None
        self._into: dict[Node, list[tuple[Part | None, Node]]] = {}
        self._nodes = list(self._reachable())

    def objects(self) -> set[str]:
        waiting = [(node, each) for node in self._nodes for each in self._starts(node)]
        seen = set(waiting)
        while waiting:
            node, object_id = waiting.pop()
            for part, above in self._into.get(node, ()):
                for one in (object_id,) if part is None else members(part.objects.get(object_id)):
                    step = (above, one)
                    if step not in seen:
                        seen.add(step)
                        waiting.append(step)
            if len(seen) > _SEARCH.steps:
                raise RelationBudgetError("the list takes more steps than it may")
        return {object_id for node, object_id in seen if node is self._root}

    def _reachable(self) -> Iterator[Node]:
        waiting, seen = [self._root], {self._root}
        while waiting:
            node = waiting.pop()
            yield node
            edges: list[tuple[Part | None, Node]] = [*_edges(node)]
            edges += [(None, combined.operands[0]) for combined in node.combined]
            for part, target in edges:
                if self._sought not in target.reaches:
                    continue
                self._into.setdefault(target, []).append((part, node))
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)

    def _starts(self, node: Node) -> Iterator[str]:
        subject = self._subject
        if self._held is not None:
            if self._held in node.folded:
                yield subject.id
            return
        for part in node.direct.get(self._kind, ()):
            yield from members(part.objects.get(subject.id))
        everybody = [*node.everybody.get(subject.type, ())]
        everybody += [part for part, _ in node.conditional.get(f"{subject.type}:*", ())]
        for part in everybody:
            yield from members(part.objects.get("*"))
        for part, _ in node.conditional.get(self._kind, ()):
            yield from members(part.objects.get(subject.id))
        for table in node.given.get(self._kind, ()):
            yield from self._given.get(table, ())


def _forwards(start: Goal, kind: str) -> set[str]:
    """Collect everybody of a kind who could be related."""
    found: set[str] = set()
    waiting, seen = [start], {start}
    while waiting:
        node, object_id = waiting.pop()
        if any(f"{each.type}#{each.relation}" == kind for each in node.folded):
            found.add(object_id)
        parts = [*node.direct.get(kind, ()), *node.everybody.get(kind, ())]
        parts += [part for name in (kind, f"{kind}:*") for part, _ in node.conditional.get(name, ())]
        for part in parts:
            found.update(members(part.subjects.get(object_id)))
        steps = [(target, one) for part, target in _edges(node) for one in members(part.subjects.get(object_id))]
        for combined in node.combined:
            # All operands of an `and`: one may hold for everybody, and who they are stands in another.
            operands = combined.operands[:1] if combined.is_exclusion else combined.operands
            steps += [(operand, object_id) for operand in operands]
        for step in steps:
            if step not in seen and kind in step[0].reaches:
                seen.add(step)
                waiting.append(step)
        if len(seen) + len(found) > _SEARCH.steps:
            raise RelationBudgetError("the list takes more steps than it may")
    return found


def _edges(node: Node) -> Iterator[tuple[Part, Node]]:
    yield from node.edges
    for part, target, _ in node.conditional_edges:
        yield part, target


# ---- expand --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tree:
    """What a relation of an object is made of, one level deep.

    Attributes:
        kind: `direct`, `computed`, `from`, `or`, `and`, `but not`.
        users: of a leaf: users, or the relations of objects to look at next.
        parts: of anything else.
    """

    kind: str
    users: tuple[str, ...] = ()
    parts: tuple[Tree, ...] = ()


def expand(view: RelationView, relation: str, object_: str) -> Tree:
    """Say what a relation of an object is made of.

    Raises:
        RelationError: the question is malformed, or there are more users than a list may hold.
    """
    view.goal(relation, object_)
    target = read_object(object_)
    found = view.model.relation(target.type, relation)
    assert found is not None
    return _expanded(view, target, relation, found.rewrite)


def _expanded(view: RelationView, target: Object, relation: str, rewrite: Rewrite) -> Tree:
    match rewrite:
        case Direct():
            return Tree("direct", _subjects(view, target, relation))
        case Computed(name):
            return Tree("computed", (f"{target}#{name}",))
        case FromTupleset(name, tupleset):
            return Tree("from", tuple(f"{each}#{name}" for each in _subjects(view, target, tupleset)))
        case Union(parts) | Intersection(parts):
            kind = "or" if isinstance(rewrite, Union) else "and"
            return Tree(kind, parts=tuple(_expanded(view, target, relation, part) for part in parts))
        case Exclusion(base, subtract):
            both = (_expanded(view, target, relation, base), _expanded(view, target, relation, subtract))
            return Tree("but not", parts=both)


def _subjects(view: RelationView, target: Object, relation: str) -> tuple[str, ...]:
    found = []
    for each in view.graph.of(target, relation):
        found.append(f"{each.subject} with {each.condition}" if each.condition else str(each.subject))
        if len(found) > _SEARCH.breadth:
            raise RelationBudgetError("there are more users than a list may hold")
    return tuple(sorted(found))
