"""Off hours, combined: an hour at which the account is never used makes worse what else was found."""

from __future__ import annotations

from math import atan2, cos, exp, hypot, log, pi, sin
from typing import Any, NamedTuple

from watchword.trust.detectors import stored
from watchword.trust.observation import Finding

INDICATOR = "off_hours_activity"
_DAY_S = 86_400.0
_FADE_S = 90 * _DAY_S
_KNOWN = 20.0
# What else was found must amount to this, of one indicator.
LEAST = 1.0
_SHOWN = 0.4
_EACH = 0.4
MOST = 0.8


class Rhythm(NamedTuple):
    """The account's hours on a circle: sums of their cosines and sines, and how many, fading over three months.

    Attributes:
        hour: the last one that was counted; each hour counts once.
    """

    cosines: float = 0.0
    sines: float = 0.0
    total: float = 0.0
    at: float = 0.0
    hour: int = 0

    @classmethod
    def parse(cls, given: Any) -> Rhythm:
        """Read what was stored."""
        *sums, hour = given
        cosines, sines, total, at = [stored.number(item) for item in sums]
        return cls(cosines, sines, max(0.0, total), at, int(stored.number(hour)))


def fold(known: Rhythm, at: float, utc_offset_s: int) -> Rhythm:
    """Count an hour in which the account was used, vouched for by a second factor."""
    hour = int(at // 3600)
    if hour == known.hour:
        return known
    newest = max(known.at, at)
    kept, weight = exp(-(newest - known.at) / _FADE_S), exp((at - newest) / _FADE_S)
    angle = _angle(at, utc_offset_s)
    return Rhythm(
        known.cosines * kept + weight * cos(angle),
        known.sines * kept + weight * sin(angle),
        known.total * kept + weight,
        newest,
        hour,
    )


def turned_back(known: Rhythm, now: float) -> Rhythm:
    """Let hours of the future be of now."""
    return known._replace(at=min(known.at, now), hour=min(known.hour, int(now // 3600)))


def strangeness(known: Rhythm, at: float, utc_offset_s: int) -> float:
    """Return the log-odds of this time of day coming from anybody, against this account.

    Source: the von Mises distribution; Mardia and Jupp, Directional Statistics, section 5.3, for its concentration.
    """
    if known.total < _KNOWN:
        return 0.0
    resultant = min(0.95, hypot(known.cosines, known.sines) / known.total)
    concentration = resultant * (2 - resultant**2) / (1 - resultant**2)
    apart = _angle(at, utc_offset_s) - atan2(known.sines, known.cosines)
    return _log_bessel(concentration) - concentration * cos(apart)


def find(known: Rhythm, at: float, utc_offset_s: int, others: float) -> Finding | None:
    """Judge the hour, where something else was found that amounts to `others`."""
    if others < LEAST:
        return None
    strange = strangeness(known, at, utc_offset_s)
    if strange < _SHOWN:
        return None
    return Finding(INDICATOR, min(MOST, _EACH * strange), "at a time of day at which this account is hardly ever used")


def _angle(at: float, utc_offset_s: int) -> float:
    return 2 * pi * ((at + utc_offset_s) % _DAY_S) / _DAY_S


def _log_bessel(k: float) -> float:
    """Return log I0, to a hundredth. Source: Abramowitz and Stegun, 9.6.12 and 9.7.1."""
    if k < 3.0:  # noqa: PLR2004  # where both series are equally good
        quarter = k * k / 4
        return log(1 + quarter * (1 + quarter / 4 * (1 + quarter / 9 * (1 + quarter / 16 * (1 + quarter / 25)))))
    return k - 0.5 * log(2 * pi * k) + log(1 + 1 / (8 * k) + 9 / (128 * k * k))
