"""Compile a policy so that it shows its work: which places were reached, and what each came to.

It is the compilation that decisions run, with a watch at every place where a truth value decides. So an explanation
and a coverage figure tell what the policy did, not what a second reading of it would have done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from watchword.policy.emit import Types, compile_conditions
from watchword.policy.index import Constraint, Scope
from watchword.policy.model import EntityUid
from watchword.policy.templates import Est

_JOINS: Final = ("&&", "||", "!", "if-then-else")


@dataclass(slots=True)
class Seen:
    """What one place came to, over all runs so far."""

    entered: int = 0
    true: int = 0
    false: int = 0
    other: int = 0

    def enter(self) -> bool:
        """Note that the place was reached."""
        self.entered += 1
        return True

    def leave(self, value: Any) -> Any:
        """Note what it came to; a place that was entered and not left has failed."""
        if value is True:
            self.true += 1
        elif value is False:
            self.false += 1
        else:
            self.other += 1
        return value


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a policy where a truth value decides, and the places inside it.

    Attributes:
        kind: `when` or `unless`; of a part `&&`, `||`, `!`, `if`, `then` or `else`, after what it is part of.
        node: in Cedar's JSON form.
    """

    kind: str
    node: Any
    seen: Seen
    parts: tuple[Place, ...]

    @property
    def join(self) -> str:
        """How its parts make its value: one of `&&`, `||`, `!`, `if-then-else`; empty for a single clause."""
        return next((name for name in _JOINS if name in self.node), "")

    @property
    def clauses(self) -> Iterator[Place]:
        """Every single clause below, itself if it is one; a clause may hold an `if` with clauses of its own."""
        if not self.join:
            yield self
        for part in self.parts:
            yield from part.clauses


@dataclass(frozen=True, slots=True)
class Watched:
    """A policy's conditions, compiled to be watched.

    Attributes:
        function: as `emit.Compiled.function`; it may raise what a policy may raise.
        places: one for each condition, in their order.
    """

    function: Callable[..., bool]
    places: tuple[Place, ...]


@dataclass(slots=True)
class _Watch:
    seen: dict[int, Seen] = field(default_factory=dict)

    def __call__(self, node: Any) -> tuple[Callable[[], bool], Callable[[Any], Any]]:
        found = self.seen.setdefault(id(node), Seen())
        return found.enter, found.leave


def watched(est: Est) -> Watched:
    """Compile the conditions of a policy.

    Raises:
        UnknownSyntaxError: a node that is not Cedar's, or nesting beyond reason.
    """
    # A copy in which no two places are the same object, since places are told apart by identity.
    conditions: list[Mapping[str, Any]] = json.loads(json.dumps(est.get("conditions", [])))
    watch = _Watch()
    function = compile_conditions([], conditions, Types(), watch).function
    return Watched(function, tuple(_place(one["kind"], one["body"], watch.seen) for one in conditions))


def _place(kind: str, node: Any, seen: Mapping[int, Seen]) -> Place:
    return Place(kind, node, seen.get(id(node), Seen()), tuple(_parts(node, seen)))


def _parts(node: Any, seen: Mapping[int, Seen]) -> Iterator[Place]:
    match node:
        case {"&&": _} | {"||": _}:
            (name,) = node
            yield from (_place(name, part, seen) for part in run_of(node, name))
        case {"!": {"arg": inner}}:
            yield _place("!", inner, seen)
        case {"if-then-else": body}:
            yield from (_place(name, body[name], seen) for name in ("if", "then", "else"))
        case _:
            yield from _inside(node, seen)


def _inside(node: Any, seen: Mapping[int, Seen]) -> Iterator[Place]:
    """Find what decides inside of an expression that is no condition itself: `(if a then 1 else 2) == 1`."""
    match node:
        case {"if-then-else": body}:
            yield _place("if", body["if"], seen)
            yield from _inside(body["then"], seen)
            yield from _inside(body["else"], seen)
        case {"&&": _} | {"||": _} | {"!": _}:
            yield from _parts(node, seen)
        case _:
            for inner in children(node):
                yield from _inside(inner, seen)


def children(node: Any) -> Iterator[Any]:
    """Yield the expressions that an expression is directly made of."""
    ((name, body),) = node.items()
    if name in {"Value", "Var"}:
        return
    # The names in a record are a stranger's words; none of them is a form.
    inner = body if isinstance(body, list) else body.values()
    yield from (one for one in inner if isinstance(one, dict))


def run_of(node: Any, name: str) -> list[Any]:
    """Take a whole run of `&&` or `||` apart: they nest to the left, one level for each."""
    found = []
    while isinstance(node, dict) and set(node) == {name}:
        found.append(node[name]["right"])
        node = node[name]["left"]
    return [node, *reversed(found)]


# ---- the head --------------------------------------------------------------------------------------------------------


def head_holds(scope: Scope, asked: tuple[Any, ...]) -> tuple[bool, bool, bool]:
    """Tell whether principal, action and resource each fit a policy's head.

    Args:
        asked: as an evaluator prepares it.
    """
    principal, action, resource = asked[:3]
    principals, resources, actions = asked[7:10]
    return (
        _side_holds(scope.principal, principal, principals),
        scope.admits_action(action, actions),
        _side_holds(scope.resource, resource, resources),
    )


def _side_holds(wanted: Constraint, uid: EntityUid, above: AbstractSet[EntityUid]) -> bool:
    return (
        wanted.admits(uid.type)
        and (wanted.anchor is None or wanted.anchor in above)
        and (not wanted.is_exact or wanted.anchor == uid)
    )


def head_texts(scope: Scope) -> dict[str, str]:
    """Write principal, action and resource of a head as Cedar does; one that asks nothing is its name alone."""
    return {
        "principal": _side_text("principal", scope.principal),
        "action": _action_text(scope),
        "resource": _side_text("resource", scope.resource),
    }


def _side_text(name: str, wanted: Constraint) -> str:
    text = f"{name} is {wanted.type}" if wanted.type else name
    return f"{text} {'==' if wanted.is_exact else 'in'} {wanted.anchor}" if wanted.anchor else text


def _action_text(scope: Scope) -> str:
    if scope.actions is None:
        return "action"
    listed = ", ".join(map(str, sorted(scope.actions)))
    if len(scope.actions) == 1:
        return f"action {'==' if scope.is_exact_action else 'in'} {listed}"
    return f"action in [{listed}]"
