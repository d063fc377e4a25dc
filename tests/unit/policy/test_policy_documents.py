from __future__ import annotations

import time
from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.policy import PolicyLoadError, Problem
from watchword.policy.documents import MOST_DEPTH, Node, parse_document, read_document


def refused(source: str | bytes) -> str:
    with pytest.raises(PolicyLoadError) as caught:
        parse_document(source, name="x.yaml")
    return str(caught.value.problems[0])


def test_every_value_knows_its_file_line_and_column() -> None:
    root = parse_document("a: 1\nb:\n  - two\n  - {c: 3}\n", name="x.yaml").mapping()
    second = root["b"].items()[1].mapping()["c"]
    assert (second.path, second.line, second.column, second.value) == ("x.yaml", 4, 9, 3)
    assert (root["b"].items()[0].line, root["b"].items()[0].column) == (3, 5)


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "y", "N", "2026-01-01", "1:30", "0x1f", "0o17", "1_000"])
def test_words_that_older_yaml_takes_for_something_else_are_text(word: str) -> None:
    assert parse_document(f"a: {word}", name="x").plain() == {"a": word}


def test_scalars_are_those_of_the_core_schema() -> None:
    source = "[null, ~, true, FALSE, 7, -7, +7, 1.5, 1e3, .5, 'true', \"7\", x]"
    assert parse_document(source, name="x").plain() == [
        *(None, None, True, False, 7, -7, 7, 1.5, 1000.0, 0.5, "true", "7", "x")
    ]


def test_a_key_that_comes_twice_is_refused_with_both_places() -> None:
    assert refused("a: 1\nb: 2\na: 3\n") == "x.yaml:3:1: the key `a` comes twice; expected one; the first is in line 1"
    assert "comes twice" in refused('{a: 1, "a": 2}')


def test_billion_laughs_is_refused_at_the_first_anchor() -> None:
    laughs = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(20))
    assert refused(laughs).startswith("x.yaml:1:4: an anchor or alias")
    assert "an anchor or alias" in refused("a: *b")


@pytest.mark.parametrize("source", ["!!python/object/apply:os.system [id]", "a: !!binary aGk=", "a: !x 1", "!!set {a}"])
def test_a_tag_is_refused(source: str) -> None:
    assert "a tag" in refused(source)


def test_a_depth_bomb_is_refused_at_once() -> None:
    start = time.perf_counter()
    assert "nested too deeply" in refused("[" * 400_000)
    assert "nested too deeply" in refused("".join("  " * n + "a:\n" for n in range(MOST_DEPTH + 2)))
    assert "nested too deeply" in refused("- " * 1000)
    assert time.perf_counter() - start < 2


def test_a_second_document_a_merge_key_and_a_list_for_a_key_are_refused() -> None:
    assert "a second document begins" in refused("a: 1\n---\nb: 2\n")
    assert "this cannot be a key" in refused("<<: {a: 1}")
    assert "this cannot be a key" in refused("? [a]\n: 1\n")
    assert "this cannot be a key" in refused("? \n: 1\n")


def test_a_file_that_is_too_large_or_no_text_is_refused() -> None:
    assert "too large" in refused("a" * 1024 * 1024 + "b")
    assert refused(b"a: 1\nb: \xff\n") == "x.yaml:2: not UTF-8 text; expected UTF-8"
    assert "not YAML" in refused("a: \x00")
    assert refused("a: 1\nb: [1, 2\n").startswith("x.yaml:3:1: not YAML")


def test_a_number_that_is_none_is_refused() -> None:
    assert "too large" in refused("a: 1e999")
    assert parse_document("a: 1" + "0" * 100_000, name="x").mapping()["a"].kind in {"text", "a number"}


def test_an_unknown_key_is_told_with_the_nearest_known_one() -> None:
    node = parse_document("fields: [a]\nkidn: mask\n", name="x.yaml")
    with pytest.raises(PolicyLoadError) as caught:
        node.mapping({"kind", "fields"})
    problem = caught.value.problems[0]
    assert (problem.line, problem.column, problem.nearest) == (2, 1, "kind")


def test_a_value_of_another_kind_is_refused_where_it_stands() -> None:
    node = parse_document("a: [1]\nb: {}\nc: x\n", name="x.yaml").mapping()
    for wrong in (node["a"].text, node["b"].items, node["c"].mapping, node["c"].truth, node["a"].truth):
        with pytest.raises(PolicyLoadError):
            wrong()
    with pytest.raises(PolicyLoadError, match=r"x\.yaml:1:5: not such a number"):
        node["a"].items()[0].integer(least=2, most=3)
    with pytest.raises(PolicyLoadError, match="the key `z` is missing"):
        parse_document("{}", name="x").mapping((), required=("z",))


def test_a_missing_file_is_told_by_its_name(tmp_path: object) -> None:
    with pytest.raises(PolicyLoadError, match=r"gone\.yaml: cannot be read"):
        read_document(tmp_path / "gone.yaml")  # type: ignore[operator]


def test_an_empty_document_is_null() -> None:
    assert parse_document("", name="x").value is None
    assert parse_document("# nothing\n", name="x").value is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(_JSON)
def test_what_is_dumped_is_read_back(value: object) -> None:
    dumped = yaml.dump(value, default_style='"', allow_unicode=False)
    read = parse_document(yaml.dump(value, Dumper=_Plain), name="x").plain()
    assert read == value or "!!" in dumped, (value, read)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="ab:-[]{}&*!|>?,'\"# \n\t~%@", max_size=60))
def test_any_text_gives_a_tree_or_a_placed_problem(source: str) -> None:
    with suppress(PolicyLoadError):
        found = parse_document(source, name="x")
        assert isinstance(found, Node)
        found.plain()


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!\n \"'", min_size=1, max_size=40))
def test_a_refusal_names_the_file(source: str) -> None:
    problem = Problem("x", 0, 0, "")
    with suppress(PolicyLoadError):
        try:
            parse_document(source, name="x")
        except PolicyLoadError as error:
            problem = error.problems[0]
            raise
    assert problem.path == "x"
