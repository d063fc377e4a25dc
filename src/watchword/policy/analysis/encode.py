"""Write a policy as terms of a solver: under which circumstances it applies, and under which it fails.

The meaning is the evaluator's: the head, then one condition after the other, and nothing behind one that does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from watchword.policy.analysis.expressions import Encoder, Node, run_of
from watchword.policy.analysis.symbols import (
    FALSE,
    TRUE,
    Sym,
    Touched,
    World,
    both,
    either,
    negated,
)
from watchword.policy.index import Constraint, Scope, scope_of
from watchword.policy.load import WrittenPolicy


@dataclass(frozen=True, slots=True)
class Part:
    """One conjunct of a condition.

    Attributes:
        reached: everything before it holds.
        holds: it lets the policy apply, given that it is reached.
        failed: it fails, given that it is reached.
        alternatives: for a run of `||`, each with: it is reached, and it holds.
    """

    condition: int
    place: int
    node: Node
    reached: Any
    holds: Any
    failed: Any
    alternatives: tuple[tuple[Any, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """One policy for one kind of request.

    Attributes:
        applies: it is satisfied.
        fails: it fails; never together with `applies`.
        head: its scope fits.
    """

    policy: WrittenPolicy
    applies: Any
    fails: Any
    head: Any
    parts: tuple[Part, ...]
    touched: Touched


def encode(policy: WrittenPolicy, world: World) -> Encoded:
    """Write one policy for one kind of request; a kind that its head does not admit makes it apply never."""
    world.touched = touched = Touched()
    head = _head(scope_of(policy.est), world)
    encoder = Encoder(world)
    parts: list[Part] = []
    applies, fails = head, FALSE
    for number, condition in enumerate(policy.est.get("conditions", [])):
        is_when = condition["kind"] == "when"
        for place, node in enumerate(run_of("&&", condition["body"]) if is_when else [condition["body"]]):
            parts.append(_part(encoder, node, number, place, applies, is_when=is_when))
            fails = either(fails, both(applies, parts[-1].failed))
            applies = both(applies, both(negated(parts[-1].failed), parts[-1].holds))
    return Encoded(policy, applies, fails, head, tuple(parts), touched)


def _part(encoder: Encoder, node: Node, number: int, place: int, reached: Any, *, is_when: bool) -> Part:
    found = encoder.condition(node)
    alternatives = []
    before = reached
    nodes = run_of("||", node)
    for one in nodes if len(nodes) > 1 or not is_when else []:
        said = encoder.condition(one)
        alternatives.append((before, both(negated(said.failed), said.term)))
        before = both(before, both(negated(said.failed), negated(said.term)))
    holds = found.term if is_when else negated(found.term)
    return Part(number, place, node, reached, holds, found.failed, tuple(alternatives))


def _head(scope: Scope, world: World) -> Any:
    admitted = (
        scope.principal.admits(world.principal_type)
        and scope.resource.admits(world.resource_type)
        and scope.admits_action(world.action.uid, world.action.ancestors)
    )
    if not admitted:
        return FALSE
    principal = _side(scope.principal, world.principal(), world.principal_type, world)
    return both(principal, _side(scope.resource, world.resource(), world.resource_type, world))


def _side(wanted: Constraint, side: Sym, type_name: str, world: World) -> Any:
    if wanted.anchor is None:
        return TRUE
    anchor = world.uid(wanted.anchor)
    if anchor is None:
        return FALSE
    is_same = side.term == anchor.term if wanted.anchor.type == type_name else FALSE
    if wanted.is_exact:
        return is_same
    return either(is_same, world.lies_below(type_name, side.term, wanted.anchor.type, anchor.term))
