"""Say why policies answered as they did: a second, traced evaluation on demand, clause by clause.

For people who may see policies and facts. What a refused person is told are the `@reason`s, nothing of this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cedarpy

from watchword.policy.checks import MisfitError
from watchword.policy.emit import Types, compile_conditions
from watchword.policy.evaluator import Asked, Evaluator, words_of
from watchword.policy.index import Constraint, Scope, scope_of
from watchword.policy.load import Bundle, Est, WrittenPolicy
from watchword.policy.model import EntityUid, PolicyAnswer, PolicyRequest
from watchword.policy.runtime import BudgetSpentError, attributes

_BODY = re.compile(r"when\s*\{(.*)\};?\s*\Z", re.DOTALL)
_WRAPPED = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![A-Za-z0-9_])\(([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\)')
_MOST_NEAR = 3
_UNREACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that a policy asks.

    Attributes:
        kind: `principal`, `action` or `resource` for the head, else `when` or `unless`; of a part, `&&` or `||`.
        text: as Cedar writes it.
        value: `true`, `false`, `not reached`, or what failed.
        holds: it lets the policy apply: a `when` that is true, an `unless` that is false.
        reads: the facts that it looks at, with their values as text.
        parts: what it is joined of, if it is joined.
    """

    kind: str
    text: str
    value: str
    holds: bool
    reads: Mapping[str, str]
    parts: tuple[Clause, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """One policy, clause by clause, in the order of evaluation."""

    id: str
    effect: str
    path: str
    line: int
    clauses: tuple[Clause, ...]

    @property
    def is_satisfied(self) -> bool:
        """Tell whether every clause holds."""
        return all(clause.holds for clause in self.clauses)

    @property
    def first_failed(self) -> Clause | None:
        """The first clause that keeps the policy from applying."""
        return next((clause for clause in self.clauses if not clause.holds), None)

    @property
    def missing(self) -> int:
        """How many clauses keep it from applying; those after a failed condition count too."""
        return sum(not clause.holds for clause in self.clauses)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an answer was given.

    Attributes:
        candidates: every policy whose head fits, satisfied ones first, forbids before permits.
        nearest: the permits that came closest, when nothing permitted; at most three.
    """

    answer: PolicyAnswer
    candidates: tuple[Trace, ...]
    nearest: tuple[Trace, ...]


def explain(bundle: Bundle, evaluator: Evaluator, request: PolicyRequest) -> Explanation:
    """Evaluate a request again, slowly, keeping what each clause came to.

    A request outside the schema has an answer and no traces: no policy was asked.
    """
    answer = evaluator.evaluate(request)
    try:
        _, asked = evaluator.prepare(request)
    except (MisfitError, BudgetSpentError):
        return Explanation(answer, (), ())
    heads = [(policy, _head(scope_of(policy.est), asked)) for policy in bundle.policies]
    fitting = [(policy, head) for policy, head in heads if all(clause.holds for clause in head)]
    candidates = sorted(
        (_trace(policy, head, asked) for policy, head in fitting),
        key=lambda trace: (not trace.is_satisfied, trace.effect, trace.id),
    )
    near: list[Trace] = []
    if not any(trace.is_satisfied and trace.effect == "permit" for trace in candidates):
        near = [trace for trace in candidates if trace.effect == "permit"]
        near += [_trace(policy, head, asked) for policy, head in heads if _is_near(policy, head)]
    return Explanation(answer, tuple(candidates), tuple(sorted(near, key=lambda trace: trace.missing)[:_MOST_NEAR]))


def _is_near(policy: WrittenPolicy, head: Sequence[Clause]) -> bool:
    return policy.est["effect"] == "permit" and sum(not clause.holds for clause in head) == 1


def _trace(policy: WrittenPolicy, head: tuple[Clause, ...], asked: Asked) -> Trace:
    conditions = []
    is_reached = all(clause.holds for clause in head)
    for condition in policy.est.get("conditions", []):
        clause = _condition(condition, asked, is_reached=is_reached)
        is_reached = is_reached and clause.holds
        conditions.append(clause)
    return Trace(policy.id, policy.est["effect"], policy.path, policy.line, (*head, *conditions))


# ---- the head --------------------------------------------------------------------------------------------------------


def _head(scope: Scope, asked: Asked) -> tuple[Clause, ...]:
    principal, action, resource = asked[:3]
    principals, resources, actions = asked[7:10]
    return (
        _side("principal", scope.principal, principal, principals),
        _action(scope, action, actions),
        _side("resource", scope.resource, resource, resources),
    )


def _side(name: str, wanted: Constraint, uid: EntityUid, above: set[EntityUid]) -> Clause:
    text = name
    if wanted.type:
        text += f" is {wanted.type}"
    if wanted.anchor:
        text += f" {'==' if wanted.is_exact else 'in'} {wanted.anchor}"
    holds = (
        wanted.admits(uid.type)
        and (wanted.anchor is None or wanted.anchor in above)
        and (not wanted.is_exact or wanted.anchor == uid)
    )
    return Clause(name, text, _said(holds), holds, {} if text == name else {name: str(uid)})


def _action(scope: Scope, uid: EntityUid, above: frozenset[EntityUid]) -> Clause:
    holds = scope.admits_action(uid, above)
    if scope.actions is None:
        return Clause("action", "action", _said(holds), holds, {})
    listed = ", ".join(map(str, sorted(scope.actions)))
    text = f"action == {listed}" if scope.is_exact_action else f"action in [{listed}]"
    return Clause("action", text, _said(holds), holds, {"action": str(uid)})


# ---- conditions ------------------------------------------------------------------------------------------------------


def _condition(condition: Est, asked: Asked, *, is_reached: bool) -> Clause:
    body, kind = condition["body"], condition["kind"]
    value = _value(body, asked) if is_reached else _UNREACHED
    holds = value == _said(kind == "when")
    return Clause(
        kind, _text(body), value, holds, _reads(body, asked), tuple(_parts(body, asked, is_reached=is_reached))
    )


def _parts(body: Any, asked: Asked, *, is_reached: bool) -> Iterator[Clause]:
    """Take a run of `&&` or `||` apart; a part after the one that settled it was not reached."""
    name = next((name for name in ("&&", "||") if isinstance(body, dict) and set(body) == {name}), None)
    if name is None:
        return
    nodes = []
    while isinstance(body, dict) and set(body) == {name}:
        nodes.append(body[name]["right"])
        body = body[name]["left"]
    going_on = _said(name == "&&")
    for node in [body, *reversed(nodes)]:
        value = _value(node, asked) if is_reached else _UNREACHED
        inner = tuple(_parts(node, asked, is_reached=is_reached))
        yield Clause(name, _text(node), value, value == "true", _reads(node, asked), inner)
        is_reached = is_reached and value == going_on


def _value(body: Any, asked: Asked) -> str:
    test = compile_conditions([], [{"kind": "when", "body": body}], Types())
    try:
        return _said(test.function(*asked))
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what the clause came to)
        return f"failed: {words_of(error)}"


def _said(value: bool) -> str:  # noqa: FBT001 (the value is what is said)
    return "true" if value else "false"


def _text(body: Any) -> str:
    """Write an expression as Cedar does, on one line."""
    every = {"op": "All"}
    policy = {
        "effect": "permit",
        "principal": every,
        "action": every,
        "resource": every,
        "conditions": [{"kind": "when", "body": body}],
    }
    written = json.dumps({"staticPolicies": {"p": policy}, "templates": {}, "templateLinks": []})
    try:
        found = _BODY.search(cedarpy.policies_from_json_str(written))
    except ValueError:  # deeper than the reference reads back
        return "(an expression too deep to be written out)"
    return _unwrapped(found.group(1).strip()) if found else ""


def _unwrapped(text: str) -> str:
    """Drop the brackets that the reference writes around plain paths; strings stay as they are."""
    while (shorter := _WRAPPED.sub(lambda match: match.group(1) or match.group(), text)) != text:
        text = shorter
    return text


def _reads(body: Any, asked: Asked) -> dict[str, str]:
    found: dict[str, str] = {}
    for root, steps in _paths(body):
        name = ".".join((root, *steps))
        value: Any = {"principal": asked[0], "resource": asked[2], "context": asked[3]}.get(root)
        try:
            for step in steps:
                value = attributes(value, asked[4])[step]
        except Exception:  # noqa: BLE001 (a fact that is not there reads as missing)
            value = "missing"
        if steps:
            found[name] = _plain(value)
    return found


def _plain(value: Any) -> str:
    if value is True or value is False:
        return _said(value)
    if isinstance(value, frozenset):
        return f"[{', '.join(sorted(map(_plain, value)))}]"
    return str(value)


def _paths(node: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield every attribute that an expression takes of a variable, with its whole path."""
    if isinstance(node, list):
        for inner in node:
            yield from _paths(inner)
    elif isinstance(node, dict):
        path = _path(node)
        if path:
            yield path
            return
        for inner in node.values():
            yield from _paths(inner)


def _path(node: Mapping[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    match node:
        case {"Var": str(root)}:
            return root, ()
        case {".": {"left": dict(left), "attr": str(name)}} | {"has": {"left": dict(left), "attr": str(name)}}:
            above = _path(left)
            return (above[0], (*above[1], name)) if above else None
    return None
