"""Boundary cases come from the constants of policies, and a file of them is a file of tests that pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from watchword.policy import (
    DEFAULT_DIRECTORY,
    Entity,
    EntityUid,
    PolicyRequest,
    PolicySet,
    decimal,
    instant,
    ip,
    set_of,
)
from watchword.policy.trials import boundaries, cover, gate, read_suite, run_trials, written

SHIPPED = DEFAULT_DIRECTORY / "policies"
SCHEMA = """
entity Team;
entity User in [Team] = { level: Long, nick?: String, chief?: User } tags Long;
entity Doc = { owner: User, labels: Set<String>, due: datetime, price: decimal };
action read appliesTo { principal: User, resource: Doc, context: {
    mfa: { age_min?: Long }, posture: String, ip: ipaddr, wait: duration, now: datetime, odd?: { "a b": Long },
}};
"""
KIM, PLAN, STAFF = EntityUid("User", "kim"), EntityUid("Doc", "plan"), EntityUid("Team", "staff")


def request() -> PolicyRequest:
    from watchword.policy import duration  # noqa: PLC0415 (a name that the helper below shadows nowhere else)

    context: dict[str, Any] = {
        "mfa": {"age_min": 40},
        "posture": "good",
        "ip": ip("192.0.2.1"),
        "wait": duration("10m"),
        "now": instant("2026-11-22T10:00:00Z"),
        "odd": {"a b": 3},
    }
    due, price = instant("2026-11-22T12:00:00Z"), decimal("1.5")
    entities = [
        Entity(KIM, {"level": 3}, (STAFF,), {"clearance": 4}),
        Entity(PLAN, {"owner": KIM, "labels": set_of(["a", 'q"\\\n\u2028😀']), "due": due, "price": price}),
        Entity(STAFF),
    ]
    return PolicyRequest(KIM, EntityUid("Action", "read"), PLAN, context, {one.uid: one for one in entities})


def policy_set(tmp_path: Path, *clauses: str) -> PolicySet:
    (tmp_path / "a.cedarschema").write_text(SCHEMA)
    policies = [f'@id("p{n}") permit (principal, action, resource) {clause};' for n, clause in enumerate(clauses)]
    (tmp_path / "a.cedar").write_text("\n".join(policies))
    return PolicySet.load(tmp_path, schema=None)


def facts(policies: PolicySet, *, of: PolicyRequest | None = None) -> list[tuple[str, str]]:
    return [(case.fact, case.verdict.value) for case in boundaries(policies, [("base", of)] if of else [])]


@pytest.mark.parametrize(
    ("clause", "wanted"),
    [
        ("context.mfa has age_min && context.mfa.age_min <= 15",
         {"context.mfa.age_min = 14": "permit", "context.mfa.age_min = 15": "permit",
          "context.mfa.age_min = 16": "silent", "context.mfa.age_min is absent": "silent"}),
        ("15 > resource.owner.level", {"resource.owner.level = 14": "permit", "resource.owner.level = 15": "silent"}),
        ("principal.level * 3 + 1 > 20", {"principal.level = 6": "silent", "principal.level = 7": "permit"}),
        ('context.posture == "good"',
         {"context.posture = good": "permit", "context.posture = GOOD": "silent", "context.posture = goo": "silent",
          "context.posture = goodx": "silent", "context.posture = empty text": "silent"}),
        ('context.posture like "g*d"',
         {"context.posture = gd": "permit", "context.posture = gxd": "permit", "context.posture = g": "silent",
          "context.posture = xgd": "silent"}),
        ('context.ip.isInRange(ip("10.0.0.0/8"))',
         {"context.ip = 9.255.255.255/32": "silent", "context.ip = 10.0.0.0/32": "permit",
          "context.ip = 10.255.255.255/32": "permit", "context.ip = 11.0.0.0/32": "silent",
          "context.ip = 10.0.0.0/7": "silent"}),
        ('context.ip.isInRange(ip("2001:db8::/32"))',
         {"context.ip = 2001:db8::/128": "permit", "context.ip = 2001:db9::/128": "silent"}),
        ('resource.labels.contains("b")', {"resource.labels = []": "silent"}),
        ('["good", "best"].contains(context.posture)',
         {"context.posture = best": "permit", "context.posture = bestx": "silent"}),
        ('resource.due < datetime("2027-01-01")',
         {"resource.due = 2026-12-31T23:59:59.999Z": "permit", "resource.due = 2027-01-01T00:00:00.000Z": "silent"}),
        ('context.now.toTime() >= duration("9h")',
         {"context.now = 2026-11-22T08:59:59.999Z": "silent", "context.now = 2026-11-22T09:00:00.000Z": "permit"}),
        ('resource.due.durationSince(context.now) <= duration("1h")',
         {"context.now = 2026-11-22T10:59:59.999Z": "silent", "context.now = 2026-11-22T11:00:00.000Z": "permit"}),
        ('resource.price.lessThanOrEqual(decimal("2.0"))',
         {"resource.price = 2.0000": "permit", "resource.price = 2.0001": "silent"}),
        ('context.wait > duration("1h")', {"context.wait = 3600000ms": "silent", "context.wait = 3600001ms": "permit"}),
        ("principal has nick", {"principal.nick is absent": "silent", "principal.nick = empty text": "permit"}),
        ('principal == User::"kim"', {'principal = User::"kim"': "permit", 'principal = User::"kim-other"': "silent"}),
        ('principal in Team::"staff"',
         {'principal in Team::"staff"': "permit", 'principal not in Team::"staff"': "silent"}),
        ('context has odd && context.odd["a b"] == 3',
         {"context.odd.a b = 3": "permit", "context.odd.a b = 4": "silent"}),
    ],
)  # fmt: skip
def test_there_is_a_case_on_either_side_of_each_constant(tmp_path: Path, clause: str, wanted: dict[str, str]) -> None:
    found = dict(facts(policy_set(tmp_path, f"when {{ {clause} }}"), of=request()))
    assert {fact: found.get(fact) for fact in wanted} == wanted


@pytest.mark.parametrize(
    "clause",
    [
        'when { context.posture == "good" && principal.level > 7 && resource.labels.contains("x") }',
        'when { !(context.posture == "good") || principal.level > 7 }',
        'when { context.posture == "good" } unless { principal.level < 7 }',
        'when { if context.posture == "good" then principal.level > 7 else context.wait > duration("1h") }',
        "when { context.mfa has age_min && context.mfa.age_min < 15 }",
    ],
)  # fmt: skip
def test_without_tests_a_request_is_made_up_that_reaches_each_clause(tmp_path: Path, clause: str) -> None:
    policies = policy_set(tmp_path, clause)
    cases = list(boundaries(policies, []))
    assert {case.base for case in cases} == {"made up"}
    coverage = cover(policies.bundle, (case.request for case in cases))
    assert coverage.clauses == 100.0
    assert coverage.branches == 100.0


def test_the_cases_of_the_shipped_policies_cover_their_conditions_without_any_test() -> None:
    policies = PolicySet.load(SHIPPED)
    coverage = cover(policies.bundle, (case.request for case in boundaries(policies, [])))
    missing = [clause.missing for one in coverage.policies for clause in one.clauses if clause.kind == "clause"]
    assert set(missing) == {""}


def test_each_case_differs_from_its_base_by_one_fact(tmp_path: Path) -> None:
    asked = request()
    before = repr(asked)
    policies = policy_set(
        tmp_path, "when { context.mfa has age_min && context.mfa.age_min <= 15 && principal.level > 1 }"
    )
    for case in boundaries(policies, [("base", asked)]):
        assert case.given.principal == asked.principal
        places = [
            ("mfa",) if case.given.context != case.request.context else (),
            ("kim",) if case.given.entities[KIM] != case.request.entities[KIM] else (),
        ]
        assert sum(map(len, places)) <= 1
    assert repr(asked) == before


def test_a_file_of_cases_is_a_file_of_tests_that_pass(tmp_path: Path) -> None:
    policies = policy_set(
        tmp_path,
        "when { context.mfa has age_min && context.mfa.age_min <= 15 }",
        "when { resource.labels.contains(\"it's \\u{1f600}\\n\") && resource.owner.level > 4 }",
        'when { context has odd && context.odd["a b"] > 2 && principal in Team::"staff" }',
        'when { resource.price.lessThan(decimal("2.0")) || context.ip.isInRange(ip("10.0.0.0/8")) }',
        'when { principal has chief && principal.chief == User::"ev\\"e" }',
        'when { context.now > datetime("2026-11-22") && context.wait < duration("5m") }',
    )  # fmt: skip
    cases = list(boundaries(policies, [("base", request())]))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "boundaries.yaml").write_text(written(cases))
    suite = read_suite(tmp_path, policies.bundle)
    assert [one.differences for one in run_trials(policies, suite.trials) if one.differences] == []
    readable = [case for case in cases if "since 1970" not in case.fact]
    assert len(suite.trials) == len(readable)
    asked = [trial.request for trial in suite.trials]
    assert [(one.context, one.principal, one.resource) for one in asked] == [
        (case.request.context, case.request.principal, case.request.resource) for case in readable
    ]
    for trial, case in zip(suite.trials, readable, strict=True):
        assert {uid: trial.request.entities[uid] for uid in case.request.entities} == dict(case.request.entities)
    assert gate(tmp_path, schema=None) == ()


def test_a_file_of_cases_notices_that_a_constant_moved(tmp_path: Path) -> None:
    policies = policy_set(tmp_path, "when { context.mfa has age_min && context.mfa.age_min <= 15 }")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "boundaries.yaml").write_text(written(boundaries(policies, [("base", request())])))
    policy_set(tmp_path, "when { context.mfa has age_min && context.mfa.age_min <= 16 }")
    problems = gate(tmp_path, schema=None)
    assert problems
    assert all("context.mfa.age_min = 16" in problem.message for problem in problems)


def test_no_constant_no_case(tmp_path: Path) -> None:
    assert facts(policy_set(tmp_path, ""), of=request()) == []
    assert facts(PolicySet.load(tmp_path / "nothing")) == []
