"""What this room tells the others."""

from __future__ import annotations

from typing import Final

from watchword.kernel import EventType

ACCESS_NOTIFIED: Final = EventType(
    "enforcement.access.notified",
    "Somebody is about to be let in where a policy wants others to know; the decision says the rest.",
    public="application user told",
)
