"""Write the sign-ins of one user and of everybody as JSON for storage, and read them again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from watchword.trust.behaviour.codec import members
from watchword.trust.behaviour.freeman_counts import MOST_EVENTS, PREFIX, Everybody, SignIns

_FORMAT: Final = 1


def dump_sign_ins(own: SignIns) -> str:
    """Write the sign-ins of one user."""
    return orjson.dumps(
        {
            "v": _FORMAT,
            "n": own.sign_ins,
            "s": own.seen,
            "d": {str(day): counts for day, counts in own.days.items()},
            "e": own.events,
        }
    ).decode()


def parse_sign_ins(text: str) -> SignIns:
    """Read what `dump_sign_ins` wrote.

    Raises:
        ValueError: the text is something else.
    """
    stored = _read(text)
    try:
        days = {int(day): _counts(counts) for day, counts in stored["d"].items()}
        events = [int(event) for event in stored["e"]][-MOST_EVENTS:]
        return SignIns(_count(stored["n"]), _counts(stored["s"]), days, events)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not stored sign-ins") from error


def everybody_parts(everybody: Everybody) -> Iterator[str]:
    """Yield the parts of one text, each quick to make, as `population_parts` does."""
    head = {"v": _FORMAT, "n": everybody.sign_ins, "m": everybody.users}
    yield orjson.dumps(head).decode()[:-1] + ',"s":{'
    yield from members(everybody.seen)
    yield "}}"


def parse_everybody(text: str) -> Everybody:
    """Read what `everybody_parts` wrote.

    Raises:
        ValueError: the text is something else.
    """
    stored = _read(text)
    try:
        everybody = Everybody(_count(stored["n"]), _counts(stored["s"]), _count(stored["m"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not the stored sign-ins of everybody") from error
    for key in everybody.seen:
        everybody.kinds[key[:PREFIX]] = everybody.kinds.get(key[:PREFIX], 0) + 1
    return everybody


def _read(text: str) -> Any:
    try:
        stored = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(stored, dict) or stored.get("v") != _FORMAT:
        raise ValueError(f"not written in format {_FORMAT}")
    return stored


def _counts(stored: Mapping[str, Any]) -> dict[str, int]:
    return {str(key): _count(value) for key, value in stored.items()}


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a count")
    return value
