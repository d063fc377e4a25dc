"""The filter of answers as Envoy talks to it: each message has its turn, and no other order is answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from grpclib.exceptions import GRPCError

from watchword.enforcement.bodies import BodyRefusedError, ValueKeys, filter_header
from watchword.enforcement.envoy.bodies import _Exchange
from watchword.enforcement.envoy.body_messages import ProcessingRequest
from watchword.kernel import EXCLUDE, Hash, body_rules, parse_path

RULES = filter_header(body_rules(fields=[(parse_path("ssn"), EXCLUDE)])).decode()
BODY = b'{"ssn":"123-45-6789","name":"Ada"}'


def headers(**values: str) -> dict[str, Any]:
    found = [{"key": name.replace("_", "-"), "raw_value": value.encode()} for name, value in values.items()]
    return {"headers": {"headers": found}}


def opening(*more: tuple[str, str], rules: str = RULES, method: str = "GET") -> Any:
    message = ProcessingRequest(request_headers=headers(x_watchword_filter=rules, x_watchword_decision="dec_1"))
    for name, value in ((":method", method), *more):
        message.request_headers.headers.headers.add(key=name, raw_value=value.encode())
    return message


def head(status: str = "200", *, ends: bool = False, **more: str) -> Any:
    found = headers(content_type="application/json", **more)
    found["headers"]["headers"].append({"key": ":status", "raw_value": status.encode()})
    return ProcessingRequest(response_headers=found | {"end_of_stream": ends})


def body(content: bytes = BODY) -> Any:
    return ProcessingRequest(response_body={"body": content, "end_of_stream": True})


async def said(*messages: Any, keys: ValueKeys | None = None) -> list[Any]:
    exchange = _Exchange(keys, asyncio.Semaphore(1))
    return [await exchange.answer(message) for message in messages]


async def test_an_answer_is_reduced_in_three_turns() -> None:
    asked, told, shown = await said(opening(("range", "bytes=0-1")), head(), body())
    assert "x-watchword-filter" in asked.request_headers.response.header_mutation.remove_headers
    assert "range" in asked.request_headers.response.header_mutation.remove_headers
    [accepted] = asked.request_headers.response.header_mutation.set_headers
    assert (accepted.header.key, accepted.header.raw_value) == ("accept-encoding", b"identity")
    assert {"etag", "content-length"} <= set(told.response_headers.response.header_mutation.remove_headers)
    assert json.loads(shown.response_body.response.body_mutation.body) == {"name": "Ada"}


async def test_a_redirect_loses_its_body() -> None:
    *_, shown = await said(opening(), head("302", location="/x"), body(b"<a>123-45-6789"))
    assert shown.response_body.response.body_mutation.clear_body


async def test_every_trailer_is_taken_out() -> None:
    trailers = {"headers": [{"key": "X-SSN", "raw_value": b"1"}, {"key": "grpc-status", "value": "0"}]}
    *_, last = await said(opening(), head(), body(), ProcessingRequest(response_trailers={"trailers": trailers}))
    assert set(last.response_trailers.header_mutation.remove_headers) == {"x-ssn", "grpc-status"}


@pytest.mark.parametrize(
    "messages",
    [
        [head()],
        [body()],
        [opening(), body()],
        [opening(), opening()],
        [opening(), head(), head()],
        [ProcessingRequest(response_trailers={})],
        [ProcessingRequest()],
    ],
)
async def test_a_message_out_of_turn_is_not_answered(messages: list[Any]) -> None:
    with pytest.raises(GRPCError):
        await said(*messages)


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([opening(("x-watchword-filter", RULES))], id="two sets of rules"),
        pytest.param([opening(("upgrade", "websocket"))], id="an upgrade"),
        pytest.param([opening(method="CONNECT")], id="a tunnel"),
        pytest.param([opening(rules="e30=")], id="rules of no version"),
        pytest.param([opening(rules="W" * 5000)], id="rules that are no JSON"),
        pytest.param([opening(), head("abc")], id="no status"),
        pytest.param([opening(), head("206")], id="a part"),
        pytest.param([opening(), head(content_encoding="gzip")], id="encoded"),
        pytest.param([opening(), head("204"), body()], id="a body where none may be"),
        pytest.param([opening(), head(), body(b"[1]")], id="another shape"),
    ],
)
async def test_what_cannot_be_reduced_is_refused(messages: list[Any]) -> None:
    with pytest.raises(BodyRefusedError):
        await said(*messages)


async def test_a_rule_that_needs_a_key_is_refused_without_one() -> None:
    rules = filter_header(body_rules(fields=[(parse_path("ssn"), Hash("x"))])).decode()
    with pytest.raises(BodyRefusedError):
        await said(opening(rules=rules))
    assert await said(opening(rules=rules), keys=ValueKeys(b"k" * 32))


async def test_a_large_body_is_reduced_beside_the_loop() -> None:
    large = json.dumps({"ssn": "1", "text": "x" * 100_000}).encode()
    *_, shown = await said(opening(), head(), body(large))
    assert json.loads(shown.response_body.response.body_mutation.body) == {"text": "x" * 100_000}


async def test_a_refusal_names_the_decision_and_nothing_else() -> None:
    exchange = _Exchange(None, asyncio.Semaphore(1))
    await exchange.answer(opening())
    with pytest.raises(BodyRefusedError):
        await exchange.answer(head("404", content_encoding="gzip"))
    refusal = exchange.refusal().immediate_response
    assert refusal.status.code == 404
    assert json.loads(refusal.body)["reference"] == "dec_1"
