"""Bodies that are too large, lie about their length, come slowly or never end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from console_world import Browser, ConsoleWorld
from identity_world import HOME

from watchword.console.routes import visit


async def send(
    browser: Browser, chunks: list[bytes], *, headers: dict[str, str] | None = None, then: str = "end"
) -> tuple[int, int]:
    """Post to `/sign-in` chunk by chunk; return the status and how many chunks were taken.

    Args:
        browser: whose cookies.
        chunks: the body.
        headers: besides the usual ones.
        then: `end` ends the body, `stall` never says anything again, `leave` disconnects.
    """
    world = browser.world
    usual = {
        "host": world.portal.removeprefix("https://"),
        "origin": world.portal,
        "sec-fetch-site": "same-origin",
        "content-type": "application/x-www-form-urlencoded",
        "x-watchword-client-ip": HOME.ip,
        "cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies().items()),
    }
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/sign-in",
        "raw_path": b"/sign-in",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in (usual | (headers or {})).items()],
        "server": None,
        "client": None,
    }
    taken = 0
    status = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        if taken < len(chunks):
            taken += 1
            return {"type": "http.request", "body": chunks[taken - 1], "more_body": True}
        if then == "stall":
            await asyncio.Event().wait()
        if then == "leave":
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def answered(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    await asyncio.wait_for(world.app(scope, receive, answered), 5)
    return status, taken


@pytest.fixture
async def browser(world: ConsoleWorld) -> Browser:
    found = world.browser()
    await found.get("/sign-in")
    return found


async def test_a_body_that_never_ends_is_refused_at_its_bound(browser: Browser) -> None:
    status, taken = await send(browser, [b"x" * 1024] * 1000)
    assert status == 413
    assert taken == 65


async def test_a_body_that_says_it_is_too_large_is_not_read(browser: Browser) -> None:
    assert await send(browser, [b"x"] * 9, headers={"content-length": "65537"}) == (413, 0)


async def test_a_body_that_lies_about_its_length_is_refused_all_the_same(browser: Browser) -> None:
    status, taken = await send(browser, [b"x" * 40_000] * 9, headers={"content-length": "5"})
    assert (status, taken) == (413, 2)


@pytest.mark.parametrize("length", ["x", "", "1e3", "٣"])
async def test_a_length_that_is_no_number_is_refused_or_ignored(browser: Browser, length: str) -> None:
    status, _ = await send(browser, [b"a=b"], headers={"content-length": length})
    assert status in {400, 403}


async def test_a_body_that_stalls_is_given_up(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "_BODY_WITHIN_S", 0.05)
    assert (await send(browser, [b"a=b"], then="stall"))[0] == 400


async def test_a_sender_who_leaves_in_the_middle_is_forgotten(browser: Browser) -> None:
    assert (await send(browser, [b"a=b"], then="leave"))[0] == 400


@pytest.mark.parametrize("hosts", [["evil.example", "ours"], ["ours", "evil.example"], ["ours", "ours"], []])
async def test_a_host_named_twice_or_never_gets_no_page(world: ConsoleWorld, hosts: list[str]) -> None:
    ours = world.portal.removeprefix("https://")
    named = [(b"host", (ours if host == "ours" else host).encode()) for host in hosts]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/sign-in",
        "raw_path": b"/sign-in",
        "root_path": "",
        "query_string": b"",
        "headers": [*named, (b"x-watchword-client-ip", HOME.ip.encode())],
        "server": None,
        "client": None,
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def answered(message: dict[str, Any]) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    await world.app(scope, receive, answered)
    assert statuses == [421]


async def test_a_websocket_to_the_portal_is_closed(world: ConsoleWorld) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def answered(message: dict[str, Any]) -> None:
        sent.append(message)

    await world.app({"type": "websocket", "path": "/admin/stream", "headers": []}, receive, answered)
    assert sent == [{"type": "websocket.close", "code": 1008}]
