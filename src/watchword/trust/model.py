"""What is known about a request and what follows from it: plain values, no input or output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from watchword.kernel import RiskLevel, Sensitivity
from watchword.trust.addresses import AddressKind

EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address seems to be; each field may be unknown.

    Attributes:
        country: ISO 3166-1 alpha-2.
        organisation: who runs the autonomous system, as the source spells it.
        latitude: degrees north; together with `longitude` and `radius_km`, or not at all.
        radius_km: the true position lies within this distance of the point, most of the time.
        sources: which data said so.
        kind: what the address itself tells; only public addresses and tunnels have a place.
    """

    country: str | None = None
    asn: int | None = None
    organisation: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    radius_km: float | None = None
    sources: tuple[str, ...] = ()
    kind: AddressKind = AddressKind.PUBLIC

    @property
    def words(self) -> str:
        """Name the place for a person."""
        if self.country:
            return f"{self.city}, {self.country}" if self.city else self.country
        return "an unknown place" if self.kind is AddressKind.PUBLIC else f"a {self.kind.value} address"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A place at a time.

    Attributes:
        is_contested: the session was seen in two places at once, and nobody has proved since which one is real.
    """

    place: Place
    at: datetime
    is_contested: bool = False


class NetworkList(StrEnum):
    """The lists a network can be on."""

    BLOCK = "block"
    ALLOW = "allow"
    SUSPICIOUS = "suspicious"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the lists say about one address, now.

    Attributes:
        reason: why, in the words of who listed it; of the entry that counts most.
        expires_at: when that entry stops to count; nothing means never.
    """

    blocked: bool = False
    allowed: bool = False
    suspicious: bool = False
    reason: str = ""
    expires_at: datetime | None = None


class Evidence(NamedTuple):
    """Everything that one assessment reads beside the baseline; posture facts are `None` while unknown.

    Attributes:
        network: the client's /24 or /48.
        timezone: the user's zone, an IANA name.
        failed_attempts: failed sign-ins of this account, decayed.
        mfa_at: when the session last showed a second factor.
        session_sighting: where this session was last seen acting normally.
    """

    place: Place
    network: str = ""
    timezone: str = "UTC"
    is_device_known: bool = False
    standing: Standing = Standing()
    failed_attempts: float = 0.0
    mfa_at: datetime | None = None
    is_managed: bool | None = None
    disk_encrypted: bool | None = None
    os_patched: bool | None = None
    session_sighting: Sighting | None = None


class Contribution(NamedTuple):
    """What one indicator adds to a score, and why, in words for the person concerned.

    Attributes:
        points: of the score; in a score of behaviour what is added to the natural log-odds.
    """

    indicator: str
    points: float
    detail: str


@dataclass(frozen=True, slots=True)
class Weighed:
    """What stands behind a risk that was computed from behaviour.

    Attributes:
        probability: that somebody else acts than the owner of the account, calibrated.
        log_odds: before calibration; exactly the sum of the contributions.
        is_habit_alone: nothing but habits spoke against the request: no list, no watcher, no journey that cannot be.
        inputs: everything the score read, as JSON values, so that it can be computed again.
    """

    probability: float
    log_odds: float
    is_habit_alone: bool
    inputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Assessment:
    """Both scores of one request.

    Attributes:
        risk: 0 to 100; the sum of `contributions`, clipped; of behaviour the probability in hundredths.
        trust: 0 to 100; the sum of `trust_contributions`, clipped.
        contributions: what raised the risk, and with 0 points what could not be judged.
        trust_contributions: every part of the trust score, earned or not.
        versions: of the profile and the baseline that were read.
        weighed: behind a risk that was computed from behaviour; nothing where points were added.
    """

    risk: int
    trust: int
    contributions: tuple[Contribution, ...]
    trust_contributions: tuple[Contribution, ...]
    versions: Mapping[str, str]
    weighed: Weighed | None = None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where risk begins to matter: below `step_up` it is low, from `deny` on it is high."""

    step_up: int
    deny: int

    def __post_init__(self) -> None:
        """Refuse thresholds that no score could pass or that stand in the wrong order."""
        if not 0 < self.step_up <= self.deny <= 100:  # noqa: PLR2004  # the scale of the score
            raise ValueError("thresholds must satisfy 0 < step_up <= deny <= 100")


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """The hours people usually work, in their own zone.

    Attributes:
        days: ISO weekdays, 1 for Monday.
        start: first minute that counts.
        end: first minute that counts no more; before `start` means past midnight, and equal means all day.
    """

    days: frozenset[int] = frozenset({1, 2, 3, 4, 5})
    start: time = time(8)
    end: time = time(18)

    def cover(self, local: datetime) -> bool:
        """Tell whether a local time is within them; a shift past midnight belongs to the day on which it began."""
        at, day = local.time(), local.isoweekday()
        if self.start == self.end:
            return day in self.days
        if self.start < self.end:
            return day in self.days and self.start <= at < self.end
        return (day in self.days and at >= self.start) or ((day + 5) % 7 + 1 in self.days and at < self.end)


# The mission's numbers stand at `internal`. No single indicator reaches `deny` anywhere: whoever can make one
# indicator fire for somebody else (failed sign-ins above all) must not be able to lock them out with it.
DEFAULT_THRESHOLDS: Mapping[Sensitivity, Thresholds] = MappingProxyType(
    {
        Sensitivity.PUBLIC: Thresholds(step_up=40, deny=75),
        Sensitivity.INTERNAL: Thresholds(step_up=20, deny=50),
        Sensitivity.CONFIDENTIAL: Thresholds(step_up=15, deny=50),
        Sensitivity.RESTRICTED: Thresholds(step_up=10, deny=45),
    }
)


def level(
    risk: int, sensitivity: Sensitivity, thresholds: Mapping[Sensitivity, Thresholds] = DEFAULT_THRESHOLDS
) -> RiskLevel:
    """Say what a risk score means for a resource of this sensitivity; without thresholds for it, the worst."""
    bounds = thresholds.get(sensitivity)
    if bounds is None or not risk < bounds.deny:
        return RiskLevel.HIGH
    return RiskLevel.LOW if risk < bounds.step_up else RiskLevel.MEDIUM
