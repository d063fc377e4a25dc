from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from watchword.policy.relations import (
    Budget,
    Graph,
    Question,
    RelationBudgetError,
    RelationConditionError,
    RelationCycleError,
    RelationError,
    RelationMalformedError,
    RelationUnknownError,
    RelationView,
    expand,
    list_objects,
    list_users,
    name_in,
    parse_model,
    permitted,
    read_tuple,
)

MODEL = parse_model("""model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type doc
  relations
    define parent: [folder]
    define banned: [user, group#member, user with risky]
    define viewer: [user, user:*, group#member, user with risky] or viewer from parent
    define signed: [user]
    define can_view: viewer but not banned
    define can_sign: (viewer and signed) but not banned
    define odd: [user, doc#even]
    define even: viewer but not odd
condition risky(x: int) { 100 / x > 10 }
""")


def world(*written: str, budget: Budget | None = None) -> RelationView:
    """Each as `user relation object`, perhaps with a condition after it."""
    graph = Graph()
    for words in written:
        user, relation, object_, *condition = words.split()
        graph.put(read_tuple(object_, relation, user, condition="".join(condition)))
    return RelationView(MODEL, graph, budget=budget or Budget())


def test_without_tuples_nobody_is_related() -> None:
    assert not world().check("user:a", "can_view", "doc:1")


def test_a_relation_is_found_through_folders_and_groups() -> None:
    view = world(
        "folder:low parent doc:1",
        "folder:high parent folder:low",
        "group:all#member viewer folder:high",
        "group:staff#member member group:all",
        "user:a member group:staff",
    )
    assert view.check("user:a", "can_view", "doc:1")
    assert not view.check("user:b", "can_view", "doc:1")
    assert not view.check("user:a", "can_sign", "doc:1")
    assert view.check("group:all#member", "viewer", "doc:1")
    assert not view.check("user:*", "viewer", "doc:1")


def test_everybody_stands_for_each_user_and_not_for_usersets() -> None:
    view = world("user:* viewer doc:1", "user:b banned doc:1")
    assert view.check("user:a", "can_view", "doc:1")
    assert not view.check("user:b", "can_view", "doc:1")
    assert view.check("user:*", "can_view", "doc:1")
    assert not view.check("group:g#member", "viewer", "doc:1")


def test_a_circle_of_groups_ends_and_bans_nobody() -> None:
    view = world("group:a#member member group:b", "group:b#member member group:a", "group:a#member banned doc:1")
    view.graph.put(read_tuple("doc:1", "viewer", "user:a"))
    assert view.check("user:a", "can_view", "doc:1")
    view.graph.put(read_tuple("group:b", "member", "user:a"))
    assert not view.check("user:a", "can_view", "doc:1")


def test_an_exclusion_that_rests_on_itself_has_no_answer() -> None:
    view = world("user:a viewer doc:1", "doc:1#even odd doc:1")
    with pytest.raises(RelationCycleError):
        view.check("user:a", "even", "doc:1")


@pytest.mark.parametrize("x", [None, "seven", 0, 2.5, [1]])
def test_a_condition_without_an_answer_is_an_error_and_never_no(x: object) -> None:
    context = {} if x is None else {"x": x}
    banned = world("user:a viewer doc:1", "user:a banned doc:1 risky")
    with pytest.raises(RelationConditionError):
        banned.check("user:a", "can_view", "doc:1", context=context)
    with pytest.raises(RelationConditionError):
        world("user:a viewer doc:1 risky").check("user:a", "viewer", "doc:1", context=context)


def test_a_condition_holds_or_does_not() -> None:
    view = world("user:a viewer doc:1 risky")
    assert view.check("user:a", "viewer", "doc:1", context={"x": 5})
    assert not view.check("user:a", "viewer", "doc:1", context={"x": "50"})


def test_what_a_tuple_fixes_cannot_be_overridden_by_the_request() -> None:
    graph = Graph([read_tuple("doc:1", "viewer", "user:a", condition="risky", context={"x": 50})])
    assert not RelationView(MODEL, graph).check("user:a", "viewer", "doc:1", context={"x": 5})


def test_an_error_beside_a_yes_is_a_yes_and_beside_a_no_of_an_and_is_a_no() -> None:
    assert world("user:a viewer doc:1 risky", "folder:f parent doc:1", "user:a viewer folder:f").check(
        "user:a", "viewer", "doc:1"
    )
    assert not world("user:a viewer doc:1 risky").check("user:a", "can_sign", "doc:1")


