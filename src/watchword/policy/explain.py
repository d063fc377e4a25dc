"""Say why policies answered as they did: the same compilation that decided, run again with a watch on every clause.

What is published here is for people who may see policies and facts. A refused person reads what `telling.py` makes
of it, which holds nothing of this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cedarpy

from watchword.policy.checks import MisfitError
from watchword.policy.evaluator import Asked, Evaluator, words_of
from watchword.policy.facts import paths_in
from watchword.policy.index import scope_of
from watchword.policy.lazy import LazySet
from watchword.policy.load import Bundle, WrittenPolicy
from watchword.policy.model import Effect, PolicyAnswer, PolicyRequest
from watchword.policy.runtime import BudgetSpentError, attributes
from watchword.policy.schema import parse_schema
from watchword.policy.tracing import Place, head_holds, head_texts, watched
from watchword.policy.ways import Way, ways_to_permit

_BODY = re.compile(r"when\s*\{(.*)\};?\s*\Z", re.DOTALL)
_WRAPPED = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![A-Za-z0-9_])\(([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\)')
_MOST_NEAR: Final = 3
_MOST_OPENERS: Final = 8
_UNREACHED: Final = "not reached"


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that a policy asks.

    Attributes:
        kind: `principal`, `action` or `resource` for the head, else `when` or `unless`; of a part, what it is part of:
            `&&`, `||`, `!`, or `if`, `then` and `else`.
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
    def has_failed(self) -> bool:
        """Tell whether it ended in an error, which denies if it is a forbid."""
        return any(clause.value.startswith("failed") for clause in self.clauses)

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
        ways: what would change the answer to a permit; empty when it is one, or when no way was found.
    """

    answer: PolicyAnswer
    candidates: tuple[Trace, ...]
    nearest: tuple[Trace, ...]
    ways: tuple[Way, ...] = ()


def explain(bundle: Bundle, evaluator: Evaluator, request: PolicyRequest) -> Explanation:
    """Evaluate a request again, slowly, keeping what each clause came to.

    A request outside the schema has an answer and no traces: no policy was asked.
    """
    answer = evaluator.evaluate(request)
    try:
        _, asked = evaluator.prepare(request)
    except (MisfitError, BudgetSpentError):
        return Explanation(answer, (), ())
    heads = [(policy, head_holds(scope_of(policy.est), asked)) for policy in bundle.policies]
    traces = {policy.id: _trace(policy, holds, asked) for policy, holds in heads if all(holds)}
    candidates = sorted(traces.values(), key=lambda trace: (not trace.is_satisfied, trace.effect, trace.id))
    near: list[Trace] = []
    if not any(trace.is_satisfied and trace.effect == "permit" for trace in candidates):
        near = [trace for trace in candidates if trace.effect == "permit"]
        # Where the head misses by one side, no condition was asked, so that all of them are missing.
        missed = sorted((one for one in heads if _is_near(*one)), key=lambda one: len(one[0].est.get("conditions", [])))
        near += [_trace(policy, holds, asked) for policy, holds in missed[:_MOST_OPENERS]]
        near.sort(key=lambda trace: trace.missing)
    ways: tuple[Way, ...] = ()
    if answer.effect is not Effect.PERMIT:
        written = {policy.id: policy for policy in bundle.policies}
        forbids = [one for one in candidates if one.effect == "forbid" and (one.is_satisfied or one.has_failed)]
        ways = ways_to_permit(
            evaluator,
            parse_schema(bundle.schema),
            request,
            forbids=[written[trace.id] for trace in forbids],
            permits=[written[trace.id] for trace in near[:_MOST_OPENERS]],
        )
    return Explanation(answer, tuple(candidates), tuple(near[:_MOST_NEAR]), ways)


def _is_near(policy: WrittenPolicy, holds: Sequence[bool]) -> bool:
    return policy.est["effect"] == "permit" and list(holds).count(False) == 1


def _trace(policy: WrittenPolicy, holds: Sequence[bool], asked: Asked) -> Trace:
    seen = watched(policy.est)
    failure = ""
    if all(holds):
        try:
            seen.function(*asked)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what the clause came to)
            failure = f"failed: {error if isinstance(error, MisfitError) else words_of(error)}"
    conditions = [_clause(place, asked, failure) for place in seen.places]
    return Trace(policy.id, policy.est["effect"], policy.path, policy.line, (*_head(policy, holds, asked), *conditions))


def _head(policy: WrittenPolicy, holds: Sequence[bool], asked: Asked) -> list[Clause]:
    texts = head_texts(scope_of(policy.est))
    return [
        Clause(name, text, _said(fits), fits, {} if text == name else {name: str(uid)})
        for (name, text), fits, uid in zip(texts.items(), holds, asked[:3], strict=True)
    ]


def _clause(place: Place, asked: Asked, failure: str) -> Clause:
    value = _value(place, failure)
    return Clause(
        place.kind,
        _text(place.node),
        value,
        value == _said(place.kind != "unless"),
        _reads(place.node, asked),
        tuple(_clause(part, asked, failure) for part in place.parts),
    )


def _value(place: Place, failure: str) -> str:
    seen = place.seen
    if seen.true or seen.false:
        return _said(seen.true > 0)
    if seen.other:
        return "neither true nor false"
    return failure if seen.entered else _UNREACHED


def _said(value: bool) -> str:  # noqa: FBT001 (the value is what is said)
    return "true" if value else "false"


def text_of(body: Any) -> str:
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


_text = text_of


def _unwrapped(text: str) -> str:
    """Drop the brackets that the reference writes around plain paths; strings stay as they are."""
    while (shorter := _WRAPPED.sub(lambda match: match.group(1) or match.group(), text)) != text:
        text = shorter
    return text


def _reads(body: Any, asked: Asked) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in paths_in(body):
        value: Any = {"principal": asked[0], "resource": asked[2], "context": asked[3]}[path.root]
        try:
            for step in path.steps:
                value = attributes(value, asked[4])[step]
        except Exception:  # noqa: BLE001 (a fact that is not there reads as missing)
            value = "missing"
        found[str(path)] = plain(value)
    return found


def plain(value: Any) -> str:
    """Write a value for people."""
    if value is True or value is False:
        return _said(value)
    if isinstance(value, frozenset):
        return f"[{', '.join(sorted(map(plain, value)))}]"
    if isinstance(value, LazySet):
        # What was asked of it; nobody asks for more only to write it down.
        words = {True: "yes", False: "no", None: "no answer"}
        return ", ".join(f"{name}: {words[answer]}" for name, answer in sorted(value.asked.items())) or "not asked"
    return str(value)
