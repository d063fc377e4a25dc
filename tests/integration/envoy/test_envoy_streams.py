"""Open WebSockets, event streams and long transfers: held while allowed, cut the moment they are not."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from edge_harness import Answer, Edge, MakeEdge, read_body, seen_of, stop, until

from watchword.kernel import SessionId, SystemClock, SystemEntropy

Record = Callable[[str, object], None]
CUT_WITHIN_S = 0.5  # measured below 10 ms; the bound is for a loaded machine
TICK_S = 0.002


def session_id() -> SessionId:
    return SessionId.new(SystemClock().now(), SystemEntropy())


def chatter(edge: Edge) -> Any:
    """An application that talks without end, over WebSocket, as events, or as a download."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        edge.reached.append(seen_of(scope))
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            number = 0
            while True:
                await send({"type": "websocket.send", "text": str(number)})
                number += 1
                await asyncio.sleep(TICK_S)
        if scope["path"] == "/upload":
            size = len(await read_body(receive))
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": str(size).encode()})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        while True:
            await send({"type": "http.response.body", "body": b"data: beat\n\n", "more_body": True})
            await asyncio.sleep(TICK_S)

    return app


@pytest.fixture
async def streaming(make_edge: MakeEdge) -> Edge:
    edge: Edge = await make_edge(application={"streaming": ("/upload", "/download")})
    edge.application = chatter(edge)
    return edge


@asynccontextmanager
async def websocket(edge: Edge) -> AsyncIterator[Any]:
    port = edge.settings.listen_address.port
    address = f"wss://notes.localhost:{port}/ws"
    async with websockets.connect(address, ssl=edge.context, host="127.0.0.1", port=port, proxy=None) as socket:
        yield socket


