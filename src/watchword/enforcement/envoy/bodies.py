"""The filter of exchanges behind Envoy: one gRPC stream for each request that was let in with rules.

The authorizer names the rules in a header of its own; requests without it never come here. Envoy sends heads and bodies
as they arrive and waits for nothing in between, so this service alone decides when something goes on: a body that is
read is held back until it is whole and judged, with the head before it; any other passes piece by piece. What is held
is bounded for each body and for all together, and a longer one is withheld (docs/adr/0058).

Whatever fails here fails the request: Envoy passes nothing that this service did not answer for.
"""

from __future__ import annotations

import json
import logging
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from watchword.enforcement.bodies import (
    ASKED,
    FILTER_HEADER,
    MOST_BODY_BYTES,
    NOT_ASKED,
    NOT_TOLD,
    TOLD,
    WATERMARK_HEADER,
    BodyRefusedError,
    Exchange,
    Means,
    Reduced,
    ValueKeys,
    Verdict,
    Visitor,
    Witness,
    changes_asking,
    is_json_request,
    judge,
    read_filter_header,
    withheld,
)
from watchword.enforcement.envoy.body_messages import (
    Header,
    ProcessingRequest,
    ProcessingResponse,
    changed_headers,
    changed_trailers,
    headers_of,
    instead,
    streamed,
)
from watchword.enforcement.envoy.ext_proc import Processor
from watchword.enforcement.envoy.filters import DECISION_HEADER
from watchword.enforcement.envoy.holding import MOST_HELD_BYTES, Body, Bounds, Flow, Room
from watchword.enforcement.envoy.reducers import Reducers
from watchword.kernel import Clock, SystemClock

_FILTER: Final = FILTER_HEADER.encode()
_DECISION: Final = DECISION_HEADER.encode()
_ASSERTION: Final = b"x-watchword-assertion"
# Below it a document is reduced at once; above it in another process, so that decisions need not wait for it.
_AT_ONCE: Final = 16 * 1024
_PIECE_BYTES: Final = 64 * 1024
_log: Final = logging.getLogger("watchword.bodies")

Send = Callable[[Any], Awaitable[None]]


class BodyService(Processor):
    """Fulfil obligations for the Envoy of this node.

    Args:
        secrets: make hashes, tokens and marks; the newest first, then those whose tokens can still be turned back.
        witness: where records and notices go. A rule that needs what is not there refuses the exchange.
        most_bytes: of the longest body that is read; a longer one is withheld.
        held_bytes: of all bodies that are held back at a time.
    """

    messages = (ProcessingRequest, ProcessingResponse)

    def __init__(
        self,
        secrets: Sequence[bytes],
        *,
        witness: Witness | None = None,
        clock: Clock | None = None,
        most_bytes: int = MOST_BODY_BYTES,
        held_bytes: int = MOST_HELD_BYTES,
    ) -> None:
        super().__init__()
        self._means = Means(ValueKeys(*secrets) if secrets else None, witness, clock or SystemClock())
        self._bounds = Bounds(Room(held_bytes), most_bytes, Reducers(secrets))

    async def close(self) -> None:
        """Stop listening, and end the processes that reduce."""
        await super().close()
        await self._bounds.reducers.close()

    async def _process(self, stream: Any) -> None:
        """Serve one HTTP exchange, from the head of its request to the end of its answer."""
        conversation = Conversation(self._means, self._bounds, stream.send_message)
        try:
            async for message in stream:
                await conversation.take(message)
        except BodyRefusedError as error:
            _log.error("an answer was withheld: %s", error.message)
            await stream.send_message(conversation.refusal())
        finally:
            conversation.close()


