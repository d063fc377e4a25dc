"""What a policy directory says about obligations, right and wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchword.kernel import (
    EXCLUDE,
    HIDDEN,
    Aggregate,
    Anonymise,
    Generalise,
    Hash,
    Limits,
    Mark,
    Mask,
    Note,
    Tokenize,
    body_rules,
    merge,
    parse_list_path,
    parse_path,
)
from watchword.policy import PolicyLoadError, PolicySet, PolicySource
from watchword.policy.trials import read_suite, run_trials

PERMIT = '@id("p") @obligation("{}") permit (principal, action, resource);'
GOOD = """
obligations:
  hide_payment: {kind: exclude, fields: ["**.payment_info"]}
  only_name: {kind: include, fields: ["customers[*].name", "customers[*].city"]}
  mask_ssn: {kind: mask, fields: ["customers[*].ssn"], keep_last: 4, description: for the help desk}
  hash_name: {kind: hash, fields: ["customers[*].name"]}
  token_mail: {kind: tokenize, fields: ["customers[*].email"], context: mail}
  by_year: {kind: generalise, fields: ["customers[*].born"], to: year}
  ranges: {kind: generalise, fields: ["customers[*].spent"], to: range, width: 100}
  zip: {kind: generalise, fields: ["customers[*].zip"], to: prefix, keep: 3}
  net: {kind: generalise, fields: ["customers[*].ip"], to: network}
  crowd: {kind: anonymise, fields: ["customers"], by: [zip, born], least: 3}
  figures: {kind: aggregate, fields: ["customers"], by: [city], sum: [spent], mean: [spent]}
  record_it: {kind: application}
  gone: {kind: drop, fields: [a]}
  black: {kind: redact, fields: [a]}
  short: {kind: truncate, fields: [a], keep: 8}
  few: {kind: row_limit, fields: [customers, .], most: 50}
  marked: {kind: watermark}
  marked_all: {kind: watermark, pages: true, member: _shown_to}
  written: {kind: record, fields: ["**.ssn"], changes: [iban, "**.ssn"]}
  told: {kind: notify}
  told_both: {kind: notify, to: [administrators, owner]}
  brief: {kind: lease_limit, seconds: 0}
  until_lunch: {kind: session_limit, seconds: 7200}
