"""The filter of answers as Envoy talks to it: each message has its turn, and no other order is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from grpclib.exceptions import GRPCError

from watchword.enforcement.bodies import BodyRefusedError, Means, ValueKeys, filter_header
from watchword.enforcement.envoy.bodies import Conversation
from watchword.enforcement.envoy.body_messages import ProcessingRequest
from watchword.enforcement.envoy.holding import Bounds, Room
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


def body(content: bytes = BODY, *, ends: bool = True) -> Any:
    return ProcessingRequest(response_body={"body": content, "end_of_stream": ends})


def conversation(keys: ValueKeys | None = None, **bounds: Any) -> tuple[Conversation, list[Any]]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    return Conversation(Means(keys), Bounds(**bounds), send), sent


async def said(*messages: Any, keys: ValueKeys | None = None, **bounds: Any) -> list[Any]:
    talk, sent = conversation(keys, **bounds)
    for message in messages:
        await talk.take(message)
    talk.close()
    return sent


def piece(message: Any) -> tuple[bytes, bool]:
    found = message.response_body.response.body_mutation.streamed_response
    return found.body, found.end_of_stream


async def test_nothing_of_an_answer_goes_on_before_it_is_whole() -> None:
    talk, sent = conversation()
    for message in (opening(("range", "bytes=0-1")), head(), body(BODY[:9], ends=False), body(BODY[9:], ends=False)):
        await talk.take(message)
    [asked] = sent
    assert {"x-watchword-filter", "range"} <= set(asked.request_headers.response.header_mutation.remove_headers)
    [accepted] = asked.request_headers.response.header_mutation.set_headers
    assert (accepted.header.key, accepted.header.raw_value) == ("accept-encoding", b"identity")
    await talk.take(body(b""))
    _, told, shown = sent
    removed = set(told.response_headers.response.header_mutation.remove_headers)
    assert {"etag", "content-length", "watchword-watermark"} <= removed
    assert piece(shown) == (b'{"name":"Ada"}', True)


async def test_a_redirect_loses_its_body() -> None:
    *_, shown = await said(opening(), head("302", location="/x"), body(b"<a>123-45-6789"))
    assert piece(shown) == (b"", True)


async def test_every_trailer_is_taken_out() -> None:
    trailers = {"headers": [{"key": "X-SSN", "raw_value": b"1"}, {"key": "grpc-status", "value": "0"}]}
    ending = ProcessingRequest(response_trailers={"trailers": trailers})
    *_, shown, last = await said(opening(), head(), body(ends=False), ending)
    assert piece(shown) == (b'{"name":"Ada"}', False)
    assert set(last.response_trailers.header_mutation.remove_headers) == {"x-ssn", "grpc-status"}


async def test_a_long_answer_goes_on_in_pieces() -> None:
    large = json.dumps({"ssn": "1", "text": "x" * 200_000}).encode()
    _, _, *pieces = await said(opening(), head(), body(large))
    assert [ends for _, ends in map(piece, pieces)] == [False] * (len(pieces) - 1) + [True]
    assert json.loads(b"".join(found for found, _ in map(piece, pieces))) == {"text": "x" * 200_000}


async def test_the_limits_hold_for_each_body_and_for_all_together() -> None:
    with pytest.raises(BodyRefusedError, match="too large"):
        await said(opening(), head(), body(b" " * 60, ends=False), body(b" " * 60, ends=False), most=100)
    room = Room(100)
    first, _ = conversation(room=room)
    for message in (opening(), head(), body(b" " * 60, ends=False)):
        await first.take(message)
    with pytest.raises(BodyRefusedError, match="too much"):
        await said(opening(), head(), body(b" " * 60, ends=False), room=room)
    first.close()
    assert await said(opening(), head(), body(BODY), room=room)
    room.take(100)  # all of it was given back


async def test_what_a_slow_reader_has_not_taken_yet_counts_as_held() -> None:
    room, seen = Room(1000), []

    async def slowly(message: Any) -> None:
        if message.HasField("response_body"):
            with pytest.raises(BodyRefusedError):
                room.take(1000)
            seen.append(message)

    talk = Conversation(Means(), Bounds(room), slowly)
    for message in (opening(), head(), body()):
        await talk.take(message)
    assert seen
    room.take(1000)
    with pytest.raises(BodyRefusedError, match="too much"):
        await said(opening(), head(), body(b'{"ssn":"1","text":"' + "é".encode() * 40 + b'"}'), room=Room(150))


@pytest.mark.parametrize(
    "messages",
    [
        [head()],
        [body()],
        [opening(), body()],
        [opening(), opening()],
        [opening(), head(), head()],
        [opening(), head(), body(), body()],
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


async def test_a_refusal_names_the_decision_and_nothing_else() -> None:
    talk, _ = conversation()
    await talk.take(opening())
    with pytest.raises(BodyRefusedError):
        await talk.take(head("404", content_encoding="gzip"))
    refusal = talk.refusal().immediate_response
    assert refusal.status.code == 404
    assert json.loads(refusal.body)["reference"] == "dec_1"
