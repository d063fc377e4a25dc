"""A small socket for this machine's own tools: how the node is, and how far it has followed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

Status = Callable[[], Awaitable[dict[str, Any]]]


class ControlApp:
    """Answer `GET` on a Unix socket that only this user may open; it tells, and changes nothing.

    Args:
        told: what is told, by path: `/status` for how the node is.
    """

    def __init__(self, told: Mapping[str, Status]) -> None:
        self._told = told

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one question."""
        found = self._told.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        body = orjson.dumps(await found()) if found else b"{}"
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send({"type": "http.response.body", "body": body})
