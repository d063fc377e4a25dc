"""Policies built to exhaust the engine: each is refused when it is loaded, or answers or denies within its budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from rego_world import request

from watchword.policy import Effect, Entity, EntityUid, PolicyLoadError, PolicyRequest, PolicySet
from watchword.policy.evaluator import DEFAULT_BUDGET, Evaluator
from watchword.policy.load import load_bundle

WHEN = 'permit (principal, action in Watchword::Action::"access", resource) when {{ {} }};\n'
LONG_PATH = "/" + "ab" * 4000
# A decision takes microseconds; this is for a machine that is busy with something else.
PATIENCE_S = 0.5


def answer(directory: Path, text: str) -> tuple[Effect, str]:
    """Load and ask; tell the effect, or `refused`."""
    (directory / "a.cedar").write_text(text)
    policies = PolicySet.load(directory)
    asked = request("members", path=LONG_PATH)
    began = time.perf_counter()
    found = policies.evaluate(asked)
    assert time.perf_counter() - began < PATIENCE_S
    return found.effect, found.code


@pytest.mark.parametrize(
    ("body", "effects"),
    [
        ("[" + ",".join(map(str, range(10_000))) + "].contains(context.risk.score + 1)", {Effect.PERMIT}),
        ("[" + ",".join(f"context.risk.score + {n}" for n in range(2_000)) + "].contains(-1)", {Effect.SILENT}),
        ('context.http.path like "' + "*a" * 20_000 + '*c"', {Effect.SILENT}),
        ('context.http.path like "' + "*" * 50_000 + 'c"', {Effect.SILENT}),
        (" || ".join(f'context.http.path like "*{"ab" * 500}c{n}*"' for n in range(20)), {Effect.SILENT}),
        ("{a: " * 60 + "1" + "}" * 60 + " == " + "{a: " * 60 + "1" + "}" * 60, {Effect.PERMIT}),
        ("[" * 60 + "1" + "]" * 60 + " == " + "[" * 60 + "2" + "]" * 60, {Effect.SILENT}),
    ],
    ids=["set", "sums", "stars", "only stars", "near misses", "records", "sets of sets"],
)
def test_huge_sets_and_long_patterns_are_answered_in_time(tmp_path: Path, body: str, effects: set[Effect]) -> None:
    effect, code = answer(tmp_path, WHEN.format(body))
    assert effect in {*effects, Effect.ERROR}
    assert code in {"", "budget_spent"}


@pytest.mark.parametrize(
    "text",
    [
        WHEN.format("[" + ",".join(map(str, range(1_500))) + "].containsAll([context.risk.score])") * 4,
        "".join(WHEN.format(f'context.http.path like "{"*ab" * 300}*x{n}"') for n in range(30)),
        WHEN.format(" && ".join(["context.risk.score < 100"] * 100)) * 15,
    ],
    ids=["sets", "patterns", "clauses"],
)
def test_a_set_of_policies_that_costs_more_than_the_budget_denies(tmp_path: Path, text: str) -> None:
    """The cost of what a policy says is counted before it is asked; the real budget is a hundred times this one."""
    (tmp_path / "a.cedar").write_text(text)
    bundle = load_bundle(tmp_path)
    asked = request("members", path=LONG_PATH)
    assert Evaluator(bundle).evaluate(asked).effect is not Effect.ERROR
    found = Evaluator(bundle, budget=DEFAULT_BUDGET // 100).evaluate(asked)
    assert (found.effect, found.code) == (Effect.ERROR, "budget_spent")


FOLDERS = """
entity Group in [Group];
entity Person in [Group] = { tags: Set<String> };
entity Paper = { owner: Person };
action read appliesTo { principal: Person, resource: Paper };
"""


def of_papers(directory: Path, body: str, policies: int) -> Evaluator:
    """Compile policies that look at the owner of a paper, sixty times each."""
    (directory / "s.cedarschema").write_text(FOLDERS)
    condition = " || ".join(body.format(number) for number in range(60))
    text = f"forbid (principal, action, resource) when {{ {condition} }};"
    (directory / "a.cedar").write_text("permit (principal, action, resource);" + text * policies)
    return Evaluator(load_bundle(directory, schema=None))


def of_a_paper(owner: Entity, groups: int) -> PolicyRequest:
    """Ask about a paper whose owner stands below so many groups."""
    ladder = [EntityUid("Group", str(number)) for number in range(groups)]
    reader, paper = EntityUid("Person", "reader"), EntityUid("Paper", "p")
    described = [Entity(uid, {}, (above,)) for uid, above in pairwise([*ladder, EntityUid("Group", "all")])]
    described += [
        Entity(EntityUid("Group", "all")),
        owner,
        Entity(reader, {"tags": frozenset()}),
        Entity(paper, {"owner": owner.uid}),
    ]
    return PolicyRequest(reader, EntityUid("Action", "read"), paper, {}, {one.uid: one for one in described})


def test_policies_that_walk_up_a_tall_hierarchy_again_and_again_deny_within_the_budget(tmp_path: Path) -> None:
    owner = Entity(EntityUid("Person", "owner"), {"tags": frozenset()}, (EntityUid("Group", "0"),))
    evaluator = of_papers(tmp_path, 'resource.owner in Group::"x{}"', 4)
    assert evaluator.evaluate(of_a_paper(owner, 10)).effect is Effect.PERMIT
    found = evaluator.evaluate(of_a_paper(owner, 2_000))
    assert (found.effect, found.code) == (Effect.ERROR, "budget_spent")


@pytest.mark.parametrize(
    "body",
    [
        "principal.tags.containsAll(resource.owner.tags)",
        "!resource.owner.tags.containsAny(principal.tags)",
        "principal.tags != resource.owner.tags",
    ],
)
def test_policies_that_go_through_two_large_sets_in_each_clause_deny_within_the_budget(
    tmp_path: Path, body: str
) -> None:
    tags = frozenset(map(str, range(100)))
    asked = of_a_paper(Entity(EntityUid("Person", "owner"), {"tags": tags}), 0)
    assert of_papers(tmp_path, body, 1).evaluate(asked).code != "budget_spent"
    assert of_papers(tmp_path, body, 40).evaluate(asked).code == "budget_spent"
    against_literals = "principal.tags.containsAny([{}])".replace("{}", '"x{}"')
    assert of_papers(tmp_path, against_literals, 40).evaluate(asked).effect is Effect.PERMIT


def test_a_large_entity_is_checked_once_in_a_decision_however_often_policies_look_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[object] = []

    def noted(check: Callable[[object], bool], value: object) -> bool:
        checked.append(value)
        return check(value)

    owner = Entity(EntityUid("Person", "owner"), {"tags": frozenset(map(str, range(1_000)))})
    evaluator = of_papers(tmp_path, 'resource.owner.tags.contains("x{}")', 2)
    monkeypatch.setattr("watchword.policy.sides.fits", noted)
    assert evaluator.evaluate(of_a_paper(owner, 0)).effect is Effect.PERMIT
    assert sum(one is owner for one in checked) == 1


@pytest.mark.parametrize(
    "body",
    [
        "(" * 3000 + "true" + ")" * 3000,
        "!" * 3000 + "true",
        "if true then (" * 300 + "true" + ") else false" * 300,
        " && ".join(["context.risk.score < 100"] * 5000),
        "{a: " * 3000 + "1" + "}" * 3000 + " == 1",
        "[" * 3000 + "]" * 3000 + ".isEmpty()",
        "context" + ".http" * 5000,
    ],
    ids=["brackets", "negations", "choices", "conjunction", "records", "sets", "attributes"],
)
def test_deep_nesting_is_refused_when_it_is_loaded(tmp_path: Path, body: str) -> None:
    began = time.perf_counter()
    with pytest.raises(PolicyLoadError) as caught:
        answer(tmp_path, WHEN.format(body))
    assert caught.value.problems[0].path == "a.cedar"
    assert time.perf_counter() - began < PATIENCE_S * 10
