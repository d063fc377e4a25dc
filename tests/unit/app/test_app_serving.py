"""Servers on sockets, and the small socket that tells how the node is."""

from __future__ import annotations

import asyncio
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from watchword.app.control import ControlApp
from watchword.app.serving import Listener, on_address, on_unix_socket
from watchword.cli.force import ask_node


@pytest.fixture
def short() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ww-a") as path:
        yield Path(path)


async def _status() -> dict[str, Any]:
    return {"position": 7}


async def test_the_node_tells_this_machine_how_it_is(short: Path) -> None:
    (short / "run").mkdir(mode=0o700)
    listener = Listener(ControlApp({"/status": _status}), on_unix_socket(short / "run" / "control.sock"))
    await listener.start()
    try:
        assert await ask_node(short) == {"position": 7}
        assert stat.S_IMODE((short / "run" / "control.sock").stat().st_mode) == 0o600
        reader, writer = await asyncio.open_unix_connection(str(short / "run" / "control.sock"))
        writer.write(b"POST /status HTTP/1.1\r\nHost: node\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        assert (await reader.read(-1)).startswith(b"HTTP/1.1 404")
        writer.close()
    finally:
        await listener.stop()
    assert await ask_node(short) is None


async def test_a_stale_socket_is_replaced(short: Path) -> None:
    first = on_unix_socket(short / "a.sock")
    second = on_unix_socket(short / "a.sock")
    first.close()
    second.close()


async def test_a_node_that_never_answers_holds_nobody(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.cli.force._ANSWERS_WITHIN_S", 0.05)
    (short / "run").mkdir(mode=0o700)
    silent = on_unix_socket(short / "run" / "control.sock")
    silent.listen()
    assert await ask_node(short) is None
    silent.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n[1]", b"HTTP/1.1 200 OK\r\n\r\n{", b"\xff\xff"])
async def test_nonsense_from_a_node_counts_as_no_node(short: Path, answer: bytes) -> None:
    (short / "run").mkdir(mode=0o700)

    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(speak, str(short / "run" / "control.sock"))
    assert await ask_node(short) is None
    server.close()
    await server.wait_closed()


def test_a_taken_address_is_an_error() -> None:
    with on_address("127.0.0.1", 0) as first:
        first.listen()
        with pytest.raises(OSError, match="in use"):
            on_address("127.0.0.1", first.getsockname()[1])
