"""Answers reduced inside the application: Starlette, plain ASGI, and applications that mean no good."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from assertion_maker import AUDIENCE, ISSUER, Maker
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from watchword.enforcement.asgi import WatchwordMiddleware, verify
from watchword.enforcement.bodies import obligations_claim
from watchword.kernel import EXCLUDE, FrozenClock, Hash, Obligation, body_rules, parse_path

SECRET = "123-45-6789"
HIDE = Obligation("hide_ssn", rules=body_rules(fields=[(parse_path("customers[*].ssn"), EXCLUDE)]))
HASH = Obligation("hash_ssn", rules=body_rules(fields=[(parse_path("customers[*].ssn"), Hash("x"))]))
CUSTOMERS = {"customers": [{"id": 1, "ssn": SECRET}]}
seen: list[dict[str, str]] = []


async def customers(request: Request) -> Response:
    seen.append(dict(request.headers))
    return JSONResponse(CUSTOMERS, headers={"etag": '"x"', "x-app": "yes"})


async def missing(_request: Request) -> Response:
    return JSONResponse({"detail": f"no customer {SECRET}"}, 404)


async def page(_request: Request) -> Response:
    return Response(f"<p>{SECRET}", media_type="text/html")


async def lying(_request: Request) -> Response:
    return Response(f"<p>{SECRET}", media_type="application/json")


async def packed(_request: Request) -> Response:
    return Response(gzip.compress(json.dumps(CUSTOMERS).encode()), headers={"content-encoding": "gzip"})


async def endless(_request: Request) -> Response:
    async def chunks() -> Any:
        yield b'{"customers":['
        while True:
            yield b'{"ssn":"%s"},' % SECRET.encode() * 1000
            await asyncio.sleep(0)

    return StreamingResponse(chunks(), media_type="application/json")


async def events(_request: Request) -> Response:
    async def lines() -> Any:
        while True:
            yield f"data: {SECRET}\n\n"
            await asyncio.sleep(0)

    return StreamingResponse(lines(), media_type="text/event-stream")


async def file(request: Request) -> Response:
    return FileResponse(request.app.state.file, media_type="application/json")


async def away(_request: Request) -> Response:
    return Response(f"<a>{SECRET}", 302, {"location": "/customers"}, "text/html")


async def empty(_request: Request) -> Response:
    return Response(status_code=204)


@verify(permissions=["nobody has it"])
async def guarded(_request: Request) -> Response:
    raise AssertionError("never reached")


@pytest.fixture
def maker(clock: FrozenClock) -> Maker:
    seen.clear()
    return Maker(clock.now())


@pytest.fixture
def ask(maker: Maker, clock: FrozenClock, tmp_path: Path) -> Callable[..., Any]:
    paths = (customers, missing, page, lying, packed, endless, events, file, away, empty, guarded)
    inner = Starlette(routes=[Route(f"/{each.__name__}", each) for each in paths])
    inner.state.file = tmp_path / "customers.json"
    inner.state.file.write_text(json.dumps(CUSTOMERS))
    keys = maker.publish(tmp_path / "jwks.json")

    async def get(path: str, *obligations: Obligation, app: Any = inner, method: str = "GET", **options: Any) -> Any:
        claim = obligations_claim(obligations or (HIDE,), is_edge=options.pop("is_edge", False))
        sent = {"x-watchword-assertion": maker.token(obligations=claim), **options.pop("headers", {})}
        wrapped = WatchwordMiddleware(
            app, audience=AUDIENCE, issuer=ISSUER, jwks=keys, clock=clock, max_body_bytes=64 * 1024, **options
        )
        transport = httpx2.ASGITransport(app=wrapped)
        async with httpx2.AsyncClient(transport=transport, base_url="https://notes.localhost") as client:
            return await client.request(method, path, headers=sent)

    return get


async def test_an_answer_is_reduced_and_nothing_tells_of_the_whole(ask: Callable[..., Any]) -> None:
    reply = await ask("/customers", headers={"range": "bytes=0-9", "if-none-match": '"x"', "accept-encoding": "gzip"})
    assert reply.json() == {"customers": [{"id": 1}]}
    assert int(reply.headers["content-length"]) == len(reply.content)
    assert "etag" not in reply.headers
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-app"] == "yes"
    assert seen[0]["accept-encoding"] == "identity"
    assert {"range", "if-none-match"}.isdisjoint(seen[0])


async def test_a_file_is_reduced_like_any_other_answer(ask: Callable[..., Any]) -> None:
    reply = await ask("/file", headers={"range": "bytes=10-40"})
    assert (reply.status_code, reply.json()) == (200, {"customers": [{"id": 1}]})


@pytest.mark.parametrize("path", ["/page", "/lying", "/packed", "/endless", "/events"])
async def test_what_cannot_be_reduced_is_withheld(ask: Callable[..., Any], path: str) -> None:
    async with asyncio.timeout(10):
        reply = await ask(path)
    assert reply.status_code == 502
    assert reply.json()["type"] == "urn:watchword:obligation:withheld"
    assert SECRET not in reply.text


async def test_an_error_keeps_its_status_and_loses_its_words(ask: Callable[..., Any]) -> None:
    reply = await ask("/missing")
    assert reply.status_code == 404
    assert SECRET not in reply.text


async def test_a_redirect_passes_without_its_body(ask: Callable[..., Any]) -> None:
    reply = await ask("/away")
    assert (reply.status_code, reply.content, reply.headers["location"]) == (302, b"", "/customers")


async def test_an_answer_without_a_body_passes(ask: Callable[..., Any]) -> None:
    assert (await ask("/empty")).status_code == 204
    reply = await ask("/customers", method="HEAD")
    assert (reply.status_code, reply.content) == (200, b"")
    assert "content-length" not in reply.headers


async def test_a_refusal_of_the_decorator_passes_with_its_challenge(ask: Callable[..., Any]) -> None:
    reply = await ask("/guarded")
    assert reply.status_code == 403
    assert "insufficient_scope" in reply.headers["www-authenticate"]


async def test_an_obligation_that_needs_a_key_is_refused_without_one(ask: Callable[..., Any]) -> None:
    assert (await ask("/customers", HASH)).status_code == 403
    assert not seen
    reply = await ask("/customers", HASH, obligation_key=b"k" * 32)
    assert reply.json()["customers"][0]["ssn"].startswith("h_")


async def test_what_the_edge_reduces_is_not_reduced_again(ask: Callable[..., Any]) -> None:
    assert (await ask("/customers", is_edge=True)).json() == CUSTOMERS


async def test_an_obligation_of_the_application_must_be_named_by_it(ask: Callable[..., Any]) -> None:
    record = Obligation("record", is_for_application=True)
    assert (await ask("/customers", HIDE, record)).status_code == 403
    assert (await ask("/customers", HIDE, record, obligations=["record"])).json() == {"customers": [{"id": 1}]}


@pytest.mark.parametrize("claim", [{"names": ["x"]}, {"names": ["x"], "by": "application", "rules": {"v": 2}}, "x"])
async def test_a_claim_that_is_not_known_here_refuses_the_request(
    ask: Callable[..., Any], maker: Maker, claim: Any
) -> None:
    reply = await ask("/customers", headers={"x-watchword-assertion": maker.token(obligations=claim)})
    assert reply.status_code == 401
    assert not seen


def _messages(*more: dict[str, Any]) -> Any:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in more:
            await send(message)

    return app


START = {"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"application/json")]}
BODY = {"type": "http.response.body", "body": json.dumps(CUSTOMERS).encode()}


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([START, {"type": "http.response.pathsend", "path": "/etc/passwd"}], id="a file by its path"),
        pytest.param([START, {"type": "http.response.zerocopysend", "file": 3}], id="a file by its number"),
        pytest.param(
            [{"type": "http.response.early_hint", "links": [SECRET.encode()]}, START, BODY], id="an early hint"
        ),
        pytest.param([START, START, BODY], id="two heads"),
        pytest.param([BODY], id="no head"),
        pytest.param([{**START, "status": 206}, BODY], id="a part"),
        pytest.param([{**START, "status": 204}, BODY], id="a body where none may be"),
        pytest.param([{"type": "http.response.later"}, START, BODY], id="a message of a later day"),
    ],
)
async def test_a_way_around_the_filter_is_refused(ask: Callable[..., Any], messages: list[dict[str, Any]]) -> None:
    reply = await ask("/", app=_messages(*messages))
    assert reply.status_code == 502
    assert SECRET not in reply.text


async def test_trailers_are_not_passed_on(ask: Callable[..., Any]) -> None:
    trailers = {"type": "http.response.trailers", "headers": [(b"x-ssn", SECRET.encode())]}
    reply = await ask("/", app=_messages({**START, "trailers": True}, BODY))
    assert reply.json() == {"customers": [{"id": 1}]}
    reply = await ask("/", app=_messages({**START, "trailers": True}, {**BODY, "more_body": True}, trailers))
    assert (reply.status_code, SECRET in reply.text) == (502, False)


async def test_an_application_that_fails_after_half_an_answer_has_shown_nothing(ask: Callable[..., Any]) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(START)
        await send({**BODY, "more_body": True})
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await ask("/", app=app)


async def test_ways_around_the_body_are_not_offered(maker: Maker, clock: FrozenClock, tmp_path: Path) -> None:
    offered: list[Any] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        offered.append(scope["extensions"])
        await send(START)
        await send(BODY)

    keys = maker.publish(tmp_path / "jwks.json")
    wrapped = WatchwordMiddleware(app, audience=AUDIENCE, issuer=ISSUER, jwks=keys, clock=clock)
    token = maker.token(obligations=obligations_claim([HIDE], is_edge=False))
    headers = [(b"x-watchword-assertion", token.encode())]
    extensions = {"http.response.pathsend": {}, "http.response.trailers": {}}
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "extensions": extensions}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    await wrapped(scope, receive, send)
    assert offered == [{}]
    assert json.loads(sent[1]["body"]) == {"customers": [{"id": 1}]}


async def test_a_websocket_is_refused_before_the_application_sees_it(
    maker: Maker, clock: FrozenClock, tmp_path: Path
) -> None:
    async def never(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError("never reached")

    keys = maker.publish(tmp_path / "jwks.json")
    app = WatchwordMiddleware(never, audience=AUDIENCE, issuer=ISSUER, jwks=keys, clock=clock)
    token = maker.token(obligations=obligations_claim([HIDE], is_edge=False))
    scope = {"type": "websocket", "path": "/", "headers": [(b"x-watchword-assertion", token.encode())]}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await app(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "obligation_unknown"}]