class Conversation:
    """One exchange as Envoy tells of it; each message has its turn, and no other order is answered."""

    def __init__(self, means: Means, bounds: Bounds, send: Send) -> None:
        self._means = means
        self._bounds = bounds
        self._send = send
        self._request, self._answer = Body(bounds), Body(bounds)
        self._exchange: Exchange | None = None
        self._verdict: Verdict | None = None
        self._asked: Any = None
        self._is_head = False
        self._status: int | None = None
        self._reference = ""

    async def take(self, message: Any) -> None:
        """Answer one message of Envoy's, as far as there is something to answer.

        Raises:
            BodyRefusedError: nothing of the exchange may go on.
            GRPCError: a message that has no turn here.
        """
        if message.HasField("request_headers") and self._exchange is None:
            await self._open(message.request_headers)
        elif message.HasField("request_body") and self._is_open(self._request):
            await self._take_request(message.request_body.body, is_last=message.request_body.end_of_stream)
        elif message.HasField("request_trailers") and self._is_open(self._request):
            await self._take_request(b"", is_last=True, has_trailers=True)
            gone = _names(message.request_trailers) if self._request.flow is Flow.HOLD else set()
            await self._send(changed_trailers("request_trailers", gone))
        elif message.HasField("response_headers") and self._exchange is not None and self._answer.flow is None:
            await self._judge(self._exchange, message.response_headers)
        elif message.HasField("response_body") and self._is_open(self._answer):
            await self._take_answer(message.response_body.body, is_last=message.response_body.end_of_stream)
        elif message.HasField("response_trailers") and self._is_open(self._answer):
            await self._take_answer(b"", is_last=True, has_trailers=True)
            gone = set() if self._verdict is Verdict.PASS else _names(message.response_trailers)
            await self._send(changed_trailers("response_trailers", gone))
        else:
            raise GRPCError(Status.FAILED_PRECONDITION, "out of turn")

    @staticmethod
    def _is_open(body: Body) -> bool:
        return body.flow is not None and not body.is_over

    async def _open(self, head: Any) -> None:
        headers = headers_of(head.headers)
        found = dict(headers)
        self._reference = found.get(_DECISION, b"").decode("latin-1")
        self._is_head = found.get(b":method") == b"HEAD"
        # Prevents: a second value beside the authorizer's, of which somebody reads the other one.
        if sum(name == _FILTER for name, _ in headers) != 1:
            raise BodyRefusedError("there is not exactly one set of rules")
        # Prevents: a connection that leaves HTTP and with it every filter.
        if b"upgrade" in found or found.get(b":method") == b"CONNECT":
            raise BodyRefusedError("the request asks for another protocol")
        rules = read_filter_header(found[_FILTER])
        self._exchange = Exchange(rules, _visitor(headers, self._reference), self._means)
        await self._exchange.begin()
        told, gone = ([ASKED], NOT_ASKED - {ASKED[0]}) if changes_asking(rules) else ([], frozenset[bytes]())
        self._asked = changed_headers("request_headers", told, gone | {_FILTER})
        self._request.is_over = head.end_of_stream
        if rules.reads_request and not head.end_of_stream:
            # Prevents: a change that nobody recorded because it was written in another form.
            if not is_json_request(headers):
                raise BodyRefusedError("the body of the request is not of type JSON")
            self._request.flow = Flow.HOLD
            return
        self._request.flow = Flow.PASS
        await self._send(self._asked)

    async def _take_request(self, piece: bytes, *, is_last: bool, has_trailers: bool = False) -> None:
        body = self._request
        if body.flow is Flow.HOLD:
            body.hold(piece)
            if not is_last:
                return
            assert self._exchange is not None
            piece = bytes(body.held)
            await self._exchange.record_request(piece)
            await self._send(self._asked)
        body.is_over = is_last
        await self._say("request_body", piece, is_last=is_last and not has_trailers)
        body.let_go()

    async def _judge(self, exchange: Exchange, head: Any) -> None:
        headers = headers_of(head.headers)
        status = dict(headers).get(b":status", b"")
        self._status = int(status) if status.isdigit() else None
        if self._status is None:
            raise BodyRefusedError("the answer has no status")
        is_bodiless = self._is_head or head.end_of_stream
        verdict = self._verdict = judge(self._status, headers, is_bodiless=is_bodiless, rules=exchange.rules)
        if verdict in {Verdict.REDUCE, Verdict.HAS_NO_BODY} and not head.end_of_stream:
            self._answer.flow = Flow.HOLD
            return
        self._answer.flow = Flow.DROP if verdict is Verdict.DROP_BODY else Flow.PASS
        self._answer.is_over = head.end_of_stream
        if verdict in {Verdict.DROP_BODY, Verdict.HAS_NO_BODY}:
            await exchange.record_answer(exchange.filter.apply(b""), self._status)
        await self._send(self._head())

    def _head(self) -> Any:
        """Return what is changed in the head of the answer."""
        exchange, verdict = self._exchange, self._verdict
        assert exchange is not None
        mark = [exchange.watermark.header()] if exchange.watermark is not None else []
        if verdict is Verdict.PASS:
            return changed_headers("response_headers", [*mark, *([TOLD] if mark else [])], () if mark else _NO_MARK)
        return changed_headers(
            "response_headers", [*mark, TOLD], (NOT_TOLD - {TOLD[0]}) | (set() if mark else _NO_MARK)
        )

    async def _take_answer(self, piece: bytes, *, is_last: bool, has_trailers: bool = False) -> None:
        body = self._answer
        body.is_over = is_last
        if body.flow is Flow.HOLD:
            body.hold(piece)
            if not is_last:
                return
            piece = await self._finished()
        elif body.flow is Flow.DROP:
            piece = b""
            if not is_last:
                return
        elif self._verdict is Verdict.MARK_PAGE and is_last:
            assert self._exchange is not None
            assert self._exchange.watermark is not None
            piece += self._exchange.watermark.page()
        await self._say("response_body", piece, is_last=is_last and not has_trailers)
        body.let_go()

    async def _finished(self) -> bytes:
        """Reduce a whole body, record what is left of it, and send its head."""
        exchange, body = self._exchange, self._answer
        assert exchange is not None
        assert self._status is not None
        if self._verdict is Verdict.HAS_NO_BODY and body.held:
            raise BodyRefusedError("a body came where none was announced")
        reduced = await self._reduced(exchange, bytes(body.held))
        body.hold_instead(len(reduced.body))
        await exchange.record_answer(reduced, self._status)
        await self._send(self._head())
        return reduced.body

    async def _reduced(self, exchange: Exchange, body: bytes) -> Reduced:
        if len(body) <= _AT_ONCE:
            return exchange.filter.apply(body, exchange.watermark)
        return await self._bounds.reducers.reduce(exchange, body)

    async def _say(self, phase: str, body: bytes, *, is_last: bool) -> None:
        """Send a body on, in pieces that fit into a message."""
        for at in range(0, max(len(body), 1), _PIECE_BYTES):
            is_end = at + _PIECE_BYTES >= len(body)
            await self._send(streamed(phase, body[at : at + _PIECE_BYTES], is_last=is_last and is_end))

    def refusal(self) -> Any:
        """Return what goes out instead of the answer."""
        return instead(*withheld(self._status, self._reference))

    def close(self) -> None:
        """Let go of what is held."""
        self._request.let_go()
        self._answer.let_go()


_NO_MARK: Final = frozenset({WATERMARK_HEADER})


def _names(trailers: Any) -> set[bytes]:
    return {name for name, _ in headers_of(trailers.trailers)}


def _visitor(headers: list[Header], decision: str) -> Visitor:
    """Read whose request it is from the assertion that the authorizer added; nobody else can have written it.

    A request without an assertion has nobody whom a mark or a record could name.
    """
    tokens = [value for name, value in headers if name == _ASSERTION]
    try:
        payload = tokens[0].split(b".")[1] if len(tokens) == 1 else b""
        claims = json.loads(urlsafe_b64decode(payload + b"=="))
        return Visitor(decision, str(claims["aud"]), str(claims["sub"]))
    except (IndexError, KeyError, TypeError, ValueError):
        return Visitor(decision, "", "")
