"""What is asked of the decision point and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson

from watchword.decision.paths import Prefix, Readings
from watchword.devices import DeviceFacts
from watchword.identity import SessionFacts, UserFacts
from watchword.kernel import Acr, Answer, DecisionId, Obligation, Reason, RiskLevel, Sensitivity
from watchword.policy.replay import Question, Recorder
from watchword.trust import Assessment

_ACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "GET": "read",
        "HEAD": "read",
        "OPTIONS": "read",
        "POST": "write",
        "PUT": "write",
        "PATCH": "write",
        "DELETE": "delete",
    }
)
_STREAM_ACTION = "connect"
# Facts whose values say no more of a person than the identifiers in the record; any other fact is personal.
_PUBLIC_FACTS: Final = frozenset(
    {"snapshot", "session", "user", "device", "device.posture", "baseline", "failed_attempts"}
)
# Writes what a user and a part of an application are described by once, not for each request.
_RECORDER: Final = Recorder()
# What a stranger can make the journal keep of one request; anything longer is cut there, never in the decision.
_LONGEST_METHOD, _LONGEST_HOST, _LONGEST_PATH, _LONGEST_AGENT = 32, 255, 2048, 256


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """A part of an application that policy can name.

    Attributes:
        name: policy sees `APPLICATION/NAME`.
        path: a prefix that ends at a path segment: `/admin` covers `/admin` and `/admin/x`, never `/administrator`.
        sensitivity: moves the thresholds of risk.
        min_trust: least trust score, 0 to 100, where the application's profile is `trust-score`.
        prefix: the path, made ready for comparing.
    """

    name: str
    path: str
    sensitivity: Sensitivity
    min_trust: int = 0
    prefix: Prefix = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the path ready."""
        object.__setattr__(self, "prefix", Prefix(self.path))


@dataclass(frozen=True, slots=True)
class Application:
    """A protected application, as configured.

    Attributes:
        upstream: `http://host:port` or `unix:/path`.
        resources: longest path first; the last one covers `/` and is named `default`.
        open_paths: prefixes that need no identity at all, for example a health check.
        streaming: prefixes whose answers may outlive a request: they hold a kill handle.
        high_risk: what a high risk means here, deny or approval.
        profile: `additive`, `trust-score`, `statistical` or `freeman`.
        identity_headers: plain header name to claim, for applications that verify no signature.
        fulfils_obligations: it reduces its own answers, so that no door needs to.
    """

    name: str
    title: str
    hosts: tuple[str, ...]
    upstream: str
    resources: tuple[ResourceRule, ...]
    open_paths: tuple[ResourceRule, ...] = ()
    streaming: tuple[str, ...] = ()
    high_risk: Answer = Answer.DENY
    profile: str = "additive"
    permissions: tuple[str, ...] = ()
    identity_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    fulfils_obligations: bool = False

    def resource_at(self, path: str) -> ResourceRule:
        """Return the most specific part that covers a path."""
        for rule in self.resources:
            if rule.prefix.covers(path):
                return rule
        return self.resources[-1]

    def resource_meant(self, readings: Readings) -> ResourceRule | None:
        """Return the part that a path means, or nothing when a careless upstream would find a more specific one.

        # Prevents: `/Admin`, `/%2561dmin` or `/admin.` reaching what is guarded as `/admin`.
        """
        rule = self.resource_at(readings.exact)
        for other in self.resources:
            if len(other.path) > len(rule.path) and other.prefix.may_cover(readings.careless):
                return None
        return rule

    def is_open(self, path: str) -> bool:
        """Tell whether a decoded path needs no identity."""
        return bool(self.open_paths) and any(rule.prefix.covers(path) for rule in self.open_paths)


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One request as the enforcement point saw it, after its single path normalisation.

    Attributes:
        path: absolute, normalised, without query or fragment; exactly what the upstream will get.
        client_ip: from the connection or a configured hop, never from the client's own headers.
        session_handle: the bearer of a session, still unverified.
        device_handle: the browser's device key for this host, still unverified.
        is_upgrade: the request opens a WebSocket.
        filters_bodies: the door that asks can reduce JSON answers.
    """

    method: str
    host: str
    path: str
    client_ip: str
    user_agent: str = ""
    session_handle: str | None = None
    device_handle: str | None = None
    is_upgrade: bool = False
    filters_bodies: bool = False

    @property
    def action(self) -> str | None:
        """The policy's word for the method; nothing for a method that no policy knows."""
        return _STREAM_ACTION if self.is_upgrade else _ACTIONS.get(self.method)

    def __repr__(self) -> str:
        return f"AccessRequest({self.method} {self.host}{self.path})"


