"""Obligations on their way from a policy to the door: who can meet them, and that nobody else lets anybody in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from decision_world import NOTES, DecisionWorld

from watchword.decision import AccessRequest, Application, ApplicationSettings, Decision, applications
from watchword.kernel import Answer, ConfigurationError, Mask, Reason, merge, parse_path

PERMIT = '@id("{}") @obligation("{}") permit (principal, action, resource);\n'
BOOK = """
obligations:
  mask: {kind: mask, fields: [ssn], keep_last: 4}
  mask_more: {kind: mask, fields: [ssn], keep_last: 2}
  record: {kind: application}
  brief: {kind: lease_limit, seconds: 9}
  briefer: {kind: lease_limit, seconds: 3}
  fresh: {kind: lease_limit, seconds: 0}
  lunch: {kind: session_limit, seconds: 60}
"""
SELF = replace(NOTES, fulfils_obligations=True)


@pytest.fixture
def make(plain_database: Any, clock: Any, entropy: Any, tmp_path: Path) -> Any:
    def world(app: Application, *attached: str, book: str = BOOK) -> DecisionWorld:
        found = DecisionWorld(plain_database, clock, entropy, applications=[app])
        directory = tmp_path / "policies"
        directory.mkdir()
        (directory / "obligations.yaml").write_text(book)
        found.policy("".join(PERMIT.format(n, names) for n, names in enumerate(attached)), directory)
        return found

    return world


async def ask(world: DecisionWorld, *, filters: bool, **more: Any) -> Decision:
    visit = await world.visit()
    request = AccessRequest(
        "GET", NOTES.hosts[0], "/", visit.ip, "", visit.handle, visit.device_handle, filters_bodies=filters, **more
    )
    return world.procedure.decide(request)


async def test_all_satisfied_permits_attach_and_the_stricter_rule_wins(make: Any) -> None:
    decision = await ask(make(NOTES, "mask", "mask_more"), filters=True)
    assert decision.answer is Answer.ALLOW
    assert decision.record()["obligations"] == ["mask", "mask_more"]
    rules = merge(frozenset(found.rules for found in decision.obligations if found.rules is not None))
    assert rules.fields == {(parse_path("ssn"), Mask(2))}


async def test_a_door_that_cannot_reduce_answers_denies(make: Any) -> None:
    decision = await ask(make(NOTES, "mask"), filters=False)
    assert (decision.answer, decision.reasons) == (Answer.DENY, (Reason.OBLIGATION_UNKNOWN,))
    assert decision.permit is None


async def test_an_application_that_does_it_itself_needs_no_such_door(make: Any) -> None:
    assert (await ask(make(SELF, "mask, record"), filters=False)).answer is Answer.ALLOW


async def test_what_only_the_application_can_do_is_not_left_to_a_door(make: Any) -> None:
    assert (await ask(make(NOTES, "record"), filters=True)).reasons == (Reason.OBLIGATION_UNKNOWN,)


@pytest.mark.parametrize("app", [NOTES, SELF])
async def test_a_websocket_under_rules_for_answers_is_denied(make: Any, app: Application) -> None:
    decision = await ask(make(app, "mask"), filters=True, is_upgrade=True)
    assert decision.reasons == (Reason.OBLIGATION_UNKNOWN,)


async def test_an_allow_for_a_door_that_reduces_is_not_given_again_at_one_that_cannot(make: Any) -> None:
    world = make(NOTES, "mask")
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=1))  # away from the turn of a minute, where nothing is given again
    asked = AccessRequest("GET", NOTES.hosts[0], "/", visit.ip, "", visit.handle, visit.device_handle)
    reducing = replace(asked, filters_bodies=True)
    assert world.procedure.decide(reducing).answer is Answer.ALLOW
    assert world.procedure.decide(reducing).repeats is not None
    assert world.procedure.decide(asked).answer is Answer.DENY


async def test_rules_that_together_are_too_long_to_carry_deny(make: Any) -> None:
    many = {f"n{n}": [f"'a_field_of_some_length_{n}_{m}'" for m in range(40)] for n in range(3)}
    book = "obligations:\n" + "".join(
        f"  {name}: {{kind: exclude, fields: [{', '.join(paths)}]}}\n" for name, paths in many.items()
    )
    world = make(NOTES, "n0", "n1", "n2", book=book)
    assert (await ask(world, filters=True)).reasons == (Reason.OBLIGATION_UNKNOWN,)
    assert world.policies.bundle.obligations.named("n0").rules is not None


async def test_a_permission_is_not_granted_with_strings_attached(make: Any) -> None:
    decision = await ask(make(NOTES, "mask"), filters=True)
    assert decision.permissions == ()


def test_who_reduces_answers_is_the_edge_or_the_application() -> None:
    def made(**more: Any) -> Application:
        entry = ApplicationSettings(name="crm", hosts=("crm.localhost",), upstream="http://127.0.0.1:1", **more)
        return applications([entry])[0]

    assert not made().fulfils_obligations
    assert made(obligations="application").fulfils_obligations
    with pytest.raises(ConfigurationError, match="obligations"):
        made(obligations="nobody")


@pytest.mark.parametrize(("attached", "again_s", "anew_s"), [("brief", 8, 9), ("brief, briefer", 2, 3)])
async def test_an_allow_is_given_again_no_longer_than_the_shortest_lease(
    make: Any, attached: str, again_s: int, anew_s: int
) -> None:
    world = make(NOTES, attached)
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=1))
    first = visit.asks()
    world.clock.advance(timedelta(seconds=again_s))
    assert visit.asks().repeats == first.id
    world.clock.advance(timedelta(seconds=anew_s - again_s))
    assert visit.asks().repeats is None


async def test_an_allow_without_a_lease_is_never_given_again(make: Any) -> None:
    world = make(NOTES, "fresh")
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=1))
    assert [visit.asks().repeats for _ in range(3)] == [None] * 3


async def test_a_door_that_cannot_end_a_stream_denies_where_streams_are_limited(make: Any) -> None:
    world = make(NOTES, "lunch")
    assert (await ask(world, filters=True, is_upgrade=True)).answer is Answer.ALLOW
    refused = await ask(world, filters=False)
    assert (refused.answer, refused.reasons) == (Answer.DENY, (Reason.OBLIGATION_UNKNOWN,))
