"""Measure a check of relations over four hops, with a million tuples in memory, and what the tuples take of it.

The graph is shaped like an organisation: documents in folders in folders, folders shared with groups, groups of people,
some people named directly. The check that is measured goes from a document to its folder, to the folder above, to a
group that may see it, and to its members: four steps from object to object. The same is measured with a hundredth of
the tuples, because the time must not grow with their number.
"""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Iterator

from watchword.policy.relations import Graph, RelationTuple, RelationView, parse_model
from watchword.policy.relations.tuples import Object, Subject

TUPLES, SHARE, ASKED = 1_000_000, 100, 20_000
MODEL = """
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type document
  relations
    define parent: [folder]
    define owner: [user]
    define viewer: [user, group#member, user:*] or owner or viewer from parent
"""


def figures() -> dict[str, float]:
    """Return `rel_us_4hop`, its 99th percentile, the same with few tuples, a refusal, and bytes for each tuple."""
    few, _ = _measured(TUPLES // SHARE)
    many, bytes_each = _measured(TUPLES)
    return {
        "rel_us_4hop": round(statistics.median(many[True]), 2),
        "rel_p99_us_4hop": round(statistics.quantiles(many[True], n=100)[98], 2),
        "rel_us_4hop_refused": round(statistics.median(many[False]), 2),
        "rel_us_4hop_10000": round(statistics.median(few[True]), 2),
        "rel_tuple_bytes": round(bytes_each),
    }


def _measured(count: int) -> tuple[dict[bool, list[float]], float]:
    gc.collect()
    before = _memory()
    view = RelationView(parse_model(MODEL), Graph(_tuples(count)))
    taken = (_memory() - before) / len(view.graph)
    gc.collect()
    gc.freeze()
    documents = count // 4
    answers: dict[bool, list[float]] = {True: [], False: []}
    for number in range(ASKED):
        at = number * 7919 % documents
        for wanted in (True, False):
            # A member of the group that the folder above the document's folder is shared with; or a stranger.
            user = f"user:m{at % _groups(count)}" if wanted else f"user:stranger{number}"
            began = time.perf_counter_ns()
            related = view.check(user, "viewer", f"document:{at}")
            answers[related].append((time.perf_counter_ns() - began) / 1000)
            if related is not wanted:
                raise SystemExit(f"`{user}` is {'' if related else 'not '}viewer of `document:{at}`")
    gc.unfreeze()
    return answers, taken


def _groups(count: int) -> int:
    return count // 100


def _tuples(count: int) -> Iterator[RelationTuple]:
    """Yield about so many: a quarter owners, a quarter parents, the rest memberships and a few shared folders."""
    documents, groups = count // 4, _groups(count)
    for number in range(documents):
        yield _tuple("document", f"{number}", "owner", Subject("user", f"o{number % (count // 10)}"))
        yield _tuple("document", f"{number}", "parent", Subject("folder", f"low{number % groups}"))
    for number in range(groups):
        yield _tuple("folder", f"low{number}", "parent", Subject("folder", f"high{number}"))
        yield _tuple("folder", f"high{number}", "viewer", Subject("group", f"g{number}", "member"))
        yield _tuple("group", f"g{number}", "member", Subject("user", f"m{number}"))
    for number in range(count - 2 * documents - 3 * groups):
        yield _tuple("group", f"g{number % groups}", "member", Subject("user", f"u{number % (count // 5)}"))


def _tuple(type_: str, id_: str, relation: str, subject: Subject) -> RelationTuple:
    return RelationTuple(Object(type_, id_), relation, subject)


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
