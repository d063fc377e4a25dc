"""Explanations at their limits: each form of a clause, what would change the answer, what a refused person learns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from policy_cases import Seeded, World, bundle_of, is_valid, reparsed, schema, schema_text

from watchword.policy import (
    Effect,
    Entity,
    EntityUid,
    Explanation,
    PolicyRequest,
    PolicySet,
    decimal,
    instant,
    ip,
    set_of,
)
from watchword.policy.explain import Clause
from watchword.policy.facts import changed
from watchword.policy.telling import ASK_SOMEBODY, conditions_of, for_administrators, for_the_refused

SCHEMA = """
entity Team;
entity User in [Team] = { level: Long, chief?: User, nick?: String } tags Long;
entity Doc = { owner: User, labels: Set<String>, due: datetime, price: decimal };
action read appliesTo { principal: User, resource: Doc, context: {
    mfa: { age_min?: Long, is_verified: Bool }, device: { posture: String }, network: { ip: ipaddr }, secretive: Long,
    note?: String,
}};
"""
KIM, PLAN, STAFF = EntityUid("User", "kim"), EntityUid("Doc", "plan"), EntityUid("Team", "staff")
LABELS = set_of(["a", "b"])
CONTEXT: dict[str, Any] = {
    "mfa": {"is_verified": True, "age_min": 40},
    "device": {"posture": "good"},
    "network": {"ip": ip("10.1.2.3")},
    "secretive": 7,
}


def request(*, context: dict[str, Any] | None = None, **user: Any) -> PolicyRequest:
    entities = [
        Entity(KIM, {"level": 3, **user}, (), {"clearance": 4}),
        Entity(
            PLAN, {"owner": KIM, "labels": set_of(["a", "b"]), "due": instant("2026-11-22"), "price": decimal("1.5")}
        ),
    ]
    found = {entity.uid: entity for entity in entities}
    return PolicyRequest(KIM, EntityUid("Action", "read"), PLAN, {**CONTEXT, **(context or {})}, found)


def policy_set(tmp_path: Path, *policies: str) -> PolicySet:
    (tmp_path / "a.cedarschema").write_text(SCHEMA)
    (tmp_path / "a.cedar").write_text("\n".join(policies))
    return PolicySet.load(tmp_path, schema=None)


def explained(tmp_path: Path, clause: str, *, asked: PolicyRequest | None = None) -> Explanation:
    """Explain one permit with one clause."""
    return policy_set(tmp_path, f'@id("only") permit (principal, action, resource) {clause};').explain(
        asked or request()
    )


def shape(clause: Clause) -> Any:
    parts = [shape(part) for part in clause.parts]
    return (clause.kind, clause.value, parts) if parts else (clause.kind, clause.value)


# --- every form -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clause", "wanted"),
    [
        ("when { principal.level > 5 || principal.level == 3 || principal.level == 4 }",
         ("when", "true", [("||", "false"), ("||", "true"), ("||", "not reached")])),
        ("unless { principal.level > 5 || principal.level > 6 }",
         ("unless", "false", [("||", "false"), ("||", "false")])),
        ("when { (principal.level > 1 && principal.level > 5) && principal.level > 2 }",
         ("when", "false", [("&&", "true"), ("&&", "false"), ("&&", "not reached")])),
        ("when { principal.level > 1 && (principal.level > 5 || principal.level > 2) }",
         ("when", "true", [("&&", "true"), ("&&", "true", [("||", "false"), ("||", "true")])])),
        ("when { !(principal.level > 1) }", ("when", "false", [("!", "true")])),
        ("when { if principal.level > 5 then false else (if principal.level > 2 then true else false) }",
         ("when", "true", [("if", "false"), ("then", "not reached"),
                           ("else", "true", [("if", "true"), ("then", "true"), ("else", "not reached")])])),
        ("when { (if principal.level > 5 then 1 else 2) == 2 }", ("when", "true", [("if", "false")])),
        ("when { [principal.level > 5 && true, true].contains(true) }",
         ("when", "true", [("&&", "false"), ("&&", "not reached")])),
        ('when { principal has nick && principal.nick == "k" }',
         ("when", "false", [("&&", "false"), ("&&", "not reached")])),
        ('when { resource.labels.containsAll(["a", "c"]) }', ("when", "false")),
        ('when { context.device.posture like "go*" }', ("when", "true")),
        ('when { context.network.ip.isInRange(ip("10.0.0.0/8")) }', ("when", "true")),
        ('when { resource.price.lessThan(decimal("1.5")) }', ("when", "false")),
        ("when { resource.owner.level > 2 }", ("when", "true")),
        ('when { principal.hasTag("clearance") && principal.getTag("clearance") > 5 }',
         ("when", "false", [("&&", "true"), ("&&", "false")])),
        ("when { principal is User && resource.owner == principal }",
         ("when", "true", [("&&", "true"), ("&&", "true")])),
    ],
)  # fmt: skip
def test_each_form_shows_what_each_part_came_to(tmp_path: Path, clause: str, wanted: Any) -> None:
    (trace,) = explained(tmp_path, clause).candidates
    assert shape(trace.clauses[-1]) == wanted


def test_a_clause_that_failed_says_how_and_what_was_before_it(tmp_path: Path) -> None:
    said = explained(tmp_path, "when { principal.level > 1 && principal.level * 9223372036854775807 > 1 }")
    (trace,) = said.candidates
    assert trace.has_failed
    assert not trace.is_satisfied
    assert shape(trace.clauses[-1]) == (
        "when",
        "failed: a number does not fit 64 bits",
        [("&&", "true"), ("&&", "failed: a number does not fit 64 bits")],
    )


def test_conditions_after_the_one_that_failed_are_not_reached(tmp_path: Path) -> None:
    said = explained(tmp_path, "when { principal.level > 5 } unless { principal.level > 6 } when { true }")
    (trace,) = said.candidates
    assert [shape(clause) for clause in trace.clauses[3:]] == [
        ("when", "false"),
        ("unless", "not reached"),
        ("when", "not reached"),
    ]
    assert trace.first_failed is trace.clauses[3]


def test_a_record_whose_names_look_like_forms_is_a_record(tmp_path: Path) -> None:
    said = explained(tmp_path, 'when { {"&&": principal.level, "if-then-else": 1} == {"&&": 3, "if-then-else": 1} }')
    (trace,) = said.candidates
    assert shape(trace.clauses[-1]) == ("when", "true")
    assert trace.clauses[-1].reads == {"principal.level": "3"}


@pytest.mark.parametrize("seed", range(60, 84))
def test_a_trace_tells_what_the_engine_did_whatever_the_policies(seed: int) -> None:
    import cedarpy  # noqa: PLC0415 (only the generator needs it)

    made = schema(Seeded(seed))
    rendered = str(cedarpy.Schema.from_str(schema_text(made)))
    world = World(Seeded(seed), made)
    ests = [est for est in (world.policy(f"p{number}") for number in range(8)) if is_valid([est], rendered)]
    policies = PolicySet(bundle_of(reparsed(ests), rendered))
    for _ in range(3):
        said = policies.explain(world.request(world.entities()))
        forbids = {found.id for found in said.candidates if found.is_satisfied and found.effect == "forbid"}
        permits = {found.id for found in said.candidates if found.is_satisfied and found.effect == "permit"}
        failed = {found.id for found in said.candidates if found.has_failed and found.effect == "forbid"}
        expected = Effect.ERROR if failed else Effect.FORBID if forbids else Effect.PERMIT if permits else Effect.SILENT
        assert said.answer.effect is expected
        assert {ref.id for ref in said.answer.determining} == (set() if failed else forbids or permits)


# --- what would change it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clause", "said"),
    [
        ("when { context.mfa has age_min && context.mfa.age_min < 15 }",
         "MFA were newer than 15 minutes (context.mfa.age_min is 40)"),
        ("when { context.mfa has age_min && 50 < context.mfa.age_min }",
         "MFA were older than 50 minutes (context.mfa.age_min is 40)"),
        ("unless { context.secretive >= 7 }", "context.secretive were less than 7 (it is 7)"),
        ("when { context.secretive * 2 + 1 > 20 }",
         "`((context.secretive * 2) + 1) > 20` were true (context.secretive is 7)"),
        ("unless { context.mfa.is_verified }", "context.mfa.is_verified were false (it is true)"),
        ('when { context.device.posture == "best" }', 'context.device.posture were "best" (it is good)'),
        ('when { context.device.posture != "good" }', 'context.device.posture were not "good" (it is good)'),
        ('when { context.device.posture like "*ok*" }',
         '`context.device.posture like "*ok*"` were true (context.device.posture is good)'),
        ('when { context.network.ip.isInRange(ip("192.0.2.0/24")) }',
         '`context.network.ip.isInRange(ip("192.0.2.0/24"))` were true (context.network.ip is 10.1.2.3/32)'),
        ('when { resource.labels.containsAll(["a", "c"]) }',
         '`resource.labels.containsAll(["a", "c"])` were true (resource.labels is [a, b])'),
        ("when { context has note }", "context.note were known (it is missing)"),
        ('when { principal in Team::"staff" }', 'the principal were in Team::"staff"'),
        ("when { resource.owner.level > 5 }", "resource.owner.level were more than 5 (it is 3)"),
        ('when { resource.due > datetime("2027-01-01") }',
         'resource.due were more than datetime("2027-01-01") (it is 2026-11-22T00:00:00.000Z)'),
        ("when { if context.mfa.is_verified then context.secretive > 8 else true }",
         "context.secretive were more than 8 (it is 7)"),
    ],
)  # fmt: skip
def test_the_nearest_miss_says_what_would_change_it(tmp_path: Path, clause: str, said: str) -> None:
    found = explained(tmp_path, clause)
    assert found.answer.effect is Effect.SILENT
    assert conditions_of(found.ways[0]) == said
    assert found.ways[0].is_certain
    assert f"would be allowed if {said}" in list(for_administrators(found))


def test_a_way_joins_what_every_policy_in_the_way_asks(tmp_path: Path) -> None:
    policies = policy_set(
        tmp_path,
        '@id("open") permit (principal in Team::"staff", action, resource);',
        '@id("old") forbid (principal, action, resource)'
        " unless { context.mfa has age_min && context.mfa.age_min < 15 };",
        '@id("far") forbid (principal, action, resource) when { context.network.ip.isInRange(ip("10.0.0.0/8")) };',
    )
    (way, *_) = policies.explain(request()).ways
    assert set(way.policies) == {"open", "old", "far"}
    assert len(way.changes) == 3
    assert way.is_certain


def test_a_way_that_another_policy_closes_is_not_told_as_certain(tmp_path: Path) -> None:
    policies = policy_set(
        tmp_path,
        '@id("open") permit (principal, action, resource) when { context.secretive > 10 };',
        '@id("shut") forbid (principal, action, resource) when { context.secretive > 9 };',
    )
    said = policies.explain(request())
    assert [way.is_certain for way in said.ways] == [False]
    assert "might be allowed if context.secretive were more than 10 (it is 7)" in list(for_administrators(said))
    assert for_the_refused(said) == (ASK_SOMEBODY,)


def test_what_nothing_can_change_has_no_way(tmp_path: Path) -> None:
    said = policy_set(tmp_path, '@id("x") permit (principal == User::"eve", action, resource);').explain(request())
    assert said.ways == ()
    assert for_the_refused(said) == (ASK_SOMEBODY,)
    assert explained(tmp_path, "when { false }").ways == ()


def test_a_certain_way_leads_to_a_permit(tmp_path: Path) -> None:
    asked = request()
    said = explained(tmp_path, 'when { context.secretive > 10 && !(context.device.posture == "good") }', asked=asked)
    policies = PolicySet.load(tmp_path, schema=None)
    for change in said.ways[0].changes:
        asked = changed(asked, change.act)
    assert policies.evaluate(asked).effect is Effect.PERMIT


def test_the_given_request_is_never_changed(tmp_path: Path) -> None:
    asked = request()
    before = repr(asked)
    explained(tmp_path, "when { resource.owner.level > 5 && context.secretive > 10 }", asked=asked)
    assert repr(asked) == before


# --- for the person refused -----------------------------------------------------------------------------------------


CLAUSES = (
    "when { context.mfa has age_min && context.mfa.age_min < 15 }",
    "when { context.secretive > 8675309 }",
    'when { context.device.posture == "zanzibar" }',
    'when { context.network.ip.isInRange(ip("203.0.113.0/24")) }',
    "when { principal.level > 8675309 }",
    'when { principal in Team::"zanzibar" }',
    'when { resource.owner == User::"zanzibar" }',
    'when { resource.labels.contains("zanzibar") }',
    "when { principal.level * 9223372036854775807 > 1 }",
    'when { context has note && context.note like "*zanzibar*" }',
    "unless { context.secretive == 7 }",
)  # fmt: skip


@pytest.mark.parametrize("clause", CLAUSES)
@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_a_refused_person_learns_no_policy_no_attribute_and_no_constant(
    tmp_path: Path, clause: str, effect: str
) -> None:
    head = f'@id("mongoose-rule") {effect} (principal, action, resource) '
    turned = clause if effect == "permit" else clause.replace("when", "unless", 1)
    others = ['@id("mongoose-open") permit (principal, action, resource);'] if effect == "forbid" else []
    said = policy_set(tmp_path, f"{head}{turned};", *others).explain(request())
    assert said.answer.effect is not Effect.PERMIT or "unless { context.secretive" in turned
    told = " ".join(for_the_refused(said))
    words = set(re.findall(r"[a-z_]+|[0-9]+", told.lower()))
    constants = {"mongoose", "zanzibar", "8675309", "203", "15", "7", "9223372036854775807"}
    attributes = {"age_min", "is_verified", "posture", "secretive", "level", "labels", "owner", "mfa", "ip", "note"}
    people = {"kim", "eve", "team", "user", "doc", "principal", "resource", "context", "policy"}
    assert not words & (constants | attributes | people)
    assert not re.search(r"[`\"{}<>=&|]", told)


def test_a_refused_person_is_told_what_they_can_do_themselves(tmp_path: Path) -> None:
    said = explained(tmp_path, "when { context.mfa has age_min && context.mfa.age_min < 15 }")
    assert for_the_refused(said) == ("Confirm that it is you with a second factor.",)


def test_half_a_way_is_not_told(tmp_path: Path) -> None:
    said = explained(tmp_path, "when { context.mfa has age_min && context.mfa.age_min < 15 && principal.level > 9 }")
    assert for_the_refused(said) == (ASK_SOMEBODY,)


def test_whoever_was_let_in_is_told_nothing(tmp_path: Path) -> None:
    assert for_the_refused(explained(tmp_path, "")) == ()


def test_an_error_tells_a_refused_person_nothing_of_what_failed(tmp_path: Path) -> None:
    said = explained(tmp_path, "", asked=request(context={"secretive": "x"}))
    assert said.answer.effect is Effect.ERROR
    assert for_the_refused(said) == (ASK_SOMEBODY,)


def test_beside_rego_no_way_is_certain(tmp_path: Path) -> None:
    (tmp_path / "rego").mkdir()
    (tmp_path / "rego" / "a.rego").write_text("package a.authz\nimport rego.v1\ndefault allow := false\n")
    policies = policy_set(tmp_path, '@id("x") permit (principal, action, resource) when { context.secretive > 10 };')
    said = policies.explain(request())
    assert not any(way.is_certain for way in said.ways)
    assert for_the_refused(said) == (ASK_SOMEBODY,)
