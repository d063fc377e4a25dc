"""The nouns of devices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from watchword.kernel import DeviceId, UserId

_NAME_LENGTH = 100
# In this order: an engine's heirs name their ancestors too.
_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


class Visitor(Protocol):
    """Who is at the other end of the connection; `identity.Client` is one."""

    @property
    def ip(self) -> str:
        """The address, as the edge saw it."""
        ...

    @property
    def user_agent(self) -> str:
        """What the program calls itself."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What a decision may know of a device.

    Attributes:
        user_ids: who signed in on it; empty for one that nobody has signed in on, which is not stored.
        is_managed: whether an organisation manages it; nothing means unknown, here and below.
        posture_at: when the state was reported.
    """

    id: DeviceId
    user_ids: frozenset[UserId]
    first_seen_at: datetime
    last_seen_at: datetime
    name: str
    is_managed: bool | None = None
    disk_encrypted: bool | None = None
    os_patched: bool | None = None
    posture_at: datetime | None = None


def describe(user_agent: str) -> str:
    """Name a device for its owner, from what its browser calls itself: `Firefox on Linux`. Says nothing certain."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "Browser")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return f"{browser} on {system}"[:_NAME_LENGTH] if system else browser
