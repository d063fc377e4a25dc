"""One request to the console: who asks, what was sent, and how to answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from watchword.console import guards
from watchword.console.desk import Desk
from watchword.console.errors import MalformedRequestError, TooLargeError
from watchword.console.model import NOTHING_ASKED
from watchword.console.pages import Page, content_security_policy
from watchword.console.visitor import Visitor, find_visitor
from watchword.console.words import within
from watchword.identity import Client, StepUpRequiredError
from watchword.kernel import Answer, Secret

SESSION_COOKIE: Final = "__Host-ww-session"
DEVICE_COOKIE: Final = "__Host-ww-device"
STATE_COOKIE: Final = "__Host-ww-state"
_DEVICE_LIFE_S = 400 * 86400
_BODY_WITHIN_S = 10
_LONGEST_HANDLE = 4096
HTMX: Final = ("htmx/htmx.min.js", "htmx/hx-csp.min.js", "htmx/hx-sse.min.js")


class Visit:
    """A request with everything that handlers ask of it.

    Attributes:
        ceremony: the handle of the sign-in that it belongs to, once that is known.
    """

    def __init__(self, desk: Desk, request: Request) -> None:
        self.desk = desk
        self.request = request
        self.ceremony: str | None = None
        self.now: datetime = desk.services.clock.now()

    @cached_property
    def client(self) -> Client:
        """Who is at the other end, as the edge saw it."""
        ip = guards.client_ip(self.request.headers.getlist("x-watchword-client-ip"))
        return Client(ip=ip, user_agent=self.request.headers.get("user-agent", ""))

    @cached_property
    def host(self) -> str:
        """The host that was asked, without its port; the gate has checked that it is one of ours."""
        return guards.host_of(self.request.headers.get("host", ""))

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """The cookies of this browser, but for those that are doubled, empty or longer than any of ours."""
        # Prevents: a long header of cookies that is read anew for each of the many that are looked for.
        return guards.cookies(self.request.headers.getlist("cookie"), longest=_LONGEST_HANDLE)

    def cookie(self, name: str) -> str | None:
        """Return a cookie, or nothing if it is missing, doubled or longer than any of ours."""
        return self.cookies.get(name)

    @cached_property
    def visitor(self) -> Visitor | None:
        """Who holds the session of this host, or nobody."""
        return find_visitor(
            self.desk.services,
            session_handle=self.cookie(SESSION_COOKIE),
            device_handle=self.cookie(DEVICE_COOKIE),
            host=self.host,
            now=self.now,
        )

    def csrf(self) -> str:
        """Return the token for this visitor's forms: of the session, or of the ceremony before there is one."""
        bearer = self.cookie(SESSION_COOKIE) if self.visitor else self.ceremony
        return guards.csrf_token(self.desk.services.csrf_key, bearer) if bearer else ""

    async def form(self, *, bearer: str) -> guards.Form:
        """Read the form that was posted, once its origin, size, spelling and token are found right.

        Args:
            bearer: the cookie that its token is bound to.

        Raises:
            ForgedRequestError: it was not sent by a page of ours in this session.
            MalformedRequestError, TooLargeError: it cannot be read.
        """
        form = await self.unverified_form()
        guards.check_csrf(self.desk.services.csrf_key, bearer, form.text("csrf"))
        return form

    async def unverified_form(self) -> guards.Form:
        """Read the form that was posted, once its origin, size and spelling are found right; not yet its token.

        Raises:
            ForgedRequestError: it was not sent by a page of ours.
            MalformedRequestError, TooLargeError: it cannot be read.
        """
        headers = self.request.headers
        sent = {name: headers.getlist(name) for name in ("origin", "sec-fetch-site")}
        guards.check_same_origin(sent, self.origin)
        return guards.parse_form(await self._body(), headers.getlist("content-type"))

    @property
    def origin(self) -> str:
        """The origin that was asked."""
        return f"https://{self.request.headers.get('host', '')}"

    async def _body(self) -> bytes:
        try:
            declared = int(self.request.headers.get("content-length", "0"))
        except ValueError as error:
            raise MalformedRequestError("the length of the form is not a number") from error
        if declared > guards.MAX_BODY:
            raise TooLargeError("the form is too large")
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_WITHIN_S):
                async for chunk in self.request.stream():
                    body += chunk
                    if len(body) > guards.MAX_BODY:
                        raise TooLargeError("the form is too large")
        except TimeoutError as error:
            raise MalformedRequestError("the form did not arrive in time") from error
        except ClientDisconnect as error:
            raise MalformedRequestError("the form was cut off") from error
        return bytes(body)

    def show(
        self,
        template: str,
        page: Page | None = None,
        *,
        status: int = 200,
        form_targets: tuple[str, ...] = (),
        **values: Any,
    ) -> HTMLResponse:
        """Render a page with its own nonce and policy; nothing of it may be kept by anybody."""
        page = self.completed(page or Page())
        values.setdefault("ring", NOTHING_ASKED)
        body = self.desk.pages.render(template, page, visitor=self.visitor, now=self.now, **values)
        return _sent(body, page, status=status, form_targets=form_targets)

    def completed(self, page: Page) -> Page:
        """Fill in what every page has: token, nonce, zone."""
        zone = self.visitor.user.timezone if self.visitor else "UTC"
        return Page(
            csrf=page.csrf or self.csrf(),
            nonce=self.desk.pages.nonce(),
            zone=zone or "UTC",
            section=page.section,
            tab=page.tab,
            notice=page.notice,
            problems=page.problems,
            problems_title=page.problems_title,
            scripts=page.scripts,
        )

    def message(
        self,
        title: str,
        words: str,
        *,
        status: int = 200,
        hint: str = "",
        links: tuple[tuple[str, str], ...] = (),
        form: tuple[str, str] = ("", ""),
        code: str = "",
        form_targets: tuple[str, ...] = (),
    ) -> HTMLResponse:
        """Render a page that says one thing."""
        if not form[0]:
            body = self.desk.pages.message(
                title=title, words=words, hint=hint, links=links, code=code, aside="", ring=NOTHING_ASKED
            )
            return _sent(body, Page(), status=status, form_targets=form_targets)
        return self.show(
            "message.html",
            status=status,
            form_targets=form_targets,
            title=title,
            words=words,
            hint=hint,
            links=links,
            form_action=form[0],
            form_label=form[1],
            code=code,
            aside="",
        )

    async def is_risky(self) -> bool:
        """Tell whether the live session is too risky to act with; a failure to tell counts as yes."""
        if self.visitor is None:
            return True
        verdict = await self.desk.services.risk.assess_session(self.visitor.session, self.client)
        return verdict.answer in {Answer.DENY, Answer.APPROVAL}

    def has_fresh_mfa(self) -> bool:
        """Tell whether a second factor was shown lately, from this very network, in this session."""
        if self.visitor is None:
            return False
        session = self.visitor.session
        # Prevents: a stolen cookie riding on the second factor of its owner from elsewhere.
        is_here = session.mfa_network is not None and session.mfa_network == self.client.network
        return is_here and within(session.mfa_at, self.now, self.desk.settings.administrator_max_age)

    async def is_fresh(self) -> bool:
        """Tell whether identity lets this session change its owner's factors now."""
        if self.visitor is None:
            return False
        try:
            await self.desk.services.identity.accounts.require_fresh(self.visitor.session)
        except StepUpRequiredError:
            return False
        return True


