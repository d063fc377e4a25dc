"""The file of entities: what is right is in force, what is wrong changes nothing, what does not fit denies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from authzen_shop import write_shop
from authzen_world import AuthzenWorld, question

from watchword.enforcement.authzen import EntitiesFile, EntitiesFileError
from watchword.kernel import FrozenClock
from watchword.policy import EntityUid, PolicySet, parse_schema


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> PolicySet:
    return PolicySet.load(write_shop(tmp_path_factory.mktemp("shop")))


def _write(path: Path, *entities: Any) -> Path:
    path.write_text(json.dumps(list(entities)))
    return path


_KIM = {"uid": {"type": "Shop::Clerk", "id": "kim"}, "attrs": {"level": 4}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        "[1]",
        "[{}]",
        '[{"uid":"x"}]',
        '[{"uid":{"type":"A"}}]',
        '[{"uid":{"type":1,"id":"x"}}]',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_no_list_of_entities_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "entities.json"
    path.write_text(text)
    with pytest.raises(EntitiesFileError):
        EntitiesFile(path).load()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EntitiesFileError):
        EntitiesFile(tmp_path / "none.json").load()


@pytest.mark.parametrize(
    "wrong",
    [
        _KIM | {"attrs": {"level": "high"}},
        _KIM | {"attrs": {"levle": 4}},
        _KIM | {"attrs": []},
        _KIM | {"parents": "x"},
        _KIM | {"parents": [{"type": "Shop::Desk"}]},
        _KIM | {"tags": {"a": 1}},
    ],
)
async def test_an_entity_that_does_not_fit_denies_and_is_not_described_by_the_caller_instead(
    clock: FrozenClock, entropy: Any, policies: PolicySet, tmp_path: Path, wrong: Any
) -> None:
    world = AuthzenWorld(clock, entropy, policies, entities=_write(tmp_path / "e.json", wrong))
    claimed = {"type": "clerk", "id": "kim", "properties": {"level": 9}}
    said = await world.decides(question(claimed, "view", "Shop::Order/1"))
    assert said["context"]["reason_admin"]["403"].startswith("schema_misfit: what is known of the subject")
    assert world.filed.problem is not None
    assert 'Shop::Clerk::"kim"' in world.filed.problem


async def test_an_entity_that_stands_there_twice_is_nobody(
    clock: FrozenClock, entropy: Any, policies: PolicySet, tmp_path: Path
) -> None:
    path = _write(tmp_path / "e.json", _KIM, _KIM | {"attrs": {}}, _KIM)
    world = AuthzenWorld(clock, entropy, policies, entities=path)
    assert (await world.decides(question("clerk/kim", "view", "Shop::Order/1")))["decision"] is False


async def test_a_file_cannot_speak_of_watchwords_own(
    clock: FrozenClock, entropy: Any, policies: PolicySet, tmp_path: Path
) -> None:
    attributes = {"name": "mallory", "is_administrator": True, "is_privileged": True}
    forged = {"uid": {"type": "Watchword::User", "id": "mallory"}, "attrs": attributes}
    world = AuthzenWorld(clock, entropy, policies, entities=_write(tmp_path / "e.json", forged))
    assert (await world.decides(question("user/mallory", "refund", "order/1")))["decision"] is False


def test_entities_are_read_anew_for_another_schema(policies: PolicySet, tmp_path: Path) -> None:
    found = EntitiesFile(_write(tmp_path / "e.json", _KIM))
    found.load()
    schema = parse_schema(policies.bundle.schema)
    entities, misfits = found.fitting(schema)
    assert entities[EntityUid("Shop::Clerk", "kim")].attributes == {"level": 4}
    assert misfits == {}
    assert found.fitting(schema)[0] is entities
    assert list(found.fitting(parse_schema("entity A;"))[1]) == [EntityUid("Shop::Clerk", "kim")]


async def test_a_changed_file_is_in_force_and_a_wrong_one_never(policies: PolicySet, tmp_path: Path) -> None:
    path = _write(tmp_path / "e.json", _KIM)
    found = EntitiesFile(path)
    found.load()
    schema = parse_schema(policies.bundle.schema)
    path.write_text("{")
    await found.refresh()
    assert found.problem is not None
    assert list(found.fitting(schema)[0]) == [EntityUid("Shop::Clerk", "kim")]
    _write(path, {"uid": {"type": "Shop::Clerk", "id": "jo"}})
    await found.refresh()
    assert list(found.fitting(schema)[0]) == [EntityUid("Shop::Clerk", "jo")]
    assert found.problem is None
    path.unlink()
    await found.refresh()
    assert found.problem is not None
    assert list(found.fitting(schema)[0]) == [EntityUid("Shop::Clerk", "jo")]
