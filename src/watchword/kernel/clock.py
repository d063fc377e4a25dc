"""The only source of time, injected, so that tests and replays can hold it still."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tell wall time and monotonic time."""

    def now(self) -> datetime:
        """Return the wall time in UTC, timezone-aware."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences have a meaning."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


class FrozenClock:
    """A clock that moves only when told to; for tests, drills and replays."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("a clock needs a timezone-aware time")
        self._now = at
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Return the time it was frozen at."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds it was advanced by."""
        return self._monotonic

    def advance(self, by: timedelta) -> None:
        """Move both clocks forward by a span that is not negative."""
        if by < timedelta():
            raise ValueError("monotonic time does not go back; use step for the wall clock")
        self._now += by
        self._monotonic += by.total_seconds()

    def step(self, by: timedelta) -> None:
        """Step the wall clock alone, forward or back, as an operator or a time server might."""
        self._now += by
