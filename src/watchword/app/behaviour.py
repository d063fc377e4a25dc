"""Keep the node's scoring of behaviour abreast of what people said and what was promoted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from watchword.audit import last
from watchword.decision import DecisionPoint
from watchword.identity import SessionFacts
from watchword.storage import StorageError
from watchword.trust import Habits
from watchword.trust.learning import (
    Feedback,
    FeedbackMalformedError,
    FeedbackRefusedError,
    Judged,
    KeptModels,
    ModelKeptError,
    Witness,
    judged_of,
)

_EVERY_S: Final = 2.0
_SEARCHED: Final = 1


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
        """Look again every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.look()
            except StorageError:
                continue  # what was in force stays


class OwnersFeedback:
    """Hand on what people say of sign-ins to their own accounts."""

    def __init__(self, feedback: Feedback, kept: KeptModels, point: DecisionPoint, journal: Path) -> None:
        self._feedback = feedback
        self._kept = kept
        self._point = point
        self._journal = journal

    async def disown(self, session: SessionFacts, *, by: SessionFacts) -> None:
        """Take note that a sign-in was not by the owner of the account: an act of that session becomes an attack."""
        witness = Witness(by.user_id, by.id, by.acr, device=by.device_id or "")
        try:
            await self._feedback.owner_says(await self._judged(session), is_attack=True, witness=witness)
        except (FeedbackRefusedError, FeedbackMalformedError):
            # The session has ended, which is what the owner wanted; enough was said already.
            return

    async def _judged(self, session: SessionFacts) -> Judged:
        """Return the newest act of a session that behaviour was judged by; else the sign-in itself, which says less."""
        nothing = Judged(session.id, session.user_id, session.authenticated_at, session=session.id)
        for decision in reversed(list(self._point.recent)):
            if decision.session is not None and decision.session.id == session.id:
                record = decision.record()
                if "behaviour" in record:
                    return self._read(record, nothing)
        found = await asyncio.to_thread(
            last,
            self._journal,
            _SEARCHED,
            where=lambda record: record.fields.get("session") == session.id and "behaviour" in record.fields,
        )
        return self._read(dict(found[0].fields), nothing) if found else nothing

    def _read(self, record: dict[str, object], nothing: Judged) -> Judged:
        try:
            return judged_of(record, self._kept)
        except (FeedbackMalformedError, ModelKeptError):
            return nothing
