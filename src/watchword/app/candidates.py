"""Watch policies that do not decide beside those that do: a candidate directory, and policies that only report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from watchword.app.recorded import recorded_now
from watchword.decision import Decision
from watchword.policy import PolicySet, PolicySource
from watchword.policy.replay import Candidate, Seen

_LOOK_EVERY_S: Final = 0.5


class Candidates:
    """Everything that only watches.

    Args:
        live: the set in force, asked anew each time.
        directory: of policies to try; nothing for none.
        relations: the tuples in memory, as a model sees them.
    """

    def __init__(self, live: Callable[[], PolicySet], directory: Path | None, *, relations: Seen | None = None) -> None:
        self._live = live
        self._source = PolicySource(directory) if directory is not None else None
        self._rehearsed: PolicySet | None = None
        self._looked_at: PolicySet | None = None
        self._problem: str | None = None
        self.directory: Candidate[Decision] = Candidate(self._tried, recorded_now, relations=relations)
        self.reported: Candidate[Decision] = Candidate(lambda: self._rehearsed, recorded_now, relations=relations)

    async def open(self) -> None:
        """Load the candidate directory; a wrong one is told by `figures` and changes nothing else."""
        if self._source is not None:
            await self._source.start()
        await self._look_at_live()

    async def close(self) -> None:
        """Stop watching files."""
        if self._source is not None:
            await self._source.stop()

    def observe(self, decision: Decision) -> None:
        """Take note of a released decision; never waits and never raises."""
        self.directory.observe(decision)
        self.reported.observe(decision)

    def background(self) -> Sequence[Coroutine[Any, Any, None]]:
        """Return the work that goes on while the node runs."""
        return self.directory.run(), self.reported.run(), self._follow_live()

    def figures(self) -> dict[str, Any]:
        """Return what was found, bounded, as JSON values; nothing in the place of what is not watched."""
        source, is_reported = self._source, self._rehearsed is not None or self._problem is not None
        return {
            "candidate": self.directory.figures() | {"problem": source.problem} if source is not None else None,
            "report_only": self.reported.figures() | {"problem": self._problem} if is_reported else None,
        }

    def _tried(self) -> PolicySet | None:
        """Return the candidate; one without policies was not loaded yet, or is wrong, and would say nothing."""
        return self._source.current if self._source is not None and len(self._source.current) else None

    async def _follow_live(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self._look_at_live()

    async def _look_at_live(self) -> None:
        live = self._live()
        if live is not self._looked_at:
            self._looked_at, self._problem = live, None
            try:
                # In a thread, for a large set takes a while to compile, and nobody at a door shall wait for it.
                self._rehearsed = await asyncio.to_thread(live.rehearsed)
            except Exception as error:  # noqa: BLE001  # what only reports never keeps a node from deciding
                self._rehearsed, self._problem = None, f"they cannot be evaluated: {type(error).__name__}"
