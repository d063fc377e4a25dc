"""Take an administrator's verdict on a decision, and end the session that it was in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response
from starlette.routing import Route

from watchword.console.desk import Desk
from watchword.console.errors import MalformedRequestError
from watchword.console.ports import Verdicts
from watchword.console.routes.account import own_form
from watchword.console.routes.endpoint import administrator, endpoint
from watchword.console.routes.visit import Visit, see_other
from watchword.kernel import DecisionId, NotFoundError, SessionId
from watchword.kernel.ids import MalformedIdError
from watchword.trust.learning import FeedbackRefusedError

NOTICES: Final = {
    "owner": "Noted: it was the owner. Nothing changes at once; the score learns from it when it is fitted anew.",
    "attack": "Noted: it was somebody else. The score learns from it when it is fitted anew.",
    "only-ended": "The session has ended. Your verdict was not taken: enough was said today.",
    "ended": "Noted: it was somebody else. The session has ended; the score learns from it when it is fitted anew.",
}


def routes(desk: Desk) -> list[Route]:
    """Return the one route."""
    handler = endpoint(desk, administrator(give_verdict))
    return [Route("/admin/decisions/{reference}/verdict", handler, methods=["POST"])]


async def give_verdict(visit: Visit) -> Response:
    """Take one of two answers.

    # Prevents: a stolen administrator's session calling its own acts all right: nobody judges their own account.
    """
    form = await own_form(visit)
    verdicts, record = await _asked(visit)
    answer = form.text("answer")
    if answer not in {"owner", "attack"}:
        raise MalformedRequestError("the answer is neither of the two")
    assert visit.visitor is not None
    is_attack = answer == "attack"
    is_ended = is_attack and form.text("end") == "yes" and await _end(visit, record)
    done = "ended" if is_ended else answer
    try:
        await verdicts.give(record, is_attack=is_attack, by=visit.visitor.user.id)
    except FeedbackRefusedError:
        # Prevents: a thief's session left open because the administrator said enough today already.
        if not is_ended:
            raise
        done = "only-ended"
    return see_other(f"/decisions/{record['id']}?done={done}")


async def _asked(visit: Visit) -> tuple[Verdicts, Mapping[str, Any]]:
    services = visit.desk.services
    try:
        record = await services.decisions.find(DecisionId(visit.request.path_params["reference"]))
    except MalformedIdError:
        record = None
    if record is None or services.verdicts is None:
        raise NotFoundError("no such decision")
    return services.verdicts, record


async def _end(visit: Visit, record: Mapping[str, Any]) -> bool:
    """End the session of the act; tell whether there was one to end."""
    assert visit.visitor is not None
    services = visit.desk.services
    found = await services.identity.reader.session(SessionId(record["session"])) if record.get("session") else None
    # Prevents: a record that names another account's session ending it. One's own is not judged, and so not ended here.
    if found is None or found.user_id != record.get("user") or found.user_id == visit.visitor.user.id:
        return False
    await services.identity.sessions.end(found.id, actor=visit.visitor.user.id, reason="verdict")
    await services.settled()
    return True