# ---- attacks ---------------------------------------------------------------------------------------------------------


def _ladder(rungs: int, width: int) -> Iterable[str]:
    for rung in range(rungs):
        for left in range(width):
            for right in range(width):
                yield f"group:r{rung + 1}x{right}#member member group:r{rung}x{left}"


def test_a_fan_out_that_multiplies_at_each_step_is_walked_once() -> None:
    view = world(*_ladder(12, 8), "group:r0x0#member viewer doc:1")
    assert not view.check("user:a", "viewer", "doc:1")


@pytest.mark.parametrize(
    ("written", "budget"),
    [
        ([f"group:g{n + 1}#member member group:g{n}" for n in range(80)], Budget()),  # a chain deeper than allowed
        ([f"group:n{n}#member member group:g0" for n in range(40)], Budget(breadth=30)),
        (list(_ladder(10, 10)), Budget(steps=50)),
    ],
)
def test_a_graph_built_to_exhaust_has_no_answer_and_bans_nobody_by_it(written: list[str], budget: Budget) -> None:
    first = "group:r0x0" if "r0x0" in written[0] else "group:g0"
    view = world(*written, f"{first}#member banned doc:1", "user:a viewer doc:1", budget=budget)
    began = time.monotonic()
    with pytest.raises(RelationBudgetError):
        view.check("user:a", "can_view", "doc:1")
    assert time.monotonic() - began < 0.5


def test_a_budget_spent_on_what_is_excluded_never_becomes_a_yes() -> None:
    chain = [f"group:g{n + 1}#member member group:g{n}" for n in range(49)]
    spent = world(*chain, "group:g0#member banned doc:1", "user:a viewer doc:1", "user:a member group:g49")
    assert not RelationView(MODEL, spent.graph, budget=Budget(depth=60)).check("user:a", "can_view", "doc:1")
    with pytest.raises(RelationBudgetError):
        RelationView(MODEL, spent.graph, budget=Budget(depth=20)).check("user:a", "can_view", "doc:1")


def test_operands_that_call_each_other_end_within_the_budget() -> None:
    model = parse_model("""model
  schema 1.1
type user
type n
  relations
    define next: [n]
    define ok: [user]
    define a: [user] or (a from next and b from next)
    define b: [user] or (b from next and a from next)
""")
    graph = Graph()
    for one in range(12):
        for other in range(12):
            graph.put(read_tuple(f"n:{one}", "next", f"n:{other}"))
    began = time.monotonic()
    with suppress(RelationBudgetError):
        assert not RelationView(model, graph).check("user:x", "a", "n:0")
    assert time.monotonic() - began < 1


def test_many_groups_on_one_object_cost_no_more_than_the_users_own() -> None:
    flat = parse_model("""model
  schema 1.1
type user
type group
  relations
    define member: [user]
type doc
  relations
    define viewer: [group#member]
""")
    graph = Graph(read_tuple("doc:1", "viewer", f"group:g{n}#member") for n in range(20_000))
    graph.put(read_tuple("group:g777", "member", "user:a"))
    view = RelationView(flat, graph)
    assert view.check("user:a", "viewer", "doc:1")
    assert not view.check("user:b", "viewer", "doc:1")
    assert view.check("user:b", "viewer", "doc:1", given={("group", "member"): {"g5"}})


def test_a_group_in_one_of_several_groups_counts_as_soon_as_it_is_there_and_no_longer() -> None:
    view = world("group:a#member viewer doc:1", "group:b#member viewer doc:1", "user:eve member group:c")
    assert not view.check("user:eve", "viewer", "doc:1")
    nested = read_tuple("group:b", "member", "group:c#member")
    view.graph.put(nested)
    assert view.check("user:eve", "viewer", "doc:1")
    assert view.check("group:c#member", "viewer", "doc:1")
    view.graph.drop(nested)
    assert not view.check("user:eve", "viewer", "doc:1")
    assert not view.check("group:c#member", "viewer", "doc:1")
    assert view.check("user:eve", "viewer", "doc:1", given={("group", "member"): {"a"}})


