"""The data rules of the mission's example, against a real application: through Envoy, and in the middleware."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
from customer_records import CARD, CRM, SSN, customers, fulfilling, people
from decision_world import DecisionWorld, Visit
from door_world import PORTAL, DoorWorld, cookies_of, header
from edge_harness import MakeEdge

from watchword.enforcement.asgi import WatchwordMiddleware
from watchword.enforcement.assertion import AssertionMinter
from watchword.enforcement.door import Door
from watchword.kernel import FrozenClock
from watchword.storage import Database

FIGURES = {"customers": [{"city": "Oslo", "born": "1980s", "count": 3, "mean": {"spent": 30}}]}
WITHOUT_PAYMENT = {"id": 7, "name": "Customer 7", "city": "Oslo", "born": "1985-02-03", "spent": 10}


async def test_behind_envoy_support_and_analysts_see_what_the_rules_leave(
    plain_database: Database, clock: FrozenClock, entropy: Any, make_edge: MakeEdge, tmp_path: Path
) -> None:
    world = DecisionWorld(plain_database, clock, entropy, applications=[CRM])
    holder, colleague, analyst, close_ticket = await people(world, tmp_path / "policies")
    doors = DoorWorld(world)
    door = Door(
        *(world.point, doors.answers, doors.minter),
        identity_headers=lambda _: {},
        admitted=doors.admitted.append,
        reduces=lambda _: True,
    )
    edge = await make_edge(application={"name": "crm"}, door=door)
    edge.application = customers

    async def get(visit: Visit, path: str, *headers: str) -> Any:
        return await edge.get(path, f"cookie: {cookies_of(visit)}", *headers)

    reply = await get(holder, "/customers/7", "accept-encoding: gzip", "range: bytes=0-500")
    assert (reply.status, json.loads(reply.body)) == (200, WITHOUT_PAYMENT)
    assert reply.get("etag") is None
    for visit, path in ((holder, "/customers/8"), (colleague, "/customers/7"), (holder, "/analytics/customers")):
        refused = await get(visit, path)
        assert refused.status == 403
        assert SSN.encode() not in refused.body
    reply = await get(analyst, "/analytics/customers")
    assert (reply.status, json.loads(reply.body)) == (200, FIGURES)
    assert (await get(analyst, "/customers/7")).status == 403
    record = world.journal.records[-2]
    close_ticket()
    assert (await get(holder, "/customers/7")).status == 403
    assert record["obligations"] == ["anonymous", "coarse", "figures", "figures_only"]


async def test_in_the_application_the_same_rules_leave_the_same(
    plain_database: Database, clock: FrozenClock, entropy: Any, tmp_path: Path
) -> None:
    world = DecisionWorld(plain_database, clock, entropy, applications=[fulfilling()])
    holder, _, analyst, _ = await people(world, tmp_path / "policies")
    doors = DoorWorld(world)
    doors.minter = AssertionMinter(lambda: doors.signer, PORTAL, fulfils=lambda _: True)
    doors.door = Door(
        *(world.point, doors.answers, doors.minter), identity_headers=lambda _: {}, admitted=doors.admitted.append
    )
    jwks = doors.publish(tmp_path / "jwks.json")
    app = WatchwordMiddleware(customers, audience="crm", issuer=PORTAL, jwks=jwks, clock=clock)

    async def get(visit: Visit, path: str) -> httpx2.Response:
        assertion = header(await doors.ask(visit, path), "x-watchword-assertion")
        assert assertion is not None
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="https://crm.localhost") as client:
            return await client.get(path, headers={"x-watchword-assertion": assertion})

    reply = await get(holder, "/customers/7")
    assert (reply.status_code, reply.json()) == (200, WITHOUT_PAYMENT)
    assert CARD not in reply.text
    reply = await get(analyst, "/analytics/customers")
    assert (reply.status_code, reply.json()) == (200, FIGURES)


async def test_a_door_that_reduces_nothing_denies_both(
    plain_database: Database, clock: FrozenClock, entropy: Any, tmp_path: Path
) -> None:
    world = DecisionWorld(plain_database, clock, entropy, applications=[CRM])
    holder, _, analyst, _ = await people(world, tmp_path / "policies")
    doors = DoorWorld(world)
    assert (await doors.ask(holder, "/customers/7")).status == 403
    assert (await doors.ask(analyst, "/analytics/customers")).status == 403
