"""Bad input and bad callers: each is refused for what it is, none costs more than it should."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from authzen_shop import write_shop
from authzen_world import AuthzenWorld, call, question

from watchword.enforcement.authzen import AuthzenSettings, Callers, CallerSettings, hash_of, new_key
from watchword.enforcement.authzen.document import read_document
from watchword.enforcement.authzen.errors import CallerUnknownError, MalformedQuestionError
from watchword.kernel import ConfigurationError, FrozenClock
from watchword.policy import PolicySet

_EVALUATION, _EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> PolicySet:
    return PolicySet.load(write_shop(tmp_path_factory.mktemp("shop")))


@pytest.fixture
def shop(clock: FrozenClock, entropy: Any, policies: PolicySet) -> AuthzenWorld:
    world = AuthzenWorld(clock, entropy, policies)
    world.people.add("ada", groups=["members"])
    return world


# --- who calls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"])
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {key}", "{key}", "Bearer {key}x", "Bearer\t{key}"],
)
async def test_a_call_without_a_right_key_is_unauthorized_and_says_how(
    shop: AuthzenWorld, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization.format(key=shop.keys["shop"])}
    reply = await shop.post(f"/access/v1/{path}", question(), caller=None, **headers)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="https://pdp.example.com"'
    assert shop.journal.records == []


async def test_a_key_of_another_case_of_scheme_is_right(shop: AuthzenWorld) -> None:
    reply = await shop.post(_EVALUATION, question(), caller=None, authorization=f"bearer {shop.keys['shop']}")
    assert reply.status == 200


async def test_the_hash_of_a_key_opens_nothing(shop: AuthzenWorld) -> None:
    digest = hash_of(shop.keys["shop"]).hex()
    assert (await shop.post(_EVALUATION, question(), caller=None, authorization=f"Bearer {digest}")).status == 401


def test_keys_are_unlike_one_another_and_a_replaced_key_stands_beside_the_new_one(entropy: Any) -> None:
    old, new, other = (new_key(entropy) for _ in range(3))
    assert len({old.reveal(), new.reveal(), other.reveal()}) == 3
    callers = Callers(
        [
            CallerSettings("shop", tuple(hash_of(key.reveal()).hex() for key in (old, new)), ("Shop",)),
            CallerSettings("other", (hash_of(other.reveal()).hex(),)),
        ]
    )
    assert [callers.recognise(f"Bearer {key.reveal()}").name for key in (old, new, other)] == ["shop", "shop", "other"]
    assert callers.recognise(f"Bearer {old.reveal()}").namespaces == ("Shop",)
    assert old.reveal() not in repr(callers.__dict__)
    with pytest.raises(CallerUnknownError):
        Callers([]).recognise(f"Bearer {old.reveal()}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Shop"},
        {"name": ""},
        {"key_sha256": ()},
        {"key_sha256": ("wwpep_the-key-itself",)},
        {"key_sha256": ("A" * 64,)},
        {"namespaces": ("Shop::",)},
    ],
)
def test_a_caller_that_could_never_be_right_is_refused(wrong: dict[str, Any]) -> None:
    right = {"name": "shop", "key_sha256": ("a" * 64,)}
    CallerSettings(**right)
    with pytest.raises((ValueError, ConfigurationError)) as caught:
        CallerSettings(**(right | wrong))
    assert "the-key-itself" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"listen": ""},
        {"listen": "8444"},
        {"listen": "localhost:8444"},
        {"listen": "127.0.0.1:0"},
        {"listen": "127.0.0.1:70000"},
        {"listen": "[::1:8444"},
        {"public_port": -1},
        {"max_body_kb": 0},
        {"max_body_kb": 1025},
        {"max_evaluations": 0},
        {"max_results": 100_000},
        {"search_budget_ms": 0},
        {"callers": (CallerSettings("a", ("a" * 64,)), CallerSettings("a", ("b" * 64,)))},
        {"callers": (CallerSettings("a", ("a" * 64,)), CallerSettings("b", ("a" * 64,)))},
    ],
)
def test_settings_that_bound_nothing_or_name_two_are_refused(wrong: dict[str, Any]) -> None:
    AuthzenSettings(listen="[::1]:8444")
    with pytest.raises((ValueError, ConfigurationError)):
        AuthzenSettings(**wrong)


# --- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'{"subject":{"type":"user","id":"ada"},"subject":{"type":"user","id":"boss"}}',
        rb'{"subject":{"type":"user","id":"ada","\u0069d":"boss"}}',
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b"[" * 100_000,
        b'{"a":' * 20_000,
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":1e999}',
        b'{"a":-1e999}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        rb'{"a":"\ud800"}',
        rb'{"\udc00":1}',
        b'{"a":"\xff"}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32"),
        b"\xef\xbb\xbf{}",
        b'{"a":1}{"b":2}',
        b'{"a":1,}',
        b'{"a":"\n"}',
        b'{"a":[' + b"1," * 60_000 + b"1]}",
        b"null",
        b"1",
    ],
)
def test_a_document_that_two_parsers_would_read_differently_or_never_finish_is_refused(body: bytes) -> None:
    began = perf_counter()
    with pytest.raises(MalformedQuestionError):
        read_document(body)
    assert perf_counter() - began < 1


def test_what_is_json_is_read() -> None:
    assert read_document('{"ä":["\\ud83d\\ude00",1,-0.5,true,null,{}],"n":18446744073709551616}'.encode()) == {
        "ä": ["😀", 1, -0.5, True, None, {}],
        "n": 18446744073709551616.0,
    }


async def test_a_body_beyond_the_bound_is_too_large_whether_it_says_so_or_not(
    clock: FrozenClock, entropy: Any, policies: PolicySet
) -> None:
    small = AuthzenWorld(clock, entropy, policies, max_body_kb=1)
    body = json.dumps(question(note="x" * 2000)).encode()
    for headers in ({}, {"content_length": str(len(body))}):
        reply = await small.post(_EVALUATION, body, X_Request_ID="r-1", **headers)
        assert (reply.status, reply.headers["connection"], reply.headers["x-request-id"]) == (413, "close", "r-1")
    assert (await small.post(_EVALUATION, json.dumps(question()).encode())).status == 200


async def test_no_more_of_an_endless_body_is_read_than_its_caller_needs_to_hear_why(shop: AuthzenWorld) -> None:
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 65_536
        return {"type": "http.request", "body": b" " * 65_536, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    sent: list[Any] = []
    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {shop.keys['shop']}".encode())]
    await shop.app({"type": "http", "method": "POST", "path": _EVALUATION, "headers": headers}, receive, send)
    assert sent[0]["status"] == 413
    assert read < 600_000


async def test_a_caller_that_leaves_in_the_middle_is_no_failure(shop: AuthzenWorld) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    sent: list[Any] = []
    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {shop.keys['shop']}".encode())]
    await shop.app({"type": "http", "method": "POST", "path": _EVALUATION, "headers": headers}, receive, send)
    assert sent[0]["status"] == 400


async def test_a_compressed_body_is_not_unpacked(shop: AuthzenWorld) -> None:
    assert (await shop.post(_EVALUATION, b"\x1f\x8b", content_encoding="gzip")).status == 415


@pytest.mark.parametrize("value", ["a\nb", "a\x00b", "ü", "x" * 9000])
async def test_a_request_identifier_that_could_end_a_header_is_refused_and_not_returned(
    shop: AuthzenWorld, value: str
) -> None:
    reply = await shop.post(_EVALUATION, question(), X_Request_ID=value)
    assert reply.status == 400
    assert "x-request-id" not in reply.headers


@pytest.mark.parametrize(
    ("method", "path"), [("GET", _EVALUATION), ("PUT", _EVALUATIONS), ("DELETE", "/access/v1/search/action")]
)
async def test_questions_are_asked_with_post(shop: AuthzenWorld, method: str, path: str) -> None:
    reply = await call(shop.app, method, path, b"", {})
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


async def test_the_metadata_is_read_and_not_written(shop: AuthzenWorld) -> None:
    path = "/.well-known/authzen-configuration"
    assert (await call(shop.app, "POST", path, b"{}", {})).headers["allow"] == "GET, HEAD"
    reply = await call(shop.app, "HEAD", path, b"", {})
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize(
    "path",
    ["/", "/access/v1", "/access/v1/evaluation/", "/access/v2/evaluation", "/.well-known/authzen-configuration/x"],
)
async def test_there_is_nothing_else(shop: AuthzenWorld, path: str) -> None:
    reply = await call(shop.app, "POST", path, b"{}", {"x-request-id": "r-1"})
    assert (reply.status, reply.headers["x-request-id"]) == (404, "r-1")


# --- how much ---------------------------------------------------------------------------------------------------------


async def test_a_batch_of_too_many_is_a_bad_request(clock: FrozenClock, entropy: Any, policies: PolicySet) -> None:
    world = AuthzenWorld(clock, entropy, policies, max_evaluations=3)
    for count, status in ((3, 200), (4, 400)):
        assert (await world.post(_EVALUATIONS, question() | {"evaluations": [{}] * count})).status == status


async def test_defaults_that_every_evaluation_would_convert_anew_are_bounded(shop: AuthzenWorld) -> None:
    heavy = question("user/ada", "view", "Shop::Order/1", context={"x": list(range(10_000))})
    reply = await shop.post(_EVALUATIONS, heavy | {"evaluations": [{}] * 1000})
    assert reply.status == 400
    assert "defaults" in reply.json["detail"]


async def test_a_thousand_evaluations_are_answered_in_order(shop: AuthzenWorld) -> None:
    evaluations = [{"action": {"name": "view" if number % 3 else "edit"}} for number in range(1000)]
    batch = question("user/ada", "view", "Shop::Order/1") | {"evaluations": evaluations}
    told = (await shop.post(_EVALUATIONS, batch)).json["evaluations"]
    assert [each["decision"] for each in told] == [number % 3 > 0 for number in range(1000)]
    assert len(shop.journal.records) == 1000


@pytest.mark.parametrize(
    "text", ["", " ", "\u0000", "ü", "\u202e", "😀" * 100, "'; DROP TABLE", '"]', "\\", "a/../b", "x" * 1024]
)
async def test_any_text_is_an_identifier_and_comes_back_as_it_was(
    clock: FrozenClock, entropy: Any, tmp_path: Path, text: str
) -> None:
    (tmp_path / "a.cedarschema").write_text(
        "namespace P { entity Person; entity Thing; action see appliesTo { principal: Person, resource: Thing }; }"
    )
    (tmp_path / "a.cedar").write_text('@id("all") permit (principal, action, resource);')
    filed = tmp_path / "entities.json"
    filed.write_text(json.dumps([{"uid": {"type": "P::Person", "id": text}}]))
    world = AuthzenWorld(clock, entropy, PolicySet.load(tmp_path), entities=filed)
    who = {"type": "person", "id": text}
    assert (await world.decides(question(who, "see", {"type": "thing", "id": text})))["decision"] is True
    asked = {"subject": {"type": "person"}, "action": {"name": "see"}, "resource": {"type": "thing", "id": text}}
    assert (await world.finds("subject", asked))["results"] == [who]


@pytest.mark.parametrize("field", ["type", "id", "name"])
async def test_a_name_without_end_is_a_bad_request(shop: AuthzenWorld, field: str) -> None:
    asked = question()
    asked["action" if field == "name" else "subject"][field] = "x" * 1025
    assert (await shop.post(_EVALUATION, asked)).status == 400
