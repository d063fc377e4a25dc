"""Turn what came into the sorted entries of a table, whatever the format."""

from __future__ import annotations

from typing import Final

from watchword.trust.feeds.intake import Intake
from watchword.trust.feeds.misp import read_misp
from watchword.trust.feeds.plain import read_csv, read_plain
from watchword.trust.feeds.settings import FeedFormat, FeedSettings
from watchword.trust.feeds.stix import read_bundle

_DAY_MIN: Final = 1440


def intake_for(settings: FeedSettings, now: int) -> Intake:
    """Make the intake of one run; `now` in minutes since 1970."""
    return Intake(
        now=now,
        confidence=settings.confidence,
        expiry_min=int(settings.expiry_days * _DAY_MIN),
        most=settings.max_entries,
    )


def read_content(settings: FeedSettings, content: bytes, intake: Intake) -> None:
    """Read one file of a feed.

    Raises:
        FeedMalformedError: it is no such file at all.
        FeedTooLargeError: it holds too many entries.
    """
    match settings.format:
        case FeedFormat.PLAIN:
            read_plain(content, intake)
        case FeedFormat.CSV:
            read_csv(content, settings.columns, settings.delimiter, intake)
        case FeedFormat.MISP:
            read_misp(content, intake)
        case FeedFormat.STIX | FeedFormat.TAXII:
            read_bundle(content, intake)
