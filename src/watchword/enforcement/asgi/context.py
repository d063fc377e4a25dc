"""Who is here, for the code that handles the current request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from watchword.enforcement.asgi.errors import InvalidAssertionError
from watchword.enforcement.asgi.model import VerifiedAssertion
from watchword.kernel import Clock

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Visit:
    """One verified request: what was asserted, and what a refusal needs.

    Attributes:
        own_answers: bodies of refusals made here; they hold nothing of the application's and pass its filter.
    """

    assertion: VerifiedAssertion
    scope: Scope
    send: Send
    issuer: str
    clock: Clock
    own_answers: list[bytes] = field(default_factory=list)


visit: Final[ContextVar[Visit | None]] = ContextVar("watchword_visit", default=None)


def current() -> VerifiedAssertion:
    """Return who is here.

    Raises:
        InvalidAssertionError: the middleware did not verify this request; a mistake in how the application is built.
    """
    here = visit.get()
    if here is None:
        raise InvalidAssertionError("no assertion was verified", hint="wrap the application in WatchwordMiddleware")
    return here.assertion
