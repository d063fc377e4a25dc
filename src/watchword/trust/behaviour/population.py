"""What is usual for everybody together: the background that one user's habits are compared with."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Population:
    """Counters of all users of an organisation; each user adds at most what their own profile learned.

    Attributes:
        totals: as in a profile.
        under: as in a profile.
        learned: how many events were learned.
        users: how many users taught it.
    """

    totals: dict[str, int] = field(default_factory=dict)
    under: dict[str, int] = field(default_factory=dict)
    novel: dict[str, int] = field(default_factory=dict)
    learned: int = 0
    users: int = 0

    @property
    def version(self) -> int:
        """Count what was learned."""
        return self.learned