def test_what_several_objects_cost_at_once_is_what_each_costs() -> None:
    written = [f"group:g{n}#member viewer doc:1" for n in range(6)]
    assert not world(*written, budget=Budget(steps=7)).check("user:eve", "viewer", "doc:1")
    with pytest.raises(RelationBudgetError):
        world(*written, budget=Budget(steps=6)).check("user:eve", "viewer", "doc:1")


@pytest.mark.parametrize("nested", [(), ("group:z#member member group:y",)])
def test_more_groups_on_one_object_than_may_be_have_no_answer_whether_groups_hold_groups_or_not(
    nested: tuple[str, ...],
) -> None:
    written = [f"group:g{n}#member viewer doc:1" for n in range(12)]
    with pytest.raises(RelationBudgetError):
        world(*written, *nested, budget=Budget(breadth=11)).check("user:eve", "viewer", "doc:1")


def test_a_walk_that_was_broken_off_leaves_nothing_behind() -> None:
    view = world("user:a viewer doc:1", "doc:1#even odd doc:1", "user:a viewer doc:2")
    walk = view.walk(read_tuple("doc:1", "viewer", "user:a").subject)
    node, _ = view.goal("even", "doc:1")
    with pytest.raises(RelationCycleError):
        walk.check(node, "1")
    assert walk.check(node, "2")


# ---- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "relation", "object_"),
    [
        ("usr:a", "viewer", "doc:1"),
        ("user:a", "viewr", "doc:1"),
        ("user:a", "viewer", "dok:1"),
        ("group:a#nobody", "viewer", "doc:1"),
    ],
)
def test_what_the_model_does_not_know_is_an_error_and_never_no(user: str, relation: str, object_: str) -> None:
    with pytest.raises(RelationUnknownError):
        world().check(user, relation, object_)


@pytest.mark.parametrize(
    "name", ["", "doc", "doc:", ":1", "doc:a b", "doc:*", "doc:a#b", "doc:a\n", "doc:" + "x" * 300]
)
def test_a_malformed_object_is_refused(name: str) -> None:
    with pytest.raises(RelationMalformedError):
        read_tuple(name, "viewer", "user:a")


@pytest.mark.parametrize(
    "name", ["", "user", "user:", "user:a#", "user:*#member", "user:a#b#c", "us er:a", "user:a\x00"]
)
def test_a_malformed_user_is_refused(name: str) -> None:
    with pytest.raises(RelationMalformedError):
        read_tuple("doc:1", "viewer", name)


@pytest.mark.parametrize(
    ("object_", "relation", "user", "condition", "context"),
    [
        ("doc:1", "can_view", "user:a", "", {}),
        ("doc:1", "signed", "group:g#member", "", {}),
        ("doc:1", "signed", "user:*", "", {}),
        ("doc:1", "signed", "user:a", "risky", {}),
        ("doc:1", "viewer", "user:a", "risky", {"y": 1}),
        ("doc:1", "viewer", "user:a", "risky", {"x": "one"}),
        ("group:a", "member", "group:a#member", "", {}),
    ],
)
def test_a_tuple_that_the_model_does_not_allow_is_refused(
    object_: str, relation: str, user: str, condition: str, context: dict[str, object]
) -> None:
    from watchword.policy.relations.parse import compiled_conditions  # noqa: PLC0415

    found = read_tuple(object_, relation, user, condition=condition, context=context)
    with pytest.raises(RelationMalformedError):
        permitted(MODEL, found, compiled_conditions(MODEL))


def test_a_tuple_that_a_newer_model_forbids_is_not_looked_at() -> None:
    graph = Graph([read_tuple("doc:1", "viewer", "user:a"), read_tuple("doc:1", "viewer", "user:*")])
    newer = parse_model("model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define viewer: [user:*]\n")
    newest = parse_model("model\n  schema 1.1\ntype user\ntype g\n  relations\n    define m: [user]\n"
                         "type doc\n  relations\n    define viewer: [g#m]\n")  # fmt: skip
    assert RelationView(newer, graph).check("user:b", "viewer", "doc:1")
    assert not RelationView(newest, graph).check("user:a", "viewer", "doc:1")


def test_names_of_groups_never_meet_in_one_identifier() -> None:
    names = ["a b", "a%20b", "a:b", "a#b", "ä", "*", "", "%", "a/b", " "]
    assert len({name_in(name) for name in names}) == len(names)
    for name in names:
        read_tuple(f"group:{name_in(name)}", "member", "user:a")


