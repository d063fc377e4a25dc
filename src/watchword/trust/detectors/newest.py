"""The newest few of many things, each with its newest time: the same set in whatever order they come."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Newest = Mapping[str, float]
NONE: Newest = MappingProxyType({})


def noted(known: Newest, key: str, at: float, *, most: int) -> Newest:
    """Keep a thing with its newest time, and of all things the `most` newest."""
    if known.get(key, float("-inf")) >= at:
        return known
    kept = {**known, key: at}
    if len(kept) > most:
        # Prevents: memory growing with what somebody else makes up. Equal times fall by name, so order never matters.
        del kept[min(kept, key=lambda name: (kept[name], name))]
    return kept


def without(known: Newest, key: str) -> Newest:
    """Forget one thing."""
    return {name: at for name, at in known.items() if name != key} if key in known else known


def seen_since(known: Newest, start: float) -> int:
    """Count what was seen after a time."""
    return sum([at > start for at in known.values()])


def not_after(known: Newest, now: float) -> Newest:
    """Bring what was seen in the future to the present."""
    return {name: min(at, now) for name, at in known.items()} if any(at > now for at in known.values()) else known
