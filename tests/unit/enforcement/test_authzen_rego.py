"""A policy server elsewhere has its say in the API, too: asked before an answer is told, and missed as a denial."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from authzen_shop import write_shop
from authzen_world import AuthzenWorld, question

from watchword.kernel import FrozenClock
from watchword.policy import PolicySet
from watchword.policy.rego import OpaSettings, Outcome, RemoteOpa

_VIEW = question("user/ada", "view", "Shop::Order/1")


class Server:
    """What a policy server says, without a network."""

    def __init__(self, clock: FrozenClock) -> None:
        self.remote = RemoteOpa(OpaSettings(url="http://127.0.0.1:1", rules=("x.authz.allow",)), clock=clock.monotonic)
        self.remote._outcome = self._outcome  # type: ignore[method-assign]
        self.says: Any = True
        self.asked: list[Any] = []

    async def _outcome(self, _package: str, _ask: str, body: bytes) -> Outcome:
        self.asked.append(json.loads(body)["input"])
        return Outcome("value", self.says)


@pytest.fixture
def server(clock: FrozenClock) -> Iterator[Server]:
    server = Server(clock)
    yield server
    server.remote.close()


@pytest.fixture
def shop(clock: FrozenClock, entropy: Any, server: Server, tmp_path_factory: pytest.TempPathFactory) -> AuthzenWorld:
    policies = PolicySet.load(write_shop(tmp_path_factory.mktemp("shop"))).joined_with(server.remote)
    world = AuthzenWorld(clock, entropy, policies)
    world.service._remote = server.remote
    world.people.add("ada", groups=["members"])
    return world


async def test_the_server_is_asked_before_the_answer_is_told(shop: AuthzenWorld, server: Server) -> None:
    assert await shop.decides(_VIEW) == {"decision": True}
    assert len(server.asked) == 1
    assert shop.journal.records[0]["answer"] == "allow"


async def test_a_server_that_says_no_or_nothing_denies(shop: AuthzenWorld, server: Server) -> None:
    server.says = False
    assert (await shop.decides(_VIEW))["decision"] is False
    server.says = "maybe"
    assert (await shop.decides(question("user/ada", "view", "Shop::Order/2")))["decision"] is False
    assert [record["reasons"] for record in shop.journal.records] == [["policy_forbids"], ["rego_failed"]]


async def test_each_question_of_a_batch_is_asked(shop: AuthzenWorld, server: Server) -> None:
    items = [question("user/ada", "view", f"Shop::Order/{number}") for number in range(3)]
    reply = await shop.post("/access/v1/evaluations", {"evaluations": items})
    assert [each["decision"] for each in reply.json["evaluations"]] == [True, True, True]
    assert len(server.asked) == 3


async def test_without_the_server_everything_is_denied(shop: AuthzenWorld) -> None:
    shop.service._remote = None
    assert (await shop.decides(_VIEW))["decision"] is False
    assert shop.journal.records[0]["reasons"] == ["rego_unreachable"]
