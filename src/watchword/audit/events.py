"""What the journal tells the world of itself."""

from __future__ import annotations

from watchword.kernel import EventType

JOURNAL_ARCHIVED = EventType(
    "audit.journal.archived",
    "Old segments of the journal were moved away; what stays begins behind a signed anchor.",
    public="segments through destination",
)
