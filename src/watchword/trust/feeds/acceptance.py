"""Decide what becomes of what a feed brought: put in force, kept for review, or refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from watchword.kernel import EventType
from watchword.kernel.events import Json
from watchword.trust.feeds.coverage import Coverage, Size, grown, shrunk
from watchword.trust.feeds.events import FEED_REFRESHED, FEED_REFUSED, FEED_UNREACHABLE
from watchword.trust.feeds.kept import State, Version
from watchword.trust.feeds.model import Refusal

SHRANK: Final = "shrank"
GREW: Final = "grew"
LEFT_OUT: Final = "left out"
_MOST_REASONS: Final = 4
_TELL_AFTER_FAILURES: Final = 3
_UNREACHABLE: Final = frozenset({"trust.feed_unreachable", "trust.feed_slow_down"})
_LONGEST_EXAMPLE: Final = 80
_LONGEST_WORDS: Final = 1_000
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


def judge(state: State, outcome: Mapping[str, Any], *, read_by: str, now: int, was_stale: bool = False) -> Verdict:
    """Say what a feed's next state is.

    Args:
        state: of this very source; empty for a new one.
        outcome: of the worker.
        read_by: the settings that it read by.
        now: minutes since 1970.
        was_stale: what is in force did not count; that it does again is told even if nothing else changed.
    """
    asked = replace(state, asked=now)
    if outcome["status"] == "unchanged":
        if state.in_force is None:
            return Verdict(asked)
        # What its source vouches for again needs no review of what came between.
        notice = _refreshed(state.in_force, state.in_force) if was_stale else None
        return Verdict(_well(replace(asked, confirmed=now, review=None)), notice=notice)
    if outcome["status"] != "fetched":
        return _failed(asked, outcome)
    verdict = _fetched(asked, outcome, read_by, now)
    if was_stale and verdict.notice is None and verdict.state.confirmed == now and verdict.state.in_force is not None:
        return replace(verdict, notice=_refreshed(verdict.state.in_force, state.in_force))
    return verdict


def _fetched(asked: State, outcome: Mapping[str, Any], read_by: str, now: int) -> Verdict:
    try:
        fresh = _version(outcome, read_by, now)
        live = Size(_number(outcome.get("former_live", 0)), _covers(outcome.get("former_covers", (0, 0))))
    except (ValueError, TypeError):
        return _failed(asked, {"code": "trust.feed_malformed", "message": "the process for the feed gave no sense"})
    former = asked.in_force
    if former is None or former.read_by != read_by:
        return _in_force(replace(asked, reference=None), fresh, now)
    asked = replace(asked, reference=asked.reference or (live.covers if live.entries else None))
    reason, words = _oddity(live, former.entries, asked.reference, fresh)
    if reason:
        return _suspected(asked, replace(fresh, reason=reason), former, words)
    return _in_force(asked, fresh, now)


def _oddity(live: Size, former_entries: int, reference: Coverage | None, fresh: Version) -> tuple[str, str]:
    """Name what is odd about the size of a version, if anything, and say it."""
    size = Size(fresh.entries, fresh.covers or Coverage())
    if words := shrunk(live, size):
        return SHRANK, "; ".join(filter(None, (words, _left_out(fresh))))
    # What never listed anything is no measure for what comes after it.
    words = grown(Size(former_entries, reference or size.covers), size)
    return (GREW, words) if words else ("", "")


def _left_out(version: Version) -> str:
    """Say why a version lists nothing though its source does; empty for one that lists something, or is empty."""
    if version.entries or not version.refused:
        return ""
    why = ", ".join(f"{why}: {count}" for why, count in list(version.refused.items())[:_MOST_REASONS])
    return f"all of its entries were left out ({why})"


def _well(state: State) -> State:
    """End all problems but that of a version in force that lists nothing."""
    problem = _left_out(state.in_force) if state.in_force else ""
    hint = "look at them: watchword risk feeds show NAME; and at what its address gives" if problem else ""
    return replace(state, failures=0, problem=problem, hint=hint)


def accepted(state: State) -> State:
    """Put in force what waits for review; it is as old as its fetch, so that a long review does not make it young."""
    assert state.review is not None
    fresh = replace(state.review, reason="")
    reference = fresh.covers if fresh.entries else state.reference
    return _well(
        replace(state, in_force=fresh, review=None, confirmed=fresh.fetched_at, rejected="", reference=reference)
    )


def rejected(state: State) -> State:
    """Throw away what waits for review, and remember what it was."""
    assert state.review is not None
    return _well(replace(state, review=None, rejected=state.review.fingerprint))


def _version(outcome: Mapping[str, Any], read_by: str, now: int) -> Version:
    """Read what the worker says of the table it wrote; it read a stranger's bytes, so it is not believed either.

    # Prevents: a digest such as `../../x`, of which a folder would be made.

    Raises:
        ValueError, TypeError: it is not what a worker says.
    """
    texts = ("tag", "modified", "cursor")
    if not all(_DIGEST.fullmatch(str(outcome.get(name))) for name in ("digest", "fingerprint")):
        raise ValueError("no digest")
    if not all(isinstance(outcome.get(name, ""), str) for name in texts):
        raise ValueError("no text")
    refused, examples = outcome.get("refused", {}), outcome.get("examples", {})
    return Version(
        digest=outcome["digest"],
        fingerprint=outcome["fingerprint"],
        refused={Refusal(why).value: int(count) for why, count in refused.items()},
        examples={Refusal(why).value: str(shown)[:_LONGEST_EXAMPLE] for why, shown in examples.items()},
        read_by=read_by,
        fetched_at=now,
        entries=_number(outcome.get("entries", 0)),
        covers=_covers(outcome.get("covers")),
        size_bytes=_number(outcome.get("size_bytes", 0)),
        whole_at=_number(outcome.get("whole_at", 0)),
        **{name: outcome.get(name, "") for name in texts},
    )


def _number(found: object) -> int:
    if type(found) is not int or found < 0:
        raise ValueError("no number")
    return found


def _covers(found: Any) -> Coverage:
    v4, v6 = found
    return Coverage(_number(v4), _number(v6))


def _in_force(state: State, fresh: Version, now: int) -> Verdict:
    former, covers = state.in_force, fresh.covers or Coverage()
    reference = state.reference if not fresh.entries else state.reference.least(covers) if state.reference else covers
    after = _well(replace(state, in_force=fresh, review=None, confirmed=now, rejected="", reference=reference))
    if former is not None and former.fingerprint == fresh.fingerprint:
        return Verdict(after, fresh)
    if after.problem:
        return Verdict(after, fresh, Notice(FEED_REFUSED, {"reason": LEFT_OUT, "detail": after.problem, "entries": 0}))
    return Verdict(after, fresh, _refreshed(fresh, former))


def _refreshed(fresh: Version, former: Version | None) -> Notice:
    data: dict[str, Json] = {
        "entries": fresh.entries,
        "former_entries": former.entries if former else None,
        "covers": str(fresh.covers or Coverage()),
        "refused": dict(fresh.refused),
        "digest": fresh.digest,
    }
    return Notice(FEED_REFRESHED, data)


def _suspected(state: State, fresh: Version, former: Version, words: str) -> Verdict:
    if fresh.fingerprint == state.rejected:
        return Verdict(replace(state, failures=0, problem=f"{words}, which was rejected", hint=""))
    after = replace(
        state,
        review=fresh,
        failures=0,
        problem=f"{words} and waits for review",
        hint="look at it: watchword risk feeds show NAME --waiting; then: "
        f"watchword risk feeds review accept NAME --digest {fresh.fingerprint[:12]} (or reject)",
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
    code, words = str(outcome["code"])[:_LONGEST_WORDS], str(outcome["message"])[:_LONGEST_WORDS]
    failures = state.failures + 1
    after = replace(state, failures=failures, problem=words, hint=str(outcome.get("hint") or "")[:_LONGEST_WORDS])
    if code in _UNREACHABLE:
        notice = Notice(FEED_UNREACHABLE, {"detail": words}) if failures == _TELL_AFTER_FAILURES else None
        return Verdict(after, notice=notice)
    # The same refusal is told once; another one is another event.
    if state.problem == words:
        return Verdict(after)
    return Verdict(after, notice=Notice(FEED_REFUSED, {"reason": code, "detail": words}))
