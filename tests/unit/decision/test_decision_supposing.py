"""What would be decided about a request that nobody makes: told to this machine's own tools, and without a trace."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from decision_world import DecisionWorld

from watchword.app.control import ControlApp
from watchword.app.serving import Listener, on_unix_socket
from watchword.app.supposing import Supposing
from watchword.cli.force import ask_node
from watchword.policy.replay import question_of


def supposing(world: DecisionWorld) -> Supposing:
    return Supposing(world.procedure, world.facts, world.sources.applications, clock=world.clock, entropy=world.entropy)


async def test_it_is_decided_as_for_somebody_who_has_just_signed_in(world: DecisionWorld) -> None:
    user = await world.person("ada", groups=["administrators"])
    ask = supposing(world)
    found = await ask({"user": "ada", "app": "notes", "path": "/admin"})
    assert (found["answer"], found["reasons"]) == ("step_up", ["policy_asks_step_up"])
    assert found["user"] == user.id
    request = question_of(found["personal"]["asked"]).request
    assert request.context["mfa"] == {"is_verified": False}
    found = await ask({"user": "ada", "app": "notes", "path": "/admin", "mfa_age_min": "3"})
    assert question_of(found["personal"]["asked"]).request.context["mfa"]["is_verified"] is True  # type: ignore[index, call-overload]


async def test_nothing_is_journalled_and_no_permit_is_made(world: DecisionWorld) -> None:
    await world.person("ada")
    found = await supposing(world)({"user": "ada", "app": "notes", "mfa_age_min": "1"})
    assert found["answer"] in {"allow", "step_up"}
    assert world.journal.records == []
    assert "permit" not in found


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"user": "eve", "app": "notes"}, "no such user"),
        ({"app": "notes"}, "no such user"),
        ({"user": "ada", "app": "wiki"}, "no such application"),
        ({"user": "ada", "app": "notes", "mfa_age_min": "-1"}, "no number"),
        ({"user": "ada", "app": "notes", "mfa_age_min": "99999999"}, "no number"),
    ],
)
async def test_what_cannot_be_supposed_is_told(world: DecisionWorld, query: dict[str, str], problem: str) -> None:
    await world.person("ada")
    assert problem in (await supposing(world)(query))["problem"]


@pytest.mark.parametrize("query", [{"method": "BREW"}, {"path": "nonsense"}, {"ip": "nowhere"}, {"path": "/a\x00"}])
async def test_a_malformed_request_is_denied_as_any(world: DecisionWorld, query: dict[str, str]) -> None:
    await world.person("ada")
    assert (await supposing(world)({"user": "ada", "app": "notes", **query}))["answer"] == "deny"


async def test_it_is_asked_over_the_control_socket(world: DecisionWorld) -> None:
    await world.person("ada b&c")
    with tempfile.TemporaryDirectory(prefix="ww-s") as place:
        (Path(place) / "run").mkdir(mode=0o700)

        async def status() -> dict[str, Any]:
            return {"position": 7}

        app = ControlApp({"/status": status}, {"/suppose": supposing(world)})
        listener = Listener(app, on_unix_socket(Path(place) / "run" / "control.sock"))
        await listener.start()
        try:
            found = await ask_node(Path(place), path="/suppose?user=ada+b%26c&app=notes")
            assert found is not None
            assert found["application"] == "notes"
            assert await ask_node(Path(place), path="/suppose") == {"problem": "no such user"}
            many = "&".join(f"a{number}=1" for number in range(40))
            assert await ask_node(Path(place), path=f"/suppose?{many}") == {"problem": "the question cannot be read"}
            assert await ask_node(Path(place), path="/nothing?x=1") == {}
            assert await ask_node(Path(place)) == {"position": 7}
        finally:
            await listener.stop()
