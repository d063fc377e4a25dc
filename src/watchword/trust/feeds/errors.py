"""What this sub-room refuses."""

from __future__ import annotations

from watchword.trust.errors import TrustError


class FeedError(TrustError):
    """A feed cannot be used as asked."""

    code = "trust.feed_failed"


class FeedUnreachableError(FeedError):
    """The place a feed comes from does not answer, or not so that it may be believed."""

    code = "trust.feed_unreachable"


class FeedMalformedError(FeedError):
    """What came is no feed of the kind that was configured."""

    code = "trust.feed_malformed"


class FeedTooLargeError(FeedError):
    """The feed has more bytes or entries than it may have."""

    code = "trust.feed_too_large"


class FeedKeptError(FeedError):
    """What was kept of a feed cannot be read or written."""

    code = "trust.feed_kept"


class FeedUnknownError(FeedError):
    """No feed of that name is configured, or nothing of it waits for review."""

    code = "trust.feed_unknown"
    status = 404
