"""How much is read: bytes of an hour and of a day against what is usual for the account.

An hour far above the usual is a bulk read; days that are each a little above it add up (CUSUM) to slow exfiltration.
Source: Page, Biometrika 1954, for CUSUM; Roberts, Technometrics 1959, for the moving average.
"""

from __future__ import annotations

from math import log1p, sqrt
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
_EACH = 0.8
_ALLOWED, _SUMMED, _MOST_DAILY, _MOST_SUM = 0.75, 4.0, 3.0, 12.0
_SUM_EACH = 0.4
MOST = 3.0
_SHOWN = 0.3
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


class Volume(NamedTuple):
    """Hours and days of one account."""

    hours: Series = Series()
    days: Series = Series()

    @classmethod
    def parse(cls, given: Any) -> Volume:
        """Read what was stored."""
        return cls(*[_series(item) for item in given])


def fold(known: Volume, size: float, at: float, *, utc_offset_s: int, is_verified: bool) -> Volume:
    """Count the bytes of an answer; only what a second factor vouches for becomes usual."""
    taught = size if is_verified else 0.0
    return Volume(
        _fold(known.hours, int(at // HOUR_S), size, taught),
        _fold(known.days, int((at + utc_offset_s) // DAY_S), size, taught),
    )


def find(known: Volume, size: float, at: float, *, utc_offset_s: int) -> Finding | None:
    """Judge the hour and the day with this answer in them; the stronger speaks."""
    hour = _with(known.hours, int(at // HOUR_S), size)
    day = _with(known.days, int((at + utc_offset_s) // DAY_S), size)
    high = _EACH * (_excess(hour, _KNOWN_HOURS) - _HIGH)
    summed = _SUM_EACH * (day.over + _step(day, _excess(day, _KNOWN_DAYS)) - _SUMMED) if day.known else 0.0
    if max(high, summed) < _SHOWN:
        return None
    if high >= summed:
        return Finding(VOLUME, min(MOST, high), f"{_megabytes(hour.total)} MB within the hour, far more than usual")
    return Finding(SLOW, min(MOST, summed), "more was read on several days than is usual for this account")


def _fold(known: Series, number: int, size: float, taught: float) -> Series:
    if number > known.number:
        closed = _closed(known)
        return closed._replace(number=number, total=size, taught=taught)
    # What comes late, for a period that is over, is as if it had not come.
    if number < known.number:
        return known
    return known._replace(total=known.total + size, taught=known.taught + taught)


def _with(known: Series, number: int, size: float) -> Series:
    if number < known.number:
        return known
    return _fold(known, number, size, 0.0)


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


def _megabytes(total: float) -> str:
    return f"{total / 1e6:,.0f}"


def _series(given: Any) -> Series:
    number, *rest = given
    total, taught, known, mean, variance, over = [max(0.0, stored.number(item)) for item in rest]
    return Series(int(stored.number(number)), total, taught, known, mean, variance, over)
