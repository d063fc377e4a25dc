"""What the journal keeps of an answer: the shape of every decision's record, and which enforcement point asked.

What a caller said of people and things is personal: it stands under `personal`, whole as long as it is short.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from watchword.enforcement.authzen.callers import Caller
from watchword.enforcement.authzen.model import Question, Search, Verdict
from watchword.policy import PolicyError
from watchword.policy.replay import Question as Asked
from watchword.policy.replay import Recorder

DOOR: Final = "authzen"
_LONGEST_ASKED: Final = 16 * 1024
_SHORTEST_ASKED: Final = 512
_ASKED_TOGETHER: Final = 1024 * 1024
_LONGEST_REQUEST_ID: Final = 256
_MOST_TOLD: Final = 1000
_LONGEST_WORDS: Final = 512


def decision_record(
    verdict: Verdict,
    question: Question | None,
    caller: Caller,
    request_id: str,
    at: datetime,
    *,
    snapshot: int,
    siblings: int = 1,
) -> dict[str, Any]:
    """Render one decision as `Decision.record` does; what only a browser's request has is null.

    Args:
        siblings: how many decisions the call asked for; they share what is kept of their words.
    """
    longest = max(_SHORTEST_ASKED, min(_LONGEST_ASKED, _ASKED_TOGETHER // siblings))
    return {
        "type": "decision",
        "id": verdict.id,
        "at": at.isoformat(),
        "door": DOOR,
        "pep": caller.name,
        "request_id": request_id[:_LONGEST_REQUEST_ID],
        "answer": verdict.answer.value,
        "reasons": [verdict.reason.code],
        "application": None,
        "resource": verdict.resource_type,
        "action": verdict.action,
        "method": "",
        "host": caller.name,
        "path": "",
        "user": verdict.principal,
        "session": None,
        "device": None,
        "risk": None,
        "trust": None,
        "level": None,
        "contributions": [],
        "trust_contributions": [],
        "policies": [list(policy) for policy in verdict.policies],
        "policy_version": verdict.policy_version,
        "policy_errors": [error[:_LONGEST_WORDS] for error in verdict.policy_errors],
        "obligations": list(verdict.obligation_names),
        "permissions": [],
        "step_up": {"acr": verdict.step_up["acr_value"], "max_age_s": verdict.step_up["max_age"]}
        if verdict.step_up
        else None,
        "facts": [["snapshot", snapshot, None]],
        "snapshot": snapshot,
        "cost_us": verdict.cost_us,
        "personal": {
            "ip": None,
            "user_agent": "",
            "country": None,
            "facts": {},
            "details": {},
            "asked": _replayable(verdict, longest),
            "question": _bounded(question.as_json(), longest) if question is not None else None,
            "detail": (verdict.error or verdict.detail)[:_LONGEST_WORDS],
        },
    }


def search_record(
    search: Search, told: Sequence[Mapping[str, Any]], caller: Caller, request_id: str, *, head: Mapping[str, Any]
) -> dict[str, Any]:
    """Render one page of a search: who asked for what, and who or what was named to them.

    Args:
        head: `id`, `at`, `snapshot`, `policy_version`, `tried` and `cost_us`.
    """
    named = [each.get("id", each.get("name")) for each in told]
    return {
        "type": "search",
        **head,
        "door": DOOR,
        "pep": caller.name,
        "request_id": request_id[:_LONGEST_REQUEST_ID],
        "sought": search.sought.value,
        "found": len(told),
        "personal": {"asked": _bounded(search.question.as_json()), "told": _bounded({"ids": named[:_MOST_TOLD]})},
    }


def _replayable(verdict: Verdict, longest: int) -> Mapping[str, Any] | None:
    """Return what the policies were asked, so that a replay can ask again; nothing where that is too long to keep."""
    if verdict.asked is None:
        return None
    try:
        found = Asked(verdict.asked).record(Recorder())
    except PolicyError:
        return None
    return found if len(orjson.dumps(found)) <= longest else None


def _bounded(asked: Mapping[str, Any], longest: int = _LONGEST_ASKED) -> Mapping[str, Any]:
    """Keep it whole, or its hash. Prevents: callers that fill the disk through the journal."""
    encoded = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS, default=str)
    if len(encoded) <= longest:
        return asked
    return {"sha256": hashlib.sha256(encoded).hexdigest(), "bytes": len(encoded)}
