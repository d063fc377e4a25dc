"""The time where the user is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from watchword.trust.model import WorkingHours

_LONGEST_ZONE = 64


@dataclass(frozen=True, slots=True)
class LocalTime:
    """The time of a request as its user sees it; weekday 1 is Monday."""

    hour: int
    minute: int
    weekday: int
    is_working_hours: bool


@lru_cache(maxsize=1024)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # no such zone, or a name that tries to be a path
        return UTC


def local_time(now: datetime, timezone: str) -> datetime:
    """Return `now` in the zone of that name; UTC if there is no such zone."""
    return now.astimezone(_zone(timezone) if len(timezone) <= _LONGEST_ZONE else UTC)


def utc_offset_s(now: datetime, timezone: str) -> int:
    """Return how many seconds east of UTC a zone is at a time."""
    offset = local_time(now, timezone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def clock_of(now: datetime, timezone: str, hours: WorkingHours) -> LocalTime:
    """Return hour, minute and weekday where the user is, and whether people work then."""
    local = local_time(now, timezone)
    return LocalTime(local.hour, local.minute, local.isoweekday(), hours.cover(local))
