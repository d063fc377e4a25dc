"""Release decisions: decide in memory, prove in the journal, then answer."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from watchword.decision.model import AccessRequest, Decision
from watchword.decision.procedure import Procedure
from watchword.kernel import Answer, Reason

_RECENT = 500


class Journal(Protocol):
    """Where decisions are proved."""

    async def append_encoded(self, record: bytes) -> int:
        """Make a record durable and return its sequence number; raise a `WatchwordError` when that is impossible.

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
        """Decide and release.

        # INVARIANT: an answer leaves only after its record is durable; if that fails, the answer is deny.
        """
        decision = await self._settled(lambda: self._procedure.decide(request))
        try:
            await self._journal.append_encoded(decision.encoded())
        except Exception:  # noqa: BLE001  # whatever keeps the record from the disk keeps the answer from the door
            decision = replace(
                decision,
                answer=Answer.DENY,
                reasons=(Reason.JOURNAL_UNWRITABLE,),
                asked=None,
                step_up=None,
                permissions=(),
                permit=None,
            )
        self.recent.append(decision)
        self.counts[decision.answer, decision.reasons[0]] += 1
        for observer in self._observers:
            observer(decision)
        return decision
