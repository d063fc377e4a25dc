"""What pages are made of: the ring of four watches, a decision as people read it, the refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from watchword.console.ports import Weight
from watchword.kernel import Answer, DecisionId, DeviceId, Reason, RiskLevel, SessionId, UserId

_REASONS = {reason.code: reason for reason in Reason}


class Watch(StrEnum):
    """How one of the four watches stands."""

    GOOD = "good"
    ATTENTION = "attention"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WatchWords:
    """One watch in words: its title, how it stands, what that means and on what it stands."""

    title: str
    state: Watch
    words: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ring:
    """The four watches, clockwise: who, with what, where, how usual. Colour is never the only sign."""

    watches: tuple[WatchWords, WatchWords, WatchWords, WatchWords]

    @property
    def identity(self) -> Watch:
        """How the first watch stands."""
        return self.watches[0].state

    @property
    def device(self) -> Watch:
        """How the second watch stands."""
        return self.watches[1].state

    @property
    def place(self) -> Watch:
        """How the third watch stands."""
        return self.watches[2].state

    @property
    def habit(self) -> Watch:
        """How the fourth watch stands."""
        return self.watches[3].state

    @property
    def summary(self) -> str:
        """The ring in one sentence, for those who do not see it."""
        return "; ".join(f"{watch.title}: {watch.words}" for watch in self.watches)


def ring_of_states(identity: Watch, device: Watch, place: Watch, habit: Watch) -> Ring:
    """Make a ring that needs no more words than good, unusual, refused or not yet known."""
    words = {
        Watch.GOOD: "verified",
        Watch.ATTENTION: "to be confirmed",
        Watch.REFUSED: "refused",
        Watch.UNKNOWN: "not asked yet",
    }
    titles = ("Who", "With what", "Where", "How usual")
    states = (identity, device, place, habit)
    first, second, third, fourth = (WatchWords(t, s, words[s]) for t, s in zip(titles, states, strict=True))
    return Ring((first, second, third, fourth))


_ABOUT_SESSION = frozenset(
    {
        Reason.SESSION_MISSING,
        Reason.SESSION_INVALID,
        Reason.SESSION_EXPIRED,
        Reason.SESSION_ENDED,
        Reason.SESSION_MISBOUND,
        Reason.USER_DISABLED,
    }
)
_AFTER_RISK = frozenset(
    {
        Reason.POLICY_PERMITS,
        Reason.POLICY_FORBIDS,
        Reason.POLICY_SILENT,
        Reason.POLICY_ASKS_STEP_UP,
        Reason.POLICY_ASKS_APPROVAL,
    }
)


def side_of(reason: Reason) -> str:
    """Tell which watch a reason is about: who, with, where, how; empty where it is about none of them."""
    if reason in _ABOUT_SESSION or reason is Reason.POLICY_ASKS_STEP_UP:
        return "who"
    if reason is Reason.NETWORK_BLOCKED:
        return "where"
    return "how" if reason in {Reason.RISK_HIGH, Reason.RISK_MEDIUM, Reason.TRUST_TOO_LOW} else ""


def ring_of_reasons(answer: Answer, reasons: Sequence[Reason]) -> Ring:
    """Draw the ring of an answer of which only the reasons are known: what was passed before them, and what was not."""
    if not reasons:
        return NOTHING_ASKED
    first = reasons[0]
    side = side_of(first)
    passed = Watch.GOOD if first in _AFTER_RISK else Watch.UNKNOWN
    stopped = Watch.REFUSED if answer is Answer.DENY else Watch.ATTENTION
    states = dict.fromkeys(("who", "with", "where", "how"), passed)
    if side == "how":
        states["who"] = Watch.GOOD
    if side:
        states[side] = stopped
    return ring_of_states(states["who"], states["with"], states["where"], states["how"])


NOTHING_ASKED = ring_of_states(Watch.UNKNOWN, Watch.UNKNOWN, Watch.UNKNOWN, Watch.UNKNOWN)
FIRST_FACTOR = ring_of_states(Watch.ATTENTION, Watch.UNKNOWN, Watch.UNKNOWN, Watch.UNKNOWN)


@dataclass(frozen=True, slots=True)
class FactRead:
    """A fact that a decision read."""

    name: str
    value: str
    age_s: float | None


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision as its journal record tells it; whatever is absent there is nothing here, never an error.

    Attributes:
        leased: how many requests, the same to the letter, the edge let in by itself; 0 for a decision of its own.
        probability: that somebody else acted, where the risk was computed from behaviour; then the contributions are
            log-odds.
    """

    id: DecisionId
    at: datetime
    answer: Answer
    reasons: tuple[Reason, ...]
    application: str | None
    resource: str | None
    action: str | None
    method: str
    host: str
    path: str
    user_id: UserId | None
    session_id: SessionId | None
    device_id: DeviceId | None
    risk: int | None
    trust: int | None
    level: RiskLevel | None
    contributions: tuple[Weight, ...]
    trust_contributions: tuple[Weight, ...]
    policies: tuple[tuple[str, str], ...]
    policy_version: str
    policy_errors: tuple[str, ...]
    obligations: tuple[str, ...]
    facts: tuple[FactRead, ...]
    snapshot: int
    cost_us: int
    ip: str
    user_agent: str
    country: str
    probability: float | None = None
    leased: int = 0

    @property
    def words(self) -> str:
        """Why, in the words for the person concerned: a policy's own words go first."""
        own = [words for _, words in self.policies if words] if self.answer is not Answer.ALLOW else []
        return own[0] if own else (self.reasons[0].words if self.reasons else "")

    @property
    def remedies(self) -> tuple[str, ...]:
        """What would help, each once."""
        return tuple(dict.fromkeys(reason.remedy for reason in self.reasons if reason.remedy))


