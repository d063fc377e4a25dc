from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from watchword.policy import Effect, Entity, EntityUid, PolicyAnswer, PolicyLoadError, PolicyRequest, PolicySet
from watchword.policy.lazy import AskedSet, UnknownMemberError
from watchword.policy.relations import Budget, Graph, RelationSet, RelationView, objects_of, read_tuple

MODEL = """model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type application
  relations
    define admin: [user, group#member]
type resource
  relations
    define application: [application]
    define banned: [user, group#member]
    define viewer: [user, group#member, user with risky] or admin from application
    define can_view: viewer but not banned
condition risky(x: int) { 100 / x > 10 }
"""
SCHEMA = """
entity User; entity Page;
action read appliesTo { principal: User, resource: Page, context: { rel: Set<String>, words: Set<String> } };
"""
USER, READ, PAGE = EntityUid("User", "a"), EntityUid("Action", "read"), EntityUid("Page", "p")


def loaded(directory: Path, *policies: str, model: str = MODEL) -> PolicySet:
    schema = directory / "base.schema"
    schema.write_text(SCHEMA)
    policy_directory = directory / "policies"
    policy_directory.mkdir(exist_ok=True)
    (policy_directory / "p.cedar").write_text("\n".join(policies))
    if model:
        (policy_directory / "relations.fga").write_text(model)
    return PolicySet.load(policy_directory, schema=schema)


def relations(policies: PolicySet, *written: str, budget: Budget | None = None, **more: Any) -> RelationSet:
    graph = Graph()
    for words in written:
        user, relation, object_, *condition = words.split()
        graph.put(read_tuple(object_, relation, user, condition="".join(condition)))
    view = RelationView(policies.relations, graph, budget=budget or Budget()) if policies.relations else None
    return RelationSet(view, "a", objects_of("notes", "admin"), **more)


def ask(policies: PolicySet, found: Any, words: frozenset[str] = frozenset()) -> PolicyAnswer:
    context = {"rel": found, "words": words}
    entities = {uid: Entity(uid) for uid in (USER, PAGE)}
    return policies.evaluate(PolicyRequest(USER, READ, PAGE, context, entities))


def permit(condition: str) -> str:
    return f"permit (principal, action, resource) when {{ {condition} }};"


@pytest.mark.parametrize(
    "condition",
    [
        'context.rel.contains("can_view")',
        'context.rel.containsAny(["banned", "can_view"])',
        'context.rel.containsAll(["viewer", "can_view"])',
        '["viewer", "can_view", "admin", "x"].containsAll(context.rel)',
        '["can_view"].containsAny(context.rel)',
        "!context.rel.isEmpty()",
        'context.rel == ["viewer", "can_view"]',
        '["viewer", "can_view"] == context.rel',
        'context.rel != ["viewer"]',
        '[context.rel].contains(["can_view", "viewer"])',
        "{a: context.rel}.a == context.rel",
        '(if context.words.isEmpty() then context.rel else context.words).contains("viewer")',
        '!context.rel.contains("banned")',
    ],
)
def test_every_use_of_the_set_answers_as_a_set_would(tmp_path: Path, condition: str) -> None:
    policies = loaded(tmp_path, permit(condition))
    lazy = ask(policies, relations(policies, "user:a viewer resource:notes/admin"))
    plain = ask(policies, frozenset({"viewer", "can_view"}))
    assert lazy.effect is plain.effect is Effect.PERMIT
    assert ask(policies, relations(policies)).effect is ask(policies, frozenset()).effect


def test_nothing_is_looked_up_before_a_policy_reaches_it(tmp_path: Path) -> None:
    policies = loaded(tmp_path, permit('context.words.contains("please") && context.rel.contains("can_view")'))
    found = relations(policies, "user:a viewer resource:notes/admin")
    assert ask(policies, found).effect is Effect.SILENT
    assert found.asked == {}
    assert ask(policies, found, frozenset({"please"})).effect is Effect.PERMIT
    assert found.asked == {"can_view": True}


def test_a_relation_to_the_application_counts_and_groups_of_the_directory_do(tmp_path: Path) -> None:
    policies = loaded(tmp_path, permit('context.rel.contains("admin")'))
    written = "group:night%20shift#member admin application:notes"
    assert ask(policies, relations(policies, written)).effect is Effect.SILENT
    assert ask(policies, relations(policies, written, groups={"night shift"})).effect is Effect.PERMIT


def test_a_relation_without_an_answer_denies(tmp_path: Path) -> None:
    forbid = 'forbid (principal, action, resource) when { context.rel.contains("viewer") };'
    policies = loaded(tmp_path, permit("true"), forbid)
    failed = ask(policies, relations(policies, "user:a viewer resource:notes/admin risky"))
    assert (failed.effect, failed.code) == (Effect.ERROR, "policy_error")
    assert "condition `risky` misses `x`" in failed.errors[0]
    held = relations(policies, "user:a viewer resource:notes/admin risky", context={"x": 50})
    assert ask(policies, held).effect is Effect.PERMIT
    assert not held.is_repeatable


