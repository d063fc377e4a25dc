"""Say of one user and one network, device or place that it is all right, for a while: some indicators fall silent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from watchword.kernel import Id
from watchword.trust.countries import is_country
from watchword.trust.learning.errors import FeedbackMalformedError
from watchword.trust.observation import Finding, Observation

LONGEST = timedelta(days=90)
MOST_PER_USER = 20
LONGEST_VALUE = 120


class SuppressionId(Id):
    """One suppression."""

    prefix = "sup"


class Scope(StrEnum):
    """What is said to be all right for a user."""

    NETWORK = "network"  # a /24 or /48
    DEVICE = "device"  # a device key
    COUNTRY = "country"  # ISO 3166-1 alpha-2


@dataclass(frozen=True, slots=True)
class Suppression:
    """One of them; it counts until `until`, and not at that moment."""

    id: str
    user: str
    scope: Scope
    value: str
    until: datetime
    reason: str
    given_by: str
    given_at: datetime


def check(suppression: Suppression, now: datetime) -> None:
    """Refuse what is for everybody, for nothing, for ever or over already.

    Raises:
        FeedbackMalformedError: as said.
    """
    if not suppression.user or not 0 < len(suppression.value) <= LONGEST_VALUE:
        raise FeedbackMalformedError(
            "a suppression is for one user and one network, device or country",
            hint="name both; to trust a network for everybody use `watchword networks add allow`",
        )
    if suppression.scope is Scope.COUNTRY and not is_country(suppression.value):
        # Prevents: something that never comes true being taken for done.
        raise FeedbackMalformedError(
            f"`{suppression.value}` is no country", hint="write the two letters of ISO 3166, such as FR"
        )
    if not now < suppression.until <= now + LONGEST:
        raise FeedbackMalformedError(
            f"a suppression ends within {LONGEST.days} days", hint="give it again when it has run out"
        )


def silenced(
    findings: Sequence[Finding], observation: Observation, active: Iterable[Suppression], *, now: datetime
) -> tuple[Finding, ...]:
    """Return findings as they count: what a suppression covers says nothing against the user any more.

    What speaks for the owner stays. Nothing is ever silenced that tells of a stolen session, a replayed token or an
    attack on many accounts: those are not a matter of where somebody usually is.
    """
    quiet: set[str] = set()
    for each in active:
        if each.user == observation.user and each.until > now and _value(observation, each.scope) == each.value:
            quiet |= SILENCES[each.scope]
    if not quiet:
        return tuple(findings)
    return tuple(
        replace(finding, value=0.0, detail=f"{finding.detail} (an administrator said that this is all right)")
        if finding.indicator in quiet and finding.value > 0
        else finding
        for finding in findings
    )


def _value(observation: Observation, scope: Scope) -> str:
    if scope is Scope.NETWORK:
        return observation.network
    return observation.device if scope is Scope.DEVICE else observation.place.country or ""


_PLACE = frozenset({"network", "address", "new_country", "new_asn", "new_network", "new_address", "impossible_travel"})
SILENCES: Mapping[Scope, frozenset[str]] = MappingProxyType(
    {
        Scope.NETWORK: _PLACE | {"traits", "new_traits", "reputation", "suspicious_ip"},
        Scope.DEVICE: frozenset(
            {"agent", "new_kind", "new_system", "new_browser", "new_version", "new_agent", "device", "new_device"}
        ),
        Scope.COUNTRY: _PLACE,
    }
)
