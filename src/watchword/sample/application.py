"""Put the pages, the streams and the one line of security together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from watchword.enforcement.asgi import WatchwordMiddleware
from watchword.enforcement.asgi.context import Application, Message, Receive, Scope, Send
from watchword.kernel import Clock, SystemClock
from watchword.sample.notebook import Feed, Notebook
from watchword.sample.pages import Pages
from watchword.sample.streams import Streams

_HERE: Final = Path(__file__).parent
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def application(
    *, jwks: str | os.PathLike[str], issuer: str, audience: str = "notes", clock: Clock | None = None
) -> Starlette:
    """Return the application as an ASGI callable.

    Args:
        jwks: where Watchword's public keys are: a path or an https address.
        issuer: the portal's origin.
        audience: the name under which Watchword publishes this application.
    """
    clock = clock or SystemClock()
    notebook, feed = Notebook(), Feed()
    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages = Pages(templates, notebook, feed, clock, issuer)
    streams = Streams(feed, clock)
    routes = [
        Route("/", pages.notes),
        Route("/notes", pages.add, methods=["POST"]),
        Route("/notes/{number:int}/remove", pages.remove, methods=["POST"]),
        Route("/why", pages.why),
        Route("/live", pages.live),
        Route("/feed", pages.feed),
        Route("/upload", pages.upload),
        Route("/upload", pages.receive, methods=["POST"]),
        Route("/reports", pages.reports),
        Route("/admin", pages.admin),
        Route("/events", streams.events),
        WebSocketRoute("/ws", streams.socket),
        Mount("/static", StaticFiles(directory=_HERE / "static")),
    ]
    # This line is the whole of this application's security.
    watchword = Middleware(WatchwordMiddleware, audience=audience, issuer=issuer, jwks=jwks, clock=clock)
    return Starlette(
        routes=routes,
        middleware=[Middleware(_Headers), watchword, Middleware(_SameOrigin)],
        exception_handlers={404: pages.missing},
    )


class _Headers:
    """Add the security headers to every answer that has none of its own."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in _HEADERS if pair[0] not in present)]
            await send(message)

        await self._app(scope, receive, with_headers)


class _SameOrigin:
    """Refuse what another site sends in a visitor's name: forms and WebSockets.

    Watchword's session cookie is SameSite=Lax already; this holds where a browser does not know that.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in _SAFE:
            await self._app(scope, receive, send)
            return
        headers = dict(scope.get("headers", ()))
        # Prevents: cross-site request forgery, cross-site WebSocket hijacking.
        origin, host = headers.get(b"origin"), headers.get(b"host", b"")
        if scope["type"] == "lifespan" or origin is None or origin == b"https://" + host:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "another origin"})
        else:
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
