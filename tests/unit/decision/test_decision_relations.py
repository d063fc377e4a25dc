from __future__ import annotations

from pathlib import Path

import pytest
from decision_world import DecisionWorld, fact

from watchword.decision import Decision
from watchword.kernel import Answer, Reason
from watchword.policy.relations import Graph, RelationModel, RelationView, read_tuple

MODEL = """model
  schema 1.1
type user
type group
  relations
    define member: [user]
type application
  relations
    define admin: [user, group#member]
type resource
  relations
    define banned: [user, user with recent]
    define viewer: [user, group#member]
    define can_view: viewer but not banned
condition recent(current_time: timestamp, until: timestamp) { current_time < until }
"""
POLICY = 'permit (principal, action, resource) when { context.rel.contains("can_view") };'


def denied_for(decision: Decision, reason: Reason) -> bool:
    return decision.answer is Answer.DENY and decision.reasons[0] is reason


class Tuples:
    def __init__(self) -> None:
        self.graph = Graph()
        self._views: dict[str, RelationView] = {}

    def view(self, model: RelationModel | None) -> RelationView | None:
        return self._views.setdefault(model.version, RelationView(model, self.graph)) if model else None


@pytest.fixture
def tuples(world: DecisionWorld, tmp_path: Path) -> Tuples:
    made = Tuples()
    directory = tmp_path / "related"
    directory.mkdir()
    (directory / "relations.fga").write_text(MODEL)
    world.policy(POLICY, directory)
    world.rewired(relations=made.view)
    return made


async def test_a_relation_opens_the_door_and_taking_it_back_closes_it(world: DecisionWorld, tuples: Tuples) -> None:
    visit = await world.visit()
    await world.settle_in(visit.user)
    assert denied_for(visit.asks("/a"), Reason.POLICY_SILENT)
    rule = visit.asks("/a").resource
    found = read_tuple(f"resource:notes/{rule}", "viewer", f"user:{visit.user.id}")
    tuples.graph.put(found)
    decision = visit.asks("/a")
    assert decision.answer is Answer.ALLOW
    assert fact(decision, "relations").value == tuples.graph.version
    # Whatever is remembered of the allow, it is not given again once the tuples have changed.
    assert visit.asks("/a").answer is Answer.ALLOW
    tuples.graph.drop(found)
    assert denied_for(visit.asks("/a"), Reason.POLICY_SILENT)


async def test_a_group_of_the_directory_is_a_userset(world: DecisionWorld, tuples: Tuples) -> None:
    visit = await world.visit()
    await world.settle_in(visit.user)
    rule = visit.asks("/a").resource
    tuples.graph.put(read_tuple(f"resource:notes/{rule}", "viewer", "group:members#member"))
    assert visit.asks("/a").answer is Answer.ALLOW
    await visit.change_user(groups=frozenset())
    assert visit.asks("/a").answer is Answer.DENY


async def test_an_answer_that_hangs_on_a_condition_is_never_given_again(world: DecisionWorld, tuples: Tuples) -> None:
    visit = await world.visit()
    await world.settle_in(visit.user)
    rule = visit.asks("/a").resource
    until = {"until": "2026-01-01T00:00:00Z"}
    tuples.graph.put(read_tuple(f"resource:notes/{rule}", "viewer", f"user:{visit.user.id}"))
    banned = read_tuple(f"resource:notes/{rule}", "banned", f"user:{visit.user.id}", condition="recent", context=until)
    tuples.graph.put(banned)
    first, second = visit.asks("/a"), visit.asks("/a")
    assert (first.answer, second.answer) == (Answer.ALLOW, Answer.ALLOW)
    assert second.repeats is None


async def test_a_relation_without_an_answer_denies(world: DecisionWorld, tuples: Tuples) -> None:
    visit = await world.visit()
    await world.settle_in(visit.user)
    rule = visit.asks("/a").resource
    tuples.graph.put(read_tuple(f"resource:notes/{rule}", "viewer", f"user:{visit.user.id}"))
    tuples.graph.put(
        read_tuple(f"resource:notes/{rule}", "banned", f"user:{visit.user.id}", condition="recent")
    )  # nobody says until when
    assert visit.asks("/a").answer is Answer.DENY
