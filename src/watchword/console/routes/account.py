"""One's own account: how one signs in, where one is signed in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import segno
from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Route

from watchword.console.desk import Desk
from watchword.console.guards import Form
from watchword.console.model import FIRST_FACTOR
from watchword.console.pages import Page
from watchword.console.routes import doubts, pending
from watchword.console.routes.endpoint import endpoint, member
from watchword.console.routes.visit import SESSION_COOKIE, Visit, drop_cookie, read_credential, see_other
from watchword.console.rows import factor_row, session_row
from watchword.identity import (
    AuthenticatorKind,
    CodeRefusedError,
    LastFactorError,
    PasskeyRefusedError,
    PasswordRefusedError,
    TooManyError,
    UnknownSubjectError,
    WrongStepError,
)
from watchword.kernel import AuthenticatorId, SessionId
from watchword.kernel.ids import MalformedIdError
from watchword.trust.learning import FeedbackRefusedError

_MOST_PASSKEYS = 20
_RECENT = timedelta(days=30)
_SHOWN = 10
UNLIKE = "What you typed the second time is not the same."
_STRONG = frozenset({AuthenticatorKind.PASSKEY, AuthenticatorKind.TOTP})
# What may be said at the top of the page after a post; the address names one of these and nothing else.
_NOTICES = {
    "passkey": "The passkey is registered.",
    "totp": "The authenticator app is set up.",
    "removed": "It is removed.",
    "password": "The password is changed. Every other session has ended.",
    "ended": "The session has ended.",
    "disowned": "That session has ended. Whoever it was knows how you sign in: change your password now.",
    doubts.VOUCHED: "Noted: this was you. Nothing changes at once, in no session.",
    doubts.DENIED: "Noted: this was not you. Whoever it was may know how you sign in: change your password now.",
    "ended-others": "Every other session has ended.",
}


def routes(desk: Desk) -> list[Route]:
    """Return the routes of one's own account."""
    handlers = {
        "/account/passkeys": add_passkey,
        "/account/totp": begin_totp,
        "/account/totp/confirm": confirm_totp,
        "/account/recovery-codes": renew_codes,
        "/account/password": change_password,
        "/account/factors/remove": remove_factor,
        "/account/sessions/end": end_session,
        "/account/sessions/disown": disown_session,
        "/account/doubts": answer_doubt,
        "/account/sessions/end-others": end_others,
        "/account/sessions/end-all": end_all,
    }
    posts = [Route(path, endpoint(desk, member(handler)), methods=["POST"]) for path, handler in handlers.items()]
    return [Route("/account", endpoint(desk, member(show_account)), methods=["GET"]), *posts]


async def show_account(visit: Visit) -> Response:
    """Show factors and sessions."""
    return await _account(visit, notice=_NOTICES.get(visit.request.query_params.get("done", ""), ""))


async def add_passkey(visit: Visit) -> Response:
    """Register one more passkey."""
    form = await own_form(visit)
    assert visit.visitor is not None
    credential = read_credential(form.text("credential"))
    try:
        await visit.desk.services.identity.accounts.register_passkey(
            visit.visitor.session, credential, visit.client, label=form.text("label")
        )
    except (PasskeyRefusedError, TooManyError) as error:
        return await _account(visit, problems={"": said(error.message, error.hint)})
    return see_other("/account?done=passkey")


async def begin_totp(visit: Visit) -> Response:
    """Show the picture for an authenticator app."""
    await own_form(visit)
    try:
        return await show_enrolment(visit, template="totp.html", action="/account/totp/confirm")
    except TooManyError as error:
        return await _account(visit, problems={"": said(error.message, error.hint)})


async def confirm_totp(visit: Visit) -> Response:
    """Take the first code of the app."""
    form = await own_form(visit)
    problems = await take_first_code(visit, form)
    if not problems:
        return see_other("/account?done=totp")
    return code_again(
        visit, form, problems, template="totp.html", action="/account/totp/confirm", again="/account/totp"
    )


async def renew_codes(visit: Visit) -> Response:
    """Make new recovery codes and show them, once."""
    await own_form(visit)
    try:
        return await recovery_codes_page(visit, next_url="/account")
    except WrongStepError as error:
        return await _account(visit, problems={"": said(error.message, error.hint)})


