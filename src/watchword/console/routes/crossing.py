"""What the console serves on the hosts of applications: the way in from the portal, and the way out."""

from __future__ import annotations

import base64
import hashlib

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from watchword.console.desk import Desk
from watchword.console.errors import MisdirectedError
from watchword.console.routes.endpoint import endpoint
from watchword.console.routes.visit import (
    SESSION_COOKIE,
    STATE_COOKIE,
    Visit,
    drop_cookie,
    see_other,
    set_device,
    set_session,
)
from watchword.identity import HandoffRefusedError, safe_return_to


def routes(desk: Desk) -> list[Route]:
    """Return the routes below `/.watchword/` on the hosts of applications."""
    return [
        Route("/.watchword/callback", endpoint(desk, callback), methods=["GET"]),
        Route("/.watchword/sign-out", endpoint(desk, show_sign_out), methods=["GET"]),
        Route("/.watchword/sign-out", endpoint(desk, sign_out), methods=["POST"]),
    ]


async def callback(visit: Visit) -> Response:
    """Take the code from the portal and give the browser its session on this host.

    1. the cookie that this host's door planted is there;  2. the code is fresh, unused, made for this host and that
    cookie;  3. the way on lies on this host.
    """
    found = visit.desk.application_at(visit.request.headers.get("host", ""))
    if found is None:
        raise MisdirectedError("no application has this address")
    codes = visit.request.query_params.getlist("code")
    state = visit.cookie(STATE_COOKIE)
    # Prevents: login CSRF. A code without this browser's own state signs nobody in.
    if len(codes) != 1 or state is None:
        raise HandoffRefusedError("the way back from sign-in did not work", hint="open the address again")
    session, handle, return_to = await visit.desk.services.identity.handoff.redeem(
        codes[0], visit.host, hash_state(state), visit.client
    )
    await visit.desk.services.settled()
    # Prevents: an open redirect, should a code ever hold an address elsewhere: this host's own, or its root.
    onward = safe_return_to(return_to, (found[1],)) or "/"
    response = see_other(onward)
    set_session(response, handle)
    drop_cookie(response, STATE_COOKIE)
    if session.device_id is not None:
        set_device(response, visit.desk.services.devices.handle_for(session.device_id, visit.host))
    return response


async def show_sign_out(visit: Visit) -> Response:
    """Ask before the session ends; a link from elsewhere ends nothing."""
    if visit.visitor is None:
        return _to_portal(visit)
    return visit.message(
        "Sign out?",
        "This ends your session here and in every other application you opened with it.",
        form=("/.watchword/sign-out", "Sign out"),
        links=(("/", "Stay"),),
        form_targets=(visit.desk.settings.portal_origin,),
    )


async def sign_out(visit: Visit) -> Response:
    """End the session, everywhere it was used."""
    bearer = visit.cookie(SESSION_COOKIE)
    if visit.visitor is None or bearer is None:
        return _to_portal(visit)
    await visit.form(bearer=bearer)
    await visit.desk.services.identity.sessions.end(
        visit.visitor.session.id, actor=visit.visitor.user.id, reason="signed_out"
    )
    await visit.desk.services.settled()
    response = _to_portal(visit)
    drop_cookie(response, SESSION_COOKIE)
    return response


def hash_state(state: str) -> str:
    """Return the form of a state that stands in addresses; the door that planted it writes the same."""
    return (
        base64.urlsafe_b64encode(hashlib.sha256(state.encode("utf-8", "surrogatepass")).digest()).rstrip(b"=").decode()
    )


def _to_portal(visit: Visit) -> RedirectResponse:
    return see_other(f"{visit.desk.settings.portal_origin}/signed-out")
