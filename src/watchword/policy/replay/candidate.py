"""Watch what other policies would have answered to real traffic, and never let them answer.

An observer only puts what was released into a queue; a task looks at it later, a few at a time, and rests four times as
long as it worked. What finds the queue full is counted and forgotten: nobody ever waits for a candidate.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final, Generic, TypeVar

from watchword.policy.engine import PolicySet
from watchword.policy.replay.model import Recorded
from watchword.policy.replay.rehearsal import Judged, Rehearsal
from watchword.policy.replay.relating import Seen
from watchword.policy.replay.report import Report
from watchword.policy.verdict import IsKnown

T = TypeVar("T")

MOST_WAITING: Final = 2_000
MOST_GROUPS: Final = 1_000
_SLICE_S: Final = 0.001
_REST: Final = 4
_SHOWN: Final = 20
_BATCH: Final = 50


class Candidate(Generic[T]):
    """Policies that watch.

    Args:
        policies: what to try, asked anew for each slice of work; nothing while there is nothing to try. Another version
            begins another report.
        read: turns what was released into what a replay compares; its second argument rises with each.
        is_known: as for `verdict_of`.
        relations: the tuples, which answer for a model of its own as well.

    Attributes:
        dropped: what found the queue full.
        failed: what could not be looked at, whatever the cause.
    """

    def __init__(
        self,
        policies: Callable[[], PolicySet | None],
        read: Callable[[T, int], Recorded],
        *,
        is_known: IsKnown | None = None,
        relations: Seen | None = None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._policies = policies
        self._read = read
        self._is_known = is_known
        self._relations = relations
        self._waiting: deque[T] = deque()
        self._most_waiting = most_waiting
        self._came = asyncio.Event()
        self._rehearsal: Rehearsal | None = None
        self._tried: PolicySet | None = None
        self._is_slow = False
        self._seq = 0
        self.dropped = 0
        self.failed = 0

    def observe(self, released: T) -> None:
        """Take note of something that was released; never waits and never raises."""
        if self._policies() is None:
            return
        # Prevents: a flood of requests filling the memory with what a candidate has not looked at.
        if len(self._waiting) >= self._most_waiting:
            self.dropped += 1
            return
        self._waiting.append(released)
        self._came.set()

    async def run(self) -> None:
        """Look at what comes, for ever, in no more than a fifth of the time."""
        while True:
            await self._came.wait()
            began = perf_counter()
            try:
                await (self._work_aside() if self._is_slow else self._work_here())
            except Exception:  # noqa: BLE001  # as in `_judged`
                self.failed += 1
            took = perf_counter() - began
            if not self._waiting:
                self._came.clear()
            await asyncio.sleep(took * _REST)

    def work(self, within_s: float) -> None:
        """Look at what waits, until it is done or the time is up."""
        began = perf_counter()
        rehearsal = self._current()
        while self._waiting:
            self._count(rehearsal, self._judged(rehearsal, self._waiting.popleft()))
            if perf_counter() - began >= within_s:
                break

    async def _work_here(self) -> None:
        self.work(_SLICE_S)

    async def _work_aside(self) -> None:
        """Judge in a thread, for policies that wait for another process; count here, where the figures are read."""
        rehearsal = self._current()
        some = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
        judged = await asyncio.to_thread(lambda: [self._judged(rehearsal, each) for each in some])
        for each in judged:
            self._count(rehearsal, each)

    @property
    def report(self) -> Report | None:
        """What was found since the policies last changed; nothing while there are none."""
        return self._rehearsal.report if self._rehearsal is not None else None

    def figures(self) -> dict[str, Any]:
        """Return what was found, bounded, as JSON values."""
        report = self.report
        return {
            "waiting": len(self._waiting),
            "dropped": self.dropped,
            "failed": self.failed,
            "report": (report or Report()).as_json(most=_SHOWN),
        }

    def _judged(self, rehearsal: Rehearsal | None, released: T) -> tuple[Recorded, Judged | None] | None:
        if rehearsal is None:
            return None
        try:
            self._seq += 1
            decision = self._read(released, self._seq)
            return decision, rehearsal.judge(decision)
        except Exception:  # noqa: BLE001  # whatever a candidate does, the node goes on and says how often
            self.failed += 1
            return None

    def _count(self, rehearsal: Rehearsal | None, found: tuple[Recorded, Judged | None] | None) -> None:
        if rehearsal is not None and found is not None:
            rehearsal.count(*found)

    def _current(self) -> Rehearsal | None:
        policies = self._policies()
        if policies is not self._tried:
            is_new = self._tried is None or policies is None or policies.version != self._tried.version
            if is_new:
                self._begin(policies)
            self._tried = policies
        return self._rehearsal

    def _begin(self, policies: PolicySet | None) -> None:
        """Begin another report, for figures of two versions say nothing together."""
        self._rehearsal = None
        self._is_slow = policies is not None and not policies.is_repeatable
        if policies is not None:
            report = Report(most_groups=MOST_GROUPS)
            # What is judged in a thread must not walk over tuples, which belong to the loop's.
            relations = None if self._is_slow else self._relations
            self._rehearsal = Rehearsal(policies, is_known=self._is_known, report=report, relations=relations)
