"""Count decisions by the minute, for the chart; a fixed amount of memory however many there are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from watchword.kernel import Answer

MINUTES = 60
_S = 60


class Tally:
    """The decisions of the last hour by minute and answer; noting one takes well under a microsecond."""

    def __init__(self) -> None:
        self._minutes: dict[int, dict[Answer, int]] = {}

    def note(self, at: datetime, answer: Answer, count: int = 1) -> None:
        """Count a decision, by the requests that it stands for."""
        minute = int(at.timestamp()) // _S
        counts = self._minutes.get(minute)
        if counts is None:
            counts = self._minutes[minute] = {}
            if len(self._minutes) > 2 * MINUTES:
                # Bounded, whatever the clock does: the newest hour of minutes stays.
                self._minutes = {one: self._minutes[one] for one in sorted(self._minutes)[-MINUTES - 1 :]}
        counts[answer] = counts.get(answer, 0) + count

    def last_hour(self, now: datetime) -> tuple[Mapping[Answer, int], ...]:
        """Return the counts of the last sixty minutes, oldest first, the present one last."""
        present = int(now.timestamp()) // _S
        return tuple(self._minutes.get(minute, {}) for minute in range(present - MINUTES + 1, present + 1))


def hour_before(now: datetime, part: int) -> datetime:
    """Return the time at one of the five marks below the chart, 0 an hour ago and 4 now."""
    return now - timedelta(minutes=MINUTES * (4 - part) / 4)
