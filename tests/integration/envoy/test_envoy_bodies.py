"""Answers reduced behind real Envoy: what is filtered, what is refused, and what costs nothing."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edge_harness import Answer, Edge, MakeEdge, Seen, respond
from trailing import ask_over_http2, upstream_with_trailers

from watchword.enforcement.bodies import FILTER_HEADER, filter_header
from watchword.enforcement.envoy import Upstream
from watchword.kernel import EXCLUDE, BodyRules, Hash, Mark, Mask, Note, body_rules, parse_path

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


# One Envoy for all: to start one for each would take longer than to ask.
ATTACKS: list[tuple[bytes, list[tuple[str, str]], int, str]] = [
    (b"<p>" + BODY, [("content-type", "text/html")], 200, "not JSON"),
    (b"<p>" + BODY, [JSON_TYPE], 200, "lying content type"),
    (BODY, [("content-type", "text/plain"), JSON_TYPE], 200, "two content types"),
    (BODY + b"\n" + BODY, [("content-type", "application/x-ndjson")], 200, "NDJSON"),
    (BODY + b"\n" + BODY, [JSON_TYPE], 200, "NDJSON that calls itself JSON"),
    (gzip.compress(BODY), [JSON_TYPE, ("content-encoding", "gzip")], 200, "encoded"),
    (gzip.compress(BODY), [JSON_TYPE], 200, "encoded in secret"),
    (gzip.compress(b"0" * 10**8, 1), [JSON_TYPE, ("content-encoding", "gzip")], 200, "gzip bomb"),
    (BODY, [JSON_TYPE, ("content-range", f"bytes 0-{len(BODY) - 1}/900")], 206, "a part"),
    (BODY, [JSON_TYPE, ("content-range", f"bytes 0-{len(BODY) - 1}/900")], 200, "a part in secret"),
    (b'{"customers":[{"ssn":"x","ssn":"%s"}]}' % SECRET.encode(), [JSON_TYPE], 200, "key twice"),
    (b'{"customers":[{"ssn":"x","\\u0073sn":"%s"}]}' % SECRET.encode(), [JSON_TYPE], 200, "key twice, escaped"),
    (b"[" * 100_000 + b"]" * 100_000, [JSON_TYPE], 200, "depth bomb"),
    (b'{"customer":{"ssn":"%s"}}' % SECRET.encode(), [JSON_TYPE], 200, "another shape"),
    (b'{"customers":{"ssn":"%s"}}' % SECRET.encode(), [JSON_TYPE], 200, "no list"),
    (b"data: " + BODY + b"\n\n", [("content-type", "text/event-stream")], 200, "a stream"),
    (BODY.decode().encode("utf-16"), [JSON_TYPE], 200, "UTF-16"),
    (BODY.decode().encode("utf-32-le"), [JSON_TYPE], 200, "UTF-32"),
    (BODY.decode().encode("utf-7"), [("content-type", "application/json; charset=utf-7")], 200, "UTF-7"),
    (b"\xef\xbb\xbf" + BODY, [JSON_TYPE], 200, "a byte order mark"),
    (BODY + b"x", [JSON_TYPE], 200, "garbage behind"),
    (b")]}',\n" + BODY, [JSON_TYPE], 200, "a guard before"),
    (BODY[:-2], [JSON_TYPE], 200, "cut off"),
    (BODY, [JSON_TYPE, ("content-encoding", "identity, gzip")], 200, "two encodings"),
    (BODY, [JSON_TYPE, ("content-encoding", "zstd")], 200, "an encoding nobody asked for"),
    (BODY, [("content-type", "multipart/mixed; boundary=x")], 200, "several parts"),
    (b'{"customers":[{"ssn\\ud800":1,"ssn":"%s"' % SECRET.encode(), [JSON_TYPE], 200, "half a pair"),
    (BODY + b" " * 1_100_000, [JSON_TYPE], 200, "too large"),
]


async def test_what_cannot_be_reduced_is_withheld(edge: Edge) -> None:
    edge.answer = orders(edge)
    for body, headers, status, name in ATTACKS:
        answers(edge, body, *headers, ("x-leak", "1"), status=status)
        reply = await edge.get("/customers")
        assert reply.status in {500, 502}, name
        assert SECRET.encode() not in reply.body, name
        assert gzip.compress(BODY)[20:40] not in reply.body, name
        assert reply.get("x-leak") is None, name
    answers(edge, BODY)
    assert json.loads((await edge.get("/customers")).body) == SHOWN


async def test_bodies_that_no_rule_reads_pass_whole_whatever_they_are(edge: Edge) -> None:
    edge.answer = orders(edge, body_rules(told=["owner"]))
    large = bytes(range(256)) * 20_000  # beyond what is read at most
    asked = answers(edge, large, ("content-type", "image/png"), ("etag", '"abc"'), ("watchword-watermark", "forged"))
    reply = await edge.get("/picture", "range: bytes=0-", method="POST", body=large)
    assert (reply.status, reply.body == large, reply.get("etag")) == (200, True, '"abc"')
    assert reply.get("watchword-watermark") is None
    assert asked[0]["range"] == "bytes=0-"
    assert [notice.told for notice in edge.witness.notices] == [("owner",)]


async def test_an_endless_answer_is_withheld_and_its_sender_is_stopped(edge: Edge) -> None:
    edge.answer = orders(edge)
    stopped = asyncio.Event()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        gone = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        while not gone.done():
            await send({"type": "http.response.body", "body": b" " * 65536, "more_body": True})
            await asyncio.sleep(0)
        stopped.set()

    edge.application = app
    assert (await edge.get("/customers")).status == 502
    await asyncio.wait_for(stopped.wait(), 10)


async def test_rows_marks_and_records_through_the_edge(edge: Edge) -> None:
    notes = [Note("answer", parse_path("**.ssn")), Note("request", parse_path("iban"))]
    rules = body_rules(
        rows=[(parse_path("customers"), 1)], watermarks=[Mark("header"), Mark("member", "_for")], notes=notes
    )
    edge.answer = orders(edge, rules)
    asked = answers(edge, json.dumps({"customers": CUSTOMERS["customers"] * 3}).encode())
    reply = await edge.get("/customers", "content-type: application/json", method="PUT", body=b'{"iban": "NL1"}')
    shown = json.loads(reply.body)
    assert shown["customers"] == CUSTOMERS["customers"]
    assert f"decision={shown['_for']['decision']}" in str(reply.get("watchword-watermark"))
    change, reading = edge.witness.accesses
    assert (dict(change.counts), dict(reading.counts)) == ({"iban": 1}, {"**.ssn": 1})
    for body in (b"iban=NL1", b'{"iban": 1, "iban": 2}', b'{"iban": 1}' + b" " * 1_100_000):
        refused = await edge.get("/customers", "content-type: application/json", method="PUT", body=body)
        assert refused.status == 502
    assert len(asked) == 1
    edge.witness.is_broken = True
    refused = await edge.get("/customers", "content-type: application/json", method="GET")
    assert (refused.status, SECRET.encode() in refused.body) == (502, False)


async def test_a_page_is_marked_at_its_end(edge: Edge) -> None:
    edge.answer = orders(edge, body_rules(watermarks=[Mark("header"), Mark("page")]))
    page = b"<!doctype html><title>x</title><p>" + b"x" * 100_000
    answers(edge, page, ("content-type", "text/html"))
    reply = await edge.get("/page")
    assert reply.status == 200
    assert reply.body.startswith(page + b"\n<div data-watchword-watermark")
    assert (await edge.get("/page", method="HEAD")).body == b""


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


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("DELETE", 204)])
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


async def test_rules_that_cannot_be_read_deny(edge: Edge) -> None:
    answers(edge, BODY)
    for value in ("", "e30=", "!!", "W10="):
        grant = edge.grants()(Seen("GET", "/", []))
        grant.headers.append((FILTER_HEADER, value))
        edge.answer = lambda _, grant=grant: grant  # type: ignore[misc]  # bound now
        reply = await edge.get("/customers")
        assert reply.status in {502, 503}, value
        assert SECRET.encode() not in reply.body, value


@pytest.mark.parametrize("rules", [RULES, body_rules(told=["owner"]), None], ids=["reduced", "told", "no rules"])
async def test_trailers_of_an_answer_that_is_reduced_are_not_passed_on(
    make_edge: MakeEdge, short_directory: Path, rules: BodyRules | None
) -> None:
    socket = short_directory / "h2.sock"
    server = await upstream_with_trailers(socket, [JSON_TYPE], BODY, [("x-ssn", SECRET), ("grpc-status", "0")])
    try:
        edge = await make_edge(application={"upstream": Upstream(socket=socket, http2=True)})
        edge.answer = orders(edge, rules) if rules is not None else edge.grants()
        port = edge.settings.listen_address.port
        headers, body, trailers = await ask_over_http2("notes.localhost", port, edge.context, "/customers")
    finally:
        server.close()
        await server.wait_closed()
    assert (":status", "200") in headers
    if rules is RULES:
        assert json.loads(body) == SHOWN
        assert trailers == []
    else:  # or the test would pass on an edge that never passes trailers
        assert body == BODY
        assert ("x-ssn", SECRET) in trailers
