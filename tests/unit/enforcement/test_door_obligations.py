"""What a door sends on with a request whose answer must be reduced."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import orjson
import pytest
from decision_world import DecisionWorld
from door_world import PORTAL, DoorWorld, header

from watchword.enforcement.assertion import AssertionMinter
from watchword.enforcement.bodies import read_filter_header
from watchword.enforcement.door import Door
from watchword.kernel import EXCLUDE, parse_path

POLICY = '@id("a") @obligation("hide") permit (principal, action, resource);'
BOOK = "obligations: {hide: {kind: exclude, fields: [ssn]}}"


@pytest.fixture
def doors(plain_database: Any, clock: Any, entropy: Any, tmp_path: Path) -> DoorWorld:
    world = DecisionWorld(plain_database, clock, entropy)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "obligations.yaml").write_text(BOOK)
    world.policy(POLICY, tmp_path / "policies")
    return DoorWorld(world)


def door(doors: DoorWorld, **more: Any) -> None:
    doors.door = Door(
        doors.world.point,
        doors.answers,
        doors.minter,
        identity_headers=lambda _: {},
        admitted=doors.admitted.append,
        **more,
    )


def claim_of(assertion: str | None) -> Any:
    assert assertion is not None
    payload = assertion.split(".")[1]
    return orjson.loads(urlsafe_b64decode(payload + "=="))["obligations"]


async def test_the_edge_gets_the_rules_and_the_application_is_told_that_it_need_not(doors: DoorWorld) -> None:
    door(doors, reduces=lambda _: True)
    answer = await doors.ask(await doors.world.visit())
    found = header(answer, "x-watchword-filter")
    assert found is not None
    assert read_filter_header(found.encode()).fields == {(parse_path("ssn"), EXCLUDE)}
    claim = claim_of(header(answer, "x-watchword-assertion"))
    assert (claim["by"], claim["names"]) == ("edge", ["hide"])


async def test_a_door_that_cannot_reduce_lets_nobody_in(doors: DoorWorld) -> None:
    door(doors)
    answer = await doors.ask(await doors.world.visit())
    assert answer.status == 403
    assert header(answer, "x-watchword-filter") is None


async def test_an_application_that_does_it_itself_gets_the_rules_in_its_assertion(doors: DoorWorld) -> None:
    [app] = doors.world.sources.applications
    object.__setattr__(app, "fulfils_obligations", True)
    try:
        doors.minter = AssertionMinter(lambda: doors.signer, PORTAL, fulfils=lambda _: True)
        door(doors, reduces=lambda _: False)
        answer = await doors.ask(await doors.world.visit())
    finally:
        object.__setattr__(app, "fulfils_obligations", False)
    assert header(answer, "x-watchword-filter") is None
    claim = claim_of(header(answer, "x-watchword-assertion"))
    assert claim == {"names": ["hide"], "by": "application", "rules": {"v": 1, "fields": [["ssn", "exclude"]]}}
