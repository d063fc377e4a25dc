"""Strict mode and the code generator: what is refused, and what never becomes code."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.policy import Effect, Entity, EntityUid, PolicyLoadError, PolicyRequest, PolicySet, set_of
from watchword.policy.codegen import Constants, build
from watchword.policy.emit import VOCABULARY, Types, compile_conditions
from watchword.policy.errors import UnknownSyntaxError
from watchword.policy.evaluator import Evaluator
from watchword.policy.load import Bundle, WrittenPolicy
from watchword.policy.schema import Field, Record, Reference, Scalar, SetOf
from watchword.policy.types import ANY_ENTITY, merge

SCHEMA = """
entity Folder in [Folder] = { public: Bool };
entity User in [Team] = { name: String, boss?: User } tags String;
entity Team;
action look appliesTo { principal: User, resource: Folder, context: { tries: Long, groups: Set<Bool> } };
action lift appliesTo { principal: User, resource: Folder };
"""
ANN, BOB = EntityUid("User", "ann"), EntityUid("User", "bob")
INNER, OUTER = EntityUid("Folder", "inner"), EntityUid("Folder", "outer")
LOOK = EntityUid("Action", "look")
ENTITIES = {
    ANN: Entity(ANN, {"name": "Ann", "boss": BOB}, (EntityUid("Team", "red"),)),
    BOB: Entity(BOB, {"name": "Bob"}),
    INNER: Entity(INNER, {"public": False}, (OUTER,)),
    OUTER: Entity(OUTER, {"public": True}),
}
REQUEST = PolicyRequest(ANN, LOOK, INNER, {"tries": 1, "groups": set_of([True])}, ENTITIES)
PERMIT = "permit (principal, action, resource);\n"


def load(directory: Path, text: str, **options: Any) -> Evaluator:
    (directory / "own.cedarschema").write_text(SCHEMA)
    (directory / "a.cedar").write_text(text)
    return Evaluator(PolicySet.load(directory, schema=None).bundle, **options)


def described(uid: EntityUid, /, **changes: Any) -> PolicyRequest:
    return replace(REQUEST, entities={**ENTITIES, uid: replace(ENTITIES[uid], **changes)})


def refusal(evaluator: Evaluator, request: PolicyRequest) -> str:
    answer = evaluator.evaluate(request)
    assert answer.effect is Effect.ERROR
    return answer.errors[0]


def test_the_request_of_these_tests_is_permitted(tmp_path: Path) -> None:
    assert load(tmp_path, PERMIT).evaluate(REQUEST).effect is Effect.PERMIT


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({"groups": frozenset()}, "context.tries is missing"),
        ({"tries": True, "groups": frozenset()}, "context.tries is not a whole number"),
        ({"tries": 2**63, "groups": frozenset()}, "context.tries is not a whole number"),
        ({"tries": 1.0, "groups": frozenset()}, "context.tries is not a whole number"),
        ({"tries": 1, "groups": [True]}, "context.groups is not a set"),
        ({"tries": 1, "groups": frozenset({True})}, "an element of context.groups is not true or false"),
        ({"tries": 1, "groups": frozenset(), "more": 1}, "does not know"),
        ("tries", "context is not a record"),
        (None, "context is not a record"),
    ],
)
def test_a_context_outside_the_schema_denies_and_names_the_place(tmp_path: Path, context: Any, words: str) -> None:
    error = refusal(load(tmp_path, PERMIT), replace(REQUEST, context=context))
    assert error.startswith("schema_misfit: ")
    assert words in error


def test_a_misfit_never_tells_a_value(tmp_path: Path) -> None:
    error = refusal(load(tmp_path, PERMIT), replace(REQUEST, context={"tries": "hunter2", "groups": frozenset()}))
    assert "hunter2" not in error
    error = refusal(load(tmp_path, PERMIT), described(ANN, attributes={"name": 7, "hunter2": "x"}))
    assert "hunter2" not in error


@pytest.mark.parametrize(
    ("uid", "changes"),
    [
        (ANN, {"attributes": {}}),
        (ANN, {"attributes": {"name": "Ann", "boss": INNER}}),
        (ANN, {"parents": (OUTER,)}),
        (ANN, {"tags": {"t": 7}}),
        (ANN, {"uid": BOB}),
        (INNER, {"attributes": {"public": 1}}),
        (INNER, {"tags": {"t": "x"}}),
        (OUTER, {"attributes": {"public": "no"}}),
    ],
)
def test_an_entity_outside_the_schema_denies(tmp_path: Path, uid: EntityUid, changes: dict[str, Any]) -> None:
    assert refusal(load(tmp_path, PERMIT), described(uid, **changes)).startswith("schema_misfit: ")


def test_an_entity_that_a_policy_reaches_is_checked_too(tmp_path: Path) -> None:
    forbid = 'forbid (principal, action, resource) when { principal has boss && principal.boss.name == "x" };'
    evaluator = load(tmp_path, PERMIT + forbid)
    assert evaluator.evaluate(REQUEST).effect is Effect.PERMIT
    assert refusal(evaluator, described(BOB, attributes={"name": 7})).startswith("schema_misfit: ")


@pytest.mark.parametrize("missing", [ANN, INNER, OUTER])
def test_a_side_or_ancestor_that_nobody_described_denies(tmp_path: Path, missing: EntityUid) -> None:
    entities = {uid: entity for uid, entity in ENTITIES.items() if uid != missing}
    error = refusal(load(tmp_path, PERMIT), replace(REQUEST, entities=entities))
    assert "is not described" in error


def test_a_cycle_of_ancestors_ends(tmp_path: Path) -> None:
    evaluator = load(tmp_path, 'permit (principal, action, resource in Folder::"inner");')
    assert evaluator.evaluate(described(OUTER, parents=(INNER,))).effect is Effect.PERMIT


def test_an_endless_hierarchy_denies_within_the_budget(tmp_path: Path) -> None:
    folders = [EntityUid("Folder", str(number)) for number in range(20_000)]
    entities = {
        uid: Entity(uid, {"public": True}, (above,)) for uid, above in zip(folders, [*folders[1:], OUTER], strict=True)
    }
    request = replace(REQUEST, resource=folders[0], entities={**ENTITIES, **entities})
    assert refusal(load(tmp_path, PERMIT), request).startswith("budget_spent: ")


def test_a_set_of_policies_that_takes_too_many_steps_denies(tmp_path: Path) -> None:
    many = 'forbid (principal, action, resource) when { principal.name == "x" };\n' * 50
    assert load(tmp_path, PERMIT + many).evaluate(REQUEST).effect is Effect.PERMIT
    assert refusal(load(tmp_path, PERMIT + many, budget=100), REQUEST).startswith("budget_spent: ")


def test_a_failing_permit_permits_nothing_and_is_told(tmp_path: Path) -> None:
    sums = "when { context.tries + 9223372036854775807 > 0 }"
    text = f'@id("sum") permit (principal, action == Action::"look", resource) {sums};'
    answer = load(tmp_path, text).evaluate(REQUEST)
    assert answer.effect is Effect.SILENT
    assert answer.errors == ("policy_error: `sum`: a number does not fit 64 bits",)


def test_a_failing_forbid_denies_even_beside_one_that_holds(tmp_path: Path) -> None:
    text = (
        '@step_up("mfa") forbid (principal, action, resource);\n'
        'forbid (principal, action == Action::"look", resource) when { context.tries + 9223372036854775807 > 0 };'
    )
    assert load(tmp_path, text).evaluate(REQUEST).effect is Effect.ERROR


def test_satisfied_policies_are_told_in_the_order_of_ids(tmp_path: Path) -> None:
    named = "".join(f'@id("{name}") {PERMIT}' for name in ("c", "a", "b"))
    answer = load(tmp_path, named).evaluate(REQUEST)
    assert [policy.id for policy in answer.determining] == ["a", "b", "c"]


def test_a_condition_that_is_no_truth_value_denies(tmp_path: Path) -> None:
    """A caller that changes what it promised not to change gets an error, never an allow."""
    evaluator = load(tmp_path, "permit (principal, action, resource) when { resource.public };")
    attributes: dict[str, Any] = {"public": True}

    class Changing(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            value = super().__getitem__(name)
            self[name] = "yes"
            return value

    answer = evaluator.evaluate(described(INNER, attributes=Changing(attributes)))
    assert answer.effect is not Effect.PERMIT


@pytest.mark.parametrize(
    "body",
    [
        {"Unknown": {"name": "x"}},
        {"Slot": "?principal"},
        {"eval": {"arg": {"Value": "1"}}},
        {"Value": 1.5},
        {"Value": 2**63},
        {"Value": None},
        {"Value": {"__extn": {"fn": "ip", "arg": "1"}}},
        {"Var": "globals"},
        {"==": {"left": {"Value": 1}}},
        {"==": {"left": {"Value": 1}, "right": {"Value": 1}, "more": 1}},
        {".": {"left": {"Var": "context"}, "attr": 1}},
        {"Value": 1, "Var": "context"},
        {"ip": [{"Value": "a"}, {"Value": "b"}]},
        {"ip": {"arg": {"Value": "a"}}},
        {"like": {"left": {"Value": "a"}, "pattern": ["Star"]}},
        {"like": {"left": {"Value": "a"}, "pattern": [{"Literal": 1}]}},
        {"Set": {"a": 1}},
        {"Record": [1]},
        [],
        "true",
        {},
    ],
)
def test_a_form_that_is_not_cedars_is_refused_when_loaded(body: Any) -> None:
    with pytest.raises(UnknownSyntaxError):
        compile_conditions([], [{"kind": "when", "body": body}], Types())


@pytest.mark.parametrize(
    "change",
    [
        {"effect": "allow"},
        {"principal": {"op": "like"}},
        {"principal": {"op": "==", "slot": "?principal"}},
        {"principal": {"op": "All", "more": 1}},
        {"action": {"op": "is", "entity_type": "Action"}},
        {"conditions": [{"kind": "where", "body": {"Value": True}}]},
    ],
)
def test_a_policy_of_unknown_form_is_refused_with_its_place(change: dict[str, Any]) -> None:
    est = {"effect": "permit", "principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"}} | change
    bundle = Bundle((WrittenPolicy("odd", est, "a.cedar", 7, ""),), (), SCHEMA, "")
    with pytest.raises(PolicyLoadError) as raised:
        Evaluator(bundle)
    assert (raised.value.problems[0].path, raised.value.problems[0].line) == ("a.cedar", 7)


names = st.text(min_size=0, max_size=20)


@given(names, names, names, st.lists(st.one_of(st.none(), names), max_size=3))
@settings(deadline=None, max_examples=150)
def test_nothing_that_a_policy_says_becomes_source(one: str, two: str, three: str, pattern: list[str | None]) -> None:
    body = {
        "&&": {
            "left": {"has": {"left": {"Record": {one: {"Value": two}}}, "attr": three}},
            "right": {
                "like": {
                    "left": {"Value": three},
                    "pattern": ["Wildcard" if part is None else {"Literal": part} for part in pattern],
                }
            },
        }
    }
    uid = EntityUid(one, two)
    compiled = compile_conditions([("principal", "==", uid)], [{"kind": "unless", "body": body}], Types())
    plain = compile_conditions(
        [("principal", "==", EntityUid("T", "i"))],
        [
            {
                "kind": "unless",
                "body": {
                    "&&": {
                        "left": {"has": {"left": {"Record": {"a": {"Value": "b"}}}, "attr": "c"}},
                        "right": {"like": {"left": {"Value": "d"}, "pattern": []}},
                    }
                },
            }
        ],
        Types(),
    )
    # Equal strings share a constant, so the numbers differ; everything else is the same for every text.
    assert shape(compiled.source) == shape(plain.source)
    assert not [node for node in ast.walk(ast.parse(compiled.source)) if isinstance(node, ast.Constant)]


def shape(source: str) -> str:
    return "".join(letter for letter in source if not letter.isdigit())


@pytest.mark.parametrize(
    "source",
    [
        "def f(P):\n  return 'x'\n",
        "def f(P):\n  return __import__(k0)\n",
        "def f(P):\n  return P.__globals__\n",
        "def f(P):\n  return open(k0)\n",
        "def f(P):\n  return {k0}\n",
        "def f(P):\n  return k0; k0\n",
        "def f(P):\n  return k0 # k\n",
        "def f(P):\n  return \\k0\n",
    ],
)
def test_code_with_a_foreign_word_is_never_compiled(source: str) -> None:
    with pytest.raises(UnknownSyntaxError):
        build(source, Constants(), VOCABULARY)


def test_compiled_policies_reach_no_builtin() -> None:
    compiled = compile_conditions([], [{"kind": "when", "body": {"Value": True}}], Types())
    assert compiled.function.__globals__["__builtins__"] == {}


def test_constants_of_different_types_are_never_mixed_up() -> None:
    constants = Constants()
    values = [1, True, "1", ("1",), EntityUid("1", "1"), ("1", "1"), 0, False]
    assert len({constants.name(value) for value in values if not isinstance(value, bool)}) == 6
    assert [value for value in constants.values if value is True] == []


def test_the_union_of_types_promises_only_what_all_keep() -> None:
    long, text = Scalar("long"), Scalar("string")
    assert merge([long, long]) == long
    assert merge([long, text]) is None
    assert merge([long, None]) is None
    assert merge([Reference("A"), Reference("B")]) == ANY_ENTITY
    assert merge([SetOf(long), SetOf(text)]) == Scalar("set")
    assert merge([SetOf(Reference("A")), SetOf(Reference("B"))]) == SetOf(ANY_ENTITY)
    assert merge([SetOf(long), Scalar("set")]) == Scalar("set")
    one, two = (
        Record({"a": Field(long, True), "b": Field(long, True)}),
        Record({"a": Field(text, True), "b": Field(long, True)}),
    )
    merged = merge([one, two])
    assert isinstance(merged, Record)
    assert set(merged.fields) == {"b"}


def test_an_attribute_of_different_types_in_two_entity_types_is_compared_by_value(tmp_path: Path) -> None:
    (tmp_path / "own.cedarschema").write_text(
        "entity A = { x: Long }; entity B = { x: String }; entity C;"
        "action go appliesTo { principal: [A, B], resource: C };"
    )
    (tmp_path / "a.cedar").write_text("permit (principal, action, resource) when { principal.x == principal.x };")
    evaluator = Evaluator(PolicySet.load(tmp_path, schema=None).bundle)
    for uid, value in ((EntityUid("A", "a"), 1), (EntityUid("B", "b"), "1")):
        request = PolicyRequest(
            uid, EntityUid("Action", "go"), EntityUid("C", "c"), {}, {uid: Entity(uid, {"x": value})}
        )
        assert evaluator.evaluate(request).effect is Effect.PERMIT
