"""All detectors over one stream of acts: each act is judged by what came before it, and then remembered."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from math import inf
from typing import Any, NamedTuple

from watchword.trust.detectors import failures, fatigue, homes, marks, sessions, spray
from watchword.trust.detectors.memory import Memory
from watchword.trust.detectors.reading import program_of, readable
from watchword.trust.observation import Act, Finding, Observation

# Anyone can bring these about for somebody else. Together they are worth less than what denies, and whoever combines
# findings must not let them deny: see docs/explanation/detectors.md.
INFLICTED = frozenset({failures.INDICATOR, fatigue.PROMPTED, spray.NEARBY})
MOST_INFLICTED = 2.0

_SKEW_S = 60.0
_REMEMBERED_ACTS = 65_536
_REMEMBERED_ANSWERS = 65_536
_USERS, _SESSIONS, _NETWORKS, _PROGRAMS, _MARKED = 50_000, 100_000, 50_000, 10_000, 20_000
# A second factor shows whose session it is; it says nothing where it was wrung out of somebody.
_SETTLED = frozenset({sessions.REPLAY, sessions.HIJACK, sessions.CHANGE, spray.INDICATOR})

Findings = tuple[Finding, ...]
NO_FINDINGS: Findings = ()


class Row(NamedTuple):
    """One state as it is stored: of which detector, by which key, as JSON; nothing where it was forgotten."""

    detector: str
    key: str
    data: str | None


class Detectors:
    """Judge each act by those before it, in bounded memory.

    Not for several threads: it belongs to the event loop.

    Args:
        clock: seconds since 1970; what lies more than a minute ahead of it is not believed. Without one, as when old
            traffic is replayed, every time is.
    """

    def __init__(self, clock: Callable[[], float] = lambda: inf) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._answers: OrderedDict[tuple[str, str, str], Findings] = OrderedDict()
        self._failures = Memory(failures.Failures(), failures.Failures.parse, most=_USERS)
        self._homes = Memory(homes.Homes(), homes.Homes.parse, most=_USERS)
        self._prompts = Memory(fatigue.Prompts(), fatigue.Prompts.parse, most=_USERS)
        self._networks = Memory(spray.Source(), spray.Source.parse, most=_NETWORKS)
        self._programs = Memory(spray.Source(), spray.Source.parse, most=_PROGRAMS)
        self._sessions = Memory(sessions.UNBOUND, sessions.Binding.parse, most=_SESSIONS)
        self._marked_sessions = Memory(marks.Marks(), marks.Marks.parse, most=_MARKED)
        self._marked_users = Memory(marks.Marks(), marks.Marks.parse, most=_MARKED)
        self._loud: OrderedDict[str, None] = OrderedDict()
        self._memories: dict[str, Memory[Any]] = {
            "failures": self._failures,
            "homes": self._homes,
            "prompts": self._prompts,
            "networks": self._networks,
            "programs": self._programs,
            "sessions": self._sessions,
            "marked_sessions": self._marked_sessions,
            "marked_users": self._marked_users,
        }

    def observe(self, observation: Observation) -> Findings:
        """Judge one act and remember it; a second delivery, or one from the future, changes nothing and finds nothing.

        An act that failed counts itself; one that succeeded is judged by what came before.
        """
        seen = readable(observation)
        if seen is None or not self._is_new(seen):
            return NO_FINDINGS
        if seen.is_success:
            found = self._of_act(seen)
            self._learn_success(seen)
        else:
            self._learn_failure(seen)
            found = self._of_act(seen)
        # Prevents: failed attempts leaving a mark on whom they were made for. To ask in a session one must have it.
        if seen.is_success or seen.act is Act.REQUEST:
            self._mark(seen, found)
        return self._with_standing(seen, found)

    def judge(self, observation: Observation) -> Findings:
        """Judge an act without remembering it."""
        seen = readable(observation)
        return NO_FINDINGS if seen is None else self._with_standing(seen, self._of_act(seen))

    def findings_for(self, user: str, session: str, network: str, now: float) -> Findings:
        """Return what is known against a request; the same object until that changes."""
        if not (
            session in self._marked_sessions
            or user in self._failures
            or user in self._prompts
            or _there(user, network) in self._marked_users
            or network in self._loud
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
        while len(self._answers) > _REMEMBERED_ANSWERS:
            self._answers.popitem(last=False)
        return found

    def changes(self) -> Iterator[Row]:
        """Yield what has to be stored since the last time."""
        for name, memory in self._memories.items():
            for key, state in memory.changes():
                yield Row(name, key, None if state is None else json.dumps(state, separators=(",", ":"), default=dict))

    def restore(self, row: Row) -> None:
        """Take back one stored state.

        Raises:
            ValueError: it is none; nothing of it is kept.
        """
        memory = self._memories.get(row.detector)
        if memory is None or row.data is None:
            raise ValueError("not a stored state of a detector")
        memory.restore(row.key, json.loads(row.data))

    # --- judging ----------------------------------------------------------------------------------------------------

    def _of_act(self, seen: Observation) -> Findings:
        if seen.act is Act.REQUEST:
            found = self._of_session(seen)
        elif seen.act is Act.PROMPT:
            found = self._of_prompt(seen)
        else:
            found = self._of_sign_in(seen)
        return NO_FINDINGS if found is None else (found,)

    def _with_standing(self, seen: Observation, found: Findings) -> Findings:
        standing = self.findings_for(seen.user, seen.session, seen.network, seen.at)
        if not found or not standing:
            return found or standing
        return found + tuple([finding for finding in standing if not _has(found, finding.indicator)])

    def _of_session(self, seen: Observation) -> Finding | None:
        if not seen.session or seen.session not in self._sessions:
            return None
        return sessions.find(self._sessions.get(seen.session), seen, program_of(seen.agent.full))

    def _of_prompt(self, seen: Observation) -> Finding | None:
        if seen.user not in self._prompts:
            return None
        judged = fatigue.given if seen.is_success else fatigue.asked
        return judged(self._prompts.get(seen.user), seen.network, seen.at, is_home=self._is_home(seen))

    def _of_sign_in(self, seen: Observation) -> Finding | None:
        network, program = self._networks.get(seen.network), self._programs.get(program_of(seen.agent.full))
        if not seen.is_success:
            one = spray.tried(network, seen.at, whence="this network")
            other = spray.tried(program, seen.at, whence="this program")
        else:
            most = self._most_of_spray(seen)
            one = spray.succeeded(network, seen.at, whence="this network", most=most)
            other = spray.succeeded(program, seen.at, whence="this program", most=most)
        return _stronger(one, other)

    def _most_of_spray(self, seen: Observation) -> float:
        if self._is_home(seen):
            return spray.AT_HOME
        if seen.is_verified:
            return spray.MOST_PROVED
        is_shared = seen.traits.is_shared or seen.traits.is_mobile
        return spray.MOST_SHARED if is_shared else spray.MOST_SUCCEEDED

    def _standing(self, user: str, session: str, network: str, now: float) -> Findings:
        at_home = homes.is_home(self._homes.get(user), network, now)
        inflicted = (
            failures.find(self._failures.get(user), now, is_home=at_home),
            fatigue.standing(self._prompts.get(user), now, is_home=at_home),
            spray.nearby(self._networks.get(network), now, is_home=at_home) if network in self._loud else None,
        )
        own = marks.findings(self._marked_sessions.get(session), now)
        there = marks.findings(self._marked_users.get(_there(user, network)), now)
        return (
            *own,
            *[finding for finding in there if not _has(own, finding.indicator)],
            *_bounded([finding for finding in inflicted if finding is not None]),
        )

    def _is_home(self, seen: Observation) -> bool:
        return homes.is_home(self._homes.get(seen.user), seen.network, seen.at)

    # --- remembering ------------------------------------------------------------------------------------------------

    def _is_new(self, seen: Observation) -> bool:
        # Prevents: an act from a clock that ran ahead counting until that time comes.
        if seen.at > self._clock() + _SKEW_S:
            return False
        if not seen.id:
            return True
        # Prevents: an act that is delivered again counting twice.
        if seen.id in self._seen:
            return False
        self._seen[seen.id] = None
        if len(self._seen) > _REMEMBERED_ACTS:
            self._seen.popitem(last=False)
        return True

    def _learn_failure(self, seen: Observation) -> None:
        if seen.act is Act.REQUEST:
            return
        if seen.user:
            self._failures.put(seen.user, failures.fold(self._failures.get(seen.user), seen.at))
        if seen.act is Act.PROMPT and seen.user:
            known = self._prompts.get(seen.user)
            self._prompts.put(seen.user, fatigue.fold(known, seen.id or repr(seen.at), seen.network, seen.at))
        elif seen.act is Act.SIGN_IN and seen.user:
            for memory, key in self._sources(seen):
                memory.put(key, spray.fold_failure(memory.get(key), seen.user, seen.at))
            self._listen(seen)

    def _learn_success(self, seen: Observation) -> None:
        if seen.act is Act.SIGN_IN and seen.user:
            for memory, key in self._sources(seen):
                memory.put(key, spray.fold_success(memory.get(key), seen.user, seen.at))
        if seen.act is not Act.REQUEST and seen.is_verified and seen.user and seen.network:
            self._homes.put(seen.user, homes.fold(self._homes.get(seen.user), seen.network, seen.at))
        if seen.session:
            self._bind(seen)

    def _bind(self, seen: Observation) -> None:
        program = program_of(seen.agent.full)
        is_proof = seen.act is not Act.REQUEST and seen.is_verified
        known = self._sessions.get(seen.session)
        if is_proof or seen.session not in self._sessions:
            self._sessions.put(seen.session, sessions.bound(seen, program))
        elif sessions.find(known, seen, program) is None:
            self._sessions.put(seen.session, sessions.used(known, seen))
        if is_proof:
            self._settle(self._marked_sessions, seen.session)
            self._settle(self._marked_users, _there(seen.user, seen.network))

    def _settle(self, memory: Memory[marks.Marks], key: str) -> None:
        if key in memory:
            left = marks.without(memory.get(key), _SETTLED)
            if left.found:
                memory.put(key, left)
            else:
                memory.drop(key)

    def _mark(self, seen: Observation, found: Findings) -> None:
        for finding in found:
            if finding.indicator in INFLICTED or finding.value < marks.LEAST:
                continue
            if seen.session:
                known = self._marked_sessions.get(seen.session)
                self._marked_sessions.put(seen.session, marks.fold(known, finding, seen.at))
            elif seen.user:
                key = _there(seen.user, seen.network)
                self._marked_users.put(key, marks.fold(self._marked_users.get(key), finding, seen.at))

    def _sources(self, seen: Observation) -> list[tuple[Memory[spray.Source], str]]:
        program = program_of(seen.agent.full)
        return [(memory, key) for memory, key in ((self._networks, seen.network), (self._programs, program)) if key]

    def _listen(self, seen: Observation) -> None:
        if spray.weigh(self._networks.get(seen.network), seen.at)[1]:
            self._loud[seen.network] = None
            self._loud.move_to_end(seen.network)
            if len(self._loud) > _MARKED:
                self._loud.popitem(last=False)


def _there(user: str, network: str) -> str:
    return f"{user} {network}"


def _has(found: Findings, indicator: str) -> bool:
    return any(finding.indicator == indicator for finding in found)


def _stronger(one: Finding | None, other: Finding | None) -> Finding | None:
    if one is None or other is None:
        return one or other
    return one if one.value >= other.value else other


def _bounded(found: list[Finding]) -> list[Finding]:
    total = sum([finding.value for finding in found])
    if total <= MOST_INFLICTED:
        return found
    share = MOST_INFLICTED / total
    return [Finding(finding.indicator, finding.value * share, finding.detail) for finding in found]
