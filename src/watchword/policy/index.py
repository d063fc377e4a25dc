"""Find the policies that may matter to a request without looking at the others.

A policy is filed under the resource and the principal that its scope names, or under nothing where it names none.
A request looks under nothing, itself and its ancestors, for both. So a policy that is found stands where its scope
wants it; only an exact `==` is still to be tested, because a bucket of a group is also found by its members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from watchword.policy.emit import Test, uid_of
from watchword.policy.errors import UnknownSyntaxError
from watchword.policy.model import EntityUid, PolicyRef


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a scope says of the principal or the resource.

    Attributes:
        type: it must be of this type; empty for any.
        anchor: it must be this entity or lie below it; nothing for any.
        is_exact: it must be the anchor itself.
    """

    type: str = ""
    anchor: EntityUid | None = None
    is_exact: bool = False

    def admits(self, type_name: str) -> bool:
        """Tell whether an entity of a type can ever meet it."""
        if self.is_exact and self.anchor is not None:
            return self.anchor.type == type_name
        return not self.type or self.type == type_name


@dataclass(frozen=True, slots=True)
class Scope:
    """The head of a policy.

    Attributes:
        actions: it must be one of these or lie below one; nothing for any.
        is_exact_action: it must be one of these itself.
    """

    principal: Constraint
    resource: Constraint
    actions: frozenset[EntityUid] | None
    is_exact_action: bool

    def admits_action(self, action: EntityUid, ancestors: AbstractSet[EntityUid]) -> bool:
        """Tell whether a request for an action can meet it."""
        if self.actions is None:
            return True
        return action in self.actions if self.is_exact_action else not self.actions.isdisjoint(ancestors)

    def tests(self) -> list[Test]:
        """Return what remains to be tested of a policy that was found by its anchors, types and action."""
        sides = (("principal", self.principal), ("resource", self.resource))
        return [(name, "==", side.anchor) for name, side in sides if side.is_exact]

    def action_tests(self) -> list[Test]:
        """Return the test of the action, for an index that does not know it."""
        if self.actions is None:
            return []
        if self.is_exact_action:
            return [("action", "==", next(iter(self.actions)))]
        return [("action", "in", self.actions)]


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled policy."""

    ref: PolicyRef
    is_forbid: bool
    scope: Scope
    function: Callable[..., bool]
    cost: int


@dataclass(slots=True)
class Bucket:
    """The policies of one place, forbids apart from permits; `cost` is what all of them take together."""

    forbids: list[Rule] = field(default_factory=list)
    permits: list[Rule] = field(default_factory=list)
    cost: int = 0


@dataclass(slots=True)
class Shelf:
    """The policies of one resource, by the principal that their scopes name.

    Attributes:
        anybody: those that name none; nothing where there is no such policy.
        names: the keys of `named`, as a set, which knows their hashes.
    """

    anybody: Bucket | None
    named: Mapping[EntityUid, Bucket]
    names: frozenset[EntityUid]


Index: TypeAlias = Mapping[EntityUid | None, Shelf]


def index_of(rules: Iterable[Rule]) -> Index:
    """File rules under resource, then principal."""
    index: dict[EntityUid | None, dict[EntityUid | None, Bucket]] = {}
    for rule in rules:
        inner = index.setdefault(rule.scope.resource.anchor, {})
        bucket = inner.setdefault(rule.scope.principal.anchor, Bucket())
        (bucket.forbids if rule.is_forbid else bucket.permits).append(rule)
        bucket.cost += rule.cost
    return {anchor: _shelf(inner) for anchor, inner in index.items()}


def _shelf(inner: Mapping[EntityUid | None, Bucket]) -> Shelf:
    named = {anchor: bucket for anchor, bucket in inner.items() if anchor is not None}
    return Shelf(inner.get(None), named, frozenset(named))


def buckets(index: Index, principals: AbstractSet[EntityUid], resources: AbstractSet[EntityUid]) -> list[Bucket]:
    """Return every bucket that a request finds, given both sides with their ancestors."""
    found = []
    for anchor in (None, *resources):
        shelf = index.get(anchor)
        if shelf is None:
            continue
        if shelf.anybody is not None:
            found.append(shelf.anybody)
        found += [shelf.named[above] for above in principals & shelf.names]
    return found


def scope_of(est: Mapping[str, Any]) -> Scope:
    """Read the head of a policy from its JSON form.

    Raises:
        UnknownSyntaxError: a form that is not Cedar's, or an unlinked slot.
    """
    actions, is_exact = _actions(est["action"])
    return Scope(_constraint(est["principal"]), _constraint(est["resource"]), actions, is_exact)


def _constraint(body: Mapping[str, Any]) -> Constraint:
    match body:
        case {"op": "All", **rest} if not rest:
            return Constraint()
        case {"op": "==", "entity": uid, **rest} if not rest:
            return Constraint(anchor=uid_of(uid), is_exact=True)
        case {"op": "in", "entity": uid, **rest} if not rest:
            return Constraint(anchor=uid_of(uid))
        case {"op": "is", "entity_type": str(name), "in": {"entity": uid, **inner}, **rest} if not rest and not inner:
            return Constraint(type=name, anchor=uid_of(uid))
        case {"op": "is", "entity_type": str(name), **rest} if not rest:
            return Constraint(type=name)
    raise UnknownSyntaxError("a scope is of no known form")


def _actions(body: Mapping[str, Any]) -> tuple[frozenset[EntityUid] | None, bool]:
    match body:
        case {"op": "All", **rest} if not rest:
            return None, False
        case {"op": "==", "entity": uid, **rest} if not rest:
            return frozenset({uid_of(uid)}), True
        case {"op": "in", "entity": uid, **rest} if not rest:
            return frozenset({uid_of(uid)}), False
        case {"op": "in", "entities": list(uids), **rest} if not rest:
            return frozenset(map(uid_of, uids)), False
    raise UnknownSyntaxError("the action of a scope is of no known form")
