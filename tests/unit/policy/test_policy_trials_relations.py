"""Policy tests that hold relation tuples: `context.rel` is found out from them, as at the doors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watchword.policy import PolicyLoadError, PolicySet
from watchword.policy.telling import for_administrators
from watchword.policy.trials import BoundaryMaker, Suite, cover, gate, question_in, read_suite, run_trials, written

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
    define banned: [user]
    define viewer: [user, group#member, user with until] or admin from application
    define can_view: viewer but not banned
condition until(current_time: timestamp, end: timestamp) { current_time < end }
"""
POLICIES = """
@id("viewers") permit (principal, action in Watchword::Action::"access", resource)
when { context.rel.contains("can_view") };
@id("admins-may-delete") permit (principal, action == Watchword::Action::"use", resource)
when { context.rel.contains("admin") };
"""
FIXTURES = """
entities:
  ada:
    uid: Watchword::User::"usr_ada"
    attributes: {name: ada, is_administrator: false, is_privileged: false}
    parents: ['Watchword::Group::"night shift"']
  bob: {extends: ada, uid: 'Watchword::User::"usr_bob"', parents: []}
  eve: {extends: bob, uid: 'Watchword::User::"usr_eve"'}
  'Watchword::Group::"night shift"': {}
  page:
    uid: Watchword::Resource::"notes/admin"
    attributes: {sensitivity: internal}
    parents: ['Watchword::Application::"notes"']
  'Watchword::Application::"notes"': {attributes: {sensitivity: internal}}
  'Watchword::Permission::"notes/notes.delete"': {parents: ['Watchword::Application::"notes"']}
contexts:
  now:
    with: &
      http: {method: GET, host: n.localhost, path: /}
      risk: {score: 0, level: 0}
      trust: {score: 70}
      mfa: {is_verified: true, age_min: 3}
      session: {age_min: 4, acr: 2, amr: [pwd, otp]}
      device: {is_known: true, posture: compliant}
      network: {ip: 192.0.2.7, is_allowed: false, is_suspicious: false}
      time: {hour: 10, minute: 30, weekday: 2, is_working_hours: true}
tuples:
  - {user: 'group:night%20shift#member', relation: viewer, object: resource:notes/admin}
  - {user: user:usr_eve, relation: viewer, object: resource:notes/admin}
  - {user: user:usr_eve, relation: banned, object: resource:notes/admin}
""".replace("with: &\n", "with:\n")
READ = "action: read, resource: page, context: now"


def directory(tmp_path: Path, tests: str, *, fixtures: str = FIXTURES, model: str = MODEL) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "p.cedar").write_text(POLICIES if model else POLICIES.replace("context.rel", "context.session.amr"))
    if model:
        (tmp_path / "relations.fga").write_text(model)
    (tmp_path / "tests" / "a.yaml").write_text(fixtures)
    (tmp_path / "tests" / "b.yaml").write_text(tests)
    return tmp_path


def suite(tmp_path: Path, rows: str) -> tuple[PolicySet, Suite]:
    path = directory(tmp_path, f"tests:\n{rows}")
    policies = PolicySet.load(path)
    return policies, read_suite(path, policies.bundle)


def test_relations_come_from_tuples_from_groups_of_the_fixtures_and_from_a_rows_own(tmp_path: Path) -> None:
    application = "{user: user:usr_bob, relation: admin, object: application:notes}"
    parent = "{user: application:notes, relation: application, object: resource:notes/admin}"
    policies, found = suite(
        tmp_path,
        f"  - {{principal: ada, {READ}, expect: permit, reasons: [viewers]}}\n"
        f"  - {{principal: bob, {READ}, expect: silent}}\n"
        f"  - {{principal: eve, {READ}, expect: silent}}\n"
        f"  - {{principal: bob, {READ}, tuples: [{application}], expect: silent}}\n"
        f"  - {{principal: bob, {READ}, tuples: [{application}, {parent}], expect: permit}}\n"
        f"  - {{principal: bob, {READ}, expect: silent}}\n",
    )
    assert [one.differences for one in run_trials(policies, found.trials) if one.differences] == []


def test_a_permission_asks_what_the_user_is_to_its_application(tmp_path: Path) -> None:
    asked = (
        "action: use, resource: 'Watchword::Permission::\"notes/notes.delete\"', context: now,"
        " with: {permission: notes.delete}"
    )
    mine = "tuples: [{user: user:usr_bob, relation: admin, object: application:notes}]"
    policies, found = suite(
        tmp_path,
        f"  - {{principal: bob, {asked}, {mine}, expect: permit}}\n"
        f"  - {{principal: ada, {asked}, {mine}, expect: silent}}\n",
    )
    assert [one.differences for one in run_trials(policies, found.trials) if one.differences] == []


def test_a_condition_sees_the_time_that_the_row_says_and_fails_without_one(tmp_path: Path) -> None:
    until = "{name: until, context: {end: '2026-11-22T12:00:00Z'}}"
    mine = f"tuples: [{{user: user:usr_bob, relation: viewer, object: resource:notes/admin, condition: {until}}}]"
    policies, found = suite(
        tmp_path,
        f"  - {{principal: bob, {READ}, {mine}, now: '2026-11-22T11:59:59Z', expect: permit}}\n"
        f"  - {{principal: bob, {READ}, {mine}, now: '2026-11-22T13:00:00+01:00', expect: silent}}\n"
        f"  - {{principal: bob, {READ}, {mine}, expect: silent}}\n",
    )
    outcomes = list(run_trials(policies, found.trials))
    assert [one.differences for one in outcomes if one.differences] == []
    assert "misses `current_time`" in outcomes[2].answer.errors[0]
    said = "\n".join(for_administrators(policies.explain(found.trials[2].request)))
    assert "failed: the condition `until` misses `current_time`" in said
    assert "can_view: no answer" in said


