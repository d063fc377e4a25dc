"""Reduce what the application answers before the server gets to see it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from watchword.enforcement.asgi.context import Application, Message, Receive, Visit
from watchword.enforcement.bodies import (
    TOLD,
    BodyRefusedError,
    Exchange,
    Reduced,
    Verdict,
    asking_headers,
    changes_asking,
    is_json_request,
    judge,
    marked_headers,
    reduced_headers,
    withheld,
)

# Below it a document is reduced at once; above it in a thread, so that others need not wait for it.
_AT_ONCE: Final = 32 * 1024
_log: Final = logging.getLogger("watchword.asgi")


class _WithheldError(OSError):
    """Tell the application that nobody reads on; an `OSError`, as the ASGI specification has it for a lost client."""


async def answer_reduced(app: Application, here: Visit, receive: Receive, *, exchange: Exchange, most: int) -> None:
    """Serve one HTTP request that was let in with rules.

    Args:
        most: bytes of the longest body that is read; a longer one is refused.
    """
    scope = dict(here.scope)
    if changes_asking(exchange.rules):
        scope["headers"] = asking_headers((name.lower(), value) for name, value in scope["headers"])
    # Prevents: an answer that goes around the filter, as a file sent by its path, trailers or an early hint would.
    scope["extensions"] = {}
    answer = _Answer(here, exchange, most)
    try:
        await exchange.begin()
        receive = await _recorded(here, exchange, receive, most)
    except BodyRefusedError as error:
        _log.error("a request was not let in: %s", error.message)
        await answer.refuse()
        return
    try:
        await app(scope, answer.receiving(receive), answer.send)
    except _WithheldError:
        if not answer.is_over:
            raise


async def _recorded(here: Visit, exchange: Exchange, receive: Receive, most: int) -> Receive:
    """Read the body of a request whose fields are recorded, record them, and return what gives it to the application.

    Raises:
        BodyRefusedError: it is no JSON, is too long, or cannot be recorded.
    """
    if not exchange.rules.reads_request:
        return receive
    body, is_whole = bytearray(), False
    while not is_whole:
        message = await receive()
        if message["type"] != "http.request":
            raise BodyRefusedError("the request broke off")
        body += message.get("body", b"")
        is_whole = not message.get("more_body", False)
        if len(body) > most:
            raise BodyRefusedError("the body of the request is too large")
    headers = ((name.lower(), value) for name, value in here.scope["headers"])
    if body and not is_json_request(headers):
        raise BodyRefusedError("the body of the request is not of type JSON")
    await exchange.record_request(bytes(body))
    return _once(bytes(body), receive)


def _once(body: bytes, receive: Receive) -> Receive:
    kept = [body]

    async def receive_kept() -> Message:
        return {"type": "http.request", "body": kept.pop(), "more_body": False} if kept else await receive()

    return receive_kept


class _Answer:
    """What the application says, held back until it is whole where it is read, passed on where it is not."""

    def __init__(self, here: Visit, exchange: Exchange, most: int) -> None:
        self._here = here
        self._exchange = exchange
        self._most = most
        self._is_head = here.scope["method"] == "HEAD"
        self._head: Message | None = None
        self._verdict: Verdict | None = None
        self._body = bytearray()
        self._is_passing = False
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
            if not self._is_passing:
                await self.refuse()
            self.is_over = True  # of an answer that is half way out, the rest is missing: the server cuts it off
            raise _WithheldError from error

    async def _take(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._head is None:
            self._head = {**message, "headers": [(n.lower(), v) for n, v in message.get("headers", ())]}
            if not self._here.own_answers:
                self._judge(self._head)
        elif message["type"] == "http.response.body" and self._head is not None:
            is_last = not message.get("more_body", False)
            if self._verdict in {Verdict.PASS, Verdict.MARK_PAGE}:
                await self._pass(self._head, message.get("body", b""), is_last=is_last)
                return
            self._body += message.get("body", b"")
            # Prevents: memory filled by an answer that never ends.
            if len(self._body) > self._most:
                raise BodyRefusedError("the body is too large")
            if is_last:
                await self._finish(self._head)
        else:
            # Prevents: a kind of message that a later version of the specification adds.
            raise BodyRefusedError("the application sent a message that is not known here")

    def _judge(self, head: Message) -> None:
        self._verdict = judge(head["status"], head["headers"], is_bodiless=self._is_head, rules=self._exchange.rules)

    async def _pass(self, head: Message, body: bytes, *, is_last: bool) -> None:
        """Pass a piece of an answer that is not read, with its mark."""
        mark = self._exchange.watermark
        if not self._is_passing:
            self._is_passing = True
            headers = head["headers"]
            if self._verdict is Verdict.MARK_PAGE:
                headers = reduced_headers(headers, None)
            elif mark is not None:
                headers = [*((name, value) for name, value in headers if name != TOLD[0]), TOLD]
            await self._here.send({**head, "headers": marked_headers(headers, mark)})
        self.is_over = is_last
        if is_last and self._verdict is Verdict.MARK_PAGE and mark is not None and not self._is_head:
            body += mark.page()
        await self._here.send({"type": "http.response.body", "body": body, "more_body": not is_last})

    async def _finish(self, head: Message) -> None:
        if bytes(self._body) in self._here.own_answers:
            await self._say(head, head["headers"], bytes(self._body))
            return
        if self._verdict is None:
            self._judge(head)
        if self._verdict in {Verdict.PASS, Verdict.MARK_PAGE}:
            await self._pass(head, bytes(self._body), is_last=True)
            return
        if self._verdict is Verdict.HAS_NO_BODY and self._body and not self._is_head:
            raise BodyRefusedError("a body came where none was announced")
        reduced = await self._reduced(bytes(self._body) if self._verdict is Verdict.REDUCE else b"")
        await self._exchange.record_answer(reduced, head["status"])
        length = None if self._is_head else len(reduced.body)
        headers = marked_headers(reduced_headers(head["headers"], length), self._exchange.watermark)
        await self._say(head, headers, reduced.body)

    async def _say(self, head: Message, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.is_over = True
        await self._here.send({"type": "http.response.start", "status": head["status"], "headers": headers})
        await self._here.send({"type": "http.response.body", "body": body})

    async def _reduced(self, body: bytes) -> Reduced:
        apply, mark = self._exchange.filter.apply, self._exchange.watermark
        return apply(body, mark) if len(body) <= _AT_ONCE else await asyncio.to_thread(apply, body, mark)

    async def refuse(self) -> None:
        """Say that nothing is shown, with nothing of what the application said."""
        self._body.clear()
        status, headers, body = withheld(self._head["status"] if self._head else None, self._here.assertion.decision_id)
        await self._say({"status": status}, headers, b"" if self._is_head else body)
