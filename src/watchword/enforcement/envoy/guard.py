"""The kill handle: one gRPC stream for each open WebSocket, event stream, long upload or download.

Envoy authorizes a request once. On routes that stream, its `ext_proc` filter opens a gRPC stream to us and keeps it
open for as long as the HTTP stream lives; not a byte of the body passes here. Ending that gRPC stream with an error
makes Envoy cut the HTTP stream; so does our death, because the filter fails closed. A clean end would let the stream go
on, so nothing here ever ends one cleanly while it is open.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from watchword.enforcement.envoy.ext_proc import Processor
from watchword.enforcement.envoy.filters import DECISION_HEADER, SESSION_HEADER
from watchword.enforcement.envoy.guard_messages import (
    GO_ON_WITH_REQUEST,
    GO_ON_WITH_TRAILERS,
    ProcessingRequest,
    ProcessingResponse,
    header_values,
)
from watchword.kernel import Clock, DecisionId, SessionId, WatchwordError

_CLOSE_WITHIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A stream that can be cut.

    Attributes:
        session_id: nothing on a path that is open to everyone.
    """

    decision_id: DecisionId
    session_id: SessionId | None
    opened_at: datetime


class StreamGuard(Processor):
    """Hold the handles of all open streams of this node.

    Args:
        admits: tells whether a decision let a request in and would still do so now. It is asked when a stream is
            registered, which is later than the decision: an answer from memory alone would let a session that ended in
            between keep its stream, because there was nothing to cut yet.
    """

    messages = (ProcessingRequest, ProcessingResponse)

    def __init__(self, clock: Clock, admits: Callable[[DecisionId], bool]) -> None:
        super().__init__()
        self._clock = clock
        self._admits = admits
        self._open: dict[DecisionId, tuple[OpenStream, asyncio.Future[None]]] = {}

    def cut(self, session_id: SessionId) -> int:
        """Cut every stream of a session, now; return how many there were."""
        return self.cut_where(lambda stream: stream.session_id == session_id)

    def cut_decision(self, decision_id: DecisionId) -> bool:
        """Cut the stream that a decision let in, now; tell whether there was one."""
        found = self._open.get(decision_id)
        if found is None or found[1].done():
            return False
        found[1].set_result(None)
        return True

    def cut_where(self, predicate: Callable[[OpenStream], bool]) -> int:
        """Cut every stream that the predicate picks, now; return how many there were."""
        picked = [handle for stream, handle in self._open.values() if not handle.done() and predicate(stream)]
        for handle in picked:
            handle.set_result(None)
        return len(picked)

    def open_streams(self) -> tuple[OpenStream, ...]:
        """Return the streams that are open, oldest first."""
        return tuple(stream for stream, handle in self._open.values() if not handle.done())

    def open_decisions(self) -> tuple[DecisionId, ...]:
        """Return the decision behind each open stream, oldest first."""
        return tuple(stream.decision_id for stream in self.open_streams())

    async def close(self) -> None:
        """Cut everything and stop listening."""
        self.cut_where(lambda _: True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                while self._open:  # noqa: ASYNC110  # a few turns of the loop, once, at the end
                    await asyncio.sleep(0)
        await super().close()

    async def _process(self, stream: Any) -> None:
        """Serve one HTTP stream from its request headers to its end."""
        opening = await stream.recv_message()
        if opening is None:
            return
        with self._registered(self._admit(opening)) as handle:
            await stream.send_message(GO_ON_WITH_REQUEST)
            await self._hold(stream, handle)

    async def _hold(self, stream: Any, handle: asyncio.Future[None]) -> None:
        ending = asyncio.ensure_future(stream.recv_message())
        try:
            await asyncio.wait((ending, handle), return_when=asyncio.FIRST_COMPLETED)
            if handle.done():
                raise GRPCError(Status.ABORTED, "cut")
            # Either trailers, after which the response is over, or the end of the HTTP stream.
            if ending.result() is not None:
                await stream.send_message(GO_ON_WITH_TRAILERS)
        finally:
            ending.cancel()
            with contextlib.suppress(asyncio.CancelledError, StreamTerminatedError):
                await ending

    def _admit(self, opening: Any) -> OpenStream:
        """Check what the authorizer wrote upstream-bound, and that the decision still stands.

        Raises:
            GRPCError: no decision, one that admits nobody, or one whose stream is open already.
        """
        try:
            headers = header_values(opening)
            decision_id = DecisionId(headers.get(DECISION_HEADER, ""))
            session_id = SessionId(headers[SESSION_HEADER]) if headers.get(SESSION_HEADER) else None
        except (ValueError, WatchwordError) as error:
            raise GRPCError(Status.PERMISSION_DENIED, "malformed") from error
        if decision_id in self._open:
            raise GRPCError(Status.PERMISSION_DENIED, "decision used")  # Prevents: two streams, one handle.
        if not self._admits(decision_id):
            raise GRPCError(Status.PERMISSION_DENIED, "not admitted")  # Prevents: a stream nobody decided about.
        return OpenStream(decision_id, session_id, self._clock.now())

    @contextlib.contextmanager
    def _registered(self, stream: OpenStream) -> Iterator[asyncio.Future[None]]:
        handle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open[stream.decision_id] = stream, handle
        try:
            yield handle
        finally:
            del self._open[stream.decision_id]