class Fact(NamedTuple):
    """One thing that was read.

    Attributes:
        age_s: seconds since it was established; nothing where age has no meaning.
    """

    name: str
    value: str | int | float | bool | None
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class StepUp:
    """What would turn the answer into an allow.

    Attributes:
        acr: the least authentication context that helps.
        max_age_s: how fresh, in seconds.
    """

    acr: Acr
    max_age_s: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request, with everything it stands on.

    Attributes:
        reasons: the first is the one that decided.
        read: the read-set as it was noted, name, value and age of each fact in turn; `facts` has it in order.
        asked: what the policies were asked, so that others can be asked the same; nothing where none was.
        policies: identifiers of the determining policies, with their words for people where they have some.
        snapshot_version: outbox position of the facts.
        cost_us: time the decision took, in microseconds, journal excluded.
        repeats: the earlier decision whose facts all still held, so that they were not gathered again; the ages in
            `facts` are those of that moment.
        leased: how many requests this repetition stands for, which the edge let in under a lease; 0 for a decision
            that somebody waited for.
        tail: what the records of all repetitions share, encoded; empty for a decision of its own.
    """

    id: DecisionId
    at: datetime
    answer: Answer
    reasons: tuple[Reason, ...]
    request: AccessRequest
    application: str | None = None
    resource: str | None = None
    action: str | None = None
    user: UserFacts | None = None
    session: SessionFacts | None = None
    device: DeviceFacts | None = None
    posture: str = "unknown"
    assessment: Assessment | None = None
    level: RiskLevel | None = None
    policies: tuple[tuple[str, str], ...] = ()
    policy_version: str = ""
    policy_errors: tuple[str, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    permissions: tuple[str, ...] = ()
    step_up: StepUp | None = None
    country: str | None = None
    read: tuple[Any, ...] = ()
    snapshot_version: int = 0
    cost_us: int = 0
    permit: Permit | None = None
    repeats: DecisionId | None = None
    leased: int = 0
    asked: Question | None = field(default=None, repr=False, compare=False)
    tail: bytes = field(default=b"", repr=False, compare=False)

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The read-set, in the order it was read."""
        return tuple(map(Fact, self.read[::3], self.read[1::3], self.read[2::3]))

    def record(self) -> dict[str, Any]:
        """Render the decision for the journal: JSON values only, personal data under `personal`.

        There too: the words of each indicator, what the risk of behaviour was read from, and the value of every fact
        that is not known to be public; in `facts` such a value is null.
        """
        request, user, assessment, facts = self.request, self.user, self.assessment, self.facts
        made: dict[str, Any] = {
            "type": "decision",
            "id": self.id,
            "at": self.at.isoformat(),
            "cost_us": self.cost_us,
            "snapshot": self.snapshot_version,
            "path": request.path[:_LONGEST_PATH],
            "repeats": self.repeats,
            **({"leased": self.leased} if self.leased else {}),
            "answer": self.answer.value,
            "reasons": [reason.code for reason in self.reasons],
            "application": self.application,
            "resource": self.resource,
            "action": self.action,
            "method": request.method[:_LONGEST_METHOD],
            "host": request.host[:_LONGEST_HOST],
            "user": user.id if user else None,
            "session": self.session.id if self.session else None,
            "device": self.device.id if self.device else None,
            "risk": assessment.risk if assessment else None,
            "trust": assessment.trust if assessment else None,
            "level": self.level.name.lower() if self.level is not None else None,
            "contributions": [[each.indicator, each.points] for each in assessment.contributions] if assessment else [],
            "trust_contributions": [[each.indicator, each.points] for each in assessment.trust_contributions]
            if assessment
            else [],
            "policies": [list(policy) for policy in self.policies],
            "policy_version": self.policy_version,
            "policy_errors": list(self.policy_errors),
            "obligations": [obligation.name for obligation in self.obligations],
            "permissions": list(self.permissions),
            "step_up": {"acr": self.step_up.acr.value, "max_age_s": self.step_up.max_age_s} if self.step_up else None,
            "facts": [[name, value if name in _PUBLIC_FACTS else None, age_s] for name, value, age_s in facts],
            "personal": {
                "ip": request.client_ip,
                "user_agent": request.user_agent[:_LONGEST_AGENT],
                "country": self.country,
                "facts": {name: value for name, value, _ in facts if name not in _PUBLIC_FACTS},
                "details": _details(assessment) if assessment else {},
                "asked": self.asked.record(_RECORDER) if self.asked is not None else None,
            },
        }
        if assessment is not None and assessment.weighed is not None:
            weighed = assessment.weighed
            made["behaviour"] = {
                "probability": weighed.probability,
                "log_odds": weighed.log_odds,
                "versions": dict(assessment.versions),
            }
            made["personal"]["behaviour"] = dict(weighed.inputs)
        return made

    def encoded(self) -> bytes:
        """Return what the journal keeps, as JSON: `record()`, or of a repetition what is not in the one it repeats.

        Raises:
            TypeError: something in it has no JSON form.
        """
        if not self.tail:
            return orjson.dumps(self.record())
        return b'{"type":"decision","id":"%b","at":"%b","cost_us":%d,"snapshot":%d,%b"path":%b,%b' % (
            self.id.encode(),
            self.at.isoformat().encode(),
            self.cost_us,
            self.snapshot_version,
            b'"leased":%d,' % self.leased if self.leased else b"",
            orjson.dumps(self.request.path[:_LONGEST_PATH]),
            self.tail,
        )


