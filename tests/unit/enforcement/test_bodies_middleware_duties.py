"""Duties beside the reduction, fulfilled inside the application."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from assertion_maker import AUDIENCE, ISSUER, Maker
from edge_harness import Witnessed
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from watchword.enforcement.asgi import AccessLog, WatchwordMiddleware
from watchword.enforcement.bodies import ValueKeys, obligations_claim
from watchword.kernel import BodyRules, FrozenClock, Mark, Note, Obligation, body_rules, parse_list_path, parse_path

KEY = b"k" * 32
NOTES = body_rules(notes=[Note("answer", parse_path("[*].ssn")), Note("request", parse_path("iban"))])
FEW = body_rules(rows=[(parse_list_path("."), 2)])
PAGES = body_rules(watermarks=[Mark("header"), Mark("page")])
asked: list[bytes] = []


async def people(request: Request) -> Response:
    asked.append(await request.body())
    return JSONResponse([{"ssn": n} for n in range(5)])


async def page(_request: Request) -> Response:
    return HTMLResponse("<p>hello</html>", headers={"etag": '"1"', "watchword-watermark": "forged"})


async def feed(_request: Request) -> Response:
    async def lines() -> Any:
        for n in range(3):
            yield f"data: {n}\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


@pytest.fixture
def ask(clock: FrozenClock, tmp_path: Path) -> Callable[..., Any]:
    asked.clear()
    maker = Maker(clock.now())
    keys = maker.publish(tmp_path / "jwks.json")
    inner = Starlette(
        routes=[Route(f"/{each.__name__}", each, methods=["GET", "PUT"]) for each in (people, page, feed)]
    )

    async def send(path: str, *rules: BodyRules, method: str = "GET", content: bytes = b"", **options: Any) -> Any:
        claim = obligations_claim([Obligation(f"o{n}", rules=each) for n, each in enumerate(rules)], is_edge=False)
        headers = {
            "x-watchword-assertion": maker.token(obligations=claim),
            "content-type": options.pop("kind", "application/json"),
        }
        app = WatchwordMiddleware(
            inner, audience=AUDIENCE, issuer=ISSUER, jwks=keys, clock=clock, max_body_bytes=4096, **options
        )
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="https://notes.localhost") as client:
            return await client.request(method, path, headers=headers, content=content)

    return send


async def test_rows_are_limited_and_what_is_left_is_recorded(ask: Callable[..., Any]) -> None:
    witness = Witnessed()
    reply = await ask("/people", FEW, NOTES, witness=witness, method="PUT", content=b'{"iban": "NL1"}')
    assert reply.json() == [{"ssn": 0}, {"ssn": 1}]
    assert asked == [b'{"iban": "NL1"}']
    change, reading = witness.accesses
    assert (dict(change.counts), dict(reading.counts)) == ({"iban": 1}, {"[*].ssn": 2})


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"iban=1", "application/x-www-form-urlencoded"),
        (b'{"iban":1}', "text/plain"),
        (b'{"iban":1}', "application/json; charset=utf-16"),
        (b'{"iban":1,"iban":2}', "application/json"),
        (b" " * 5000 + b"{}", "application/json"),
    ],
)
async def test_a_change_that_cannot_be_read_does_not_reach_the_application(
    ask: Callable[..., Any], content: bytes, kind: str
) -> None:
    witness = Witnessed()
    reply = await ask("/people", NOTES, witness=witness, method="PUT", content=content, kind=kind)
    assert reply.status_code == 502
    assert (asked, witness.accesses) == ([], [])


async def test_without_a_witness_or_with_a_broken_one_nothing_is_shown(ask: Callable[..., Any]) -> None:
    assert (await ask("/people", NOTES)).status_code == 403
    assert (await ask("/people", body_rules(told=["owner"]))).status_code == 403
    broken = Witnessed(is_broken=True)
    assert (await ask("/people", body_rules(told=["owner"]), witness=broken)).status_code == 502
    assert asked == []
    assert (await ask("/people", NOTES, witness=broken)).status_code == 502


async def test_a_page_is_marked_and_a_feed_passes_with_a_header(ask: Callable[..., Any]) -> None:
    assert (await ask("/page", PAGES)).status_code == 403  # a mark needs a key
    name = ValueKeys(KEY).pseudonym(AUDIENCE, "usr_01jd0000000000000000000000")
    reply = await ask("/page", PAGES, obligation_key=KEY)
    assert reply.text.startswith("<p>hello</html>\n<div data-watchword-watermark")
    assert name in reply.text
    assert int(reply.headers.get("content-length", len(reply.content))) == len(reply.content)
    assert "etag" not in reply.headers
    assert reply.headers.get_list("watchword-watermark") == [f"subject={name}; decision=dec_01jd0000000000000000000000"]
    assert (await ask("/page", PAGES, obligation_key=KEY, method="GET")).headers["cache-control"] == "no-store"
    feed = await ask("/feed", PAGES, obligation_key=[b"n" * 32, KEY])
    assert feed.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert feed.headers["watchword-watermark"].startswith("subject=p_")


async def test_an_application_can_keep_records_in_a_file(ask: Callable[..., Any], tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.jsonl")
    assert (await ask("/people", NOTES, body_rules(told=["owner"]), witness=log)).status_code == 200
    notice, answer = map(json.loads, (tmp_path / "access.jsonl").read_text().splitlines())
    assert (notice["type"], notice["told"]) == ("access_notice", ["owner"])
    assert (answer["part"], answer["counts"]) == ("answer", {"[*].ssn": 5})
    assert stat.S_IMODE((tmp_path / "access.jsonl").stat().st_mode) == 0o600
    nowhere = AccessLog(tmp_path / "missing" / "access.jsonl")
    assert (await ask("/people", NOTES, witness=nowhere)).status_code == 502
