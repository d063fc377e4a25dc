"""Duties beside the reduction, as Envoy's messages come: what goes on when, and what never does."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from edge_harness import Witnessed

from watchword.enforcement.bodies import BodyRefusedError, Means, ValueKeys, filter_header
from watchword.enforcement.envoy.bodies import Conversation
from watchword.enforcement.envoy.body_messages import ProcessingRequest
from watchword.enforcement.envoy.holding import Bounds
from watchword.kernel import EXCLUDE, BodyRules, Mark, Note, body_rules, parse_path

CHANGES = body_rules(notes=[Note("request", parse_path("iban"))])
KEYS = ValueKeys(b"k" * 32)


def assertion(**claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"aud": "crm", "sub": "usr_1"} | claims).encode()).rstrip(b"=")
    return f"e30.{payload.decode()}.c2ln"


def head(kind: str, *, ends: bool = False, **values: str) -> Any:
    found = [{"key": name.replace("_", "-"), "raw_value": value.encode()} for name, value in values.items()]
    return ProcessingRequest(**{kind: {"headers": {"headers": found}, "end_of_stream": ends}})


def opening(rules: BodyRules, *, method: str = "POST", ends: bool = False, **more: str) -> Any:
    values = {
        "x_watchword_filter": filter_header(rules).decode(),
        "x_watchword_decision": "dec_1",
        "x_watchword_assertion": assertion(),
        "content_type": "application/json",
    }
    found = head("request_headers", ends=ends, **values | more)
    found.request_headers.headers.headers.add(key=":method", raw_value=method.encode())
    return found


def answer(status: str = "200", *, ends: bool = False, content_type: str = "application/json") -> Any:
    found = head("response_headers", ends=ends, content_type=content_type)
    found.response_headers.headers.headers.add(key=":status", raw_value=status.encode())
    return found


def piece(kind: str, content: bytes, *, ends: bool = True) -> Any:
    return ProcessingRequest(**{kind: {"body": content, "end_of_stream": ends}})


class Talk:
    """A conversation, with what it sent so far."""

    def __init__(self, witness: Witnessed | None = None, **bounds: Any) -> None:
        self.sent: list[Any] = []
        self.witness = witness or Witnessed()
        self._conversation = Conversation(Means(KEYS, self.witness), Bounds(**bounds), self._send)

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    async def take(self, *messages: Any) -> list[Any]:
        """Return what was said to these messages."""
        before = len(self.sent)
        for message in messages:
            await self._conversation.take(message)
        return self.sent[before:]


def shown(message: Any, phase: str) -> tuple[bytes, bool]:
    found = getattr(message, phase).response.body_mutation.streamed_response
    return found.body, found.end_of_stream


async def test_the_application_is_not_asked_before_what_it_is_to_change_is_recorded() -> None:
    talk = Talk()
    assert await talk.take(opening(CHANGES), piece("request_body", b'{"iban":"NL1",', ends=False)) == []
    asked, body = await talk.take(piece("request_body", b'"b":2}'))
    assert asked.HasField("request_headers")
    assert shown(body, "request_body") == (b'{"iban":"NL1","b":2}', True)
    [access] = talk.witness.accesses
    assert (access.part, dict(access.counts), access.visitor.subject) == ("request", {"iban": 1}, "usr_1")
    # Nothing of the answer is read, so it goes on as it comes.
    assert len(await talk.take(answer(content_type="image/png"))) == 1
    [passed] = await talk.take(piece("response_body", b"\x89PNG", ends=False))
    assert shown(passed, "response_body") == (b"\x89PNG", False)


async def test_a_request_without_a_body_changes_nothing_and_is_not_held() -> None:
    talk = Talk()
    assert len(await talk.take(opening(CHANGES, method="DELETE", ends=True))) == 1
    assert talk.witness.accesses == []


async def test_trailers_of_a_request_end_its_body_and_go_no_further() -> None:
    talk = Talk()
    trailers = {"headers": [{"key": "x-late", "raw_value": b"1"}]}
    ending = ProcessingRequest(request_trailers={"trailers": trailers})
    _, body, last = await talk.take(opening(CHANGES), piece("request_body", b"{}", ends=False), ending)
    assert shown(body, "request_body") == (b"{}", False)
    assert list(last.request_trailers.header_mutation.remove_headers) == ["x-late"]


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([opening(CHANGES, content_type="application/x-www-form-urlencoded")], id="a form"),
        pytest.param([opening(CHANGES, content_encoding="gzip")], id="encoded"),
        pytest.param([opening(CHANGES, content_type="application/json; charset=utf-16")], id="UTF-16"),
        pytest.param([opening(CHANGES), piece("request_body", b"iban=1")], id="no JSON"),
        pytest.param([opening(CHANGES), piece("request_body", b'{"iban":1,"iban":2}')], id="a key twice"),
        pytest.param([opening(CHANGES), piece("request_body", b'{"iban":1}{"iban":2}')], id="two documents"),
        pytest.param([opening(CHANGES), piece("request_body", b"\xef\xbb\xbf{}")], id="a byte order mark"),
        pytest.param([opening(CHANGES), piece("request_body", b" " * 2000)], id="too long"),
    ],
)
async def test_a_change_that_cannot_be_read_never_reaches_the_application(messages: list[Any]) -> None:
    talk = Talk(most=1000)
    with pytest.raises(BodyRefusedError):
        await talk.take(*messages)
    assert talk.sent == []
    assert talk.witness.accesses == []


async def test_somebody_is_told_before_the_application_is_asked_or_nothing_happens() -> None:
    rules = body_rules(told=["owner", "administrators"])
    talk = Talk()
    assert len(await talk.take(opening(rules, ends=True))) == 1
    [notice] = talk.witness.notices
    assert (notice.told, notice.visitor.decision) == (("administrators", "owner"), "dec_1")
    broken = Talk(Witnessed(is_broken=True))
    with pytest.raises(BodyRefusedError):
        await broken.take(opening(rules, ends=True))
    assert broken.sent == []


async def test_an_answer_goes_out_only_after_what_it_shows_is_recorded() -> None:
    rules = body_rules(fields=[(parse_path("a"), EXCLUDE)], notes=[Note("answer", parse_path(p)) for p in "ab"])
    talk = Talk()
    await talk.take(opening(rules, ends=True), answer(), piece("response_body", b'{"a":1,"b":2}'))
    [access] = talk.witness.accesses
    assert (access.part, dict(access.counts), access.status) == ("answer", {"a": 0, "b": 1}, 200)
    broken = Talk(Witnessed(is_broken=True))
    with pytest.raises(BodyRefusedError):
        await broken.take(opening(rules, ends=True), answer(), piece("response_body", b'{"a":1,"b":2}'))
    assert len(broken.sent) == 1  # the request, and nothing of the answer


@pytest.mark.parametrize(("status", "ends"), [("204", True), ("302", False), ("200", True)])
async def test_an_answer_without_a_body_is_recorded_as_showing_nothing(status: str, *, ends: bool) -> None:
    rules = body_rules(notes=[Note("answer", parse_path("**.ssn"))])
    talk = Talk()
    await talk.take(opening(rules, ends=True), answer(status, ends=ends))
    [access] = talk.witness.accesses
    assert dict(access.counts) == {"**.ssn": 0}


async def test_a_page_gets_its_mark_at_the_end_and_only_there() -> None:
    talk = Talk()
    rules = body_rules(watermarks=[Mark("header"), Mark("page")])
    _, told = await talk.take(opening(rules, ends=True), answer(content_type="text/html"))
    mutation = told.response_headers.response.header_mutation
    headers = {each.header.key: each.header.raw_value for each in mutation.set_headers}
    name = KEYS.pseudonym("crm", "usr_1").encode()
    assert headers["watchword-watermark"] == b"subject=" + name + b"; decision=dec_1"
    assert "content-length" in mutation.remove_headers
    [first] = await talk.take(piece("response_body", b"<p>1", ends=False))
    assert shown(first, "response_body") == (b"<p>1", False)
    [last] = await talk.take(piece("response_body", b"</html>"))
    body, is_last = shown(last, "response_body")
    assert is_last
    assert body.startswith(b"</html>\n<div data-watchword-watermark")
    assert name in body
    assert b"dec_1" in body


async def test_without_a_mark_one_that_the_application_made_up_is_taken_off() -> None:
    talk = Talk()
    _, told = await talk.take(opening(body_rules(told=["owner"]), ends=True), answer(content_type="text/html"))
    assert list(told.response_headers.response.header_mutation.remove_headers) == ["watchword-watermark"]


@pytest.mark.parametrize("token", ["", "a.b", "e30.e30.x", "e30.W10.x", "a.!.c"])
async def test_an_assertion_that_says_nothing_names_nobody_and_breaks_nothing(token: str) -> None:
    talk = Talk()
    await talk.take(opening(body_rules(told=["owner"]), ends=True, x_watchword_assertion=token))
    assert talk.witness.notices[0].visitor.subject == ""


async def test_bodies_out_of_turn_are_refused() -> None:
    rules = body_rules(told=["owner"])
    for messages in (
        [piece("request_body", b"")],
        [opening(rules, ends=True), piece("request_body", b"")],
        [opening(rules), piece("request_body", b""), piece("request_body", b"")],
        [opening(rules, ends=True), answer(ends=True), piece("response_body", b"more")],
    ):
        with pytest.raises(Exception, match="out of turn"):
            await Talk().take(*messages)
