from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.policy import PolicyLoadError
from watchword.policy.relations import parse_model
from watchword.policy.relations.dsl import rendered

HEAD = """model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
"""
WHOLE = (
    HEAD
    + """
type doc # with a comment
  relations
    define parent: [doc]
    define a: [user, user:*, group#member, user with recent] or b
    define b: ([user] or (a from parent)) but not c
    define c: [user] and (member_like or a from parent)
    define member_like: [user]
condition recent(now: timestamp, until: timestamp, words: list<string>) { # why
  now < until && "}" in words
}
"""
)


def _problem(source: str) -> str:
    with pytest.raises(PolicyLoadError) as caught:
        parse_model(source)
    return str(caught.value.problems[0])


def test_a_model_is_read_whole() -> None:
    model = parse_model(WHOLE)
    assert model.relation_names("doc", "group") == ("a", "b", "c", "member", "member_like", "parent")
    assert model.conditions["recent"].expression == 'now < until && "}" in words'
    assert str(model.conditions["recent"].parameters["words"]) == "list<string>"


def test_a_model_that_is_written_again_is_the_same() -> None:
    model = parse_model(WHOLE)
    again = parse_model(rendered(model.types, model.conditions))
    assert again == model
    assert again.version == model.version


def test_layout_and_comments_do_not_make_another_version() -> None:
    spread = HEAD.replace("\n", "   # so\n").replace("    define", "\tdefine").replace("\n", "\r\n")
    assert parse_model(spread).version == parse_model(HEAD).version


@pytest.mark.parametrize(
    ("addition", "said"),
    [
        ("type d\n  relations\n    define a: [user] or b\n", "9:25: the type `d` has no relation `b`"),
        ("type d\n  relations\n    define a: [usr]\n", "9:16: no type `usr`; did you mean `user`?"),
        (
            "type d\n  relations\n    define a: [group#membr]\n",
            "the type `group` has no relation `membr`; did you mean",
        ),
        ("type d\n  relations\n    define a: [user with c1]\n", "9:16: no condition `c1`"),
        ("type d\n  relations\n    define a [user]\n", "9:14: `[` cannot stand here; expected `:`"),
        ("type d\n  relations\n    define a: [user] or\n", "9:24: the end of the line cannot stand here; expected"),
        ("type d\n  relations\n    define a: [user] or a and a\n", "9:27: `and` cannot follow without parentheses"),
        (
            "type d\n  relations\n    define a: [user]\n    define a: [user]\n",
            "10:12: the relation `a` of `d` is defined",
        ),
        ("type d\n  relations\n    define a: [user] or [user]\n", "9:25: a list of types comes first or not at all"),
        ("type d\n  relations\n    define a: b\n    define b: a\n", "a relation is computed from itself"),
        ("type d\n  relations\n    define a: [d#a]\n", "9:12: nobody can ever be `a` of a `d`"),
        (
            "type d\n  relations\n    define a: [user] and a from a\n",
            "9:26: `a` is not direct",
        ),
        ("type d\n  relations\n    define p: [d#p, user]\n    define a: p from p\n", "10:15: `p` may hold usersets"),
        ("type group\n", "7:6: the type `group` is defined twice"),
        ("type self\n", "7:6: `self` is a reserved word"),
        ("type d\n  relations\n", "9:1: the end of the file cannot stand here; expected `define`"),
        ("condition cc(x: int) {\n  x + 1\n}\n", "8:3: the expression yields `int`, not true or false"),
        ("condition cc(x: int) { x > 1 && y }\n", "7:33: undeclared reference to `y`"),
        ("condition cc(x: int) {\n  x > 1 &&\n  x == true }\n", "9:5: found no matching overload"),
        ("condition cc(x: list) { x > 1 }\n", "7:21: `)` cannot stand here; expected `<`"),
        ("condition cc(x: num) { x > 1 }\n", "7:17: `num` is no type of a parameter; expected one of `bool`"),
        ("condition cc(x: int) { x > 1\n", "7:22: the condition has no end; expected `}`"),
        ("condition cc(x: int, x: int) { x > 1 }\n", "7:22: the parameter `x` is declared twice"),
    ],
)
def test_a_malformed_model_is_refused_with_its_place(addition: str, said: str) -> None:
    assert said in _problem(HEAD + addition)


@pytest.mark.parametrize(
    "source", ["", "model", "model\n  schema 1.2\n", "model\n  schema 1.1\nmodule x\n", "type user\n"]
)
def test_what_is_no_model_is_refused(source: str) -> None:
    assert _problem(source).startswith("relations.fga:")


def test_parentheses_without_end_are_refused_quickly() -> None:
    began = time.monotonic()
    for hostile in ("(" * 100_000, "(" * 60 + "a" + ")" * 60, "a or " * 50_000 + "a"):
        _problem(f"{HEAD}type d\n  relations\n    define a: {hostile}\n")
    assert "longer than 256 KB" in _problem("model\n" + "#" * 300_000)
    assert time.monotonic() - began < 5


def test_a_condition_nested_beyond_reason_is_refused() -> None:
    assert "8:" in _problem(HEAD + "condition cc(x: int) {\n" + "(" * 500 + "x > 1" + ")" * 500 + "\n}\n")


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="[]():,#*<>{}\"' \n\tabmodeltypefinsrcwh1.", max_size=120), st.integers(0, len(WHOLE)))
def test_whatever_is_written_into_a_model_is_a_model_or_a_problem(noise: str, at: int) -> None:
    with suppress(PolicyLoadError):
        parse_model(WHOLE[:at] + noise + WHOLE[at:])
