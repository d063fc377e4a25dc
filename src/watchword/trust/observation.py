"""What behaviour is learned from and judged by: one act of one account, and what an indicator says of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from watchword.trust.model import Place


class Act(StrEnum):
    """What somebody did, as far as behaviour is concerned."""

    SIGN_IN = "sign_in"  # a sign-in that was tried; `is_success` says whether it was completed
    PROMPT = "prompt"  # a second factor was asked for; `is_success` says whether it was given
    REQUEST = "request"  # something was asked of an application; `is_success` says whether it was allowed


@dataclass(frozen=True, slots=True)
class Agent:
    """What a client says of itself, from the whole to the coarse; an empty text is unknown.

    Attributes:
        full: the User-Agent header, cut to a bounded length before it gets here.
        browser: name and major version, such as `Firefox 128`.
        system: name and major version, such as `Windows 10`.
        kind: `desktop`, `mobile`, `tablet`, `bot` or `program`.
    """

    full: str = ""
    browser: str = ""
    system: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class NetworkTraits:
    """What is known of an address's network beside where it is.

    Attributes:
        is_shared: several users of the organisation come from it (an office, a VPN exit of its own).
    """

    is_hosting: bool = False
    is_vpn: bool = False
    is_tor: bool = False
    is_mobile: bool = False
    is_shared: bool = False


NOWHERE = Place()
NO_TRAITS = NetworkTraits()
UNKNOWN_AGENT = Agent()


@dataclass(frozen=True, slots=True)
class Observation:
    """One act of one account; everything an indicator may read, and nothing that says whether it was an attack.

    Attributes:
        id: recognises a second delivery of the same act.
        at: seconds since 1970, UTC.
        user: the account that was named; the empty text for one that does not exist.
        is_verified: a second factor or a passkey vouches for it; only what is verified teaches.
        network: the client's /24 or /48.
        utc_offset_s: of the user's own zone at that time, seconds east.
        device: the device key that was shown; the empty text for none.
        session: the session it belongs to; the empty text before there is one.
        group: the peer group of the account, a role first; the empty text if it has none.
        resource: what was asked for within the application, as coarse as the application names it.
        size_bytes: of the answer.
    """

    id: str
    at: float
    user: str
    act: Act
    is_success: bool = True
    is_verified: bool = False
    ip: str = ""
    network: str = ""
    place: Place = NOWHERE
    traits: NetworkTraits = NO_TRAITS
    agent: Agent = UNKNOWN_AGENT
    utc_offset_s: int = 0
    device: str = ""
    session: str = ""
    group: str = ""
    application: str = ""
    resource: str = ""
    action: str = ""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one indicator says of one observation.

    Attributes:
        indicator: its name, from the list in the documentation.
        value: evidence in natural log-odds; above 0 it speaks for an attacker, below for the owner, 0 says nothing.
        detail: why, in words for the person concerned.
        is_known: whether it could be judged at all; `value` is 0 where not.
    """

    indicator: str
    value: float
    detail: str
    is_known: bool = True
