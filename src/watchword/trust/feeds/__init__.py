"""Own threat intelligence: feeds fetched on a schedule, what they list, and how much that is worth today.

Publishes `Feeds`, `Reputation` and `FeedSettings`. Refuses to believe a feed that is stale, that shrank by half, or
that lists what no stranger may decide about: private networks and the whole Internet.
"""

from watchword.trust.feeds.difference import difference
from watchword.trust.feeds.errors import FeedError, FeedKeptError, FeedUnknownError
from watchword.trust.feeds.events import (
    FEED_REFRESHED,
    FEED_REFUSED,
    FEED_REVIEWED,
    FEED_STALE,
    FEED_UNREACHABLE,
)
from watchword.trust.feeds.index import listed
from watchword.trust.feeds.intake import is_asked_about
from watchword.trust.feeds.model import Indicator, IndicatorKind, Meaning
from watchword.trust.feeds.reputation import MOST_LOG_ODDS, REPUTATION, Hit, Reputation, ReputationVerdict
from watchword.trust.feeds.service import Feeds
from watchword.trust.feeds.settings import FeedAuth, FeedFormat, FeedSettings
from watchword.trust.feeds.status import FeedStatus, status_at
from watchword.trust.feeds.traits import TraitsDatabase, open_traits

__all__ = [
    "FEED_REFRESHED",
    "FEED_REFUSED",
    "FEED_REVIEWED",
    "FEED_STALE",
    "FEED_UNREACHABLE",
    "MOST_LOG_ODDS",
    "REPUTATION",
    "FeedAuth",
    "FeedError",
    "FeedFormat",
    "FeedKeptError",
    "FeedSettings",
    "FeedStatus",
    "FeedUnknownError",
    "Feeds",
    "Hit",
    "Indicator",
    "IndicatorKind",
    "Meaning",
    "Reputation",
    "ReputationVerdict",
    "TraitsDatabase",
    "difference",
    "is_asked_about",
    "listed",
    "open_traits",
    "status_at",
]
