"""What this room raises; a denial is a value and never one of these."""

from __future__ import annotations

from traceback import extract_tb

from watchword.kernel import WatchwordError


class DecisionError(WatchwordError):
    """The decision point was used wrongly or cannot work."""

    code = "decision.failed"


def whereabouts(error: Exception) -> str:
    """Say what failed and where, for operators; neither the words nor the frames, which hold what was asked."""
    last = extract_tb(error.__traceback__)[-1:]
    return f"{type(error).__name__} at " + ", ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in last
    )
