"""Promises that policies shall keep: read from a file, proved, or broken by a request that the engine confirms."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from watchword.policy import DEFAULT_DIRECTORY, Effect, EntityUid, PolicyLoadError, PolicySet
from watchword.policy.analysis import Finding, Report, Verdict, analyse, read_invariants

DELIVERED = (DEFAULT_DIRECTORY / "policies" / "20-notes.cedar").read_text() + (
    DEFAULT_DIRECTORY / "policies" / "10-administrators.cedar"
).read_text()
ADMIN = """
    scope:
      action: Watchword::Action::"access"
      resource: Watchword::Resource::"notes/admin"
"""


def written(directory: Path, invariants: str, policies: str = DELIVERED) -> PolicySet:
    (directory / "a.cedar").write_text(policies)
    (directory / "invariants.yaml").write_text(invariants)
    return PolicySet.load(directory)


def analysed(directory: Path, invariants: str, policies: str = DELIVERED) -> Report:
    pytest.importorskip("z3", reason="the solver is an optional extra")
    bundle = written(directory, invariants, policies).bundle
    return analyse(bundle, read_invariants(directory, bundle))


def broken(report: Report) -> Finding:
    assert report.invariants == {"i": Verdict.VIOLATED}
    return next(finding for finding in report.findings if finding.subject == "i")


def test_nobody_reaches_the_administration_without_a_second_factor(tmp_path: Path) -> None:
    report = analysed(tmp_path, f"invariants:\n  - id: mfa{ADMIN}    never: '!context.mfa.is_verified'\n")
    assert report.invariants == {"mfa": Verdict.HOLDS}
    assert report.is_clean


def test_without_the_policy_that_keeps_it_the_promise_is_broken_by_a_request_that_is_told(tmp_path: Path) -> None:
    weaker = DELIVERED.replace("context.mfa.is_verified &&", "")
    report = analysed(tmp_path, f"invariants:\n  - id: i{ADMIN}    never: '!context.mfa.is_verified'\n", weaker)
    finding = broken(report)
    assert not report.is_clean
    assert finding.place.line == 2
    assert finding.example is not None
    assert finding.example.policies == ("administrators-may-do-everything",)
    assert finding.example.facts["context.mfa.is_verified"] == "false"
    assert "permitted by `administrators-may-do-everything`" in finding.message
    answer = written(tmp_path, "", weaker).evaluate(finding.example.request)
    assert answer.effect is Effect.PERMIT


def test_a_promise_of_access_is_kept_or_broken(tmp_path: Path) -> None:
    promise = (
        'invariants:\n  - id: i\n    scope:\n      principal: Watchword::Group::"members"\n'
        '      action: [Watchword::Action::"read", Watchword::Action::"write"]\n'
        '      resource: Watchword::Application::"notes"\n'
        "    always: '{}'\n"
    )
    kept = analysed(tmp_path, promise.format('resource != Watchword::Resource::"notes/admin"'))
    assert kept.invariants == {"i": Verdict.HOLDS}
    finding = broken(analysed(tmp_path, promise.format("true")))
    assert "notes-admin" in " ".join(finding.others)
    assert " may not " in finding.message


def test_a_promise_is_broken_where_a_permit_may_be_had_by_a_group_above(tmp_path: Path) -> None:
    schema = (
        "namespace Own { entity Org; entity Team in [Org]; entity Person in [Team] = { level: Long };"
        ' entity Thing; action "do" appliesTo { principal: Person, resource: Thing, context: {} }; }'
    )
    (tmp_path / "own.cedarschema").write_text(schema)
    policies = '@id("p") permit (principal in Own::Org::"o", action, resource is Own::Thing);'
    promise = "invariants:\n  - id: i\n    scope: {{action: 'Own::Action::\"do\"'}}\n    never: '{}'\n"
    finding = broken(analysed(tmp_path, promise.format("principal.level < 3"), policies))
    assert finding.example is not None
    assert 'Own::Org::"o"' in finding.example.facts["principal in"]
    kept = analysed(tmp_path, promise.format('!(principal in Own::Org::"o")'), policies)
    assert kept.invariants == {"i": Verdict.HOLDS}


def test_an_entity_above_that_nobody_described_breaks_a_promise_of_access(tmp_path: Path) -> None:
    (tmp_path / "own.cedarschema").write_text(
        "namespace Own { entity Team = { level: Long }; entity Person in [Team]; entity Thing;"
        ' action "do" appliesTo { principal: Person, resource: Thing, context: {} }; }'
    )
    policies = (
        '@id("p") permit (principal in Own::Team::"t", action, resource is Own::Thing)'
        ' when { Own::Team::"t".level > 0 || true };'
    )
    scope = "{principal: 'Own::Team::\"t\"', action: 'Own::Action::\"do\"'}"
    finding = broken(analysed(tmp_path, f"invariants:\n  - id: i\n    scope: {scope}\n    always: 'true'\n", policies))
    assert finding.example is not None
    assert EntityUid("Own::Team", "t") not in finding.example.request.entities


def test_no_policies_keep_every_never_and_no_always(tmp_path: Path) -> None:
    never = analysed(tmp_path, "invariants:\n  - id: i\n    never: context.risk.level == 2\n", "")
    assert never.invariants == {"i": Verdict.HOLDS}
    broken(analysed(tmp_path, "invariants:\n  - id: i\n    always: context.risk.level == 2\n", ""))


def test_a_forbid_that_fails_keeps_a_never_because_it_denies(tmp_path: Path) -> None:
    policies = (
        "permit (principal, action, resource);"
        " forbid (principal, action, resource) when { context.risk.score + 9223372036854775807 == 0 };"
    )
    report = analysed(tmp_path, "invariants:\n  - id: i\n    never: context.risk.score > 0\n", policies)
    assert report.invariants == {"i": Verdict.HOLDS}


def test_a_condition_that_fails_where_something_is_permitted_keeps_no_promise(tmp_path: Path) -> None:
    report = analysed(
        tmp_path,
        "invariants:\n  - id: i\n    never: context.risk.score * 2 == 3\n",
        "permit (principal, action, resource) when { context.risk.score == 9223372036854775807 };",
    )
    broken(report)


def test_a_promise_about_nothing_is_told(tmp_path: Path) -> None:
    report = analysed(
        tmp_path, "invariants:\n  - id: i\n    never: context.risk.level == 0 && context.risk.level == 1\n"
    )
    assert report.invariants == {"i": Verdict.VACUOUS}
    assert not report.is_clean


def test_a_set_that_is_found_out_late_may_fail_and_keeps_no_promise_of_access(tmp_path: Path) -> None:
    head = 'principal, action in Watchword::Action::"access", resource'
    promise = (
        "invariants:\n  - id: i\n    scope: {action: 'Watchword::Action::\"access\"'}\n"
        "    always: context.risk.level == 0\n"
    )
    (tmp_path / "relations.fga").write_text(
        "model\n  schema 1.1\ntype user\ntype application\n  relations\n    define viewer: [user]\n"
    )
    late = f'permit ({head}) when {{ context.rel.contains("viewer") || true }};'
    assert analysed(tmp_path, promise, late).invariants == {"i": Verdict.UNKNOWN}
    sure = f'permit ({head}) when {{ context.session.amr.contains("pwd") || true }};'
    assert analysed(tmp_path, promise, sure).invariants == {"i": Verdict.HOLDS}


def test_a_promise_that_cedar_keeps_is_unknown_where_others_have_a_say(tmp_path: Path) -> None:
    pytest.importorskip("z3", reason="the solver is an optional extra")
    bundle = written(tmp_path, f"invariants:\n  - id: mfa{ADMIN}    never: '!context.mfa.is_verified'\n").bundle
    report = analyse(bundle, read_invariants(tmp_path, bundle), others_decide=True)
    assert report.invariants == {"mfa": Verdict.UNKNOWN}
    assert not report.is_clean
    assert "others have a say" in report.unknown[0].message


def test_a_promise_that_cedar_keeps_is_unknown_beside_policies_in_rego(tmp_path: Path) -> None:
    pytest.importorskip("regorus", reason="Rego is an optional extra")
    (tmp_path / "rego").mkdir()
    (tmp_path / "rego" / "all.rego").write_text("package all.authz\n\nimport rego.v1\n\nallow := true\n")
    promise = f"invariants:\n  - id: mfa{ADMIN}    never: '!context.mfa.is_verified'\n"
    assert analysed(tmp_path, promise).invariants == {"mfa": Verdict.UNKNOWN}


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("invariants: 7", "invariants.yaml:1:13", "list"),
        ("invariant: []", "invariants.yaml:1:1", "`invariants`"),
        ("invariants:\n  - never: 'true'", "invariants.yaml:2:5", "`id`"),
        ("invariants:\n  - id: a", "invariants.yaml:2:5", "`never` and `always`"),
        ("invariants:\n  - {id: a, never: 'true', always: 'true'}", "invariants.yaml:2:5", "`never` and `always`"),
        ("invariants:\n  - id: a\n    nevver: 'true'", "invariants.yaml:3:5", "did you mean `never`"),
        ("invariants:\n  - id: a\n    never: 'context.risk ='", "invariants.yaml:3:12", "not a condition of Cedar"),
        ("invariants:\n  - id: a\n    never: context.risk.sore > 1", "invariants.yaml:3:12", "did you mean `score`"),
        ("invariants:\n  - id: a\n    never: context.risk.score", "invariants.yaml:3:12", "expected"),
        (
            "invariants:\n  - id: a\n    never: 'true }; permit (principal, action, resource) when { true'",
            "invariants.yaml:3:12",
            "more than one condition",
        ),
        (
            "invariants:\n  - id: a\n    never: 'true } unless { false'",
            "invariants.yaml:3:12",
            "more than one condition",
        ),
        (
            "invariants:\n  - id: a\n    scope: {resource: notes}\n    never: 'true'",
            "invariants.yaml:3:23",
            "not the name of an entity",
        ),
        (
            (
                "invariants:\n  - id: a\n    scope:\n"
                "      resource: 'A::\"b\") when { true }; permit (principal, action, resource'\n    never: 'true'"
            ),
            "invariants.yaml:4:17",
            "not the name of an entity",
        ),
        (
            "invariants:\n  - id: a\n    scope: {action: 'Watchword::Action::\"fly\"'}\n    never: 'true'",
            "invariants.yaml:4:12",
            "fly",
        ),
        ("invariants:\n  - {id: a, never: 'true'}\n  - {id: a, never: 'true'}", "invariants.yaml:3:5", "taken"),
        ("invariants:\n  - id: a\n    never: '" + "(" * 500 + "'", "invariants.yaml:3:12", "nested too deeply"),
    ],
)
def test_a_malformed_promise_is_refused_with_its_place(tmp_path: Path, text: str, place: str, words: str) -> None:
    bundle = written(tmp_path, text).bundle
    with pytest.raises(PolicyLoadError) as caught:
        read_invariants(tmp_path, bundle)
    assert caught.value.problems[0].place == place
    assert words in str(caught.value.problems[0])


def test_every_malformed_promise_is_told_at_once(tmp_path: Path) -> None:
    text = "invariants:\n  - {id: a}\n  - {id: b, never: 7}\n  - {id: c, never: 'true'}"
    bundle = written(tmp_path, text).bundle
    with pytest.raises(PolicyLoadError) as caught:
        read_invariants(tmp_path, bundle)
    assert [problem.line for problem in caught.value.problems] == [2, 3]


def test_a_directory_without_promises_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text(DELIVERED)
    assert read_invariants(tmp_path, PolicySet.load(tmp_path).bundle) == ()


# ---- without the solver ----------------------------------------------------------------------------------------------


def test_without_the_solver_the_analysis_says_how_to_install_it_and_the_rest_works() -> None:
    script = """
import sys
sys.modules["z3"] = None
from watchword.policy import DEFAULT_DIRECTORY, PolicySet
from watchword.policy.analysis import AnalysisUnavailableError, analyse, read_invariants
bundle = PolicySet.load(DEFAULT_DIRECTORY / "policies").bundle
read_invariants(DEFAULT_DIRECTORY / "policies", bundle)
try:
    analyse(bundle)
except AnalysisUnavailableError as error:
    print(error.code, error.hint)
"""
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert said.stdout == "policy.analysis_unavailable install it with: pip install 'watchword[analysis]'\n"


def test_reading_policies_imports_neither_the_solver_nor_the_filters() -> None:
    script = """
import sys, watchword.policy, watchword.policy.analysis
print("z3" in sys.modules, "watchword.policy.filters" in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert said.stdout == "False False\n"
