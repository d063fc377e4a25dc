"""Searches: whom they find, how pages follow one another, and what their tokens are worth in other hands."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from authzen_shop import write_shop
from authzen_world import AuthzenWorld, question

from watchword.kernel import FrozenClock
from watchword.policy import EntityUid, PolicySet

_ORDERS = 25


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> PolicySet:
    return PolicySet.load(write_shop(tmp_path_factory.mktemp("shop")))


@pytest.fixture
def filed(tmp_path: Path) -> Path:
    orders = [{"uid": {"type": "Shop::Order", "id": f"{number:03}"}} for number in range(_ORDERS)]
    path = tmp_path / "entities.json"
    path.write_text(json.dumps(orders))
    return path


@pytest.fixture
def shop(clock: FrozenClock, entropy: Any, policies: PolicySet, filed: Path) -> AuthzenWorld:
    world = AuthzenWorld(clock, entropy, policies, entities=filed)
    world.people.add("ada", groups=["members"])
    return world


_VIEWED = {"subject": {"type": "user", "id": "ada"}, "action": {"name": "view"}, "resource": {"type": "Shop::Order"}}


async def _all_pages(world: AuthzenWorld, sought: str, asked: dict[str, Any], **page: Any) -> list[list[str]]:
    pages = []
    token = ""
    while True:
        found = await world.finds(sought, asked | {"page": page | ({"token": token} if token else {})})
        assert found["page"]["count"] == len(found["results"])
        pages.append([each.get("id", each.get("name")) for each in found["results"]])
        token = found["page"]["next_token"]
        if not token:
            return pages
        assert len(pages) < 100


async def test_a_subject_search_finds_the_users_of_this_node_that_may(shop: AuthzenWorld) -> None:
    shop.people.add("bob")
    eve = shop.people.add("eve", groups=["members"])
    shop.people.add("old", groups=["members"], is_disabled=True)
    asked = {"subject": {"type": "user"}, "action": {"name": "view"}, "resource": {"type": "Shop::Order", "id": "1"}}
    found = await shop.finds("subject", asked)
    ada = next(user for user in shop.people.all.values() if user.name == "ada")
    assert [each["id"] for each in found["results"]] == sorted([ada.id, eve.id])
    for each in found["results"]:
        assert (await shop.decides(question(each, "view", "Shop::Order/1")))["decision"] is True


async def test_a_resource_search_finds_what_is_enumerated_and_what_is_published(shop: AuthzenWorld) -> None:
    painted = {"subject": {"type": "user", "id": "ada"}, "action": {"name": "paint"}, "resource": {"type": "color"}}
    assert (await shop.finds("resource", painted))["results"] == [{"type": "color", "id": "green"}]


async def test_an_action_search_tells_what_each_action_obliges_to(shop: AuthzenWorld) -> None:
    asked = {"subject": {"type": "user", "id": "ada"}, "resource": {"type": "Shop::Order", "id": "1"}}
    found = await shop.finds("action", asked)
    duty = {"id": "obl-1", "type": "custom", "properties": {"vendor": "watchword", "action": "record_session"}}
    assert [each["name"] for each in found["results"]] == ["audit", "export", "view"]
    assert found["results"][0]["obligations"] == [duty]
    assert "obligations" not in found["results"][2]


@pytest.mark.parametrize("limit", [1, 7, _ORDERS - 1, _ORDERS, _ORDERS + 1])
async def test_pages_hold_everything_once_in_order_and_none_is_empty_at_the_end(shop: AuthzenWorld, limit: int) -> None:
    pages = await _all_pages(shop, "resource", _VIEWED, limit=limit)
    assert [each for page in pages for each in page] == [f"{number:03}" for number in range(_ORDERS)]
    assert all(len(page) == limit for page in pages[:-1])
    assert pages[-1]


async def test_pages_stay_in_place_while_entities_come_and_go(shop: AuthzenWorld, filed: Path) -> None:
    first = await shop.finds("resource", _VIEWED | {"page": {"limit": 10}})
    kept = [{"uid": {"type": "Shop::Order", "id": f"{number:03}"}} for number in range(5, _ORDERS)]
    filed.write_text(json.dumps([*kept, {"uid": {"type": "Shop::Order", "id": "0095"}}]))
    shop.filed.load()
    second = await shop.finds("resource", _VIEWED | {"page": {"token": first["page"]["next_token"]}})
    assert [each["id"] for each in second["results"]] == ["0095", *[f"{number:03}" for number in range(10, 19)]]


async def test_no_limit_means_a_hundred_and_no_more_than_the_operator_allows(
    clock: FrozenClock, entropy: Any, policies: PolicySet, filed: Path
) -> None:
    filed.write_text(json.dumps([{"uid": {"type": "Shop::Order", "id": f"{number:04}"}} for number in range(250)]))
    world = AuthzenWorld(clock, entropy, policies, entities=filed, max_results=120)
    world.people.add("ada", groups=["members"])
    assert [len(page) for page in await _all_pages(world, "resource", _VIEWED)] == [100, 100, 50]
    assert [len(page) for page in await _all_pages(world, "resource", _VIEWED, limit=10_000)] == [120, 120, 10]


async def test_a_limit_of_nothing_finds_nothing_and_says_whether_there_is_something(shop: AuthzenWorld) -> None:
    found = await shop.finds("resource", _VIEWED | {"page": {"limit": 0}})
    assert found["results"] == []
    assert found["page"]["next_token"]
    nobody = _VIEWED | {"subject": {"type": "user", "id": "nobody"}, "page": {"limit": 0}}
    assert (await shop.finds("resource", nobody))["page"]["next_token"] == ""


async def test_a_spent_budget_ends_a_page_and_loses_nothing(
    clock: FrozenClock, entropy: Any, policies: PolicySet, filed: Path
) -> None:
    world = AuthzenWorld(clock, entropy, policies, entities=filed, max_candidates=4)
    world.people.add("ada", groups=["members"])
    pages = await _all_pages(world, "resource", _VIEWED, limit=10)
    assert [len(page) for page in pages] == [4] * 6 + [1]
    # Where nothing is permitted, too, the search goes on and ends.
    nothing = _VIEWED | {"action": {"name": "refund"}}
    assert await _all_pages(world, "resource", nothing, limit=10) == [[]] * 7


async def test_time_ends_a_page_too(clock: FrozenClock, entropy: Any, policies: PolicySet, filed: Path) -> None:
    class Ticking(FrozenClock):
        def monotonic(self) -> float:
            self.advance(timedelta(milliseconds=60))
            return super().monotonic()

    world = AuthzenWorld(Ticking(clock.now()), entropy, policies, entities=filed, search_budget_ms=500)
    world.people.add("ada", groups=["members"])
    pages = await _all_pages(world, "resource", _VIEWED)
    assert len(pages) > 2
    assert [each for page in pages for each in page] == [f"{number:03}" for number in range(_ORDERS)]


# --- tokens -----------------------------------------------------------------------------------------------------------


async def _token(shop: AuthzenWorld, **more: Any) -> str:
    token = (await shop.finds("resource", _VIEWED | more | {"page": {"limit": 3}}))["page"]["next_token"]
    assert isinstance(token, str)
    return token


@pytest.mark.parametrize(
    "changed",
    [
        {"subject": {"type": "user", "id": "boss"}},
        {"subject": {"type": "user", "id": "ada", "properties": {"x": 1}}},
        {"action": {"name": "edit"}},
        {"resource": {"type": "Shop::Order", "properties": {"paid": True}}},
        {"context": {"hour": 12}},
    ],
)
async def test_a_token_with_another_search_is_a_bad_request(shop: AuthzenWorld, changed: dict[str, Any]) -> None:
    page = {"page": {"token": await _token(shop)}}
    assert (await shop.post("/access/v1/search/resource", _VIEWED | page | changed)).status == 400


@pytest.mark.parametrize("page", [{"limit": 4}, {"limit": 0}, {"limit": 3, "properties": {"sort": "id"}}])
async def test_a_token_with_another_limit_is_a_bad_request(shop: AuthzenWorld, page: dict[str, Any]) -> None:
    asked = _VIEWED | {"page": {"token": await _token(shop)} | page}
    assert (await shop.post("/access/v1/search/resource", asked)).status == 400


async def test_a_token_of_another_caller_or_of_another_kind_of_search_names_no_page(shop: AuthzenWorld) -> None:
    asked = _VIEWED | {"page": {"token": await _token(shop)}}
    assert (await shop.post("/access/v1/search/resource", asked, caller="quiet")).status == 404
    whole = asked | {"resource": {"type": "Shop::Order", "id": "1"}}
    assert (await shop.post("/access/v1/search/subject", whole)).status == 404


async def test_a_token_that_was_altered_cut_or_made_up_names_no_page(shop: AuthzenWorld) -> None:
    token = await _token(shop)
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    forged = []
    for place in (0, 1, 20, len(raw) - 1):
        flipped = bytearray(raw)
        flipped[place] ^= 1
        forged.append(base64.urlsafe_b64encode(flipped).decode().rstrip("="))
    open_ = base64.urlsafe_b64encode(b'{"at":1795262400,"after":"","limit":3}').decode()
    for wrong in (*forged, token[:-4], token + "AAAA", "a3M9NDU2O3N6PTI=", "x", "=", "ü", open_, "A" * 4000):
        reply = await shop.post("/access/v1/search/resource", _VIEWED | {"page": {"token": wrong}})
        assert (reply.status, reply.json["code"]) == (404, "enforcement.authzen_page_token"), wrong
    assert (await shop.post("/access/v1/search/resource", _VIEWED | {"page": {"token": "A" * 5000}})).status == 400


async def test_a_token_grows_old(shop: AuthzenWorld, clock: FrozenClock) -> None:
    asked = _VIEWED | {"page": {"token": await _token(shop)}}
    clock.advance(timedelta(minutes=59))
    assert (await shop.post("/access/v1/search/resource", asked)).status == 200
    clock.advance(timedelta(minutes=2))
    assert (await shop.post("/access/v1/search/resource", asked)).status == 404


async def test_a_token_shows_nobody_where_the_search_stands(shop: AuthzenWorld) -> None:
    token = await _token(shop)
    assert b"002" not in base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert token != await _token(shop)


@pytest.mark.parametrize(
    "page",
    [
        {"limit": -1},
        {"limit": 1.5},
        {"limit": "3"},
        {"limit": True},
        {"limit": None},
        {"token": 1},
        {"token": None},
        [],
        "x",
        {"properties": []},
    ],
)
async def test_a_page_that_is_none_is_a_bad_request(shop: AuthzenWorld, page: Any) -> None:
    assert (await shop.post("/access/v1/search/resource", _VIEWED | {"page": page})).status == 400


# --- proof and relations ----------------------------------------------------------------------------------------------


async def test_a_search_is_journaled_once_with_what_it_told(shop: AuthzenWorld) -> None:
    await shop.post("/access/v1/search/resource", _VIEWED | {"page": {"limit": 2}}, X_Request_ID="r-9")
    (record,) = shop.journal.records
    assert (record["type"], record["pep"], record["request_id"], record["sought"]) == (
        "search",
        "shop",
        "r-9",
        "resource",
    )
    assert (record["found"], record["tried"]) == (2, 3)
    assert record["personal"]["told"] == {"ids": ["000", "001"]}
    assert "001" not in str({name: value for name, value in record.items() if name not in {"personal", "id"}})


async def test_relations_name_candidates_and_policies_still_decide(
    clock: FrozenClock, entropy: Any, policies: PolicySet
) -> None:
    class Related:
        def subjects(self, resource: EntityUid, subject_type: str) -> Iterable[str]:
            assert resource == EntityUid("Shop::Order", "1")
            return ["zoe", "jo"] if subject_type == "Shop::Clerk" else []

        def resources(self, subject: EntityUid, resource_type: str) -> Iterable[str]:
            return ["9", "1"] if (subject.type, resource_type) == ("Watchword::User", "Shop::Order") else []

    world = AuthzenWorld(clock, entropy, policies, candidates=Related())
    world.people.add("ada", groups=["members"])
    assert (await world.finds("resource", _VIEWED))["results"] == [
        {"type": "Shop::Order", "id": "1"},
        {"type": "Shop::Order", "id": "9"},
    ]
    clerks = {"type": "clerk", "properties": {"level": 3}}
    asked = {"subject": clerks, "action": {"name": "view"}, "resource": {"type": "Shop::Order", "id": "1"}}
    assert [each["id"] for each in (await world.finds("subject", asked))["results"]] == ["jo", "zoe"]
    assert (await world.finds("subject", asked | {"subject": {"type": "clerk"}}))["results"] == []
