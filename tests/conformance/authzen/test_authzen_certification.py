"""The AuthZEN certification scenario, level by level, over its own data set.

Source: openid/authzen, certification/authorization-api-1_0-scenario (2026); the data set stands in `records/`.
"""

from __future__ import annotations

from typing import Any

import pytest
from authzen_world import ORIGIN, AuthzenWorld, call, question

_EVALUATION, _EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
_ALICE, _BOB = {"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}
_ADMIN = _BOB | {"properties": {"role": "admin"}}
_ACTIVE = {"type": "record", "id": "record-1", "properties": {"status": "active"}}
_ARCHIVED = {"type": "record", "id": "record-2", "properties": {"status": "archived"}}
_READ, _WRITE = {"name": "read"}, {"name": "write"}
_CONTEXT = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}


def _delete(*, soft: bool) -> dict[str, Any]:
    return {"name": "delete", "properties": {"soft": soft}}


_FIXED = [
    (question("user/alice", "read"), True),
    (question("user/alice", "write"), True),
    (question("user/bob", "read"), True),
    (question("user/bob", "write"), False),
    (question("user/alice", "write", resource=_ARCHIVED), False),
    (question(_ADMIN, "write", _ARCHIVED), True),
    (question("user/alice", action=_delete(soft=True)), True),
    (question("user/alice", action=_delete(soft=False)), False),
]


@pytest.mark.parametrize(("asked", "expected"), _FIXED)
async def test_the_eight_fixed_decisions_hold_with_and_without_a_context(
    records: AuthzenWorld,
    asked: dict[str, Any],
    expected: bool,  # noqa: FBT001  # a column of the table
) -> None:
    for question_ in (asked, asked | {"context": _CONTEXT}, asked):
        assert (await records.decides(question_))["decision"] is expected


async def test_properties_and_fields_that_nobody_knows_change_nothing(records: AuthzenWorld) -> None:
    described = question(
        subject=_ALICE | {"properties": {"department": "Sales", "role": "manager"}},
        action={"name": "read", "properties": {"method": "GET"}},
        resource=_ACTIVE | {"properties": {"status": "active", "owner": "bob"}},
        foo="bar",
        futureField={"nested": True},
    )
    assert await records.decides(described) == {"decision": True}


@pytest.mark.parametrize(
    "broken",
    [
        {"subject": None},
        {"action": None},
        {"resource": None},
        {"subject": {"id": "alice"}},
        {"subject": {"type": "user"}},
        {"action": {}},
        {"resource": {"id": "record-1"}},
        {"resource": {"type": "record"}},
        {"subject": "alice"},
        {"action": {"name": 123}},
    ],
)
async def test_a_missing_or_mistyped_field_is_a_bad_request(records: AuthzenWorld, broken: dict[str, Any]) -> None:
    asked = question()
    for name, value in broken.items():
        if value is None:
            del asked[name]
        else:
            asked[name] = value
    reply = await records.post(_EVALUATION, asked)
    assert reply.status == 400
    assert reply.headers["content-type"] == "application/problem+json"
    assert records.journal.records == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"nonsense"])
async def test_a_body_that_is_no_json_object_is_a_bad_request(records: AuthzenWorld, body: bytes) -> None:
    assert (await records.post(_EVALUATION, body)).status == 400


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "", "application/jsonx", "application/json; charset=utf-16"]
)
async def test_another_content_type_is_a_bad_request(records: AuthzenWorld, kind: str) -> None:
    assert (await records.post(_EVALUATION, question(), content_type=kind)).status == 400


