"""The door for Envoy: HTTP `ext_authz` over a Unix socket that only Envoy can open.

Envoy sends the original method, `/authz` before the original path and query (normalised once, as the upstream will
see them), the original authority, and an allow-listed set of headers. It has already removed what a client may not say
and set `x-watchword-client-ip` from the connection itself.
Source: Envoy API v3, `extensions.filters.http.ext_authz.v3.HttpService`.
"""

from __future__ import annotations

from typing import Final

from starlette.types import Receive, Scope, Send

from watchword.enforcement.door import Door, join_headers

PREFIX: Final = b"/authz"
CLIENT_IP_HEADER: Final = b"x-watchword-client-ip"


class ExtAuthz:
    """A bare ASGI application: no router, no middleware, nothing between Envoy and the decision."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one check."""
        if scope["type"] != "http":
            raise RuntimeError("this door speaks HTTP only")
        headers = join_headers(scope["headers"])
        # The raw path, because policy must see exactly the bytes that the upstream gets, escapes included.
        raw: bytes = scope["raw_path"]
        target = raw.removeprefix(PREFIX).decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        answer = await self._door.answer(
            method=scope["method"],
            host=headers.get(b"host", b"").decode("latin-1").lower(),
            target=target or "/",
            client_ip=headers.get(CLIENT_IP_HEADER, b"").decode("latin-1"),
            headers=headers,
        )
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [*answer.headers, (b"content-length", b"%d" % len(answer.body))],
            }
        )
        await send({"type": "http.response.body", "body": answer.body})
