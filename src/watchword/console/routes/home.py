"""The start: what one may open, how the session stands; and one decision in plain words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.routing import Route

from watchword.console.charts import balance_bars, weight_bars
from watchword.console.desk import Desk
from watchword.console.model import DecisionView, decision_view
from watchword.console.pages import Page
from watchword.console.ports import Verdict, Weight
from watchword.console.routes.doubts import flagged_rows
from watchword.console.routes.endpoint import endpoint, member
from watchword.console.routes.verdicts import NOTICES
from watchword.console.routes.visit import Visit
from watchword.console.rows import Card, decision_rows, person_of, ring_of_decision, ring_of_session
from watchword.console.words import browser, zone
from watchword.kernel import Answer, DecisionId, NotFoundError, Reason
from watchword.kernel.ids import MalformedIdError
from watchword.policy.telling import ASK_SOMEBODY, Recollection, for_the_refused

_LATEST = 6
_BY_POLICY = {Reason.POLICY_FORBIDS, Reason.POLICY_SILENT, Reason.POLICY_ASKS_STEP_UP}
_SEARCHED = 300
# What stays with a session until it ends; who signs in anew has another one.
_OTHER_HANDS = {"token_replay", "session_hijack", "context_change"}
_WORDS = {Answer.ALLOW: "open to you", Answer.STEP_UP: "asks for a fresh proof", Answer.APPROVAL: "needs approval"}
_HEADLINES = {
    Answer.ALLOW: "Why you were let in",
    Answer.STEP_UP: "Why you were asked again",
    Answer.APPROVAL: "Why this needs approval",
    Answer.DENY: "Why you were refused",
}
_PARTS = (".css", ".js", ".svg", ".png", ".ico", ".jpg", ".webp", ".gif", ".woff2", ".map")
_MORNING, _NOON, _EVENING = 5, 12, 18


def routes(desk: Desk) -> list[Route]:
    """Return the routes of every signed-in person."""
    return [
        Route("/", endpoint(desk, member(show_home)), methods=["GET"]),
        Route("/decisions/{reference}", endpoint(desk, member(show_decision)), methods=["GET"]),
    ]


async def show_home(visit: Visit) -> Response:
    """Show the applications that open, and the session as it stands."""
    assert visit.visitor is not None
    services, session = visit.desk.services, visit.visitor.session
    cards: list[Card] = []
    for app in services.applications.published():
        answer, reason = await services.applications.outlook(app.name, session, visit.client)
        # What is refused is not listed: the start is a list of doors, not of walls.
        if answer is not Answer.DENY:
            url = app.origins[0] + "/"
            words = _WORDS[answer] if answer is not Answer.APPROVAL else reason.words
            cards.append(Card(app.title, urlsplit(url).hostname or "", url, answer.value, words))
    verdict = await _verdict(visit)
    device = await services.device_reader.device(session.device_id) if session.device_id else None
    place = services.places.describe(visit.client.ip)
    own = [record for record in services.decisions.recent(_SEARCHED) if _is_telling(record, visit.visitor.user.id)]
    return visit.show(
        "home.html",
        Page(section="home"),
        greeting=_greeting(visit),
        cards=cards,
        verdict=verdict,
        ring=ring_of_session(session, verdict, device=device, place=place, now=visit.now),
        asked=sum(row.act.is_owners is None for row in await flagged_rows(visit)),
        recent=list(decision_rows(own[:_LATEST], visitors=services.visitors, applications=services.applications)),
    )


def _is_telling(record: Mapping[str, Any], user_id: str) -> bool:
    """Tell whether a decision is the person's own and says something: parts of a page that was let in do not."""
    is_part = str(record.get("path", "")).endswith(_PARTS) and record.get("answer") == Answer.ALLOW.value
    return record.get("user") == user_id and not is_part


