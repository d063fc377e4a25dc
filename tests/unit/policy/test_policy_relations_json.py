"""OpenFGA's JSON form of a model: the same model as in the language, and every mistake with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from watchword.policy import PolicyLoadError, PolicySet
from watchword.policy.bundles import read_policy_files
from watchword.policy.relations import as_json, parse_model, rendered

MODEL = """model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define owner: [user]
    define viewer: [user, user:* with cond, group#member with soon] or owner
type document
  relations
    define parent: [folder]
    define banned: [user]
    define a: ([user] or viewer from parent) and banned
    define can_view: (a or (viewer from parent and banned)) but not banned
condition cond(x: int, l: list<string>, m: map<int>, at: timestamp, d: duration, ip: ipaddress, u: uint, f: double) {
  x > 3 && l.size() > 2 && "a}" != l[0]
}
condition soon(at: timestamp, b: bool, s: string) {
  b && s == "x"
}
"""


def form() -> dict[str, Any]:
    return as_json(parse_model(MODEL))


def refusal(document: Any) -> str:
    with pytest.raises(PolicyLoadError) as refused:
        parse_model(json.dumps(document, indent=1), path="relations.json")
    return "\n".join(map(str, refused.value.problems))


def test_a_model_comes_back_from_its_json_form_as_it_was() -> None:
    model = parse_model(MODEL)
    for text in (json.dumps(as_json(model)), json.dumps(as_json(model), indent="\t")):
        again = parse_model(text, path="relations.json")
        assert (again.version, as_json(again)) == (model.version, as_json(model))
        assert rendered(again.types, again.conditions) == rendered(model.types, model.conditions)
    assert parse_model(rendered(model.types, model.conditions)).version == model.version


def test_the_order_of_definitions_does_not_make_another_model() -> None:
    turned = form()
    turned["type_definitions"].reverse()
    assert parse_model(json.dumps(turned, sort_keys=True), path="m.json").version == parse_model(MODEL).version
    turned["type_definitions"][0]["relations"]["parent"] = {"computedUserset": {"relation": "banned"}}
    turned["type_definitions"][0]["metadata"]["relations"]["parent"] = {}
    with pytest.raises(PolicyLoadError, match="is not direct"):
        parse_model(json.dumps(turned), path="m.json")


def test_what_servers_add_is_passed_over_and_the_list_of_types_may_stand_anywhere() -> None:
    given = form()
    given["id"] = "01ARZ"
    folder = given["type_definitions"][2]
    folder["metadata"] |= {"module": "", "source_info": None}
    folder["metadata"]["relations"]["owner"] |= {"module": "", "source_info": None}
    folder["relations"]["viewer"]["union"]["child"].reverse()
    for one in folder["metadata"]["relations"]["viewer"]["directly_related_user_types"]:
        one.setdefault("condition", "")
    folder["relations"]["viewer"]["union"]["child"][0]["computedUserset"]["object"] = ""
    assert parse_model(json.dumps(given), path="m.json").version == parse_model(MODEL).version


def spoil(change: Any) -> dict[str, Any]:
    given = form()
    change(given)
    return given


THIS = {"this": {}}
WRONG = {
    "schema": (lambda m: m.update(schema_version="1.2"), "this schema is not read"),
    "no types": (lambda m: m.pop("type_definitions"), "the key `type_definitions` is missing"),
    "name": (lambda m: m["type_definitions"][0].update(type="us er"), "this is no name of a type"),
    "relation name": (
        lambda m: m["type_definitions"][1]["relations"].update({"a:b": THIS}),
        "this is no name of a relation",
    ),
    "two forms": (
        lambda m: m["type_definitions"][1]["relations"]["member"].update(computedUserset={"relation": "member"}),
        "this is not one rewrite",
    ),
    "nobody": (lambda m: m["type_definitions"][1].pop("metadata"), "nobody is named who may be related directly"),
    "types that nothing takes": (
        lambda m: m["type_definitions"][2]["relations"].update(viewer={"computedUserset": {"relation": "owner"}}),
        "types are named, but nothing takes them",
    ),
    "this twice": (
        lambda m: m["type_definitions"][2]["relations"]["viewer"]["union"]["child"].append(THIS),
        "`this` cannot stand here",
    ),
    "this that is subtracted": (
        lambda m: m["type_definitions"][2]["relations"].update(
            viewer={"difference": {"base": {"computedUserset": {"relation": "owner"}}, "subtract": THIS}}
        ),
        "`this` cannot stand here",
    ),
    "an empty union": (
        lambda m: m["type_definitions"][2]["relations"]["viewer"]["union"].update(child=[]),
        "`union` has no part",
    ),
    "another object": (
        lambda m: m["type_definitions"][2]["relations"]["viewer"]["union"]["child"][1]["computedUserset"].update(
            object="folder:1"
        ),
        "a relation of another object",
    ),
    "a userset of everybody": (
        lambda m: m["type_definitions"][1]["metadata"]["relations"]["member"]["directly_related_user_types"][1].update(
            wildcard={}
        ),
        "cannot be everybody as well",
    ),
    "a parameter": (
        lambda m: m["conditions"]["soon"]["parameters"]["b"].update(type_name="TYPE_NAME_ANY"),
        "this is no type of a parameter",
    ),
    "a list of nothing": (
        lambda m: m["conditions"]["cond"]["parameters"]["l"].pop("generic_types"),
        "not as many elements",
    ),
    "another name": (lambda m: m["conditions"]["soon"].update(name="late"), "filed under another name"),
    "an expression": (lambda m: m["conditions"]["soon"].update(expression="b &&"), "yntax error"),
    "an unknown relation": (
        lambda m: m["type_definitions"][3]["relations"].update(can_view={"computedUserset": {"relation": "bannd"}}),
        "has no relation `bannd`; did you mean `banned`?",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_mistake_is_told_with_its_place(what: str) -> None:
    change, words = WRONG[what]
    said = refusal(spoil(change))
    assert words in said
    assert said.startswith("relations.json:")
    assert not said.startswith("relations.json:0")


def test_what_is_no_json_or_says_a_name_twice_or_is_nested_without_end_is_refused() -> None:
    for text in ("", "{", "[]", '{"schema_version": "1.1", "schema_version": "1.1", "type_definitions": []}'):
        with pytest.raises(PolicyLoadError):
            parse_model(text, path="m.json")
    given = '{"schema_version": "1.1", "type_definitions": [{"type": "a", "relations": {"b": %s}}]}'
    text = '{"union": {"child": [' * 5000 + '{"this": {}}' + "]}}" * 5000
    with pytest.raises(PolicyLoadError, match="nested"):
        parse_model(given % text, path="m.json")


def test_a_policy_directory_may_hold_the_json_form_and_never_both(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text('permit (principal, action, resource) when { context.rel.contains("viewer") };')
    model = "model\n  schema 1.1\ntype user\ntype resource\n  relations\n    define viewer: [user]\n"
    (tmp_path / "relations.json").write_text(json.dumps(as_json(parse_model(model))))
    loaded = PolicySet.load(tmp_path)
    assert loaded.relations is not None
    assert loaded.relations.version == parse_model(model).version
    assert "relations.json" in read_policy_files(tmp_path)[0]
    (tmp_path / "relations.fga").write_text(model)
    with pytest.raises(PolicyLoadError, match=r"relations.json: there is a model in `relations.fga` as well"):
        PolicySet.load(tmp_path)
