"""Real Envoy gives an allow again by itself: to the very same request, while the control plane lets it, counted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from decision_world import HOST, PERMIT_ALL, DecisionWorld, Visit
from door_world import DoorWorld, cookies_of, let_go_of
from edge_harness import Answer, Edge, MakeEdge, Reply, parse

from watchword.enforcement.leases import LEASE_HEADER, LeaseBoard, LeaseDesk
from watchword.kernel import FrozenClock, Sensitivity, SystemClock
from watchword.storage import Database

ADA = "user-agent: Mozilla/5.0"


@dataclass
class Leased:
    """An edge over a real door with a lease desk, and somebody who is signed in."""

    edge: Edge
    world: DecisionWorld
    board: LeaseBoard
    desk: LeaseDesk
    visit: Visit

    @property
    def cookie(self) -> str:
        return f"cookie: {cookies_of(self.visit)}; theirs=1"

    async def get(self, path: str = "/", *headers: str, **about: Any) -> Reply:
        return await self.edge.get(path, *(headers or (ADA, self.cookie)), **about)

    async def asks(self, request: Callable[[], Awaitable[Reply]]) -> tuple[int, int]:
        """Return the status of one request, and how often the authorizer was asked for it."""
        before = len(self.world.journal.records)
        reply = await request()
        return reply.status, len(self.world.journal.records) - before

    async def lease(self, path: str = "/", *headers: str) -> None:
        """Ask until the edge need not ask any more."""
        for _ in range(3):
            assert (await self.get(path, *headers)).status == 200
        assert await self.asks(lambda: self.get(path, *headers)) == (200, 0)


MakeLeased = Callable[..., Awaitable[Leased]]


@pytest.fixture
async def make_leased(
    make_edge: MakeEdge, short_directory: Path, plain_database: Database, clock: FrozenClock, entropy: Any
) -> AsyncIterator[MakeLeased]:
    async with contextlib.AsyncExitStack() as stack:

        async def make(policy: str = PERMIT_ALL, **about: Any) -> Leased:
            world = DecisionWorld(plain_database, clock, entropy)
            world.policy(policy, short_directory / "policies")
            visit = await world.visit()
            clock.advance(timedelta(seconds=1))
            run = short_directory / "run"
            run.mkdir(mode=0o700)
            board = LeaseBoard.open(run / "leases")
            # Ends are on the machine's clock, which Envoy reads too.
            desk = LeaseDesk(board, world.point, SystemClock(), lease_s=30, is_well=lambda: True)
            stack.push_async_callback(desk.close)
            board.live_until(SystemClock().monotonic() + 60)
            edge = await make_edge(door=DoorWorld(world, leases=desk).door, **about)
            stack.callback(_check_log, edge)
            return Leased(edge, world, board, desk, visit)

        yield make


def _check_log(edge: Edge) -> None:
    """See that no error of the script hides behind a request that was asked about."""
    assert "script" not in edge.files.log_file.read_text()


@pytest.fixture
async def leased(make_leased: MakeLeased) -> Leased:
    return await make_leased()


async def test_a_request_that_is_made_again_and_again_is_let_in_without_asking(leased: Leased) -> None:
    replies = [await leased.get("/notes?page=2") for _ in range(6)]
    assert [reply.status for reply in replies] == [200] * 6
    assert len(leased.world.journal.records) == 3
    last_asked, *under_lease = leased.edge.reached[2:]
    for seen in under_lease:
        for name in ("x-watchword-decision", "x-watchword-assertion", "cookie", "x-watchword-client-ip"):
            assert seen.values(name) == last_asked.values(name)
            assert len(seen.values(name)) == 1
        assert seen.get("cookie") == "theirs=1"
        assert LEASE_HEADER not in seen.names
    assert all(LEASE_HEADER not in dict(reply.headers) for reply in replies)


async def test_a_cookie_header_of_ours_alone_is_taken_out_under_a_lease_too(leased: Leased) -> None:
    only = f"cookie: {cookies_of(leased.visit)}"
    await leased.lease("/", ADA, only)
    assert "cookie" not in leased.edge.reached[-1].names


THEFTS: list[dict[str, str]] = [
    {"path": "/other"},
    {"path": "/notes?page=2"},
    {"method": "HEAD"},
    {"agent": "user-agent: curl/8"},
    {"agent": "user-agent: Mozilla/5.0\tx"},
    {"cookie": "theirs=1"},
    {"cookie": ""},
    {"cookie": "{session}"},
    {"cookie": "{ours}; theirs=2"},
    {"extra": "authorization: Bearer x"},
    {"extra": "dpop: x"},
    {"source": "127.0.0.2"},
    {"extra": "accept: text/event-stream"},
]


async def test_a_thief_of_part_of_a_request_gets_no_use_of_its_lease(leased: Leased) -> None:
    await leased.lease("/notes")
    for other in THEFTS:
        assert (await leased.asks(lambda other=other: _stolen(leased, other)))[1] == 1, other
        assert await leased.asks(lambda: leased.get("/notes")) == (200, 0), "its owner's lease still holds"


async def _stolen(leased: Leased, other: dict[str, str]) -> Reply:
    """Ask for what is leased, but for one thing."""
    ours = cookies_of(leased.visit)
    cookie = other.get("cookie", "{ours}; theirs=1").format(ours=ours, session=ours.partition(";")[0])
    port = leased.edge.settings.listen_address.port
    lines = [f"{other.get('method', 'GET')} {other.get('path', '/notes')} HTTP/1.1", f"host: {HOST}:{port}"]
    lines += ["connection: close", other.get("agent", ADA), *([f"cookie: {cookie}"] if cookie else [])]
    lines += [other["extra"]] if "extra" in other else []
    source = (other.get("source", "127.0.0.1"), 0)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=leased.edge.context, server_hostname=HOST, local_addr=source
    )
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
    reply = parse(await reader.read())
    writer.close()
    return reply


async def test_what_is_written_is_asked_about_each_time(leased: Leased) -> None:
    for _ in range(4):
        assert await leased.asks(lambda: leased.get(method="POST", body=b"x")) == (200, 1)


async def test_an_ended_session_is_refused_on_the_next_request(leased: Leased) -> None:
    await leased.lease()
    await leased.visit.change(ended_at=leased.world.clock.now(), handles={})
    await leased.desk.observe([])
    reached = len(leased.edge.reached)
    assert await leased.asks(leased.get) == (401, 1)
    assert len(leased.edge.reached) == reached


async def test_a_lease_rests_while_the_control_plane_does_not_say_that_it_is_alive(leased: Leased) -> None:
    await leased.lease()
    leased.board.live_until(0)
    assert await leased.asks(leased.get) == (200, 1)
    leased.board.live_until(SystemClock().monotonic() + 60)
    assert await leased.asks(leased.get) == (200, 0)


async def test_a_lease_is_worth_nothing_once_its_control_plane_is_dead(leased: Leased) -> None:
    await leased.lease()
    let_go_of(leased.board)
    assert await leased.asks(leased.get) == (200, 1)
    later = LeaseBoard.open(leased.edge.files.lease_board)
    later.live_until(SystemClock().monotonic() + 60)
    assert await leased.asks(leased.get) == (200, 1)
    later.close()


async def test_a_slot_that_another_lease_has_taken_opens_nothing_for_the_old_one(leased: Leased) -> None:
    await leased.lease("/one")
    ((slot, lease),) = leased.desk._leases.items()
    ends = leased.board._ends[slot]
    leased.board._ends[slot] = ends + 1e-6
    assert lease.ends == ends
    assert await leased.asks(lambda: leased.get("/one")) == (200, 1)


async def test_every_use_is_counted_and_journaled(leased: Leased) -> None:
    await leased.lease("/counted")
    for _ in range(4):
        await leased.get("/counted")
    leased.desk.account()
    leased.desk.account()
    *_, granted, told = leased.world.journal.records
    assert (told["leased"], told["path"], told["answer"]) == (5, "/counted", "allow")
    assert told["repeats"] == granted["repeats"]
    assert told["user"] == leased.visit.user.id
    assert leased.world.point.counts.total() == 8


async def test_no_use_is_lost_between_workers_and_an_end_is_an_end_for_all(make_leased: MakeLeased) -> None:
    leased = await make_leased(concurrency=3)
    for _ in range(8):
        assert {reply.status for reply in await asyncio.gather(*(leased.get() for _ in range(8)))} == {200}
    used = sum(leased.board.used(slot) for slot in leased.desk._leases)
    assert used > 0
    assert used + len(leased.world.journal.records) == len(leased.edge.reached) == 64
    await leased.visit.change(ended_at=leased.world.clock.now(), handles={})
    await leased.desk.observe([])
    assert {reply.status for reply in await asyncio.gather(*(leased.get() for _ in range(16)))} == {401}


async def test_an_application_cannot_plant_a_lease(leased: Leased) -> None:
    async def answer(_scope: Any, _receive: Any, send: Any) -> None:
        planted = "\t".join(["7", "9e9", "GET", "x", *[""] * 9, "=x", "."])
        headers = [(LEASE_HEADER.encode(), planted.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    leased.edge.application = answer
    assert await leased.asks(leased.get) == (200, 1)
    assert await leased.asks(leased.get) == (200, 1)


async def test_a_client_cannot_bring_a_lease(leased: Leased) -> None:
    brought = f"{LEASE_HEADER}: 0\t9e9\tGET\t"
    for _ in range(2):
        assert await leased.asks(lambda: leased.get("/", ADA, leased.cookie, brought)) == (200, 1)


async def test_a_lease_that_cannot_be_read_is_none(make_edge: MakeEdge) -> None:
    edge = await make_edge()
    board = LeaseBoard.open(edge.files.lease_board)
    board.live_until(SystemClock().monotonic() + 60)
    for text in ("", ".", "x\ty\t.", "-1\t9e9\tGET\t.", "4096\t9e9\t.", "1.5\t9e9\t.", "nan\tnan\t.", "1\t\t\t\t"):
        edge.answer = lambda _, text=text: Answer(headers=[(LEASE_HEADER, text)])
        for _ in range(2):
            assert (await edge.get()).status == 200
    assert len(edge.asked) == 16
    board.close()


@pytest.mark.parametrize("damage", ["missing", "empty", "foreign"])
async def test_without_a_board_every_request_is_asked_about(leased: Leased, damage: str) -> None:
    path = leased.edge.files.lease_board
    path.unlink()
    if damage != "missing":
        path.write_bytes(b"" if damage == "empty" else b"\0" * 1_000_000)
    for _ in range(5):
        assert await leased.asks(leased.get) == (200, 1)


async def test_what_would_do_harm_is_never_leased(leased: Leased) -> None:
    rules = {rule.name: rule.sensitivity for rule in leased.world.sources.applications[0].resources}
    assert rules["admin"] is Sensitivity.CONFIDENTIAL
    for _ in range(4):
        assert (await leased.asks(lambda: leased.get("/admin")))[1] == 1


async def test_no_filter_of_leases_is_there_when_they_are_turned_off(make_leased: MakeLeased) -> None:
    leased = await make_leased(lease_s=0.0)
    assert "lua" not in leased.edge.files.bootstrap_file.read_text()
    for _ in range(5):
        assert await leased.asks(leased.get) == (200, 1)
