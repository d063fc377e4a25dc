"""Write answers as the specification shows them: a decision, and in its context what the caller may hear.

A permit without obligations is `{"decision": true}` and nothing more, since a caller may reject a context that it does
not understand. Obligations are told to every caller, whatever else it is not told.
Source: Authorization API 1.0, "Decision Context", examples 1 and 3; the obligations profile, draft 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from watchword.enforcement.authzen.model import Verdict
from watchword.enforcement.authzen.searching import Found
from watchword.enforcement.authzen.settings import Told
from watchword.kernel import Reason

_FORBIDDEN: Final = "403"
_STATUS: Final[Mapping[Reason, str]] = {
    Reason.REQUEST_MALFORMED: "400",
    Reason.POLICY_ASKS_STEP_UP: "401",
    Reason.SNAPSHOT_STALE: "503",
    Reason.JOURNAL_UNWRITABLE: "503",
    Reason.INTERNAL_ERROR: "500",
}


def decision_json(verdict: Verdict, told: Told) -> dict[str, Any]:
    """Render one decision."""
    context = _context(verdict, told)
    return {"decision": verdict.is_permit} | ({"context": context} if context else {})


def decisions_json(verdicts: Sequence[Verdict], told: Told) -> dict[str, Any]:
    """Render the decisions of a batch, in its order."""
    return {"evaluations": [decision_json(verdict, told) for verdict in verdicts]}


def found_json(found: Found) -> dict[str, Any]:
    """Render one page of a search, the page first."""
    return {"page": {"next_token": found.token, "count": len(found.results)}, "results": list(found.results)}


def _context(verdict: Verdict, told: Told) -> dict[str, Any]:
    context: dict[str, Any] = {}
    if verdict.error:
        context["error"] = {"status": 400, "message": verdict.error}
    if not verdict.is_permit and told is not Told.NOTHING:
        status = _STATUS.get(verdict.reason, _FORBIDDEN)
        context["id"] = verdict.id
        if told is Told.ALL:
            said = verdict.error or verdict.detail
            context["reason_admin"] = {status: f"{verdict.reason.code}: {said}" if said else verdict.reason.code}
            if verdict.ignored:
                context["ignored"] = list(verdict.ignored)
        context["reason_user"] = {status: verdict.words}
        if verdict.step_up:
            context["acr_values"] = verdict.step_up["acr_value"]
            context["amr_values"] = " ".join(verdict.step_up["amr_values"])
    if verdict.obligations:
        context["obligations"] = list(verdict.obligations)
    return context
