"""How one feed is, for people; and until when it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from watchword.trust.feeds.coverage import Coverage
from watchword.trust.feeds.index import time_of
from watchword.trust.feeds.job import source_of
from watchword.trust.feeds.kept import KeptFeed, State, Version
from watchword.trust.feeds.settings import FeedSettings

_AHEAD_MIN: Final = 5
_DAY_MIN: Final = 1440
_FETCH: Final = "fetch it: watchword risk feeds fetch NAME"


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """How one feed is, for people.

    Attributes:
        state: `in force`, `empty`, `stale` or `never fetched`.
        covers: how much of the Internet its entries are; nothing for a version that was read before this was measured.
        refreshed_at: when its source last said that the entries are right.
        counts_until: when it becomes stale unless it is refreshed.
        refused: entries that were not taken, by why.
        problem: what is wrong; empty when all is well.
        review: what waits for somebody to decide: entries, coverage, why, the digest of what it lists, when it came.
    """

    name: str
    format: str
    meaning: str
    state: str
    entries: int = 0
    covers: Coverage | None = None
    size_bytes: int = 0
    refreshed_at: datetime | None = None
    counts_until: datetime | None = None
    refused: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    hint: str = ""
    review: Mapping[str, Any] | None = None

    @property
    def is_well(self) -> bool:
        """Whether nobody needs to look; a feed may be empty because its source is."""
        return not self.problem and self.state in {"in force", "empty"}


def stale_at(settings: FeedSettings, state: State, now: int) -> int:
    """Return the minute from which a feed contributes nothing: some periods after its last good answer."""
    # Prevents: a time from a clock that ran ahead keeping old entries fresh for years.
    if state.confirmed > now + _AHEAD_MIN:
        return 0
    lasts = min(settings.every_min * settings.stale_periods, settings.expiry_days * _DAY_MIN)
    return state.confirmed + max(1, int(lasts))


def status_of(settings: FeedSettings, state: State, now: int) -> FeedStatus:
    """Tell how a feed is; `now` in minutes since 1970."""
    found, ends = state.in_force, stale_at(settings, state, now)
    if found is None:
        problem = state.problem or ("nothing was taken yet" if state.asked else "")
        return FeedStatus(
            settings.name,
            settings.format,
            settings.meaning,
            "never fetched",
            problem=problem,
            hint=state.hint if problem else _FETCH,
        )
    is_stale = now >= ends
    return FeedStatus(
        settings.name,
        settings.format,
        settings.meaning,
        "stale" if is_stale else "in force" if found.entries else "empty",
        entries=found.entries,
        covers=found.covers,
        size_bytes=found.size_bytes,
        refreshed_at=time_of(state.confirmed),
        counts_until=time_of(ends),
        refused=found.refused,
        examples=found.examples,
        problem="; ".join(filter(None, ("it is stale and contributes nothing" if is_stale else "", state.problem))),
        hint=state.hint,
        review=_waiting(state.review),
    )


def status_at(root: Path, settings: FeedSettings, now: int) -> FeedStatus:
    """Tell how a feed was left on this machine; what came from another source does not count."""
    state = KeptFeed(root, settings.name).state()
    return status_of(settings, state if state.source == source_of(settings) else State(), now)


def _waiting(version: Version | None) -> Mapping[str, Any] | None:
    if version is None:
        return None
    return {
        "entries": version.entries,
        "covers": version.covers,
        "reason": version.reason,
        "digest": version.fingerprint,
        "fetched_at": time_of(version.fetched_at),
    }
