"""The outermost layer: only our hosts, only their paths, and security headers on every answer."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watchword.console.desk import Desk
from watchword.console.pages import HEADERS, NOTHING_POLICY

_OURS = "/.watchword/"
_RAW_HEADERS = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())


class Gate:
    """Send the portal's requests to the portal and the applications' `/.watchword/*` to the crossing.

    A host that is not ours, a host named twice, and a scheme that is not HTTP get no page.
    """

    def __init__(self, desk: Desk, *, portal: ASGIApp, crossing: ASGIApp) -> None:
        self._desk = desk
        self._portal = portal
        self._crossing = crossing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await _refuse_other(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in _RAW_HEADERS if pair[0] not in present)]
            await send(message)

        app = self._app_for(scope)
        if app is None:
            await _misdirected(send_with_headers)
        else:
            await app(scope, receive, send_with_headers)

    def _app_for(self, scope: Scope) -> ASGIApp | None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        # Prevents: host header attacks; the one Host that was sent is one of ours, letter by letter.
        authority = hosts[0].decode("latin-1") if len(hosts) == 1 else ""
        if authority == self._desk.settings.portal_authority:
            return self._portal
        if scope["path"].startswith(_OURS) and self._desk.application_at(authority) is not None:
            return self._crossing
        # The orchestrator asks for health over the socket itself, by whatever name it has for it.
        return self._portal if scope["path"] == "/healthz" and not hosts else None


async def _misdirected(send: Send) -> None:
    body = b"There is nothing here under this name.\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", NOTHING_POLICY.encode()),
    ]
    await send({"type": "http.response.start", "status": 421, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse_other(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
    elif scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
