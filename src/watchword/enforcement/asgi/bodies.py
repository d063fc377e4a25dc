"""Reduce what the application answers before the server gets to see it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from watchword.enforcement.asgi.context import Application, Message, Receive, Visit
from watchword.enforcement.bodies import (
    BodyFilter,
    BodyRefusedError,
    Verdict,
    asking_headers,
    judge,
    reduced_headers,
    withheld,
)

# Below it a document is reduced at once; above it in a thread, so that others need not wait for it.
_AT_ONCE: Final = 32 * 1024
_log: Final = logging.getLogger("watchword.asgi")


class _WithheldError(OSError):
    """Tell the application that nobody reads on; an `OSError`, as the ASGI specification has it for a lost client."""


async def answer_reduced(
    app: Application, here: Visit, receive: Receive, *, body_filter: BodyFilter, most: int
) -> None:
    """Serve one HTTP request whose answer goes through a filter.

    Args:
        most: bytes of the longest body that is reduced; a longer one is refused.
    """
    scope = dict(here.scope)
    scope["headers"] = asking_headers((name.lower(), value) for name, value in scope["headers"])
    # Prevents: an answer that goes around the filter, as a file sent by its path, trailers or an early hint would.
    scope["extensions"] = {}
    answer = _Answer(here, body_filter, most)
    try:
        await app(scope, answer.receiving(receive), answer.send)
    except _WithheldError:
        if not answer.is_over:
            raise


class _Answer:
    """What the application says, held back until it is whole."""

    def __init__(self, here: Visit, body_filter: BodyFilter, most: int) -> None:
        self._here = here
        self._filter = body_filter
        self._most = most
        self._is_head = here.scope["method"] == "HEAD"
        self._head: Message | None = None
        self._verdict: Verdict | None = None
        self._body = bytearray()
        self.is_over = False

    def receiving(self, receive: Receive) -> Receive:
        """Return a receiver that says so when nobody reads on."""

        async def receive_or_end() -> Message:
            return {"type": "http.disconnect"} if self.is_over else await receive()

        return receive_or_end

    async def send(self, message: Message) -> None:
        """Take a message of the application's."""
        if self.is_over:
            raise _WithheldError
        try:
            await self._take(message)
        except BodyRefusedError as error:
            _log.error("an answer was withheld: %s", error.message)
            await self._refuse()
            raise _WithheldError from error

    async def _take(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._head is None:
            self._head = {**message, "headers": [(n.lower(), v) for n, v in message.get("headers", ())]}
            if not self._here.own_answers:
                self._judge(self._head)
        elif message["type"] == "http.response.body" and self._head is not None:
            self._body += message.get("body", b"")
            # Prevents: memory filled by an answer that never ends.
            if len(self._body) > self._most:
                raise BodyRefusedError("the body is too large")
            if not message.get("more_body", False):
                await self._finish(self._head)
        else:
            # Prevents: a kind of message that a later version of the specification adds.
            raise BodyRefusedError("the application sent a message that is not known here")

    def _judge(self, head: Message) -> None:
        self._verdict = judge(head["status"], head["headers"], is_bodiless=self._is_head)

    async def _finish(self, head: Message) -> None:
        if bytes(self._body) in self._here.own_answers:
            await self._say(head, head["headers"], bytes(self._body))
            return
        if self._verdict is None:
            self._judge(head)
        body: bytes | None = None
        if self._verdict is Verdict.REDUCE:
            body = await self._reduced(bytes(self._body))
        elif self._verdict is Verdict.HAS_NO_BODY and self._body and not self._is_head:
            raise BodyRefusedError("a body came where none was announced")
        length = None if self._is_head else len(body or b"")
        await self._say(head, reduced_headers(head["headers"], length), body or b"")

    async def _say(self, head: Message, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.is_over = True
        await self._here.send({"type": "http.response.start", "status": head["status"], "headers": headers})
        await self._here.send({"type": "http.response.body", "body": body})

    async def _reduced(self, body: bytes) -> bytes:
        if len(body) <= _AT_ONCE:
            return self._filter.apply(body)
        return await asyncio.to_thread(self._filter.apply, body)

    async def _refuse(self) -> None:
        self._body.clear()
        status, headers, body = withheld(self._head["status"] if self._head else None, self._here.assertion.decision_id)
        await self._say({"status": status}, headers, b"" if self._is_head else body)