async def change_password(visit: Visit) -> Response:
    """Set or replace the password."""
    form = await own_form(visit)
    assert visit.visitor is not None
    problems: dict[str, str] = {}
    if form.text("new_password") != form.text("new_password_again"):
        problems["new_password_again"] = UNLIKE
    else:
        try:
            await visit.desk.services.identity.accounts.set_password(
                visit.visitor.session, form.text("new_password"), visit.client
            )
        except PasswordRefusedError as error:
            problems["new_password"] = said(error.message, error.hint)
    if problems:
        return await _account(visit, problems=problems)
    await visit.desk.services.settled()
    return see_other("/account?done=password")


async def remove_factor(visit: Visit) -> Response:
    """Take an authenticator away."""
    form = await own_form(visit)
    assert visit.visitor is not None
    try:
        await visit.desk.services.identity.accounts.remove_authenticator(
            visit.visitor.session, AuthenticatorId(form.text("authenticator")), visit.client
        )
    except (LastFactorError, UnknownSubjectError) as error:
        return await _account(visit, problems={"": said(error.message, error.hint)}, status=error.status)
    except MalformedIdError as error:
        raise UnknownSubjectError("you have no such authenticator") from error
    return see_other("/account?done=removed")


async def end_session(visit: Visit) -> Response:
    """End one of one's own sessions."""
    form = await own_form(visit)
    assert visit.visitor is not None
    try:
        session = SessionId(form.text("session"))
    except MalformedIdError as error:
        raise UnknownSubjectError("there is no such session") from error
    user = visit.visitor.user.id
    await visit.desk.services.identity.sessions.end(session, actor=user, reason="owner", owner=user)
    await visit.desk.services.settled()
    return see_other("/account?done=ended#sessions")


async def disown_session(visit: Visit) -> Response:
    """Take "this was not me": the session ends, and what it did is learned as somebody else's.

    # Prevents: a session being its own witness; it speaks of others only.
    """
    form = await own_form(visit)
    assert visit.visitor is not None
    services, user = visit.desk.services, visit.visitor.user.id
    try:
        session = await services.identity.reader.session(SessionId(form.text("session")))
    except MalformedIdError as error:
        raise UnknownSubjectError("there is no such session") from error
    if session is None or session.user_id != user or session.id == visit.visitor.session.id:
        raise UnknownSubjectError("there is no such session")
    await services.identity.sessions.end(session.id, actor=user, reason="disowned", owner=user)
    if services.feedback is not None:
        await services.feedback.disown(session, by=visit.visitor.session)
    await services.settled()
    return see_other("/account?done=disowned#recent")


async def answer_doubt(visit: Visit) -> Response:
    """Take the answer to "was this you?" about an act in doubt."""
    form = await own_form(visit)
    try:
        done = await doubts.answer(visit, form)
    except FeedbackRefusedError as error:
        return await _account(visit, problems={"": said(error.message, error.hint)}, status=error.status)
    if done != doubts.DENIED_HERE:
        return see_other(f"/account?done={done}#doubts")
    response = see_other("/signed-out")
    drop_cookie(response, SESSION_COOKIE)
    pending.forget_all(visit, response)
    return response


async def end_others(visit: Visit) -> Response:
    """End every session but this one."""
    await own_form(visit)
    assert visit.visitor is not None
    user = visit.visitor.user.id
    await visit.desk.services.identity.sessions.end_all(
        user, actor=user, reason="owner", except_for=visit.visitor.session.id
    )
    await visit.desk.services.settled()
    return see_other("/account?done=ended-others#sessions")


async def end_all(visit: Visit) -> Response:
    """End every session, this one too."""
    await own_form(visit)
    assert visit.visitor is not None
    user = visit.visitor.user.id
    await visit.desk.services.identity.sessions.end_all(user, actor=user, reason="owner")
    await visit.desk.services.settled()
    response = see_other("/signed-out")
    drop_cookie(response, SESSION_COOKIE)
    pending.forget_all(visit, response)
    return response


async def own_form(visit: Visit) -> Form:
    """Read the form of a signed-in visitor."""
    return await visit.form(bearer=visit.cookie(SESSION_COOKIE) or "")


async def show_enrolment(visit: Visit, *, template: str, action: str, **values: Any) -> Response:
    """Make a secret for an authenticator app and show it as a picture and as text, once."""
    assert visit.visitor is not None
    enrolment = await visit.desk.services.identity.accounts.enrol_totp(visit.visitor.session, visit.client)
    key = enrolment.secret.reveal()
    return visit.show(
        template,
        Page(section="account"),
        qr=_picture(enrolment.uri.reveal()),
        key=" ".join(key[at : at + 4] for at in range(0, len(key), 4)),
        totp_action=action,
        totp_restart="",
        enrolment_id=enrolment.id,
        ring=FIRST_FACTOR,
        **values,
    )


