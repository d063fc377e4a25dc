"""Hand on what administrators say of decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from watchword.console import Said
from watchword.kernel import UserId
from watchword.trust.learning import (
    Feedback,
    FeedbackMalformedError,
    KeptModels,
    Label,
    ModelKeptError,
    Source,
    judged_of,
)

_OWN: Final = "It is an act of your own account; another administrator can say it."


class AnalystsVerdicts:
    """Take verdicts of administrators, and show which were given.

    Args:
        unlearn: takes back what a session taught.
    """

    def __init__(
        self, feedback: Feedback, kept: KeptModels, unlearn: Callable[[str], None] = lambda _session: None
    ) -> None:
        self._feedback = feedback
        self._kept = kept
        self._unlearn = unlearn

    async def said(self, record: Mapping[str, Any], by: UserId) -> Said | None:
        """Return what was said of a decision; nothing where nothing can be learned from it."""
        try:
            about = judged_of(record, self._kept)
        except (FeedbackMalformedError, ModelKeptError):
            return None
        labels = await self._feedback.said_of(about.act)
        obstacle = _OWN if about.user == by else ""
        return Said(_newest(labels, Source.ANALYST), _newest(labels, Source.OWNER), obstacle)

    async def give(self, record: Mapping[str, Any], *, is_attack: bool, by: UserId) -> None:
        """Take a verdict.

        Raises:
            FeedbackRefusedError: it is an act of their own account, or enough was said today.
            FeedbackMalformedError: nothing can be learned from it.
            ModelKeptError: the score that weighed it is not kept any more.
        """
        about = judged_of(record, self._kept)
        await self._feedback.verdict(about, is_attack=is_attack, actor=by)
        # Prevents: a thief whom an administrator named keeping what they taught, signed out by now or not.
        if is_attack and about.session:
            self._unlearn(about.session)


def _newest(labels: Sequence[Label], source: Source) -> bool | None:
    found = [label.is_attack for label in labels if label.source is source]
    return found[-1] if found else None
