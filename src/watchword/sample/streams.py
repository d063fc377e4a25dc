"""A WebSocket and an event stream: they last until the visitor leaves or Watchword cuts them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from watchword.enforcement.asgi import current
from watchword.kernel import Clock
from watchword.sample.notebook import Feed, Happening

_BEAT_S: Final = 1.0
_MESSAGE_MAX: Final = 280


class Streams:
    """Both ways to follow the feed; each beats once a second, so that a cut is seen at once."""

    def __init__(self, feed: Feed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock

    async def events(self, _request: Request) -> Response:
        """Serve the feed as server-sent events."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._lines(), media_type="text/event-stream", headers=headers)

    async def socket(self, socket: WebSocket) -> None:
        """Serve the feed over a WebSocket, and take short messages for everybody."""
        who = current().display_name
        await socket.accept()
        listening = asyncio.create_task(self._speak(socket))
        try:
            while True:
                text = (await socket.receive_text()).strip()
                if text:
                    self._feed.publish(Happening(self._clock.now(), who, f"says: {text[:_MESSAGE_MAX]}"))
        except (WebSocketDisconnect, KeyError):
            pass  # gone, or sent bytes where text belongs
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await listening

    async def _speak(self, socket: WebSocket) -> None:
        async for line in self._beats():
            await socket.send_text(line)

    async def _lines(self) -> AsyncIterator[str]:
        async for line in self._beats():
            yield f"data: {line}\n\n"

    async def _beats(self) -> AsyncIterator[str]:
        """Yield happenings as they come, and a beat for every second without one."""
        beat = 0
        with self._feed.listen() as queue:
            yield json.dumps({"kind": "beat", "beat": beat})
            while True:
                try:
                    happening = await asyncio.wait_for(queue.get(), _BEAT_S)
                except TimeoutError:
                    beat += 1
                    yield json.dumps({"kind": "beat", "beat": beat})
                else:
                    at = happening.at.strftime("%H:%M:%S")
                    yield json.dumps({"kind": "line", "at": at, "who": happening.who, "what": happening.what})
