"""Give others their turn: long work on the event loop pauses every few milliseconds."""

from __future__ import annotations

import asyncio
from typing import Final

from watchword.kernel import Clock

_TURN_S: Final = 0.004
_STEPS: Final = 50


class Turn:
    """One stretch of work; counts steps as well, for clocks that stand still."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._steps = 0

    async def pass_on(self) -> None:
        """Let others run, if it is time."""
        self._steps += 1
        if self._steps >= _STEPS or self._clock.monotonic() - self._began >= _TURN_S:
            await asyncio.sleep(0)
            self._began, self._steps = self._clock.monotonic(), 0
