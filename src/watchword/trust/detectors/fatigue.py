"""MFA fatigue: prompts until somebody says yes in order to be left alone."""

from __future__ import annotations

from math import exp
from typing import Any, NamedTuple

from watchword.trust.detectors import stored
from watchword.trust.detectors.newest import NONE, Newest, not_after, noted, seen_since
from watchword.trust.observation import Finding

INDICATOR = "mfa_fatigue"
# What it means for the account's other sessions.
PROMPTED = "mfa_prompts"
FADE_S = 300.0
WINDOW_S = 1800.0
MOST_PROMPTS = 16
_MOST_NETWORKS = 8
FOUND = 5
_FEW = 3
# Five prompts at most seven minutes apart; three mistyped codes in a row fade before they are five.
_LEFT = 1.3
# Who is worn out says yes a while after the last one.
_LEFT_GIVEN = 0.6
_ASKED = {3: 0.4, 4: 0.8}
_ASKED_OFTEN = 2.5
_GIVEN = {3: 1.2, 4: 2.2}
_GIVEN_AFTER_MANY = 3.5
_GIVEN_EACH = 0.25
MOST_GIVEN = 5.0
# Prevents: keeping somebody out by asking them often. Whoever knows the password can ask; a prompt from where none of
# the refused ones came from is rather the owner's.
MOST_ELSEWHERE = 1.5
AT_HOME = 0.8
MOST_PROMPTED = 1.2


class Prompts(NamedTuple):
    """The newest refused prompts of one account, by what recognises them, and whence they were asked for."""

    refused: Newest = NONE
    networks: Newest = NONE

    @classmethod
    def parse(cls, given: Any) -> Prompts:
        """Read what was stored."""
        refused, networks = given
        return cls(stored.newest(refused, most=MOST_PROMPTS), stored.newest(networks, most=_MOST_NETWORKS))


def fold(known: Prompts, prompt: str, network: str, at: float) -> Prompts:
    """Count a prompt that was refused, or ran out."""
    return Prompts(
        noted(known.refused, prompt, at, most=MOST_PROMPTS), noted(known.networks, network, at, most=_MOST_NETWORKS)
    )


def turned_back(known: Prompts, now: float) -> Prompts:
    """Let prompts in the future have been refused now."""
    return Prompts(not_after(known.refused, now), not_after(known.networks, now))


def burst(known: Prompts, now: float, *, least: float = _LEFT) -> int:
    """Count the refused prompts of the burst that is going on; none while they are few for their time."""
    ages = [max(0.0, now - at) for at in known.refused.values() if now - at < WINDOW_S]
    if len(ages) < _FEW:
        return 0
    return len(ages) if sum([exp(-age / FADE_S) for age in ages]) >= least else 0


def lately(known: Prompts, now: float) -> int:
    """Count the prompts that were refused within five minutes."""
    return seen_since(known.refused, now - FADE_S)


def until(known: Prompts) -> float:
    """Return when they stop to matter; 0 if they do not."""
    return max(known.refused.values()) + WINDOW_S if len(known.refused) >= _FEW else 0.0


def asked(known: Prompts, network: str, now: float, *, is_home: bool) -> Finding | None:
    """Judge one more prompt."""
    count = burst(known, now)
    if not count:
        return None
    value = min(_ASKED.get(count, _ASKED_OFTEN), _most(known, network, now, is_home=is_home))
    return Finding(INDICATOR, value, f"{count} prompts for a second factor were refused within the last minutes")


def given(known: Prompts, network: str, now: float, *, is_home: bool) -> Finding | None:
    """Judge a prompt that was accepted; right after a burst of refused ones it counts most."""
    count = burst(known, now, least=_LEFT_GIVEN)
    if not count:
        return None
    value = _GIVEN.get(count, min(MOST_GIVEN, _GIVEN_AFTER_MANY + _GIVEN_EACH * (count - FOUND)))
    words = f"a second factor was given after {count} refused prompts in a row"
    return Finding(INDICATOR, min(value, _most(known, network, now, is_home=is_home)), words)


def standing(known: Prompts, now: float, *, is_home: bool) -> Finding | None:
    """Judge the account's requests while somebody keeps asking."""
    count = burst(known, now)
    if not count:
        return None
    value = min(_ASKED.get(count, MOST_PROMPTED), AT_HOME if is_home else MOST_PROMPTED)
    return Finding(PROMPTED, value, f"{count} prompts for a second factor were refused within the last minutes")


def _most(known: Prompts, network: str, now: float, *, is_home: bool) -> float:
    if is_home:
        return AT_HOME
    return MOST_GIVEN if now - known.networks.get(network, 0.0) < WINDOW_S else MOST_ELSEWHERE
