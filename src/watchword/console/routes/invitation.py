"""The first visit: a one-time link becomes a person with a passkey, or with a password and an authenticator app."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from watchword.console.desk import Desk
from watchword.console.guards import csrf_token
from watchword.console.model import FIRST_FACTOR, NOTHING_ASKED
from watchword.console.pages import Page
from watchword.console.routes import pending
from watchword.console.routes.account import (
    UNLIKE,
    code_again,
    own_form,
    recovery_codes_page,
    said,
    show_enrolment,
    take_first_code,
)
from watchword.console.routes.endpoint import endpoint, member
from watchword.console.routes.sign_in import admit
from watchword.console.routes.visit import (
    DEVICE_COOKIE,
    Visit,
    read_credential,
    see_other,
)
from watchword.identity import (
    AuthenticatorKind,
    Ceremony,
    PasskeyRefusedError,
    PasswordRefusedError,
    Purpose,
    WrongStepError,
)

_LONGEST_NAME = 120
_STRONG = frozenset({AuthenticatorKind.PASSKEY, AuthenticatorKind.TOTP})


def routes(desk: Desk) -> list[Route]:
    """Return the routes of the first visit."""
    return [
        Route("/invite/{code}", endpoint(desk, open_link), methods=["GET"]),
        Route("/invite", endpoint(desk, show_invitation), methods=["GET"]),
        Route("/invite/password", endpoint(desk, take_password), methods=["POST"]),
        Route("/invite/passkey", endpoint(desk, take_passkey), methods=["POST"]),
        Route("/welcome", endpoint(desk, member(show_welcome)), methods=["GET"]),
        Route("/welcome/totp", endpoint(desk, member(begin_totp)), methods=["POST"]),
        Route("/welcome/totp/confirm", endpoint(desk, member(confirm_totp)), methods=["POST"]),
        Route("/welcome/recovery-codes", endpoint(desk, member(show_codes)), methods=["POST"]),
    ]


async def open_link(visit: Visit) -> Response:
    """Open the ceremony and take the secret out of the address; looking at a link does not use it up."""
    services = visit.desk.services
    shown = visit.cookie(DEVICE_COOKIE)
    _, handle = await services.identity.sign_in.start(
        visit.client,
        invitation=visit.request.path_params["code"],
        device_id=services.devices.verify(shown, visit.host) if shown else None,
    )
    response = see_other("/invite")
    response.headers["location"] = f"/invite?at={pending.keep(visit, response, handle)}"
    return response


async def show_invitation(visit: Visit) -> Response:
    """Show the two ways to enrol."""
    handle = pending.at_hand(visit)
    return await _page(visit, handle, await _ceremony(visit, handle))


async def take_password(visit: Visit) -> Response:
    """Take the first password."""
    handle, form = await pending.posted(visit)
    ceremony = await _ceremony(visit, handle)
    name, password = form.text("display_name").strip(), form.text("new_password")
    problems = _name_problems(name)
    if password != form.text("new_password_again"):
        problems["new_password_again"] = UNLIKE
    if not problems:
        try:
            ceremony = await visit.desk.services.identity.welcome.password(handle, password, visit.client)
        except PasswordRefusedError as error:
            problems["new_password"] = said(error.message, error.hint)
    if problems:
        return await _page(visit, handle, ceremony, problems=problems, display_name=name, status=422)
    return await _admitted(visit, handle, ceremony, name)


async def take_passkey(visit: Visit) -> Response:
    """Take the first passkey."""
    handle, form = await pending.posted(visit)
    ceremony = await _ceremony(visit, handle)
    name = form.text("display_name").strip()
    problems = _name_problems(name)
    if not problems:
        credential = read_credential(form.text("credential"))
        try:
            ceremony = await visit.desk.services.identity.welcome.passkey(handle, credential, visit.client)
        except PasskeyRefusedError as error:
            problems[""] = said(error.message, error.hint)
    if problems:
        return await _page(visit, handle, ceremony, problems=problems, display_name=name, status=422)
    return await _admitted(visit, handle, ceremony, name)


async def show_welcome(visit: Visit) -> Response:
    """Show what is still missing: a second factor, then recovery codes, then nothing."""
    assert visit.visitor is not None
    found = await visit.desk.services.identity.accounts.authenticators(visit.visitor.user.id)
    kinds = {one.kind for one in found}
    if not kinds & _STRONG:
        return visit.show("invite.html", stage="second", step=2, ring=FIRST_FACTOR)
    if AuthenticatorKind.RECOVERY_CODES not in kinds:
        return visit.show("invite.html", stage="codes", step=3, ring=FIRST_FACTOR)
    return see_other("/")


async def begin_totp(visit: Visit) -> Response:
    """Show the picture for the authenticator app."""
    await own_form(visit)
    return await show_enrolment(visit, template="invite.html", action="/welcome/totp/confirm", stage="totp", step=2)


async def confirm_totp(visit: Visit) -> Response:
    """Take the first code of the app."""
    form = await own_form(visit)
    problems = await take_first_code(visit, form)
    if problems:
        return code_again(
            visit,
            form,
            problems,
            template="invite.html",
            action="/welcome/totp/confirm",
            again="/welcome/totp",
            stage="totp",
            step=2,
        )
    return see_other("/welcome")


async def show_codes(visit: Visit) -> Response:
    """Make the recovery codes and show them, once."""
    await own_form(visit)
    if not await visit.is_fresh():
        return see_other("/step-up?return_to=/welcome")
    return await recovery_codes_page(visit, next_url="/")


async def _ceremony(visit: Visit, handle: str) -> Ceremony:
    ceremony = await visit.desk.services.identity.sign_in.current(handle)
    if ceremony.purpose is not Purpose.INVITATION:
        raise WrongStepError("no invitation is open in this browser", hint="open the link again")
    return ceremony


async def _admitted(visit: Visit, handle: str, ceremony: Ceremony, name: str) -> Response:
    assert ceremony.user_id is not None
    if name:
        await visit.desk.services.identity.accounts.change_user(
            ceremony.user_id, actor=ceremony.user_id, display_name=name
        )
    return await admit(visit, handle, ceremony, onward="/welcome")


async def _page(
    visit: Visit,
    handle: str,
    ceremony: Ceremony,
    *,
    problems: dict[str, str] | None = None,
    display_name: str | None = None,
    status: int = 200,
) -> Response:
    if "new_passkey" not in ceremony.offers:
        raise WrongStepError("the first step of this invitation is done", hint="sign in")
    user = await visit.desk.services.identity.reader.user(ceremony.user_id) if ceremony.user_id else None
    own = user.display_name if user is not None and user.display_name != user.name else ""
    return visit.show(
        "invite.html",
        Page(
            csrf=csrf_token(visit.desk.services.csrf_key, handle),
            problems=problems or {},
            scripts=("passkey.js",),
        ),
        status=status,
        stage="welcome",
        step=1,
        user_name=ceremony.user_name or "",
        display_name=own if display_name is None else display_name,
        passkey_options=await visit.desk.services.identity.welcome.passkey_options(handle),
        ring=NOTHING_ASKED,
    )


def _name_problems(name: str) -> dict[str, str]:
    if len(name) > _LONGEST_NAME or not name.isprintable():
        return {"display_name": f"A name has at most {_LONGEST_NAME} letters."}
    return {}
