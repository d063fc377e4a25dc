"""What the analysis finds in policies, and where it says that it stands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("z3", reason="the solver is an optional extra")

from watchword.policy import DEFAULT_DIRECTORY, PolicySet
from watchword.policy.analysis import FindingKind, Limits, Report, analyse

HEAD = 'principal, action, resource in Watchword::Application::"payroll"'
KIND = FindingKind


def analysed(directory: Path, text: str, limits: Limits | None = None) -> Report:
    (directory / "a.cedar").write_text(text)
    return analyse(PolicySet.load(directory).bundle, limits=limits)


def kinds(report: Report) -> list[tuple[str, FindingKind]]:
    return [(finding.subject, finding.kind) for finding in report.findings]


def test_the_policies_that_are_delivered_are_found_right() -> None:
    report = analyse(PolicySet.load(DEFAULT_DIRECTORY / "policies").bundle)
    assert report.is_clean
    assert report.unknown == ()
    assert report.policies == 7


NEVER = [
    'context.risk.score > 50 && context.http.method == "GET" && context.risk.score < 10',
    "context.time.hour + 1 == context.time.hour",
    'context.http.path like "/a/*" && !(context.http.path like "/a*")',
    'context.network.ip.isInRange(ip("10.0.0.0/8")) && context.network.ip.isIpv6()',
    'context.session.amr.containsAll(["pwd", "otp"]) && !context.session.amr.contains("otp")',
    "context.mfa has age_min && context.mfa.age_min < 1 && context.mfa.age_min > 2",
    'principal == Watchword::User::"a" && principal.name == "x" && Watchword::User::"a".name == "y"',
    "if context.risk.level == 0 then context.risk.level == 1 else false",
    'resource in Watchword::Application::"payroll" && !(resource in Watchword::Application::"payroll")',
    "context.risk.score * 2 == 7",
]


@pytest.mark.parametrize("condition", NEVER)
def test_a_policy_whose_conditions_contradict_can_never_match(tmp_path: Path, condition: str) -> None:
    report = analysed(tmp_path, f'@id("p") permit ({HEAD}) when {{ {condition} }};')
    assert kinds(report) == [("p", KIND.NEVER_MATCHES)]
    assert "can never match" in report.findings[0].message


@pytest.mark.parametrize(
    "condition",
    [
        "context.risk.score > 50 || context.risk.score < 10",
        "context.mfa has age_min && context.mfa.age_min < 1",
        'context.http.path like "/a/*" && !(context.http.path like "/a/b*")',
        'context.network.ip.isInRange(ip("10.0.0.0/8"))',
        'context.session.amr.containsAny(["pwd", "otp"])',
        r'context.http.host == "a\\u{41}" && principal has email && principal.email like "*@x.org"',
        "context.risk.score * context.risk.level == 6",
        "context.risk.score + 9223372036854775800 > 0",
    ],
)
def test_a_policy_that_can_match_is_not_said_to_be_unable_to(tmp_path: Path, condition: str) -> None:
    report = analysed(tmp_path, f'@id("p") permit ({HEAD}) when {{ {condition} }};')
    assert report.findings == ()
    assert report.unknown == ()


def test_a_policy_whose_action_does_not_take_its_resource_can_never_match(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text(f'@id("p") permit ({HEAD});')
    bundle = PolicySet.load(tmp_path).bundle
    use = {"op": "==", "entity": {"type": "Watchword::Action", "id": "use"}}
    resource = {"op": "is", "entity_type": "Watchword::Resource"}
    odd = replace(bundle.policies[0], est={**bundle.policies[0].est, "action": use, "resource": resource})
    report = analyse(replace(bundle, policies=(odd,)))
    assert kinds(report) == [("p", KIND.NEVER_MATCHES)]
    assert "no action of the schema" in report.findings[0].message


def test_a_place_is_the_line_and_column_of_the_first_clause_to_blame(tmp_path: Path) -> None:
    text = (
        "// a comment\n\n"
        '@id("p")\n'
        f"  permit ({HEAD})\n"
        'when { context.http.method == "GET" };\n'
        '  @id("q") permit (principal, action, resource)\n'
        '  when { context.http.method == "GET" && context.risk.level == 1 &&\n'
        "         (context.risk.level == 2) };\n"
    )
    report = analysed(tmp_path, text)
    assert str(report.findings[0].place) == "a.cedar:7:42"
    assert (
        "`(context.risk.level == 2)` and `context.risk.level == 1` cannot hold together" in report.findings[0].message
    )


def test_a_permit_that_a_forbid_covers_is_shadowed(tmp_path: Path) -> None:
    report = analysed(
        tmp_path,
        f'@id("night") forbid ({HEAD}) when {{ context.time.hour < 6 }};'
        f'@id("early") permit ({HEAD}) when {{ context.time.hour < 3 }};',
    )
    assert kinds(report) == [("early", KIND.SHADOWED)]
    assert report.findings[0].others == ("night",)
    assert "forbidden by `night`" in report.findings[0].message


def test_a_permit_that_several_forbids_cover_together_names_them_all(tmp_path: Path) -> None:
    report = analysed(
        tmp_path,
        f'@id("low") forbid ({HEAD}) when {{ context.time.hour < 6 }};'
        f'@id("high") forbid ({HEAD}) when {{ context.time.hour >= 6 && context.risk.level > 0 }};'
        f'@id("other") forbid ({HEAD}) when {{ context.device.posture == "x" }};'
        f'@id("p") permit ({HEAD}) when {{ context.risk.level == 2 }};',
    )
    assert [(finding.subject, finding.others) for finding in report.findings] == [("p", ("high", "low"))]


def test_a_permit_that_some_forbid_only_touches_is_not_shadowed(tmp_path: Path) -> None:
    report = analysed(
        tmp_path,
        f'@id("night") forbid ({HEAD}) when {{ context.time.hour < 6 }};'
        f'@id("early") permit ({HEAD}) when {{ context.time.hour < 7 }};',
    )
    assert report.is_clean


def test_a_permit_is_shadowed_by_a_forbid_that_only_fails_on_it(tmp_path: Path) -> None:
    report = analysed(
        tmp_path,
        f'@id("f") forbid ({HEAD}) when {{ context.risk.score + 9223372036854775807 == 9223372036854775807 }};'
        f'@id("p") permit ({HEAD}) when {{ context.risk.score == 7 }};',
    )
    assert kinds(report) == [("p", KIND.SHADOWED)]


def test_a_permit_and_a_forbid_of_the_same_requests_contradict(tmp_path: Path) -> None:
    report = analysed(
        tmp_path,
        f'@id("no") forbid ({HEAD}) when {{ !(context.risk.level < 2) }};'
        f'@id("yes") permit ({HEAD}) when {{ context.risk.level >= 2 }};',
    )
    assert kinds(report) == [("yes", KIND.CONTRADICTS)]


def test_of_two_policies_that_say_the_same_one_is_implied_and_the_other_is_not(tmp_path: Path) -> None:
    report = analysed(
        tmp_path,
        f'@id("a") permit ({HEAD}) when {{ context.risk.level < 2 }};'
        f'@id("b") permit ({HEAD}) when {{ !(context.risk.level >= 2) }};',
    )
    assert kinds(report) == [("a", KIND.IMPLIED)]
    assert report.findings[0].others == ("b",)


def test_a_forbid_that_may_fail_is_not_implied_by_one_that_does_not(tmp_path: Path) -> None:
    report = analysed(
        tmp_path,
        f'@id("all") forbid ({HEAD}) when {{ context.risk.score > 0 }};'
        f'@id("some") forbid ({HEAD}) when {{ context.risk.score > 5 && context.risk.score < 9 }};'
        f'@id("fails") forbid ({HEAD}) when {{ context.trust.score * 4611686018427387904 > 0 '
        "&& context.risk.score > 5 };",
    )
    assert kinds(report) == [("some", KIND.IMPLIED)]


def test_a_forbid_that_can_only_fail_is_told_apart(tmp_path: Path) -> None:
    report = analysed(
        tmp_path,
        f'@id("p") forbid ({HEAD}) when '
        "{ context.risk.score > 0 && context.risk.score + 9223372036854775807 > 9223372036854775806 };",
    )
    assert kinds(report) == [("p", KIND.ONLY_FAILS)]


@pytest.mark.parametrize(
    ("condition", "column", "said"),
    [
        ("principal is Watchword::User && context.risk.level == 0", 11, "always true"),
        ("context.risk.level == 0 && context.risk.level < 2", 38, "always true"),
        ("context.risk.level == 0 || context.risk.level * 0 == 1", 38, "never true"),
        ("context.risk.level == 0 && (context.trust.score > 5 || context.risk.level == 3)", 66, "never true"),
        ("true", 11, "always true"),
    ],
)
def test_a_clause_that_is_always_or_never_true_is_found(tmp_path: Path, condition: str, column: int, said: str) -> None:
    report = analysed(tmp_path, f'@id("p") permit ({HEAD})\n   when {{ {condition} }};')
    assert kinds(report) == [("p", KIND.CONSTANT)]
    assert (report.findings[0].place.line, report.findings[0].place.column) == (2, column)
    assert said in report.findings[0].message


def test_an_unless_that_excludes_nothing_is_found(tmp_path: Path) -> None:
    report = analysed(tmp_path, f'@id("p") permit ({HEAD}) unless {{ context.risk.level * 0 == 1 }};')
    assert kinds(report) == [("p", KIND.CONSTANT)]
    assert "never true" in report.findings[0].message


def test_what_is_not_settled_in_time_is_unknown_and_claimed_by_nobody(tmp_path: Path) -> None:
    report = analysed(
        tmp_path,
        f'@id("p") permit ({HEAD}) when {{ context.risk.level == 0 && context.risk.level == 1 }};',
        Limits(query_s=1.0, total_s=0.0),
    )
    assert report.findings == ()
    assert [unknown.subject for unknown in report.unknown] == ["p"]


def test_what_has_no_form_for_the_solver_is_not_called_impossible(tmp_path: Path) -> None:
    (tmp_path / "own.cedarschema").write_text(
        "namespace Own { entity U; entity R = { all: Set<Set<Long>> };"
        ' action "do" appliesTo { principal: U, resource: R, context: { address: String } }; }'
    )
    report = analysed(
        tmp_path,
        '@id("p") permit (principal is Own::U, action, resource is Own::R) when { !resource.all.isEmpty() };'
        '@id("q") forbid (principal is Own::U, action, resource is Own::R) when { resource.all.contains([1, 2]) };',
    )
    assert report.findings == ()
    assert {unknown.subject for unknown in report.unknown} == {"p", "q"}


def test_a_linked_template_is_analysed_like_any_policy(tmp_path: Path) -> None:
    (tmp_path / "links.json").write_text(
        '[{"template": "t", "id": "l", "values": {"?principal": {"type": "Watchword::Group", "id": "g"}}}]'
    )
    report = analysed(
        tmp_path,
        '@id("t") permit (principal in ?principal, action, resource)'
        " when { context.risk.level == 0 && context.risk.level == 1 };",
    )
    assert kinds(report) == [("l", KIND.NEVER_MATCHES)]
    assert str(report.findings[0].place) == "links.json"


def test_a_literal_that_looks_like_an_escape_of_the_solver_is_the_text_that_it_is(tmp_path: Path) -> None:
    report = analysed(
        tmp_path,
        f'@id("p") permit ({HEAD}) when '
        r'{ context.http.host == "\\u{41}" && context.http.host like "A" };'
        f'@id("q") permit ({HEAD}) when '
        r'{ context.http.host == "\\u{41}" && context.http.host like "\\u{41}*" };',
    )
    assert ("p", KIND.NEVER_MATCHES) in kinds(report)
    assert ("q", KIND.NEVER_MATCHES) not in kinds(report)