async def show_decision(visit: Visit) -> Response:
    """Explain one decision: to the person concerned in plain words, to administrators entirely."""
    assert visit.visitor is not None
    services = visit.desk.services
    try:
        record = await services.decisions.find(DecisionId(visit.request.path_params["reference"]))
        view = decision_view(record) if record is not None else None
    except (MalformedIdError, ValueError):
        view = None
    is_detailed = visit.visitor.user.is_administrator and visit.has_fresh_mfa() and not await visit.is_risky()
    # Prevents: reading other people's decisions. What is not one's own does not exist, in the same words.
    if view is None or not (is_detailed or view.user_id == visit.visitor.user.id):
        raise NotFoundError("no such decision")
    assert record is not None
    is_by_policy = bool(view.reasons) and view.reasons[0] in _BY_POLICY
    recalled = None
    if is_detailed or is_by_policy:
        # In a thread: asking again with every clause watched takes milliseconds, during which others want decisions.
        # Prevents: somebody who was refused keeping every thread busy by loading the page again and again.
        async with visit.desk.explaining:
            recalled = await asyncio.to_thread(services.policies.recollect, record)
    said = None
    if is_detailed and services.verdicts is not None:
        said = await services.verdicts.said(record, visit.visitor.user.id)
    notice = NOTICES.get(visit.request.query_params.get("done", ""), "") if is_detailed else ""
    return visit.show(
        "decision.html",
        Page(section="admin" if is_detailed else "home", notice=notice),
        **_explained(visit, view, is_detailed=is_detailed),
        recalled=recalled if is_detailed else None,
        remedies=_remedies(view, recalled),
        said=said,
    )


def _remedies(view: DecisionView, recalled: Recollection | None) -> list[str]:
    """Say what would help: what the reasons say, and what the policies were seen to ask of the person alone."""
    told = list(view.remedies)
    if view.answer is Answer.DENY and any(w.indicator in _OTHER_HANDS and w.points > 0 for w in view.contributions):
        told.insert(0, "Sign out and sign in again: this session was used with another browser, or in another place.")
    # Prevents: a hint from policies that did not decide this, or for a denial that policies did not make.
    if recalled and not recalled.reservation and view.reasons and view.reasons[0] in _BY_POLICY:
        told += [words for words in for_the_refused(recalled.said) if words != ASK_SOMEBODY]
    return list(dict.fromkeys(told))


def _explained(visit: Visit, view: DecisionView, *, is_detailed: bool) -> dict[str, Any]:
    services = visit.desk.services
    place = services.places.describe(view.ip) if view.ip else ""
    user = services.visitors.user(view.user_id) if view.user_id else None
    titles = {app.name: app.title for app in services.applications.published()}
    headline = _HEADLINES[view.answer]
    is_own = visit.visitor is not None and view.user_id == visit.visitor.user.id
    return {
        "view": view,
        "is_detailed": is_detailed,
        "headline": headline
        if is_own
        else headline.replace("you were", "it was").replace("it was asked", "a proof was asked"),
        "ring": ring_of_decision(view, place=place),
        "bars": (weight_bars if view.probability is None else balance_bars)(_told(view, is_detailed=is_detailed)),
        "untold": [weight for weight in view.contributions if not weight.points],
        "trust_bars": weight_bars(view.trust_contributions),
        "application": titles.get(view.application or "", view.application or ""),
        "person": person_of(view, user) if view.user_id else "",
        "place": place,
        "browser": browser(view.user_agent),
    }


def _told(view: DecisionView, *, is_detailed: bool) -> list[Weight]:
    """Choose the contributions to show.

    # Prevents: whoever holds a stolen session reading from the page which habits of its owner they already meet.
    """
    is_whole = is_detailed or view.probability is None
    return [weight for weight in view.contributions if weight.points > 0 or (is_whole and weight.points)]


async def _verdict(visit: Visit) -> Verdict | None:
    assert visit.visitor is not None
    return await visit.desk.services.risk.assess_session(visit.visitor.session, visit.client)


def _greeting(visit: Visit) -> str:
    assert visit.visitor is not None
    hour = visit.now.astimezone(zone(visit.visitor.user.timezone)).hour
    if _MORNING <= hour < _NOON:
        return "Good morning"
    return "Good afternoon" if _NOON <= hour < _EVENING else "Good evening"