def test_what_a_context_says_of_relations_still_counts_alone(tmp_path: Path) -> None:
    policies, found = suite(
        tmp_path,
        f"  - {{principal: bob, {READ}, with: {{rel: [can_view]}}, expect: permit}}\n"
        f"  - {{principal: ada, {READ}, with: {{rel: []}}, expect: silent}}\n"
        f"  - {{principal: ada, {READ}, with: {{rel: null}}, expect: permit}}\n",
    )
    assert [one.differences for one in run_trials(policies, found.trials) if one.differences] == []


def test_coverage_counts_what_tuples_answered(tmp_path: Path) -> None:
    policies, found = suite(
        tmp_path, f"  - {{principal: ada, {READ}, expect: permit}}\n  - {{principal: bob, {READ}, expect: silent}}\n"
    )
    seen = cover(policies.bundle, (trial.request for trial in found.trials))
    viewers = next(one for one in seen.policies if one.policy.id == "viewers")
    clause = next(one for one in viewers.clauses if one.kind == "clause")
    assert (clause.true, clause.false, clause.missing) == (1, 1, "")
    half = cover(policies.bundle, [found.trials[1].request])
    assert next(one for one in half.policies if one.policy.id == "viewers").clauses[-1].missing == "never true"


def test_boundary_cases_write_down_what_the_tuples_said(tmp_path: Path) -> None:
    policies, found = suite(tmp_path, f"  - {{principal: ada, {READ}, expect: permit}}\n")
    maker = BoundaryMaker(policies, [(trial.name, trial.request) for trial in found.trials])
    cases = list(maker.of_policy(policies.bundle.policies[-1]))
    assert {case.verdict.value for case in cases} == {"permit", "silent"}
    (tmp_path / "tests" / "c.yaml").write_text(written(cases))
    assert "rel: ['can_view', 'viewer']" in (tmp_path / "tests" / "c.yaml").read_text()
    again = read_suite(tmp_path, policies.bundle)
    assert len(again.trials) > 2
    assert [one.differences for one in run_trials(policies, again.trials) if one.differences] == []


@pytest.mark.parametrize(
    ("written_tuple", "said"),
    [
        ("{user: user:a, relation: veiwer, object: resource:n/a}", "tests/b.yaml:1:10: the type `resource` has no"),
        ("{user: user:a, relation: can_view, object: resource:n/a}", "`can_view` of `resource` is computed"),
        ("{user: usera, relation: viewer, object: resource:n/a}", "`usera` is no user"),
        ("{user: user:a, relation: viewer, object: resource:n/a, condition: until, x: 1}", "no key `x` is known here"),
        ("{user: user:a, relation: viewer, object: resource:n/a, condition: soon}", "is not given with `soon`"),
        ("{user: user:a, relation: viewer}", "the key `object` is missing"),
        ("user:a viewer resource:n/a", "text where a mapping belongs"),
    ],
)
def test_a_malformed_tuple_is_told_with_its_place(tmp_path: Path, written_tuple: str, said: str) -> None:
    path = directory(tmp_path, f"tuples: [{written_tuple}]\n")
    (problem,) = gate(path)
    assert said in str(problem)
    assert str(problem).startswith("tests/b.yaml:1:")


def test_tuples_without_a_model_and_a_time_without_a_zone_are_refused(tmp_path: Path) -> None:
    path = directory(tmp_path, "", model="")
    assert "there is no model of relations" in str(gate(path)[0])
    (tmp_path / "tests" / "a.yaml").write_text(FIXTURES.partition("tuples:")[0])
    (tmp_path / "tests" / "b.yaml").write_text(f"tests: [{{principal: ada, {READ}, expect: silent, now: today}}]\n")
    assert "no time" in str(gate(path)[0])


def test_a_hypothetical_request_brings_its_tuples(tmp_path: Path) -> None:
    policies, found = suite(tmp_path, f"  - {{principal: ada, {READ}, expect: permit}}\n")
    request = found.trials[0].request
    context: dict[str, object] = {
        name: value for name, value in request.context.items() if name not in {"rel", "network", "session"}
    }
    context |= {"network": {"ip": "192.0.2.7", "is_allowed": False, "is_suspicious": False}}
    context |= {"session": {"age_min": 4, "acr": 2, "amr": ["pwd"]}}
    asked = {
        "principal": 'Watchword::User::"usr_bob"',
        "action": "read",
        "resource": 'Watchword::Resource::"notes/admin"',
        "context": context,
        "entities": [
            {"uid": str(one.uid), "attrs": dict(one.attributes), "parents": list(map(str, one.parents))}
            for one in request.entities.values()
        ],
    }
    said = policies.explain(question_in(json.dumps(asked).encode(), policies.bundle))
    assert said.answer.effect.value == "silent"
    assert any("can_view" in line and "no" in line for line in for_administrators(said))
    asked["tuples"] = [{"user": "user:usr_bob", "relation": "viewer", "object": "resource:notes/admin"}]
    assert policies.explain(question_in(json.dumps(asked).encode(), policies.bundle)).answer.effect.value == "permit"
    asked["tuples"] = [{"user": "user:usr_bob", "relation": "reads", "object": "resource:notes/admin"}]
    with pytest.raises(PolicyLoadError, match="has no relation `reads`"):
        question_in(json.dumps(asked).encode(), policies.bundle)
