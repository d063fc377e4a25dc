"""What this room tells the world."""

from __future__ import annotations

from watchword.kernel import EventType

RELATION_WRITTEN = EventType(
    "policy.relation.written",
    "Somebody was related to an object; access may follow from it.",
    public="relation condition",
    personal="object user",
)
RELATION_DELETED = EventType(
    "policy.relation.deleted",
    "A relation to an object was taken back.",
    public="relation",
    personal="object user",
)
