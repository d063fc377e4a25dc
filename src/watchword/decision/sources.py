"""Everything the procedure reads, as one value; all of it is in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from watchword.decision.facts import FactBase
from watchword.decision.model import Application
from watchword.decision.settings import DecisionSettings
from watchword.kernel import SessionId, UserId
from watchword.policy import PolicySet
from watchword.policy.relations import RelationModel, RelationView
from watchword.trust import (
    ADDITIVE,
    STATISTICAL,
    Baseline,
    Finding,
    NetworkTraits,
    Observation,
    Place,
    Profile,
    Sighting,
    Situation,
    Standing,
)


class TrustFacts(Protocol):
    """What was learned about users."""

    def baseline(self, user_id: UserId) -> Baseline:
        """Return what is usual for a user; empty for a new one."""
        ...

    def failed_attempts(self, user_id: UserId, now: datetime) -> float:
        """Return recent failures, decayed."""
        ...

    def session_sighting(self, session_id: SessionId) -> Sighting | None:
        """Return where a session was last seen."""
        ...

    def note_sighting(self, session_id: SessionId, place: Place, now: datetime) -> None:
        """Remember where a session was seen."""
        ...

    def traits_of(self, ip: str, now: datetime) -> NetworkTraits:
        """Return what is known of an address's network."""
        ...

    def situation(
        self, observation: Observation, now: datetime, *, given: Sequence[Finding] = (), by: str = STATISTICAL
    ) -> Situation:
        """Gather what a profile judges behaviour by."""
        ...

    def group_of(self, user: str) -> str:
        """Return the peer group of somebody who has no group of their own; the empty text for none."""
        ...

    def still_holds(self, situation: Situation, now: datetime) -> bool:
        """Tell whether behaviour would be judged by the very same again, in the same minute."""
        ...


class Places(Protocol):
    """Where addresses are."""

    def place_of(self, ip: str) -> Place:
        """Return the place of an address; unknown fields are empty. Never raises."""
        ...


class Networks(Protocol):
    """What the operator and the feeds say of networks."""

    def standing(self, ip: str, now: datetime) -> Standing:
        """Return the standing of an address."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything the procedure reads; all of it in memory.

    Attributes:
        policies: the set in force, asked anew for each decision.
        profiles: how trust is weighed, by the name that applications choose.
        portal_profile: that of sign-ins and of the portal's own pages.
        device_key: the secret that device handles are made with.
        known_obligations: what every door of this node can do.
        relations: the tuples as a model sees them; nothing where there is no model.
    """

    applications: Sequence[Application]
    facts: FactBase
    policies: Callable[[], PolicySet]
    trust: TrustFacts
    places: Places
    networks: Networks
    profiles: Mapping[str, Profile]
    device_key: bytes
    settings: DecisionSettings
    known_obligations: frozenset[str] = frozenset()
    relations: Callable[[RelationModel | None], RelationView | None] = lambda _model: None
    portal_profile: str = ADDITIVE
