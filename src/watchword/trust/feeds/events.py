"""What is told of feeds."""

from __future__ import annotations

from watchword.kernel import EventType

FEED_REFRESHED = EventType(
    "trust.feed.refreshed",
    "A feed brought other entries than before, and they were put in force; or it counts again after it was stale.",
    public="feed entries former_entries covers refused digest",
)
FEED_REFUSED = EventType(
    "trust.feed.refused",
    "What a feed brought was refused; what was in force stays in force until it is stale.",
    public="feed reason detail entries former_entries digest",
)
FEED_UNREACHABLE = EventType(
    "trust.feed.unreachable",
    "The place a feed comes from did not answer several times in a row.",
    public="feed detail",
)
FEED_STALE = EventType(
    "trust.feed.stale",
    "A feed was not refreshed for so long that it contributes nothing any more.",
    public="feed refreshed_at",
)
FEED_REVIEWED = EventType(
    "trust.feed.reviewed",
    "Somebody accepted or rejected what a feed brought and what was kept for review.",
    public="feed verdict entries digest",
)