def decision_view(record: Mapping[str, Any]) -> DecisionView:
    """Read a journal record of a decision.

    Raises:
        ValueError: it is not the record of a decision: no identifier, time or answer.
    """
    personal = record.get("personal") or {}
    details = personal.get("details") or {}
    level = record.get("level")
    return DecisionView(
        id=DecisionId(_need(record, "id")),
        at=datetime.fromisoformat(_need(record, "at")),
        answer=Answer(_need(record, "answer")),
        reasons=tuple(_REASONS[code] for code in record.get("reasons") or () if code in _REASONS),
        application=record.get("application"),
        resource=record.get("resource"),
        action=record.get("action"),
        method=str(record.get("method") or ""),
        host=str(record.get("host") or ""),
        path=str(record.get("path") or ""),
        user_id=UserId(record["user"]) if record.get("user") else None,
        session_id=SessionId(record["session"]) if record.get("session") else None,
        device_id=DeviceId(record["device"]) if record.get("device") else None,
        risk=record.get("risk"),
        trust=record.get("trust"),
        level=RiskLevel[level.upper()] if isinstance(level, str) else None,
        contributions=_weights(record.get("contributions") or (), details),
        trust_contributions=_weights(record.get("trust_contributions") or (), details),
        policies=tuple((str(p[0]), str(p[1] or "")) for p in record.get("policies") or ()),
        policy_version=str(record.get("policy_version") or ""),
        policy_errors=tuple(str(error) for error in record.get("policy_errors") or ()),
        obligations=tuple(str(name) for name in record.get("obligations") or ()),
        facts=tuple(_fact(fact, personal.get("facts") or {}) for fact in record.get("facts") or ()),
        snapshot=int(record.get("snapshot") or 0),
        cost_us=int(record.get("cost_us") or 0),
        ip=str(personal.get("ip") or ""),
        user_agent=str(personal.get("user_agent") or ""),
        country=str(personal.get("country") or ""),
        probability=_probability(record),
        leased=int(record.get("leased") or 0),
    )


def _probability(record: Mapping[str, Any]) -> float | None:
    told = (record.get("behaviour") or {}).get("probability")
    return float(told) if isinstance(told, int | float) else None


def _need(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise ValueError(f"not the record of a decision: no `{name}`")  # noqa: TRY004  # the record is wrong, not a type of ours
    return value


def _weights(pairs: Sequence[Sequence[Any]], details: Mapping[str, Any]) -> tuple[Weight, ...]:
    return tuple(Weight(str(name), _number(points), str(details.get(name) or "")) for name, points in pairs)


def _number(points: Any) -> float:
    return points if isinstance(points, float) else int(points)


def _fact(fact: Sequence[Any], personal: Mapping[str, Any]) -> FactRead:
    name, public, age_s = fact
    value = personal.get(name, public)
    words = {True: "yes", False: "no", None: "not known"}
    shown = words[value] if value is None or isinstance(value, bool) else str(value)
    return FactRead(str(name), shown, None if age_s is None else float(age_s))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Everything the refusal page shows.

    Attributes:
        application: its name for people; empty when no application has this address.
        reasons: the first is the one that decided.
        reference: what an administrator looks up.
        sign_in_url: where signing in would help; absolute https.
        step_up_url: where a fresh second factor would help; absolute https.
        portal_url: `https://host[:port]` of the portal, for the page of the decision; nothing hides the link.
        policy_words: the words of the policies that decided, for people.
    """

    application: str
    answer: Answer
    reasons: tuple[Reason, ...]
    reference: DecisionId
    at: datetime
    sign_in_url: str | None = None
    step_up_url: str | None = None
    portal_url: str | None = None
    policy_words: tuple[str, ...] = ()
