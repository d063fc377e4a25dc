"""An allow as doors see it that may give it again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta


class Lasting:
    """An allow that a door may give again by itself, to the same request, as long as it holds."""

    __slots__ = ("_ends", "_holds")

    def __init__(self, holds: Callable[[], bool], ends: Callable[[], timedelta]) -> None:
        self._holds = holds
        self._ends = ends

    def holds(self) -> bool:
        """Tell whether a fresh decision would be the same."""
        return self._holds()

    def remaining_s(self) -> float:
        """Return the seconds until time alone may change it."""
        return self._ends().total_seconds()
