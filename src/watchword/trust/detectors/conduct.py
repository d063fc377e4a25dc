"""Inside: what is asked for within sessions, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchword.trust.detectors import bulk, edges, hours, insider, peers, posture, sessions, volume
from watchword.trust.detectors.limits import Limits
from watchword.trust.detectors.memory import Memory
from watchword.trust.detectors.reading import program_of
from watchword.trust.observation import Finding, Observation


class Conduct:
    """What is remembered of sessions, of what accounts ask for, and of their peers."""

    def __init__(self, limits: Limits) -> None:
        self.sessions = Memory(sessions.UNBOUND, sessions.Binding.parse, most=limits.sessions)
        self.volumes = Memory(volume.Volume(), volume.Volume.parse, most=limits.users)
        self.rates = Memory(bulk.Rates(), bulk.Rates.parse, most=limits.users)
        self.strays = Memory(insider.Strays(), insider.Strays.parse, most=limits.users)
        self.edges = Memory(edges.Edges(), edges.Edges.parse, most=limits.users)
        self.rhythms = Memory(hours.Rhythm(), hours.Rhythm.parse, most=limits.users)
        self.peers = Memory(peers.Peers(), peers.Peers.parse, most=limits.groups)
        self.postures = Memory(posture.Posture(), posture.Posture.parse, most=limits.devices)

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

    # --- judging ----------------------------------------------------------------------------------------------------

    def judge(self, seen: Observation) -> list[Finding]:
        """Judge a request by what came before it."""
        found = [self._session(seen), self._walk(seen)]
        if seen.device in self.postures:
            known = self.postures.get(seen.device)
            found += [posture.change(known, seen.at), posture.age(known, seen.at)]
        if seen.is_success and seen.user:
            found += [self._amount(seen), self._rarity(seen)]
        kept = [finding for finding in found if finding is not None]
        if not kept:
            return kept
        others = max([finding.value for finding in kept])
        late = hours.find(self.rhythms.get(seen.user), seen.at, seen.utc_offset_s, others)
        return [*kept, late] if late else kept

    def _session(self, seen: Observation) -> Finding | None:
        if not seen.session or seen.session not in self.sessions:
            return None
        return sessions.find(self.sessions.get(seen.session), seen, program_of(seen.agent.full))

    def _amount(self, seen: Observation) -> Finding | None:
        size = volume.find(self.volumes.get(seen.user), seen.size_bytes, seen.at, utc_offset_s=seen.utc_offset_s)
        number = bulk.find(self.rates.get(seen.user), kind_of(seen), seen.at)
        return max((size, number), key=lambda found: found.value if found else 0.0)

    def _rarity(self, seen: Observation) -> Finding | None:
        rare = self._is_rare(seen)
        if rare is None:
            return None
        strays = insider.fold(self.strays.get(seen.user), _doing(seen), seen.at)
        many = insider.find(strays, seen.at, seen.group)
        return many if many is not None and many.value >= rare.value else rare

    def _is_rare(self, seen: Observation) -> Finding | None:
        if not seen.group or not seen.application:
            return None
        group, doing = self.peers.get(seen.group), _doing(seen)
        # What somebody began to do today does not become their own by doing it again.
        if peers.has_used(group, seen.user, doing) and not insider.is_new(self.strays.get(seen.user), doing, seen.at):
            return None
        return peers.find(group, seen.user, doing, seen.group)

    def _walk(self, seen: Observation) -> Finding | None:
        known = self.edges.get(seen.user)
        if not edges.is_new(known, seen.application, seen.at) or not seen.user or not seen.application:
            return None
        return edges.find(self._walked(known, seen), seen.at)

    def _walked(self, known: edges.Edges, seen: Observation) -> edges.Edges:
        others = self.peers.get(seen.group) if seen.group else None
        is_familiar = others is not None and peers.is_usual(others, seen.user, seen.application)
        return edges.tried(known, seen.application, seen.at, is_refused=not seen.is_success, is_familiar=is_familiar)

    # --- remembering ------------------------------------------------------------------------------------------------

    def learn(self, seen: Observation) -> None:
        """Remember a request; of one that was denied, that it was tried."""
        if seen.user and seen.application:
            known = self.edges.get(seen.user)
            if edges.is_new(known, seen.application, seen.at):
                known = self._walked(known, seen)
            if seen.is_success and seen.is_verified:
                known = edges.used(known, seen.application, seen.at)
            self.edges.put(seen.user, known)
        if seen.is_success and seen.user:
            self._learn_amount(seen)
            if self._is_rare(seen) is not None:
                self.strays.put(seen.user, insider.fold(self.strays.get(seen.user), _doing(seen), seen.at))
            if seen.is_verified:
                self._learn_habit(seen)

    def bind(self, seen: Observation, *, is_proof: bool) -> None:
        """Bind a session to what its owner shows, or note an act within it."""
        program = program_of(seen.agent.full)
        if is_proof or seen.session not in self.sessions:
            self.sessions.put(seen.session, sessions.bound(seen, program))
            return
        known = self.sessions.get(seen.session)
        if sessions.find(known, seen, program) is None:
            self.sessions.put(seen.session, sessions.used(known, seen))

    def forget_user(self, user: str) -> None:
        """Forget an account; what is left of it in its peer group is one bit that names nobody."""
        for memory in (self.volumes, self.rates, self.strays, self.edges, self.rhythms):
            memory.drop(user)

    def _learn_amount(self, seen: Observation) -> None:
        user, is_verified = seen.user, seen.is_verified
        self.volumes.put(
            user,
            volume.fold(
                self.volumes.get(user),
                seen.size_bytes,
                seen.at,
                utc_offset_s=seen.utc_offset_s,
                is_verified=is_verified,
            ),
        )
        self.rates.put(user, bulk.fold(self.rates.get(user), kind_of(seen), seen.at, is_verified=is_verified))

    def _learn_habit(self, seen: Observation) -> None:
        self.rhythms.put(seen.user, hours.fold(self.rhythms.get(seen.user), seen.at, seen.utc_offset_s))
        if seen.group and seen.application:
            known = peers.fold(self.peers.get(seen.group), seen.user, seen.application, seen.at)
            self.peers.put(seen.group, peers.fold(known, seen.user, _doing(seen), seen.at))


def kind_of(seen: Observation) -> str:
    """Name the kind of thing: the application and the first part of the path, whatever thing of that kind it is."""
    return f"{seen.application} {seen.resource.strip('/').partition('/')[0]}"


def _doing(seen: Observation) -> str:
    return f"{kind_of(seen)} {seen.action}"
