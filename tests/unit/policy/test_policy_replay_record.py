from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import cedarpy
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from policy_cases import Seeded, World, bundle_of, reparsed, schema, schema_text

from watchword.kernel import Answer
from watchword.policy import (
    Datetime,
    Decimal,
    Duration,
    Effect,
    Entity,
    EntityUid,
    PolicyRequest,
    PolicySet,
    Value,
    decimal,
    ip,
    set_of,
)
from watchword.policy.errors import MalformedValueError
from watchword.policy.evaluator import Evaluator
from watchword.policy.lazy import LazySet
from watchword.policy.model import RecordKey, Truth
from watchword.policy.replay import MalformedRecordError, Question, Recorder, outcome_of, record_of, request_of
from watchword.policy.replay.record import RecordedEntities

ALICE, BOB = EntityUid("User", "alice"), EntityUid("User", "bob")
STAFF, FILES, ROOT = EntityUid("Group", "staff"), EntityUid("Folder", "files"), EntityUid("Folder", "root")
READ = EntityUid("Action", "read")


def entities() -> dict[EntityUid, Entity]:
    return {
        ALICE: Entity(ALICE, {"manager": BOB, "age": 41}, (STAFF,)),
        BOB: Entity(BOB, {}, (), {"rank": set_of([True, 1])}),
        STAFF: Entity(STAFF),
        FILES: Entity(FILES, {}, (ROOT,)),
        ROOT: Entity(ROOT),
    }


def request(**context: Value) -> PolicyRequest:
    return PolicyRequest(ALICE, READ, FILES, context, entities())


def over_the_wire(asked: PolicyRequest) -> PolicyRequest:
    return request_of(orjson.loads(orjson.dumps(record_of(asked))))


def shape(value: Any) -> Any:
    """Tell values apart that Python holds for equal: `True` and `1`, names and pairs."""
    if isinstance(value, RecordKey):
        return "key", frozenset((name, shape(inner)) for name, inner in value.items)
    if isinstance(value, Mapping):
        return "record", tuple(sorted((name, shape(inner)) for name, inner in value.items()))
    if isinstance(value, frozenset):
        return "set", frozenset(map(shape, value))
    return type(value).__name__, str(value)


LONGS = st.integers(-(2**63), 2**63 - 1)
IPS = st.one_of(
    st.builds("{}/{}".format, st.ip_addresses(v=4).map(str), st.integers(0, 32)),
    st.builds("{}/{}".format, st.ip_addresses(v=6).map(lambda each: each.exploded), st.integers(0, 128)),
)
SCALARS: st.SearchStrategy[Value] = st.one_of(
    st.booleans(),
    LONGS,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.builds(EntityUid, st.text(max_size=4).filter(str.isascii), st.text(max_size=4).filter(str.isascii)),
    IPS.map(ip),
    LONGS.map(Decimal),
    LONGS.map(Datetime),
    LONGS.map(Duration),
)
VALUES: st.SearchStrategy[Value] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4).map(set_of)
        | st.dictionaries(st.text(max_size=4).filter(str.isascii), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=150, deadline=None)
def test_every_value_of_cedar_comes_back_as_it_was(value: Value) -> None:
    found = over_the_wire(request(it=value)).context["it"]
    assert shape(found) == shape(value)


class Ident(str):
    __slots__ = ()


def test_a_record_can_be_read_before_it_was_written_too() -> None:
    who = EntityUid("User", Ident("alice"))
    asked = PolicyRequest(who, READ, FILES, {"name": Ident("x")}, {who: Entity(who, {"id": Ident("y")})})
    assert request_of(record_of(asked)).entities[who].attributes == {"id": "y"}
    assert over_the_wire(asked).principal == ("User", "alice")


def test_a_one_in_a_set_is_not_taken_for_true() -> None:
    found = over_the_wire(request(it=set_of([True, 1, False, {"a": True}, {"a": 1}]))).context["it"]
    assert found == frozenset(
        {Truth.YES, Truth.NO, 1, RecordKey(frozenset({("a", Truth.YES)})), RecordKey(frozenset({("a", 1)}))}
    )
    assert isinstance(found, frozenset)
    assert {type(each) for each in found} == {Truth, int, RecordKey}


def test_a_record_that_looks_like_ours_stays_a_record() -> None:
    tricky: Value = {"form": 1, "set": {"ip": "10.0.0.1"}, "entity": set_of(["entity", "set"])}
    assert over_the_wire(request(it=tricky)).context["it"] == tricky


def test_whatever_can_be_reached_is_recorded_and_nothing_else() -> None:
    asked = request()
    stranger = EntityUid("User", "mallory")
    described = {**asked.entities, stranger: Entity(stranger, {"secret": "x"})}
    found = over_the_wire(PolicyRequest(ALICE, READ, FILES, {}, described))
    assert dict(found.entities) == dict(asked.entities)


