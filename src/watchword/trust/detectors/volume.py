"""How much is read: bytes of an hour and of a day against what is usual for the account.

An hour far above the usual is a bulk read; days that are each a little above it add up (CUSUM) to slow exfiltration.
Source: Page, Biometrika 1954, for CUSUM; Roberts, Technometrics 1959, for the moving average.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log1p, sqrt
from types import MappingProxyType
from typing import Any, NamedTuple

from watchword.trust.detectors import stored
from watchword.trust.observation import Finding

VOLUME, SLOW = "volume", "slow_exfiltration"
HOUR_S, DAY_S = 3600.0, 86_400.0
# So many active hours or days make a habit; below it nothing is said.
_KNOWN_HOURS, _KNOWN_DAYS = 12.0, 7.0
_FASTEST, _SLOWEST = 0.25, 0.04
# On a logarithmic scale: even the steadiest person's hours differ by a factor of two.
_LEAST_SPREAD = 0.7
_FIRST_VARIANCE = 1.0
# Prevents: one huge hour, or a thief's patient ones, becoming what is usual.
_TAUGHT = 2.0
_HIGH = 3.0
_EACH = 1.0
_ALLOWED, _SUMMED, _MOST_DAILY, _MOST_SUM = 0.75, 4.0, 3.0, 9.0
_SUM_EACH = 0.75
_LEAST_STEP = -0.35
MOST = 4.0
_SHOWN = 0.3
_LEAST_PART = 0.02
# More sessions than one account has at a time.
_MOST_SESSIONS = 60
_ENOUGH_BYTES = 1 << 20


class Series(NamedTuple):
    """One account's hours, or days.

    Attributes:
        number: of the period that is going on.
        total: bytes in it; `taught` of those what a second factor vouches for.
        known: how many periods were learned.
        mean: of the logarithm of the bytes of a period, weighted to the newer ones; `variance` likewise.
        over: by how much, in spreads, periods were above the usual, summed up; never below 0.
    """

    number: int = 0
    total: float = 0.0
    taught: float = 0.0
    known: float = 0.0
    mean: float = 0.0
    variance: float = _FIRST_VARIANCE
    over: float = 0.0


_NOTHING: Mapping[str, float] = MappingProxyType({})


class Volume(NamedTuple):
    """Hours and days of one account.

    Attributes:
        parts: bytes of the hour that is going on, by session.
    """

    hours: Series = Series()
    days: Series = Series()
    parts: Mapping[str, float] = _NOTHING

    @classmethod
    def parse(cls, given: Any) -> Volume:
        """Read what was stored."""
        hours, days, *rest = given
        parts = stored.newest(rest[0], most=_MOST_SESSIONS) if rest else _NOTHING
        return cls(_series(hours), _series(days), parts)


def fold(known: Volume, size: float, at: float, *, session: str, utc_offset_s: int, is_verified: bool) -> Volume:
    """Count the bytes of an answer; only what a second factor vouches for becomes usual."""
    taught = size if is_verified else 0.0
    hour = int(at // HOUR_S)
    return Volume(
        _fold(known.hours, hour, size, taught),
        _fold(known.days, int((at + utc_offset_s) // DAY_S), size, taught),
        _with_part(known, hour, session, size),
    )


def _with_part(known: Volume, hour: int, session: str, size: float) -> Mapping[str, float]:
    before = known.parts if hour <= known.hours.number else _NOTHING
    if hour < known.hours.number or not size:
        return before
    parts = {**before, session: before.get(session, 0.0) + size}
    if len(parts) > _MOST_SESSIONS:
        del parts[min(parts, key=lambda name: (parts[name], name))]
    return parts


def turned_back(known: Volume, now: float) -> Volume:
    """Let periods that went on in the future go on now; what is usual stays."""
    # The day in which the farthest zone still is, so that no day is taken for over that has yet to come.
    hour, day = int(now // HOUR_S), int(now // DAY_S) - 1
    hours, days, parts = known
    return Volume(
        hours._replace(number=min(hours.number, hour)),
        days._replace(number=day) if days.number > day + 2 else days,
        parts,
    )


def find(known: Volume, session: str, at: float) -> Finding | None:
    """Judge the hour and the day that go on, with the act itself in them; the stronger speaks."""
    # A session that adds next to nothing is not held against anybody: the owner works on while a thief copies. By the
    # session and not by the answer. Prevents: who copies in small pieces adding next to nothing each time.
    part = known.parts.get(session, 0.0)
    if known.hours.number != int(at // HOUR_S) or not part or part < _LEAST_PART * known.hours.total:
        return None
    high = _EACH * (_excess(known.hours, _KNOWN_HOURS) - _HIGH)
    today = _step(known.days, _excess(known.days, _KNOWN_DAYS))
    # A day that is hardly higher than usual is not held against anybody, whatever was before.
    summed = _SUM_EACH * (known.days.over + today - _SUMMED) if today > _LEAST_STEP else 0.0
    if max(high, summed) < _SHOWN:
        return None
    if high >= summed:
        return Finding(VOLUME, min(MOST, high), f"{_megabytes(known.hours)} MB within the hour, far more than usual")
    return Finding(SLOW, min(MOST, summed), "more was read on several days than is usual for this account")


def _fold(known: Series, number: int, size: float, taught: float) -> Series:
    # What comes late, for a period that is over, is as if it had not come.
    if number < known.number:
        return known
    if number > known.number:
        known = _closed(known)
        return Series(number, size, taught, *known[3:])
    return Series(number, known.total + size, known.taught + taught, *known[3:])


def _closed(known: Series) -> Series:
    if not known.number:
        return known
    # The sum hears everything; only the habit is learned from what is vouched for.
    over = known.over + _step(known, _excess(known, _KNOWN_DAYS))
    if known.taught <= 0:
        return known._replace(over=over)
    spread = sqrt(known.variance)
    apart = log1p(known.taught) - known.mean
    if known.known >= 1:
        reach = _TAUGHT * max(_LEAST_SPREAD, spread)
        apart = max(-reach, min(reach, apart))
    share = max(_SLOWEST, 1.0 / (known.known + 1.0))
    pace = min(share, _FASTEST) if known.known >= 1 else 0.0
    return known._replace(
        known=min(1e6, known.known + 1.0),
        mean=known.mean + share * apart,
        variance=(1.0 - pace) * (known.variance + pace * apart * apart),
        over=over,
    )


def _excess(known: Series, enough: float) -> float:
    if known.known < enough or known.total < _ENOUGH_BYTES:
        return 0.0
    return (log1p(known.total) - known.mean) / max(_LEAST_SPREAD, sqrt(known.variance))


def _step(known: Series, excess: float) -> float:
    """Return by how much the sum changes when the period ends like this; it never falls below 0."""
    return max(-known.over, min(_MOST_SUM - known.over, min(_MOST_DAILY, excess) - _ALLOWED))


def _megabytes(known: Series) -> str:
    return f"{known.total / 1e6:,.0f}"


def _series(given: Any) -> Series:
    number, *rest = given
    total, taught, known, mean, variance, over = [max(0.0, stored.number(item)) for item in rest]
    return Series(int(stored.number(number)), total, taught, known, mean, variance, over)
