"""Put what a request asks of relations to another model: what its own model said then is no answer there.

A recorded answer counts where the model is the one that gave it. Elsewhere the tuples of today answer, if somebody
brings them; else nobody can say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeAlias

from watchword.policy.lazy import AskedSet, LazySet
from watchword.policy.relations import ATTRIBUTE, RelationModel, RelationSet, RelationView, supposed
from watchword.policy.replay.question import Question

_MARK: Final = 16  # so much of a model's version stands in a record
Seen: TypeAlias = Callable[[RelationModel | None], RelationView | None]


def bound(question: Question, model: RelationModel | None, seen: Seen | None, *, at: str) -> Question:
    """Return the question as policies with this model would have to be asked.

    Args:
        seen: today's tuples, which then answer everything; nothing for what was recorded.
        at: when the decision was made, ISO 8601, for conditions.
    """
    request = question.request
    relations = request.context.get(ATTRIBUTE)
    if not isinstance(relations, LazySet):
        return question
    found: LazySet
    if seen is None:
        version = model.version if model is not None else ""
        is_same = not relations.asked or not relations.model or relations.model[:_MARK] == version[:_MARK]
        # A copy, so that nobody walks over the tuples from another thread than theirs.
        found = AskedSet(relations.asked if is_same else {}, relations.model)
    elif isinstance(relations, RelationSet):
        found = relations.seen_by(seen(model))
    else:
        found = supposed(seen(model), request, now=datetime.fromisoformat(at))
    return replace(question, request=replace(request, context={**request.context, ATTRIBUTE: found}))


def is_repeatable(question: Question) -> bool:
    """Tell whether no condition was asked, whose answer hangs on the time of this one decision."""
    relations = question.request.context.get(ATTRIBUTE)
    return not isinstance(relations, RelationSet) or relations.is_repeatable
