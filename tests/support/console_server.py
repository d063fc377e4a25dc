"""The console alone behind TLS on a free port of 127.0.0.1, in a thread of its own, for a real browser."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from console_world import ConsoleWorld, open_world

from watchword.kernel import SystemClock, SystemEntropy
from watchword.keys import LocalAuthority
from watchword.storage import Database, migrate

T = TypeVar("T")


class ConsoleServer:
    """Start with `start`, ask the world for things with `run`, stop with `stop`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._server: uvicorn.Server | None = None
        self.world: ConsoleWorld | None = None
        self.client_ip = "203.0.113.7"
        self.failure: BaseException | None = None
        authority = LocalAuthority(directory / "ca", SystemClock(), SystemEntropy())
        self.issued = authority.ensure(["watchword.localhost", "notes.localhost", "other.localhost"])
        self.root_file = authority.root_file
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    @property
    def portal(self) -> str:
        return f"https://watchword.localhost:{self.port}"

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(20)
        if self.failure is not None:
            raise self.failure

    def run(self, work: Callable[[ConsoleWorld], Awaitable[T]]) -> T:
        """Do something with the world in its own loop."""
        assert self._loop is not None
        assert self.world is not None
        future: Future[T] = asyncio.run_coroutine_threadsafe(_awaited(work(self.world)), self._loop)
        return future.result(20)

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(20)
        self._socket.close()

    def _serve(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001  # told to whoever started us
            self.failure = error
            self._ready.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        database = Database(f"sqlite:///{self._directory / 'console.db'}")
        await migrate(database)
        self.world = await open_world(database, SystemClock(), SystemEntropy(), port=self.port)
        config = uvicorn.Config(
            self._edge,
            ssl_certfile=str(self.issued.certificate_file),
            ssl_keyfile=str(self.issued.private_key_file),
            interface="asgi3",
            log_level="error",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        serving = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not serving.done():  # noqa: ASYNC110  # uvicorn tells by a flag alone
            await asyncio.sleep(0.01)
        self._ready.set()
        await serving
        self.world.identity.close()
        await database.close()

    async def _edge(self, scope: Any, receive: Any, send: Any) -> None:
        """Do what Envoy does: say where the client is, and let nobody else say it."""
        if scope["type"] == "http":
            kept = [(name, value) for name, value in scope["headers"] if name != b"x-watchword-client-ip"]
            scope = {**scope, "headers": [*kept, (b"x-watchword-client-ip", self.client_ip.encode())]}
        assert self.world is not None
        await self.world.app(scope, receive, send)


async def _awaited(work: Awaitable[T]) -> T:
    return await work
