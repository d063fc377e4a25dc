"""What every external processor of this node shares: one gRPC method on a Unix socket of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Final

from grpclib.const import Cardinality, Handler
from grpclib.server import Server

from watchword.enforcement.envoy.model import socket_path

_METHOD: Final = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
_SOCKET_MODE: Final = 0o600


class Processor(ABC):
    """Serve one gRPC stream for each HTTP exchange that Envoy sends here; `_process` says what becomes of it.

    Attributes:
        messages: the classes of what is asked and what is answered; each processor declares the fields it needs.
    """

    messages: ClassVar[tuple[Any, Any]]

    def __init__(self) -> None:
        self._server: Server | None = None

    async def start(self, path: Path) -> None:
        """Listen on a Unix socket that only this user may connect to; a stale socket file is replaced."""
        socket_path(path).unlink(missing_ok=True)
        self._server = Server([self])
        await self._server.start(path=str(path))
        path.chmod(_SOCKET_MODE)  # noqa: ASYNC240  # one system call at start

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def __mapping__(self) -> dict[str, Handler]:
        """Name the one gRPC method served here, in grpclib's way."""
        return {_METHOD: Handler(self._process, Cardinality.STREAM_STREAM, *self.messages)}

    @abstractmethod
    async def _process(self, stream: Any) -> None:
        """Serve one stream, from the first message to its end."""
