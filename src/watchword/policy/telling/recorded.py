"""Explain a decision that was made, from what its record says was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from watchword.policy.engine import PolicySet
from watchword.policy.explain import Explanation
from watchword.policy.model import Effect
from watchword.policy.replay import MalformedRecordError, question_of
from watchword.policy.replay.record import RecordedEntities


@dataclass(frozen=True, slots=True)
class Recollection:
    """What the policies that are in force now say to what was asked then.

    Attributes:
        is_same_set: they are the policies that answered then.
        is_whole: everything that they ask for was recorded, so that they say what they would have said.
    """

    said: Explanation
    is_same_set: bool
    is_whole: bool

    @property
    def reservation(self) -> str:
        """What keeps this from being why it was decided so, in words; empty when nothing does."""
        if not self.is_whole:
            return "these policies ask for something that was not recorded, so they may have said something else"
        return "" if self.is_same_set else "other policies are in force now than when this was decided"


def recollect(policies: PolicySet, record: Mapping[str, Any]) -> Recollection | None:
    """Ask again what a record says was asked; nothing where the policies were not reached, or in a form unknown here.

    Args:
        record: of a decision, as the journal has it.
    """
    asked = (record.get("personal") or {}).get("asked")
    if asked is None:
        return None
    try:
        question = question_of(asked)
    except MalformedRecordError:
        return None
    request = question.request
    # A request that opens a WebSocket is asked about as a read first; what denied is what is explained.
    for action in question.before:
        before = replace(request, action=action)
        if policies.evaluate(before).effect is not Effect.PERMIT:
            request = before
            break
    policies.evaluate(request)
    is_whole = not (isinstance(request.entities, RecordedEntities) and request.entities.missed)
    said = policies.explain(request)
    return Recollection(said, record.get("policy_version") == policies.version, is_whole)
