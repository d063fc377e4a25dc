"""What a set of policies answers; the first test is the first rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from watchword.policy import DEFAULT_DIRECTORY, Effect, Entity, EntityUid, PolicyRequest, PolicySet, ip

USER = EntityUid("Watchword::User", "usr_1")
ADMIN = EntityUid("Watchword::Resource", "notes/admin")
PAGE = EntityUid("Watchword::Resource", "notes/pages")
READ = EntityUid("Watchword::Action", "read")


def group(name: str) -> EntityUid:
    return EntityUid("Watchword::Group", name)


def context(**changes: Any) -> dict[str, Any]:
    plain: dict[str, dict[str, Any]] = {
        "http": {"method": "GET", "host": "notes.localhost", "path": "/"},
        "risk": {"score": 0, "level": 0},
        "trust": {"score": 60},
        "mfa": {"is_verified": True, "age_min": 3},
        "session": {"age_min": 4, "acr": 2, "amr": frozenset({"pwd", "otp"})},
        "device": {"is_known": True, "age_days": 30, "posture": "unknown"},
        "network": {"ip": ip("192.0.2.7"), "country": "CH", "is_allowed": False, "is_suspicious": False},
        "time": {"hour": 10, "minute": 0, "weekday": 3, "is_working_hours": True},
        "rel": frozenset(),
    }
    for path, value in changes.items():
        record, _, name = path.partition("__")
        if value is None:
            del plain[record][name]
        else:
            plain[record][name] = value
    return plain


def request(
    *groups: str,
    resource: EntityUid = PAGE,
    action: EntityUid = READ,
    attributes: dict[str, Any] | None = None,
    **changes: Any,
) -> PolicyRequest:
    application = EntityUid("Watchword::Application", "notes")
    known = {"name": "kim", "is_administrator": "administrators" in groups, "is_privileged": False} | (attributes or {})
    described = {} if resource.type == "Watchword::Permission" else {"sensitivity": "internal"}
    extra = {"permission": "notes.delete"} if action.id == "use" else {}
    entities = [
        Entity(USER, known, tuple(map(group, groups))),
        *(Entity(group(name)) for name in groups),
        Entity(application, {"sensitivity": "internal"}),
        Entity(resource, described, (application,)),
    ]
    return PolicyRequest(
        USER, action, resource, context(**changes) | extra, {entity.uid: entity for entity in entities}
    )


@pytest.fixture(scope="module")
def shipped() -> PolicySet:
    return PolicySet.load(DEFAULT_DIRECTORY / "policies")


@pytest.fixture
def policies(tmp_path: Path) -> Callable[[str], PolicySet]:
    def load(text: str) -> PolicySet:
        (tmp_path / "set.cedar").write_text(text)
        return PolicySet.load(tmp_path)

    return load


def test_no_policy_means_deny(tmp_path: Path) -> None:
    answer = PolicySet.load(tmp_path).evaluate(request("administrators"))
    assert answer.effect is Effect.ERROR
    assert answer.code == "policy_missing"


def test_a_missing_directory_means_deny(tmp_path: Path) -> None:
    assert PolicySet.load(tmp_path / "nowhere").evaluate(request("administrators")).effect is Effect.ERROR


def test_a_set_that_says_nothing_of_the_request_is_silent(policies: Callable[[str], PolicySet]) -> None:
    some = policies('permit (principal in Watchword::Group::"others", action, resource);')
    assert some.evaluate(request("members")).effect is Effect.SILENT


def test_members_may_access_notes(shipped: PolicySet) -> None:
    answer = shipped.evaluate(request("members"))
    assert answer.effect is Effect.PERMIT
    assert [policy.id for policy in answer.determining] == ["members-may-access-notes"]


def test_strangers_may_not_access_notes(shipped: PolicySet) -> None:
    assert shipped.evaluate(request("visitors")).effect is Effect.SILENT


def test_members_may_use_a_permission_of_notes_but_not_the_administration(shipped: PolicySet) -> None:
    use = EntityUid("Watchword::Action", "use")
    delete, administer = (EntityUid("Watchword::Permission", f"notes/{name}") for name in ("notes.delete", "admin"))
    assert shipped.evaluate(request("members", resource=delete, action=use)).effect is Effect.PERMIT
    assert shipped.evaluate(request("members", resource=administer, action=use)).effect is Effect.SILENT
    assert shipped.evaluate(request("administrators", resource=administer, action=use)).effect is Effect.PERMIT


def test_the_administration_of_notes_is_for_administrators_only(shipped: PolicySet) -> None:
    answer = shipped.evaluate(request("members", resource=ADMIN))
    assert answer.effect is Effect.FORBID
    assert any("step_up" not in policy.annotations for policy in answer.determining)


@pytest.mark.parametrize("stale", [{"mfa__age_min": 15}, {"mfa__age_min": None}, {"mfa__is_verified": False}])
def test_administrators_without_a_fresh_second_factor_are_asked_to_step_up(
    shipped: PolicySet, stale: dict[str, Any]
) -> None:
    answer = shipped.evaluate(request("administrators", resource=ADMIN, **stale))
    assert answer.effect is Effect.FORBID
    assert [policy.annotations.get("step_up") for policy in answer.determining] == ["mfa"]
    assert answer.determining[0].annotations["max_age"] == "15m"


def test_administrators_with_a_fresh_second_factor_reach_the_administration(shipped: PolicySet) -> None:
    assert shipped.evaluate(request("administrators", resource=ADMIN, mfa__age_min=14)).effect is Effect.PERMIT


def test_a_noncompliant_device_is_refused_even_to_administrators(shipped: PolicySet) -> None:
    answer = shipped.evaluate(request("administrators", device__posture="noncompliant"))
    assert answer.effect is Effect.FORBID
    assert "step_up" not in answer.determining[0].annotations


def test_a_suspicious_network_needs_a_fresh_second_factor(shipped: PolicySet) -> None:
    suspicious = {"network__is_suspicious": True}
    assert shipped.evaluate(request("members", mfa__age_min=20, **suspicious)).effect is Effect.FORBID
    assert shipped.evaluate(request("members", mfa__age_min=2, **suspicious)).effect is Effect.PERMIT


def test_an_unknown_action_denies_with_its_own_code(shipped: PolicySet) -> None:
    answer = shipped.evaluate(request("administrators", action=EntityUid("Watchword::Action", "fly")))
    assert (answer.effect, answer.code) == (Effect.ERROR, "schema_misfit")


def test_an_unknown_resource_type_denies_with_its_own_code(shipped: PolicySet) -> None:
    answer = shipped.evaluate(request("administrators", resource=EntityUid("Watchword::Rock", "a")))
    assert (answer.effect, answer.code) == (Effect.ERROR, "schema_misfit")


def test_a_missing_context_attribute_denies_with_its_own_code(shipped: PolicySet) -> None:
    answer = shipped.evaluate(request("administrators", risk__score=None))
    assert (answer.effect, answer.code) == (Effect.ERROR, "schema_misfit")


def test_an_extra_context_attribute_denies_with_its_own_code(shipped: PolicySet) -> None:
    answer = shipped.evaluate(request("administrators", risk__mood="good"))
    assert (answer.effect, answer.code) == (Effect.ERROR, "schema_misfit")


def test_an_ill_typed_attribute_of_the_principal_denies_with_its_own_code(shipped: PolicySet) -> None:
    answer = shipped.evaluate(request("administrators", attributes={"name": 7}))
    assert (answer.effect, answer.code) == (Effect.ERROR, "schema_misfit")


def test_a_failing_forbid_denies_where_the_reference_would_skip_it(policies: Callable[[str], PolicySet]) -> None:
    some = policies(
        'permit (principal, action, resource);\n@id("overflows")\nforbid (principal, action, resource)\n'
        "when { context.risk.score * 9223372036854775807 > 10 };"
    )
    answer = some.evaluate(request("members", risk__score=2))
    assert (answer.effect, answer.code) == (Effect.ERROR, "policy_error")
    assert "overflows" in answer.errors[0]


def test_a_request_changes_nothing_for_the_next(shipped: PolicySet) -> None:
    asked = request("members")
    first = shipped.evaluate(asked)
    shipped.evaluate(replace(asked, action=EntityUid("Watchword::Action", "fly")))
    assert shipped.evaluate(asked) == first
