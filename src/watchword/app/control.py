"""A small socket for this machine's own tools: how the node is, and how far it has followed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import Receive, Scope, Send

Status = Callable[[], Awaitable[dict[str, Any]]]
Question = Callable[[Mapping[str, str]], Awaitable[dict[str, Any]]]

_MOST_FIELDS = 16


class ControlApp:
    """Answer `GET` on a Unix socket that only this user may open; it tells, and changes nothing.

    Args:
        told: what is told, by path: `/status` for how the node is.
        asked: what is asked with a query, by path: `/suppose` for what would be decided.
    """

    def __init__(self, told: Mapping[str, Status], asked: Mapping[str, Question] | None = None) -> None:
        self._told = told
        self._asked = asked or {}

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one question."""
        found = await self._answer(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        body = orjson.dumps(found) if found is not None else b"{}"
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 404 if found is None else 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope) -> dict[str, Any] | None:
        if scope["path"] in self._told:
            return await self._told[scope["path"]]()
        question = self._asked.get(scope["path"])
        if question is None:
            return None
        try:
            query = parse_qs(scope["query_string"].decode("ascii"), strict_parsing=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            return {"problem": "the question cannot be read"}
        return await question({name: values[-1] for name, values in query.items()})
