"""What is known of an address and its network beside habits, and what an administrator said is all right there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol

from watchword.trust.learning import SILENCES, Suppression, silenced
from watchword.trust.observation import NO_TRAITS, Finding, NetworkTraits, Observation
from watchword.trust.shared import SharedNetworks

_NOTHING: Final[frozenset[str]] = frozenset()
_ALL: Final = tuple(Finding(name, 1.0, "") for name in sorted(frozenset().union(*SILENCES.values())))


class Verdict(Protocol):
    """What is said of one address."""

    @property
    def finding(self) -> Finding:
        """Return it as evidence."""
        ...

    @property
    def traits(self) -> NetworkTraits:
        """Return what its network is."""
        ...


class Reputation(Protocol):
    """What feeds and databases say of addresses."""

    def of(self, address: str, now: datetime) -> Verdict:
        """Return what is said of an address, the same for a whole minute; never raises."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Return the version of each feed's data."""
        ...


class Surroundings:
    """Reputation, shared networks and suppressions, in memory.

    Args:
        reputation: of addresses; without it nothing is said of them.
        places: names the data that places come from.

    Attributes:
        shared: networks that several users come from.
    """

    def __init__(self, reputation: Reputation | None, places: str) -> None:
        self._reputation = reputation
        self._places = {"places": places}
        self._suppressions: dict[str, list[Suppression]] = {}
        self.shared = SharedNetworks()

    def use_suppressions(self, active: Iterable[Suppression]) -> None:
        """Put the suppressions in force that there are now."""
        self._suppressions = {}
        for each in active:
            self._suppressions.setdefault(each.user, []).append(each)

    def said(self, ip: str, now: datetime) -> Finding | None:
        """Return what feeds say of an address; nothing without feeds."""
        return self._reputation.of(ip, now).finding if self._reputation is not None else None

    def traits_of(self, ip: str, network: str, now: datetime) -> NetworkTraits:
        """Say what is known of an address's network."""
        told = self._reputation.of(ip, now).traits if self._reputation is not None else NO_TRAITS
        return replace(told, is_shared=True) if self.shared.is_shared(network) else told

    def versions(self) -> Mapping[str, str]:
        """Return the version of every data set that is read."""
        if self._reputation is None:
            return self._places
        return {**self._places, **{f"feed {name}": said for name, said in self._reputation.versions().items()}}

    def quiet(self, observation: Observation, now: datetime) -> frozenset[str]:
        """Name the indicators that say nothing against this user here."""
        active = self._suppressions.get(observation.user)
        if not active:
            return _NOTHING
        return frozenset(each.indicator for each in silenced(_ALL, observation, active, now=now) if not each.value)
