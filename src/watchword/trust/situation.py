"""What behaviour is judged by: what is known of a user, what is seen of a request, what others found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from watchword.trust.behaviour import BehaviourProfile, Everybody, Model, Population, SignIns
from watchword.trust.observation import Finding, Observation

NO_VERSIONS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one user's habits; the same object until something of it changes.

    Attributes:
        is_away: there is a history, and it is still being read from storage.
    """

    profile: BehaviourProfile
    population: Population
    model: Model
    is_away: bool = False


@dataclass(frozen=True, slots=True)
class KnownSignIns:
    """What the profile `freeman` knows of one user; the same object until something of it changes.

    Attributes:
        is_away: as above.
    """

    own: SignIns
    everybody: Everybody
    is_away: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What behaviour is judged by beside the evidence.

    Attributes:
        observation: its time is a whole minute, so that nothing changes between two turns of the clock.
        known: by the profile that judges.
        findings: of whoever watches for what only shows over time.
        reputation: of the address; nothing without feeds.
        versions: of the data that both come from.
        given: what is known beside habits.
        quiet: indicators that say nothing against this user here, because an administrator said so for a while.
    """

    observation: Observation
    known: Known | KnownSignIns
    findings: tuple[Finding, ...] = ()
    reputation: Finding | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: NO_VERSIONS)
    quiet: frozenset[str] = frozenset()
    given: tuple[Finding, ...] = ()
