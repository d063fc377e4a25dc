"""Read back what was stored as JSON, and take nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchword.trust.detectors.fading import Fading
from watchword.trust.detectors.newest import Newest

_LONGEST = 400
# Beyond any time, count or sum of bytes; what is larger would overflow where it is squared or divided by.
_LARGEST = 1e18


def number(given: Any) -> float:
    """Read a number of which more can be computed.

    Raises:
        ValueError: it is none.
    """
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) <= _LARGEST:
        raise ValueError("not a number, or far too large")
    return float(given)


def text(given: Any) -> str:
    """Read a short text.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(given, str) or len(given) > _LONGEST:
        raise ValueError("not a short text")
    return given


def fading(given: Any) -> Fading:
    """Read a count that fades.

    Raises:
        ValueError: it is none.
    """
    weight, at = given
    return Fading(max(0.0, number(weight)), number(at))


def newest(given: Any, *, most: int) -> Newest:
    """Read the newest few.

    Raises:
        ValueError: it is no such mapping.
    """
    if not isinstance(given, Mapping) or len(given) > most:
        raise ValueError("not a short mapping")
    return {text(key): number(at) for key, at in given.items()}
