"""What this machine's own tools are told of relations: as the node has them in memory, and no older than they ask."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from watchword.app.relating import RelatedNow
from watchword.kernel import UserId
from watchword.policy.relations import RelationModel, parse_model, read_tuple
from watchword.policy.relations.keeping import Relations

MODEL = parse_model(
    "model\n  schema 1.1\ntype user\ntype group\n  relations\n    define member: [user]\n"
    "type resource\n  relations\n    define viewer: [user, group#member, user with soon]\n"
    "condition soon(x: int) { x < 3 }\n"
)
ADA = "usr_01jd0000000000000000000000"


@dataclass
class Facts:
    """One user, in some groups."""

    groups: Collection[str] = ()

    def user(self, user_id: UserId) -> Any:
        return SimpleNamespace(groups=self.groups) if user_id == ADA else None


class World:
    def __init__(self, model: RelationModel | None = MODEL, *, groups: Collection[str] = ()) -> None:
        self.position = 7
        self.relations = Relations(None, position=lambda: self.position)  # type: ignore[arg-type]  # never read here
        policies = SimpleNamespace(relations=model)
        self.now = RelatedNow(self.relations, lambda: policies, Facts(groups))  # type: ignore[arg-type, return-value]

    async def ask(self, user: str = f"user:{ADA}", relation: str = "viewer", **more: str) -> dict[str, Any]:
        return await self.now({"user": user, "relation": relation, "object": "resource:notes/x", **more})


async def test_a_tool_is_told_what_is_in_memory_with_the_groups_of_the_directory() -> None:
    world = World(groups=["staff"])
    assert (await world.ask())["related"] is False
    world.relations.graph.put(read_tuple("resource:notes/x", "viewer", "group:staff#member"))
    assert (await world.ask())["related"] is True
    assert (await world.ask("user:else"))["related"] is False


async def test_a_check_waits_for_the_write_that_its_token_names_or_says_that_memory_is_older() -> None:
    world = World()
    assert "related" in await world.ask(at_least="7")
    stale = await world.ask(at_least="8")
    assert (stale["code"], "related" in stale) == ("policy.relation_stale", False)
    assert (await world.ask(at_least="seven"))["code"] == "policy.relation_malformed"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"relation": "veiwer"}, "has no relation `veiwer`"),
        ({"user": "ada"}, "`ada` is no user"),
        ({"context": "[1]"}, "no JSON object"),
        ({"context": "[" * 5000}, "no JSON object"),
        ({"context": json.dumps({"x": "y" * 20_000})}, "no JSON object"),
    ],
)
async def test_a_question_that_cannot_be_asked_is_a_problem_and_never_a_no(asked: dict[str, str], words: str) -> None:
    found = await World().ask(**asked)
    assert words in found["problem"]
    assert "related" not in found


async def test_a_condition_sees_the_values_that_are_given_and_has_no_answer_without() -> None:
    world = World()
    world.relations.graph.put(read_tuple("resource:notes/x", "viewer", f"user:{ADA}", condition="soon"))
    assert (await world.ask(context='{"x": 1}'))["related"] is True
    assert "misses `x`" in (await world.ask())["problem"]


async def test_without_a_model_nothing_is_said() -> None:
    assert "no model of relations" in (await World(None).ask())["problem"]