async def take_first_code(visit: Visit, form: Form) -> dict[str, str]:
    """Confirm an authenticator app; return what was wrong, or nothing."""
    assert visit.visitor is not None
    try:
        enrolment = AuthenticatorId(form.text("authenticator"))
        await visit.desk.services.identity.accounts.confirm_totp(
            visit.visitor.session, enrolment, form.text("code"), visit.client
        )
    except CodeRefusedError as error:
        return {"code": said(error.message, error.hint)}
    except MalformedIdError as error:
        raise CodeRefusedError("nothing waits for a code", hint="start again") from error
    return {}


def code_again(
    visit: Visit, form: Form, problems: dict[str, str], *, template: str, action: str, again: str, **values: Any
) -> Response:
    """Ask for the code once more; the secret itself is not shown a second time."""
    return visit.show(
        template,
        Page(section="account", problems=problems, problems_title="That did not work"),
        status=422,
        qr="",
        key="",
        totp_action=action,
        totp_restart=again,
        enrolment_id=form.text("authenticator"),
        ring=FIRST_FACTOR,
        **values,
    )


async def recovery_codes_page(visit: Visit, *, next_url: str) -> Response:
    """Make recovery codes and show them; nothing keeps them but the reader."""
    assert visit.visitor is not None
    codes = await visit.desk.services.identity.accounts.new_recovery_codes(visit.visitor.session, visit.client)
    return visit.show(
        "recovery_codes.html",
        Page(scripts=("acts.js",)),
        codes=[code.reveal() for code in codes],
        account_name=visit.visitor.user.name,
        portal_host=visit.host,
        next_url=next_url,
    )


def said(message: str, hint: str | None) -> str:
    """Make a sentence of an error for people."""
    words = message[:1].upper() + message[1:] + "."
    return f"{words} {hint[:1].upper() + hint[1:]}." if hint else words


def _picture(uri: str) -> Markup:
    """Draw a QR code as SVG without any inline style."""
    svg = segno.make(uri, error="m", micro=False).svg_inline(border=0, omitsize=True, svgclass=None, lineclass=None)
    return Markup(svg)  # noqa: S704  # drawn by us: a path of numbers, no text of anybody's


async def _account(
    visit: Visit, *, notice: str = "", problems: dict[str, str] | None = None, status: int = 422
) -> Response:
    assert visit.visitor is not None
    services, session = visit.desk.services, visit.visitor.session
    found = await services.identity.accounts.authenticators(visit.visitor.user.id)
    kinds = {one.kind for one in found}
    is_fresh = await visit.is_fresh()
    options = None
    if is_fresh and sum(one.kind is AuthenticatorKind.PASSKEY for one in found) < _MOST_PASSKEYS:
        options = await services.identity.accounts.passkey_options(session)
    sessions = [
        session_row(facts, person="", places=services.places, current=session)
        for facts in await services.identity.sessions.list_for(visit.visitor.user.id)
    ]
    flagged = await doubts.flagged_rows(visit)
    recent = await services.identity.sessions.recent_for(visit.visitor.user.id, within=_RECENT, most=_SHOWN)
    return visit.show(
        "account.html",
        Page(
            section="account",
            notice=notice,
            problems=problems or {},
            problems_title="Nothing was changed",
            scripts=("passkey.js",) if options else (),
        ),
        status=status if problems else 200,
        factors=[factor_row(one) for one in found],
        sessions=sorted(sessions, key=lambda row: (not row.is_current, row.facts.authenticated_at), reverse=False),
        recent=[
            session_row(facts, person="", places=services.places, current=session, now=visit.now) for facts in recent
        ],
        flagged=flagged,
        is_asked=any(row.act.is_owners is None for row in flagged),
        learns=any(row.act.can_be_learned for row in flagged),
        is_fresh=is_fresh,
        passkey_options=options,
        can_add_totp=AuthenticatorKind.TOTP not in kinds,
        can_add_recovery=bool(kinds & _STRONG) and AuthenticatorKind.RECOVERY_CODES not in kinds,
        has_password=AuthenticatorKind.PASSWORD in kinds,
        least_password=8 if kinds & _STRONG else 15,
    )
