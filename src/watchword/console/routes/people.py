"""The administration's view of people and sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response
from starlette.routing import Route

from watchword.console.charts import columns
from watchword.console.desk import Desk
from watchword.console.pages import Page
from watchword.console.routes.account import own_form, said
from watchword.console.routes.endpoint import administrator, endpoint
from watchword.console.routes.visit import Visit, see_other
from watchword.console.rows import factor_row, session_row
from watchword.identity import (
    ADMINISTRATORS,
    Invitation,
    LastAdministratorError,
    NameRefusedError,
    NameTakenError,
    SessionFacts,
    UnknownSubjectError,
    UserFacts,
    WrongStepError,
)
from watchword.kernel import SessionId, UserId
from watchword.kernel.ids import MalformedIdError

_TAB = "/admin/users"
_SHOWN = 200
_LONGEST_FILTER = 120
_NOTICES = {
    "group": "The group is made.",
    "groups": "The groups are saved and count from the next request.",
    "disabled": "The account is disabled and every session of it has ended.",
    "enabled": "The account is enabled.",
    "ended": "The session has ended. Its next request is refused and its open streams are cut.",
}


def routes(desk: Desk) -> list[Route]:
    """Return the routes of the administration of people and sessions."""
    one = "/admin/users/{user}"
    table = [
        ("GET", "/admin/users", show_users),
        ("POST", "/admin/users", create_user),
        ("POST", "/admin/groups", create_group),
        ("GET", one, show_user),
        ("POST", f"{one}/groups", save_groups),
        ("POST", f"{one}/invite", invite),
        ("POST", f"{one}/disable", disable),
        ("POST", f"{one}/enable", enable),
        ("GET", "/admin/sessions", show_sessions),
        ("POST", "/admin/sessions/end", end_session),
    ]
    return [Route(path, endpoint(desk, administrator(handler)), methods=[method]) for method, path, handler in table]


@dataclass(frozen=True, slots=True)
class _Typed:
    """What was typed into the form for a new person, to be shown again."""

    name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()


async def show_users(visit: Visit) -> Response:
    """List everybody."""
    return await _users(visit)


async def create_user(visit: Visit) -> Response:
    """Add a person and show their one-time link."""
    form = await own_form(visit)
    typed = _Typed(form.text("name").strip(), form.text("email").strip(), form.all("groups"))
    accounts, actor = visit.desk.services.identity.accounts, _actor(visit)
    try:
        user = await accounts.create_user(
            typed.name, actor=actor, email=typed.email or None, groups=await _known_groups(visit, typed.groups)
        )
    except (NameRefusedError, NameTakenError) as error:
        field = "email" if "mail" in error.message else "name"
        return await _users(visit, problems={field: said(error.message, error.hint)}, typed=typed)
    invitation = await accounts.invite(user.id, actor=actor)
    await visit.desk.services.settled()
    return _invited(visit, invitation)


async def create_group(visit: Visit) -> Response:
    """Make a group."""
    form = await own_form(visit)
    try:
        await visit.desk.services.identity.accounts.create_group(form.text("group").strip(), actor=_actor(visit))
    except (NameRefusedError, NameTakenError) as error:
        return await _users(visit, problems={"group": said(error.message, error.hint)})
    return see_other(f"{_TAB}?done=group")


async def show_user(visit: Visit) -> Response:
    """Show one person."""
    return await _user(visit, await _named(visit))


async def save_groups(visit: Visit) -> Response:
    """Make the person a member of exactly the groups that were ticked."""
    form = await own_form(visit)
    user = await _named(visit)
    accounts, actor = visit.desk.services.identity.accounts, _actor(visit)
    wanted = set(await _known_groups(visit, form.all("groups")))
    try:
        # The one removal that may be refused goes first: "nothing was changed" is true then.
        for group in sorted(user.groups - wanted, key=lambda name: (name != ADMINISTRATORS, name)):
            await accounts.remove_from_group(user.id, group, actor=actor)
        for group in sorted(wanted - user.groups):
            await accounts.add_to_group(user.id, group, actor=actor)
    except LastAdministratorError as error:
        return await _user(visit, await _named(visit), problems={"": said(error.message, error.hint)})
    await visit.desk.services.settled()
    return see_other(f"{_TAB}/{user.id}?done=groups")


async def invite(visit: Visit) -> Response:
    """Make a one-time link; for somebody who has factors only if the reset was ticked."""
    form = await own_form(visit)
    user = await _named(visit)
    try:
        invitation = await visit.desk.services.identity.accounts.invite(
            user.id, actor=_actor(visit), reset=form.text("reset") == "yes"
        )
    except WrongStepError as error:
        return await _user(visit, user, problems={"reset": said(error.message, error.hint)})
    await visit.desk.services.settled()
    return _invited(visit, invitation)


async def disable(visit: Visit) -> Response:
    """Disable an account."""
    await own_form(visit)
    user = await _named(visit)
    try:
        await visit.desk.services.identity.accounts.disable(user.id, actor=_actor(visit), reason="administrator")
    except LastAdministratorError as error:
        return await _user(visit, user, problems={"": said(error.message, error.hint)})
    await visit.desk.services.settled()
    return see_other(f"{_TAB}/{user.id}?done=disabled")


async def enable(visit: Visit) -> Response:
    """Enable an account."""
    await own_form(visit)
    user = await _named(visit)
    await visit.desk.services.identity.accounts.enable(user.id, actor=_actor(visit))
    await visit.desk.services.settled()
    return see_other(f"{_TAB}/{user.id}?done=enabled")


async def show_sessions(visit: Visit) -> Response:
    """List every live session."""
    assert visit.visitor is not None
    services = visit.desk.services
    people = {user.id: user.display_name or user.name for user in await services.identity.reader.users()}
    rows = [
        session_row(
            facts,
            person=people.get(facts.user_id, facts.user_id),
            places=services.places,
            current=visit.visitor.session,
        )
        for facts in sorted(await services.identity.reader.sessions(), key=_newest, reverse=True)
        if _fits(visit, people.get(facts.user_id, ""), facts.ip, facts.id)
    ]
    return visit.show(
        "admin_sessions.html",
        Page(section="admin", tab="/admin/sessions", notice=_notice(visit)),
        sessions=rows[:_SHOWN],
        found=len(rows),
        q=_filter(visit),
    )


async def end_session(visit: Visit) -> Response:
    """End one session and say so once the doors know of it."""
    form = await own_form(visit)
    services = visit.desk.services
    try:
        session_id = SessionId(form.text("session"))
    except MalformedIdError as error:
        raise UnknownSubjectError("there is no such session") from error
    session = await services.identity.reader.session(session_id)
    if session is None:
        raise UnknownSubjectError("there is no such session")
    await services.identity.sessions.end(session_id, actor=_actor(visit), reason="administrator")
    await services.settled()
    target = f"{_TAB}/{session.user_id}" if form.text("from") == "user" else "/admin/sessions"
    return see_other(f"{target}?done=ended")


async def _users(visit: Visit, *, problems: Mapping[str, str] | None = None, typed: _Typed | None = None) -> Response:
    services = visit.desk.services
    found = [
        user
        for user in sorted(await services.identity.reader.users(), key=lambda user: user.name.casefold())
        if _fits(visit, user.name, user.display_name, user.email or "", *user.groups)
    ]
    return visit.show(
        "admin_users.html",
        Page(
            section="admin",
            tab=_TAB,
            notice=_notice(visit),
            problems=problems or {},
            problems_title="Nothing was changed",
        ),
        status=422 if problems else 200,
        users=found[:_SHOWN],
        found=len(found),
        q=_filter(visit),
        groups=await services.identity.accounts.groups(),
        form=typed or _Typed(),
    )


async def _user(visit: Visit, user: UserFacts, *, problems: Mapping[str, str] | None = None) -> Response:
    services = visit.desk.services
    sessions = [
        session_row(facts, person=user.name, places=services.places)
        for facts in await services.identity.sessions.list_for(user.id)
    ]
    factors = await services.identity.accounts.authenticators(user.id)
    usual = await services.habits.usual(user.id) if services.habits is not None else None
    return visit.show(
        "admin_user.html",
        Page(
            section="admin",
            tab=_TAB,
            notice=_notice(visit),
            problems=problems or {},
            problems_title="Nothing was changed",
        ),
        status=409 if problems else 200,
        user=user,
        sessions=sessions,
        factors=[factor_row(one) for one in factors],
        groups=await services.identity.accounts.groups(),
        usual=usual,
        hours=columns(usual.hours) if usual is not None else (),
        busiest=_busiest(usual.hours) if usual is not None else "",
    )


def _busiest(hours: Sequence[float]) -> str:
    """Name the three busiest hours for those who do not see the chart."""
    most = sorted(range(len(hours)), key=lambda hour: (-hours[hour], hour))[:3]
    return ", ".join(f"{hour}:00" for hour in sorted(most) if hours[hour]) or "no hour yet"


def _invited(visit: Visit, invitation: Invitation) -> Response:
    """Show the link, once; it stands in this answer and nowhere else."""
    return visit.show(
        "admin_invited.html",
        Page(section="admin", tab=_TAB, scripts=("acts.js",)),
        user=invitation.user,
        url=f"{visit.desk.settings.portal_origin}/invite/{invitation.token.reveal()}",
        expires_at=invitation.expires_at,
    )


async def _named(visit: Visit) -> UserFacts:
    try:
        user = await visit.desk.services.identity.reader.user(UserId(visit.request.path_params["user"]))
    except MalformedIdError as error:
        raise UnknownSubjectError("there is no such user") from error
    if user is None:
        raise UnknownSubjectError("there is no such user")
    return user


async def _known_groups(visit: Visit, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Keep the groups that exist: a form ticks boxes, it does not make groups."""
    known = {group.name for group in await visit.desk.services.identity.accounts.groups()}
    return tuple(group for group in dict.fromkeys(wanted) if group in known)


def _filter(visit: Visit) -> str:
    return visit.request.query_params.get("q", "").strip()[:_LONGEST_FILTER]


def _fits(visit: Visit, *texts: str) -> bool:
    wanted = _filter(visit).casefold()
    return not wanted or any(wanted in text.casefold() for text in texts)


def _newest(facts: SessionFacts) -> datetime:
    return facts.authenticated_at


def _actor(visit: Visit) -> str:
    assert visit.visitor is not None
    return visit.visitor.user.id


def _notice(visit: Visit) -> str:
    return _NOTICES.get(visit.request.query_params.get("done", ""), "")
