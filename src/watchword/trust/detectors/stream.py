"""All detectors over one stream of acts: each act is judged by what came before it, and then remembered."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from types import MappingProxyType
from typing import Any, NamedTuple

from watchword.trust.detectors import (
    bulk,
    edges,
    failures,
    fatigue,
    insider,
    marks,
    peers,
    posture,
    sessions,
    spray,
    stuffing,
    volume,
)
from watchword.trust.detectors.conduct import Conduct
from watchword.trust.detectors.entrance import Entrance
from watchword.trust.detectors.limits import LIMITS, Limits
from watchword.trust.detectors.memory import Memory
from watchword.trust.detectors.reading import readable, short
from watchword.trust.observation import Act, Finding, Observation

# Anyone can bring these about for somebody else. Together they are worth less than what denies, and whoever combines
# findings must not let them deny: see docs/explanation/detectors.md.
INFLICTED = frozenset({failures.INDICATOR, fatigue.PROMPTED, spray.NEARBY})
MOST_INFLICTED = 2.0
# Whoever brings these about acts with what is the owner's: in their session, at their machine, or as themselves. That
# device, network and program are the usual ones does not speak against it.
WITHIN = frozenset(
    {
        sessions.REPLAY,
        sessions.HIJACK,
        sessions.CHANGE,
        volume.VOLUME,
        volume.SLOW,
        bulk.INDICATOR,
        peers.INDICATOR,
        insider.INDICATOR,
        edges.INDICATOR,
        posture.CHANGE,
    }
)

_SKEW_S = 60.0
_DAY_S, _HOUR_S = marks.LONGEST_S, 3600.0
# What stays true after the act, how long, and from which value on.
_KEPT: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        **dict.fromkeys((sessions.REPLAY, sessions.HIJACK, sessions.CHANGE), (_DAY_S, 0.5)),
        **dict.fromkeys((spray.INDICATOR, stuffing.INDICATOR, fatigue.INDICATOR), (_DAY_S, 1.0)),
        **dict.fromkeys((volume.VOLUME, volume.SLOW, bulk.INDICATOR), (_HOUR_S, 1.0)),
        **dict.fromkeys((insider.INDICATOR, edges.INDICATOR), (_HOUR_S, 1.0)),
    }
)
# A second factor shows whose session it is; it says nothing where it was wrung out of somebody, or of what they do.
_SETTLED = frozenset({sessions.REPLAY, sessions.HIJACK, sessions.CHANGE, spray.INDICATOR, stuffing.INDICATOR})

# Goes into what says of which data a score was made; changes with every constant.
VERSION = "2"

Findings = tuple[Finding, ...]
NO_FINDINGS: Findings = ()


class Row(NamedTuple):
    """One state as it is stored: of which detector, by which key, as JSON; nothing where it was forgotten."""

    detector: str
    key: str
    data: str | None


class Detectors:
    """Judge each act by those before it, in bounded memory; raises nothing, whatever an observation says.

    Not for several threads: it belongs to the event loop.

    Args:
        clock: seconds since 1970; what lies more than a minute ahead of it is not believed. Without one, as when old
            traffic is replayed, every time is.
    """

    def __init__(self, clock: Callable[[], float] = lambda: inf, limits: Limits = LIMITS) -> None:
        self._clock = clock
        self._limits = limits
        self._latest = -inf
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._answers: OrderedDict[tuple[str, str, str], Findings] = OrderedDict()
        self._entrance = Entrance(limits)
        self._conduct = Conduct(limits)
        self._marked_sessions = Memory(marks.Marks(), marks.Marks.parse, marks.turned_back, most=limits.marked)
        self._marked_users = Memory(marks.Marks(), marks.Marks.parse, marks.turned_back, most=limits.marked)
        self._memories: Mapping[str, Memory[Any]] = {
            **self._entrance.memories,
            **self._conduct.memories,
            "marked_sessions": self._marked_sessions,
            "marked_users": self._marked_users,
        }

    def observe(self, observation: Observation) -> Findings:
        """Judge one act and remember it; a second delivery, or one from the future, changes nothing and finds nothing.

        A sign-in or prompt that failed counts itself; everything else is judged by what came before.
        """
        seen = readable(observation)
        if seen is None or not self._is_new(seen):
            return NO_FINDINGS
        part = self._conduct if seen.act is Act.REQUEST else self._entrance
        found = part.observe(seen)
        if seen.is_success and seen.session and seen.act is not Act.REQUEST:
            self._prove(seen)
        # Prevents: failed attempts leaving a mark on whom they were made for. To ask in a session one must have it.
        if found and (seen.is_success or seen.act is Act.REQUEST):
            self._mark(seen, found)
        return self._with_standing(seen, found)

    def judge(self, observation: Observation) -> Findings:
        """Judge an act without remembering it, as before its outcome is known."""
        seen = readable(observation)
        if seen is None:
            return NO_FINDINGS
        part = self._conduct if seen.act is Act.REQUEST else self._entrance
        return self._with_standing(seen, part.judge(seen))

    def findings_for(self, user: str, session: str, network: str, now: float) -> Findings:
        """Return what stands against a request, from the acts before it; the same object until that changes."""
        if not (
            session in self._marked_sessions
            or self._entrance.is_known(user, network, now)
            or _there(user, network) in self._marked_users
        ):
            return NO_FINDINGS
        found = self._standing(user, session, network, now)
        if not found:
            return NO_FINDINGS
        key = (user, session, network)
        before = self._answers.get(key)
        if before == found:
            return before
        self._answers[key] = found
        self._answers.move_to_end(key)
        if len(self._answers) > self._limits.answers:
            self._answers.popitem(last=False)
        return found

    def refused_prompts(self, user: str, now: float) -> int:
        """Count the prompts for a second factor that an account refused within the last five minutes."""
        return fatigue.lately(self._entrance.prompts.get(user), now)

    def note_posture(self, device: str, facts: Mapping[str, bool | None], at: float) -> None:
        """Take a device's report; facts are true for in order, nothing for unknown."""
        if device and 0 < at <= self._clock() + _SKEW_S:
            known = self._conduct.postures.get(short(device))
            self._conduct.postures.put(short(device), posture.fold(known, facts, at))

    def forget_user(self, user: str) -> None:
        """Forget a deleted account."""
        self._entrance.forget_user(user)
        self._conduct.forget_user(user)
        self._marked_users.drop_where(lambda key: key.startswith(_there(user, "")))

    def unlearn(self, user: str, since: float) -> None:
        """Forget what became an account's own since a session began of which its owner says that it was not theirs.

        # Prevents: whoever was verified once being at home there for whatever comes next, worn-down prompts included.
        """
        self._entrance.unlearn(user, since)

    def forget_session(self, session: str) -> None:
        """Forget a session that has ended."""
        self._conduct.sessions.drop(session)
        self._marked_sessions.drop(session)

    def changes(self) -> Iterator[Row]:
        """Yield what has to be stored since the last time; take all of it, for it is told once."""
        for name, memory in self._memories.items():
            for key, state in memory.changes():
                yield Row(name, key, None if state is None else json.dumps(state, separators=(",", ":"), default=dict))

    def restore(self, rows: Iterable[Row]) -> int:
        """Take back what was stored; returns how many rows could not be read, of which nothing is kept."""
        unreadable = 0
        for row in rows:
            try:
                self._memories[row.detector].restore(row.key, json.loads(row.data or ""))
            except (ValueError, KeyError, RecursionError):
                unreadable += 1
        now = self._clock()
        if now < inf:
            self._turn_back(now + _SKEW_S)
        self._entrance.watch_again(now)
        return unreadable

    # --- what stands ------------------------------------------------------------------------------------------------

    def _with_standing(self, seen: Observation, found: list[Finding]) -> Findings:
        standing = self.findings_for(seen.user, seen.session, seen.network, seen.at)
        if not found:
            return standing
        by_name = {finding.indicator: finding for finding in standing}
        for finding in found:
            before = by_name.get(finding.indicator)
            if before is None or before.value < finding.value:
                by_name[finding.indicator] = finding
        return tuple(by_name.values())

    def _standing(self, user: str, session: str, network: str, now: float) -> Findings:
        found = {finding.indicator: finding for finding in _bounded(self._entrance.standing(user, network, now))}
        for key, memory in ((_there(user, network), self._marked_users), (session, self._marked_sessions)):
            if key in memory:
                found |= {finding.indicator: finding for finding in marks.findings(memory.get(key), now)}
        return tuple(found.values())

    # --- remembering ------------------------------------------------------------------------------------------------

    def _is_new(self, seen: Observation) -> bool:
        now = self._clock()
        if now < self._latest - _SKEW_S:
            self._entrance.forget_minutes()
            self._turn_back(now)
            self._latest = now
        self._latest = max(self._latest, now)
        # Prevents: an act from a clock that ran ahead counting until that time comes.
        if seen.at > now + _SKEW_S:
            return False
        if not seen.id:
            return True
        # Prevents: an act that is delivered again counting twice.
        if seen.id in self._seen:
            return False
        self._seen[seen.id] = None
        if len(self._seen) > self._limits.acts:
            self._seen.popitem(last=False)
        return True

    def _turn_back(self, now: float) -> None:
        # Prevents: what was counted while the clock ran ahead hiding what comes until that time, or standing so long.
        for memory in self._memories.values():
            memory.turn_back(now)
        self._entrance.watch_again(now)

    def _prove(self, seen: Observation) -> None:
        # A request never comes here, however well its session began: the thief of a session asks with it, too.
        if seen.is_verified or seen.session not in self._conduct.sessions:
            self._conduct.bind(seen)
        if seen.is_verified:
            _settle(self._marked_sessions, seen.session)
            _settle(self._marked_users, _there(seen.user, seen.network))

    def _mark(self, seen: Observation, found: list[Finding]) -> None:
        memory, key = self._marked_sessions, seen.session
        if not key:
            memory, key = self._marked_users, _there(seen.user, seen.network)
        for finding in found:
            kept_s, least = _KEPT.get(finding.indicator, (0.0, inf))
            if finding.value >= least:
                memory.put(key, marks.fold(memory.get(key), finding, seen.at + kept_s))


def _there(user: str, network: str) -> str:
    return f"{user} {network}"


def _settle(memory: Memory[marks.Marks], key: str) -> None:
    if key not in memory:
        return
    left = marks.without(memory.get(key), _SETTLED)
    if left.found:
        memory.put(key, left)
    else:
        memory.drop(key)


def _bounded(found: list[Finding]) -> list[Finding]:
    total = sum([finding.value for finding in found])
    if total <= MOST_INFLICTED:
        return found
    share = MOST_INFLICTED / total
    return [Finding(finding.indicator, finding.value * share, finding.detail) for finding in found]
