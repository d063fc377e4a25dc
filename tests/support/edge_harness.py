"""A running edge for tests: real Envoy between a tiny authorizer and a tiny application, on Unix sockets."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from watchword.enforcement.bodies import DataAccess, Notice
from watchword.enforcement.envoy import (
    EdgeFiles,
    EdgeSettings,
    EnvoyProcess,
    StreamGuard,
)
from watchword.kernel import DecisionId, SystemClock, SystemEntropy

_ports = itertools.count()


@dataclass
class Answer:
    """What the authorizer of the test says."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


@dataclass
class Seen:
    """One request as a server behind Envoy saw it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str | None:
        found = self.values(name)
        return found[0] if found else None

    @property
    def names(self) -> set[str]:
        return {key for key, _ in self.headers}


@dataclass
class Reply:
    """One response as the client saw it; header names are lower-case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str | None:
        found = self.values(name)
        return found[0] if found else None


def seen_of(scope: Any, body: bytes = b"") -> Seen:
    query = scope["query_string"].decode("latin-1")
    target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    return Seen(scope.get("method", "GET"), target, headers, body)


@dataclass
class Witnessed:
    """What the filter of exchanges proved and told; fails when it is told to."""

    accesses: list[DataAccess] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    is_broken: bool = False

    async def record(self, access: DataAccess) -> None:
        if self.is_broken:
            raise OSError("the disk is full")
        self.accesses.append(access)

    async def notify(self, notice: Notice) -> None:
        if self.is_broken:
            raise OSError("the disk is full")
        self.notices.append(notice)


@dataclass
class Edge:
    """One running edge: what was asked, what arrived, and a client that sends raw bytes."""

    settings: EdgeSettings
    files: EdgeFiles
    guard: StreamGuard
    context: ssl.SSLContext
    process: EnvoyProcess | None = None
    answer: Callable[[Seen], Answer] = field(default=lambda _: Answer())
    asked: list[Seen] = field(default_factory=list)
    reached: list[Seen] = field(default_factory=list)
    portal_reached: list[Seen] = field(default_factory=list)
    admitted: set[DecisionId] = field(default_factory=set)
    servers: dict[str, tuple[uvicorn.Server, asyncio.Task[None]]] = field(default_factory=dict)
    application: Callable[..., Any] | None = None
    witness: Witnessed = field(default_factory=Witnessed)

    async def connect(
        self, host: str = "notes.localhost", *, port: int | None = None, prelude: bytes = b""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        port = port or self.settings.listen_address.port
        if not prelude:
            return await asyncio.open_connection("127.0.0.1", port, ssl=self.context, server_hostname=host)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(prelude)
        await writer.start_tls(self.context, server_hostname=host)
        return reader, writer

    async def raw(self, request: bytes, *, port: int | None = None, prelude: bytes = b"") -> Reply:
        """Send bytes as they are; read one response until the server closes (send `connection: close`)."""
        reader, writer = await self.connect(port=port, prelude=prelude)
        try:
            writer.write(request)
            return parse(await asyncio.wait_for(reader.read(), 20))
        finally:
            writer.close()

    async def get(  # what a request is made of
        self,
        path: str = "/",
        *headers: str,
        host: str = "notes.localhost",
        method: str = "GET",
        body: bytes = b"",
        port: int | None = None,
        prelude: bytes = b"",
    ) -> Reply:
        lines = [f"{method} {path} HTTP/1.1", f"host: {host}:{self.settings.listen_address.port}", "connection: close"]
        lines += list(headers)
        if body and not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines):
            lines.append(f"content-length: {len(body)}")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return await self.raw(head + body, port=port, prelude=prelude)

    def grants(self, session: str | None = None) -> Callable[[Seen], Answer]:
        """Allow everything, as the real authorizer does: name the decision and the session upstream-bound."""

        def answer(_: Seen) -> Answer:
            clock = SystemClock()
            decision = DecisionId.new(clock.now(), SystemEntropy())
            self.admitted.add(decision)
            headers = [("x-watchword-decision", str(decision))]
            if session is not None:
                headers.append(("x-watchword-session", session))
            return Answer(headers=headers)

        return answer


def parse(data: bytes) -> Reply:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [(n.strip().lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines)]
    if ("transfer-encoding", "chunked") in headers:
        body = _unchunk(body)
    return Reply(int(first.split(" ")[1]) if " " in first else 0, headers, body)


def _unchunk(data: bytes) -> bytes:
    result = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            break
        result, data = result + data[:length], data[length + 2 :]
    return result


async def serve(application: Any, path: Path) -> tuple[uvicorn.Server, asyncio.Task[None]]:
    config = uvicorn.Config(
        application, uds=str(path), log_level="critical", lifespan="off", ws="websockets-sansio", server_header=False
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve())
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.005)
    return server, task


async def stop(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    """End a server without its courtesies, which take half a second."""
    for listening in server.servers:
        listening.close()
    for connection in list(server.server_state.connections):
        connection.transport.abort()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def read_body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def respond(send: Any, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if not any(name == b"content-length" for name, _ in raw):
        raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def authorizer(edge: Edge) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen = seen_of(scope, await read_body(receive))
        edge.asked.append(seen)
        answer = edge.answer(seen)
        await respond(send, answer.status, answer.headers, answer.body)

    return app


def portal(edge: Edge) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        edge.portal_reached.append(seen_of(scope, await read_body(receive)))
        await respond(send, 200, [("x-watchword-inside", "secret")], b"portal")

    return app


def upstream(edge: Edge) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if edge.application is not None:
            return await edge.application(scope, receive, send)
        edge.reached.append(seen_of(scope, await read_body(receive)))
        headers = [("x-watchword-risk", "0"), ("x-powered-by", "magic"), ("server", "secret/1.0"), ("x-app", "yes")]
        return await respond(send, 200, headers, b"notes")

    return app


MakeEdge = Callable[..., Awaitable[Edge]]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for another process to have done something."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # another process has no event to wait for
            await asyncio.sleep(0.001)
