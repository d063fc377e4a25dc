"""What counts as covered, and where in the text it is marked."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_cases import Seeded, World, is_valid, reparsed, schema, schema_text

from watchword.policy import Entity, EntityUid, PolicyRequest, PolicySet
from watchword.policy.load import Bundle, WrittenPolicy
from watchword.policy.spans import head_spans, spans_of
from watchword.policy.tracing import watched
from watchword.policy.trials import PolicyCover, annotated, cover, percent

SCHEMA = """
entity Team; entity Doc;
entity User in [Team] = { level: Long, flag: Bool };
action read, write appliesTo { principal: User, resource: Doc, context: {} };
action other appliesTo { principal: User, resource: Team, context: {} };
"""
PLAN = EntityUid("Doc", "plan")


def ask(level: int, *, action: str = "read", team: str = "", flag: bool = True) -> PolicyRequest:
    uid = EntityUid("User", "kim")
    parents = (EntityUid("Team", team),) if team else ()
    entities = {uid: Entity(uid, {"level": level, "flag": flag}, parents), PLAN: Entity(PLAN)}
    return PolicyRequest(uid, EntityUid("Action", action), PLAN, {}, entities)


def covered(tmp_path: Path, policy: str, *requests: PolicyRequest) -> PolicyCover:
    (tmp_path / "a.cedarschema").write_text(SCHEMA)
    (tmp_path / "a.cedar").write_text(policy)
    (found,) = cover(PolicySet.load(tmp_path, schema=None).bundle, requests).policies
    return found


def missing(cover: PolicyCover) -> dict[str, str]:
    return {cover.policy.text[slice(*one.span)]: one.missing for one in cover.clauses}


def test_a_clause_that_was_not_reached_is_not_covered(tmp_path: Path) -> None:
    policy = "permit (principal, action, resource) when { principal.flag && principal.level > 3 };"
    found = covered(tmp_path, policy, ask(9, flag=False))
    assert missing(found) == {"principal.flag": "never true", "principal.level > 3": "never reached"}
    assert found.counted_clauses == (1, 3)
    assert found.counted_branches == (1, 5)


def test_both_values_of_every_clause_are_full_coverage(tmp_path: Path) -> None:
    policy = "permit (principal, action, resource) when { principal.flag && principal.level > 3 };"
    found = covered(tmp_path, policy, ask(9), ask(3), ask(9, flag=False))
    assert found.counted_branches == (5, 5)


def test_a_side_of_a_head_counts_only_while_the_others_fit(tmp_path: Path) -> None:
    policy = 'permit (principal in Team::"a", action == Action::"read", resource);'
    found = covered(tmp_path, policy, ask(1, team="b", action="write"))
    assert missing(found) == {'principal in Team::"a"': "never decides", 'action == Action::"read"': "never decides"}
    found = covered(tmp_path, policy, ask(1, team="a", action="write"), ask(1, team="b"))
    assert missing(found) == {'principal in Team::"a"': "never true", 'action == Action::"read"': "never true"}
    found = covered(tmp_path, policy, ask(1, team="a", action="write"), ask(1, team="b"), ask(1, team="a"))
    assert found.counted_branches == (5, 5)


def test_what_the_schema_makes_impossible_is_not_asked_for(tmp_path: Path) -> None:
    found = covered(tmp_path, "permit (principal is User, action, resource is Doc);", ask(1))
    assert missing(found) == {"principal is User": "", "resource is Doc": "never false"}
    found = covered(tmp_path, "permit (principal, action, resource) when { true };", ask(1))
    assert found.counted_branches == (2, 2)


def test_clauses_inside_an_if_count_one_by_one(tmp_path: Path) -> None:
    policy = (
        "permit (principal, action, resource)"
        " when { if principal.flag then principal.level > 3 else (if principal.level > 5 then 1 else 2) == 1 };"
    )
    assert missing(covered(tmp_path, policy, ask(9))) == {
        "principal.flag": "never false",
        "principal.level > 3": "never false",
        "(if principal.level > 5 then 1 else 2) == 1": "never reached",
    }
    found = covered(tmp_path, policy, ask(9), ask(1), ask(9, flag=False), ask(1, flag=False))
    assert len(found.clauses) == 4
    assert found.counted_branches == (9, 9)


def test_a_policy_that_fails_is_counted_as_failed(tmp_path: Path) -> None:
    policy = "permit (principal, action, resource) when { principal.level * 9223372036854775807 > 1 };"
    found = covered(tmp_path, policy, ask(9))
    assert (found.asked, found.applied, found.failed) == (1, 0, 1)
    assert list(missing(found).values()) == ["never true and never false"]


def test_a_request_outside_the_schema_covers_nothing(tmp_path: Path) -> None:
    found = covered(tmp_path, "permit (principal, action, resource) when { principal.flag };", ask(9, action="fly"))
    assert found.asked == 0


def test_an_annotated_policy_marks_each_line_and_points_at_what_is_missing(tmp_path: Path) -> None:
    policy = (
        '// a comment\n@id("x")\npermit (principal, action, resource)\n'
        "when\n{\n  principal.flag &&\n  principal.level > 3\n};"
    )
    found = covered(tmp_path, policy, ask(3), ask(3, flag=False))
    assert list(annotated(found)) == [
        '      2  @id("x")',
        "      3  permit (principal, action, resource)",
        "      4  when",
        "      5  {",
        "+     6    principal.flag &&",
        "!     7    principal.level > 3",
        "           ^^^^^^^^^^^^^^^^^^^ never true",
        "      8  };",
    ]


@pytest.mark.parametrize(
    ("condition", "texts"),
    [
        ("when { (principal.flag && true) && principal.level > 3 }", ["principal.flag", "true", "principal.level > 3"]),
        ("when { principal.flag && (true && principal.level > 3) }", ["principal.flag", "true", "principal.level > 3"]),
        ("when { !(principal.flag || true) }", ["principal.flag", "true"]),
        ("when { !principal.flag == true }", ["!principal.flag == true", "!principal.flag == true"]),
        ("when { if principal.flag then if true then false else true else true }",
         ["principal.flag", "true", "false", "true", "true"]),
        ('@when("x") when { "a && b || { when" == "}" && principal["if"] }',
         ['"a && b || { when" == "}"', 'principal["if"]']),
        ("when { principal has a.b && true }", ["principal has a.b", "principal has a.b", "true"]),
        ("when { {a: 1, b: principal.flag && true}.a == 1 }",
         ["{a: 1, b: principal.flag && true}.a == 1"] * 3),
        ("when { principal.flag } unless { true }", ["principal.flag", "true"]),
    ],
)  # fmt: skip
def test_each_clause_is_found_in_the_text(condition: str, texts: list[str]) -> None:
    import json  # noqa: PLC0415 (here alone)

    import cedarpy  # noqa: PLC0415 (as above)

    note, mark, clause = condition.rpartition('") when')
    head = "permit (principal, action, resource)"
    text = f'{note}") {head} when{clause};' if mark else f"{head} {condition};"
    est = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]["policy0"]
    seen = watched(est)
    at = spans_of(text, seen.places)
    found = [text[slice(*at[id(one)])] for place in seen.places for one in place.clauses]
    assert found == texts


def test_the_sides_of_a_head_are_found_in_the_text() -> None:
    text = '@permit("a, b") @id("x") permit (principal in A::"(,", action in [Action::"a", Action::"b"], resource);'
    found = {name: text[slice(*span)] for name, span in head_spans(text).items()}
    assert found == {
        "principal": 'principal in A::"(,"',
        "action": 'action in [Action::"a", Action::"b"]',
        "resource": "resource",
    }


@pytest.mark.parametrize("seed", range(200, 212))
def test_watched_policies_come_to_what_the_engine_says(seed: int) -> None:
    import cedarpy  # noqa: PLC0415 (only the generator needs it)

    made = schema(Seeded(seed))
    rendered = str(cedarpy.Schema.from_str(schema_text(made)))
    world = World(Seeded(seed), made)
    ests = [est for est in (world.policy(f"p{number}") for number in range(6)) if is_valid([est], rendered)]
    for est in reparsed(ests):
        name = est["annotations"]["id"]
        bundle = Bundle((WrittenPolicy(name, est, "", 0, ""),), (), rendered, "v")
        policies = PolicySet(bundle)
        for _ in range(4):
            request = world.request(world.entities())
            (found,) = cover(bundle, [request]).policies
            is_determining = bool(policies.evaluate(request).determining)
            assert (found.applied == 1) is is_determining


def test_a_share_is_never_rounded_up_to_everything() -> None:
    assert percent(99.99) == "99.9%"
    assert percent(100.0) == "100%"
