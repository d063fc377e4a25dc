"""Keep the node's scoring of behaviour abreast of what people said and what was promoted."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from watchword.app.rounds import again_and_again
from watchword.decision import Decision
from watchword.kernel import Acr, Answer, Clock, Event, SessionId
from watchword.trust import Habits
from watchword.trust.learning import (
    Feedback,
    FeedbackMalformedError,
    FeedbackRefusedError,
    KeptModels,
    ModelKeptError,
    judged_of,
)

_MOST_ASKED: Final = 10_000
_LAPSES_AFTER: Final = timedelta(minutes=15)


class Abreast:
    """Follow the score in force and the suppressions, which the command line changes beside the running node.

    Attributes:
        problem: why the score that was promoted cannot be used; nothing while it can.
    """

    def __init__(self, kept: KeptModels, feedback: Feedback, habits: Habits) -> None:
        self._kept = kept
        self._feedback = feedback
        self._habits = habits
        self.problem: str | None = None

    async def look(self) -> None:
        """Take over what is in force now; a score that cannot be read leaves the one before in force."""
        try:
            model = await asyncio.to_thread(self._kept.current)
            self.problem = None
            if model.hash != self._habits.model.hash:
                self._habits.use_model(model)
        except ModelKeptError as error:
            self.problem = error.message
        self._habits.use_suppressions(await self._feedback.suppressions())

    async def run(self) -> None:
        """Look again every few seconds, until cancelled; where that fails, what was in force stays."""
        await again_and_again(self.look)


class StepUpOutcomes:
    """Take what came of asking for a second factor as weak labels: given soon speaks for the owner, not given against.

    What was asked is kept in bounded memory; a restart forgets it, which loses weak labels and nothing else.

    Args:
        acr_of: how a session was proved, by now; nothing for one that is gone.
        refused_of: how many prompts an account refused within the last five minutes.
    """

    def __init__(
        self,
        feedback: Feedback,
        kept: KeptModels,
        clock: Clock,
        acr_of: Callable[[SessionId], Acr | None],
        refused_of: Callable[[str], int] = lambda _user: 0,
    ) -> None:
        self._feedback = feedback
        self._kept = kept
        self._clock = clock
        self._acr_of = acr_of
        self._refused_of = refused_of
        self._asked: OrderedDict[SessionId, Decision] = OrderedDict()
        self._passed: list[tuple[Decision, Acr, int]] = []
        self._gone: list[str] = []

    def see(self, decision: Decision) -> None:
        """Remember the first act of a session for which behaviour asked; told of every decision."""
        if decision.answer is not Answer.STEP_UP or decision.session is None or decision.session.id in self._asked:
            return
        if decision.assessment is None or decision.assessment.weighed is None:
            return
        # Prevents: sessions of very many users, asked and never answered, filling the memory.
        if len(self._asked) >= _MOST_ASKED:
            self._asked.popitem(last=False)
        self._asked[decision.session.id] = decision

    async def observe(self, events: Sequence[Event]) -> None:
        """Note who gave the factor and who is gone; the facts of decisions never wait for what is learned of them."""
        for event in events:
            if event.type == "identity.session.stepped_up":
                session = SessionId(event.subject)
                decision, acr = self._asked.pop(session, None), self._acr_of(session)
                # A password says nothing, whatever was shown in the session before.
                if decision is not None and acr is not None and event.data.get("factor") != "password":
                    refused = self._refused_of(decision.session.user_id) if decision.session is not None else 0
                    self._passed.append((decision, acr, 1 + refused))
            elif event.type == "identity.user.deleted":
                self._gone.append(event.subject)

    async def run(self) -> None:
        """Write labels every few seconds, until cancelled; where that fails, weak labels are lost and nothing else."""
        await again_and_again(self.learn)

    async def learn(self) -> None:
        """Write what came of asking; what was asked a quarter of an hour ago, and not answered since, was not given."""
        now = self._clock.now()
        passed, self._passed = self._passed, []
        for decision, acr, prompts in passed:
            await self._say(decision, acr, is_passed=True, prompts=prompts)
        while self._asked and now - next(iter(self._asked.values())).at >= _LAPSES_AFTER:
            _, decision = self._asked.popitem(last=False)
            assert decision.session is not None
            await self._say(decision, decision.session.acr, is_passed=False)
        while self._gone:
            await self._feedback.forget(self._gone[-1])
            self._gone.pop()

    async def _say(self, decision: Decision, acr: Acr, *, is_passed: bool, prompts: int = 1) -> None:
        with suppress(FeedbackMalformedError, FeedbackRefusedError, ModelKeptError):  # it says nothing, then
            judged = judged_of(decision.record(), self._kept)
            await self._feedback.step_up(judged, acr=acr, is_passed=is_passed, prompts=prompts)
