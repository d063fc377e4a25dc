"""Keep open streams honest: a WebSocket or event stream lives only as long as its request would be allowed again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from watchword.decision import AccessRequest, Decision
from watchword.kernel import Answer, DecisionId, Event, Reason, merged_limits

# Streams claim their admission within milliseconds; those that never come are forgotten in turn.
_REMEMBERED: Final = 20_000
# What time alone changes: a session runs out, a factor ages, an entry of a list expires.
_REVIEW_EVERY_S: Final = 5.0
_AT_ONCE: Final = 50
# What may concern any number of streams whose names it does not say.
_CONCERNS_ALL: Final = ("identity.group.", "trust.network.", "policy.relation.")


class StreamGuard(Protocol):
    """Holds the kill handle of each open stream."""

    def open_decisions(self) -> Sequence[DecisionId]:
        """Name the decision behind each open stream."""
        ...

    def cut_decision(self, decision_id: DecisionId) -> bool:
        """End the stream that a decision let in, at once."""
        ...


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that was let in, kept so that it can be asked again.

    Attributes:
        names: identifiers of the session, the user and the device; none on an open route.
        until: when its stream is over, whatever is decided then; nothing where no policy limits it.
    """

    request: AccessRequest
    names: frozenset[str]
    until: datetime | None = None

    def lasts(self, at: datetime) -> bool:
        """Tell whether the stream may still be open."""
        return self.until is None or at < self.until


class Streams:
    """Ask the decision point again about every open stream that a change may concern, and about all now and then.

    Args:
        decide: the decision procedure without the journal and without a permit.
        ask: the same for reviews, where an answer may be waited for; by default `decide`.
        on_cut: told of each stream that was cut and the decision that cut it; what it raises is its own affair.
    """

    def __init__(
        self,
        decide: Callable[[AccessRequest], Decision],
        on_cut: Callable[[DecisionId, Decision], None],
        *,
        ask: Callable[[AccessRequest], Awaitable[Decision]] | None = None,
    ) -> None:
        self._guard: StreamGuard | None = None
        self._decide = decide
        self._ask = ask
        self._on_cut = on_cut
        self._admitted: dict[DecisionId, Admission] = {}
        self._evict_above = _REMEMBERED
        self._due = asyncio.Event()

    def guarded_by(self, guard: StreamGuard) -> None:
        """Name the guard that holds the streams; it needs `admits` first, so it comes second."""
        self._guard = guard

    def admitted(self, decision: Decision) -> None:
        """Remember an allowed request until a stream claims it or 20,000 others have come."""
        known = (decision.session, decision.user, decision.device)
        names = frozenset(str(found.id) for found in known if found is not None)
        limit_s = merged_limits(each.limits for each in decision.obligations).session_s
        until = decision.at + timedelta(seconds=limit_s) if limit_s is not None else None
        self._admitted[decision.id] = Admission(decision.request, names, until)
        if len(self._admitted) > self._evict_above:
            self._evict()

    def admits(self, decision_id: DecisionId) -> bool:
        """Tell whether a decision let a request in and would still do so now."""
        admission = self._admitted.get(decision_id)
        return admission is not None and self._decide(admission.request).answer is Answer.ALLOW

    async def observe(self, events: Sequence[Event]) -> None:
        """Ask about the streams that the events name at once, and about all when the events may concern any."""
        if any(event.type.startswith(_CONCERNS_ALL) for event in events):
            self.review_all()
        subjects = {event.subject for event in events}
        for decision_id in self._open():
            admission = self._admitted.get(decision_id)
            if admission is None or not admission.names.isdisjoint(subjects):
                await self._review(decision_id)

    def review_all(self) -> None:
        """Ask about every open stream, from now on; `run` does it."""
        self._due.set()

    async def run(self) -> None:
        """Review every open stream when that is due, and every five seconds anyway, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_REVIEW_EVERY_S):
                    await self._due.wait()
            self._due.clear()
            await self.review()

    async def review(self) -> None:
        """Ask about every open stream; new requests are decided in between."""
        for n, decision_id in enumerate(self._open(), start=1):
            await self._review(decision_id)
            if n % _AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _review(self, decision_id: DecisionId) -> None:
        """Cut one stream unless its request would be let in now; one that nobody remembers is cut."""
        admission = self._admitted.get(decision_id)
        decision = await self._asked(admission.request) if admission is not None else None
        if admission is not None and decision is not None and decision.answer is Answer.ALLOW:
            if admission.lasts(decision.at):
                return
            decision = replace(decision, answer=Answer.DENY, reasons=(Reason.SESSION_EXPIRED,))
        if self._guard is not None and self._guard.cut_decision(decision_id) and decision is not None:
            # Prevents: one cut that cannot be told saving all streams after it.
            with suppress(Exception):
                self._on_cut(decision_id, decision)

    async def _asked(self, request: AccessRequest) -> Decision:
        return self._decide(request) if self._ask is None else await self._ask(request)

    def _evict(self) -> None:
        """Forget the older half of those that have no open stream."""
        open_now = set(self._open())
        closed = [known for known in self._admitted if known not in open_now]
        for known in closed[: len(closed) // 2 + 1]:
            del self._admitted[known]
        self._evict_above = max(_REMEMBERED, len(self._admitted) + _REMEMBERED // 2)

    def _open(self) -> Sequence[DecisionId]:
        return self._guard.open_decisions() if self._guard is not None else ()
