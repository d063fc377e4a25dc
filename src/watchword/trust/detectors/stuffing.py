"""Credential stuffing: lists stolen elsewhere are tried, most names unknown here, few attempts from each network."""

from __future__ import annotations

from math import log1p
from typing import Any, NamedTuple

from watchword.trust.detectors import fading, newest, spray, stored
from watchword.trust.detectors.fading import NOTHING, Fading, counted, worth
from watchword.trust.detectors.newest import NONE, Newest, noted, seen_since
from watchword.trust.detectors.surprise import surprise
from watchword.trust.observation import Finding

INDICATOR = "credential_stuffing"
FADE_S = 86_400.0
_MOST_NETWORKS = 32
# Attempts with one program from so many networks are spread on purpose, or the program is popular and has successes.
_SPREAD = 5
_USUAL = 3.0
_USUAL_SHARE = 0.02
_SURPRISING = 3.0
_EACH = 0.6
_SUCCESS = 2.0
MOST_TRIED = 3.0


class Names(NamedTuple):
    """Attempts from one network, or with one program, that named nobody.

    Attributes:
        networks: whence attempts failed with the program.
    """

    unknown: Fading = NOTHING
    networks: Newest = NONE

    @classmethod
    def parse(cls, given: Any) -> Names:
        """Read what was stored."""
        unknown, networks = given
        return cls(stored.fading(unknown), stored.newest(networks, most=_MOST_NETWORKS))


def fold(known: Names, network: str, at: float, *, is_known_account: bool) -> Names:
    """Count an attempt that failed."""
    unknown = known.unknown if is_known_account else counted(known.unknown, at, over_s=FADE_S)
    return Names(unknown, noted(known.networks, network, at, most=_MOST_NETWORKS))


def turned_back(known: Names, now: float) -> Names:
    """Let attempts in the future have been made now."""
    return Names(fading.not_after(known.unknown, now), newest.not_after(known.networks, now))


def worth_keeping(known: Names) -> float:
    """Say how much these names tell; as for a spray."""
    (unknown, at), networks = known
    return log1p(unknown + len(networks)) + max(at, *networks.values(), 0.0) / spray.WINDOW_S


def weigh_network(known: Names, source: spray.Source, now: float) -> tuple[int, float]:
    """Count the names that nobody here has; and say in log-odds how odd that many are from one network."""
    return _weigh(worth(known.unknown, now, over_s=FADE_S), source, now)


def weigh_program(known: Names, source: spray.Source, now: float) -> tuple[int, float]:
    """Count names and accounts tried with one program, if it comes from many networks, and say how odd that is."""
    if seen_since(known.networks, now - FADE_S) < _SPREAD:
        return 0, 0.0
    unknown = worth(known.unknown, now, over_s=FADE_S)
    # Without names that nobody has it is a spray.
    accounts = spray.accounts(source, now) if unknown >= 1 else 0
    return _weigh(unknown + accounts, source, now)


def _weigh(attempts: float, source: spray.Source, now: float) -> tuple[int, float]:
    if attempts <= _USUAL:
        return 0, 0.0
    usual = _USUAL + _USUAL_SHARE * worth(source.succeeded, now, over_s=spray.WINDOW_S)
    return round(attempts), max(0.0, _EACH * (surprise(attempts, usual, usual) - _SURPRISING))


def tried(weighed: tuple[int, float]) -> Finding | None:
    """Judge a failed attempt."""
    attempts, odds = weighed
    return Finding(INDICATOR, min(MOST_TRIED, odds), _words(attempts)) if odds else None


def succeeded(weighed: tuple[int, float], *, most: float) -> Finding | None:
    """Judge a completed sign-in; `most` is less for a neighbour."""
    attempts, odds = weighed
    if not odds or not most:
        return None
    return Finding(INDICATOR, min(most, odds + _SUCCESS), f"{_words(attempts)}, and then this one succeeded")


def _words(attempts: int) -> str:
    return f"about {attempts} names, many of them unknown here, were tried in the same way within a day"
