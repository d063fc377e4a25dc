"""Put an explanation into words: all of it for administrators, and what may help, no more, for the person refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from watchword.policy.explain import Clause, Explanation, Trace, plain, text_of
from watchword.policy.facts import Drop, Join, Leave, Put, path_of
from watchword.policy.model import Effect
from watchword.policy.variants import constants_in
from watchword.policy.ways import Change, Way

_MARKS: Final = {"true": "+", "false": "-", "not reached": " "}
_AGE: Final = re.compile(r"age_(s|min|h|days)")
_NAMES: Final = {"mfa": "MFA"}
_UNITS: Final = {"s": "seconds", "min": "minutes", "h": "hours", "days": "days"}
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_DENIED: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_WORDS: Final = {"<": "less than", "<=": "at most", ">": "more than", ">=": "at least"}
_AGED: Final = {"<": "newer than", "<=": "at most", ">": "older than", ">=": "at least"}
_EFFECTS: Final = {
    Effect.PERMIT: "permitted",
    Effect.FORBID: "forbidden",
    Effect.SILENT: "no policy permits it",
    Effect.ERROR: "denied, because something went wrong",
}
# What a refused person may be told, by the kind of fact that stands in the way: kinds and no values, and only facts
# that are the person's own. Whatever is not listed here is not told.
_PERSONAL: Final[Mapping[tuple[str, str], str]] = {
    ("context", "mfa"): "Confirm that it is you with a second factor.",
    ("context", "session"): "Sign in again, in the strongest way that you have.",
    ("context", "device"): "Use another device, or bring this one in order.",
    ("context", "network"): "Try from another network.",
    ("context", "time"): "Try at another time.",
    ("context", "risk"): "Try from where and how you usually work.",
    ("context", "trust"): "Try from where and how you usually work.",
}
ASK_SOMEBODY: Final = "Only somebody who administers this can change that."


# ---- for administrators ----------------------------------------------------------------------------------------------


def for_administrators(said: Explanation) -> Iterator[str]:
    """Yield everything, as indented lines: the answer, what would change it, and each policy that was asked.

    Marks: `+` true, `-` false, `!` failed, nothing where evaluation did not come.
    """
    yield f"{_EFFECTS[said.answer.effect]}{_by(said)}"
    yield from (f"  {error}" for error in said.answer.errors)
    for way in said.ways:
        yield f"{'would' if way.is_certain else 'might'} be allowed if {conditions_of(way)}"
    for title, traces in (("policies that were asked", said.candidates), ("nearest permits", _others(said))):
        if traces:
            yield ""
            yield title
        for trace in traces:
            yield from _lines_of(trace)


def conditions_of(way: Way) -> str:
    """Say what would have to be otherwise, in one sentence."""
    return " and ".join(words_of_change(change) for change in way.changes)


def words_of_change(change: Change) -> str:
    """Say one change: `mfa were newer than 15 minutes (context.mfa.age_min is 40)`."""
    act = change.act
    if isinstance(act, Join | Leave):
        return f"the {act.root} {'were' if isinstance(act, Join) else 'were not'} in {act.above}"
    words, now = _wanted(change), "missing" if change.now is None else plain(change.now)
    return f"{words} ({'it' if words.startswith(str(act.path)) else act.path} is {now})"


def _wanted(change: Change) -> str:
    assert isinstance(change.act, Put | Drop)
    match change.node:
        case {"<": sides} | {"<=": sides} | {">": sides} | {">=": sides}:
            (operator,) = change.node
            found = _comparison(operator, sides, change)
            if found:
                return found
        case {"has": _}:
            return f"{change.act.path} were {'known' if change.wanted else 'absent'}"
        case {".": _}:
            return f"{change.act.path} were {'true' if change.wanted else 'false'}"
        case {"==": sides} | {"!=": sides} if path_of(sides["left"]) and len(list(constants_in(sides["right"]))) == 1:
            is_same = ("==" in change.node) is change.wanted
            return f"{change.act.path} were {'' if is_same else 'not '}{text_of(sides['right'])}"
    return f"`{text_of(change.node)}` were {'true' if change.wanted else 'false'}"


def _comparison(operator: str, sides: Mapping[str, Any], change: Change) -> str:
    """Say a comparison of one fact with one constant; nothing for any other."""
    left, right = sides["left"], sides["right"]
    if path_of(left) is None:
        left, right, operator = right, left, _MIRRORED[operator]
    path, constants = path_of(left), list(constants_in(right))
    if path is None or not path.steps or len(constants) != 1 or path_of(right) is not None:
        return ""
    operator = operator if change.wanted else _DENIED[operator]
    age = _AGE.fullmatch(path.steps[-1])
    if age and len(path.steps) > 1:
        old = " old" if operator in {"<=", ">="} else ""
        name = _NAMES.get(path.steps[-2], path.steps[-2])
        return f"{name} were {_AGED[operator]} {text_of(right)} {_UNITS[age[1]]}{old}"
    return f"{path} were {_WORDS[operator]} {text_of(right)}"


def _by(said: Explanation) -> str:
    names = ", ".join(f"`{ref.id}`" for ref in said.answer.determining)
    return f" by {names}" if names else ""


def _others(said: Explanation) -> list[Trace]:
    """Return the nearest permits that were not asked, since their head does not fit."""
    return [trace for trace in said.nearest if trace not in said.candidates]


def _lines_of(trace: Trace) -> Iterator[str]:
    state = "holds" if trace.is_satisfied else "failed" if trace.has_failed else "does not hold"
    where = f"{trace.path}:{trace.line}" if trace.line else trace.path
    yield f"  {trace.effect} `{trace.id}` ({where}): {state}"
    for clause in trace.clauses:
        if clause.text != clause.kind:  # a side of the head that asks nothing
            yield from _lines_of_clause(clause, 4, is_first=clause is trace.first_failed)


def _lines_of_clause(clause: Clause, indent: int, *, is_first: bool = False, joined: str = "") -> Iterator[str]:
    is_head = clause.kind in {"principal", "action", "resource"}
    word = joined or clause.kind
    text = clause.text if is_head else f"{word:2} {clause.text}"
    facts = ", ".join(f"{name} is {value}" for name, value in clause.reads.items()) if not clause.parts else ""
    value = "" if clause.value in {"true", "false"} else f"   [{clause.value}]"
    stops = "   <- the first that keeps it from applying" if is_first else ""
    yield f"{' ' * indent}{_MARKS.get(clause.value, '!')} {text}{f'   ({facts})' if facts else ''}{value}{stops}"
    for number, part in enumerate(clause.parts):
        is_chain = part.kind in {"&&", "||"}
        yield from _lines_of_clause(part, indent + 4, joined="  " if is_chain and not number else part.kind)


def briefly(said: Explanation, names: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield a line for each policy: that it holds, or the first clause that keeps it from applying.

    Args:
        names: only these policies; nothing for all that were asked or nearly were.
    """
    for trace in (*said.candidates, *_others(said)):
        if names and trace.id not in names:
            continue
        stop = _stop(trace.first_failed) if trace.first_failed else None
        where = f"{trace.effect} `{trace.id}` ({trace.path}:{trace.line})"
        if stop is None:
            yield f"{where} holds"
            continue
        facts = ", ".join(f"{name} is {value}" for name, value in stop.reads.items())
        text = f"{stop.kind} {stop.text}" if stop.kind in {"when", "unless"} else stop.text
        yield f"{where} stops at `{text}`, which is {stop.value}" + (f" ({facts})" if facts else "")