async def test_the_request_identifier_comes_back_with_answers_and_with_errors(records: AuthzenWorld) -> None:
    for body, caller in ((question(), "shop"), (b"{", "shop"), (question(), None)):
        reply = await records.post(
            _EVALUATION, body, caller=caller, X_Request_ID="bfe9eb29-ab87-4ca3-be83-a1d5d8305716"
        )
        assert reply.headers["x-request-id"] == "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"
    assert "x-request-id" not in (await records.post(_EVALUATION, question())).headers
    assert records.journal.records[0]["request_id"] == "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            {"subject": _BOB, "resource": _ACTIVE, "evaluations": [{"action": _READ}, {"action": _WRITE}]},
            [True, False],
        ),
        (
            {"subject": _ALICE, "action": _WRITE, "evaluations": [{"resource": _ACTIVE}, {"resource": _ARCHIVED}]},
            [True, False],
        ),
        (
            {"action": _WRITE, "resource": _ARCHIVED, "evaluations": [{"subject": _ALICE}, {"subject": _ADMIN}]},
            [False, True],
        ),
        ({"evaluations": [question("user/alice", "read"), question("user/bob", "write")]}, [True, False]),
        (
            {
                "subject": _ALICE,
                "action": _READ,
                "context": {"time": "2025-06-27T18:03-07:00"},
                "evaluations": [{"resource": _ACTIVE}, {"resource": _ARCHIVED, "context": {"source": "override"}}],
            },
            [True, True],
        ),
        (
            {"subject": _ALICE, "action": _WRITE, "resource": _ACTIVE, "evaluations": [{}, {"resource": _ARCHIVED}]},
            [True, False],
        ),
        # Defaults are replaced whole: the second resource does not inherit the first one's properties.
        (
            {
                "subject": _ALICE,
                "action": _WRITE,
                "resource": _ARCHIVED,
                "evaluations": [{"resource": {"type": "record", "id": "new"}}],
            },
            [True],
        ),
    ],
)
async def test_batches_inherit_whole_entities_and_keep_their_order(
    records: AuthzenWorld, asked: dict[str, Any], expected: list[bool]
) -> None:
    reply = await records.post(_EVALUATIONS, asked)
    assert [each["decision"] for each in reply.json["evaluations"]] == expected
    assert "decision" not in reply.json
    assert len(records.journal.records) == len(expected)


async def test_one_evaluation_that_lacks_something_fails_alone(records: AuthzenWorld) -> None:
    asked = {
        "subject": _ALICE,
        "action": _READ,
        "options": {"evaluations_semantic": "execute_all"},
        "evaluations": [{"resource": _ACTIVE}, {}, {"resource": "record-1"}],
    }
    first, second, third = (await records.post(_EVALUATIONS, asked)).json["evaluations"]
    assert first == {"decision": True}
    assert second["decision"] is third["decision"] is False
    assert second["context"]["error"] == {"status": 400, "message": "`resource` is missing"}
    assert third["context"]["error"] == {"status": 400, "message": "`resource` is not an object"}
    assert [record["reasons"] for record in records.journal.records[1:]] == [["request_malformed"]] * 2


@pytest.mark.parametrize("more", [{}, {"evaluations": []}])
async def test_a_batch_without_evaluations_is_a_single_question(records: AuthzenWorld, more: dict[str, Any]) -> None:
    assert (await records.post(_EVALUATIONS, question(**more))).json == {"decision": True}


_THREE = [{"action": _READ}, {"action": _WRITE}, {"action": _READ}]


@pytest.mark.parametrize(
    ("semantic", "evaluations", "expected"),
    [
        ("execute_all", _THREE, [True, False, True]),
        ("deny_on_first_deny", _THREE, [True, False]),
        ("deny_on_first_deny", [{"action": _READ}, {"action": {}}, {"action": _READ}], [True, False]),
        ("permit_on_first_permit", _THREE, [True]),
        ("permit_on_first_permit", [{"action": _WRITE}, {}, *_THREE], [False, False, True]),
        ("permit_on_first_permit", [{"action": _WRITE}], [False]),
    ],
)
async def test_the_three_semantics_end_a_batch_where_they_say(
    records: AuthzenWorld, semantic: str, evaluations: list[Any], expected: list[bool]
) -> None:
    asked = {
        "subject": _BOB,
        "resource": _ACTIVE,
        "options": {"evaluations_semantic": semantic, "another": "value"},
        "evaluations": evaluations,
    }
    reply = await records.post(_EVALUATIONS, asked)
    assert [each["decision"] for each in reply.json["evaluations"]] == expected
    assert len(records.journal.records) == len(expected)  # what was not asked is not recorded


@pytest.mark.parametrize(
    "broken",
    [
        {"options": {"evaluations_semantic": "first_wins"}},
        {"options": {"evaluations_semantic": 1}},
        {"options": []},
        {"evaluations": {}},
        {"evaluations": None},
        {"evaluations": [1]},
        {"subject": "alice"},
    ],
)
async def test_what_is_wrong_with_a_whole_batch_is_a_bad_request(records: AuthzenWorld, broken: dict[str, Any]) -> None:
    asked = question(evaluations=[{"action": _READ}]) | broken
    assert (await records.post(_EVALUATIONS, asked)).status == 400


@pytest.mark.parametrize("more", [{}, {"context": _CONTEXT}, {"subject": _ALICE}])
async def test_a_subject_search_finds_who_may_and_ignores_an_identifier(
    records: AuthzenWorld, more: dict[str, Any]
) -> None:
    asked = {"subject": {"type": "user"}, "action": _READ, "resource": {"type": "record", "id": "record-1"}} | more
    found = await records.finds("subject", asked)
    assert found == {"page": {"next_token": "", "count": 2}, "results": [_ALICE, _BOB]}


