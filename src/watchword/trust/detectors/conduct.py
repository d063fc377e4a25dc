"""Inside: what is asked for within sessions, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from watchword.trust.detectors import bulk, edges, hours, insider, peers, posture, sessions, volume
from watchword.trust.detectors.limits import Limits
from watchword.trust.detectors.memory import Memory
from watchword.trust.detectors.reading import program_of
from watchword.trust.observation import Finding, Observation


class _After(NamedTuple):
    """What would be known after an act."""

    doing: str
    edges: edges.Edges
    volume: volume.Volume
    rates: bulk.Rates
    strays: insider.Strays
    found: list[Finding]
    session: Finding | None


class Conduct:
    """What is remembered of sessions, of what accounts ask for, and of their peers."""

    def __init__(self, limits: Limits) -> None:
        self.sessions = Memory(sessions.Use(), sessions.Use.parse, sessions.turned_back, most=limits.sessions)
        self.volumes = Memory(volume.Volume(), volume.Volume.parse, volume.turned_back, most=limits.users)
        self.rates = Memory(bulk.Rates(), bulk.Rates.parse, bulk.turned_back, most=limits.users)
        self.strays = Memory(insider.Strays(), insider.Strays.parse, insider.turned_back, most=limits.users)
        self.edges = Memory(edges.Edges(), edges.Edges.parse, edges.turned_back, most=limits.users)
        self.rhythms = Memory(hours.Rhythm(), hours.Rhythm.parse, hours.turned_back, most=limits.users)
        self.peers = Memory(peers.Peers(), peers.Peers.parse, peers.turned_back, most=limits.groups)
        self.postures = Memory(posture.Posture(), posture.Posture.parse, posture.turned_back, most=limits.devices)

    @property
    def memories(self) -> Mapping[str, Memory[Any]]:
        """Name what has to be stored."""
        return {
            "sessions": self.sessions,
            "volumes": self.volumes,
            "rates": self.rates,
            "strays": self.strays,
            "edges": self.edges,
            "rhythms": self.rhythms,
            "peers": self.peers,
            "postures": self.postures,
        }

    def judge(self, seen: Observation) -> list[Finding]:
        """Judge a request without remembering it."""
        return self._after(seen).found

    def observe(self, seen: Observation) -> list[Finding]:
        """Judge a request and remember it; of one that was denied, that it was tried."""
        after = self._after(seen)
        if seen.user and seen.application:
            self.edges.put(seen.user, after.edges)
        if seen.is_success and seen.user:
            self.volumes.put(seen.user, after.volume)
            self.rates.put(seen.user, after.rates)
            if after.strays is not self.strays.get(seen.user):
                self.strays.put(seen.user, after.strays)
            if seen.is_verified:
                self._learn_habit(seen, after.doing)
        if seen.is_success and seen.session and after.session is None:
            self._note_use(seen)
        return after.found

    def bind(self, seen: Observation) -> None:
        """Bind a session to what its owner shows while they prove themselves; what is told late binds nothing."""
        if not sessions.is_late(self.sessions.get(seen.session), seen):
            self.sessions.put(seen.session, sessions.bound(seen, program_of(seen.agent.full)))

    def forget_user(self, user: str) -> None:
        """Forget an account; what is left of it in its peer group is one bit that names nobody."""
        for memory in (self.volumes, self.rates, self.strays, self.edges, self.rhythms):
            memory.drop(user)

    # --- judging ----------------------------------------------------------------------------------------------------

    def _after(self, seen: Observation) -> _After:
        kind = kind_of(seen)
        doing = f"{kind} {seen.action}"
        session, walked, strays = self._session(seen), self._walked(seen), self.strays.get(seen.user)
        found = [session, edges.find(walked, seen.application, seen.at), self._posture(seen)]
        size, rates = self.volumes.get(seen.user), self.rates.get(seen.user)
        if seen.is_success and seen.user:
            size = volume.fold(
                size,
                seen.size_bytes,
                seen.at,
                session=seen.session,
                utc_offset_s=seen.utc_offset_s,
                is_verified=seen.is_verified,
            )
            rates = bulk.fold(rates, kind, seen.at, is_verified=seen.is_verified)
            found.append(_stronger(volume.find(size, seen.session, seen.at), bulk.find(rates, kind, seen.at)))
            rare = self._rare(seen, doing)
            if rare is not None:
                # What somebody began to do lately does not become their own by doing it again.
                is_own = self._has_used(seen, doing) and not insider.is_new(strays, doing, seen.at)
                strays = insider.fold(strays, doing, seen.at, is_own=is_own)
                found.append(_stronger(None if is_own else rare, insider.find(strays, seen.at, seen.group)))
        kept = [finding for finding in found if finding is not None]
        return _After(doing, walked, size, rates, strays, self._with_hour(seen, kept), session)

    def _session(self, seen: Observation) -> Finding | None:
        if not seen.session or seen.session not in self.sessions:
            return None
        return sessions.find(self.sessions.get(seen.session), seen, program_of(seen.agent.full))

    def _walked(self, seen: Observation) -> edges.Edges:
        known = self.edges.get(seen.user)
        if not seen.user or not seen.application:
            return known
        if edges.is_new(known, seen.application, seen.at):
            others = self.peers.get(seen.group) if seen.group else None
            is_familiar = others is not None and peers.is_usual(others, seen.user, seen.application)
            known = edges.tried(
                known, seen.application, seen.at, is_refused=not seen.is_success, is_familiar=is_familiar
            )
        return edges.used(known, seen.application, seen.at) if seen.is_success and seen.is_verified else known

    def _rare(self, seen: Observation, doing: str) -> Finding | None:
        if not seen.group or not seen.application:
            return None
        return peers.find(self.peers.get(seen.group), seen.user, doing, seen.group)

    def _has_used(self, seen: Observation, doing: str) -> bool:
        return peers.has_used(self.peers.get(seen.group), seen.user, doing)

    def _posture(self, seen: Observation) -> Finding | None:
        return posture.change(self.postures.get(seen.device), seen.at) if seen.device in self.postures else None

    def _with_hour(self, seen: Observation, found: list[Finding]) -> list[Finding]:
        if not found or not seen.user:
            return found
        others = max([finding.value for finding in found])
        late = hours.find(self.rhythms.get(seen.user), seen.at, seen.utc_offset_s, others)
        return [*found, late] if late is not None else found

    # --- remembering ------------------------------------------------------------------------------------------------

    def _note_use(self, seen: Observation) -> None:
        if seen.session not in self.sessions:
            self.bind(seen)
            return
        known = self.sessions.get(seen.session)
        if not sessions.is_late(known, seen):
            self.sessions.put(seen.session, sessions.used(known, seen))

    def _learn_habit(self, seen: Observation, doing: str) -> None:
        self.rhythms.put(seen.user, hours.fold(self.rhythms.get(seen.user), seen.at, seen.utc_offset_s))
        if not seen.group or not seen.application:
            return
        known = self.peers.get(seen.group)
        learned = peers.fold(peers.fold(known, seen.user, seen.application, seen.at), seen.user, doing, seen.at)
        if learned is not known:
            self.peers.put(seen.group, learned)


def kind_of(seen: Observation) -> str:
    """Name the kind of thing: the application and the first part of the path, whatever thing of that kind it is."""
    first = seen.resource.strip("/").partition("/")[0]
    return f"{seen.application} {'#' if first.isdecimal() else first}"


def _stronger(one: Finding | None, other: Finding | None) -> Finding | None:
    if one is None or other is None:
        return one or other
    return one if one.value >= other.value else other
