"""What the console needs from the rest of the house and does not find behind a door; `app.py` fills it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from watchword.identity import Client, SessionFacts, UserFacts
from watchword.kernel import Answer, DecisionId, DeviceId, Reason, RiskLevel, SessionId, UserId
from watchword.policy.telling import Recollection
from watchword.trust import Usual


@dataclass(frozen=True, slots=True)
class Weight:
    """One contribution to a score.

    Attributes:
        indicator: its name, as in the trust algorithm.
        points: what it adds, negative where it takes away; of a score of behaviour in natural log-odds.
        detail: the observation in plain words.
    """

    indicator: str
    points: float
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What risk says of a sign-in or of a live session.

    Attributes:
        answer: allow, step_up (a second factor is needed), or deny; approval counts as deny at sign-in.
        risk: 0 to 100.
        trust: 0 to 100.
        reference: what an administrator looks a refused sign-in up by; nothing where it was not recorded.
    """

    answer: Answer
    risk: int
    trust: int
    level: RiskLevel
    reasons: tuple[Reason, ...] = ()
    contributions: tuple[Weight, ...] = ()
    reference: DecisionId | None = None


class Risk(Protocol):
    """The trust algorithm, asked outside a decision."""

    async def assess_sign_in(
        self, user: UserFacts, client: Client, *, device_id: DeviceId | None, is_multi_factor: bool
    ) -> Verdict:
        """Weigh a sign-in whose factors were verified and whose session does not exist yet; record a refusal."""
        ...

    async def assess_session(self, session: SessionFacts, client: Client) -> Verdict:
        """Weigh a live session as it stands now; for the page, nothing is decided from it."""
        ...


@dataclass(frozen=True, slots=True)
class PublishedApplication:
    """An application that the portal can hand a session to, or show.

    Attributes:
        origins: `https://host[:port]` under which people reach it; the first one is linked.
    """

    name: str
    title: str
    origins: tuple[str, ...]
    sensitivity: str = "internal"


class Applications(Protocol):
    """What is published, and to whom it opens."""

    def published(self) -> Sequence[PublishedApplication]:
        """Return every published application."""
        ...

    async def outlook(self, name: str, session: SessionFacts, client: Client) -> tuple[Answer, Reason]:
        """Tell what the decision point would say to a GET of `/` now, without recording a decision."""
        ...


