"""Relations in AuthZEN questions: found out as at the doors, never taken from a caller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from authzen_world import AuthzenWorld, question

from watchword.kernel import FrozenClock
from watchword.policy.relations import Graph, RelationTuple, read_tuple

_SCHEMA = """
namespace Desk {
  action inspect appliesTo { principal: Watchword::User, resource: Watchword::Resource, context: { rel: Set<String> } };
}
"""
_MODEL = """
model
  schema 1.1
type user
type group
  relations
    define member: [user]
type application
type resource
  relations
    define viewer: [user, group#member]
    define banned: [user]
"""
_POLICIES = """
@id("viewers-inspect")
permit (principal, action == Desk::Action::"inspect", resource) when { context.rel.contains("viewer") };
@id("banned-do-not")
forbid (principal, action == Desk::Action::"inspect", resource) when { context.rel.contains("banned") };
"""


def _tuple(user: str, relation: str, object_: str) -> RelationTuple:
    return read_tuple(object_, relation, user)


@pytest.fixture
def graph() -> Graph:
    return Graph()


@pytest.fixture
def desk(clock: FrozenClock, entropy: Any, tmp_path: Path, graph: Graph) -> AuthzenWorld:
    (tmp_path / "desk.cedarschema").write_text(_SCHEMA)
    (tmp_path / "desk.cedar").write_text(_POLICIES)
    (tmp_path / "relations.fga").write_text(_MODEL)
    return AuthzenWorld(clock, entropy, tmp_path, graph=graph)


_ASKED = question("user/ada", "inspect", "resource/notes/admin")


async def test_a_relation_counts_and_so_does_its_end(desk: AuthzenWorld, graph: Graph) -> None:
    ada = desk.people.add("ada")
    assert (await desk.decides(_ASKED))["decision"] is False
    viewer = _tuple(f"user:{ada.id}", "viewer", "resource:notes/admin")
    graph.put(viewer)
    assert (await desk.decides(_ASKED))["decision"] is True
    graph.drop(viewer)
    assert (await desk.decides(_ASKED))["decision"] is False


async def test_membership_in_a_group_of_the_directory_needs_no_tuple(desk: AuthzenWorld, graph: Graph) -> None:
    desk.people.add("ada", groups=["auditors"])
    graph.put(_tuple("group:auditors#member", "viewer", "resource:notes/admin"))
    assert (await desk.decides(_ASKED))["decision"] is True


async def test_a_caller_says_nothing_of_relations(desk: AuthzenWorld, graph: Graph) -> None:
    ada = desk.people.add("ada")
    claimed = _ASKED | {"context": {"rel": ["viewer"]}}
    assert (await desk.decides(claimed))["decision"] is False
    graph.put(_tuple(f"user:{ada.id}", "viewer", "resource:notes/admin"))
    graph.put(_tuple(f"user:{ada.id}", "banned", "resource:notes/admin"))
    assert (await desk.decides(_ASKED | {"context": {"rel": []}}))["decision"] is False


async def test_a_search_finds_whom_relations_permit(desk: AuthzenWorld, graph: Graph) -> None:
    ada = desk.people.add("ada")
    desk.people.add("bob")
    graph.put(_tuple(f"user:{ada.id}", "viewer", "resource:notes/admin"))
    found = await desk.finds("subject", _ASKED | {"subject": {"type": "user"}})
    assert [each["id"] for each in found["results"]] == [ada.id]
    what = await desk.finds("resource", _ASKED | {"resource": {"type": "resource"}})
    assert [each["id"] for each in what["results"]] == ["notes/admin"]
