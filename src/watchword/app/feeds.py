"""Put the feeds of a configuration together with the rooms that they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watchword.app.services import Services
from watchword.kernel import SystemClock
from watchword.settings import Settings
from watchword.trust.feeds import Feeds, FeedStatus, open_traits, status_at

_FOLDER = "feeds"


def open_feeds(services: Services) -> Feeds:
    """Make the feeds of this installation; nothing is loaded or fetched yet.

    Raises:
        PlaceDataError: a database of traits is missing or damaged.
    """
    settings = services.settings
    return Feeds(
        settings.trust.feeds,
        settings.data / _FOLDER,
        services.database,
        services.clock,
        services.entropy,
        traits=open_traits(settings.trust.traits_files),
    )


def feed_status(feeds: Feeds) -> list[dict[str, Any]]:
    """Tell this machine's own tools how every feed is."""
    return [as_row(each) for each in feeds.statuses()]


def in_short(statuses: Sequence[FeedStatus]) -> str:
    """Say in a few words how the feeds are."""
    waiting = sum(not status.is_well for status in statuses)
    words = f"{sum(status.entries for status in statuses)} entries of {len(statuses)} feeds"
    return f"{words}; {waiting} not in force or with a problem: watchword risk feeds list" if waiting else words


def feeds_at_rest(settings: Settings) -> list[dict[str, Any]]:
    """Tell how every feed was left on this machine, while no node runs."""
    now = int(SystemClock().now().timestamp()) // 60
    return [as_row(status_at(settings.data / _FOLDER, each, now)) for each in settings.trust.feeds]


def as_row(status: FeedStatus) -> dict[str, Any]:
    """Return a status as plain values."""
    review: Mapping[str, Any] = status.review or {}
    return {
        "feed": status.name,
        "format": status.format,
        "means": status.meaning,
        "state": status.state,
        "entries": status.entries,
        "covers": str(status.covers) if status.covers else None,
        "percent": round(status.covers.percent, 4) if status.covers else None,
        "bytes": status.size_bytes,
        "refreshed": f"{status.refreshed_at:%Y-%m-%d %H:%M}" if status.refreshed_at else None,
        "counts_until": f"{status.counts_until:%Y-%m-%d %H:%M}" if status.counts_until else None,
        "refused": dict(status.refused),
        "examples": dict(status.examples),
        "review_digest": review["digest"][:12] if review else None,
        "review": f"{review['entries']} entries, {review['covers']}, {review['reason']}" if review else None,
        "is_well": status.is_well,
        "problem": status.problem,
        "hint": status.hint,
    }
