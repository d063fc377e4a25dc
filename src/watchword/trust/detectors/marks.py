"""What was found and stays true of a session, or of an account in a network, until somebody proves themselves."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from watchword.trust.detectors import stored
from watchword.trust.observation import Finding

_MOST = 16
LONGEST_S = 86_400.0
_LARGEST = 6.0

# Value, until when it counts, words.
Mark = tuple[float, float, str]
_NONE: Mapping[str, Mark] = MappingProxyType({})


class Marks(NamedTuple):
    """Findings that stay, by indicator."""

    found: Mapping[str, Mark] = _NONE

    @classmethod
    def parse(cls, given: Any) -> Marks:
        """Read what was stored."""
        (found,) = given
        if len(found) > _MOST:
            raise ValueError("too many findings")
        return cls({stored.text(name): _mark(mark) for name, mark in found.items()})


def fold(known: Marks, found: Finding, until: float) -> Marks:
    """Keep a finding; of several by one indicator the strongest, for as long as the newest."""
    before = known.found.get(found.indicator)
    if before is None:
        kept = (found.value, until, found.detail)
    else:
        value, words = max((before[0], before[2]), (found.value, found.detail))
        kept = (value, max(until, before[1]), words)
    return known if kept == before else Marks({**known.found, found.indicator: kept})


def turned_back(known: Marks, now: float) -> Marks:
    """Let nothing that was found in the future stay longer than what is found now."""
    last = now + LONGEST_S
    return Marks({name: (value, min(until, last), words) for name, (value, until, words) in known.found.items()})


def without(known: Marks, indicators: frozenset[str]) -> Marks:
    """Forget what was settled."""
    left = {name: mark for name, mark in known.found.items() if name not in indicators}
    return known if len(left) == len(known.found) else Marks(left)


def findings(known: Marks, now: float) -> tuple[Finding, ...]:
    """Return what still counts."""
    return tuple([Finding(name, value, words) for name, (value, until, words) in known.found.items() if now < until])


def _mark(given: Any) -> Mark:
    value, until, words = given
    # Prevents: a damaged figure denying somebody whatever else is known.
    if not 0 < stored.number(value) <= _LARGEST:
        raise ValueError("not the value of a finding")
    return float(value), stored.number(until), stored.text(words)