def _stop(clause: Clause) -> Clause:
    """Return the innermost part that settled a run of `&&`; any other clause settled itself as a whole."""
    first = next((part for part in clause.parts if part.kind == "&&" and part.value != "true"), None)
    return _stop(first) if first is not None and clause.kind != "unless" else clause


def as_json(said: Explanation) -> dict[str, Any]:
    """Return everything, for programs."""
    return {
        "effect": said.answer.effect.value,
        "determining": [ref.id for ref in said.answer.determining],
        "errors": list(said.answer.errors),
        "version": said.answer.version,
        "ways": [
            {"is_certain": way.is_certain, "conditions": conditions_of(way), "policies": list(way.policies)}
            for way in said.ways
        ],
        "candidates": [_trace_json(trace) for trace in said.candidates],
        "nearest": [_trace_json(trace) for trace in said.nearest],
    }


def _trace_json(trace: Trace) -> dict[str, Any]:
    return {
        "policy": trace.id,
        "effect": trace.effect,
        "file": trace.path,
        "line": trace.line,
        "holds": trace.is_satisfied,
        "clauses": [_clause_json(clause) for clause in trace.clauses],
    }


def _clause_json(clause: Clause) -> dict[str, Any]:
    return {
        "kind": clause.kind,
        "text": clause.text,
        "value": clause.value,
        "holds": clause.holds,
        "reads": dict(clause.reads),
        "parts": [_clause_json(part) for part in clause.parts],
    }


# ---- for the person refused ------------------------------------------------------------------------------------------


def for_the_refused(said: Explanation) -> tuple[str, ...]:
    """Say what may help, in whole sentences: no policy, no attribute, no value, nothing about anybody else.

    Of the ways that were proved to lead to access the first that the person can go alone is told; without one, that
    somebody else has to act.
    """
    for way in said.ways:
        sentences = [_sentence(change) for change in way.changes]
        # Prevents: a hint that follows from a guess, and half of a way that the person cannot go to its end.
        if way.is_certain and all(sentences):
            return tuple(dict.fromkeys(sentences))
    return () if said.answer.effect is Effect.PERMIT else (ASK_SOMEBODY,)


def _sentence(change: Change) -> str:
    act = change.act
    if isinstance(act, Join | Leave) or not act.path.steps:
        return ""
    return _PERSONAL.get((act.path.root, act.path.steps[0]), "")
