"""The middleware and the decorator, inside Starlette, FastAPI-like handlers, plain ASGI and WebSockets."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from assertion_maker import AUDIENCE, ISSUER, KID, Maker
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from watchword.enforcement.asgi import (
    FileKeys,
    InvalidAssertionError,
    KeysUnavailableError,
    UrlKeys,
    WatchwordMiddleware,
    current,
    verify,
)
from watchword.kernel import Acr, FrozenClock

Ask = Callable[..., Any]
entered: list[str] = []


@verify(permissions=["reports"])
async def with_permission(_request: Request) -> Response:
    entered.append("permission")
    return PlainTextResponse("in")


@verify(max_age=60)
def plainly_fresh(_request: Request) -> Response:
    entered.append("fresh")
    return PlainTextResponse("in")


@verify(min_trust=80)
async def trusted(_request: Request) -> Response:
    entered.append("trusted")
    return PlainTextResponse("in")


@verify(acr=Acr.PHISHING_RESISTANT, max_age=timedelta(hours=1))
async def strong(_request: Request) -> Response:
    entered.append("strong")
    return PlainTextResponse("in")


@verify(permissions=["talk"])
async def socket(websocket: WebSocket) -> None:
    entered.append("socket")
    await websocket.accept()
    await websocket.close()


async def who(request: Request) -> Response:
    assert request.scope["watchword"] is current()
    assert "x-watchword-assertion" not in request.headers
    return PlainTextResponse(current().name)


@verify(permissions=["raw"])
async def raw(scope: Any, receive: Any, send: Any) -> None:
    entered.append("raw")
    await PlainTextResponse("in")(scope, receive, send)


class Inner:
    """An ASGI callable object with a guarded method."""

    @verify(permissions=["raw"])
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        entered.append("raw object")
        await PlainTextResponse("in")(scope, receive, send)


@pytest.fixture
def maker(clock: FrozenClock) -> Maker:
    entered.clear()
    return Maker(clock.now())


@pytest.fixture
def keys(maker: Maker, tmp_path: Path) -> Path:
    return maker.publish(tmp_path / "jwks.json")


def application(keys: Any, clock: FrozenClock, inner: Any = None, **options: Any) -> WatchwordMiddleware:
    routes = [
        Route("/who", who),
        Route("/permission", with_permission),
        Route("/fresh", plainly_fresh, methods=["GET", "POST"]),
        Route("/trusted", trusted),
        Route("/strong", strong),
        WebSocketRoute("/ws", socket),
    ]
    app = inner or Starlette(routes=routes)
    return WatchwordMiddleware(app, audience=AUDIENCE, issuer=ISSUER, jwks=keys, clock=clock, **options)


@pytest.fixture
def ask(keys: Path, clock: FrozenClock) -> Ask:
    app = application(keys, clock)

    async def get(path: str, *tokens: str, accept: str = "*/*", app: Any = app, method: str = "GET") -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app)
        headers = [("accept", accept), *(("X-Watchword-Assertion", token) for token in tokens)]
        async with httpx2.AsyncClient(transport=transport, base_url="https://notes.localhost:8443") as client:
            return await client.request(method, path, headers=headers)

    return get


async def test_an_assertion_opens_the_door(ask: Ask, maker: Maker) -> None:
    reply = await ask("/who", maker.token())
    assert (reply.status_code, reply.text) == (200, "ada")


@pytest.mark.parametrize("tokens", [[], [""], ["nonsense"], ["a.b.c"]])
async def test_without_a_good_assertion_nobody_enters(ask: Ask, tokens: list[str]) -> None:
    reply = await ask("/who", *tokens)
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["www-authenticate"] == 'Bearer realm="watchword"'
    assert reply.headers["cache-control"] == "no-store"


async def test_two_assertions_are_refused_even_if_both_are_good(ask: Ask, maker: Maker) -> None:
    token = maker.token()
    assert (await ask("/who", token, token)).status_code == 401
    assert (await ask("/who", token, "")).status_code == 401


async def test_the_client_is_not_told_why(ask: Ask, maker: Maker) -> None:
    bodies = {
        (await ask("/who", *tokens)).text for tokens in ([], ["x"], [maker.token(aud="other")], [maker.token(exp=1)])
    }
    assert len(bodies) == 1


async def test_an_assertion_that_was_verified_once_still_expires(ask: Ask, maker: Maker, clock: FrozenClock) -> None:
    token = maker.token()
    assert (await ask("/who", token)).status_code == 200
    clock.advance(timedelta(seconds=64))
    assert (await ask("/who", token)).status_code == 200
    clock.advance(timedelta(seconds=2))
    assert (await ask("/who", token)).status_code == 401


async def test_a_key_that_is_withdrawn_ends_what_it_signed(
    ask: Ask, maker: Maker, keys: Path, clock: FrozenClock
) -> None:
    token = maker.token()
    assert (await ask("/who", token)).status_code == 200
    Maker(clock.now()).publish(keys.with_name("new")).replace(keys)
    clock.advance(timedelta(seconds=2))
    assert (await ask("/who", token)).status_code == 401


async def test_a_rotated_key_is_found_at_once(ask: Ask, maker: Maker, keys: Path) -> None:
    assert (await ask("/who", maker.token())).status_code == 200
    old = json.loads(keys.read_bytes())["keys"]
    maker.key = ec.generate_private_key(ec.SECP256R1())
    new = json.loads(maker.jwks())["keys"][0] | {"kid": "key_01jd0000000000000000000009"}
    keys.with_name("new").write_text(json.dumps({"keys": [*old, new]}))
    keys.with_name("new").replace(keys)
    assert (await ask("/who", maker.token(header={"kid": new["kid"]}))).status_code == 200


async def test_without_keys_nothing_is_verified(maker: Maker, tmp_path: Path, clock: FrozenClock, ask: Ask) -> None:
    missing = application(tmp_path / "missing.json", clock)
    assert (await ask("/who", maker.token(), app=missing)).status_code == 503


async def test_an_obligation_that_the_application_does_not_know_denies(
    ask: Ask, maker: Maker, keys: Path, clock: FrozenClock
) -> None:
    token = maker.token(obligations=["mask_pii"])
    reply = await ask("/who", token)
    assert reply.status_code == 403
    assert reply.json()["reference"] == "dec_01jd0000000000000000000000"
    knows = application(keys, clock, obligations=["mask_pii"])
    assert (await ask("/who", token, app=knows)).status_code == 200


# --- the decorator ----------------------------------------------------------------------------------------------------


async def test_a_missing_permission_is_named_and_nothing_runs(ask: Ask, maker: Maker) -> None:
    assert (await ask("/permission", maker.token())).text == "in"
    entered.clear()
    reply = await ask("/permission", maker.token(permissions=["other"]))
    assert reply.status_code == 403
    assert 'error="insufficient_scope", scope="reports"' in reply.headers["www-authenticate"]
    assert not entered


async def test_a_stale_proof_is_challenged_as_rfc_9470_says(ask: Ask, maker: Maker) -> None:
    at = int(maker.now.timestamp())
    assert (await ask("/fresh", maker.token(mfa_time=at - 30))).text == "in"
    entered.clear()
    reply = await ask("/fresh", maker.token())
    assert reply.status_code == 401
    challenge = reply.headers["www-authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert f'acr_values="{Acr.MULTI_FACTOR.value}"' in challenge
    assert 'max_age="60"' in challenge
    assert not entered


async def test_too_weak_a_proof_is_challenged(ask: Ask, maker: Maker) -> None:
    reply = await ask("/strong", maker.token())
    assert reply.status_code == 401
    assert f'acr_values="{Acr.PHISHING_RESISTANT.value}"' in reply.headers["www-authenticate"]
    assert (await ask("/strong", maker.token(acr=Acr.PHISHING_RESISTANT.value))).text == "in"


@pytest.mark.parametrize("trust", [79, 0, None])
async def test_too_little_trust_is_refused(ask: Ask, maker: Maker, trust: int | None) -> None:
    assert (await ask("/trusted", maker.token(trust=trust))).status_code == 403
    assert not entered
    assert (await ask("/trusted", maker.token(trust=80))).text == "in"


async def test_a_person_gets_a_page_with_a_way_out_and_no_markup_of_others(ask: Ask, maker: Maker) -> None:
    reply = await ask('/fresh?q="><script>', maker.token(), accept="text/html")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert f'href="{ISSUER}/step-up?return_to=https%3A%2F%2Fnotes.localhost%3A8443%2Ffresh' in reply.text
    assert "<script" not in reply.text


async def test_a_page_brings_its_own_style_and_allows_no_other(ask: Ask, maker: Maker) -> None:
    reply = await ask("/fresh", maker.token(), accept="text/html")
    style = reply.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; " in reply.headers["content-security-policy"]
    assert "--paper" in style


async def test_who_was_asked_again_while_sending_a_form_comes_back_to_the_start(ask: Ask, maker: Maker) -> None:
    reply = await ask("/fresh", maker.token(), accept="text/html", method="POST")
    assert f'href="{ISSUER}/step-up?return_to=https%3A%2F%2Fnotes.localhost%3A8443%2F"' in reply.text


async def talk(app: Any, token: str, *, denial: bool) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "websocket",
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": b"",
        "root_path": "",
        "scheme": "wss",
        "subprotocols": [],
        "headers": [(b"host", b"notes.localhost"), (b"x-watchword-assertion", token.encode())],
        "extensions": {"websocket.http.response": {}} if denial else {},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await app(scope, receive, send)
    return sent


async def test_a_websocket_without_an_assertion_is_never_accepted(keys: Path, clock: FrozenClock) -> None:
    app = application(keys, clock)
    assert [m["type"] for m in await talk(app, "x", denial=False)] == ["websocket.close"]
    (start, _) = await talk(app, "x", denial=True)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)


async def test_a_websocket_handler_may_ask_for_more(keys: Path, clock: FrozenClock, maker: Maker) -> None:
    app = application(keys, clock)
    (start, _) = await talk(app, maker.token(), denial=True)
    assert start["status"] == 403
    assert not entered
    accepted = await talk(app, maker.token(permissions=["talk"]), denial=True)
    assert accepted[0]["type"] == "websocket.accept"


@pytest.mark.parametrize("inner", [raw, Inner()])
async def test_a_plain_asgi_callable_may_ask_for_more(
    ask: Ask, maker: Maker, keys: Path, clock: FrozenClock, inner: Any
) -> None:
    app = application(keys, clock, inner)
    assert (await ask("/", maker.token(), app=app)).status_code == 403
    assert not entered
    assert (await ask("/", maker.token(permissions=["raw"]), app=app)).text == "in"


async def test_a_guard_without_the_middleware_lets_nobody_in() -> None:
    with pytest.raises(InvalidAssertionError, match="no assertion"):
        await with_permission(None)
    with pytest.raises(InvalidAssertionError):
        plainly_fresh(None)
    with pytest.raises(InvalidAssertionError):
        current()


async def test_who_was_here_is_forgotten_after_the_request(ask: Ask, maker: Maker) -> None:
    await ask("/who", maker.token())
    with pytest.raises(InvalidAssertionError):
        current()


@pytest.mark.parametrize(
    "options", [{"permissions": "reports"}, {"max_age": -1}, {"min_trust": 101}, {"min_trust": -1}, {"acr": "strong"}]
)
def test_a_guard_that_makes_no_sense_does_not_start(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        verify(**options)


async def test_an_unknown_kind_of_connection_does_not_pass(keys: Path, clock: FrozenClock) -> None:
    with pytest.raises(RuntimeError):
        await application(keys, clock)({"type": "carrier-pigeon", "headers": []}, None, None)


# --- where keys come from ---------------------------------------------------------------------------------------------


async def test_keys_are_fetched_over_https_only() -> None:
    with pytest.raises(KeysUnavailableError):
        UrlKeys("http://watchword.localhost/.well-known/jwks.json")


async def test_unknown_key_ids_do_not_become_a_flood_of_fetches(maker: Maker) -> None:
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return maker.jwks()

    source = UrlKeys("https://watchword.localhost/jwks.json", fetch=fetch)
    assert KID in await source.keys(now_s=0.0)
    for second in range(10):
        await source.keys(now_s=float(second), is_fresh_wanted=True)
    assert len(fetched) == 1
    await source.keys(now_s=11.0, is_fresh_wanted=True)
    await source.keys(now_s=12.0)
    assert len(fetched) == 2
    await source.keys(now_s=400.0)
    assert len(fetched) == 3


async def test_keys_outlive_a_short_absence_of_their_source(maker: Maker, tmp_path: Path) -> None:
    answers = [maker.jwks(), b"garbage"]
    source = UrlKeys("https://watchword.localhost/jwks.json", fetch=lambda _: answers.pop(0))
    assert KID in await source.keys(now_s=0.0)
    assert KID in await source.keys(now_s=400.0)
    file = maker.publish(tmp_path / "jwks.json")
    files = FileKeys(file)
    assert KID in await files.keys(now_s=0.0)
    file.write_bytes(b"garbage")
    assert KID in await files.keys(now_s=5.0)
