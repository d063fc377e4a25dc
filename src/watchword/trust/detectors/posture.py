"""A device that was in order and is not any more."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from watchword.trust.detectors import stored
from watchword.trust.detectors.newest import not_after
from watchword.trust.observation import Finding

CHANGE = "posture_change"
KEPT_S = 86_400.0
_MOST_FACTS = 16
# What it is worth when a fact was true and is false; what malware or a thief does first weighs most.
_WORTH = MappingProxyType(
    {
        "managed_device": (1.0, "the device is not managed any more"),
        "disk_encrypted": (1.2, "the disk is not encrypted any more"),
        "os_patched": (0.3, "the operating system lacks patches now"),
        "firewall": (0.6, "the firewall was switched off"),
        "antivirus": (0.8, "the virus scanner was switched off"),
        "edr_running": (1.5, "the watch on the device was switched off"),
        "not_jailbroken": (2.0, "the device's own protection was broken"),
    }
)
MOST = 3.0

_NONE: Mapping[str, bool] = MappingProxyType({})
_NEVER: Mapping[str, float] = MappingProxyType({})


class Posture(NamedTuple):
    """One device.

    Attributes:
        facts: as it last reported them, true for in order.
        lost: which of them were true and are false, and since when.
        at: when it last reported.
    """

    facts: Mapping[str, bool] = _NONE
    lost: Mapping[str, float] = _NEVER
    at: float = 0.0

    @classmethod
    def parse(cls, given: Any) -> Posture:
        """Read what was stored."""
        facts, lost, at = given
        if not facts.keys() <= _WORTH.keys() or not all(isinstance(fact, bool) for fact in facts.values()):
            raise ValueError("not facts of a device")
        return cls(dict(facts), stored.newest(lost, most=_MOST_FACTS), stored.number(at))


def fold(known: Posture, facts: Mapping[str, bool | None], at: float) -> Posture:
    """Take a report; what is unknown in it stays as it was, and an older report than the last changes nothing."""
    if at <= known.at:
        return known
    told = {name: fact for name, fact in facts.items() if fact is not None and name in _WORTH}
    lost = {name: since for name, since in known.lost.items() if not told.get(name, False)}
    lost |= {name: at for name, fact in told.items() if not fact and known.facts.get(name, False)}
    return Posture({**known.facts, **told}, lost, at)


def turned_back(known: Posture, now: float) -> Posture:
    """Let reports from the future be of now, so that the next one is heard."""
    return Posture(known.facts, not_after(known.lost, now), min(known.at, now))


def change(known: Posture, now: float) -> Finding | None:
    """Judge what a device lost within the last day."""
    lost = [_WORTH[name] for name, since in known.lost.items() if name in _WORTH and now - since < KEPT_S]
    if not lost:
        return None
    return Finding(CHANGE, min(MOST, sum([value for value, _ in lost])), ", ".join([words for _, words in lost]))
