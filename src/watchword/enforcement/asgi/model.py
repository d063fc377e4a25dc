"""What a verified assertion says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from watchword.kernel import Acr, BodyRules, DecisionId, SessionId, UserId


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of the device.

    Attributes:
        posture: `unknown`, `compliant` or `noncompliant`.
    """

    id: str | None
    is_known: bool
    posture: str


@dataclass(frozen=True, slots=True)
class VerifiedAssertion:
    """Who is here and how sure Watchword is; made by `verify_assertion` alone.

    Attributes:
        decision_id: the reference under which the decision can be looked up.
        authenticated_at: when the session began; `mfa_at` when a second factor was last shown.
        risk: 0 to 100; `trust` likewise; nothing where the application's profile has none.
        permissions: those the policy grants for this application, at the time of the decision.
        obligations: names of what must be done with what the application answers.
        body_rules: what the middleware does to JSON answers; nothing when there is nothing to do, or the edge does it.
        own_obligations: those that only the application itself can fulfil.
    """

    decision_id: DecisionId
    session_id: SessionId
    subject: UserId
    name: str
    display_name: str
    email: str | None
    groups: frozenset[str]
    acr: Acr
    amr: tuple[str, ...]
    authenticated_at: datetime
    mfa_at: datetime | None
    risk: int | None
    trust: int | None
    device: Device
    country: str | None
    permissions: frozenset[str]
    obligations: frozenset[str]
    issued_at: datetime
    expires_at: datetime
    body_rules: BodyRules | None = None
    own_obligations: frozenset[str] = frozenset()

    @property
    def last_active_at(self) -> datetime:
        """When the person last did something to prove who they are."""
        return max(self.authenticated_at, self.mfa_at) if self.mfa_at else self.authenticated_at
