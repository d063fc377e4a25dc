"""Find who or what would be permitted: try the candidates that are known, in order, within a budget.

A result is whatever the evaluation itself permits, so a search and an evaluation never disagree while nothing changes.
Source: Authorization API 1.0, "Search APIs", "Semantics".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from typing import Any, Final

from watchword.enforcement.authzen.callers import Caller
from watchword.enforcement.authzen.judging import Bench
from watchword.enforcement.authzen.model import Question, Search, Sought, Verdict
from watchword.enforcement.authzen.names import OWN_NAMESPACE
from watchword.enforcement.authzen.paging import Place
from watchword.enforcement.authzen.ports import Candidates
from watchword.enforcement.authzen.turns import Turn
from watchword.kernel import DecisionId
from watchword.policy import EntityUid

_MOST_RELATED: Final = 100_000
# Stands for an identifier where none is given to anybody: a search proves itself by one record of its own.
_UNNAMED: Final = DecisionId("dec_" + "0" * 26)


@dataclass(frozen=True, slots=True)
class Found:
    """One page of results.

    Attributes:
        last: the candidate to go on behind; the last one that is settled.
        goes_on: whether there may be more.
        tried: how many candidates were judged.
    """

    results: tuple[Mapping[str, Any], ...]
    last: str | None
    goes_on: bool
    tried: int
    token: str = ""


async def look(
    search: Search,
    place: Place,
    bench: Bench,
    caller: Caller,
    candidates: Candidates | None,
    *,
    turn: Turn,
    is_spent: Callable[[int], bool],
) -> Found:
    """Judge candidates behind a place until the page is full, the budget spent, or none is left.

    One permitted candidate more than the page holds is looked for, so that the last page says that it is the last.
    """
    results: list[Mapping[str, Any]] = []
    last, tried = place.after, 0
    for candidate in _candidates(search, place.after, bench, caller, candidates):
        if is_spent(tried):
            return Found(tuple(results), last, goes_on=True, tried=tried)
        tried += 1
        verdict = bench.judge(_about(search, candidate), caller, _UNNAMED)
        if verdict.is_permit:
            if len(results) >= place.limit:
                return Found(tuple(results), last, goes_on=True, tried=tried)
            results.append(_result(search, candidate, verdict))
        # While the page is full, what is not permitted is passed by: it will not be looked at again.
        last = candidate
        await turn.pass_on()
    return Found(tuple(results), last, goes_on=False, tried=tried)


def _candidates(
    search: Search, after: str | None, bench: Bench, caller: Caller, candidates: Candidates | None
) -> Sequence[str]:
    question = search.question
    if search.sought is Sought.ACTION:
        every = bench.names.actions_on(question.subject.type, question.resource.type, caller.namespaces)
        return every if after is None else every[bisect_right(every, after) :]
    sought = question.subject if search.sought is Sought.SUBJECT else question.resource
    own = (OWN_NAMESPACE,) if search.sought is Sought.SUBJECT and caller.namespaces else ()
    found: list[Sequence[str]] = []
    for type_ in bench.names.types(sought.type, (*caller.namespaces, *own)):
        found.append(bench.known.after(type_, after))
        enumerated = bench.names.schema.entities[type_].ids
        if enumerated is not None:
            found.append(_behind(enumerated, after))
        if candidates is not None:
            found.append(_behind(_related(search, type_, bench, caller, candidates), after))
    return found[0] if len(found) == 1 else list(dict.fromkeys(merge(*found)))


def _related(search: Search, type_: str, bench: Bench, caller: Caller, candidates: Candidates) -> frozenset[str]:
    """Return what relations name, at most 100,000."""
    if search.sought is Sought.SUBJECT:
        given, place = search.question.resource, caller.namespaces
        named: Callable[[EntityUid, str], Iterable[str]] = candidates.subjects
    else:
        given, place = search.question.subject, (*caller.namespaces, OWN_NAMESPACE) if caller.namespaces else ()
        named = candidates.resources
    found: set[str] = set()
    for other in bench.names.types(given.type, place):
        for each in named(EntityUid(other, given.id), type_):
            found.add(each)
            if len(found) >= _MOST_RELATED:
                return frozenset(found)
    return frozenset(found)


def _behind(ids: frozenset[str], after: str | None) -> list[str]:
    return sorted(each for each in ids if after is None or each > after)


def _about(search: Search, candidate: str) -> Question:
    question = search.question
    match search.sought:
        case Sought.SUBJECT:
            return replace(question, subject=replace(question.subject, id=candidate))
        case Sought.RESOURCE:
            return replace(question, resource=replace(question.resource, id=candidate))
        case Sought.ACTION:
            return replace(question, action=replace(question.action, name=candidate))


def _result(search: Search, candidate: str, verdict: Verdict) -> Mapping[str, Any]:
    if search.sought is Sought.ACTION:
        found: dict[str, Any] = {"name": candidate}
    else:
        sought = search.question.subject if search.sought is Sought.SUBJECT else search.question.resource
        found = {"type": sought.type, "id": candidate}
    return found | ({"obligations": list(verdict.obligations)} if verdict.obligations else {})
