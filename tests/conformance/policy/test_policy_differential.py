"""The compiled evaluator against the reference, on generated schemas, policies, entities and requests."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import cedarpy
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from policy_cases import Choice, Drawn, Seeded, World, bundle_of, compare, differences, schema, schema_text
from policy_oracle import Oracle

from watchword.policy import (
    Effect,
    EntityUid,
    MalformedValueError,
    PolicyRequest,
    Value,
    decimal,
    duration,
    instant,
    ip,
)
from watchword.policy.evaluator import Evaluator, Mode
from watchword.policy.schema import parse_schema

patient = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
PERMIT_ALL = {
    "effect": "permit",
    "principal": {"op": "All"},
    "action": {"op": "All"},
    "resource": {"op": "All"},
    "conditions": [],
    "annotations": {"id": "all"},
}
REQUEST = PolicyRequest(EntityUid("U", "a"), EntityUid("Action", "a"), EntityUid("U", "b"), {}, {})


@given(st.data())
@settings(patient, max_examples=60)
def test_any_policy_answers_as_the_reference_does(data: st.DataObject) -> None:
    compare(Drawn(data.draw), is_strict=False)


@given(st.data())
@settings(patient, max_examples=40)
def test_a_valid_policy_on_a_valid_request_answers_as_the_reference_does(data: st.DataObject) -> None:
    compare(Drawn(data.draw), is_strict=True)


def test_six_hundred_seeded_cases_answer_as_the_reference_does() -> None:
    assert differences(range(600)) == []


def test_the_seeded_cases_reach_every_effect() -> None:
    strict = {compare(Seeded(seed), is_strict=True) for seed in range(80)}
    assert {Effect.PERMIT, Effect.FORBID, Effect.SILENT} <= strict


@given(st.data())
@settings(patient, max_examples=50)
def test_a_request_is_refused_exactly_when_the_reference_refuses_it(data: st.DataObject) -> None:
    refuse_alike(Drawn(data.draw))


def test_three_hundred_seeded_misfits_are_refused_exactly_when_the_reference_refuses_them() -> None:
    refused = [refuse_alike(Seeded(seed)) for seed in range(300)]
    assert 60 < sum(refused) < 270


def refuse_alike(choice: Choice) -> bool:
    made = schema(choice)
    bundle = bundle_of([PERMIT_ALL], str(cedarpy.Schema.from_str(schema_text(made))))
    world = World(choice, made)
    entities = world.entities()
    request = spoiled(world, world.request(entities))
    answer = Evaluator(bundle).evaluate(request)
    verdict = Oracle(bundle).ask(request)
    assert verdict.is_refused == (answer.effect is Effect.ERROR), (answer, request)
    assert not verdict.is_refused or answer.code == "schema_misfit"
    return verdict.is_refused


def spoiled(world: World, request: PolicyRequest) -> PolicyRequest:
    """Change one thing, which may or may not make the request misfit."""
    match world.choice.below(6):
        case 0:
            return replace(request, action=EntityUid(request.action.type, world.pick(("look", "fly", "all of them"))))
        case 1:
            return replace(request, principal=world.uid(world.pick(sorted(world.schema.entities))))
        case 2:
            return replace(request, resource=world.uid(world.pick(sorted(world.schema.entities))))
        case 3:
            return replace(request, context=spoiled_record(world, request.context))
        case 4:
            entity = request.entities[request.principal]
            changed = replace(entity, attributes=spoiled_record(world, entity.attributes))
            return replace(request, entities={**request.entities, request.principal: changed})
        case _:
            entity = request.entities[request.resource]
            others = [uid for uid in request.entities if uid > request.resource]
            changed = replace(entity, parents=(*entity.parents, *world.some(others, 1))) if others else entity
            changed = replace(changed, tags={"t": world.value(world.any_type())}) if world.chance(3) else changed
            return replace(request, entities={**request.entities, request.resource: changed})


def spoiled_record(world: World, record: Any) -> dict[str, Value]:
    changed = dict(record)
    if changed and world.chance(2):
        name = world.pick(sorted(changed))
        inner = changed[name]
        if isinstance(inner, dict) and world.chance(2):
            changed[name] = spoiled_record(world, inner)
        elif world.chance(3):
            del changed[name]
        else:
            changed[name] = world.value(world.any_type())
    elif world.chance(2):
        changed[world.pick(("name", "size", "extra"))] = world.value(world.any_type())
    return changed


@given(st.data())
@settings(patient, max_examples=30)
def test_a_rendered_schema_reads_back_as_it_was_meant(data: st.DataObject) -> None:
    made = schema(Drawn(data.draw))
    read = parse_schema(str(cedarpy.Schema.from_str(schema_text(made))))
    assert read.actions == made.actions
    assert {name: normal(type_) for name, type_ in read.entities.items()} == {
        name: normal(type_) for name, type_ in made.entities.items()
    }


def normal(type_: Any) -> Any:
    return (type_.parents, type_.tags, type_.ids, dict(type_.attributes.fields))


def reference_takes(expression: str) -> bool:
    policy = f"permit (principal, action, resource) when {{ {expression} }};"
    said = cedarpy.is_authorized({"principal": 'U::"a"', "action": 'Action::"a"', "resource": 'U::"b"'}, policy, "[]")
    return not said.diagnostics.errors


PARSERS = {"ip": ip, "decimal": decimal, "datetime": instant, "duration": duration}
SHAPES = {
    "ip": st.one_of(
        st.ip_addresses().map(str),
        st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,3})?", fullmatch=True),
        st.text("0123456789abcdef:./%", max_size=45),
        st.tuples(st.ip_addresses(), st.integers(0, 130)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    ),
    "decimal": st.one_of(
        st.from_regex(r"-?[0-9]{1,19}\.[0-9]{0,5}", fullmatch=True), st.text("0123456789.-+eE", max_size=22)
    ),
    "datetime": st.one_of(
        st.datetimes().map(lambda at: f"{at:%Y-%m-%d}".zfill(10)),
        st.from_regex(
            r"[0-9]{4}-[0-1][0-9]-[0-3][0-9](T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{3})?(Z|[+-][0-2][0-9][0-6][0-9])?)?",
            fullmatch=True,
        ),
        st.text("0123456789-:.TZ+", max_size=30),
    ),
    "duration": st.one_of(
        st.from_regex(
            r"-?([0-9]{1,12}d)?([0-9]{1,14}h)?([0-9]{1,16}m)?([0-9]{1,18}s)?([0-9]{1,20}ms)?", fullmatch=True
        ),
        st.text("0123456789dhms-+", max_size=20),
    ),
}


@pytest.mark.parametrize("name", PARSERS)
@given(st.data())
@settings(patient, max_examples=120)
def test_a_text_is_a_value_exactly_when_the_reference_takes_it(name: str, data: st.DataObject) -> None:
    text = data.draw(SHAPES[name])
    try:
        value = str(PARSERS[name](text))
    except MalformedValueError:
        value = None
    literal = json.dumps(text, ensure_ascii=False)
    assert reference_takes(f"{name}({literal}) == {name}({literal})") == (value is not None), text
    if value is not None and not (name == "datetime" and text.startswith("0000")):
        rendered = f"{name}({json.dumps(value)}) == {name}({literal})"
        policy = f"permit (principal, action, resource) when {{ {rendered} }};"
        said = cedarpy.is_authorized(
            {"principal": 'U::"a"', "action": 'Action::"a"', "resource": 'U::"b"'}, policy, "[]"
        )
        assert said.allowed, (text, value)


@pytest.mark.parametrize("digits", ["0" * 5_000 + "1", "1" * 5_000, "0" * 5_000], ids=["zeros before", "huge", "zeros"])
@pytest.mark.parametrize(("name", "tail"), [("decimal", ".0"), ("duration", "ms")])
def test_thousands_of_digits_are_a_number_exactly_when_the_reference_takes_them(
    name: str, tail: str, digits: str
) -> None:
    try:
        PARSERS[name](digits + tail)
        is_taken = True
    except MalformedValueError:
        is_taken = False
    literal = json.dumps(digits + tail)
    assert is_taken == reference_takes(f"{name}({literal}) == {name}({literal})")


LETTERS = st.text('ab*\\"\n\0ü', max_size=8)


@given(st.lists(st.one_of(st.none(), LETTERS), max_size=6), st.text('ab*\\"\n\0ü', max_size=14))
@example([None, "a", None, "a", "b"], "aab")
@settings(patient, max_examples=120)
def test_a_pattern_matches_exactly_what_the_reference_matches(pattern: list[str | None], subject: str) -> None:
    parts = [part for part in pattern if part != ""]
    est = {
        **PERMIT_ALL,
        "conditions": [
            {
                "kind": "when",
                "body": {
                    "like": {
                        "left": {"Value": subject},
                        "pattern": ["Wildcard" if part is None else {"Literal": part} for part in parts],
                    }
                },
            }
        ],
    }
    bundle = bundle_of([est])
    verdict = Oracle(bundle, is_schema_checked=False).ask(REQUEST)
    answer = Evaluator(bundle, mode=Mode.REFERENCE).evaluate(REQUEST)
    assert (answer.effect is Effect.PERMIT) == verdict.is_allowed


@given(st.text(max_size=30), st.text(max_size=30))
@settings(patient, max_examples=120)
@example("'''\"\"\"\\", "); import os #")
@example("k0", "__class__")
def test_hostile_literals_and_names_mean_what_they_mean_to_the_reference(text: str, other: str) -> None:
    assume(not any("\ud800" <= letter <= "\udfff" for letter in text + other))
    value = {"Record": {text: {"Value": other}, other: {"Value": text}}}
    body = {
        "&&": {
            "left": {"==": {"left": {".": {"left": value, "attr": text}}, "right": {"Value": other}}},
            "right": {
                "in": {
                    "left": {"Value": {"__entity": {"type": "U", "id": text}}},
                    "right": {
                        "Set": [
                            {"Value": {"__entity": {"type": "U", "id": other}}},
                            {"Value": {"__entity": {"type": "U", "id": text}}},
                        ]
                    },
                }
            },
        }
    }
    if text == other:
        body["&&"]["left"] = {"has": {"left": {"Record": {text: {"Value": 1}}}, "attr": other}}
    bundle = bundle_of([{**PERMIT_ALL, "conditions": [{"kind": "when", "body": body}]}])
    verdict = Oracle(bundle, is_schema_checked=False).ask(REQUEST)
    answer = Evaluator(bundle, mode=Mode.REFERENCE).evaluate(REQUEST)
    assert (answer.effect is Effect.PERMIT) == verdict.is_allowed
    assert verdict.is_allowed