"""


def load(directory: Path, obligations: str | None, attached: str = "mask_ssn") -> PolicySet:
    (directory / "a.cedar").write_text(PERMIT.format(attached))
    if obligations is not None:
        (directory / "obligations.yaml").write_text(obligations)
    return PolicySet.load(directory)


def problem(directory: Path, obligations: str, attached: str = "x") -> str:
    with pytest.raises(PolicyLoadError) as caught:
        load(directory, obligations, attached)
    return str(caught.value.problems[0])


def test_each_kind_becomes_its_rule(tmp_path: Path) -> None:
    book = load(tmp_path, GOOD).bundle.obligations

    def rule(name: str) -> object:
        rules = book.named(name).rules
        assert rules is not None
        [(_, found)] = rules.fields or rules.groups
        return found

    assert rule("hide_payment") == EXCLUDE
    assert rule("mask_ssn") == Mask(4)
    assert rule("hash_name") == Hash("hash_name")
    assert rule("token_mail") == Tokenize("mail")
    assert rule("by_year") == Generalise("year")
    assert rule("ranges") == Generalise("range", (100,))
    assert rule("zip") == Generalise("prefix", (3,))
    assert rule("net") == Generalise("network", (24, 48))
    assert rule("crowd") == Anonymise(frozenset({"zip", "born"}), 3)
    measures = frozenset({("count", ""), ("sum", "spent"), ("mean", "spent")})
    assert rule("figures") == Aggregate(frozenset({"city"}), measures, 5)
    included = book.named("only_name").rules
    assert included is not None
    assert included.includes == {frozenset({parse_path("customers[*].name"), parse_path("customers[*].city")})}
    assert book.named("record_it").is_for_application
    assert len(book) == 23


def test_each_duty_beside_the_reduction_becomes_its_rule(tmp_path: Path) -> None:
    book = load(tmp_path, GOOD).bundle.obligations
    rules = {name: found.rules for name in book if (found := book.named(name)).rules is not None}
    ssn = parse_path("**.ssn")
    assert rules["gone"] == body_rules(fields=[(parse_path("a"), EXCLUDE)])
    assert rules["black"] == body_rules(fields=[(parse_path("a"), HIDDEN)])
    assert rules["short"] == body_rules(fields=[(parse_path("a"), Generalise("prefix", (8,)))])
    assert rules["few"] == body_rules(rows=[(parse_path("customers"), 50), (parse_list_path("."), 50)])
    assert rules["marked"] == body_rules(watermarks=[Mark("header")])
    assert rules["marked_all"].watermarks == {Mark("header"), Mark("page"), Mark("member", "_shown_to")}
    changed = [Note("request", parse_path("iban")), Note("request", ssn)]
    assert rules["written"] == body_rules(notes=[Note("answer", ssn), *changed])
    assert rules["told"] == body_rules(told=["administrators"])
    assert rules["told_both"] == body_rules(told=["administrators", "owner"])
    assert book.named("brief").limits == Limits(lease_s=0)
    assert book.named("until_lunch").limits == Limits(session_s=7200)


def test_another_limit_is_another_version(tmp_path: Path) -> None:
    first = load(tmp_path, GOOD).version
    assert load(tmp_path, GOOD.replace("seconds: 7200", "seconds: 7100")).version != first


def test_what_all_satisfied_permits_attach_applies_each_once(tmp_path: Path) -> None:
    book = load(tmp_path, GOOD).bundle.obligations
    annotations = [{"obligation": "mask_ssn , hide_payment"}, {}, {"obligation": "mask_ssn"}]
    assert [found.name for found in book.attached(annotations)] == ["hide_payment", "mask_ssn"]
    assert book.attached([{}]) == ()


@pytest.mark.parametrize("attached", ["", "mask_ssn,", ",", "nobody"])
def test_a_name_that_nobody_defined_says_nothing_of_what_to_do(tmp_path: Path, attached: str) -> None:
    book = load(tmp_path, GOOD).bundle.obligations
    found = book.attached([{"obligation": attached}])
    assert any(each.rules is None and not each.is_for_application for each in found)


def test_a_misspelt_name_in_a_policy_is_told_where_it_stands(tmp_path: Path) -> None:
    told = problem(tmp_path, GOOD, "mask_snn")
    assert told == "a.cedar:1: no obligation `mask_snn` is defined in `obligations.yaml`; did you mean `mask_ssn`?"


def test_without_definitions_names_are_left_to_the_doors(tmp_path: Path) -> None:
    policies = load(tmp_path, None, "record")
    assert not policies.bundle.obligations.is_written


def test_a_changed_obligation_is_another_version(tmp_path: Path) -> None:
    first = load(tmp_path, GOOD).version
    assert load(tmp_path, GOOD + "# a comment\n").version == first
    assert load(tmp_path, GOOD.replace("keep_last: 4", "keep_last: 2")).version != first


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("x: {kind: exlude, fields: [a]}", "obligations.yaml:2:13: no kind `exlude` of obligation"),
        ("x: {kind: mask}", "the key `fields` is missing"),
        ("x: {kind: mask, fields: []}", "there is no field"),
        ("x: {kind: mask, fields: ['a..b']}", "no path: the path breaks at character 2"),
        ("x: {kind: mask, fields: ['a.**']}", "a path cannot end in `**`"),
        ("x: {kind: mask, fields: [a], keep_last: 5}", "a mask keeps at most 4 characters"),
        ("x: {kind: mask, fields: [a], keep_last: -1}", "expected a whole number"),
        ("x: {kind: exclude, fields: [a], keep_last: 1}", "no key `keep_last` is known here"),
        ("x: {kind: generalise, fields: [a]}", "the key `to` is missing"),
        ("x: {kind: generalise, fields: [a], to: weeks}", "values are not made coarser in such a way"),
        ("x: {kind: generalise, fields: [a], to: range}", "the key `width` is missing"),
        ("x: {kind: generalise, fields: [a], to: range, width: 0}", "values are not made coarser in such a way"),
        ("x: {kind: generalise, fields: [a], to: year, width: 3}", "`width` has no meaning for `year`"),
        ("x: {kind: generalise, fields: [a], to: network, v4: 32}", "values are not made coarser in such a way"),
        ("x: {kind: anonymise, fields: [a], least: 1, by: [z]}", "expected a whole number from 2"),
        ("x: {kind: anonymise, fields: [a]}", "a list is made anonymous by fields"),
        ("x: {kind: anonymise, fields: ['**.a'], by: [z]}", "the path of a list has names and `[*]` only"),
        ("x: {kind: aggregate, fields: [a], by: [count]}", "other than `count`"),
        ("x: {kind: hash, fields: [a], context: ''}", "a context has 1 to 64 characters"),
        ("x y: {kind: hash, fields: [a]}", "this cannot be a name"),
        ("x: {kind: mask, fields: [.]}", "the path breaks at character 1"),
        ("x: {kind: truncate, fields: [a], keep: 17}", "values are not made coarser in such a way"),
        ("x: {kind: row_limit, fields: [a]}", "the key `most` is missing"),
        ("x: {kind: row_limit, fields: ['**.a'], most: 5}", "the path of a list has names and `[*]` only"),
        ("x: {kind: row_limit, fields: [a], most: -1}", "expected a whole number"),
        ("x: {kind: watermark, fields: [a]}", "no key `fields` is known here"),
        ("x: {kind: watermark, member: 'a b'}", "the member that holds a mark is named by letters"),
        ("x: {kind: watermark, pages: perhaps}", "expected true or false"),
        ("x: {kind: record}", "name what is recorded in `fields` or `changes`"),
        ("x: {kind: record, fields: ['a..b']}", "no path: the path breaks at character 2"),
        ("x: {kind: notify, to: []}", "there is nobody in `to`"),
        ("x: {kind: notify, to: [The Boss]}", "who is told is named by lower-case letters"),
        ("x: {kind: lease_limit}", "the key `seconds` is missing"),
        ("x: {kind: lease_limit, seconds: 90000}", "expected a whole number"),
        ("x: {kind: session_limit, seconds: 5, fields: [a]}", "no key `fields` is known here"),
        ("x: [kind]", "a list where a mapping belongs"),
    ],
)
def test_a_wrong_definition_is_told_with_its_place(tmp_path: Path, entry: str, words: str) -> None:
    told = problem(tmp_path, f"obligations:\n  {entry}\n")
    assert words in told
    assert told.startswith("obligations.yaml:2:")


def test_every_wrong_definition_is_told(tmp_path: Path) -> None:
    with pytest.raises(PolicyLoadError) as caught:
        load(tmp_path, "obligations:\n  a: {kind: mask}\n  b: {kind: nothing}\n")
    assert len([found for found in caught.value.problems if found.path == "obligations.yaml"]) == 2


def test_an_obligation_too_long_to_carry_is_refused(tmp_path: Path) -> None:
    paths = ", ".join(f"'customers[*].a_rather_long_name_of_a_field_{n}'" for n in range(100))
    assert "longer than 3072 bytes" in problem(tmp_path, f"obligations:\n  x: {{kind: mask, fields: [{paths}]}}\n")


async def test_obligations_that_are_wrong_leave_in_force_what_was(tmp_path: Path) -> None:
    load(tmp_path, GOOD)
    source = PolicySource(tmp_path)
    await source.reload()
    assert source.current.bundle.obligations.named("mask_ssn").rules is not None
    version = source.current.version
    (tmp_path / "obligations.yaml").write_text(GOOD.replace("keep_last: 4", "keep_last: many"))
    await source.reload()
    assert source.current.version == version
    assert source.problems[0].place == "obligations.yaml:5:67"
    (tmp_path / "obligations.yaml").write_text(GOOD.replace("keep_last: 4", "keep_last: 1"))
    await source.reload()
    assert source.current.version != version


def test_two_obligations_for_one_field_meet_in_the_stricter(tmp_path: Path) -> None:
    text = "obligations:\n  a: {kind: mask, fields: [x], keep_last: 4}\n  b: {kind: mask, fields: [x], keep_last: 2}\n"
    book = load(tmp_path, text, "a, b").bundle.obligations
    rules = frozenset(found.rules for found in book.attached([{"obligation": "a,b"}]) if found.rules is not None)
    assert merge(rules).fields == {(parse_path("x"), Mask(2))}


def test_policy_tests_expect_obligations_of_every_kind_by_name(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    asked = "principal: 'App::User::\"a\"', action: 'App::Action::\"read\"', resource: 'App::Doc::\"d\"'"
    row = "{" + asked + ", expect: permit, obligations: [%s]}"
    kinds = "brief, few, marked_all, mask_ssn, told_both, until_lunch, written"
    rows = [row % kinds, row % kinds.replace("few, ", "")]
    (tmp_path / "tests" / "a.yaml").write_text("tests:\n" + "".join(f"  - {each}\n" for each in rows))
    (tmp_path / "app.cedarschema").write_text(
        "namespace App { entity User; entity Doc; "
        "action read appliesTo { principal: User, resource: Doc, context: {} }; }"
    )
    policies = load(tmp_path, GOOD, kinds)
    met, missed = run_trials(policies, read_suite(tmp_path, policies.bundle).trials)
    assert met.differences == ()
    assert "expected the obligations `brief`, `marked_all`" in missed.differences[0]
