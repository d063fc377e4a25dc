"""Time of day and of week, on a circle: weak evidence, and never enough alone."""

from __future__ import annotations

from math import log, sqrt

from watchword.trust.behaviour.chains import DAY_CIRCLE, HOURS, UNIT, WEEK_CIRCLE, WEEKDAYS
from watchword.trust.behaviour.comparison import Comparison

LEAST_TIME, MOST_TIME = -1.0, 1.5
_M = 4.0
_SPREAD = 0.7
_DOUBT = 6.0  # events' worth of an even spread
_MOST_CONCENTRATION = 4.0
_STEPS = 32


def hour_evidence(hour: int, held: Comparison) -> float:
    """Return log P_A - log P_u of an hour of the day; the hours beside it count half."""
    profile, population, one, own_one = held
    own, everybody = profile.totals, population.totals
    before, at, after = HOURS[hour - 1], HOURS[hour], HOURS[(hour + 1) % 24]
    mine = own.get(at, 0) / 2 + (own.get(before, 0) + own.get(after, 0)) / 4
    theirs = everybody.get(at, 0) / 2 + (everybody.get(before, 0) + everybody.get(after, 0)) / 4
    return _ratio(mine, profile.under.get("h", 0), theirs, population.under.get("h", 0), 1 / 24, one, own_one)


def weekday_evidence(weekday: int, held: Comparison) -> float:
    """Return log P_A - log P_u of a day of the week."""
    profile, population, one, own_one = held
    key = WEEKDAYS[weekday]
    mine, theirs = profile.totals.get(key, 0), population.totals.get(key, 0)
    return _ratio(mine, profile.under.get("w", 0), theirs, population.under.get("w", 0), 1 / 7, one, own_one)


def _ratio(mine: float, all_mine: int, theirs: float, all_theirs: int, even: float, one: int, own_one: int) -> float:
    usual = (max(0.0, theirs - mine) + one * even) / (max(0, all_theirs - all_mine) + one)
    guess = _M * own_one
    expected = (mine + guess * usual) / (all_mine + guess)
    return log((usual + _SPREAD * (even - usual)) / expected)


def rhythm_evidence(hour: int, weekday: int, held: Comparison) -> float:
    """Return the evidence of a user's mean direction over 24 h and over 168 h, against an even spread.

    The user's times are taken as von Mises distributed on each circle, with a concentration estimated from the sums
    of cosines and sines. The week's circle is read by the day, for the hour is on the day's own.

    Source: Mardia and Jupp, "Directional Statistics", sections 3.5.4 and 5.3; the estimate of the concentration is
    Banerjee et al., JMLR 2005, for two dimensions.
    """
    profile, own_one = held.profile, held.own_one
    day_cos, day_sin, week_cos, week_sin = profile.circles
    return _circle(day_cos, day_sin, DAY_CIRCLE[hour], profile.under.get("h", 0) / own_one, own_one) + _circle(
        week_cos, week_sin, WEEK_CIRCLE[weekday], profile.under.get("w", 0) / own_one, own_one
    )


def _circle(cosines: int, sines: int, point: tuple[int, int], events: float, one: int) -> float:
    x, y = float(cosines), float(sines)  # whole numbers of this length are slow
    length = sqrt(x * x + y * y)
    if not length:
        return 0.0
    mean = length / (UNIT * one) / (events + _DOUBT)
    square = mean * mean
    concentration = min(_MOST_CONCENTRATION, mean * (2 - square) / (1 - square))
    towards = (x * point[0] + y * point[1]) / (length * UNIT)
    return log_bessel(concentration) - concentration * towards


def _bessel(x: float) -> float:
    """Return the modified Bessel function I0 by its series, exact to 1e-4 up to 4."""
    q = x * x / 4
    return 1 + q * (1 + q / 4 * (1 + q / 9 * (1 + q / 16 * (1 + q / 25 * (1 + q / 36 * (1 + q / 49))))))


_TABLE = tuple(log(_bessel(step / _STEPS)) for step in range(int(_MOST_CONCENTRATION * _STEPS) + 2))


def log_bessel(x: float) -> float:
    """Return the logarithm of I0 between 0 and 4, from a table, exact to 1e-3."""
    at = x * _STEPS
    step = int(at)
    low = _TABLE[step]
    return low + (at - step) * (_TABLE[step + 1] - low)
