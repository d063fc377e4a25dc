"""Say when a feed is looked at next."""

from __future__ import annotations

from typing import Final

from watchword.kernel import Entropy
from watchword.trust.feeds.kept import State
from watchword.trust.feeds.settings import FeedSettings

_FIRST_AGAIN_S: Final = 30.0
_MOST_DOUBLINGS: Final = 12
_BUSY_AGAIN_S: Final = 5.0


class Schedule:
    """When each feed is due.

    The first failure is tried again after half a minute, and each further one after twice as long, never longer than a
    period; all of it up to a tenth (after failures a quarter) sooner or later, so that not all nodes ask at once.
    """

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._asked_for: dict[str, float] = {}

    def wait_s(self, settings: FeedSettings, state: State, minute: int) -> float:
        """Return the seconds until a feed is due: a period after it was asked, sooner after a failure."""
        if settings.name in self._asked_for:
            return self._asked_for.pop(settings.name)
        if not state.asked:
            return 0.0
        if state.failures:
            return self._again_s(settings, state.failures)
        since_s = (minute - state.asked) * 60
        # A time ahead of the clock tells nothing; the feed is due.
        return max(0.0, self._jittered(_period_s(settings), 0.1) - since_s) if since_s >= 0 else 0.0

    def be_patient(self, settings: FeedSettings, wait_s: float, failures: int) -> None:
        """Leave a server alone as long as it asks, within a period."""
        # Prevents: a server that asks for a second of patience, again and again, keeping a process of ours busy.
        least_s = self._again_s(settings, max(failures, 1))
        self._asked_for[settings.name] = max(min(wait_s, _period_s(settings)), least_s)

    def look_again_soon(self, settings: FeedSettings) -> None:
        """Look again when another process on this machine will have looked."""
        self._asked_for[settings.name] = _BUSY_AGAIN_S

    def _again_s(self, settings: FeedSettings, failures: int) -> float:
        usual_s = _FIRST_AGAIN_S * 2 ** min(failures - 1, _MOST_DOUBLINGS)
        return self._jittered(min(usual_s, _period_s(settings)), 0.25)

    def _jittered(self, seconds: float, share: float) -> float:
        drawn = int.from_bytes(self._entropy.token_bytes(2)) / 0xFFFF
        return seconds * (1 + share * (2 * drawn - 1))


def _period_s(settings: FeedSettings) -> float:
    return settings.every_min * 60