def test_the_graph_forgets_what_is_dropped_and_counts_every_change() -> None:
    graph = Graph()
    versions = []
    for _ in range(2):
        for user in ("user:a", "user:b", "user:c"):
            graph.put(read_tuple("doc:1", "viewer", user))
            versions.append(graph.version)
    graph.put(read_tuple("doc:1", "viewer", "user:a", condition="risky"))
    assert len(graph) == 3
    for user in ("user:a", "user:b", "user:c"):
        assert graph.drop(read_tuple("doc:1", "viewer", user))
        versions.append(graph.version)
    assert not graph.drop(read_tuple("doc:1", "viewer", "user:a"))
    assert len(graph) == 0
    assert versions == sorted(set(versions))


def test_a_batch_answers_each_question_for_itself() -> None:
    view = world("user:a viewer doc:1")
    asked = (("user:a", "viewer"), ("user:a", "nope"), ("user:b", "viewer"))
    answers = view.check_batch([Question(user, relation, "doc:1") for user, relation in asked])
    assert answers[0] is True
    assert isinstance(answers[1], RelationError)
    assert answers[2] is False


def test_lists_hold_what_was_checked_and_say_when_they_are_cut() -> None:
    view = world(
        "user:a viewer doc:1", "user:a viewer doc:2", "user:a banned doc:2", "user:* viewer doc:3",
        "user:a viewer doc:4 risky",
    )  # fmt: skip
    found = list_objects(view, "user:a", "can_view", "doc")
    assert (found.names, found.is_complete) == (("doc:1", "doc:3"), False)
    assert list_objects(view, "user:a", "can_view", "doc", context={"x": 5}).names == ("doc:1", "doc:3", "doc:4")
    assert list_objects(view, "user:a", "can_view", "doc", context={"x": 5}, most=2).is_complete is False
    assert list_users(view, "doc:3", "can_view", "user").names == ("user:*",)
    assert list_users(view, "doc:2", "viewer", "user").names == ("user:a",)


def test_a_relation_is_expanded_one_level() -> None:
    tree = expand(world("user:a viewer doc:1", "folder:f parent doc:1"), "viewer", "doc:1")
    assert (tree.kind, [part.users for part in tree.parts]) == ("or", [("user:a",), ("folder:f#viewer",)])


def test_conditions_know_addresses_spans_and_times() -> None:
    model = parse_model("""model
  schema 1.1
type user
type doc
  relations
    define v: [user with here]
condition here(now: timestamp, begin: timestamp, lasts: duration, ip: ipaddress, nets: list<string>) {
  now < begin + lasts && ip.in_cidr("10.0.0.0/8") && ip != ipaddress("10.9.9.9") && nets.exists(n, ip.in_cidr(n))
}
""")
    fixed = {"begin": "2026-01-01T00:00:00Z", "lasts": "1h30m", "nets": ["10.1.0.0/16"]}
    view = RelationView(model, Graph([read_tuple("doc:1", "v", "user:a", condition="here", context=fixed)]))

    def asked(now: datetime, ip: str) -> bool:
        return view.check("user:a", "v", "doc:1", context={"now": now, "ip": ip})

    noon = datetime(2026, 1, 1, 1, 0, tzinfo=UTC)
    assert asked(noon, "10.1.2.3")
    assert not asked(noon, "10.9.9.9")
    assert not asked(noon, "192.0.2.1")
    assert not asked(noon.replace(hour=2), "10.1.2.3")
    with pytest.raises(RelationConditionError):
        asked(noon, "10.1.2.3/8")


def test_a_condition_that_would_loop_for_long_has_no_answer() -> None:
    model = parse_model("""model
  schema 1.1
type user
type doc
  relations
    define v: [user with slow]
condition slow(l: list<int>) { l.all(a, l.all(b, l.all(c, a + b + c >= 0))) }
""")
    view = RelationView(model, Graph([read_tuple("doc:1", "v", "user:a", condition="slow")]))
    began = time.monotonic()
    with pytest.raises(RelationConditionError):
        view.check("user:a", "v", "doc:1", context={"l": list(range(900))})
    with pytest.raises(RelationConditionError):
        view.check("user:a", "v", "doc:1", context={"l": [1] * 100_000})
    assert time.monotonic() - began < 1
