"""Say what the worker is to do: where, by what settings, with which credential, and what is known already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from watchword.kernel import Secret
from watchword.trust.feeds.errors import FeedKeptError
from watchword.trust.feeds.kept import KeptFeed, State
from watchword.trust.feeds.settings import FeedAuth, FeedSettings

_LONGEST_CREDENTIAL: Final = 8_192
# What says where a feed comes from, and how it is read; the rest says when, and what it means.
_WHOLE_EVERY_MIN: Final = 7 * 1440
_SOURCE: Final = ("format", "url", "file", "collection")
_READING: Final = ("columns", "delimiter", "confidence", "expiry_days", "max_entries")


def source_of(settings: FeedSettings) -> str:
    """Return what tells one source from another."""
    return _digest(settings, _SOURCE)


def reading_of(settings: FeedSettings) -> str:
    """Return what tells one way to read a source from another."""
    return _digest(settings, _READING)


def job_of(
    settings: FeedSettings, state: State, kept: KeptFeed, staged: Path, *, secret: Secret[str], now: int
) -> dict[str, Any]:
    """Write a job; entries that are to be read in another way than before are asked for as a whole.

    Args:
        staged: where the worker leaves its files.
        secret: goes to the worker and nowhere else; may be empty.
        now: minutes since 1970.
    """
    former = state.in_force
    same = former if former is not None and former.read_by == reading_of(settings) else None
    # Prevents: a cache on the way that says "unchanged" for ever keeping old entries fresh.
    shown = same if same is not None and 0 <= now - same.whole_at < _WHOLE_EVERY_MIN else None
    # What waits for review was fetched later than what is in force, and need not be fetched again.
    latest = state.review if same and state.review and state.review.read_by == same.read_by else former
    return {
        "feed": asdict(settings),
        "staged": str(staged),
        "former": str(kept.folder_of(former)) if former else None,
        "latest": str(kept.folder_of(latest)) if latest else None,
        "credential": secret.reveal(),
        "now": now,
        "tag": shown.tag if shown else "",
        "modified": shown.modified if shown else "",
        "cursor": same.cursor if same else "",
        "whole_at": same.whole_at if same else 0,
    }


def credential_of(settings: FeedSettings, environment: Mapping[str, str]) -> Secret[str]:
    """Read the credential of a feed anew, so that one that was replaced is used from then on.

    Raises:
        FeedKeptError: it is not where the configuration says, or is not one line of ASCII.
    """
    if settings.auth is FeedAuth.NONE:
        return Secret("")
    if settings.credential_variable:
        found = environment.get(settings.credential_variable, "").strip()
        where = f"the variable {settings.credential_variable}"
    else:
        found = _read(Path(settings.credential_file)).strip()
        where = f"the file {settings.credential_file}"
    # Prevents: a line break in a credential becoming a header of its own.
    if not found or not found.isprintable() or not found.isascii():
        raise FeedKeptError(
            f"the credential of the feed `{settings.name}` is missing", hint=f"put it into {where}, as one line"
        )
    return Secret(found)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_LONGEST_CREDENTIAL)
    except (OSError, UnicodeDecodeError):
        return ""


def _digest(settings: FeedSettings, names: Sequence[str]) -> str:
    values = {name: getattr(settings, name) for name in names}
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=dict).encode()).hexdigest()[:16]
