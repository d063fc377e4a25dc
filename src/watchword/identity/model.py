"""The nouns of identity: users, groups, sessions, authenticators, clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from watchword.kernel import Acr, AuthenticatorId, DeviceId, GroupId, Secret, SessionId, UserId, read_ip

ADMINISTRATORS = "administrators"
_USER_AGENT_LENGTH = 400
_IP_LENGTH = 45


@dataclass(frozen=True, slots=True)
class Client:
    """Who is at the other end of the connection, as the edge saw it; cleaned so that it can be stored."""

    ip: str
    user_agent: str = ""

    def __post_init__(self) -> None:
        # Prevents: control characters and lone surrogates reaching logs and the database by way of a header.
        object.__setattr__(self, "ip", printable(self.ip, _IP_LENGTH))
        object.__setattr__(self, "user_agent", printable(self.user_agent, _USER_AGENT_LENGTH))

    @property
    def network(self) -> str:
        """The /24 or /48 the client is in, `unknown` when the address cannot be read."""
        return network_of(self.ip)


def printable(text: str, length: int) -> str:
    """Drop what cannot be printed and cut to `length` characters."""
    return "".join(letter for letter in text[:length] if letter.isprintable())


def network_of(ip: str) -> str:
    """Name the network of an address, as `read_ip` has it, `unknown` for anything else; a zone does not matter."""
    return read_ip(ip.partition("%")[0]).network or "unknown"


class AuthenticatorKind(StrEnum):
    """What a user proves identity with."""

    PASSWORD = "password"  # noqa: S105  # the name of a kind
    PASSKEY = "passkey"
    TOTP = "totp"
    RECOVERY_CODES = "recovery_codes"


@dataclass(frozen=True, slots=True)
class UserFacts:
    """What a decision may know of a user."""

    id: UserId
    name: str
    display_name: str
    email: str | None
    timezone: str
    groups: frozenset[str]
    is_administrator: bool
    is_disabled: bool
    is_privileged: bool


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """A group and how many users are in it."""

    id: GroupId
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What a decision may know of a session.

    Attributes:
        amr: RFC 8176 values, and `recovery` for a recovery code.
        authenticated_at: the last time any proof was shown in this session.
        mfa_at: the last time a second factor or a passkey was shown.
        mfa_network: where that was; a step-up vouches only for the network it was made from.
        handles: SHA-256 of a handle -> the host on which it is valid.
    """

    id: SessionId
    user_id: UserId
    device_id: DeviceId | None
    acr: Acr
    amr: tuple[str, ...]
    authenticated_at: datetime
    mfa_at: datetime | None
    mfa_network: str | None
    expires_at: datetime
    ended_at: datetime | None
    ip: str
    user_agent: str
    handles: Mapping[bytes, str] = field(default_factory=lambda: MappingProxyType({}))

    def is_live(self, now: datetime) -> bool:
        """Tell whether the session still counts."""
        return self.ended_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class AuthenticatorFacts:
    """An authenticator as its owner sees it; no secret in it.

    Attributes:
        remaining: unused recovery codes; nothing for other kinds.
        is_synced: a passkey that may live on several devices.
    """

    id: AuthenticatorId
    kind: AuthenticatorKind
    label: str
    created_at: datetime
    last_used_at: datetime | None
    is_synced: bool = False
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A ceremony that ended well."""

    session: SessionFacts
    handle: Secret[str]
    return_to: str | None
    is_step_up: bool = False


@dataclass(frozen=True, slots=True)
class TotpEnrolment:
    """What an authenticator application needs; shown once."""

    id: AuthenticatorId
    secret: Secret[str]
    uri: Secret[str]


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time link's secret and whom it is for."""

    user: UserFacts
    token: Secret[str]
    expires_at: datetime
