"""Serve ASGI applications on Unix sockets and addresses with uvicorn, several in one process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

_BACKLOG = 2048
_MODE = 0o600
_STOP_WITHIN_S = 2


class Listener:
    """One application on one socket."""

    def __init__(self, app: ASGIApp, bound: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=_STOP_WITHIN_S,
            h11_max_incomplete_event_size=65536,
        )
        self._server = _Server(config)
        self._socket = bound
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to serve; returns when connections are accepted."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="listener")
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """Finish what is under way, for two seconds at most."""
        self._server.should_exit = True
        if self._task is not None:
            with suppress(asyncio.CancelledError):
                await self._task


class _Server(uvicorn.Server):
    """Signals belong to the node, not to one of its listeners."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def on_unix_socket(path: Path) -> socket.socket:
    """Bind a Unix socket that only this user may connect to; a stale file is replaced."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.bind(str(path))
    path.chmod(_MODE)
    bound.setblocking(False)  # the standard library's own signature
    return bound


def on_address(host: str, port: int) -> socket.socket:
    """Bind a TCP address; raises `OSError` when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, because asyncio turns Nagle off only where it knows that it is TCP: else each answer to a
    # caller that keeps its connection waits 40 ms for an acknowledgement.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)  # as above
    return bound