def _details(assessment: Assessment) -> dict[str, str]:
    """Return the words beside the points, by indicator: they name places, hours and devices."""
    return {each.indicator: each.detail for each in (*assessment.contributions, *assessment.trust_contributions)}


class Permit:
    """Proof that the decision point said allow; made here and nowhere else, so that a door cannot invent one."""

    __slots__ = ("application", "decision_id")

    def __init__(self, decision_id: DecisionId, application: str, *, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("a permit is made by the decision point alone")
        self.decision_id = decision_id
        self.application = application


_SEAL: Final = object()


def grant(decision_id: DecisionId, application: str) -> Permit:
    """Make a permit; called by the procedure alone (this name stays inside the room)."""
    return Permit(decision_id, application, seal=_SEAL)


def repeat(
    decision: Decision,
    decision_id: DecisionId,
    at: datetime,
    request: AccessRequest,
    *,
    snapshot_version: int,
    cost_us: int,
    leased: int = 0,
) -> Decision:
    """Give an allow again to another request; called by `Reuse` alone, which knows that everything still holds."""
    assert decision.application is not None
    return Decision(
        id=decision_id,
        at=at,
        answer=decision.answer,
        reasons=decision.reasons,
        request=request,
        application=decision.application,
        resource=decision.resource,
        action=decision.action,
        user=decision.user,
        session=decision.session,
        device=decision.device,
        posture=decision.posture,
        assessment=decision.assessment,
        level=decision.level,
        policies=decision.policies,
        policy_version=decision.policy_version,
        obligations=decision.obligations,
        permissions=decision.permissions,
        country=decision.country,
        read=decision.read,
        snapshot_version=snapshot_version,
        cost_us=cost_us,
        permit=grant(decision_id, decision.application),
        repeats=decision.repeats or decision.id,
        leased=leased,
        asked=decision.asked,
        tail=decision.tail,
    )


def repeatable(decision: Decision) -> Decision:
    """Prepare a decision for being given again: encode once what its repetitions share.

    So that a repetition can be read and searched by itself; the rest, which is what the answer was read from, stands
    once, in the record of the decision that it repeats.
    """
    request, assessment = decision.request, decision.assessment
    kept = {
        "repeats": decision.id,
        "answer": decision.answer.value,
        "reasons": [reason.code for reason in decision.reasons],
        "application": decision.application,
        "resource": decision.resource,
        "action": decision.action,
        "method": request.method[:_LONGEST_METHOD],
        "host": request.host[:_LONGEST_HOST],
        "user": decision.user.id if decision.user else None,
        "session": decision.session.id if decision.session else None,
        "device": decision.device.id if decision.device else None,
        "risk": assessment.risk if assessment else None,
        "trust": assessment.trust if assessment else None,
        "level": decision.level.name.lower() if decision.level is not None else None,
        "policy_version": decision.policy_version,
        "obligations": [obligation.name for obligation in decision.obligations],
        "personal": {"ip": request.client_ip, "user_agent": request.user_agent[:_LONGEST_AGENT]},
    }
    return replace(decision, repeats=decision.id, tail=orjson.dumps(kept)[1:])
