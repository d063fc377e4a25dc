"""Release decisions: decide in memory, prove in the journal, then answer."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import orjson

from watchword.decision.lasting import Lasting
from watchword.decision.model import AccessRequest, Decision
from watchword.decision.procedure import Procedure
from watchword.decision.strangers import Strangers
from watchword.kernel import Answer, Reason

_RECENT = 500


class Journal(Protocol):
    """Where decisions are proved."""

    def submit(self, record: bytes, settled: Callable[[Exception | None], None]) -> None:
        """Make a record durable; then, or when that is impossible, say so once, now or later, from the event loop.

        Never raises.

        Args:
            record: one JSON object with its `type` and `at`.
        """
        ...


class Remote(Protocol):
    """A policy server elsewhere, which a decision may have to ask although it never waits."""

    async def settle(self, decide: Callable[[], Decision]) -> Decision:
        """Run a decision as often as it finds something new to ask, asking in between; return the last."""
        ...


class DecisionPoint:
    """Decide, journal, release, in this order.

    Attributes:
        recent: the newest decisions, newest last; for the console's live view.
        counts: decisions since the start, by answer and first reason.
    """

    def __init__(self, procedure: Procedure, journal: Journal, *, remote: Remote | None = None) -> None:
        self._procedure = procedure
        self._remote = remote
        self._journal = journal
        self._observers: list[Callable[[Decision], None]] = []
        self._strangers = Strangers()
        self._tasks: set[asyncio.Task[None]] = set()
        self.recent: deque[Decision] = deque(maxlen=_RECENT)
        self.counts: Counter[tuple[Answer, Reason]] = Counter()

    def subscribe(self, observer: Callable[[Decision], None]) -> None:
        """Tell `observer` of each released decision; it must be quick and must not raise."""
        self._observers.append(observer)

    def evaluate(self, request: AccessRequest) -> Decision:
        """Decide without releasing, for open streams that are asked about again; the answer carries no permit."""
        return self._procedure.decide(request, is_question=True)

    async def ask(self, request: AccessRequest) -> Decision:
        """Decide without releasing, as `evaluate` does, and ask whoever elsewhere must agree."""
        return await self._settled(lambda: self.evaluate(request))

    async def _settled(self, decide: Callable[[], Decision]) -> Decision:
        return decide() if self._remote is None else await self._remote.settle(decide)

    async def authorize(self, request: AccessRequest) -> Decision:
        """Decide, journal, and return the answer."""
        decision = await self._settled(lambda: self._procedure.decide(request))
        waiting: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()

        def told(released: Decision) -> None:
            if not waiting.done():  # whoever waited was cancelled; the record stays
                waiting.set_result(released)

        self._prove(decision, told)
        return await waiting

    def release(self, request: AccessRequest, told: Callable[[Decision], None]) -> None:
        """Decide, journal, and tell once, now or later; without a task, for the path where each microsecond counts.

        Args:
            told: must not raise.
        """
        if self._remote is None:
            self._prove(self._procedure.decide(request), told)
            return
        task = asyncio.get_running_loop().create_task(self._release_settled(request, told))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _release_settled(self, request: AccessRequest, told: Callable[[Decision], None]) -> None:
        self._prove(await self._settled(lambda: self._procedure.decide(request)), told)

    def _prove(self, decision: Decision, told: Callable[[Decision], None]) -> None:
        """Journal, then tell.

        # INVARIANT: an answer leaves only after its record is durable; if that fails, the answer is deny. Refusals of
        # strangers who come in floods are told at once, and counted.
        """
        if self._strangers.count(decision):
            self._tell(decision, told)
            return

        def settled(error: Exception | None) -> None:
            self._tell(decision if error is None else _unproved(decision), told)

        try:
            record = decision.encoded()
        except Exception:  # noqa: BLE001  # whatever keeps the record from the disk keeps the answer from the door
            self._tell(_unproved(decision), told)
        else:
            self._journal.submit(record, settled)

    def lasting(self, decision: Decision) -> Lasting | None:
        """Tell how long an allow lasts for its very same request; nothing where it may not be leased."""
        return self._procedure.leases.lasting(decision) if self._remote is None else None

    def account(self, decision: Decision, uses: int, told: Callable[[Exception | None], None]) -> None:
        """Journal that the edge gave a leased allow so many times more; then, or when that is impossible, say so once.

        Args:
            decision: the one that was leased.
            told: must not raise.
        """
        repeated = self._procedure.leases.leased(decision, uses)

        def settled(error: Exception | None) -> None:
            if error is None:
                self.recent.append(repeated)
                self.counts[repeated.answer, repeated.reasons[0]] += uses
                for observer in self._observers:
                    observer(repeated)
            told(error)

        self._journal.submit(repeated.encoded(), settled)

    def account_left(self, decision: str, uses: int, now: datetime, told: Callable[[Exception | None], None]) -> None:
        """Journal uses of a lease that an earlier run of this node granted and did not live to account for."""
        record = {"type": "lease.left", "at": now, "repeats": decision, "leased": uses}
        self._journal.submit(orjson.dumps(record), told)

    async def sum_up(self, now: datetime) -> None:
        """Journal how many strangers were refused without a record of their own since the last time.

        Raises:
            WatchwordError: the journal refused; the figures are in the next record.
        """
        record = self._strangers.summed_up(now)
        if record is None:
            return
        written: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._journal.submit(orjson.dumps(record), written.set_result)
        failure = await written
        if failure is not None:
            self._strangers.take_back(record)
            raise failure

    def _tell(self, decision: Decision, told: Callable[[Decision], None]) -> None:
        self.recent.append(decision)
        self.counts[decision.answer, decision.reasons[0]] += 1
        for observer in self._observers:
            observer(decision)
        told(decision)


def _unproved(decision: Decision) -> Decision:
    return replace(
        decision,
        answer=Answer.DENY,
        reasons=(Reason.JOURNAL_UNWRITABLE,),
        asked=None,
        step_up=None,
        permissions=(),
        permit=None,
    )
