"""Compare and choose between values of the solver, and write patterns for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import z3

from watchword.policy.analysis.symbols import FALSE, TRUE, Sym, both, either, negated, text_term
from watchword.policy.extension import LONG_MAX, LONG_MIN
from watchword.policy.schema import Record, Reference
from watchword.policy.types import LONG


def fit(term: Any, failed: Any) -> Sym:
    """Return a number that fails where it does not fit 64 bits."""
    return Sym(LONG, term, either(failed, z3.Or(term < LONG_MIN, term > LONG_MAX)))


def same(left: Sym, right: Sym) -> Any:
    """Compare two values; nothing when that has no exact form."""
    if not left.kind or not right.kind:
        return None
    if left.kind != right.kind:
        return FALSE
    if isinstance(left.type, Reference) and isinstance(right.type, Reference):
        return left.term == right.term if left.type.entity == right.type.entity else FALSE
    if isinstance(left.type, Record):
        return _same_records(left.term, right.term)
    if left.term is None or right.term is None or left.term.sort() != right.term.sort():
        return None
    return left.term == right.term


def _same_records(left: Mapping[str, Any], right: Mapping[str, Any]) -> Any:
    said = TRUE
    for name in dict.fromkeys([*left, *right]):
        first, second = left.get(name), right.get(name)
        if first is None or second is None:
            said = both(said, negated((first or second or (FALSE,))[0]))
            continue
        is_same = same(first[1], second[1])
        if is_same is None:
            return None
        said = both(said, both(first[0] == second[0], either(negated(first[0]), is_same)))
    return said


def choose(test: Any, then: Sym, other: Sym) -> Sym | None:
    """Return one of two values of one type; nothing when that has no exact form."""
    if isinstance(then.type, Record) and isinstance(other.type, Record):
        fields = {}
        for name in dict.fromkeys([*then.term, *other.term]):
            first, second = then.term.get(name), other.term.get(name)
            value = choose(test, first[1], second[1]) if first and second else (first or second)[1]
            if value is None:
                return None
            there = either_of(test, first[0] if first else FALSE, second[0] if second else FALSE)
            fields[name] = (there, value)
        return Sym(Record({}), fields)
    if then.term is None or other.term is None or repr(then.type) != repr(other.type):
        return None
    return Sym(then.type, z3.If(test, then.term, other.term))


def either_of(test: Any, then: Any, other: Any) -> Any:
    """Return one of two terms."""
    return then if then is other else z3.If(test, then, other)


def are_alike(left: Any, right: Any) -> bool:
    """Tell whether values of two types may be equal."""
    if isinstance(left, Reference) and isinstance(right, Reference):
        return left.entity == right.entity
    return bool(left.kind == right.kind)


def pattern_of(parts: Sequence[Any]) -> Any:
    """Write a pattern of `like`; nothing for one that the solver cannot hold."""
    anything = z3.Full(z3.ReSort(z3.StringSort()))
    pieces = []
    for part in parts:
        held = None if part == "Wildcard" else text_term(part["Literal"])
        if part != "Wildcard" and held is None:
            return None
        pieces.append(anything if part == "Wildcard" else z3.Re(held))
    if not pieces:
        return z3.Re(z3.StringVal(""))
    return pieces[0] if len(pieces) == 1 else z3.Concat(*pieces)
