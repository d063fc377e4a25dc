"""Acts in doubt: show them to their owner, and take the answer to "was this you?"."""

from __future__ import annotations

from collections.abc import Sequence

from watchword.console.desk import Services
from watchword.console.errors import MalformedRequestError
from watchword.console.guards import Form
from watchword.console.ports import FlaggedAct, Standing
from watchword.console.routes.visit import Visit
from watchword.console.rows import FlaggedRow, flagged_row
from watchword.identity import UnknownSubjectError
from watchword.kernel import SessionId

VOUCHED = "vouched"
DENIED = "denied"
DENIED_HERE = "denied-here"


async def flagged_rows(visit: Visit) -> Sequence[FlaggedRow]:
    """Return what was in doubt of this visitor's account, newest first."""
    services = visit.desk.services
    if services.feedback is None:
        return ()
    titles = {app.name: app.title for app in services.applications.published()}
    found = await services.feedback.flagged(await _standing(visit))
    return [flagged_row(act, places=services.places, titles=titles, current=_own(visit)) for act in found]


async def answer(visit: Visit, form: Form) -> str:
    """Take one answer; return what was done, by the name of its notice.

    # Prevents: whoever holds the session in doubt making it look like the owner's: the rules that say from where
    # somebody may vouch are in `watchword.trust.learning.may_vouch`, and an answer changes nothing by itself.

    Raises:
        FeedbackUnknownError: nothing such is in doubt in this account.
        FeedbackRefusedError: it may not be said from this session, or was said too often.
        MalformedRequestError: neither of the two answers.
    """
    feedback = visit.desk.services.feedback
    if feedback is None:
        raise UnknownSubjectError("nobody asks about sign-ins here")
    reference, said, standing = form.text("act"), form.text("answer"), await _standing(visit)
    if said == "me":
        await feedback.vouch(reference, standing)
        return VOUCHED
    if said != "not-me":
        raise MalformedRequestError("the answer is neither of the two")
    act = await feedback.deny(reference, standing)
    return DENIED_HERE if await _end(visit.desk.services, act, by=_own(visit), visit=visit) else DENIED


async def _end(services: Services, act: FlaggedAct, *, by: SessionId, visit: Visit) -> bool:
    """End the session that the act was in, if it has one; tell whether it was the visitor's own."""
    assert visit.visitor is not None
    if act.session is None:
        return False
    user = visit.visitor.user.id
    found = await services.identity.reader.session(act.session)
    if found is not None and found.user_id == user:
        await services.identity.sessions.end(found.id, actor=user, reason="disowned", owner=user)
    await services.settled()
    return act.session == by


async def _standing(visit: Visit) -> Standing:
    assert visit.visitor is not None
    return Standing(visit.visitor.session, is_fresh=visit.has_fresh_mfa(), is_risky=await visit.is_risky())


def _own(visit: Visit) -> SessionId:
    assert visit.visitor is not None
    return visit.visitor.session.id
