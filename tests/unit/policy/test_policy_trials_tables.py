"""Policy tests: what they say of policies, and where their own mistakes are."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchword.policy import DEFAULT_DIRECTORY, Datetime, PolicyLoadError, PolicySet
from watchword.policy.trials import Outcome, Suite, cover, gate, read_suite, run_trials

SHIPPED = DEFAULT_DIRECTORY / "policies"
SCHEMA = """
entity Team in [Team] = { level: Long } tags String;
entity User in [Team] = { name: String, boss?: User, born?: datetime, quota: decimal };
entity Doc in [Doc];
action read appliesTo { principal: User, resource: Doc, context: {
    address: ipaddr, roles: Set<String>, wait?: duration, deep: { limit: Long, note?: String }, pairs: Set<{a: Long}>
}};
action lend appliesTo { principal: User, resource: Doc, context: {} };
namespace One { action peek appliesTo { principal: User, resource: Doc, context: {} }; }
namespace Two { action peek appliesTo { principal: User, resource: Doc, context: {} }; }
"""
POLICIES = """
@id("readers") @obligation("watermark") permit (principal in Team::"staff", action == Action::"read", resource)
when { context.roles.contains("reader") && context.deep.limit > 3 };
@id("step") @step_up("mfa") forbid (principal, action == Action::"read", resource)
when { context.address.isInRange(ip("10.0.0.0/8")) };
@id("ask") @approval("owner") forbid (principal, action == Action::"read", resource)
when { context.deep has note && context.deep.note like "*secret*" };
@id("hard") forbid (principal, action == Action::"read", resource)
when { principal has born && principal.born > datetime("2020-01-01") };
"""
FIXTURES = """
entities:
  staff: {uid: 'Team::"staff"', attributes: {level: 1}, tags: {color: red}}
  kim:
    uid: User::"kim"
    attributes: {name: Kim, quota: 1.5, boss: 'User::"eve"'}
    parents: [staff]
  young: {extends: kim, uid: 'User::"young"', attributes: {born: 2021-05-05, boss: null}}
  stranger: {extends: kim, uid: 'User::"stranger"', parents: []}
  'Doc::"plan"': {}
contexts:
  base: {with: {address: 192.0.2.1, roles: [reader, writer], deep: {limit: 4}, pairs: [{a: 1}, {a: 1}]}}
  inside: {extends: base, with: {address: 10.1.2.3}}
  noted: {extends: inside, with: {deep: {note: a secret word}}}
