"""Answers reduced behind real Envoy: what is filtered, what is refused, and what costs nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from edge_harness import Answer, Edge, Seen, respond

from watchword.enforcement.envoy import FILTER_HEADER, filter_header
from watchword.kernel import EXCLUDE, BodyRules, Hash, Mask, body_rules, parse_path

SECRET = "123-45-6789"
RULES = body_rules(fields=[(parse_path("customers[*].ssn"), EXCLUDE), (parse_path("**.iban"), Mask(4))])
CUSTOMERS = {"customers": [{"id": 1, "ssn": SECRET, "iban": "NL91ABNA0417164300"}]}
SHOWN = {"customers": [{"id": 1, "iban": "***4300"}]}
BODY = json.dumps(CUSTOMERS).encode()
JSON_TYPE = ("content-type", "application/json")


def orders(edge: Edge, rules: BodyRules = RULES, **more: str) -> Callable[[Seen], Answer]:
    grant = edge.grants()

    def answer(seen: Seen) -> Answer:
        found = grant(seen)
        found.headers += [(FILTER_HEADER, filter_header(rules).decode()), *more.items()]
        return found

    return answer


def answers(edge: Edge, body: bytes, *headers: tuple[str, str], status: int = 200) -> list[dict[str, str]]:
    """Make the application answer so; return the headers that it was asked with."""
    asked: list[dict[str, str]] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        asked.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await respond(send, status, list(headers) or [JSON_TYPE], body)

    edge.application = app
    return asked


async def test_an_answer_is_reduced_and_nothing_tells_of_the_whole(edge: Edge) -> None:
    edge.answer = orders(edge)
    asked = answers(edge, BODY, JSON_TYPE, ("etag", '"abc"'), ("digest", "sha-256=x"), ("x-app", "yes"))
    reply = await edge.get("/customers", "accept-encoding: gzip", "range: bytes=0-9", 'if-none-match: "abc"')
    assert reply.status == 200
    assert json.loads(reply.body) == SHOWN
    assert reply.values("content-length") in ([], [str(len(reply.body))])
    assert reply.get("cache-control") == "no-store"
    assert reply.get("x-app") == "yes"
    assert {"etag", "digest", "accept-ranges"}.isdisjoint(name for name, _ in reply.headers)
    [request] = asked
    assert request["accept-encoding"] == "identity"
    assert {"range", "if-none-match", FILTER_HEADER}.isdisjoint(request)


async def test_without_rules_an_answer_passes_untouched_and_the_service_is_not_asked(edge: Edge) -> None:
    edge.answer = edge.grants()
    answers(edge, BODY, JSON_TYPE, ("etag", '"abc"'))
    edge.files.bodies_socket.unlink()
    reply = await edge.get("/customers")
    assert (reply.status, reply.body, reply.get("etag")) == (200, BODY, '"abc"')


async def test_a_denial_needs_no_filter(edge: Edge) -> None:
    edge.answer = lambda _: Answer(403, [(FILTER_HEADER, filter_header(RULES).decode())], b"no")
    edge.files.bodies_socket.unlink()
    reply = await edge.get("/customers")
    assert (reply.status, reply.body) == (403, b"no")


async def test_without_the_service_nothing_is_shown(edge: Edge) -> None:
    edge.answer = orders(edge)
    answers(edge, BODY)
    edge.files.bodies_socket.unlink()
    reply = await edge.get("/customers")
    assert reply.status == 503
    assert SECRET.encode() not in reply.body


async def test_a_client_cannot_bring_rules_of_its_own(edge: Edge) -> None:
    edge.answer = edge.grants()
    asked = answers(edge, BODY)
    weak = filter_header(body_rules(fields=[(parse_path("x"), EXCLUDE)])).decode()
    assert (await edge.get("/", f"{FILTER_HEADER}: {weak}")).body == BODY
    assert FILTER_HEADER not in asked[0]
    edge.answer = orders(edge)
    assert json.loads((await edge.get("/", f"{FILTER_HEADER}: {weak}")).body) == SHOWN


async def test_hashes_are_made_with_the_key_of_the_node(edge: Edge) -> None:
    edge.answer = orders(edge, body_rules(fields=[(parse_path("customers[*].ssn"), Hash("x"))]))
    answers(edge, BODY)
    first = json.loads((await edge.get()).body)["customers"][0]["ssn"]
    assert first.startswith("h_")
    assert json.loads((await edge.get()).body)["customers"][0]["ssn"] == first


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(b"<p>" + BODY, [("content-type", "text/html")], 200, id="not JSON"),
        pytest.param(b"<p>" + BODY, [JSON_TYPE], 200, id="lying content type"),
        pytest.param(BODY, [("content-type", "text/plain"), JSON_TYPE], 200, id="two content types"),
        pytest.param(BODY + b"\n" + BODY, [("content-type", "application/x-ndjson")], 200, id="NDJSON"),
        pytest.param(BODY + b"\n" + BODY, [JSON_TYPE], 200, id="NDJSON that calls itself JSON"),
        pytest.param(gzip.compress(BODY), [JSON_TYPE, ("content-encoding", "gzip")], 200, id="encoded"),
        pytest.param(gzip.compress(BODY), [JSON_TYPE], 200, id="encoded in secret"),
        pytest.param(gzip.compress(b"0" * 10**8, 1), [JSON_TYPE, ("content-encoding", "gzip")], 200, id="gzip bomb"),
        pytest.param(BODY, [JSON_TYPE, ("content-range", f"bytes 0-{len(BODY) - 1}/900")], 206, id="a part"),
        pytest.param(BODY, [JSON_TYPE, ("content-range", f"bytes 0-{len(BODY) - 1}/900")], 200, id="a part in secret"),
        pytest.param(b'{"customers":[{"ssn":"x","ssn":"%s"}]}' % SECRET.encode(), [JSON_TYPE], 200, id="key twice"),
        pytest.param(
            b'{"customers":[{"ssn":"x","\\u0073sn":"%s"}]}' % SECRET.encode(), [JSON_TYPE], 200, id="key twice, escaped"
        ),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, [JSON_TYPE], 200, id="depth bomb"),
        pytest.param(b'{"customer":{"ssn":"%s"}}' % SECRET.encode(), [JSON_TYPE], 200, id="another shape"),
        pytest.param(b'{"customers":{"ssn":"%s"}}' % SECRET.encode(), [JSON_TYPE], 200, id="no list"),
        pytest.param(b"data: " + BODY + b"\n\n", [("content-type", "text/event-stream")], 200, id="a stream"),
        pytest.param(BODY.decode().encode("utf-16"), [JSON_TYPE], 200, id="UTF-16"),
        pytest.param(BODY + b" " * 300_000, [JSON_TYPE], 200, id="too large"),
    ],
)
async def test_what_cannot_be_reduced_is_withheld(
    edge: Edge, body: bytes, headers: list[tuple[str, str]], status: int
) -> None:
    edge.answer = orders(edge)
    answers(edge, body, *headers, ("x-leak", "1"), status=status)
    reply = await edge.get("/customers")
    assert reply.status in {500, 502}
    assert SECRET.encode() not in reply.body
    assert gzip.compress(BODY)[20:40] not in reply.body
    assert reply.get("x-leak") is None


async def test_an_unasked_not_modified_is_withheld(edge: Edge) -> None:
    edge.answer = orders(edge)
    answers(edge, b"", ("etag", '"abc"'), status=304)
    reply = await edge.get("/customers", 'if-none-match: "abc"')
    assert (reply.status, reply.get("etag")) == (502, None)


async def test_an_error_of_the_application_keeps_its_status_and_loses_its_words(edge: Edge) -> None:
    edge.answer = orders(edge)
    answers(edge, f'{{"detail": "no customer {SECRET}"}}'.encode(), ("content-type", "application/json"), status=404)
    reply = await edge.get("/customers/9")
    assert reply.status == 404
    assert SECRET.encode() not in reply.body
    assert json.loads(reply.body)["type"] == "urn:watchword:obligation:withheld"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("DELETE", 204)])
async def test_an_answer_without_a_body_passes_and_does_not_tell_its_length(
    edge: Edge, method: str, status: int
) -> None:
    edge.answer = orders(edge)

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        head = [("content-length", str(len(BODY))), JSON_TYPE] if method == "HEAD" else []
        raw = [(name.encode(), value.encode()) for name, value in head]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b""})

    edge.application = app
    reply = await edge.get("/customers", method=method)
    assert reply.status == status
    assert reply.body == b""
    assert reply.get("content-length") in {None, "0"}


async def test_a_websocket_is_refused(edge: Edge) -> None:
    edge.answer = orders(edge)
    answers(edge, BODY)
    reply = await edge.get(
        "/live", "upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13", "sec-websocket-key: AAAA"
    )
    assert reply.status in {502, 503}
    assert not edge.reached


async def test_chunks_and_trailers_hide_nothing(edge: Edge) -> None:
    edge.answer = orders(edge)

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        head = [(b"content-type", b"application/json"), (b"trailer", b"x-ssn")]
        await send({"type": "http.response.start", "status": 200, "headers": head, "trailers": True})
        for at in range(0, len(BODY), 7):
            await send({"type": "http.response.body", "body": BODY[at : at + 7], "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    edge.application = app
    reply = await edge.get("/customers")
    assert json.loads(reply.body) == SHOWN
    assert reply.get("trailer") is None


async def test_a_large_answer_within_the_limit_is_reduced(edge: Edge) -> None:
    edge.answer = orders(edge)
    many = {"customers": CUSTOMERS["customers"] * 3000}
    answers(edge, json.dumps(many, separators=(",", ":")).encode())
    reply = await edge.get("/customers")
    assert json.loads(reply.body) == {"customers": SHOWN["customers"] * 3000}


@pytest.mark.parametrize("value", ["", "e30=", "!!", "W10="])
async def test_rules_that_cannot_be_read_deny(edge: Edge, value: str) -> None:
    grant = edge.grants()

    def answer(seen: Seen) -> Answer:
        found = grant(seen)
        found.headers.append((FILTER_HEADER, value))
        return found

    edge.answer = answer
    answers(edge, BODY)
    reply = await edge.get("/customers")
    assert reply.status in {502, 503}
    assert SECRET.encode() not in reply.body
