"""Peer groups of those who have no group of their own: the clusters of people who use the same, as a night found them.

Source: design section 5 (role first, else nightly clusters on resource sets).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from watchword.trust.behaviour import SEPARATOR, BehaviourProfile

# A group that people are members of cannot have a name with a space in it.
# Prevents: a group that somebody calls `peers-01` being taken for the cluster of that name.
_NAME: Final = "cluster {}"
_MOST: Final = 20_000
_RESOURCE: Final = f"r{SEPARATOR}"
_STEPS: Final = 2  # application and resource

Use = Mapping[str, float]


class Clusters(Protocol):
    """Peer groups as the batch plane keeps them."""

    @property
    def members(self) -> Mapping[str, str]:
        """Return the group of each user whom the groups were made from."""
        ...

    def group_of(self, used: Use) -> str:
        """Return the group whose members use most nearly the same; the empty text if none does."""
        ...


class Peering:
    """Say who belongs to which cluster, in bounded memory.

    Attributes:
        version: of the clusters in force; the empty text for none.
    """

    def __init__(self) -> None:
        self._clusters: Clusters | None = None
        self._found: dict[str, str] = {}
        self.version = ""

    def use(self, clusters: Clusters | None, version: str) -> None:
        """Put other clusters in force, or none."""
        self._clusters, self.version, self._found = clusters, version if clusters is not None else "", {}

    def group_of(self, user: str, used: Callable[[], Use]) -> str:
        """Return the name of a user's cluster; the empty text for none.

        Args:
            used: tells what somebody uses whom the clusters were not made from; asked once until something is learned.
        """
        if self._clusters is None or not user:
            return ""
        found = self._found.get(user)
        if found is None:
            cluster = self._clusters.members.get(user) or self._clusters.group_of(used())
            # Prevents: very many accounts filling the memory.
            if len(self._found) >= _MOST:
                self._found.clear()
            found = self._found[user] = _NAME.format(cluster) if cluster else ""
        return found

    def forget(self, user: str) -> None:
        """Look again when somebody is asked about next."""
        self._found.pop(user, None)


def is_cluster(group: str) -> bool:
    """Tell a cluster from a group that people are members of."""
    return group.startswith(_NAME.format(""))


def use_of(profile: BehaviourProfile) -> dict[str, float]:
    """Return how often each resource was used, in units of the least used one, and named as the batch plane does."""
    totals = {
        key: total
        for key, total in profile.totals.items()
        if key.startswith(_RESOURCE) and key.count(SEPARATOR) == _STEPS
    }
    least = max(1, min(totals.values(), default=1))
    return {" ".join(key.split(SEPARATOR)[1:]): total / least for key, total in totals.items()}
