"""The door for Envoy, over a real socket: one check at a time, and whatever is no whole check is no allow."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from decision_world import DecisionWorld, Visit
from door_world import DoorWorld, cookies_of

from watchword.app.serving import on_unix_socket
from watchword.enforcement.answers import HttpAnswer
from watchword.enforcement.ext_authz import ExtAuthz
from watchword.kernel import Reason

Reply = Callable[[HttpAnswer], None]


@pytest.fixture
def doors(world: DecisionWorld) -> DoorWorld:
    return DoorWorld(world)


@asynccontextmanager
async def serving(door: Any) -> AsyncIterator[tuple[ExtAuthz, Path]]:
    directory = Path(tempfile.mkdtemp(prefix="ww-a"))  # a Unix socket's path has 108 bytes at most
    server = ExtAuthz(door, on_unix_socket(directory / "authz.sock"))
    await server.start()
    try:
        yield server, directory / "authz.sock"
    finally:
        await server.stop()
        shutil.rmtree(directory)


class HeldDoor:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.replies: list[Reply] = []
        self.is_asked = asyncio.Event()

    def ask(self, *, reply: Reply, **asked: Any) -> None:
        self.asked.append(asked)
        self.replies.append(reply)
        self.is_asked.set()


def check(target: bytes, *headers: tuple[bytes, bytes], method: bytes = b"GET") -> bytes:
    lines = [b"%b %b HTTP/1.1" % (method, target), b"host: Notes.localhost:8443", b"content-length: 0"]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def known(visit: Visit) -> list[tuple[bytes, bytes]]:
    return [(b"cookie", cookies_of(visit).encode()), (b"x-watchword-client-ip", visit.ip.encode())]


async def exchange(path: Path, *sent: bytes) -> bytes:
    """Send pieces, and return all that comes until nothing more can."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        for piece in sent:
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def status_of(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length: "))
    await reader.readexactly(int(length.partition(b" ")[2]))
    return int(head.split(b" ")[1])


def last(doors: DoorWorld) -> Any:
    return doors.world.point.recent[-1]


async def test_envoy_asks_with_the_raw_path_and_keeps_the_connection(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    async with serving(doors.door) as (_, path):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(check(b"/authz/a%20b/%C3%A9?q=/admin", *known(visit)))
        assert await status_of(reader) == 200
        assert last(doors).request.path == "/a%20b/%C3%A9"
        assert last(doors).request.host == "notes.localhost"
        writer.write(check(b"/authz", *known(visit)))
        assert await status_of(reader) == 200
        assert last(doors).request.path == "/"
        writer.close()


async def test_a_check_that_comes_in_pieces_is_read_whole(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    whole = check(b"/authz/notes/7", *known(visit), (b"User-Agent", b"Mozilla/5.0"))
    async with serving(doors.door) as (_, path):
        reader, writer = await asyncio.open_unix_connection(str(path))
        for at in range(0, len(whole), 7):
            writer.write(whole[at : at + 7])
            await writer.drain()
            await asyncio.sleep(0)
        assert await status_of(reader) == 200
        writer.close()
    assert (last(doors).request.path, last(doors).request.user_agent) == ("/notes/7", "Mozilla/5.0")


async def test_an_address_that_envoy_did_not_say_is_not_guessed(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    cookie, ip = known(visit)
    async with serving(doors.door) as (_, path):
        spoofed = await exchange(path, check(b"/authz/", cookie, (b"x-forwarded-for", visit.ip.encode())))
        assert spoofed.startswith(b"HTTP/1.1 503 ")
        assert last(doors).reasons == (Reason.FACT_MISSING,)
        doubled = await exchange(path, check(b"/authz/", cookie, ip, (b"x-watchword-client-ip", b"10.0.0.1")))
        assert doubled.startswith(b"HTTP/1.1 503 ")


async def test_a_check_hidden_behind_another_gets_no_answer(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    two = check(b"/authz/a", *known(visit)) + check(b"/authz/b", *known(visit))
    async with serving(doors.door) as (_, path):
        assert (await exchange(path, two)).startswith(b"HTTP/1.1 400 ")
    assert not doors.world.point.recent


async def test_a_check_sent_before_the_first_was_answered_ends_the_connection(anyio_backend: str) -> None:  # noqa: ARG001  # for anyio
    door = HeldDoor()
    async with serving(door) as (_, path):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(check(b"/authz/a"))
        await door.is_asked.wait()
        writer.write(check(b"/authz/b"))
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        door.replies[0](HttpAnswer(200, ()))  # nobody is there any more
        writer.close()
    assert len(door.asked) == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        b"GET /authz/a HTTP/1.1\r\nhost: a",
        b"nonsense\r\n\r\n",
        b"GET /elsewhere HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /authz/a b HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /authz/a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"GET /authz/a HTTP/1.1\r\nhost: a\r\nbad\x00name: b\r\n\r\n",
        b"GET /authz/a HTTP/1.1\r\nhost: a\r\n" + b"x-filler: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET /authz/ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_no_whole_check_is_never_allowed(doors: DoorWorld, sent: bytes) -> None:
    async with serving(doors.door) as (_, path):
        answer = await exchange(path, sent)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert not doors.world.point.recent


async def test_an_answer_with_a_line_feed_in_a_value_is_not_sent(anyio_backend: str) -> None:  # noqa: ARG001  # for anyio
    door = HeldDoor()
    async with serving(door) as (_, path):
        asking = asyncio.create_task(exchange(path, check(b"/authz/a")))
        await door.is_asked.wait()
        door.replies[0](HttpAnswer(200, ((b"cookie", b"a=b\r\nx-watchword-assertion: forged"),)))
        assert await asking == b""


async def test_stopping_answers_what_is_under_way_and_takes_nothing_new(anyio_backend: str) -> None:  # noqa: ARG001  # for anyio
    door = HeldDoor()
    async with serving(door) as (server, path):
        reader, writer = await asyncio.open_unix_connection(str(path))
        idle_reader, idle_writer = await asyncio.open_unix_connection(str(path))
        writer.write(check(b"/authz/a"))
        await door.is_asked.wait()
        stopping = asyncio.create_task(server.stop())
        assert await idle_reader.read() == b""
        with pytest.raises(OSError):  # noqa: PT011  # refused or gone, by the moment
            await asyncio.open_unix_connection(str(path))
        door.replies[0](HttpAnswer(200, ()))
        assert await status_of(reader) == 200
        assert await reader.read() == b""
        await stopping
        writer.close()
        idle_writer.close()


async def test_a_decision_that_cannot_be_rendered_denies(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    doors.minter.mint = None  # type: ignore[method-assign,assignment]
    async with serving(doors.door) as (_, path):
        assert (await exchange(path, check(b"/authz/", *known(visit)))).startswith(b"HTTP/1.1 500 ")
    assert [type(failure["exception"]) for failure in failures] == [TypeError]