def test_an_entity_that_was_named_and_not_described_is_known_to_be_absent() -> None:
    ghost = EntityUid("User", "ghost")
    asked = request(who=set_of([ghost]))
    found = over_the_wire(asked).entities
    assert isinstance(found, RecordedEntities)
    assert found.get(ghost) is None
    assert ghost not in found
    assert not found.missed
    assert found.get(EntityUid("User", "never named")) is None
    assert found.missed


def test_worlds_answer_alike_from_the_record_or_say_that_they_cannot() -> None:
    compared = missed = 0
    for seed in range(60):
        choice = Seeded(seed)
        made = schema(choice)
        world = World(choice, made, slack=8)
        ests = [world.policy(f"p{number}") for number in range(4)]
        evaluator = Evaluator(bundle_of(reparsed(ests), str(cedarpy.Schema.from_str(schema_text(made)))))
        for _ in range(4):
            described = world.entities()
            asked = world.request(described)
            world.forget_some(described, asked.action)
            again = over_the_wire(asked)
            assert isinstance(again.entities, RecordedEntities)
            answer = evaluator.evaluate(again)
            if again.entities.missed:
                missed += 1
                continue
            compared += 1
            assert answer == evaluator.evaluate(asked), (seed, asked)
    assert compared > 150
    assert missed > 0  # otherwise the flag was not tested


def test_a_recorder_writes_again_what_changed_and_keeps_what_did_not() -> None:
    recorder = Recorder()
    first = request(n=1)
    before = recorder.record_of(first)
    same = recorder.record_of(PolicyRequest(ALICE, READ, FILES, {"n": 2}, first.entities))
    assert same["context"] == {"n": 2}
    assert all(kept is row for kept, row in zip(same["entities"], before["entities"], strict=True))
    promoted = {**first.entities, ALICE: Entity(ALICE, {"age": 42}, (STAFF,))}
    after = recorder.record_of(PolicyRequest(ALICE, READ, FILES, {}, promoted))
    assert request_of(after).entities[ALICE].attributes == {"age": 42}


def test_a_recorder_writes_what_a_recorder_without_memory_writes() -> None:
    recorder = Recorder()
    for context in ({}, {"who": BOB}, {"who": EntityUid("User", "ghost")}, {"deep": {"who": set_of([{"a": ROOT}])}}):
        for _ in range(2):
            asked = request(**context)
            assert recorder.record_of(asked) == record_of(asked)
    shared = request()
    overlap = PolicyRequest(ALICE, READ, STAFF, {}, shared.entities)
    assert request_of(recorder.record_of(overlap)).entities == {
        uid: shared.entities[uid] for uid in (ALICE, STAFF, BOB)
    }


def test_further_entities_are_kept_when_asked_for() -> None:
    extra = EntityUid("Permission", "x")
    described = {**entities(), extra: Entity(extra, {}, (ROOT,))}
    record = record_of(PolicyRequest(ALICE, READ, FILES, {}, described), also=(extra,))
    assert request_of(record).entities[extra] == described[extra]


@pytest.mark.parametrize("wrong", [None, 1.5, b"x", object(), [1], frozenset({None})])
def test_what_is_no_value_is_refused_and_not_quoted(wrong: Any) -> None:
    with pytest.raises(MalformedRecordError) as refused:
        record_of(request(secret={"token": wrong}))
    assert "0x" not in str(refused.value)


def test_a_value_nested_beyond_reason_is_refused_both_ways() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"a": deep, "b": ip("10.0.0.1")}
    with pytest.raises(MalformedRecordError, match="too deeply"):
        record_of(request(it=deep))
    plain: Any = 1
    for _ in range(100_000):
        plain = {"a": plain}
    record = record_of(request())
    with pytest.raises(MalformedRecordError, match="too deeply"):
        request_of(record | {"context": plain})


class Relations(LazySet):
    """A set that is found out when asked; the second member is found nowhere."""

    def __init__(self) -> None:
        self.found: dict[str, bool | None] = {}

    @property
    def asked(self) -> Mapping[str, bool | None]:
        return self.found

    def names(self) -> Iterable[str]:
        raise AssertionError("nobody asked for all of them")

    def holds(self, name: str) -> bool:
        self.found[name] = name == "viewer"
        return name == "viewer"


RELATIONS = """
entity User; entity File;
action read appliesTo { principal: User, resource: File, context: { held: Set<String> } };
"""


def relating(directory: Path, *asked: str) -> PolicySet:
    directory.mkdir()
    (directory / "own.cedarschema").write_text(RELATIONS)
    conditions = " || ".join(f'context.held.contains("{name}")' for name in asked)
    (directory / "p.cedar").write_text(f"permit (principal, action, resource) when {{ {conditions} }};")
    return PolicySet.load(directory, schema=None)


