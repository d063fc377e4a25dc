"""Keep open streams honest: a WebSocket or event stream lives only as long as its request would be allowed again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from watchword.decision import AccessRequest, Decision
from watchword.kernel import Answer, DecisionId, Event

# Streams claim their admission within milliseconds; those that never come are forgotten in turn.
_REMEMBERED: Final = 20_000


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
    """A request that was let in, kept so that it can be asked again; without names on an open route."""

    request: AccessRequest
    session_id: str
    user_id: str


class Streams:
    """Ask the decision point again about every open stream that a change may concern.

    Args:
        decide: the decision procedure without the journal.
        on_cut: told of each stream that was cut and the decision that cut it.
    """

    def __init__(
        self,
        decide: Callable[[AccessRequest], Decision],
        on_cut: Callable[[DecisionId, Decision], None],
    ) -> None:
        self._guard: StreamGuard | None = None
        self._decide = decide
        self._on_cut = on_cut
        self._admitted: OrderedDict[DecisionId, Admission] = OrderedDict()

    def guarded_by(self, guard: StreamGuard) -> None:
        """Name the guard that holds the streams; it needs `admits` first, so it comes second."""
        self._guard = guard

    def admitted(self, decision: Decision) -> None:
        """Remember an allowed request until a stream claims it or 20,000 others have come."""
        self._admitted[decision.id] = Admission(
            decision.request,
            decision.session.id if decision.session else "",
            decision.user.id if decision.user else "",
        )
        if len(self._admitted) > _REMEMBERED:
            open_now = set(self._open())
            for known in list(self._admitted)[: _REMEMBERED // 2]:
                if known not in open_now:
                    del self._admitted[known]

    def admits(self, decision_id: DecisionId) -> bool:
        """Tell whether a decision let a request in and would still do so now."""
        admission = self._admitted.get(decision_id)
        return admission is not None and self._decide(admission.request).answer is Answer.ALLOW

    async def observe(self, events: Sequence[Event]) -> None:
        """Re-decide the streams of every session and user that the events name."""
        subjects = {event.subject for event in events}
        self.reconsider(lambda admission: bool({admission.session_id, admission.user_id} & subjects))

    def reconsider(self, concerns: Callable[[Admission], bool] = lambda _: True) -> int:
        """Cut the open streams that would not be let in now; return how many."""
        cut = 0
        for decision_id in self._open():
            admission = self._admitted.get(decision_id)
            if admission is not None and not concerns(admission):
                continue
            decision = self._decide(admission.request) if admission is not None else None
            if decision is not None and decision.answer is Answer.ALLOW:
                continue
            if self._guard is not None and self._guard.cut_decision(decision_id):
                cut += 1
                if decision is not None:
                    self._on_cut(decision_id, decision)
        return cut

    def _open(self) -> Sequence[DecisionId]:
        return self._guard.open_decisions() if self._guard is not None else ()
