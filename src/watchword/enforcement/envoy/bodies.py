"""The filter of answers behind Envoy: one gRPC stream for each request whose answer must be reduced.

The authorizer names the rules in a header of its own; requests without it never come here. Envoy sends the head of the
request, the head of the answer, and its whole body, at most 256 KiB of it; a longer one ends as an error of Envoy's.
Whatever fails here fails the request: Envoy passes nothing that this service did not answer for.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from watchword.enforcement.bodies import (
    ASKED,
    FILTER_HEADER,
    NOT_ASKED,
    NOT_TOLD,
    TOLD,
    BodyFilter,
    BodyRefusedError,
    ValueKeys,
    Verdict,
    filter_for,
    judge,
    read_filter_header,
    withheld,
)
from watchword.enforcement.envoy.body_messages import (
    Header,
    ProcessingRequest,
    ProcessingResponse,
    changed_body,
    changed_headers,
    headers_of,
    instead,
    without_trailers,
)
from watchword.enforcement.envoy.ext_proc import Processor
from watchword.enforcement.envoy.filters import DECISION_HEADER

_FILTER: Final = FILTER_HEADER.encode()
_DECISION: Final = DECISION_HEADER.encode()
# Below it a document is reduced at once; above it in a thread, so that decisions need not wait for it.
_AT_ONCE: Final = 16 * 1024
_THREADS: Final = 2
_log: Final = logging.getLogger("watchword.bodies")


class BodyService(Processor):
    """Reduce answers for the Envoy of this node.

    Args:
        keys: for rules that hash or tokenize; without them such a rule refuses the answer.
    """

    messages = (ProcessingRequest, ProcessingResponse)

    def __init__(self, keys: ValueKeys | None) -> None:
        super().__init__()
        self._keys = keys
        self._threads = asyncio.Semaphore(_THREADS)

    async def _process(self, stream: Any) -> None:
        """Serve one HTTP exchange, from the head of its request to the end of its answer."""
        exchange = _Exchange(self._keys, self._threads)
        async for message in stream:
            try:
                await stream.send_message(await exchange.answer(message))
            except BodyRefusedError as error:
                _log.error("an answer was withheld: %s", error.message)
                await stream.send_message(exchange.refusal())
                return


class _Exchange:
    """One request and its answer; each message has its turn, and no other order is answered."""

    def __init__(self, keys: ValueKeys | None, threads: asyncio.Semaphore) -> None:
        self._keys = keys
        self._threads = threads
        self._filter: BodyFilter | None = None
        self._verdict: Verdict | None = None
        self._is_head = False
        self._status: int | None = None
        self._reference = ""

    async def answer(self, message: Any) -> Any:
        """Answer one message of Envoy's.

        Raises:
            BodyRefusedError: nothing of the exchange may go on.
            GRPCError: a message that has no turn here.
        """
        if message.HasField("request_headers") and self._filter is None:
            return self._ask(headers_of(message.request_headers.headers))
        if message.HasField("response_headers") and self._filter is not None and self._verdict is None:
            head = message.response_headers
            return self._judge(headers_of(head.headers), ends_here=head.end_of_stream)
        if message.HasField("response_body") and self._verdict is not None:
            return await self._reduce(message.response_body.body)
        if message.HasField("response_trailers") and self._verdict is not None:
            return without_trailers({name for name, _ in headers_of(message.response_trailers.trailers)})
        raise GRPCError(Status.FAILED_PRECONDITION, "out of turn")

    def _ask(self, headers: list[Header]) -> Any:
        found = dict(headers)
        self._reference = found.get(_DECISION, b"").decode("latin-1")
        self._is_head = found.get(b":method") == b"HEAD"
        # Prevents: a second value beside the authorizer's, of which somebody reads the other one.
        if sum(name == _FILTER for name, _ in headers) != 1:
            raise BodyRefusedError("there is not exactly one set of rules")
        # Prevents: a connection that leaves HTTP and with it every filter.
        if b"upgrade" in found or found.get(b":method") == b"CONNECT":
            raise BodyRefusedError("the request asks for another protocol")
        self._filter = filter_for(read_filter_header(found[_FILTER]), self._keys)
        return changed_headers("request_headers", [ASKED], (NOT_ASKED - {ASKED[0]}) | {_FILTER})

    def _judge(self, headers: list[Header], *, ends_here: bool) -> Any:
        status = dict(headers).get(b":status", b"")
        self._status = int(status) if status.isdigit() else None
        if self._status is None:
            raise BodyRefusedError("the answer has no status")
        self._verdict = judge(self._status, headers, is_bodiless=self._is_head or ends_here)
        return changed_headers("response_headers", [TOLD], NOT_TOLD - {TOLD[0]})

    async def _reduce(self, body: bytes) -> Any:
        assert self._filter is not None
        if self._verdict is Verdict.HAS_NO_BODY:
            if body:
                raise BodyRefusedError("a body came where none was announced")
            return changed_body(b"")
        if self._verdict is Verdict.DROP_BODY:
            return changed_body(b"")
        if len(body) <= _AT_ONCE:
            return changed_body(self._filter.apply(body))
        async with self._threads:
            return changed_body(await asyncio.to_thread(self._filter.apply, body))

    def refusal(self) -> Any:
        """Return what goes out instead of the answer."""
        return instead(*withheld(self._status, self._reference))
