"""From the record of a decision to what feedback is about: what each indicator said, before weights."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from watchword.trust.behaviour import PUBLISHED, Model
from watchword.trust.learning.errors import FeedbackMalformedError, ModelKeptError
from watchword.trust.learning.kept import KeptModels
from watchword.trust.learning.labels import Judged

_NO_INDICATOR: Final = frozenset({"prior", "unreadable"})
_HASH_LENGTH: Final = 12


def judged_of(record: Mapping[str, Any], kept: KeptModels) -> Judged:
    """Read a recorded decision.

    Args:
        record: the fields as the journal keeps them.
        kept: the score that weighed it must still be there, to take its weights off again.

    Raises:
        FeedbackMalformedError: it was not weighed by behaviour, not by weights, or of nobody.
        ModelKeptError: the score that weighed it is not kept any more.
    """
    behaviour = record.get("behaviour")
    if not isinstance(behaviour, Mapping) or not record.get("user"):
        raise FeedbackMalformedError(
            "this decision was not weighed by behaviour, so nothing can be learned from it",
            hint="that takes the profile `statistical`, and five verified acts of the account before",
        )
    label = str((behaviour.get("versions") or {}).get("model", ""))
    if label == PUBLISHED:
        raise FeedbackMalformedError(
            "this decision was weighed by the published score, which has no weights that could learn",
            hint="choose the profile `statistical` for the application",
        )
    model = _model(label, kept)
    return Judged(
        act=str(record["id"]),
        user=str(record["user"]),
        at=datetime.fromisoformat(str(record["at"])),
        margin=float(behaviour["log_odds"]),
        values=_values(record.get("contributions") or (), model),
        session=str(record.get("session") or ""),
        device=str(record.get("device") or ""),
    )


def _values(contributions: Any, model: Model) -> dict[str, float]:
    """Take the weights off; an indicator that weighed nothing cannot be read back, and stays out."""
    found = {}
    for indicator, points in contributions:
        weight = model.weights.get(indicator, model.default_weight)
        if indicator not in _NO_INDICATOR and weight > 0 and points:
            found[str(indicator)] = float(points) / weight
    return found


def _model(label: str, kept: KeptModels) -> Model:
    digest = label.rpartition("/")[2]
    for version, name in kept.versions().items():
        if len(digest) == _HASH_LENGTH and name.startswith(digest):
            return kept.read(version)
    raise ModelKeptError(
        f"the score `{label[:80]}`, which weighed this decision, is not kept any more",
        hint="give verdicts on newer decisions",
    )