@asynccontextmanager
async def event_stream(edge: Edge, path: str = "/events", accept: str = "text/event-stream") -> AsyncIterator[Any]:
    reader, writer = await edge.connect()
    port = edge.settings.listen_address.port
    writer.write(f"GET {path} HTTP/1.1\r\nhost: notes.localhost:{port}\r\naccept: {accept}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    yield head, reader
    writer.close()


async def drain(reader: asyncio.StreamReader) -> float:
    """Read until the end; return when the last byte came, by the monotonic clock."""
    last = time.monotonic()
    while True:
        try:
            if not await reader.read(65536):
                return last
        except ConnectionError:
            return last
        last = time.monotonic()


async def last_message(socket: Any) -> float:
    last = time.monotonic()
    try:
        async for _ in socket:
            last = time.monotonic()
    except websockets.ConnectionClosed:
        pass
    return last


async def test_ending_a_session_cuts_its_websocket_and_no_byte_comes_after(
    streaming: Edge, record_property: Record
) -> None:
    session = session_id()
    streaming.answer = streaming.grants(session)
    async with websocket(streaming) as socket:
        assert await socket.recv() == "0"
        assert [stream.session_id for stream in streaming.guard.open_streams()] == [session]
        at = time.monotonic()
        assert streaming.guard.cut(session) == 1
        last = await asyncio.wait_for(last_message(socket), 5)
        closed = time.monotonic()
    assert last - at < CUT_WITHIN_S
    assert closed - at < CUT_WITHIN_S
    await until(lambda: not streaming.guard.open_streams())
    record_property(
        "measured",
        f"websocket: last byte {1000 * (last - at):.1f} ms, closed {1000 * (closed - at):.1f} ms after the cut",
    )


async def test_ending_a_session_cuts_its_event_stream_and_no_byte_comes_after(
    streaming: Edge, record_property: Record
) -> None:
    session = session_id()
    streaming.answer = streaming.grants(session)
    async with event_stream(streaming) as (head, reader):
        assert b" 200 " in head
        await reader.readuntil(b"beat")
        at = time.monotonic()
        assert streaming.guard.cut(session) == 1
        last = await asyncio.wait_for(drain(reader), 5)
        closed = time.monotonic()
    assert last - at < CUT_WITHIN_S
    assert closed - at < CUT_WITHIN_S
    record_property(
        "measured", f"events: last byte {1000 * (last - at):.1f} ms, closed {1000 * (closed - at):.1f} ms after the cut"
    )


async def test_a_cut_takes_the_named_session_and_no_other(streaming: Edge) -> None:
    mine, theirs = session_id(), session_id()
    streaming.answer = streaming.grants(mine)
    async with event_stream(streaming) as (_, cut):
        streaming.answer = streaming.grants(theirs)
        async with event_stream(streaming) as (_, kept):
            assert streaming.guard.cut(mine) == 1
            await asyncio.wait_for(drain(cut), 5)
            await kept.readexactly(4096)
            assert [stream.session_id for stream in streaming.guard.open_streams()] == [theirs]
            (decision,) = streaming.guard.open_decisions()
            assert streaming.guard.cut_decision(decision)
            assert not streaming.guard.cut_decision(decision)
            await asyncio.wait_for(drain(kept), 5)


async def test_a_long_download_and_a_long_upload_hold_a_kill_handle(streaming: Edge) -> None:
    session = session_id()
    streaming.answer = streaming.grants(session)
    async with event_stream(streaming, "/download", "*/*") as (_, reader):
        await reader.readuntil(b"beat")
        assert len(streaming.guard.open_streams()) == 1
        streaming.guard.cut(session)
        await asyncio.wait_for(drain(reader), 5)
    reader, writer = await streaming.connect()
    writer.write(b"POST /upload HTTP/1.1\r\nhost: notes.localhost\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 1000)
    await until(lambda: len(streaming.guard.open_streams()) == 1)
    streaming.guard.cut(session)
    answer = await asyncio.wait_for(reader.read(), 5)
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    writer.close()


async def test_the_handle_is_given_back_when_the_client_leaves(streaming: Edge) -> None:
    streaming.answer = streaming.grants(session_id())
    async with event_stream(streaming):
        assert len(streaming.guard.open_streams()) == 1
    await until(lambda: not streaming.guard.open_streams())


async def test_the_handle_is_given_back_when_the_response_ends(streaming: Edge) -> None:
    streaming.answer = streaming.grants(session_id())
    reply = await streaming.get("/upload", method="POST", body=b"x" * 100_000)
    assert (reply.status, reply.body) == (200, b"100000")
    await until(lambda: not streaming.guard.open_streams())


async def test_an_ordinary_request_needs_no_handle(streaming: Edge) -> None:
    streaming.application = None
    streaming.answer = streaming.grants(session_id())
    assert (await streaming.get("/")).status == 200
    assert streaming.asked[0].get("x-watchword-stream") is None
    await streaming.guard.close()
    assert (await streaming.get("/")).status == 200


@pytest.mark.parametrize("path", ["/events", "/upload", "/upload/x", "/download"])
async def test_the_authorizer_is_told_that_a_request_streams(streaming: Edge, path: str) -> None:
    streaming.answer = lambda _: Answer(403)
    await streaming.get(path, "accept: text/event-stream" if path == "/events" else "accept: */*")
    assert streaming.asked[0].get("x-watchword-stream") == "1"


async def test_a_prefix_ends_at_a_path_segment(streaming: Edge) -> None:
    streaming.answer = lambda _: Answer(403)
    await streaming.get("/uploads")
    assert streaming.asked[0].get("x-watchword-stream") is None


async def test_a_stream_that_nobody_decided_about_never_reaches_the_application(streaming: Edge) -> None:
    for headers in (
        [],
        [("x-watchword-decision", "dec_01jd0000000000000000000000")],
        [("x-watchword-decision", "nonsense")],
    ):
        streaming.answer = lambda _, headers=headers: Answer(headers=headers)
        reply = await streaming.get("/events", "accept: text/event-stream")
        assert reply.status == 503
    assert not streaming.reached


async def test_a_client_cannot_name_a_decision_of_its_own(streaming: Edge) -> None:
    streaming.answer = streaming.grants(session_id())
    async with event_stream(streaming):
        (known,) = streaming.admitted
        streaming.answer = lambda _: Answer()
        reply = await streaming.get("/events", "accept: text/event-stream", f"x-watchword-decision: {known}")
    assert reply.status == 503


async def test_one_decision_opens_one_stream(streaming: Edge) -> None:
    granted = streaming.grants(session_id())(None)
    streaming.answer = lambda _: granted
    async with event_stream(streaming):
        assert (await streaming.get("/events", "accept: text/event-stream")).status == 503
        assert len(streaming.guard.open_streams()) == 1


async def test_without_a_guard_no_stream_opens(streaming: Edge) -> None:
    streaming.answer = streaming.grants(session_id())
    await streaming.guard.close()
    assert (await streaming.get("/events", "accept: text/event-stream")).status == 503
    assert not streaming.reached


async def test_a_websocket_on_our_own_pages_or_another_upgrade_is_refused(streaming: Edge) -> None:
    streaming.answer = streaming.grants(session_id())
    cases = (
        ("/.watchword/x", "notes.localhost", "websocket"),
        ("/", "watchword.localhost", "websocket"),
        ("/", "notes.localhost", "other/1"),
    )
    for path, host, protocol in cases:
        reader, writer = await streaming.connect()
        lines = f"GET {path} HTTP/1.1", f"host: {host}", "connection: upgrade", f"upgrade: {protocol}"
        writer.write("\r\n".join([*lines, "sec-websocket-version: 13", "", ""]).encode())
        assert b" 403 " in await reader.readline()
        writer.close()
    assert not streaming.reached
    assert not streaming.portal_reached


async def test_five_hundred_streams_are_held_and_cut_together(streaming: Edge, record_property: Record) -> None:
    session = session_id()
    streaming.answer = streaming.grants(session)

    async def quiet(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await asyncio.Event().wait()

    streaming.application = quiet
    count = 500

    async def open_one() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await streaming.connect()
        writer.write(b"GET /events HTTP/1.1\r\nhost: notes.localhost\r\naccept: text/event-stream\r\n\r\n")
        await reader.readuntil(b"data: 1")
        return reader, writer

    opened = []
    for _ in range(count // 50):
        opened += await asyncio.gather(*(open_one() for _ in range(50)))
    assert len(streaming.guard.open_streams()) == count
    at = time.monotonic()
    assert streaming.guard.cut(session) == count
    await asyncio.wait_for(asyncio.gather(*(drain(reader) for reader, _ in opened)), 10)
    took = time.monotonic() - at
    for _, writer in opened:
        writer.close()
    assert took < 5
    record_property("measured", f"{count} streams cut in {1000 * took:.0f} ms")


GUARD_ALONE = """
import asyncio, sys
from pathlib import Path
from watchword.enforcement.envoy import StreamGuard
from watchword.kernel import SystemClock
async def main():
    guard = StreamGuard(SystemClock(), lambda _: True)
    await guard.start(Path(sys.argv[1]))
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@asynccontextmanager
async def guard_process(edge: Edge) -> AsyncIterator[asyncio.subprocess.Process]:
    await edge.guard.close()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", GUARD_ALONE, str(edge.files.guard_socket)),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # its pipe would warn at collection


async def test_when_the_control_plane_is_killed_open_streams_are_cut(streaming: Edge, record_property: Record) -> None:
    streaming.answer = streaming.grants(session_id())
    async with (
        guard_process(streaming) as control_plane,
        websocket(streaming) as socket,
        event_stream(streaming) as (_, reader),
    ):
        await socket.recv()
        await reader.readuntil(b"beat")
        at = time.monotonic()
        control_plane.send_signal(signal.SIGKILL)
        ended = await asyncio.wait_for(asyncio.gather(last_message(socket), drain(reader)), 5)
    assert max(ended) - at < CUT_WITHIN_S
    record_property("measured", f"control plane killed: last byte {1000 * (max(ended) - at):.1f} ms after")


async def test_when_the_control_plane_hangs_open_streams_are_cut(streaming: Edge, record_property: Record) -> None:
    streaming.answer = streaming.grants(session_id())
    async with guard_process(streaming) as control_plane, event_stream(streaming) as (_, reader):
        await reader.readuntil(b"beat")
        at = time.monotonic()
        control_plane.send_signal(signal.SIGSTOP)
        ended = await asyncio.wait_for(drain(reader), 20)
    assert ended - at < 6  # keepalive: interval 2 s, timeout 3 s
    record_property("measured", f"control plane stopped: last byte {ended - at:.1f} s after")


async def test_a_graceful_end_of_the_guard_cuts_open_streams(streaming: Edge) -> None:
    streaming.answer = streaming.grants(session_id())
    async with event_stream(streaming) as (_, reader):
        await reader.readuntil(b"beat")
        await streaming.guard.close()
        await asyncio.wait_for(drain(reader), 5)


async def test_the_guards_socket_is_for_its_owner_only(streaming: Edge) -> None:
    assert streaming.files.guard_socket.stat().st_mode & 0o777 == 0o600
    await stop(*streaming.servers["notes"])
