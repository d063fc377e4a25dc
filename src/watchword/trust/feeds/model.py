"""What a feed says: indicators, what they mean, and how their weight falls with age."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from math import exp2
from typing import NamedTuple

NEVER = 0xFFFFFFFF
"""A minute that does not come."""


class IndicatorKind(StrEnum):
    """What an indicator names."""

    ADDRESS = "address"
    DOMAIN = "domain"
    URL = "url"
    FILE = "file"


class Meaning(StrEnum):
    """What it means to be listed by a feed."""

    BLOCK = "block"
    SUSPICIOUS = "suspicious"
    HOSTING = "hosting"
    VPN = "vpn"
    TOR = "tor"
    MOBILE = "mobile"


class Refusal(StrEnum):
    """Why an entry of a feed is not taken; each is counted by this name."""

    MALFORMED = "malformed"
    TOO_LONG = "too long"
    TOO_BROAD = "too broad"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    CGNAT = "carrier-grade NAT"
    DOCUMENTATION = "documentation"
    RESERVED = "reserved"
    TUNNEL = "tunnel"
    EXPIRED = "expired"
    FUTURE = "from the future"
    REVOKED = "revoked"
    BENIGN = "benign"
    NOT_FOR_DETECTION = "not for detection"
    NOT_AN_INDICATOR = "not an indicator"
    UNKNOWN_TYPE = "unknown type"
    OTHER_VERSION = "other version of STIX"
    OTHER_PATTERN = "other pattern language"
    PATTERN_AND = "pattern with AND"
    PATTERN_NOT = "pattern with NOT"
    PATTERN_OPERATOR = "pattern with another operator"
    PATTERN_QUALIFIER = "pattern with a qualifier"
    PATTERN_SEQUENCE = "pattern with FOLLOWEDBY"
    PATTERN_OBJECT = "pattern on another object"
    PATTERN_MALFORMED = "malformed pattern"


class Family(IntEnum):
    """What the number of an indicator is; the columns of an index are apart by it."""

    V4 = 32
    V6 = 128
    NAMED = 255


class Indicator(NamedTuple):
    """One entry of a feed, read and found right; a tuple, because a million of them are made at once.

    Attributes:
        family: whether `start` is an IPv4 or IPv6 network's first address, or 128 bits of a name's digest.
        length: of the network's prefix; 128 for a name.
        confidence: 0 to 100, of the feed and of the entry together.
        first_seen: minutes since 1970; by the source, else by us.
        seen: when the source last vouched for it, minutes since 1970; 0 for "whenever the feed was last looked at".
        until: minute from which it counts no more; `NEVER` for none.
    """

    kind: IndicatorKind
    family: Family
    start: int
    length: int
    confidence: int
    first_seen: int = 0
    seen: int = 0
    until: int = NEVER


def decayed(confidence: float, age_min: float, half_life_min: float) -> float:
    """Return what is left of a confidence: half of it after each half-life; an age below zero counts as none."""
    if age_min <= 0:
        return confidence
    return confidence * exp2(-age_min / half_life_min)
