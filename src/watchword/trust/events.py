"""What this room tells the world."""

from __future__ import annotations

from watchword.kernel import EventType

NETWORK_LISTED = EventType(
    "trust.network.listed",
    "A network was put on the block, allow or suspicious list, or its entry was replaced.",
    public="list expires_at",
    personal="network reason",
)
NETWORK_UNLISTED = EventType(
    "trust.network.unlisted",
    "A network was taken off a list.",
    public="list",
    personal="network",
)
