"""Failed attempts of one account, each fading over ten minutes."""

from __future__ import annotations

from math import log
from typing import Any, NamedTuple

from watchword.trust.detectors import fading, stored
from watchword.trust.detectors.fading import NOTHING, Fading, counted, worth
from watchword.trust.observation import Finding

INDICATOR = "failed_attempts"
FADE_S = 600.0
# Three failures in quick succession have faded a little by the time they are read.
_FROM = 2.5
_EACH = 0.35
# Prevents: locking somebody out by failing for them. Anyone can fail for anyone, so however often it is done, it is
# worth less than what asks for a second factor, let alone denies.
MOST = 1.2
AT_HOME = 0.4


class Failures(NamedTuple):
    """Failed sign-ins of one account."""

    failed: Fading = NOTHING

    @classmethod
    def parse(cls, given: Any) -> Failures:
        """Read what was stored."""
        (failed,) = given
        return cls(stored.fading(failed))


def fold(known: Failures, at: float) -> Failures:
    """Count one failure."""
    return Failures(counted(known.failed, at, over_s=FADE_S))


def turned_back(known: Failures, now: float) -> Failures:
    """Let failures in the future have happened now."""
    return Failures(fading.not_after(known.failed, now))


def until(known: Failures) -> float:
    """Return when they stop to matter; 0 if they do not."""
    weight, at = known.failed
    return at + FADE_S * log(weight / _FROM) if weight > _FROM else 0.0


def find(known: Failures, now: float, *, is_home: bool) -> Finding | None:
    """Tell whether about three attempts failed within the last minutes.

    Args:
        is_home: the account is used from a network that was its own before; the failures are rather somebody else's.
    """
    left = worth(known.failed, now, over_s=FADE_S)
    if left < _FROM:
        return None
    # Whole numbers, so that a finding stays the same while nothing happens but time.
    value = min(MOST, _EACH * round(left))
    words = f"about {left:.0f} attempts failed within the last minutes"
    return Finding(INDICATOR, min(AT_HOME, value) if is_home else value, words)
