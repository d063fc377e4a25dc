"""The sample application: what a visitor can do, and what nobody can do without an assertion."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from assertion_maker import ISSUER, Maker
from starlette.applications import Starlette

from watchword.kernel import FrozenClock
from watchword.sample import application

PAGES = ["/", "/why", "/live", "/feed", "/upload", "/reports", "/admin", "/events", "/static/notes.css", "/nothing"]


@pytest.fixture
def maker(clock: FrozenClock) -> Maker:
    return Maker(clock.now())


@pytest.fixture
def app(maker: Maker, clock: FrozenClock, tmp_path: Path) -> Starlette:
    return application(jwks=maker.publish(tmp_path / "jwks.json"), issuer=ISSUER, clock=clock)


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://notes.localhost:8443") as made:
        yield made


def bring(maker: Maker, **claims: Any) -> dict[str, str]:
    return {"x-watchword-assertion": maker.token(**claims)}


@pytest.mark.parametrize("path", PAGES)
async def test_nothing_is_shown_to_who_bypasses_watchword(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 401
    assert (
        await client.get(path, headers={"x-watchword-assertion": "forged", "remote-user": "root"})
    ).status_code == 401


@pytest.mark.parametrize("path", [page for page in PAGES if page not in {"/events", "/nothing"}])
async def test_every_page_is_strict_about_content(client: httpx2.AsyncClient, maker: Maker, path: str) -> None:
    reply = await client.get(path, headers=bring(maker))
    assert reply.status_code == 200
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "style=" not in reply.text
    assert "<script>" not in reply.text
    assert reply.headers["x-content-type-options"] == "nosniff"


async def test_notes_are_each_persons_own(client: httpx2.AsyncClient, maker: Maker) -> None:
    ada, bob = bring(maker), bring(maker, sub="usr_01jd0000000000000000000001", name="bob", display_name="Bob")
    assert (await client.post("/notes", headers=ada, data={"text": "<b>mine</b>"})).status_code == 303
    mine = (await client.get("/", headers=ada)).text
    assert "&lt;b&gt;mine&lt;/b&gt;" in mine
    assert "mine" not in (await client.get("/", headers=bob)).text
    await client.post("/notes/1/remove", headers=bob)
    assert "mine" in (await client.get("/", headers=ada)).text
    await client.post("/notes/1/remove", headers=ada)
    assert "mine" not in (await client.get("/", headers=ada)).text


@pytest.mark.parametrize("data", [{}, {"text": "  "}, {"text": "x" * 2001}])
async def test_a_note_that_is_empty_or_endless_is_refused(
    client: httpx2.AsyncClient, maker: Maker, data: dict[str, str]
) -> None:
    reply = await client.post("/notes", headers=bring(maker), data=data)
    assert reply.status_code == 422
    assert 'aria-invalid="true"' in reply.text


async def test_another_site_cannot_write_in_a_visitors_name(client: httpx2.AsyncClient, maker: Maker) -> None:
    for origin in ("https://evil.example", "null", "http://notes.localhost:8443", "https://notes.localhost"):
        reply = await client.post("/notes", headers=bring(maker) | {"origin": origin}, data={"text": "forged"})
        assert reply.status_code == 403
    assert "forged" not in (await client.get("/", headers=bring(maker))).text
    own = bring(maker) | {"origin": "https://notes.localhost:8443"}
    assert (await client.post("/notes", headers=own, data={"text": "own"})).status_code == 303


async def test_an_upload_is_measured(client: httpx2.AsyncClient, maker: Maker) -> None:
    reply = await client.post("/upload", headers=bring(maker), files={"file": ("<a>.bin", b"x" * 600_000)})
    assert "600,000 bytes" in reply.text
    assert "&lt;a&gt;.bin" in reply.text
    assert "<a>" not in reply.text
    assert (await client.post("/upload", headers=bring(maker))).status_code == 422


async def test_why_am_i_here_shows_what_was_asserted(client: httpx2.AsyncClient, maker: Maker) -> None:
    page = (await client.get("/why", headers=bring(maker, display_name="<Ada>"))).text
    for shown in ("&lt;Ada&gt;", "ada@example.com", "pwd, otp", ">12<", ">70<", "NL", f"{ISSUER}/decisions/dec_"):
        assert shown in page, shown


async def test_why_am_i_here_stands_what_is_not_known(client: httpx2.AsyncClient, maker: Maker) -> None:
    claims = {"risk": None, "trust": None, "email": ..., "mfa_time": ..., "network": {}, "permissions": [], "amr": []}
    device = {"id": None, "is_known": False, "posture": "unknown"}
    page = await client.get("/why", headers=bring(maker, device=device, **claims))
    assert page.status_code == 200
    assert "not assessed" in page.text


async def test_reports_ask_for_a_permission_and_a_fresh_proof(client: httpx2.AsyncClient, maker: Maker) -> None:
    assert (await client.get("/reports", headers=bring(maker))).status_code == 200
    assert (await client.get("/reports", headers=bring(maker, permissions=[]))).status_code == 403
    stale = int(maker.now.timestamp()) - 901
    assert (await client.get("/reports", headers=bring(maker, auth_time=stale, mfa_time=stale))).status_code == 401


async def test_a_websocket_from_another_origin_is_refused(app: Starlette, maker: Maker) -> None:
    sent: list[Any] = []
    token = maker.token().encode()
    for origin, accepted in ((b"https://evil.example", False), (b"https://notes.localhost", True)):
        headers = [(b"host", b"notes.localhost"), (b"origin", origin), (b"x-watchword-assertion", token)]
        messages = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}]
        messages.append({"type": "websocket.disconnect", "code": 1000})
        sent.clear()

        async def receive(messages: list[dict[str, Any]] = messages) -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/ws", "raw_path": b"/ws", "query_string": b"", "headers": headers}
        await app(scope | {"root_path": "", "scheme": "wss", "subprotocols": []}, receive, send)
        assert (sent[0]["type"] == "websocket.accept") is accepted


async def test_the_event_stream_beats_and_ends_with_its_listener(app: Starlette, maker: Maker) -> None:
    sent: list[bytes] = []
    headers = [(b"host", b"notes.localhost"), (b"x-watchword-assertion", maker.token().encode())]
    scope = {"type": "http", "method": "GET", "path": "/events", "raw_path": b"/events", "query_string": b""}
    scope |= {"headers": headers, "root_path": "", "scheme": "https", "http_version": "1.1"}

    async def receive() -> dict[str, Any]:
        while not any(sent):
            await __import__("asyncio").sleep(0)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    await app(scope, receive, send)
    first = next(body for body in sent if body)
    assert json.loads(first.removeprefix(b"data: ")) == {"kind": "beat", "beat": 0}
