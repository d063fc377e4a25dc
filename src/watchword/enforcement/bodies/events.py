"""What this room tells the others."""

from __future__ import annotations

from typing import Final

from watchword.kernel import EventType

ACCESS_NOTIFIED: Final = EventType(
    "enforcement.access.notified",
    "Somebody is about to be let in where a policy wants others to know; the decision says the rest.",
    public="application user told",
)
TOKEN_REVEALED: Final = EventType(
    "enforcement.token.revealed", "Somebody turned a token of an answer back into its value.", public="context"
)
MARK_TRACED: Final = EventType(
    "enforcement.mark.traced", "Somebody looked up whom a mark in an answer means.", public="application"
)
