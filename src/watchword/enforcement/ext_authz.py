"""The door for Envoy: HTTP `ext_authz` over a Unix socket that only Envoy can open.

Envoy sends the original method, `/authz` before the original path and query (normalised once, as the upstream will
see them), the original authority, and an allow-listed set of headers. It has already removed what a client may not say
and set `x-watchword-client-ip` from the connection itself. One check is under way on a connection at a time.

There is no web framework between Envoy and the decision: each request of each application passes here, and a scope, a
task and a response object would cost as much as the decision.
Source: Envoy API v3, `extensions.filters.http.ext_authz.v3.HttpService`.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from http import HTTPStatus
from typing import Final, cast

import httptools

from watchword.enforcement.answers import HttpAnswer
from watchword.enforcement.door import Door, join_header

PREFIX: Final = b"/authz"
CLIENT_IP_HEADER: Final = b"x-watchword-client-ip"

# More than Envoy takes from a client: 60 KiB of headers, to which it adds its own.
_LONGEST: Final = 128 * 1024
_BACKLOG: Final = 2048
_STOP_WITHIN_S: Final = 2.0
_STATUS_LINES: Final = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}
_MALFORMED: Final = HttpAnswer(400, ((b"connection", b"close"),))


class ExtAuthz:
    """Serve one door on one socket.

    Args:
        bound: a listening Unix socket's address, bound and not yet listening.
    """

    def __init__(self, door: Door, bound: socket.socket) -> None:
        self._door = door
        self._bound = bound
        self._connections: set[_Connection] = set()
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Begin to serve; returns when connections are accepted."""
        self._server = await asyncio.get_running_loop().create_unix_server(
            lambda: _Connection(self._door, self._connections), sock=self._bound, backlog=_BACKLOG
        )

    async def stop(self) -> None:
        """Answer what is under way, for two seconds at most."""
        if self._server is None:
            return
        self._server.close()
        closing = [connection.finish() for connection in self._connections]
        if closing:
            await asyncio.wait(closing, timeout=_STOP_WITHIN_S)
        for connection in tuple(self._connections):
            connection.abort()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._server.wait_closed(), _STOP_WITHIN_S)


class _Connection(asyncio.Protocol):
    """One connection of Envoy: a check, its answer, the next check."""

    def __init__(self, door: Door, connections: set[_Connection]) -> None:
        self._door = door
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._closed: asyncio.Future[None]
        self._is_asked = False
        self._is_finishing = False
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._size = 0
        self._messages = 0

    # --- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._closed = asyncio.get_running_loop().create_future()
        self._connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the connection; an answer on its way finds nobody."""
        self._connections.discard(self)
        self._closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Read a check; whatever is no single, whole, bounded request ends the connection, which denies."""
        self._size += len(data)
        # Prevents: a second request hidden behind the first, answered by the decision about the first.
        if self._is_asked or self._size > _LONGEST:
            self._transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._messages = -1
        if self._messages == 1 and self._url.startswith(PREFIX):
            self._ask()
        elif self._messages:
            self._answer(_MALFORMED)
            self._transport.close()

    # --- what the parser calls

    def on_url(self, part: bytes) -> None:
        """Take the next piece of the target."""
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        join_header(self._headers, name.lower(), value)

    def on_message_complete(self) -> None:
        """Count a request; a second one in the same breath is refused."""
        self._messages += 1

    # --- what we do

    def finish(self) -> asyncio.Future[None]:
        """Close after the answer that is under way; the future tells when."""
        self._is_finishing = True
        if not self._is_asked:
            self._transport.close()
        return self._closed

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def _ask(self) -> None:
        self._is_asked = True
        headers, method = self._headers, self._parser.get_method().decode("ascii")
        # The raw path, because policy must see exactly the bytes that the upstream gets, escapes included.
        target = self._url[len(PREFIX) :].decode("latin-1")
        self._begin()
        self._door.ask(
            method=method,
            host=headers.get(b"host", b"").decode("latin-1").lower(),
            target=target or "/",
            client_ip=headers.get(CLIENT_IP_HEADER, b"").decode("latin-1"),
            headers=headers,
            reply=self._reply,
        )

    def _reply(self, answer: HttpAnswer) -> None:
        self._is_asked = False
        if self._transport.is_closing():
            return
        self._answer(answer)
        if self._is_finishing:
            self._transport.close()

    def _answer(self, answer: HttpAnswer) -> None:
        lines = [_STATUS_LINES[answer.status]]
        lines += [b"%b: %b\r\n" % header for header in answer.headers]
        lines.append(b"content-length: %d\r\n\r\n" % len(answer.body))
        head = b"".join(lines)
        # Prevents: a value with a line feed in it that ends a header and begins another.
        if head.count(b"\n") != len(lines) + 1:
            self._transport.abort()
            return
        self._transport.write(head + answer.body)
