"""Wrap a handler: turn every error into a page that says what happened and what to do."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from watchword.console.desk import Desk
from watchword.console.errors import ForbiddenError, ForgedRequestError, TooManyRequestsError
from watchword.console.routes import pending
from watchword.console.routes.visit import Visit, to_sign_in, to_step_up
from watchword.identity import (
    BusyError,
    CeremonyInvalidError,
    HandoffRefusedError,
    InvitationRefusedError,
    SessionNotLiveError,
    StepUpRequiredError,
    ThrottledError,
    UnknownSubjectError,
    WrongStepError,
)
from watchword.kernel import NotFoundError, WatchwordError

Handler = Callable[[Visit], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]

_log: Final = logging.getLogger("watchword.console")
_TITLES: Final[tuple[tuple[type[WatchwordError], str, str], ...]] = (
    (
        ForgedRequestError,
        "This page was out of date",
        "Nothing was changed. Load the page again and repeat what you did.",
    ),
    (
        CeremonyInvalidError,
        "This sign-in cannot go on",
        "It ran out, was finished already, or began in another browser.",
    ),
    (WrongStepError, "That was not the next step", "Another page of this sign-in was ahead of this one."),
    (
        InvitationRefusedError,
        "This link cannot be used",
        "It was used already, has run out, or was replaced by a newer one. Ask an administrator for another.",
    ),
    (
        HandoffRefusedError,
        "The way back did not work",
        "The code from sign-in was used already, is too old, or was made for another browser. Open the address again.",
    ),
    (ForbiddenError, "This is not open to you", "Ask an administrator if you need it."),
    (UnknownSubjectError, "There is nothing here", "The address is wrong, or what it named is gone."),
    (NotFoundError, "There is nothing here", "The address is wrong, or what it named is gone."),
    (BusyError, "Very many people are signing in", "Wait a moment, then try again."),
    (ThrottledError, "Too many attempts", "Wait a little, then try again."),
    (TooManyRequestsError, "Too many requests", "Wait a little, then try again."),
)


def endpoint(desk: Desk, handler: Handler) -> Endpoint:
    """Make an endpoint of the web framework from a handler of ours."""

    async def respond(request: Request) -> Response:
        visit = Visit(desk, request)
        try:
            return await handler(visit)
        except (StepUpRequiredError, SessionNotLiveError) as error:
            return _prove_again(visit, error)
        except WatchwordError as error:
            return _explain(visit, error)
        except Exception as error:  # noqa: BLE001  # whatever it was, nobody outside learns of it and nothing was allowed
            # Where, but never with what values: they may be passwords, and so may the words of a foreign exception.
            frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
            where = ", ".join(frames[-12:])
            _log.error("the console failed: %s in %s, at %s", type(error).__name__, handler.__name__, where)
            return _failed(visit)

    return respond


def member(handler: Handler) -> Handler:
    """Let only signed-in visitors through; others are led to sign in and back."""

    async def guarded(visit: Visit) -> Response:
        if visit.visitor is not None:
            return await handler(visit)
        return to_sign_in(_here(visit) if visit.request.method in {"GET", "HEAD"} else "/")

    guarded.__name__ = handler.__name__
    return guarded


def administrator(handler: Handler) -> Handler:
    """Let only administrators through who showed a second factor lately, here, in a session of no high risk.

    Each condition fails closed: what cannot be told counts as not so.
    """

    async def guarded(visit: Visit) -> Response:
        is_reading = visit.request.method in {"GET", "HEAD"}
        if visit.visitor is None:
            return to_sign_in(_here(visit) if is_reading else "/admin")
        # Prevents: forced browsing. Said before anything else, so that nobody steps up for nothing.
        if not visit.visitor.user.is_administrator:
            raise ForbiddenError("administrators only")
        if not visit.has_fresh_mfa():
            return to_step_up(_here(visit) if is_reading else "/admin")
        if await visit.is_risky():
            raise ForbiddenError("too much about this session is unusual")
        return await handler(visit)

    guarded.__name__ = handler.__name__
    return guarded


def _here(visit: Visit) -> str:
    path = quote(visit.request.url.path)
    return f"{path}?{visit.request.url.query}" if visit.request.url.query else path


def _prove_again(visit: Visit, error: StepUpRequiredError | SessionNotLiveError) -> Response:
    if isinstance(error, StepUpRequiredError):
        return to_step_up("/account")
    return to_sign_in(_here(visit) if visit.request.method in {"GET", "HEAD"} else "/")


def _explain(visit: Visit, error: WatchwordError) -> Response:
    title, words = next(
        ((title, words) for kind, title, words in _TITLES if isinstance(error, kind)),
        ("That did not work", error.message[:1].upper() + error.message[1:] + "."),
    )
    is_ceremony = isinstance(error, CeremonyInvalidError | WrongStepError)
    links = (("/sign-in", "Start again"),) if is_ceremony else (("/", "To the start"),)
    hint = error.hint if title == "That did not work" and error.hint else ""
    response = visit.message(
        title, words, status=error.status, hint=hint[:1].upper() + hint[1:], links=links, code=error.code
    )
    if isinstance(error, CeremonyInvalidError):
        pending.forget(visit, response, visit.ceremony)
    if isinstance(error, ThrottledError):
        response.headers["retry-after"] = str(error.retry_after_s)
    return response


def _failed(visit: Visit) -> Response:
    return visit.message(
        "Something failed on our side",
        "Nothing was allowed and nothing half-done was kept. Try again in a moment.",
        status=500,
        links=(("/", "To the start"),),
        code="console.failed",
    )
