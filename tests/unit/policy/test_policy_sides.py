"""What a set of policies remembers of the entities it was asked about never outlives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from watchword.policy import Effect, Entity, EntityUid, PolicyRequest, PolicySet, sides

SCHEMA = """
entity Group;
entity User in [Group] = { name: String };
entity Folder in [Folder] = { public: Bool };
entity Page in [Folder];
action look appliesTo { principal: User, resource: [Folder, Page] };
"""
STAFF, ANN = EntityUid("Group", "staff"), EntityUid("User", "ann")
INNER, OUTER, TOP, PAGE = (
    EntityUid("Folder", "inner"),
    EntityUid("Folder", "outer"),
    EntityUid("Folder", "top"),
    EntityUid("Page", "one"),
)
ENTITIES = {
    ANN: Entity(ANN, {"name": "Ann"}, (STAFF,)),
    INNER: Entity(INNER, {"public": False}, (OUTER,)),
    OUTER: Entity(OUTER, {"public": False}, (TOP,)),
    TOP: Entity(TOP, {"public": False}),
}
OF_STAFF = 'permit (principal in Group::"staff", action, resource);'
BELOW_TOP = 'permit (principal, action, resource in Folder::"top");'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "own.cedarschema").write_text(SCHEMA)
    return tmp_path


def load(directory: Path, text: str) -> PolicySet:
    (directory / "a.cedar").write_text(text)
    return PolicySet.load(directory, schema=None)


def asked(entities: Mapping[EntityUid, Entity], resource: EntityUid = INNER) -> PolicyRequest:
    return PolicyRequest(ANN, EntityUid("Action", "look"), resource, {}, entities)


def test_a_group_that_was_left_counts_no_more(directory: Path) -> None:
    policies = load(directory, OF_STAFF)
    assert policies.evaluate(asked(ENTITIES)).effect is Effect.PERMIT
    left = {**ENTITIES, ANN: Entity(ANN, {"name": "Ann"})}
    assert policies.evaluate(asked(left)).effect is Effect.SILENT
    assert policies.evaluate(asked(ENTITIES)).effect is Effect.PERMIT


def test_an_attribute_that_changed_is_read_as_it_is(directory: Path) -> None:
    policies = load(directory, 'permit (principal, action, resource) when { principal.name == "Ann" };')
    assert policies.evaluate(asked(ENTITIES)).effect is Effect.PERMIT
    renamed = {**ENTITIES, ANN: Entity(ANN, {"name": "Eve"}, (STAFF,))}
    assert policies.evaluate(asked(renamed)).effect is Effect.SILENT


def test_who_fitted_once_is_checked_again_when_described_anew(directory: Path) -> None:
    policies = load(directory, OF_STAFF)
    assert policies.evaluate(asked(ENTITIES)).effect is Effect.PERMIT
    odd = Entity(ANN, {"name": 7}, (STAFF,))
    for _ in range(2):
        assert policies.evaluate(asked({**ENTITIES, ANN: odd})).code == "schema_misfit"


def test_who_is_described_no_more_is_not_taken_from_memory(directory: Path) -> None:
    policies = load(directory, OF_STAFF)
    assert policies.evaluate(asked(ENTITIES)).effect is Effect.PERMIT
    gone = {uid: entity for uid, entity in ENTITIES.items() if uid != ANN}
    assert policies.evaluate(asked(gone)).code == "schema_misfit"


def test_a_side_is_not_found_under_the_name_of_another(directory: Path) -> None:
    policies = load(directory, OF_STAFF)
    assert policies.evaluate(asked(ENTITIES)).effect is Effect.PERMIT
    eve = EntityUid("User", "eve")
    request = replace(asked({**ENTITIES, eve: ENTITIES[ANN]}), principal=eve)
    assert policies.evaluate(request).code == "schema_misfit"


def test_a_change_further_up_is_seen_although_the_entity_itself_is_the_same(directory: Path) -> None:
    policies = load(directory, BELOW_TOP)
    assert policies.evaluate(asked(ENTITIES)).effect is Effect.PERMIT
    moved = {**ENTITIES, OUTER: Entity(OUTER, {"public": False})}
    assert policies.evaluate(asked(moved)).effect is Effect.SILENT


def test_parents_that_have_parents_are_looked_up_for_a_leaf_too(directory: Path) -> None:
    policies = load(directory, BELOW_TOP)
    page = {**ENTITIES, PAGE: Entity(PAGE, {}, (OUTER,))}
    assert policies.evaluate(asked(page, PAGE)).effect is Effect.PERMIT
    moved = {**page, OUTER: Entity(OUTER, {"public": False})}
    assert policies.evaluate(asked(moved, PAGE)).effect is Effect.SILENT


def test_what_is_remembered_has_a_bound(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "_REMEMBERED", 8)
    engine = load(directory, OF_STAFF)._engine
    for number in range(50):
        uid = EntityUid("User", f"u{number}")
        request = replace(asked({**ENTITIES, uid: Entity(uid, {"name": "U"}, (STAFF,))}), principal=uid)
        assert engine.evaluate(request).effect is Effect.PERMIT
    assert len(engine._sides) == 8