class Decisions(Protocol):
    """Decisions as `decision.Decision.record()` renders them for the journal."""

    def recent(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return the latest decisions still in memory, newest first."""
        ...

    async def find(self, decision_id: DecisionId) -> Mapping[str, Any] | None:
        """Return one decision from the journal."""
        ...

    def last_hour(self, now: datetime) -> Sequence[Mapping[Answer, int]]:
        """Return how many were decided in each of the last sixty minutes, oldest first; `Tally` counts them."""
        ...

    def follow(self) -> AbstractAsyncContextManager[AsyncIterator[Mapping[str, Any]]]:
        """Subscribe to decisions from now on; a reader that is too slow loses some, never delays one."""
        ...


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy file as it is in force.

    Attributes:
        named: `(policy id, line it begins on)`, lines from 1.
    """

    name: str
    text: str
    named: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class WatchedFlip:
    """One decision that would have come out differently, by identifiers.

    Attributes:
        was: what was answered; `now` is what would have been.
    """

    id: str
    at: datetime
    subject: str
    target: str
    action: str
    was: str
    now: str
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WatchingPolicies:
    """Policies that watch and never decide, and what they would have changed since they were loaded.

    Attributes:
        compared: decisions that were put to them; `dropped` found too many waiting, `failed` could not be looked at.
        others: same answer, with other obligations, permissions or another second factor.
        by_policy: `(policy, gains, loses, others)`, the most affected first.
        by_subject: the same for people, by identifier.
        problem: why they cannot be tried; nothing while they can.
        flips: the newest.
    """

    title: str
    version: str
    compared: int
    gains: int
    loses: int
    others: int
    dropped: int
    failed: int
    by_policy: tuple[tuple[str, int, int, int], ...] = ()
    by_subject: tuple[tuple[str, int, int, int], ...] = ()
    problem: str | None = None
    flips: tuple[WatchedFlip, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyOverview:
    """The policy set in force.

    Attributes:
        watching: what is tried beside it.
        problem: why a newer set was not taken; nothing while all is well.
    """

    version: str
    loaded_at: datetime | None
    files: tuple[PolicyFile, ...]
    problem: str | None = None
    watching: tuple[WatchingPolicies, ...] = ()


class PolicyStatus(Protocol):
    """The policy set, for reading."""

    def overview(self) -> PolicyOverview:
        """Return what is in force and what went wrong last."""
        ...

    def recollect(self, record: Mapping[str, Any]) -> Recollection | None:
        """Ask again what a decision's record says was asked; blocking. Nothing where policies were not reached."""
        ...


@dataclass(frozen=True, slots=True)
class JournalOverview:
    """How far the journal got."""

    records: int
    last_at: datetime | None
    key_id: str


@dataclass(frozen=True, slots=True)
class Verification:
    """One run over the journal.

    Attributes:
        finished_at: nothing while it runs.
        problem: what it found wrong, in words; nothing if it found nothing.
    """

    started_at: datetime
    checked: int
    total: int
    finished_at: datetime | None = None
    problem: str | None = None


class AuditStatus(Protocol):
    """The journal, for reading and proving."""

    def overview(self) -> JournalOverview:
        """Return how far it got."""
        ...

    def start_verification(self) -> None:
        """Begin to verify the whole journal in the background; does nothing while one is running."""
        ...

    def verification(self) -> Verification | None:
        """Return the running or the last verification of this process."""
        ...


class Places(Protocol):
    """Turn an address into words."""

    def describe(self, ip: str) -> str:
        """Return `City, Country` or less, empty if nothing is known; never raises."""
        ...


class Habits(Protocol):
    """What is usual for people."""

    async def usual(self, user_id: UserId) -> Usual:
        """Return what is usual for a user; empty for somebody new."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """From where somebody answers for their own account.

    Attributes:
        is_fresh: a second factor was shown lately, in this session and from this very network.
        is_risky: this session is itself too unusual to act with.
    """

    session: SessionFacts
    is_fresh: bool
    is_risky: bool


@dataclass(frozen=True, slots=True)
class FlaggedAct:
    """An act in doubt, about which its owner is asked.

    Attributes:
        reference: of the decision.
        answer: what became of it.
        application: its name; empty for a sign-in.
        session: nothing for a sign-in that was refused.
        is_known_device: whether it showed a device of the account itself; nothing where that was not noted.
        is_owners: what the owner said; nothing until they did.
        obstacle: why it cannot be called the owner's from where they look; empty if it can.
        is_factor_missing: a second factor, shown now, is all that is missing.
        can_be_learned: whether the score can learn anything from an answer.
    """

    reference: str
    at: datetime
    answer: Answer
    application: str
    ip: str
    user_agent: str
    session: SessionId | None
    is_known_device: bool | None
    is_owners: bool | None
    obstacle: str
    is_factor_missing: bool
    can_be_learned: bool


class Feedback(Protocol):
    """What people say of acts in their own accounts."""

    async def disown(self, session: SessionFacts, *, by: SessionFacts) -> None:
        """Take note that a sign-in was not by the owner of the account, said in another session of the account."""
        ...

    async def flagged(self, standing: Standing) -> Sequence[FlaggedAct]:
        """Return the newest acts in doubt of an account, newest first."""
        ...

    async def vouch(self, reference: str, standing: Standing) -> FlaggedAct:
        """Take "this was me"; the same again changes nothing.

        Raises:
            FeedbackUnknownError: nothing such is in doubt in this account.
            FeedbackRefusedError: not from this session, or too often.
        """
        ...

    async def deny(self, reference: str, standing: Standing) -> FlaggedAct:
        """Take "this was not me", from anywhere in the account; the caller ends the session of the act.

        Raises:
            FeedbackUnknownError: nothing such is in doubt in this account.
        """
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """What is known of whose a decision was.

    Attributes:
        analyst: an administrator said that it was an attack, or that it was not; nothing until one did.
        owner: what the owner of the account said; nothing until they did.
        obstacle: why this administrator cannot say it, in a sentence; empty if they can.
    """

    analyst: bool | None = None
    owner: bool | None = None
    obstacle: str = ""


class Verdicts(Protocol):
    """What administrators say of decisions; the score learns from it."""

    async def said(self, record: Mapping[str, Any], by: UserId) -> Said | None:
        """Return what was said of a decision; nothing where nothing can be learned from it."""
        ...

    async def give(self, record: Mapping[str, Any], *, is_attack: bool, by: UserId) -> None:
        """Take a verdict; it stands over what the owner said.

        Raises:
            FeedbackRefusedError: it is an act of their own account, or enough was said today.
            FeedbackMalformedError: nothing can be learned from it.
        """
        ...


class PublishedKeys(Protocol):
    """Public keys that verify the assertion."""

    def jwks(self) -> Mapping[str, Any]:
        """Return the JSON Web Key Set."""
        ...


class Health(Protocol):
    """Whether this process can decide."""

    async def parts(self) -> Mapping[str, bool]:
        """Return each part and whether it is well."""
        ...


class Visitors(Protocol):
    """Find who holds a session handle, from the same facts that decisions are made from."""

    def session_by_handle(self, handle: str) -> tuple[SessionFacts, str] | None:
        """Return the session a handle opens, and the host the handle is good on."""
        ...

    def user(self, user_id: UserId) -> UserFacts | None:
        """Return a user."""
        ...

    def session(self, session_id: SessionId) -> SessionFacts | None:
        """Return a session."""
        ...
