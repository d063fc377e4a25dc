"""What is said of wrong files: the place, what was expected, the nearest known name."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from watchword.policy import PolicyLoadError, PolicySet, Problem
from watchword.policy.text import statements

GOOD = 'permit (principal in Watchword::Group::"members", action, resource);\n'


def problems(directory: Path, **files: str) -> tuple[Problem, ...]:
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)
    with pytest.raises(PolicyLoadError) as raised:
        PolicySet.load(directory)
    return raised.value.problems


def only(directory: Path, text: str) -> Problem:
    found = problems(directory, a__cedar=text)
    assert len(found) == 1, found
    return found[0]


def test_a_missing_semicolon_is_found_where_the_next_policy_begins(tmp_path: Path) -> None:
    problem = only(tmp_path, f"// first\npermit (principal, action, resource)\n\n{GOOD}")
    assert (problem.path, problem.line, problem.column) == ("a.cedar", 4, 1)
    assert "`;`" in problem.expected


def test_a_policy_without_an_end_is_found_at_the_end(tmp_path: Path) -> None:
    problem = only(tmp_path, "permit (principal, action, resource)")
    assert (problem.line, problem.column) == (1, 37)
    assert "`;`" in problem.expected


def test_a_stray_word_is_found_with_what_was_expected(tmp_path: Path) -> None:
    problem = only(tmp_path, f"{GOOD}permit (principal, action resource);\n")
    assert (problem.line, problem.column) == (2, 27)
    assert "`,`" in problem.expected


def test_a_misspelt_scope_variable_is_found_with_the_nearest_word(tmp_path: Path) -> None:
    problem = only(tmp_path, f"{GOOD}\npermit (principal, actoin, resource);\n")
    assert (problem.line, problem.column, problem.nearest) == (3, 20, "action")


def test_a_misspelt_method_is_found_with_the_nearest_word(tmp_path: Path) -> None:
    problem = only(
        tmp_path, 'permit (principal, action, resource)\nwhen { context.network.ip.isInRang(ip("10.0.0.0/8")) };'
    )
    assert (problem.line, problem.column, problem.nearest) == (2, 27, "isInRange")


def test_an_open_string_is_found_where_it_opens(tmp_path: Path) -> None:
    problem = only(tmp_path, 'permit (principal, action, resource)\nwhen { context.http.host == "a };\n')
    assert (problem.line, problem.column) == (2, 29)
    assert "string" in problem.message


def test_a_misspelt_attribute_is_found_with_the_nearest_name(tmp_path: Path) -> None:
    problem = only(tmp_path, "permit (principal, action, resource)\nwhen {\n  context.risk.scor > 3\n};")
    assert (problem.line, problem.column, problem.nearest) == (3, 16, "score")


def test_a_misspelt_entity_type_is_found_with_the_nearest_name(tmp_path: Path) -> None:
    found = problems(tmp_path, a__cedar='permit (principal in Watchword::Grup::"a", action, resource);')
    assert (found[0].line, found[0].column, found[0].nearest) == (1, 33, "Group")


def test_a_misspelt_action_is_found_with_the_nearest_name(tmp_path: Path) -> None:
    found = problems(tmp_path, a__cedar='permit (principal, action == Watchword::Action::"reed", resource);')
    assert (found[0].line, found[0].column, found[0].nearest) == (1, 49, "read")


def test_an_unguarded_optional_attribute_is_refused(tmp_path: Path) -> None:
    problem = only(tmp_path, 'permit (principal, action, resource)\nwhen { principal.email == "a@b" };')
    assert (problem.line, problem.column) == (2, 18)
    assert "optional" in problem.message


def test_every_wrong_policy_of_every_file_is_told(tmp_path: Path) -> None:
    wrong = "permit (principal, actoin, resource);\n"
    found = problems(tmp_path, a__cedar=wrong + GOOD + wrong, b__cedar=wrong)
    assert [(problem.path, problem.line) for problem in found] == [("a.cedar", 1), ("a.cedar", 3), ("b.cedar", 1)]


def test_two_policies_with_one_id_are_refused(tmp_path: Path) -> None:
    named = f'@id("twin")\n{GOOD}'
    found = problems(tmp_path, a__cedar=named, b__cedar=named)
    assert found[0].path == "b.cedar"
    assert "a.cedar:1" in found[0].message


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_bytes(b"// fine\n\xff\n")
    found = problems(tmp_path)
    assert (found[0].path, found[0].line) == ("a.cedar", 2)


def test_a_broken_schema_of_the_operators_own_is_placed(tmp_path: Path) -> None:
    found = problems(tmp_path, own__cedarschema="namespace Own {\n  entity Thing = { size: Lng };\n}\n")
    assert (found[0].path, found[0].line, found[0].column, found[0].nearest) == ("own.cedarschema", 2, 26, "Long")


def test_a_schema_of_the_operators_own_joins_ours(tmp_path: Path) -> None:
    (tmp_path / "own.cedarschema").write_text(
        'namespace Own { entity Thing; action "look" appliesTo { principal: Watchword::User, resource: Thing }; }'
    )
    (tmp_path / "a.cedar").write_text('permit (principal, action == Own::Action::"look", resource == Own::Thing::"a");')
    assert len(PolicySet.load(tmp_path)) == 1


def test_comments_and_layout_do_not_change_the_version(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text(GOOD)
    before = PolicySet.load(tmp_path).version
    (tmp_path / "a.cedar").write_text("// said otherwise\n" + GOOD.replace(", ", ",\n  "))
    assert PolicySet.load(tmp_path).version == before
    (tmp_path / "a.cedar").write_text(GOOD.replace("members", "Members"))
    assert PolicySet.load(tmp_path).version != before


def test_a_forbid_cannot_be_hidden_behind_a_comment_that_ends_in_a_carriage_return(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_bytes(f"{GOOD}// said\rforbid (principal, action, resource);\n".encode())
    assert len(PolicySet.load(tmp_path)) == 2


def test_what_overflows_the_parsers_stack_cannot_hide_behind_a_carriage_return(tmp_path: Path) -> None:
    text = f"// said\rpermit (principal, action, resource) when {{ {'(' * 30_000}true{')' * 30_000} }};"
    (tmp_path / "a.cedar").write_bytes(text.encode())
    with pytest.raises(PolicyLoadError, match="nested too deeply"):
        PolicySet.load(tmp_path)


def test_a_file_that_cedar_reads_differently_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.policy.load.text.statements", lambda source: iter(list(statements(source))[:1]))
    (problem,) = problems(tmp_path, a__cedar=GOOD + GOOD)
    assert "Cedar reads 2 policies" in problem.message


def test_an_editors_hidden_file_is_left_out(tmp_path: Path) -> None:
    (tmp_path / ".a.cedar").write_text("not a policy")
    assert len(PolicySet.load(tmp_path)) == 0


def test_a_template_permits_nothing_until_it_is_linked(tmp_path: Path) -> None:
    template = '@id("t") permit (principal == ?principal, action, resource in ?resource);'
    (tmp_path / "a.cedar").write_text(template)
    assert len(PolicySet.load(tmp_path)) == 0
    (tmp_path / "links.json").write_text(
        '[{"template": "t", "id": "kim", "values": {"?principal": {"type": "Watchword::User", "id": "usr_1"},'
        ' "?resource": {"type": "Watchword::Application", "id": "notes"}}}]'
    )
    linked = PolicySet.load(tmp_path)
    assert [policy.id for policy in linked.bundle.policies] == ["kim"]


@pytest.mark.parametrize(
    ("links", "word"),
    [
        ("{", "JSON"),
        ("[1]", "malformed"),
        ('[{"template": "tt", "id": "a", "values": {}}]', "no template"),
        ('[{"template": "t", "id": "a", "values": {}}]', "slots"),
        ('[{"template": "t", "id": "a", "values": {"?principal": {"type": "Watchword::Usr", "id": "x"}}}]', "Usr"),
        ('[{"template": "t", "id": "a", "values": {"?principal": "x"}}]', "malformed"),
        (
            '[{"template": "t", "id": "a", "values": {"?principal": {"type": "Watchword::User", "id": "\\ud800"}}}]',
            "`a`",
        ),
        ('[{"template": "t", "id": "a", "values": {"?principal": {"type": "A B", "id": "x"}}}]', "`a`"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_wrong_link_is_refused(tmp_path: Path, links: str, word: str) -> None:
    found = problems(
        tmp_path, a__cedar='@id("t") permit (principal == ?principal, action, resource);', links__json=links
    )
    assert found[0].path == "links.json"
    assert word in str(found[0])
    if word in {"no template", "slots"}:
        assert (found[0].line, found[0].column > 1) == (1, True)


DEEP: dict[str, Callable[[int], str]] = {
    "brackets": lambda n: "(" * n + "true" + ")" * n,
    "sets": lambda n: "[" * n + "]" * n + " == 1",
    "records": lambda n: "{a: " * n + "1" + "}" * n + " == 1",
    "and": lambda n: " && ".join(["true"] * n),
    "if": lambda n: "if true then true else " * n + "true",
    "dots": lambda n: "context" + ".risk" * n,
    "calls": lambda n: "context" + ".contains(context)" * n,
    "sums": lambda n: " + ".join(["1"] * n) + " == 1",
    "has": lambda n: "context has a" + ".a" * n,
    "index": lambda n: "context" + '["a"]' * n,
}


@pytest.mark.parametrize("shape", DEEP)
def test_a_policy_nested_to_overflow_the_parsers_stack_is_refused(tmp_path: Path, shape: str) -> None:
    problem = only(tmp_path, f"permit (principal, action, resource) when {{ {DEEP[shape](30_000)} }};")
    assert problem.message == "nested too deeply"


@pytest.mark.parametrize("shape", DEEP)
@pytest.mark.parametrize("count", [95, 700, 1_300])
def test_what_is_not_too_deep_for_the_guard_does_not_end_the_process(tmp_path: Path, shape: str, count: int) -> None:
    (tmp_path / "a.cedar").write_text(f"permit (principal, action, resource) when {{ {DEEP[shape](count)} }};")
    with suppress(PolicyLoadError):
        PolicySet.load(tmp_path)


def test_a_policy_of_endless_conditions_is_refused(tmp_path: Path) -> None:
    assert (
        only(tmp_path, f"permit (principal, action, resource) {'when { true }' * 30_000};").message
        == "nested too deeply"
    )


def test_a_schema_nested_to_overflow_the_parsers_stack_is_refused(tmp_path: Path) -> None:
    deep = "{a: " * 5_000 + "Long" + "}" * 5_000
    found = problems(tmp_path, own__cedarschema=f"namespace Own {{ entity Thing = {deep}; }}")
    assert found[0].message == "nested too deeply"


def test_a_long_list_and_a_long_file_are_not_deep(tmp_path: Path) -> None:
    hosts = ", ".join(f'"host{number}"' for number in range(3_000))
    (tmp_path / "a.cedar").write_text(
        f"permit (principal, action, resource) when {{ [{hosts}].contains(context.http.host) }};\n" + GOOD * 500
    )
    assert len(PolicySet.load(tmp_path)) == 501


@pytest.mark.parametrize("count", [50, 300])
def test_a_long_chain_of_conditions_still_compiles(tmp_path: Path, count: int) -> None:
    chain = " && ".join(["context.risk.score < 50"] * count)
    (tmp_path / "a.cedar").write_text(f"permit (principal, action, resource) when {{ {chain} }};")
    assert len(PolicySet.load(tmp_path)) == 1


@pytest.mark.parametrize("count", [20, 90])
def test_nested_choices_still_compile(tmp_path: Path, count: int) -> None:
    choices = "".join(f"if context.risk.score < {number} then {number} else " for number in range(count))
    (tmp_path / "a.cedar").write_text(f"permit (principal, action, resource) when {{ ({choices} 0) > 3 }};")
    assert len(PolicySet.load(tmp_path)) == 1


def test_a_pipe_among_the_policies_is_told_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.cedar")
    assert [(each.path, each.message) for each in problems(tmp_path)] == [("pipe.cedar", "not a file")]
