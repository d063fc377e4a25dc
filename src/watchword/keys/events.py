"""What keys tell the world."""

from __future__ import annotations

from watchword.kernel import EventType

KEY_CREATED = EventType(
    "keys.key.created",
    "A signing key was made for a purpose that had none.",
    public="purpose algorithm",
)
KEY_ROTATED = EventType(
    "keys.key.rotated",
    "A new signing key took over; the former one signs no more and stays published until a given time.",
    public="purpose algorithm former published_until",
)
SEALING_KEY_REPLACED = EventType(
    "keys.sealing_key.replaced",
    "Everything that is sealed was sealed anew, under another sealing key.",
    public="values",
)
KEY_RETIRED = EventType(
    "keys.key.retired",
    "A former signing key is no longer published.",
    public="purpose algorithm",
)
