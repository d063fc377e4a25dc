"""What is asked in a caller's words, and what Watchword knows better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from authzen_shop import write_shop
from authzen_world import AuthzenWorld, question
from decision_world import NOTES

from watchword.decision.vocabulary import Vocabulary
from watchword.enforcement.authzen.known import Knowledge
from watchword.kernel import FrozenClock
from watchword.policy import EntityUid, PolicySet

_FILED = [
    {
        "uid": {"type": "Shop::Clerk", "id": "kim"},
        "attrs": {"level": 1},
        "parents": [{"type": "Shop::Desk", "id": "returns"}],
    },
    {"uid": {"type": "Shop::Order", "id": "7"}, "attrs": {"paid": True}, "parents": []},
]


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> PolicySet:
    return PolicySet.load(write_shop(tmp_path_factory.mktemp("shop")))


@pytest.fixture
def shop(clock: FrozenClock, entropy: Any, policies: PolicySet, tmp_path: Path) -> AuthzenWorld:
    filed = tmp_path / "entities.json"
    filed.write_text(json.dumps(_FILED))
    return AuthzenWorld(clock, entropy, policies, entities=filed)


async def _reason(shop: AuthzenWorld, asked: Any) -> str:
    said = await shop.decides(asked)
    assert said["decision"] is False
    (words,) = said["context"]["reason_admin"].values()
    return words


def _order(**properties: Any) -> dict[str, Any]:
    return {"type": "order", "id": "1", "properties": properties}


# --- who asks ---------------------------------------------------------------------------------------------------------


async def test_no_policy_means_deny(clock: FrozenClock, entropy: Any, tmp_path: Path) -> None:
    empty = AuthzenWorld(clock, entropy, write_shop(tmp_path))
    (tmp_path / "shop.cedar").write_text("")
    empty.policies = PolicySet.load(tmp_path)
    user = empty.people.add("ada", groups=["members"])
    assert await _reason(empty, question(f"user/{user.id}", "view", "Shop::Order/1")) == (
        "policy_missing: policy_missing: no policy is in force"
    )


async def test_a_user_of_this_node_is_known_by_identifier_and_by_name(shop: AuthzenWorld) -> None:
    ada = shop.people.add("ada", groups=["members"])
    for name in (ada.id, "ada"):
        assert await shop.decides(question(f"user/{name}", "view", "Shop::Order/1")) == {"decision": True}
    assert [record["user"] for record in shop.journal.records] == [ada.id, ada.id]


async def test_a_name_that_looks_like_anothers_identifier_is_not_taken_for_them(shop: AuthzenWorld) -> None:
    boss = shop.people.add("boss", groups=["administrators"])
    shop.people.add(boss.id, groups=["members"])
    await shop.decides(question(f"user/{boss.id}", "refund", "order/1"))
    assert shop.journal.records[0]["user"] == boss.id
    assert shop.journal.records[0]["answer"] == "allow"


async def test_an_unknown_user_is_denied_whatever_is_said_of_them(shop: AuthzenWorld) -> None:
    claimed = {"type": "user", "id": "mallory", "properties": {"is_administrator": True, "groups": ["members"]}}
    assert await _reason(shop, question(claimed, "refund", "order/1")) == "fact_missing: no such user"


async def test_a_disabled_user_is_denied(shop: AuthzenWorld) -> None:
    shop.people.add("ada", groups=["members"], is_disabled=True)
    assert await _reason(shop, question("user/ada", "view", "Shop::Order/1")) == "user_disabled"


async def test_properties_do_not_make_a_user_an_administrator(shop: AuthzenWorld) -> None:
    shop.people.add("ada", groups=["members"])
    claimed = {"type": "user", "id": "ada", "properties": {"is_administrator": True, "is_privileged": True}}
    assert await _reason(shop, question(claimed, "refund", "order/1")) == "policy_silent"


async def test_properties_do_not_change_what_the_file_says_of_somebody(shop: AuthzenWorld) -> None:
    for claimed in ({"level": 9}, {}):
        clerk = {"type": "clerk", "id": "kim", "properties": claimed}
        assert await _reason(shop, question(clerk, "view", "Shop::Order/1")) == "policy_silent"
    stranger = {"type": "clerk", "id": "jo", "properties": {"level": 9}}
    assert (await shop.decides(question(stranger, "view", "Shop::Order/1")))["decision"] is True


async def test_only_the_file_makes_somebody_a_member(shop: AuthzenWorld) -> None:
    assert (await shop.decides(question("clerk/kim", "edit", "order/1")))["decision"] is True
    stranger = {"type": "clerk", "id": "jo", "properties": {"parents": [{"type": "Shop::Desk", "id": "returns"}]}}
    assert await _reason(shop, question(stranger, "edit", "order/1")) == "policy_silent"


async def test_a_change_of_a_user_counts_at_the_next_question(shop: AuthzenWorld) -> None:
    ada = shop.people.add("ada", groups=["members"])
    assert (await shop.decides(question("user/ada", "view", "Shop::Order/1")))["decision"] is True
    del shop.people.all[ada.id]
    shop.people.add("ada")
    assert await _reason(shop, question("user/ada", "view", "Shop::Order/1")) == "policy_silent"


@pytest.mark.parametrize("age", [2.01, float("inf"), float("nan")])
async def test_a_stale_picture_of_the_world_denies(shop: AuthzenWorld, age: float) -> None:
    shop.people.add("ada", groups=["members"])
    shop.people.age = age
    said = await shop.decides(question("user/ada", "view", "Shop::Order/1"))
    assert said["context"]["reason_admin"] == {"503": "snapshot_stale"}


def test_users_and_resources_are_described_as_the_decision_point_describes_them(shop: AuthzenWorld) -> None:
    user = shop.people.add("ada", groups=["members", "x"], email="ada@example.com", is_privileged=True)
    known = Knowledge(shop.people, (NOTES,)).picture({}, {})
    principal, entities = Vocabulary((NOTES,)).principal(user)
    mine = {uid: entity for uid, entity in known.entities.items() if uid.type != "Watchword::User" or uid == principal}
    assert set(mine) >= {principal, EntityUid("Watchword::Resource", "notes/admin")}
    assert mine == {uid: entities[uid] for uid in mine}


# --- what it means ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (question("spaceship/1", "view", "Shop::Order/1"), "no type `spaceship`"),
        (question("user/ada", "view", "spaceship/1"), "no type `spaceship`"),
        (question("user/ada", "fly", "order/1"), "no action `fly`"),
        (question("desk/1", "view", "Shop::Order/1"), "no action `view` by `desk` on `Shop::Order`"),
        (
            question("user/ada", "view", "order/1"),
            "`view` by `user` on `order` means several things; write types with their namespace",
        ),
        (question("user/ada", "view", "Nowhere::Order/1"), "no type `Nowhere::Order`"),
        (question("user/ada", "view\n", "order/1"), "no action `...`"),
        (question("user/ada", "paint", "color/blue"), "`Shop::Color` has no such member"),
        (question("user/ada", "read", "resource/nowhere"), "fact_missing: no such resource"),
    ],
)
async def test_what_means_nothing_or_several_things_is_denied_with_a_reason(
    shop: AuthzenWorld, asked: Any, words: str
) -> None:
    shop.people.add("ada", groups=["members"])
    assert (await _reason(shop, asked)).endswith(words)


async def test_the_namespace_is_filled_in_where_only_one_fits(shop: AuthzenWorld) -> None:
    shop.people.add("ada", groups=["members"])
    for asked in (question("user/ada", "peek", "order/1"), question("USER/ada", "peek", "Other::Order/1")):
        assert (await shop.decides(asked))["decision"] is True


async def test_a_caller_asks_about_its_own_namespaces_alone(
    clock: FrozenClock, entropy: Any, policies: PolicySet
) -> None:
    kept = AuthzenWorld(clock, entropy, policies, namespaces=["Shop"])
    kept.people.add("ada", groups=["members"])
    assert (await kept.decides(question("user/ada", "view", "order/1")))["decision"] is True
    for asked in (
        question("user/ada", "peek", "Other::Order/1"),
        question("user/ada", "read", "Watchword::Resource/notes/default"),
        question("Watchword::User/ada", "view", "Other::Order/1"),
    ):
        assert "no type" in await _reason(kept, asked)
    everybody = {"subject": {"type": "user"}, "action": {"name": "peek"}, "resource": {"type": "order", "id": "1"}}
    assert (await kept.finds("subject", everybody))["results"] == []


async def test_a_subject_that_is_the_resource_cannot_be_described_in_two_ways(
    clock: FrozenClock, entropy: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.cedarschema").write_text(
        "namespace P { entity Person = { level?: Long };"
        " action see appliesTo { principal: Person, resource: Person }; }"
    )
    (tmp_path / "a.cedar").write_text(
        '@id("up") permit (principal, action, resource) when { principal has level && principal.level > 3 };'
    )
    world = AuthzenWorld(clock, entropy, PolicySet.load(tmp_path))
    low, high = ({"type": "person", "id": "a", "properties": {"level": n}} for n in (1, 9))
    assert "described in two ways" in await _reason(world, question(low, "see", high))
    assert "described in two ways" in await _reason(world, question(high, "see", low))
    assert (await world.decides(question(high, "see", high)))["decision"] is True


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "properties",
    [
        {"total": 12},
        {"total": 12.0},
        {"price": "12.50"},
        {"tags": ["a", "b", "a"]},
        {"tags": []},
        {"placed": "2026-11-22T03:00:00Z"},
        {"placed": "2025-06-27T18:03-07:00"},
        {"placed": {"__extn": {"fn": "datetime", "arg": "2026-11-22"}}},
        {"wait": "1h30m"},
        {"address": {"city": "Ulm", "planet": "Earth"}},
        {"from": "192.0.2.0/24"},
        {"from": "2001:db8::1"},
        {"owner": {"type": "Watchword::User", "id": "x"}},
        {"owner": {"__entity": {"type": "Watchword::User", "id": "x"}}},
        {"owner": "x"},
        {"paid": None, "total": None},
        {"unheard-of": {"anything": [1, 2]}},
    ],
)
async def test_properties_become_values_of_the_declared_types(shop: AuthzenWorld, properties: dict[str, Any]) -> None:
    shop.people.add("ada", groups=["members"])
    asked = question("user/ada", "audit", _order(**properties))
    assert (await shop.decides(asked))["decision"] is True


@pytest.mark.parametrize(
    "properties",
    [
        {"total": "12"},
        {"total": 12.5},
        {"total": True},
        {"total": 2**63},
        {"total": -(2**63) - 1},
        {"total": 1e300},
        {"price": 12.5},
        {"price": "12"},
        {"price": "9" * 5_000 + ".0"},
        {"price": {"__extn": {"fn": "ip", "arg": "12.50"}}},
        {"price": {"__extn": "12.50"}},
        {"tags": "a"},
        {"tags": [1]},
        {"tags": [["a"]]},
        {"placed": "yesterday"},
        {"placed": "2026-11-22T03:00:00"},
        {"placed": 1700000000},
        {"wait": "soon"},
        {"address": "Ulm"},
        {"address": {"zip": "89073"}},
        {"address": {"city": 1}},
        {"from": "localhost"},
        {"from": 1},
        {"owner": {"type": "Shop::Clerk", "id": "x"}},
        {"owner": 1},
        {"paid": "yes"},
        {"paid": 1},
    ],
)
async def test_a_value_of_another_type_is_denied_and_named(shop: AuthzenWorld, properties: dict[str, Any]) -> None:
    shop.people.add("ada", groups=["members"])
    words = await _reason(shop, question("user/ada", "audit", _order(**properties)))
    assert words.startswith("schema_misfit: ")
    assert shop.journal.records[0]["user"] == next(iter(shop.people.all))
    assert next(iter(properties)) in words


async def test_references_in_properties_lead_to_what_is_known(shop: AuthzenWorld) -> None:
    ada, bob = shop.people.add("ada"), shop.people.add("bob")
    asked = question("user/ada", "edit", _order(owner=ada.id))
    assert (await shop.decides(asked))["decision"] is True
    assert await _reason(shop, question("user/ada", "edit", _order(owner=bob.id))) == "policy_silent"


async def test_the_properties_of_an_action_are_its_own_and_no_context_replaces_them(shop: AuthzenWorld) -> None:
    shop.people.add("boss", groups=["administrators"])
    large = {"name": "refund", "properties": {"amount": 500}}
    asked = question("user/boss", large, "order/1", context={"action": {"amount": 1}})
    assert (await shop.decides(asked))["decision"] is False
    small = question("user/boss", "refund", "order/1", context={"action": {"amount": 500}})
    assert (await shop.decides(small))["decision"] is True


async def test_unknown_properties_deny_where_the_operator_says_so(
    clock: FrozenClock, entropy: Any, policies: PolicySet
) -> None:
    strict = AuthzenWorld(clock, entropy, policies, denies_unknown_properties=True)
    strict.people.add("ada", groups=["members"])
    assert (await strict.decides(question("user/ada", "audit", _order(total=1))))["decision"] is True
    words = await _reason(strict, question("user/ada", "audit", _order(totl=1)))
    assert words == "schema_misfit: the schema does not declare `resource.properties.totl`"
    words = await _reason(strict, question("user/ada", "audit", "order/1", context={"hours": 1}))
    assert words == "schema_misfit: the schema does not declare `context.hours`"
