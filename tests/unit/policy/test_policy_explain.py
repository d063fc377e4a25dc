"""Why an answer was given, and what came nearest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from policy_cases import Seeded, World, bundle_of, is_valid, reparsed, schema, schema_text

from watchword.policy import (
    DEFAULT_DIRECTORY,
    Effect,
    Entity,
    EntityUid,
    Explanation,
    PolicyRequest,
    PolicySet,
    Trace,
    ip,
)

ADMIN, PAGE = EntityUid("Watchword::Resource", "notes/admin"), EntityUid("Watchword::Resource", "notes/pages")
NOTES, USER = EntityUid("Watchword::Application", "notes"), EntityUid("Watchword::User", "usr_1")


@pytest.fixture(scope="module")
def shipped() -> PolicySet:
    return PolicySet.load(DEFAULT_DIRECTORY / "policies")


def request(group: str, resource: EntityUid, mfa: dict[str, Any]) -> PolicyRequest:
    context = {
        "http": {"method": "GET", "host": "notes.localhost", "path": "/"},
        "risk": {"score": 0, "level": 0},
        "trust": {"score": 60},
        "mfa": mfa,
        "session": {"age_min": 4, "acr": 2, "amr": frozenset({"pwd", "otp"})},
        "device": {"is_known": True, "posture": "unknown"},
        "network": {"ip": ip("192.0.2.7"), "is_allowed": False, "is_suspicious": False},
        "time": {"hour": 10, "minute": 0, "weekday": 3, "is_working_hours": True},
        "rel": frozenset(),
    }
    known = {"name": "kim", "is_administrator": False, "is_privileged": False}
    entities = [
        Entity(USER, known, (EntityUid("Watchword::Group", group),)),
        Entity(NOTES, {"sensitivity": "internal"}),
        Entity(resource, {"sensitivity": "internal"}, (NOTES,)),
    ]
    action = EntityUid("Watchword::Action", "read")
    return PolicyRequest(USER, action, resource, context, {entity.uid: entity for entity in entities})


def trace(explanation: Explanation, name: str) -> Trace:
    return next(found for found in explanation.candidates if found.id == name)


def test_a_forbid_that_held_shows_the_part_that_would_have_lifted_it(shipped: PolicySet) -> None:
    said = shipped.explain(request("administrators", ADMIN, {"is_verified": True, "age_min": 40}))
    assert said.answer.effect is Effect.FORBID
    found = trace(said, "notes-admin-wants-a-fresh-second-factor")
    assert found.is_satisfied
    unless = found.clauses[-1]
    assert (unless.kind, unless.value) == ("unless", "false")
    assert [(part.text, part.value) for part in unless.parts] == [
        ("context.mfa.is_verified", "true"),
        ("context.mfa has age_min", "true"),
        ("context.mfa.age_min < 15", "false"),
    ]
    assert unless.parts[2].reads == {"context.mfa.age_min": "40"}
    assert (found.path, found.line > 1) == ("20-notes.cedar", True)


def test_a_part_that_was_not_reached_is_said_so(shipped: PolicySet) -> None:
    said = shipped.explain(request("administrators", ADMIN, {"is_verified": True}))
    unless = trace(said, "notes-admin-wants-a-fresh-second-factor").clauses[-1]
    assert [part.value for part in unless.parts] == ["true", "false", "not reached"]
    assert unless.parts[2].reads == {"context.mfa.age_min": "missing"}


def test_the_nearest_permit_shows_which_group_was_missing(shipped: PolicySet) -> None:
    said = shipped.explain(request("visitors", PAGE, {"is_verified": False}))
    assert said.answer.effect is Effect.SILENT
    assert {found.id for found in said.nearest} == {"members-may-access-notes", "administrators-may-do-everything"}
    failed = said.nearest[0].first_failed
    assert failed is not None
    assert failed.kind == "principal"
    assert failed.text.startswith("principal in Watchword::Group::")


def test_a_permitted_request_has_no_nearest_miss(shipped: PolicySet) -> None:
    said = shipped.explain(request("members", PAGE, {"is_verified": False}))
    assert [found.id for found in said.candidates if found.is_satisfied] == ["members-may-access-notes"]
    assert said.nearest == ()


def test_a_request_outside_the_schema_is_explained_by_its_misfit_alone(shipped: PolicySet) -> None:
    odd = replace(request("members", PAGE, {"is_verified": False}), action=EntityUid("Watchword::Action", "fly"))
    said = shipped.explain(odd)
    assert said.answer.code == "schema_misfit"
    assert said.candidates == ()


@pytest.mark.parametrize("seed", range(40))
def test_a_trace_is_satisfied_exactly_when_its_policy_is(seed: int) -> None:
    import cedarpy  # noqa: PLC0415 (only the generator needs it)

    made = schema(Seeded(seed))
    rendered = str(cedarpy.Schema.from_str(schema_text(made)))
    world = World(Seeded(seed), made)
    ests = [est for est in (world.policy(f"p{number}") for number in range(8)) if is_valid([est], rendered)]
    policies = PolicySet(bundle_of(reparsed(ests), rendered))
    for _ in range(4):
        said = policies.explain(world.request(world.entities()))
        satisfied = {found.id for found in said.candidates if found.is_satisfied}
        determining = {policy.id for policy in said.answer.determining}
        assert determining <= satisfied
        if said.answer.effect is Effect.SILENT:
            assert not satisfied
