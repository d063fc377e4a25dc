"""Write a profile as compact JSON for storage, and read it again."""

from __future__ import annotations

import json
from sys import intern
from typing import Any

from watchword.trust.behaviour.profile import MOST_IDS, BehaviourProfile, LastPlace

_FORMAT = 1


def dump(profile: BehaviourProfile) -> str:
    """Write a profile; equal profiles give equal texts."""
    return json.dumps(
        {
            "v": _FORMAT,
            "t": profile.totals,
            "d": {str(day): counts for day, counts in profile.days.items()},
            "i": [f"{event:x}" for event in profile.ids],
            "n": profile.learned,
            "p": profile.last_place,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )


def parse(text: str) -> BehaviourProfile:
    """Read what `dump` wrote.

    Raises:
        ValueError: the text is not a profile.
    """
    try:
        return _parse(json.loads(text))
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("not a stored profile of behaviour") from error


def _parse(stored: Any) -> BehaviourProfile:
    if stored["v"] != _FORMAT:
        raise ValueError(f"a profile of behaviour in format {stored['v']!r}, not {_FORMAT}")
    place = stored["p"]
    profile = BehaviourProfile(
        totals={intern(key): int(total) for key, total in stored["t"].items()},
        days={
            int(day): {intern(key): int(count) for key, count in counts.items()} for day, counts in stored["d"].items()
        },
        ids=sorted([int(event, 16) for event in stored["i"]])[-MOST_IDS:],
        learned=int(stored["n"]),
        last_place=LastPlace(
            float(place[0]), float(place[1]), float(place[2]), float(place[3]), str(place[4]), bool(place[5])
        )
        if place
        else None,
    )
    profile.derive()
    return profile
