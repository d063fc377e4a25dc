"""Read what was stored before browsers had a step without their version: format 1 of profiles and populations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchword.trust.behaviour.chains import SEPARATOR, family_of, short

_AGENT, _BROWSER = "a", 3
_LEVELS = {"a3": ("a3", "a4"), "a4": ("a5",)}


def upgraded_profile(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the profile in today's format; its sums are derived anew when it is read."""
    days = {day: _counts(counts, most=True) for day, counts in stored["d"].items()}
    return {**stored, "t": _counts(stored["t"]), "d": days}


def upgraded_population(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the population in today's format; how many browsers each user has is taken from how many versions."""
    under = {key: value for key, value in stored["u"].items() if _depth(key) < _BROWSER}
    under |= {_moved(key): value for key, value in stored["u"].items() if _depth(key) >= _BROWSER}
    for key, value in stored["t"].items():
        if _depth(key) == _BROWSER:
            family = _family(key)
            under[family] = under.get(family, 0) + value
    distinct = {new: value for level, value in stored["s"].items() for new in _LEVELS.get(level, (level,))}
    return {**stored, "t": _counts(stored["t"]), "u": under, "s": distinct}


def _counts(stored: Mapping[str, int], *, most: bool = False) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, value in stored.items():
        if _depth(key) == _BROWSER:
            family = _family(key)
            found[family] = max(found.get(family, 0), value) if most else found.get(family, 0) + value
        found[_moved(key) if _depth(key) >= _BROWSER else key] = value
    return found


def _depth(key: str) -> int:
    """Return how fine a key of a browser is; 0 for everything else."""
    return key.count(SEPARATOR) if key[:1] == _AGENT else 0


def _family(key: str) -> str:
    system, _, browser = key.rpartition(SEPARATOR)
    return f"{system}{SEPARATOR}{short(family_of(browser))}"


def _moved(key: str) -> str:
    steps = key.split(SEPARATOR)
    return SEPARATOR.join((*steps[:_BROWSER], short(family_of(steps[_BROWSER])), *steps[_BROWSER:]))
