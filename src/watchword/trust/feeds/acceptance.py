"""Decide what becomes of what a feed brought: put in force, kept for review, or refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from watchword.kernel import EventType
from watchword.kernel.events import Json
from watchword.trust.feeds.events import FEED_REFRESHED, FEED_REFUSED, FEED_UNREACHABLE
from watchword.trust.feeds.kept import State, Version
from watchword.trust.feeds.model import Refusal

SHRANK: Final = "shrank"
GREW: Final = "grew"
_HALF: Final = 2
_TIMES: Final = 10
# Small lists may grow tenfold in a day; a large one that does was given to us for another reason.
_GROWN_FROM: Final = 1_000
_TELL_AFTER_FAILURES: Final = 3
_UNREACHABLE: Final = frozenset({"trust.feed_unreachable", "trust.feed_slow_down"})
_LONGEST_EXAMPLE: Final = 80
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told."""

    type: EventType
    data: Mapping[str, Json] = field(default_factory=dict)
    actor: str = "system"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an outcome.

    Attributes:
        settled: the version whose files are to be kept; nothing where none came.
        notice: what is to be told, if anything.
    """

    state: State
    settled: Version | None = None
    notice: Notice | None = None


def judge(state: State, outcome: Mapping[str, Any], *, read_by: str, now: int) -> Verdict:
    """Say what a feed's next state is.

    Args:
        state: of this very source; empty for a new one.
        outcome: of the worker.
        read_by: the settings that it read by.
        now: minutes since 1970.
    """
    asked = replace(state, asked=now)
    if outcome["status"] == "unchanged":
        return Verdict(replace(asked, confirmed=now, failures=0, problem="", hint="") if state.in_force else asked)
    if outcome["status"] != "fetched":
        return _failed(asked, outcome)
    try:
        fresh = _version(outcome, read_by, now)
    except ValueError:
        return _failed(asked, {"code": "trust.feed_malformed", "message": "the process for the feed gave no sense"})
    former = state.in_force
    if former is not None and former.read_by == read_by:
        odd = oddity(int(outcome.get("former_live", former.entries)), fresh.entries)
        if odd:
            return _suspected(asked, replace(fresh, reason=odd), former)
    return _in_force(asked, fresh, now)


def oddity(former: int, fresh: int) -> str:
    """Say what is odd about so many entries after so many; empty for nothing.

    # Prevents: a feed that was cut, emptied or stuffed by somebody taking its former entries away, or the whole
    # Internet in, without anybody noticing.
    """
    if former and fresh * _HALF <= former:
        return SHRANK
    return GREW if former and fresh > _GROWN_FROM and fresh > former * _TIMES else ""


def accepted(state: State) -> State:
    """Put in force what waits for review; it is as old as its fetch, so that a long review does not make it young."""
    assert state.review is not None
    fresh = replace(state.review, reason="")
    return replace(
        state, in_force=fresh, review=None, confirmed=fresh.fetched_at, problem="", hint="", rejected="", failures=0
    )


def _version(outcome: Mapping[str, Any], read_by: str, now: int) -> Version:
    """Read what the worker says of the table it wrote; it read a stranger's bytes, so it is not believed either.

    # Prevents: a digest such as `../../x`, of which a folder would be made.

    Raises:
        ValueError: it is not what a worker says.
    """
    texts, numbers = ("tag", "modified", "cursor"), ("entries", "size_bytes", "whole_at")
    if not all(_DIGEST.fullmatch(str(outcome.get(name))) for name in ("digest", "fingerprint")):
        raise ValueError("no digest")
    if not all(isinstance(outcome.get(name, ""), str) for name in texts):
        raise ValueError("no text")
    if not all(type(outcome.get(name, 0)) is int and outcome.get(name, 0) >= 0 for name in numbers):
        raise ValueError("no number")
    refused, examples = outcome.get("refused", {}), outcome.get("examples", {})
    return Version(
        digest=outcome["digest"],
        fingerprint=outcome["fingerprint"],
        refused={Refusal(why).value: int(count) for why, count in refused.items()},
        examples={Refusal(why).value: str(shown)[:_LONGEST_EXAMPLE] for why, shown in examples.items()},
        read_by=read_by,
        fetched_at=now,
        **{name: outcome.get(name, "") for name in texts},
        **{name: outcome.get(name, 0) for name in numbers},
    )


def _in_force(state: State, fresh: Version, now: int) -> Verdict:
    former = state.in_force
    after = replace(state, in_force=fresh, review=None, confirmed=now, failures=0, problem="", hint="", rejected="")
    if former is not None and former.fingerprint == fresh.fingerprint:
        return Verdict(after, fresh)
    data: dict[str, Json] = {
        "entries": fresh.entries,
        "former_entries": former.entries if former else None,
        "refused": dict(fresh.refused),
        "digest": fresh.digest,
    }
    return Verdict(after, fresh, Notice(FEED_REFRESHED, data))


def _suspected(state: State, fresh: Version, former: Version) -> Verdict:
    words = f"it {fresh.reason} from {former.entries} to {fresh.entries} entries"
    if fresh.fingerprint == state.rejected:
        return Verdict(replace(state, failures=0, problem=f"{words}, which was rejected", hint=""))
    after = replace(
        state,
        review=fresh,
        failures=0,
        problem=f"{words} and waits for review",
        hint="look at it: watchword risk feeds show NAME; then: watchword risk feeds review accept NAME (or reject)",
    )
    if state.review is not None and state.review.fingerprint == fresh.fingerprint:
        return Verdict(after, fresh)
    data: dict[str, Json] = {
        "reason": fresh.reason,
        "detail": words,
        "entries": fresh.entries,
        "former_entries": former.entries,
        "digest": fresh.digest,
    }
    return Verdict(after, fresh, Notice(FEED_REFUSED, data))


def _failed(state: State, outcome: Mapping[str, Any]) -> Verdict:
    code, words = str(outcome["code"]), str(outcome["message"])
    failures = state.failures + 1
    after = replace(state, failures=failures, problem=words, hint=str(outcome.get("hint") or ""))
    if code in _UNREACHABLE:
        notice = Notice(FEED_UNREACHABLE, {"detail": words}) if failures == _TELL_AFTER_FAILURES else None
        return Verdict(after, notice=notice)
    # The same refusal is told once; another one is another event.
    if state.problem == words:
        return Verdict(after)
    return Verdict(after, notice=Notice(FEED_REFUSED, {"reason": code, "detail": words}))