async def test_a_search_weighs_properties(records: AuthzenWorld) -> None:
    who = await records.finds("subject", {"subject": {"type": "user"}, "action": _WRITE, "resource": _ARCHIVED})
    assert who["results"] == [_BOB]
    what = await records.finds("resource", {"subject": _ADMIN, "action": _WRITE, "resource": {"type": "record"}})
    assert what["results"] == [{"type": "record", "id": "record-2"}]
    how = await records.finds("action", {"subject": _ADMIN, "resource": _ARCHIVED})
    assert {"name": "write"} in how["results"]


@pytest.mark.parametrize("more", [{}, {"context": _CONTEXT}, {"resource": {"type": "record", "id": "record-1"}}])
async def test_a_resource_search_finds_what_one_may(records: AuthzenWorld, more: dict[str, Any]) -> None:
    found = await records.finds("resource", {"subject": _ALICE, "action": _READ, "resource": {"type": "record"}} | more)
    assert found["results"] == [{"type": "record", "id": "record-1"}, {"type": "record", "id": "record-2"}]


async def test_an_action_search_finds_the_names_of_what_one_may(records: AuthzenWorld) -> None:
    found = await records.finds("action", {"subject": _ALICE, "resource": {"type": "record", "id": "record-1"}})
    assert found["results"] == [{"name": "read"}, {"name": "write"}]


@pytest.mark.parametrize(
    ("sought", "asked"),
    [
        ("action", {"subject": {"type": "user", "id": "nobody"}, "resource": {"type": "record", "id": "record-1"}}),
        ("action", {"subject": _ALICE, "resource": {"type": "spaceship", "id": "1"}}),
        (
            "subject",
            {"subject": {"type": "spaceship"}, "action": _READ, "resource": {"type": "record", "id": "record-1"}},
        ),
        (
            "subject",
            {"subject": {"type": "user"}, "action": {"name": "fly"}, "resource": {"type": "record", "id": "1"}},
        ),
        ("resource", {"subject": {"type": "user", "id": "nobody"}, "action": _READ, "resource": {"type": "record"}}),
        ("resource", {"subject": _ALICE, "action": _READ, "resource": {"type": "spaceship"}}),
    ],
)
async def test_what_nobody_knows_is_found_nowhere(records: AuthzenWorld, sought: str, asked: dict[str, Any]) -> None:
    assert await records.finds(sought, asked) == {"page": {"next_token": "", "count": 0}, "results": []}


@pytest.mark.parametrize(
    ("sought", "asked"),
    [
        ("subject", {"subject": {"type": "user"}, "resource": {"type": "record", "id": "record-1"}}),
        ("resource", {"action": _READ, "resource": {"type": "record"}}),
        ("action", {"subject": _ALICE}),
        ("subject", {"subject": {"type": "user"}, "action": _READ, "resource": {"type": "record"}}),
        ("resource", {"subject": {"type": "user"}, "action": _READ, "resource": {"type": "record"}}),
        ("action", {"subject": {"type": "user"}, "resource": {"type": "record", "id": "record-1"}}),
    ],
)
async def test_a_search_that_lacks_what_it_goes_by_is_a_bad_request(
    records: AuthzenWorld, sought: str, asked: dict[str, Any]
) -> None:
    assert (await records.post(f"/access/v1/search/{sought}", asked)).status == 400


async def test_pages_follow_one_another_with_and_without_the_limit(records: AuthzenWorld) -> None:
    asked = {"subject": {"type": "user"}, "action": _READ, "resource": {"type": "record", "id": "record-1"}}
    first = await records.finds("subject", asked | {"page": {"limit": 1}})
    assert first["results"] == [_ALICE]
    assert first["page"]["next_token"]
    for page in ({}, {"limit": 1}):
        second = await records.finds("subject", asked | {"page": {"token": first["page"]["next_token"]} | page})
        assert second == {"page": {"next_token": "", "count": 1}, "results": [_BOB]}


async def test_the_metadata_names_the_decision_point_and_every_endpoint(records: AuthzenWorld) -> None:
    reply = await call(records.app, "GET", "/.well-known/authzen-configuration", b"", {})
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json == {
        "policy_decision_point": ORIGIN,
        "access_evaluation_endpoint": f"{ORIGIN}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{ORIGIN}/access/v1/evaluations",
        "search_subject_endpoint": f"{ORIGIN}/access/v1/search/subject",
        "search_resource_endpoint": f"{ORIGIN}/access/v1/search/resource",
        "search_action_endpoint": f"{ORIGIN}/access/v1/search/action",
        "supported_obligations": ["step-up", "custom"],
    }
