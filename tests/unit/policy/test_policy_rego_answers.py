"""What policies in Rego answer, alone and beside Cedar; the first test is the first rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rego_world import BANNED, EXAMPLE, EXAMPLE_INPUT, HEAD, MEMBERS, request, write

from watchword.kernel import Answer, Reason
from watchword.policy import Effect, PolicyAnswer, PolicySet
from watchword.policy.obligations import ObligationBook
from watchword.policy.rego import RegoPolicies, Stand, load_rego
from watchword.policy.verdict import verdict_of

Ask = Callable[..., PolicyAnswer]


@pytest.fixture
def ask(tmp_path: Path, request: pytest.FixtureRequest) -> Ask:
    def asked(*groups: str, cedar: str = "", **rego: str) -> PolicyAnswer:
        loaded = PolicySet.load(write(tmp_path, cedar, **rego))
        if loaded.bundle.rego is not None:
            request.addfinalizer(loaded.bundle.rego.close)
        return loaded.evaluate(ask_request(*groups))

    return asked


ask_request = request


def loaded(tmp_path: Path, **rego: str) -> RegoPolicies:
    found = load_rego(write(tmp_path, **rego))
    assert found is not None
    return found


def test_rego_that_allows_nothing_denies(ask: Ask) -> None:
    answer = ask(a=HEAD)
    assert answer.effect is Effect.FORBID
    assert [ref.id for ref in answer.determining] == ["rego:x.authz"]


def test_rego_alone_permits_where_there_is_no_cedar(ask: Ask) -> None:
    answer = ask("members", a=HEAD + 'allow if "members" in input.user.roles')
    assert answer.effect is Effect.PERMIT
    assert [ref.id for ref in answer.determining] == ["rego:x.authz"]
    assert ask("guests", a=HEAD + 'allow if "members" in input.user.roles').effect is Effect.FORBID


def test_a_denial_in_rego_wins_over_a_permit_in_cedar(ask: Ask) -> None:
    answer = ask("members", cedar=MEMBERS, a=HEAD)
    assert answer.effect is Effect.FORBID
    assert [ref.id for ref in answer.determining] == ["rego:x.authz"]


def test_a_forbid_in_cedar_wins_over_an_allow_in_rego(ask: Ask) -> None:
    answer = ask("members", "banned", cedar=MEMBERS + BANNED, a=HEAD + "allow := true")
    assert answer.effect is Effect.FORBID
    assert [ref.id for ref in answer.determining] == ["a.cedar#2"]


def test_both_permits_are_named(ask: Ask) -> None:
    answer = ask("members", cedar=MEMBERS, a=HEAD + "allow if true")
    assert answer.effect is Effect.PERMIT
    assert [ref.id for ref in answer.determining] == ["a.cedar#1", "rego:x.authz"]


def test_a_package_with_only_deny_objects_and_never_permits(ask: Ask) -> None:
    rule = 'package x\nimport rego.v1\ndeny contains "not at night" if input.time.hour < {}'
    assert ask("members", cedar=MEMBERS, a=rule.format(6)).effect is Effect.PERMIT
    denied = ask("members", cedar=MEMBERS, a=rule.format(23))
    assert denied.effect is Effect.FORBID
    assert denied.determining[0].annotations["reason"] == "not at night"
    assert ask(cedar=MEMBERS, a=rule.format(6)).effect is Effect.SILENT


def test_deny_wins_over_allow_in_one_package(ask: Ask) -> None:
    answer = ask(a=HEAD + 'allow if true\ndeny contains "no" if true')
    assert answer.effect is Effect.FORBID


@pytest.mark.parametrize(
    ("deny", "denies"),
    [
        ("deny := true", True),
        ("deny := false", False),
        ("deny if input.nothing", False),
        ("deny := set()", False),
        ("deny := {}", False),
        ('deny := {"msg": "no"}', True),
        ('deny := ["no"]', True),
        ('deny contains {"msg": "no", "code": 7} if true', True),
        ("deny := null", True),
        ("deny := 0", True),
        ('deny := "<undefined>"', True),
    ],
)
def test_deny_denies_unless_it_is_undefined_false_or_empty(ask: Ask, deny: str, *, denies: bool) -> None:
    answer = ask(a=f"{HEAD}allow if true\n{deny}")
    assert (answer.effect is Effect.FORBID) == denies
    assert (answer.effect is Effect.PERMIT) != denies


@pytest.mark.parametrize(
    ("allow", "effect", "code"),
    [
        ('{"allowed": true, "reason": "on duty"}', Effect.PERMIT, ""),
        ('{"allow": false, "reasons": ["too late", "too far"]}', Effect.FORBID, ""),
        ('{"allowed": true, "headers": {"x-role": "admin"}}', Effect.ERROR, "rego_not_boolean"),
        ('{"allowed": "true"}', Effect.ERROR, "rego_not_boolean"),
        ('{"allow": true, "allowed": false}', Effect.ERROR, "rego_not_boolean"),
        ('{"allow": true, "reason": 7}', Effect.ERROR, "rego_not_boolean"),
        ("{}", Effect.ERROR, "rego_not_boolean"),
        ('"true"', Effect.ERROR, "rego_not_boolean"),
        ("1", Effect.ERROR, "rego_not_boolean"),
        ("[true]", Effect.ERROR, "rego_not_boolean"),
        ("null", Effect.ERROR, "rego_not_boolean"),
        ('"<undefined>"', Effect.ERROR, "rego_not_boolean"),
    ],
)
def test_only_true_or_an_object_that_says_so_and_no_more_allows(
    ask: Ask, allow: str, effect: Effect, code: str
) -> None:
    answer = ask(a=f"package x.authz\nimport rego.v1\nallow := {allow}")
    assert (answer.effect, answer.code) == (effect, code)


def test_the_reasons_of_an_object_are_told(ask: Ask) -> None:
    answer = ask(a='package x\nallow := {"allow": false, "reasons": ["too late", "too far"]}')
    assert answer.determining[0].annotations["reason"] == "too late too far"


def test_an_undefined_allow_denies_and_says_so(ask: Ask) -> None:
    answer = ask(cedar=MEMBERS, a="package x\nimport rego.v1\nallow if input.nobody.knows")
    assert answer.effect is Effect.ERROR
    assert answer.errors == ("rego_undefined: `x`: no rule gives `allow` a value, and it has no default",)


def test_modules_of_one_package_that_contradict_deny_and_say_so(ask: Ask) -> None:
    one, two = (f"package x\nimport rego.v1\nallow := {value} if input.user.id" for value in ("true", "false"))
    answer = ask(a=one, b=two)
    assert answer.effect is Effect.ERROR
    assert answer.errors == ("rego_conflict: `x`: two rules at rego/b.rego:3:1 give different values to one name",)


def test_packages_that_disagree_deny_and_say_so(ask: Ask) -> None:
    answer = ask("members", cedar=MEMBERS, a="package a\nallow := true", b="package b\nallow := false")
    assert answer.effect is Effect.FORBID
    assert [ref.id for ref in answer.determining] == ["rego:b"]
    assert answer.errors == ("rego_disagree: `b` denies what `a` allows; a denial wins",)


def test_a_builtin_that_fails_denies_even_where_another_rule_would_allow(ask: Ask) -> None:
    answer = ask("members", cedar=MEMBERS, a=HEAD + 'allow if to_number("abc") == 1\nallow if true')
    assert answer.effect is Effect.ERROR
    assert answer.errors[0] == (
        "rego_builtin_error: `x.authz`: a builtin failed at rego/a.rego:4:21 (could not parse string as number); "
        "for OPA the expression is undefined, and here what fails denies"
    )


def test_a_deny_whose_builtin_fails_denies(ask: Ask) -> None:
    answer = ask("members", cedar=MEMBERS, a='package x\nimport rego.v1\ndeny if to_number("abc") == 1')
    assert (answer.effect, answer.code) == (Effect.ERROR, "rego_builtin_error")


def test_what_fails_is_told_without_any_value_of_the_request(ask: Ask) -> None:
    answer = ask("members", a=HEAD + "allow if startswith(input.risk.score, input.user.name)")
    assert answer.code == "rego_builtin_error"
    assert "kim" not in answer.errors[0]
    assert "7" not in answer.errors[0].replace("rego/a.rego", "")


def test_an_unknown_function_denies_and_is_named(ask: Ask) -> None:
    answer = ask(a=HEAD + "allow if foo.bar(1)")
    assert answer.errors == ("rego_unknown_function: `x.authz`: there is no function `foo.bar` at rego/a.rego:4:17",)


def test_the_example_runs_unchanged_and_denies_as_opa_does_and_says_exactly_why(tmp_path: Path) -> None:
    rego = loaded(tmp_path, policy=EXAMPLE)
    assert rego.modules[0].dialect == "v0"
    (said,) = rego.say(EXAMPLE_INPUT)
    assert said.stand is Stand.FAILED
    assert said.problem == (
        "rego_builtin_error: `blossom.authz`: a builtin failed (failed to parse datetime); "
        "for OPA the expression is undefined, and here what fails denies"
    )
    rego.close()


def test_the_example_denies_a_real_request_too(ask: Ask) -> None:
    assert ask("finance_admin", cedar=MEMBERS, policy=EXAMPLE).effect in {Effect.FORBID, Effect.ERROR}


def test_the_example_with_whole_timestamps_allows(tmp_path: Path) -> None:
    changed = EXAMPLE.replace("09:00:00", "2000-01-01T09:00:00Z").replace("18:00:00", "2200-01-01T18:00:00Z")
    rego = loaded(tmp_path, policy=changed)
    (said,) = rego.say(EXAMPLE_INPUT)
    assert said.stand is Stand.ALLOWS
    (said,) = rego.say({**EXAMPLE_INPUT, "device": {**EXAMPLE_INPUT["device"], "disk_encrypted": False}})
    assert said.stand is Stand.DENIES
    rego.close()


@pytest.mark.parametrize(
    ("code", "reason"),
    [("rego_undefined", Reason.REGO_FAILED), ("rego_timeout", Reason.REGO_UNREACHABLE)],
)
def test_what_rego_could_not_answer_has_its_own_reason(code: str, reason: Reason) -> None:
    answer = PolicyAnswer(Effect.ERROR, (), (f"{code}: because",), "1")
    assert verdict_of(answer, ObligationBook())[:2] == (Answer.DENY, reason)


def test_both_dialects_may_stand_side_by_side(ask: Ask) -> None:
    old = "package lib\nis_small(x) { x < 10 }"
    new = HEAD.replace("default", "import data.lib\ndefault") + "allow if lib.is_small(input.risk.score)"
    assert ask(a=new, b=old).effect is Effect.PERMIT


def test_a_library_has_no_say(ask: Ask) -> None:
    answer = ask(a=HEAD + "allow if data.lib.yes", b="package lib\nyes := true\nallow(x) := x")
    assert [ref.id for ref in answer.determining] == ["rego:x.authz"]


def test_a_request_that_misfits_the_schema_is_refused_before_rego_is_asked(tmp_path: Path) -> None:
    policies = PolicySet.load(write(tmp_path, a=HEAD + "allow := true"))
    asked = request()
    assert policies.evaluate(asked).effect is Effect.PERMIT
    answer = policies.evaluate(type(asked)(asked.principal, asked.action, asked.resource, {}, asked.entities))
    assert answer.code == "schema_misfit"
    assert policies.bundle.rego is not None
    policies.bundle.rego.close()
    assert policies.evaluate(asked).code == "rego_unavailable"
