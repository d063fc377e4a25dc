"""What a door may give again by itself: how long an allow lasts, and the record of how often it was given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from watchword.decision.case import Meaning
from watchword.decision.lasting import Lasting
from watchword.decision.model import AccessRequest, Decision
from watchword.decision.reuse import Reuse


class Leases:
    """What the procedure says of leases."""

    def __init__(self, reuse: Reuse, meaning: Callable[[AccessRequest], Meaning], now: Callable[[], datetime]) -> None:
        self._reuse = reuse
        self._meaning = meaning
        self._now = now

    def lasting(self, decision: Decision) -> Lasting | None:
        """Tell how long an allow lasts for its very same request; nothing where a door may not give it by itself."""
        meaning = self._meaning(decision.request)
        if decision.permit is None or meaning.rule is None or meaning.is_open:
            return None
        return self._reuse.lasting(decision, meaning.rule, self._now)

    def leased(self, decision: Decision, uses: int) -> Decision:
        """Say that a door gave an allow again so many times since the last time it was said."""
        return self._reuse.leased(decision, uses, self._now())
