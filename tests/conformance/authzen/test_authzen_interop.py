"""The decisions that the AuthZEN interoperability events published, asked over real HTTP.

The scenarios' users and roles: openid/authzen, interop, "Todo" and "API gateway"; the files of decisions are read where
they lie beside the project, a few own cases of the same kind stand in for them elsewhere.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from authzen_world import AuthzenWorld

from watchword.app.serving import Listener, on_address

_VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "authzen"
_RICK, _MORTY, _BETH = (f"CiRmZD{n}2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs" for n in ("A", "E", "M"))


def _own(kind: str, person: str, action: str, resource: str, *, expected: bool, owner: str = "") -> dict[str, Any]:
    """Write one case in a line."""
    about: dict[str, Any] = {"type": "route" if kind == "identity" else "todo", "id": resource}
    if owner:
        about["properties"] = {"ownerID": owner}
    subject = {"type": kind, "id": person}
    return {"request": {"subject": subject, "action": {"name": action}, "resource": about}, "expected": expected}


_STAND_INS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "todo-decisions-1_0-02.json": {
        "evaluation": [
            _own("user", _RICK, "can_delete_todo", "1", owner="morty@the-citadel.com", expected=True),
            _own("user", _MORTY, "can_update_todo", "1", owner="rick@the-citadel.com", expected=False),
            _own("user", _MORTY, "can_update_todo", "1", owner="morty@the-citadel.com", expected=True),
            _own("user", _BETH, "can_create_todo", "1", expected=False),
            _own("user", _BETH, "can_read_todos", "1", expected=True),
        ],
        "evaluations": [
            {
                "request": {
                    "subject": {"type": "user", "id": _MORTY},
                    "action": {"name": "can_update_todo"},
                    "evaluations": [
                        {"resource": {"type": "todo", "id": "1", "properties": {"ownerID": "rick@the-citadel.com"}}},
                        {"resource": {"type": "todo", "id": "2", "properties": {"ownerID": "morty@the-citadel.com"}}},
                    ],
                },
                "expected": [{"decision": False}, {"decision": True}],
            }
        ],
    },
    "gateway-decisions.json": {
        "evaluation": [
            _own("identity", _MORTY, "PUT", "/todos/{todoId}", expected=True),
            _own("identity", _BETH, "PUT", "/todos/{todoId}", expected=False),
            _own("identity", _BETH, "GET", "/todos", expected=True),
        ]
    },
}


def _published(name: str) -> dict[str, list[dict[str, Any]]]:
    path = _VECTORS / name
    return json.loads(path.read_text()) if path.is_file() else _STAND_INS[name]


@pytest.fixture
async def port(todo: AuthzenWorld) -> AsyncIterator[int]:
    bound = on_address("127.0.0.1", 0)
    listener = Listener(todo.app, bound)
    await listener.start()
    yield bound.getsockname()[1]
    await listener.stop()


def _ask_all(port: int, key: str, endpoint: str, requests: list[Any]) -> list[Any]:
    """Ask over one connection, as an enforcement point would."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    answers = []
    for request in requests:
        connection.request("POST", f"/access/v1/{endpoint}", json.dumps(request), headers)
        response = connection.getresponse()
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        answers.append(json.loads(response.read()))
    connection.close()
    return answers


@pytest.mark.parametrize("name", sorted(_STAND_INS))
@pytest.mark.parametrize("caller", ["shop", "quiet"])
async def test_every_published_decision_comes_out_as_published(
    todo: AuthzenWorld, port: int, name: str, caller: str
) -> None:
    cases = _published(name)["evaluation"]
    asked = [case["request"] for case in cases]
    answers = await asyncio.to_thread(_ask_all, port, todo.keys[caller], "evaluation", asked)
    assert [answer["decision"] for answer in answers] == [case["expected"] for case in cases]
    assert len(todo.journal.records) == len(cases)


async def test_every_published_batch_comes_out_to_the_letter(todo: AuthzenWorld, port: int) -> None:
    """The published harness compares the whole array, so the caller that hears no reasons must get exactly that."""
    cases = _published("todo-decisions-1_0-02.json")["evaluations"]
    asked = [case["request"] for case in cases]
    answers = await asyncio.to_thread(_ask_all, port, todo.keys["quiet"], "evaluations", asked)
    assert [answer["evaluations"] for answer in answers] == [case["expected"] for case in cases]