def test_of_a_set_that_is_found_out_when_asked_the_answers_are_recorded(tmp_path: Path) -> None:
    user, file = EntityUid("User", "u"), EntityUid("File", "f")
    relations = Relations()
    described = {user: Entity(user), file: Entity(file)}
    asked = PolicyRequest(user, READ, file, {"held": relations}, described)
    live = relating(tmp_path / "live", "editor", "viewer")
    assert live.evaluate(asked).effect is Effect.PERMIT
    record = orjson.loads(orjson.dumps(record_of(asked)))
    assert record["context"]["held"] == ["asked", {"editor": False, "viewer": True}]
    question = Question(request_of(record))
    assert outcome_of(question, live).answer is Answer.ALLOW
    # The same recorded set, asked for something that nobody asked for then: unknown, and only then.
    assert outcome_of(question, relating(tmp_path / "other", "owner")).is_unknown
    assert not outcome_of(question, relating(tmp_path / "editors", "editor")).is_unknown
    assert outcome_of(question, relating(tmp_path / "viewers", "viewer", "owner")).answer is Answer.ALLOW


HOSTILE: list[tuple[str, Any]] = [
    ("form", 2),
    ("form", True),
    ("form", "1"),
    ("principal", "User::alice"),
    ("principal", ["User"]),
    ("principal", ["User", "alice", "x"]),
    ("action", ["Action", 1]),
    ("resource", None),
    ("context", []),
    ("context", {"a": None}),
    ("context", {"a": 1.0}),
    ("context", {"a": 2**63}),
    ("context", {"a": []}),
    ("context", {"a": [1]}),
    ("context", {"a": ["set", None]}),
    ("context", {"a": ["unknown", 1]}),
    ("context", {"a": ["entity", "User"]}),
    ("context", {"a": ["ip", "999.0.0.1"]}),
    ("context", {"a": ["ip", 1]}),
    ("context", {"a": ["ip"]}),
    ("context", {"a": ["decimal", "1.0"]}),
    ("context", {"a": ["decimal", True]}),
    ("context", {"a": ["datetime", 2**70]}),
    ("context", {"a": ["duration", 1, 2]}),
    ("context", {"a": ["asked", ["viewer"]]}),
    ("context", {"a": ["asked", {"viewer": 1}]}),
    ("context", {"a": ["asked", {}, {}]}),
    ("entities", {}),
    ("entities", [1]),
    ("entities", [[]]),
    ("entities", [[["User", "a"], {}]]),
    ("entities", [[["User", "a"], [], []]]),
    ("entities", [[["User", "a"], {}, {}]]),
    ("entities", [[["User", "a"], {}, [["User"]]]]),
    ("entities", [[["User", "a"], {}, [], []]]),
    ("entities", [[["User", "a"], {}, []], [["User", "a"], {"is_administrator": True}, []]]),
    ("entities", [[["User", "a"]], [["User", "a"], {}, []]]),
    ("entities", [[["User", "a"]]] * 20_000),
]


@pytest.mark.parametrize(("key", "value"), HOSTILE, ids=[f"{key}-{n}" for n, (key, _) in enumerate(HOSTILE)])
def test_a_hostile_record_is_refused(key: str, value: Any) -> None:
    with pytest.raises(MalformedRecordError):
        request_of(record_of(request()) | {key: value})


def test_a_record_with_a_key_too_many_or_too_few_is_refused() -> None:
    record = record_of(request())
    with pytest.raises(MalformedRecordError, match="`mode`"):
        request_of(record | {"mode": "reference"})
    with pytest.raises(MalformedRecordError, match="`context`"):
        request_of({key: value for key, value in record.items() if key != "context"})
    with pytest.raises(MalformedRecordError):
        request_of([record])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=8))
@example(["", ""])
@settings(max_examples=80, deadline=None)
def test_nothing_but_a_clear_error_comes_of_any_json(found: Any) -> None:
    for key in ("principal", "context", "entities", "form"):
        try:
            request_of(record_of(request()) | {key: found})
        except MalformedRecordError:
            continue
        is_a_name = isinstance(found, list) and len(found) == 2 and all(isinstance(part, str) for part in found)
        assert (key, found) in [("entities", []), ("form", 1)] or (key == "principal" and is_a_name)


@given(st.text(max_size=20))
@settings(max_examples=50, deadline=None)
def test_an_address_in_a_record_is_read_as_cedar_reads_it(text: str) -> None:
    record = record_of(request()) | {"context": {"a": ["ip", text]}}
    try:
        wanted = ip(text)
    except MalformedValueError:
        with pytest.raises(MalformedRecordError):
            request_of(record)
    else:
        assert request_of(record).context["a"] == wanted


def test_a_mapped_address_keeps_its_family() -> None:
    for text in ("::ffff:a00:1", "::", "fe80::1/64", "10.1.2.3/8"):
        assert over_the_wire(request(it=ip(text))).context["it"] == ip(text)
    least, most = decimal("-922337203685477.5808"), decimal("922337203685477.5807")
    assert [over_the_wire(request(it=each)).context["it"] for each in (least, most)] == [least, most]
    assert all(a != b for a, b in pairwise((least, most)))
