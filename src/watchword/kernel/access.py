"""The access vocabulary: what is asked, what is answered, and the closed list of reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType

from watchword.kernel.body_rules import BodyRules
from watchword.kernel.duties import Limits


class Answer(StrEnum):
    """What the decision point says."""

    ALLOW = "allow"
    STEP_UP = "step_up"
    APPROVAL = "approval"
    DENY = "deny"


class Sensitivity(StrEnum):
    """How much harm a resource can do in the wrong hands."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"


class RiskLevel(IntEnum):
    """What a risk score means for one resource."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


class Acr(StrEnum):
    """Authentication context class: how strongly the session was authenticated, weakest first."""

    NONE = "none"
    SINGLE_FACTOR = "urn:watchword:acr:1fa"
    MULTI_FACTOR = "urn:watchword:acr:mfa"
    PHISHING_RESISTANT = "urn:watchword:acr:phr"

    @property
    def strength(self) -> int:
        """Rank from 0 (none) to 3 (phishing resistant)."""
        return _STRENGTH[self]


_STRENGTH = {Acr.NONE: 0, Acr.SINGLE_FACTOR: 1, Acr.MULTI_FACTOR: 2, Acr.PHISHING_RESISTANT: 3}


class Reason(Enum):
    """Why an answer was given: `(code, plain words for the person concerned, what would help)`."""

    # allowed
    POLICY_PERMITS = ("policy_permits", "A policy lets you use this.", "")
    OPEN_ROUTE = ("open_route", "This address is open to everyone.", "")
    # the request itself
    REQUEST_MALFORMED = ("request_malformed", "The request was not well formed.", "Go back and try the link again.")
    UNKNOWN_APPLICATION = (
        "unknown_application",
        "No application is published under this address.",
        "Check the address; an administrator publishes applications in the configuration.",
    )
    # identity
    SESSION_MISSING = ("session_missing", "You are not signed in.", "Sign in.")
    SESSION_INVALID = ("session_invalid", "Your session is not valid any more.", "Sign in again.")
    SESSION_EXPIRED = ("session_expired", "Your session has run out.", "Sign in again.")
    SESSION_ENDED = ("session_ended", "Your session was ended.", "Sign in again.")
    SESSION_MISBOUND = (
        "session_misbound",
        "Your session belongs to another application or browser.",
        "Sign in again in this browser.",
    )
    USER_DISABLED = ("user_disabled", "Your account is disabled.", "Ask an administrator to enable it.")
    # context
    NETWORK_BLOCKED = (
        "network_blocked",
        "Requests from your network are blocked.",
        "Try another network, or ask an administrator.",
    )
    # risk
    RISK_MEDIUM = (
        "risk_medium",
        "Something about this request is unusual for you.",
        "Confirm that it is you with a second factor.",
    )
    RISK_HIGH = (
        "risk_high",
        "Too much about this request is unusual for you.",
        "Use a device and a place that you have used before, or ask an administrator.",
    )
    TRUST_TOO_LOW = (
        "trust_too_low",
        "This resource asks for more trust than this request has.",
        "Confirm with a second factor, or use a managed device.",
    )
    # policy
    POLICY_FORBIDS = ("policy_forbids", "A policy forbids this.", "Ask an administrator if you need it.")
    POLICY_SILENT = ("policy_silent", "No policy lets you use this.", "Ask an administrator for access.")
    POLICY_ASKS_STEP_UP = (
        "policy_asks_step_up",
        "This asks for a fresh second factor.",
        "Confirm that it is you with a second factor.",
    )
    POLICY_ASKS_APPROVAL = (
        "policy_asks_approval",
        "This needs somebody's approval.",
        "Ask an administrator, who can let you in by a policy or a group.",
    )
    OBLIGATION_UNKNOWN = (
        "obligation_unknown",
        "This door cannot do what the policy asks of it.",
        "Tell an administrator the reference below.",
    )
    # failing closed
    POLICY_MISSING = (
        "policy_missing",
        "No policy is in force, so nothing is allowed.",
        "Tell an administrator the reference below.",
    )
    POLICY_ERROR = (
        "policy_error",
        "A policy could not be evaluated, so nothing is allowed.",
        "Tell an administrator the reference below.",
    )
    SCHEMA_MISFIT = (
        "schema_misfit",
        "The request does not fit the policy schema.",
        "Tell an administrator the reference below.",
    )
    REGO_FAILED = (
        "rego_failed",
        "A policy written in Rego gave no clear answer, so nothing is allowed.",
        "Tell an administrator the reference below.",
    )
    REGO_UNREACHABLE = (
        "rego_unreachable",
        "The policy server that has to agree did not answer, so nothing is allowed.",
        "Try again in a moment; tell an administrator if it lasts.",
    )
    FACT_MISSING = (
        "fact_missing",
        "Something needed to decide is not known.",
        "Tell an administrator the reference below.",
    )
    SNAPSHOT_STALE = (
        "snapshot_stale",
        "Watchword's own picture of the world is out of date, so nothing is allowed.",
        "Try again in a moment; tell an administrator if it lasts.",
    )
    JOURNAL_UNWRITABLE = (
        "journal_unwritable",
        "The audit journal cannot be written, so nothing is allowed.",
        "Tell an administrator: the disk may be full.",
    )
    INTERNAL_ERROR = (
        "internal_error",
        "Watchword failed while deciding, so the answer is no.",
        "Tell an administrator the reference below.",
    )

    def __init__(self, code: str, words: str, remedy: str) -> None:
        self.code = code
        self.words = words
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Obligation:
    """Something the enforcement point must do with an allowed request; one that it does not know means deny.

    Attributes:
        rules: what a door does with the exchange; nothing where the obligation asks for something else.
        is_for_application: the application itself does it, under this name; nobody else can.
        limits: how long the allow lasts; the decision point keeps to it.
    """

    name: str
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    rules: BodyRules | None = None
    is_for_application: bool = False
    limits: Limits | None = None