def test_a_budget_spent_on_relations_denies_as_one(tmp_path: Path) -> None:
    policies = loaded(tmp_path, permit('!context.rel.contains("banned")'))
    chain = [f"group:g{n + 1}#member member group:g{n}" for n in range(9)]
    found = relations(policies, *chain, "group:g0#member banned resource:notes/admin", budget=Budget(depth=4))
    answer = ask(policies, found)
    assert (answer.effect, answer.code) == (Effect.ERROR, "budget_spent")


def test_one_budget_serves_all_that_a_decision_asks(tmp_path: Path) -> None:
    policies = loaded(tmp_path, permit('context.rel.containsAny(["viewer", "banned", "admin", "can_view"])'))
    both = ("viewer", "banned")
    written = [f"group:{relation}{n}#member {relation} resource:notes/admin" for n in range(6) for relation in both]
    assert ask(policies, relations(policies, *written, budget=Budget(steps=60))).effect is Effect.SILENT
    answer = ask(policies, relations(policies, *written, budget=Budget(steps=12)))
    assert (answer.effect, answer.code) == (Effect.ERROR, "budget_spent")


def test_a_set_at_rest_keeps_its_answers_and_that_they_hung_on_a_condition(tmp_path: Path) -> None:
    policies = loaded(tmp_path, permit('context.rel.contains("viewer")'))
    plain = relations(policies, "user:a viewer resource:notes/admin")
    hung = relations(policies, "user:a viewer resource:notes/admin risky", context={"x": 1})
    for found in (plain, hung):
        assert ask(policies, found).effect is Effect.PERMIT
        before = found.is_repeatable
        found.rest()
        found.rest()
        assert (found.is_repeatable, found.asked) == (before, {"viewer": True})
        assert ask(policies, found).effect is Effect.PERMIT
        assert not found.holds("banned")
        assert found.is_repeatable is before
    assert (plain.is_repeatable, hung.is_repeatable) == (True, False)


def test_a_policy_that_names_an_unknown_relation_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(PolicyLoadError) as caught:
        loaded(tmp_path, permit("true"), permit('context.rel.contains("can_veiw")'))
    said = str(caught.value.problems[0])
    assert said.startswith("p.cedar:2:1: no relation `can_veiw`")
    assert "did you mean `can_view`" in said
    with pytest.raises(PolicyLoadError, match="there is no model"):
        loaded(tmp_path / "policies", permit('context.rel.containsAny(["a", "b"])'), model="")


def test_a_malformed_model_is_refused_with_the_policies(tmp_path: Path) -> None:
    with pytest.raises(PolicyLoadError, match=r"relations.fga:3:6: `:` cannot stand here"):
        loaded(tmp_path, permit("true"), model="model\n  schema 1.1\ntype :user\n")


def test_another_model_is_another_version_of_the_policies(tmp_path: Path) -> None:
    first = loaded(tmp_path, permit("true"))
    same = loaded(tmp_path, permit("true"), model=MODEL + "\n# a comment\n")
    other = loaded(tmp_path, permit("true"), model=MODEL.replace("banned", "barred"))
    assert first.version == same.version != other.version


def test_a_relation_made_up_while_running_is_an_error(tmp_path: Path) -> None:
    forbid = "forbid (principal, action, resource) when { context.rel.containsAny(context.words) };"
    policies = loaded(tmp_path, forbid)
    answer = ask(policies, relations(policies), frozenset({"made_up"}))
    assert (answer.effect, answer.code) == (Effect.ERROR, "policy_error")


def test_without_a_model_every_question_fails_and_nothing_else_does(tmp_path: Path) -> None:
    policies = loaded(tmp_path, permit("true"), permit("context.rel.containsAny(context.words)"), model="")
    assert ask(policies, relations(policies), frozenset({"a"})).effect is Effect.PERMIT
    alone = loaded(tmp_path, permit("context.rel.containsAny(context.words)"), model="")
    assert ask(alone, relations(alone), frozenset({"a"})).errors[0].startswith("policy_error")


def test_a_recorded_set_knows_what_was_asked_and_nothing_else(tmp_path: Path) -> None:
    policies = loaded(tmp_path, permit('context.rel.contains("can_view")'))
    found = relations(policies, "user:a viewer resource:notes/admin")
    ask(policies, found)
    again = AskedSet(found.asked)
    assert ask(policies, again).effect is Effect.PERMIT
    other = loaded(tmp_path, permit('context.rel.contains("viewer")'))
    assert ask(other, again).errors[0].startswith("policy_error")
    assert again.missed == {"viewer"}
    with pytest.raises(UnknownMemberError):
        bool(again)


def test_what_cannot_be_found_out_does_not_hide_what_can(tmp_path: Path) -> None:
    policies = loaded(tmp_path, permit("context.rel.containsAny(context.words)"))
    words = frozenset({"viewer", "can_view", "admin"})
    written = "user:a viewer resource:notes/admin risky"
    assert ask(policies, relations(policies, written), words).errors[0].startswith("policy_error")
    found = relations(policies, written, "user:a admin application:notes")
    assert ask(policies, found, words).effect is Effect.PERMIT


def test_a_set_that_only_looks_like_one_is_refused(tmp_path: Path) -> None:
    policies = loaded(tmp_path, permit("true"))
    for wrong in (["viewer"], {"viewer"}, "viewer", None, frozenset({1})):
        assert ask(policies, wrong).code == "schema_misfit"
