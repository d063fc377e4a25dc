from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

MODEL = """model
  schema 1.1
type user
type resource
  relations
    define banned: [user]
    define viewer: [user, user:*]
    define can_view: viewer but not banned
"""


@pytest.fixture
def related(cli: Any) -> Any:
    policies: Path = cli.data / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    (policies / "relations.fga").write_text(MODEL)
    return cli


def test_a_relation_is_written_asked_listed_and_deleted(related: Any, tmp_path: Path) -> None:
    file = tmp_path / "more.jsonl"
    file.write_text('{"user": "user:*", "relation": "viewer", "object": "resource:notes/all"}\n\n')
    assert related("relations", "write", "user:a", "viewer", "resource:notes/x").code == 0
    assert "1 written" in related("relations", "write", "--file", str(file)).out
    assert related("relations", "check", "user:a", "can_view", "resource:notes/x").code == 0
    assert related("relations", "check", "user:b", "can_view", "resource:notes/x").code == 4
    listed = related("--output", "json", "relations", "list", "--user", "user:a").json
    assert [row["object"] for row in listed] == ["resource:notes/x"]
    assert "notes/all" in related("relations", "list-objects", "user:a", "can_view", "resource").out
    assert "user:a" in related("relations", "list-users", "resource:notes/x", "can_view").out
    assert "but not" in related("relations", "expand", "can_view", "resource:notes/x").out
    assert "can_view" in related("relations", "model").out
    assert related("relations", "delete", "user:a", "viewer", "resource:notes/x").code == 0
    assert related("relations", "check", "user:a", "can_view", "resource:notes/x").code == 4


def test_a_malformed_file_names_the_line_and_writes_nothing(related: Any, tmp_path: Path) -> None:
    file = tmp_path / "wrong.jsonl"
    file.write_text('{"user": "user:a", "relation": "viewer", "object": "resource:x"}\n{"user": "a b"}\n')
    said = related("relations", "write", "--file", str(file))
    assert said.code == 1
    assert "wrong.jsonl:2: the line is no tuple" in said.err
    assert related("--output", "json", "relations", "list").json == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"user": "user:a", "relation": "viewr", "object": "resource:x"}, "did you mean `viewer`?"),
        ({"user": "user:0", "relation": "viewer", "object": "resource:x"}, "the first is in line 1"),
        ({"user": "user:\ud800", "relation": "viewer", "object": "resource:x"}, "is no user"),
    ],
    ids=["not allowed", "twice", "half a surrogate pair"],
)
def test_a_long_file_with_one_wrong_tuple_near_its_end_is_refused_before_anything_is_in_force(
    related: Any, tmp_path: Path, wrong: dict[str, str], said: str
) -> None:
    file = tmp_path / "long.jsonl"
    tuples = [{"user": f"user:{number}", "relation": "viewer", "object": "resource:x"} for number in range(600)]
    file.write_text("\n".join(map(json.dumps, [*tuples, wrong])))
    answer = related("relations", "write", "--file", str(file))
    assert answer.code == 1
    assert "long.jsonl:601: " in answer.err
    assert said in answer.err
    assert related("--output", "json", "relations", "list").json == []


def test_what_the_model_does_not_allow_is_refused_with_a_hint(related: Any) -> None:
    said = related("relations", "write", "user:a", "viewr", "resource:x")
    assert said.code == 1
    assert "did you mean `viewer`?" in said.err
    assert "is no user" in related("relations", "write", "user:\udcff", "viewer", "resource:x").err
    assert related("relations", "delete", "user:a", "viewer", "resource:x").code == 3
    assert related("relations", "check", "user:a", "viewer", "resource:x", "--context", "[").code == 2
    assert related("relations", "write").code == 2


def test_a_model_is_shown_in_either_form_and_each_form_reads_the_other(related: Any, tmp_path: Path) -> None:
    shown = related("relations", "model", "show").out
    assert shown.startswith("model\n  schema 1.1\n")
    assert related("relations", "model").out == shown
    written = related.json("relations", "model", "show")
    assert written["schema_version"] == "1.1"
    (tmp_path / "m.json").write_text(json.dumps(written))
    assert related("relations", "model", "show", str(tmp_path / "m.json")).out == shown
    assert related.json("relations", "model", "check", str(tmp_path / "m.json")) == related.json(
        "relations", "model", "check"
    )
    assert "line" in related("relations", "model", "show", "--table").out


def test_a_wrong_model_is_told_with_its_places(related: Any, tmp_path: Path) -> None:
    (tmp_path / "m.fga").write_text("model\n  schema 1.1\ntype user\ntype a\n  relations\n    define b: c\n")
    said = related("relations", "model", "check", str(tmp_path / "m.fga"))
    assert (said.code, said.out.startswith("m.fga:6:15: the type `a` has no relation `c`")) == (4, True)
    (tmp_path / "m.json").write_text('{"schema_version": "1.1",\n "type_definitions": [{"typ": "user"}]}')
    said = related("relations", "model", "check", str(tmp_path / "m.json"))
    assert (said.code, said.out.startswith("m.json:2:24: no key `typ` is known here")) == (4, True)
    assert related("relations", "model", "check", str(tmp_path / "none.fga")).code == 2


def test_groups_of_the_directory_count_as_at_the_doors(related: Any) -> None:
    model = MODEL.replace("type resource", "type group\n  relations\n    define member: [user]\ntype resource")
    (related.data / "policies" / "relations.fga").write_text(
        model.replace("viewer: [user, user:*]", "viewer: [user, user:*, group#member]")
    )
    assert related("users", "create", "ada", "--group", "members").code == 0
    (ada,) = [row["id"] for row in related.json("users", "list") if row["user"] == "ada"]
    assert related("relations", "write", "group:members#member", "viewer", "resource:notes/x").code == 0
    assert related("relations", "check", f"user:{ada}", "can_view", "resource:notes/x").code == 0
    assert "notes/x" in related("relations", "list-objects", f"user:{ada}", "can_view", "resource").out
    assert ada in related("relations", "list-users", "resource:notes/x", "can_view").out
    assert related("relations", "check", "user:somebody", "can_view", "resource:notes/x").code == 4


def test_many_questions_are_answered_from_one_file(related: Any, tmp_path: Path) -> None:
    assert related("relations", "write", "user:a", "viewer", "resource:notes/x").code == 0
    file = tmp_path / "questions.jsonl"
    asked = [("user:a", "can_view"), ("user:b", "can_view"), ("user:a", "veiwer")]
    file.write_text(
        "".join(
            json.dumps({"user": user, "relation": relation, "object": "resource:notes/x"}) + "\n"
            for user, relation in asked
        )
    )
    said = related("--output", "json", "relations", "check", "--file", str(file))
    assert said.code == 4
    assert [row["related"] for row in said.json] == [True, False, None]
    assert "did you mean" in said.json[2]["problem"] or "has no relation" in said.json[2]["problem"]
    none = related("relations", "check", "user:a", "can_view", "resource:notes/x", "--at-least", "1")
    assert (none.code, "no node runs" in none.err) == (3, True)
