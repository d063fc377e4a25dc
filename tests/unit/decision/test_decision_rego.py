"""Rego in the whole procedure: beside Cedar on this node, and on a policy server elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from decision_world import PERMIT_ALL, DecisionWorld, Visit
from rego_world import HEAD, write

from watchword.decision import DecisionPoint
from watchword.enforcement.streams import Streams
from watchword.kernel import Answer, DecisionId, Reason
from watchword.policy import PolicySet
from watchword.policy.rego import OpaSettings, Outcome, RemoteOpa


@pytest.fixture
def rego(world: DecisionWorld, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], None]:
    def put(source: str) -> None:
        world.policies = PolicySet.load(write(tmp_path, PERMIT_ALL, a=source))
        assert world.policies.bundle.rego is not None
        request.addfinalizer(world.policies.bundle.rego.close)

    return put


async def test_rego_decides_with_the_facts_of_the_procedure(world: DecisionWorld, rego: Callable[[str], None]) -> None:
    visit = await world.visit()
    rego(HEAD + 'allow if { "members" in input.user.roles; input.request.path == "/a"; input.session.acr >= 2 }')
    assert visit.asks("/a").reasons == (Reason.POLICY_PERMITS,)
    denied = visit.asks("/b")
    assert (denied.answer, denied.reasons) == (Answer.DENY, (Reason.POLICY_FORBIDS,))
    assert denied.policies == (("rego:x.authz", ""),)


async def test_rego_that_gives_no_clear_answer_denies_with_a_reason_of_its_own(
    world: DecisionWorld, rego: Callable[[str], None]
) -> None:
    visit = await world.visit()
    rego("package x\nimport rego.v1\nallow if input.nobody.knows")
    decision = visit.asks()
    assert (decision.answer, decision.reasons) == (Answer.DENY, (Reason.REGO_FAILED,))
    assert decision.policy_errors[0].startswith("rego_undefined: `x`")


async def test_an_allow_that_rego_took_part_in_is_not_given_again(
    world: DecisionWorld, rego: Callable[[str], None]
) -> None:
    """Rego may look at the path, the clock, anything: an answer to one request is none to the next."""
    visit = await world.visit()
    rego(HEAD + 'allow if input.request.path != "/secret"')
    assert visit.asks("/a").answer is Answer.ALLOW
    assert visit.asks("/secret").answer is Answer.DENY
    assert len(world.procedure._reuse) == 0


class Server:
    """What a policy server says, without a network: by path, and every question noted."""

    def __init__(self, world: DecisionWorld) -> None:
        self.remote = RemoteOpa(
            OpaSettings(url="http://127.0.0.1:1", rules=("x.authz.allow",)), clock=world.clock.monotonic
        )
        self.asked: list[dict[str, Any]] = []
        self.says: Callable[[dict[str, Any]], Any] = lambda _: True
        self.remote._outcome = self.outcome  # type: ignore[method-assign]

    async def outcome(self, _package: str, _ask: str, body: bytes) -> Outcome:
        asked = json.loads(body)["input"]
        self.asked.append(asked)
        return Outcome("value", self.says(asked))


@pytest.fixture
def server(world: DecisionWorld) -> Iterator[Server]:
    server = Server(world)
    world.rewired(policies=lambda: world.policies.joined_with(server.remote))
    world.point = DecisionPoint(world.procedure, world.journal, remote=server.remote)
    yield server
    server.remote.close()


async def both(world: DecisionWorld, visit: Visit, path: str = "/") -> tuple[Answer, Reason]:
    decision = await world.point.authorize(visit.request(path))
    return decision.answer, decision.reasons[0]


async def test_a_policy_server_is_asked_before_an_answer_is_released(world: DecisionWorld, server: Server) -> None:
    visit = await world.visit()
    server.says = lambda asked: asked["request"]["path"] == "/a"
    assert await both(world, visit, "/a") == (Answer.ALLOW, Reason.POLICY_PERMITS)
    assert await both(world, visit, "/b") == (Answer.DENY, Reason.POLICY_FORBIDS)
    assert len(world.journal.records) == 2


async def test_every_permission_that_a_permit_carries_is_asked_about(
    world: DecisionWorld, server: Server, tmp_path: Path
) -> None:
    visit = await world.visit()
    world.policy(PERMIT_ALL, tmp_path / "policies")
    server.says = lambda asked: asked.get("permission") != "admin"
    decision = await world.point.authorize(visit.request())
    assert decision.permissions == ("delete",)
    assert sorted(asked.get("permission", "") for asked in server.asked) == ["", "admin", "delete"]


async def test_a_permit_carries_nothing_that_the_server_did_not_say(world: DecisionWorld, server: Server) -> None:
    visit = await world.visit()
    decision = visit.asks()
    assert (decision.answer, decision.reasons) == (Answer.DENY, (Reason.REGO_UNREACHABLE,))
    assert decision.permit is None
    assert server.asked == []


async def test_an_open_stream_is_reviewed_with_the_servers_answer(world: DecisionWorld, server: Server) -> None:
    visit = await world.visit()
    decision = await world.point.authorize(visit.request("/live"))
    assert decision.answer is Answer.ALLOW
    guard = Guard(decision.id)
    streams = Streams(world.point.evaluate, lambda *_: None, ask=world.point.ask)
    streams.guarded_by(guard)
    streams.admitted(decision)
    assert streams.admits(decision.id)
    await streams.review()
    assert guard.cut == []
    server.says = lambda _: False
    await streams.review()
    assert guard.cut == [decision.id]


class Guard:
    def __init__(self, *opened: DecisionId) -> None:
        self.open, self.cut = list(opened), list[DecisionId]()

    def open_decisions(self) -> list[DecisionId]:
        return list(self.open)

    def cut_decision(self, decision_id: DecisionId) -> bool:
        self.open.remove(decision_id)
        self.cut.append(decision_id)
        return True
