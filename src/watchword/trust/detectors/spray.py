"""Password spray: few attempts each against many accounts, from one network or with one program, fast or slow."""

from __future__ import annotations

from math import log1p
from typing import Any, NamedTuple

from watchword.trust.detectors import fading, newest, stored
from watchword.trust.detectors.fading import NOTHING, Fading, counted, worth
from watchword.trust.detectors.newest import NONE, Newest, noted, seen_since, without
from watchword.trust.detectors.surprise import surprise
from watchword.trust.observation import Finding

INDICATOR = "password_spray"
# What it means for others who come from there.
NEARBY = "sprayed_network"
# Long enough to see one account tried every three hours.
DAY_S = 86_400.0
WINDOW_S = 3 * DAY_S
MOST_ACCOUNTS = 128
# Accounts that fail and are not heard of again: a few in three days anywhere, and a share of those who do sign in.
_USUAL = 3.0
_USUAL_SHARE = 0.02
_SURPRISING = 3.0
_EACH = 0.6
# The attempt itself is denied by its password; what counts is the success that comes out of it.
_SUCCESS = 2.0
MOST_TRIED = 3.0
MOST_SUCCEEDED = 5.0
# Prevents: denying the neighbours of an attacker. Who is at home there, shows a second factor that a guessed password
# does not have, or comes through an exit that many share, is rather a neighbour.
AT_HOME = 0.5
MOST_PROVED = 1.0
MOST_SHARED = 2.0
MOST_POPULAR = 1.0
MOST_NEARBY = 1.2
_POPULAR = 5.0


class Source(NamedTuple):
    """What comes from one network, or with one program.

    Attributes:
        failed: accounts that failed from there and did not succeed since.
        succeeded: accounts that signed in, once a day each.
    """

    failed: Newest = NONE
    succeeded: Fading = NOTHING

    @classmethod
    def parse(cls, given: Any) -> Source:
        """Read what was stored."""
        failed, succeeded = given
        return cls(stored.newest(failed, most=MOST_ACCOUNTS), stored.fading(succeeded))


def fold_failure(known: Source, account: str, at: float) -> Source:
    """Count an account that failed."""
    failed = noted(known.failed, account, at, most=MOST_ACCOUNTS)
    return known if failed is known.failed else Source(failed, known.succeeded)


def fold_success(known: Source, account: str, at: float, *, is_counted: bool = True) -> Source:
    """Note an account that signed in: whoever mistyped and went on is nobody's victim.

    Args:
        is_counted: it is the account's first sign-in from there on that day.
    """
    # By the day, so that it is the same whichever of a day's sign-ins comes first.
    day = at // DAY_S * DAY_S
    succeeded = counted(known.succeeded, day, over_s=WINDOW_S) if is_counted else known.succeeded
    return Source(without(known.failed, account), succeeded)


def turned_back(known: Source, now: float) -> Source:
    """Let attempts in the future have been made now."""
    return Source(newest.not_after(known.failed, now), fading.not_after(known.succeeded, now))


def worth_keeping(known: Source) -> float:
    """Say how much a source tells, one that is newer by the window as much as one with three times the accounts."""
    failed, (succeeded, at) = known
    return log1p(len(failed) + succeeded) + max(at, *failed.values(), 0.0) / WINDOW_S


def accounts(known: Source, now: float) -> int:
    """Count the accounts that failed from there and were not heard of again."""
    return seen_since(known.failed, now - WINDOW_S)


def weigh(known: Source, now: float) -> tuple[int, float]:
    """Count those accounts, and say in log-odds how odd it is that they are so many."""
    tried = accounts(known, now)
    if tried <= _USUAL:
        return tried, 0.0
    usual = _USUAL + _USUAL_SHARE * worth(known.succeeded, now, over_s=WINDOW_S)
    return tried, max(0.0, _EACH * (surprise(tried, usual, usual) - _SURPRISING))


def tried(known: Source, now: float, *, whence: str) -> Finding | None:
    """Judge a failed attempt by how many accounts failed from there."""
    number, odds = weigh(known, now)
    return Finding(INDICATOR, min(MOST_TRIED, odds), _words(number, whence)) if odds else None


def succeeded(known: Source, now: float, *, whence: str, most: float) -> Finding | None:
    """Judge a completed sign-in by how many accounts failed from there before.

    Args:
        most: `MOST_SUCCEEDED`, or less for a neighbour.
    """
    number, odds = weigh(known, now)
    if not odds or not most:
        return None
    return Finding(INDICATOR, min(most, odds + _SUCCESS), f"{_words(number, whence)}, and then this one succeeded")


def most_of_program(known: Source, now: float) -> float:
    """Return how much a program may count against whom it signs in: one that others sign in with is no attacker's."""
    return MOST_POPULAR if worth(known.succeeded, now, over_s=WINDOW_S) >= _POPULAR else MOST_SUCCEEDED


def nearby(known: Source, now: float, *, is_home: bool) -> Finding | None:
    """Judge a request of somebody who was signed in, and is in the same network."""
    number, odds = weigh(known, now)
    if not odds:
        return None
    return Finding(NEARBY, min(AT_HOME if is_home else MOST_NEARBY, odds), _words(number, "this network"))


def _words(number: int, whence: str) -> str:
    return f"{number} accounts were tried from {whence} within three days and did not sign in"