def see_other(path: str) -> RedirectResponse:
    """Redirect after a post, or anywhere else; the caller has made sure where to."""
    return RedirectResponse(path, 303, {"cache-control": "no-store"})


def to_step_up(path: str) -> RedirectResponse:
    """Ask for a fresh proof and come back."""
    return see_other(f"/step-up?return_to={quote(path, safe='/')}")


def to_sign_in(path: str) -> RedirectResponse:
    """Ask for a sign-in and come back."""
    return see_other(f"/sign-in?return_to={quote(path, safe='/')}")


def set_cookie(response: Response, name: str, value: Secret[str], *, life_s: int | None = None) -> None:
    """Set one of our cookies: this host only, this scheme only, out of reach of scripts."""
    response.set_cookie(name, value.reveal(), max_age=life_s, path="/", secure=True, httponly=True, samesite="lax")


def set_session(response: Response, handle: Secret[str]) -> None:
    """Give the browser its session; the server knows when it ends, the browser forgets it when closed."""
    set_cookie(response, SESSION_COOKIE, handle)


def set_device(response: Response, handle: Secret[str]) -> None:
    """Give the browser its device key, for as long as browsers keep one."""
    set_cookie(response, DEVICE_COOKIE, handle, life_s=_DEVICE_LIFE_S)


def drop_cookie(response: Response, name: str) -> None:
    """Take one of our cookies back."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


def read_credential(text: str) -> Mapping[str, Any]:
    """Read the answer of an authenticator, as the passkey script put it into the form.

    Raises:
        MalformedRequestError: it is not a JSON object.
    """
    try:
        credential = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError("the answer of the passkey cannot be read", hint="try again") from error
    if not isinstance(credential, dict):
        raise MalformedRequestError("the answer of the passkey cannot be read", hint="try again")
    return credential


def _sent(body: str | bytes, page: Page, *, status: int, form_targets: tuple[str, ...]) -> HTMLResponse:
    headers = {
        "cache-control": "no-store",
        "content-security-policy": content_security_policy(page, form_targets=form_targets),
    }
    return HTMLResponse(body, status, headers)
