"""Sign-in, step-up and sign-out: the ceremony as pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from starlette.responses import Response
from starlette.routing import Route

from watchword.console.desk import Desk
from watchword.console.guards import csrf_token
from watchword.console.model import FIRST_FACTOR, NOTHING_ASKED
from watchword.console.pages import Page
from watchword.console.ports import Verdict
from watchword.console.routes import pending
from watchword.console.routes.endpoint import endpoint
from watchword.console.routes.visit import (
    DEVICE_COOKIE,
    SESSION_COOKIE,
    Visit,
    drop_cookie,
    read_credential,
    see_other,
    set_device,
    set_session,
)
from watchword.identity import (
    Ceremony,
    CeremonyInvalidError,
    Purpose,
    SignInFailedError,
    ThrottledError,
    safe_return_to,
)
from watchword.kernel import Answer, Secret

_STATE_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_STATE_LENGTH: Final = 43
_NOTHING_TYPED: Final = "Enter your password."
_PASSKEY: Final = ("passkey.js",)
_FAILURES: Final = {
    "password": "That user name and password do not go together, or the account is disabled.",
    "code": "That code is not right, or was used before. Wait for the next one.",
    "recovery_code": "That recovery code is not right, or was used before.",
}
_PASSKEY_FAILED: Final = "That passkey did not work here. Try another way to sign in."


def routes(desk: Desk) -> list[Route]:
    """Return the routes of the ceremony."""
    return [
        Route("/sign-in", endpoint(desk, show_sign_in), methods=["GET"]),
        Route("/sign-in", endpoint(desk, take_password), methods=["POST"]),
        Route("/sign-in/passkey", endpoint(desk, take_passkey), methods=["POST"]),
        Route("/sign-in/code", endpoint(desk, take_code), methods=["POST"]),
        Route("/sign-in/recovery", endpoint(desk, take_recovery_code), methods=["POST"]),
        Route("/sign-in/next", endpoint(desk, show_next), methods=["GET"]),
        Route("/sign-in/restart", endpoint(desk, restart), methods=["POST"]),
        Route("/step-up", endpoint(desk, show_step_up), methods=["GET"]),
        Route("/sign-out", endpoint(desk, show_sign_out), methods=["GET"]),
        Route("/sign-out", endpoint(desk, sign_out), methods=["POST"]),
        Route("/signed-out", endpoint(desk, show_signed_out), methods=["GET"]),
    ]


async def show_sign_in(visit: Visit) -> Response:
    """Open a ceremony, or go on at once when there is a session already.

    A door says `anew` of a session that is live, but too old for the risk it is seen with.
    """
    target = _target(visit)
    if visit.visitor is not None and visit.request.query_params.get("anew") != "1":
        return await go_on(visit, target, state=_state(visit))
    device_id = _device(visit)
    ceremony, handle = await visit.desk.services.identity.sign_in.start(
        visit.client, return_to=_remembered(target, _state(visit)), device_id=device_id
    )
    response = await _ceremony_page(visit, ceremony, handle.reveal())
    pending.keep(visit, response, handle)
    return response


async def show_step_up(visit: Visit) -> Response:
    """Open a ceremony that strengthens the session at hand."""
    target = _target(visit)
    if visit.visitor is None:
        return see_other(_remembered(target, _state(visit)) or "/sign-in")
    ceremony, handle = await visit.desk.services.identity.sign_in.start(
        visit.client,
        return_to=_remembered(target, _state(visit)),
        device_id=visit.visitor.session.device_id,
        step_up=visit.visitor.session.id,
    )
    response = await _ceremony_page(visit, ceremony, handle.reveal())
    pending.keep(visit, response, handle)
    return response


async def show_next(visit: Visit) -> Response:
    """Show the next step of the ceremony at hand."""
    handle = pending.at_hand(visit)
    ceremony = await visit.desk.services.identity.sign_in.current(handle)
    return await _ceremony_page(visit, ceremony, handle)


async def take_password(visit: Visit) -> Response:
    """Take user name and password."""
    handle, form = await pending.posted(visit)
    username, password = form.text("username"), form.text("password")
    if not (username.strip() and password):
        problems: dict[str, str] = {}
        ceremony = await visit.desk.services.identity.sign_in.current(handle)
        if not username.strip() and ceremony.user_id is None:
            problems["username"] = "Enter your user name."
        if not password:
            problems["password"] = _NOTHING_TYPED
        if problems:
            return await _ceremony_page(visit, ceremony, handle, problems=problems, username=username, status=422)
    take = visit.desk.services.identity.sign_in.password
    return await _taken(visit, handle, "password", lambda: take(handle, username, password, visit.client), username)


async def take_code(visit: Visit) -> Response:
    """Take a time-based code."""
    handle, form = await pending.posted(visit)
    code = form.text("code")
    take = visit.desk.services.identity.sign_in.totp
    return await _taken(visit, handle, "code", lambda: take(handle, code, visit.client))


async def take_recovery_code(visit: Visit) -> Response:
    """Take a recovery code."""
    handle, form = await pending.posted(visit)
    code = form.text("recovery_code")
    take = visit.desk.services.identity.sign_in.recovery_code
    return await _taken(visit, handle, "recovery_code", lambda: take(handle, code, visit.client))


async def take_passkey(visit: Visit) -> Response:
    """Take the answer of a passkey."""
    handle, form = await pending.posted(visit)
    credential = read_credential(form.text("credential"))
    take = visit.desk.services.identity.sign_in.passkey
    return await _taken(visit, handle, "", lambda: take(handle, credential, visit.client))


async def restart(visit: Visit) -> Response:
    """Forget the ceremony at hand and begin another one to the same place."""
    handle, _ = await pending.posted(visit)
    try:
        ceremony = await visit.desk.services.identity.sign_in.current(handle)
        target = "/" if ceremony.purpose is Purpose.STEP_UP else ceremony.return_to or "/sign-in"
    except CeremonyInvalidError:
        target = "/sign-in"
    response = see_other(target)
    pending.forget(visit, response, handle)
    return response


async def show_sign_out(visit: Visit) -> Response:
    """Ask before a session ends, so that a link from elsewhere cannot end it."""
    if visit.visitor is None:
        return see_other("/signed-out")
    return visit.message(
        "Sign out?",
        "This ends your session here and in every application you opened with it.",
        form=("/sign-out", "Sign out"),
        links=(("/", "Stay"),),
    )


async def sign_out(visit: Visit) -> Response:
    """End the session, everywhere it was used."""
    bearer = visit.cookie(SESSION_COOKIE)
    if visit.visitor is None or bearer is None:
        return see_other("/signed-out")
    await visit.form(bearer=bearer)
    await visit.desk.services.identity.sessions.end(
        visit.visitor.session.id, actor=visit.visitor.user.id, reason="signed_out"
    )
    await visit.desk.services.settled()
    response = see_other("/signed-out")
    drop_cookie(response, SESSION_COOKIE)
    # Prevents: whoever sits here next going on where a password was typed in another tab.
    pending.forget_all(visit, response)
    # What the session had in memory of this origin goes too; cookies are dropped above, the device key stays.
    response.headers["clear-site-data"] = '"cache", "storage"'
    return response


async def show_signed_out(visit: Visit) -> Response:
    """Say that it is over."""
    if visit.visitor is not None:
        return see_other("/")
    return visit.message(
        "You are signed out",
        "The session has ended here and in every application.",
        links=(("/sign-in", "Sign in again"),),
    )


async def go_on(visit: Visit, target: str, *, state: str | None) -> Response:
    """Lead a signed-in visitor to where they were going; into an application with a code for its host.

    Args:
        visit: has a visitor.
        target: checked by `safe_return_to`.
        state: hash of the cookie that the application's host planted in this browser; without it the application's
            door is asked first, and comes back with one.
    """
    assert visit.visitor is not None
    if target.startswith("/"):
        return see_other(target)
    parts = urlsplit(target)
    origin = f"{parts.scheme}://{parts.netloc}"
    if origin == visit.desk.settings.portal_origin or state is None:
        return see_other(target)
    code = await visit.desk.services.identity.handoff.issue(
        visit.visitor.session.id, parts.hostname or "", state, return_to=target
    )
    return see_other(f"{origin}/.watchword/callback?code={quote(code.reveal(), safe='')}")


async def _taken(
    visit: Visit, handle: str, field: str, take: Callable[[], Awaitable[Ceremony]], username: str = ""
) -> Response:
    """Take one proof: the session at the end, the next step, or the same page with what was wrong."""
    try:
        ceremony = await take()
    except ThrottledError as error:
        return _wait(visit, error, handle)
    except SignInFailedError as error:
        current = await visit.desk.services.identity.sign_in.current(handle)
        problems = {field: _FAILURES.get(field, _PASSKEY_FAILED)}
        return await _ceremony_page(visit, current, handle, problems=problems, username=username, status=error.status)
    if not ceremony.is_complete:
        return see_other(pending.address(visit, "/sign-in/next", handle))
    return await admit(visit, handle, ceremony)


def _wait(visit: Visit, error: ThrottledError, handle: str) -> Response:
    """Say how long to wait, and read nothing for it.

    # Prevents: a flood of guesses, none of which is looked at, costing the database and the page more than it costs
    # whoever sends them.
    """
    wait = error.retry_after_s
    # One that has no other needs no name, so that the page of a flood is the same one each time.
    onward = pending.address(visit, "/sign-in/next", handle) if len(pending.begun(visit)) > 1 else "/sign-in/next"
    response = visit.message(
        "Too many attempts",
        f"Wait {wait} second{'s' if wait != 1 else ''}, then try again.",
        status=error.status,
        hint="Nothing was looked at, so what you typed may have been right.",
        links=((onward, "Try again"),),
        code=error.code,
    )
    response.headers["retry-after"] = str(wait)
    return response


async def admit(visit: Visit, handle: str, ceremony: Ceremony, *, onward: str | None = None) -> Response:
    """Turn a complete ceremony into a session, if risk lets it.

    1. which browser it is;  2. what risk says;  3. the session;  4. the cookies, all of them new.
    """
    services = visit.desk.services
    user = await services.identity.reader.user(ceremony.user_id) if ceremony.user_id else None
    if user is None:
        raise CeremonyInvalidError("this sign-in cannot go on", hint="start again")
    device, device_handle = await services.devices.recognise_or_register(
        visit.cookie(DEVICE_COOKIE), visit.client, host=visit.host
    )
    if ceremony.purpose is Purpose.SIGN_IN:
        verdict = await services.risk.assess_sign_in(
            user, visit.client, device_id=device.id, is_multi_factor=bool(ceremony.has_second_factor)
        )
        # A second factor that the user has was asked for already; one that they do not have cannot help.
        is_refused = verdict.answer in {Answer.DENY, Answer.APPROVAL}
        if is_refused or (verdict.answer is Answer.STEP_UP and not ceremony.has_second_factor):
            return _refused(visit, device_handle, verdict, handle)
    signed_in = await services.identity.sign_in.complete(
        handle,
        visit.client,
        device_id=device.id,
        host=visit.desk.portal_host,
        replaces=visit.visitor.session.id if visit.visitor else None,
    )
    await services.devices.bind(device.id, user.id, visit.client)
    await services.settled()
    response = see_other(onward or signed_in.return_to or "/")
    set_session(response, signed_in.handle)
    pending.forget(visit, response, handle)
    if device_handle is not None:
        set_device(response, device_handle)
    return response


def _refused(visit: Visit, device_handle: Secret[str] | None, verdict: Verdict, handle: str) -> Response:
    asking = (
        "ask an administrator, who can look up the reference below" if verdict.reference else "ask an administrator"
    )
    response = visit.message(
        "You cannot sign in like this",
        "What you typed was right, but too much about this sign-in is unusual for you.",
        status=403,
        hint=f"Use a device and a place that you have used before, or {asking}.",
        links=(("/sign-in", "Start again"),),
        code=verdict.reference or "risk_high",
    )
    pending.forget(visit, response, handle)
    if device_handle is not None:
        set_device(response, device_handle)
    return response


async def _ceremony_page(
    visit: Visit,
    ceremony: Ceremony,
    handle: str,
    *,
    problems: dict[str, str] | None = None,
    username: str = "",
    status: int = 200,
) -> Response:
    """Render the step that comes next."""
    options: dict[str, Any] | None = None
    if "passkey" in ceremony.offers:
        options = await visit.desk.services.identity.sign_in.passkey_options(handle)
    page = Page(
        csrf=csrf_token(visit.desk.services.csrf_key, handle),
        problems=problems or {},
        problems_title="That did not work" if problems else "",
        scripts=_PASSKEY if options else (),
    )
    targets = tuple(origin for origin in visit.desk.origins() if origin != visit.desk.settings.portal_origin)
    common: dict[str, Any] = {"status": status, "form_targets": targets, "passkey_options": options}
    if ceremony.purpose is Purpose.SIGN_IN and ceremony.user_id is None:
        destination = _destination(visit, ceremony.return_to)
        return visit.show(
            "sign_in.html", page, username=username, destination=destination, ring=NOTHING_ASKED, **common
        )
    is_step_up = ceremony.purpose is Purpose.STEP_UP
    return visit.show(
        "factor.html",
        page,
        title="Confirm that it is you",
        lead="What you asked for needs a fresh proof." if is_step_up else "One more step.",
        aside="A proof grows old. Some doors ask for a fresh one, and so do unusual moments.",
        offers=ceremony.offers,
        username=ceremony.user_name or "",
        restart_words="Not now" if is_step_up else "Start again",
        ring=FIRST_FACTOR,
        **common,
    )


def _device(visit: Visit) -> Any:
    shown = visit.cookie(DEVICE_COOKIE)
    return visit.desk.services.devices.verify(shown, visit.host) if shown else None


def _target(visit: Visit) -> str:
    """Return where to go afterwards: what the address says if that is ours, else the portal."""
    asked = visit.request.query_params.getlist("return_to")
    # Prevents: an open redirect; one value, on a published origin, or nothing.
    found = safe_return_to(asked[0], visit.desk.origins()) if len(asked) == 1 else None
    # Prevents: a sign-in that leads to itself, for ever.
    return found if found is not None and not found.startswith(("/sign-in", "/step-up")) else "/"


def _state(visit: Visit) -> str | None:
    asked = visit.request.query_params.getlist("state")
    state = asked[0] if len(asked) == 1 else ""
    return state if len(state) == _STATE_LENGTH and _STATE_LETTERS.issuperset(state) else None


def _remembered(target: str, state: str | None) -> str | None:
    """Write where to go on, and the state of the crossing with it, as the one address that a ceremony keeps."""
    if target == "/":
        return None
    onward = f"/sign-in?return_to={quote(target, safe='/:')}"
    return f"{onward}&state={state}" if state else onward


def _destination(visit: Visit, return_to: str | None) -> str:
    """Name the application that the sign-in leads to, for people."""
    asked = parse_qs(urlsplit(return_to or "").query).get("return_to", [""])[0]
    found = visit.desk.application_at(urlsplit(asked).netloc) if asked.startswith("https://") else None
    return found[0].title if found else ""