"""
ROW = "{principal: kim, action: 'Action::\"read\"', resource: 'Doc::\"plan\"', context: base, expect: permit}"


def directory(tmp_path: Path, tests: str, *, fixtures: str = FIXTURES, policies: str = POLICIES) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "app.cedarschema").write_text(SCHEMA)
    (tmp_path / "app.cedar").write_text(policies)
    (tmp_path / "tests" / "a.yaml").write_text(fixtures)
    (tmp_path / "tests" / "b.yaml").write_text(tests)
    return tmp_path


def suite_of(path: Path) -> tuple[PolicySet, Suite]:
    policies = PolicySet.load(path, schema=None)
    return policies, read_suite(path, policies.bundle)


def outcomes(tmp_path: Path, rows: str) -> list[Outcome]:
    policies, suite = suite_of(directory(tmp_path, f"tests:\n{rows}"))
    return list(run_trials(policies, suite.trials))


def row(expect: str, *, principal: str = "kim", context: str = "base", more: str = "") -> str:
    read, plan = "'Action::\"read\"'", "'Doc::\"plan\"'"
    rest = f"context: {context}, expect: {expect}{more}"
    return f"  - {{principal: {principal}, action: {read}, resource: {plan}, {rest}}}\n"


def refusal(tmp_path: Path, tests: str, *, fixtures: str = FIXTURES) -> str:
    with pytest.raises(PolicyLoadError) as refused:
        suite_of(directory(tmp_path, tests, fixtures=fixtures))
    return "\n".join(map(str, refused.value.problems))


# --- the shipped policies -------------------------------------------------------------------------------------------


def test_the_shipped_policies_pass_their_tests_with_full_coverage() -> None:
    policies = PolicySet.load(SHIPPED)
    suite = read_suite(SHIPPED, policies.bundle)
    failed = [(one.trial.name, one.differences) for one in run_trials(policies, suite.trials) if one.differences]
    assert failed == []
    assert len(suite.trials) > 50
    coverage = cover(policies.bundle, (trial.request for trial in suite.trials))
    assert (coverage.clauses, coverage.branches) == (100.0, 100.0)
    assert gate(SHIPPED, min_coverage={"clauses": 100, "branches": 100}) == ()


@pytest.mark.parametrize("name", ["10-administrators.cedar", "20-notes.cedar", "90-safety.cedar"])
def test_no_shipped_policy_can_change_without_a_test_that_notices(tmp_path: Path, name: str) -> None:
    for path in SHIPPED.rglob("*.*"):
        copy = tmp_path / path.relative_to(SHIPPED)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    source = (SHIPPED / name).read_text()
    changes = (
        ("< 15", "<= 15"),
        ('"noncompliant"', '"unknown"'),
        ("is_suspicious", "is_allowed"),
        ('posture == "', 'posture != "'),
        ("mfa.is_verified", "device.is_known"),
    )
    for old, new in changes:
        if old in source:
            (tmp_path / name).write_text(source.replace(old, new))
            assert any("failed" in str(problem) for problem in gate(tmp_path)), (old, new)
    (tmp_path / name).write_text(source.replace("permit (", "forbid (").replace("unless", "when"))
    assert gate(tmp_path) != ()


# --- what a row says ------------------------------------------------------------------------------------------------


def test_every_decision_can_be_expected(tmp_path: Path) -> None:
    rows = (
        row("permit", more=", reasons: [readers], obligations: [watermark]")
        + row("silent", principal="stranger", more=", reasons: [], obligations: []")
        + row("step_up", context="inside", more=", reasons: [step]")
        + row("approval", context="noted", more=", reasons: [step, ask]")
        + row("forbid", principal="young", context="noted", more=", reasons: [step, ask, hard]")
        + row("error", context="base", more=", with: {deep: null}, reasons: [schema_misfit]")
    )
    found = outcomes(tmp_path, rows)
    assert [one.differences for one in found] == [()] * 6


def test_a_table_in_a_folder_is_run_as_well(tmp_path: Path) -> None:
    place = directory(tmp_path, f"tests:\n{row('permit')}")
    for name, rows in (("deep/er/c.yaml", row("forbid")), (".editor/d.yaml", "nonsense")):
        (place / "tests" / name).parent.mkdir(parents=True)
        (place / "tests" / name).write_text(f"tests:\n{rows}")
    policies, suite = suite_of(place)
    failed = [outcome.trial.place.path for outcome in run_trials(policies, suite.trials) if outcome.differences]
    assert (suite.files, failed) == (3, ["tests/deep/er/c.yaml"])


def test_a_difference_says_what_was_expected_and_what_came(tmp_path: Path) -> None:
    rows = row("forbid") + row("permit", more=", reasons: [], obligations: [mask]") + row("permit", context="inside")
    found = [one.differences for one in outcomes(tmp_path, rows)]
    assert found == [
        ("expected forbid, got permit",),
        ("expected the reasons none, got `readers`", "expected the obligations `mask`, got `watermark`"),
        ("expected permit, got step_up",),
    ]


def test_reasons_that_are_not_said_are_not_compared(tmp_path: Path) -> None:
    assert [one.is_as_expected for one in outcomes(tmp_path, row("permit"))] == [True]


def test_lists_in_a_row_make_a_test_of_each_combination(tmp_path: Path) -> None:
    found = outcomes(tmp_path, row("permit", principal="[kim, stranger]", context="[base, inside]"))
    assert len(found) == 4
    assert sum(one.is_as_expected for one in found) == 1
    assert len({one.trial.name for one in found}) == 4


def test_values_are_read_by_the_types_of_the_schema(tmp_path: Path) -> None:
    _, suite = suite_of(directory(tmp_path, f"tests:\n{row('forbid', principal='young', context='noted')}"))
    request = suite.trials[0].request
    young = request.entities[request.principal]
    assert isinstance(young.attributes["born"], Datetime)
    assert str(young.attributes["quota"]) == "1.5000"
    assert str(request.context["address"]) == "10.1.2.3/32"
    assert len(request.context["pairs"]) == 1  # type: ignore[arg-type]


def test_a_fixture_inherits_and_null_takes_away(tmp_path: Path) -> None:
    _, suite = suite_of(directory(tmp_path, f"tests:\n{row('forbid', principal='young', context='noted')}"))
    request = suite.trials[0].request
    young = request.entities[request.principal]
    assert young.attributes["name"] == "Kim"
    assert "boss" not in young.attributes
    assert [str(parent) for parent in young.parents] == ['Team::"staff"']
    assert request.context["deep"] == {"limit": 4, "note": "a secret word"}


def test_a_directory_without_tests_is_an_empty_suite(tmp_path: Path) -> None:
    (tmp_path / "app.cedar").write_text("permit (principal, action, resource);")
    policies = PolicySet.load(tmp_path)
    assert read_suite(tmp_path, policies.bundle).trials == ()


# --- mistakes in tests ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("context: base", "context: bass"), "b.yaml:1:86: no context `bass` is described; did you mean `base`?"),
        (("principal: kim", "principal: kin"), "b.yaml:1:21: no entity `kin` is described"),
        (("expect: permit", "expect: permits"), "no such decision; expected `permit`, `forbid`, `step_up`"),
        (("expect: permit", "expct: permit"), "no key `expct` is known here"),
        (("expect: permit", "reasons: []"), "the key `expect` is missing"),
        (("'Action::\"read\"'", "peek"), '`peek` is several actions; expected `One::Action::"peek"` or `Two::Action'),
        (("'Action::\"read\"'", "lent"), "`lent` is no action; expected an action of the schema; did you mean `lend`?"),
        (("expect: permit", "expect: permit, reasons: [reader]"), "no policy `reader`; expected the id of a policy"),
        (("expect: permit", "expect: permit, with: {deep: {limits: 3}}"), "no attribute `limits` here; expected"),
        (("expect: permit", "expect: permit, with: {deep: {limit: many}}"), "text that does not fit the schema"),
        (("expect: permit", "expect: permit, with: {address: 1.2.3.400}"), "expected an address or range"),
        (("expect: permit", "expect: permit, with: {roles: null}"), "the attribute `roles` is missing"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_row_has_its_place_and_what_was_expected(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    told = refusal(tmp_path, f"tests: [{ROW.replace(*change)}]")
    assert "tests/" in told
    assert said in told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("extends: base", "extends: bas"), "no context `bas` is described; did you mean `base`?"),
        (("base: {with", "base: {extends: noted, with"), "extends itself in the end"),
        (('uid: User::"kim"', "uid: kim"), "it is not said which entity this is"),
        (('uid: User::"kim"', 'uid: Usr::"kim"'), "the schema knows no entity type `Usr`; did you mean `User`?"),
        (("quota: 1.5", "quota: 1.23456"), "expected a number with one to four decimals"),
        (("level: 1", "levle: 1"), "no attribute `levle` here; expected `level`; did you mean `level`?"),
        (("parents: [staff]", "parents: [stuff]"), "no entity `stuff` is described"),
        (("contexts:", "contexts:\n  base: {}"), "the key `base` comes twice"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_fixture_has_its_place_and_what_was_expected(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    told = refusal(tmp_path, f"tests: [{ROW}]", fixtures=FIXTURES.replace(*change))
    assert "tests/a.yaml:" in told
    assert said in told


def test_a_fixture_of_two_files_is_refused(tmp_path: Path) -> None:
    told = refusal(tmp_path, "contexts: {base: {}}")
    assert "tests/b.yaml:1:18: the context `base` is also described in `tests/a.yaml:" in told


def test_lists_that_multiply_without_bound_are_refused(tmp_path: Path) -> None:
    many = f"[{', '.join(['kim'] * 200)}]"
    told = refusal(tmp_path, f"tests: [{ROW.replace('kim', many).replace('base', many.replace('kim', 'base'))}]")
    assert "too many tests in one row" in told


# --- the gate -------------------------------------------------------------------------------------------------------


def test_the_gate_names_the_row_that_fails(tmp_path: Path) -> None:
    (found,) = gate(directory(tmp_path, f"tests:\n{row('forbid')}"), schema=None)
    assert found.place == "tests/b.yaml:2:5"
    assert "expected forbid, got permit" in found.message


def test_the_gate_refuses_too_little_coverage_and_names_the_policies(tmp_path: Path) -> None:
    path = directory(tmp_path, f"minimum: 80\ntests:\n{row('permit')}")
    problems = gate(path, schema=None)
    assert "tests cover" in problems[0].message
    assert problems[0].expected == "at least 80%"
    assert {problem.policy for problem in problems[1:]} >= {"step", "ask", "hard"}
    assert gate(path, schema=None, min_coverage={"clauses": 10}) == problems
    (path / "tests" / "b.yaml").write_text(f"minimum: 10\ntests:\n{row('permit')}")
    assert gate(path, schema=None) == ()
    assert gate(path, schema=None, min_coverage={"branches": 99}) != ()


def test_no_tests_cover_nothing(tmp_path: Path) -> None:
    path = directory(tmp_path, "{}")
    assert gate(path, schema=None) == ()
    assert "tests cover 0%" in str(gate(path, schema=None, min_coverage={"clauses": 1})[0])


def test_the_gate_tells_of_broken_policies_and_broken_tests(tmp_path: Path) -> None:
    path = directory(tmp_path, "tests: 7")
    assert "tests/b.yaml:1:8" in gate(path, schema=None)[0].place
    (path / "app.cedar").write_text("permit (")
    assert gate(path, schema=None)[0].path == "app.cedar"
