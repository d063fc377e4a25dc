"""What this room raises; a denial is a value and never one of these."""

from __future__ import annotations

from watchword.kernel import WatchwordError


class DecisionError(WatchwordError):
    """The decision point was used wrongly or cannot work."""

    code = "decision.failed"
