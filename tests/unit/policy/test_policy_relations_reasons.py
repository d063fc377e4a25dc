"""Why somebody is related so: the tree that people are shown agrees with the check at every step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from relation_cases import draw, our_answer, ours

from watchword.policy.relations import (
    Graph,
    RelationCycleError,
    RelationError,
    RelationUnknownError,
    RelationView,
    Step,
    parse_model,
    read_tuple,
    reason_of,
)

MODEL = """model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define viewer: [user, user:*]
type doc
  relations
    define parent: [folder]
    define banned: [user, group#member]
    define owner: [user with soon]
    define viewer: [group#member] or owner or viewer from parent
    define can_view: viewer but not banned
condition soon(x: int) { x < 3 }
"""


def view(*tuples: str) -> RelationView:
    graph = Graph()
    for each in tuples:
        user, relation, object_, *condition = each.split()
        graph.put(read_tuple(object_, relation, user, condition="".join(condition)))
    return RelationView(parse_model(MODEL), graph)


def lines(step: Step, depth: int = 0) -> Iterator[str]:
    answer = {True: "+", False: "-", None: "?"}[step.holds]
    yield f"{'  ' * depth}{answer} {step.object} {step.relation}".rstrip()
    for part in step.parts:
        yield from lines(part, depth + 1)


def test_the_way_is_shown_through_groups_and_folders() -> None:
    found = view("group:a#member viewer doc:1", "group:b#member member group:a", "user:x member group:b")
    step = reason_of(found, "user:x", "can_view", "doc:1")
    assert list(lines(step)) == [
        "+ doc:1 can_view",
        "  + doc:1 viewer",
        "    + group:a member",
        "      + group:b member",
        "        + user:x",
    ]
    assert (step.how, step.parts[0].parts[0].parts[0].parts[0].how) == ("viewer but not banned", "tuple")
    above = reason_of(view("folder:f parent doc:1", "user:* viewer folder:f"), "user:x", "viewer", "doc:1")
    assert list(lines(above)) == ["+ doc:1 viewer", "  + folder:f viewer", "    + user:*"]
    assert above.parts[0].parts[0].how == "tuple, for everybody"


def test_what_takes_somebody_out_again_is_shown_beside_what_led_there() -> None:
    found = view("group:a#member viewer doc:1", "group:a#member banned doc:1", "user:x member group:a")
    step = reason_of(found, "user:x", "can_view", "doc:1")
    assert list(lines(step)) == [
        "- doc:1 can_view",
        "  + doc:1 viewer",
        "    + group:a member",
        "      + user:x",
        "  - doc:1",
        "    + doc:1 banned",
        "      + group:a member",
        "        + user:x",
    ]
    assert list(lines(reason_of(found, "user:y", "can_view", "doc:1"))) == ["- doc:1 can_view"]


def test_groups_of_the_directory_and_conditions_count_and_circles_end() -> None:
    found = view("group:a#member viewer doc:1", "group:b#member member group:a", "group:a#member member group:b")
    step = reason_of(found, "user:x", "viewer", "doc:1", given={("group", "member"): {"b"}})
    assert list(lines(step))[-1].strip() == "+ user:x"
    assert step.parts[0].parts[0].parts[0].how == "a group of the directory"
    assert list(lines(reason_of(found, "user:x", "viewer", "doc:1"))) == ["- doc:1 viewer"]
    soon = view("user:x owner doc:1 soon")
    assert reason_of(soon, "user:x", "owner", "doc:1", context={"x": 1}).parts[0].how == "tuple, with soon"
    assert reason_of(soon, "user:x", "owner", "doc:1", context={"x": 9}).holds is False
    failed = reason_of(soon, "user:x", "owner", "doc:1")
    assert (failed.holds, "misses `x`" in failed.how) == (None, True)


def test_a_tuple_that_the_model_forbids_or_whose_condition_does_not_hold_is_no_way() -> None:
    forbidden = view("user:x viewer doc:1", "group:a#member viewer doc:1", "user:x member group:a")
    assert list(lines(reason_of(forbidden, "user:x", "viewer", "doc:1"))) == [
        "+ doc:1 viewer",
        "  + group:a member",
        "    + user:x",
    ]
    late = view("user:x owner doc:1 soon", "group:a#member viewer doc:1", "user:x member group:a")
    step = reason_of(late, "user:x", "viewer", "doc:1", context={"x": 9})
    assert [part.object for part in step.parts] == ["group:a"]


def test_a_userset_is_inside_itself_and_nonsense_is_refused() -> None:
    found = view("group:a#member viewer doc:1")
    assert list(lines(reason_of(found, "group:a#member", "viewer", "doc:1"))) == [
        "+ doc:1 viewer",
        "  + group:a#member",
    ]
    itself = reason_of(found, "group:a#member", "member", "group:a")
    assert (itself.holds, itself.how) == (True, "the one who asks is exactly this")
    for user, relation, object_ in (
        ("usr:x", "viewer", "doc:1"),
        ("user:x", "vier", "doc:1"),
        ("user:x", "viewer", "d"),
    ):
        with pytest.raises(RelationError):
            reason_of(found, user, relation, object_)
    with pytest.raises(RelationUnknownError):
        reason_of(found, "group:a#mem", "viewer", "doc:1")


@pytest.mark.parametrize("seed", range(8))
def test_every_step_of_drawn_cases_says_what_the_check_says(seed: int) -> None:
    case = draw(seed)
    asked = ours(case)
    for user, relation, object_, context in case.questions:
        said = our_answer(asked, (user, relation, object_, context))
        step = reason_of(asked, user, relation, object_, context=context)
        assert step.holds is (said if isinstance(said, bool) else None)
        waiting = [step]
        while waiting:
            one = waiting.pop()
            waiting += one.parts
            if one.relation:
                again = our_answer(asked, (user, one.relation, one.object, context))
                assert one.holds is (again if isinstance(again, bool) else None)
        if step.holds:
            assert step.parts or step.object + "#" + step.relation == user or isinstance(said, RelationCycleError)
