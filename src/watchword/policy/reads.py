"""Tell which parts of the context policies look at, so that a decision knows what its answer can depend on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

_ROOT = "context"


def context_reads(bodies: Iterable[Any]) -> frozenset[tuple[str, ...]]:
    """Return the attribute paths below `context` that conditions look at.

    The empty path says that the context was taken whole somewhere, so that anything in it may matter.

    Args:
        bodies: conditions in Cedar's JSON form, or whole policies.
    """
    return frozenset(path for body in bodies for path in _paths(body))


def _paths(node: Any) -> Iterator[tuple[str, ...]]:
    found = _chain(node)
    if found is not None:
        yield found
        return
    if isinstance(node, dict):
        children: Iterable[Any] = node.values()
    elif isinstance(node, list):
        children = node
    else:
        return
    for child in children:
        yield from _paths(child)


def _chain(node: Any) -> tuple[str, ...] | None:
    """Return the path of `context.a.b`, also as asked by `has`; nothing for any other expression."""
    if not isinstance(node, dict) or len(node) != 1:
        return None
    if node.get("Var") == _ROOT:
        return ()
    access = node.get(".") or node.get("has")
    if not isinstance(access, dict) or not isinstance(access.get("attr"), str):
        return None
    before = _chain(access.get("left"))
    return None if before is None else (*before, access["attr"])
