"""Risk, policy and the grant: each answer through the real procedure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from decision_world import HOME, HOST, LONDON, NOTES, PERMIT_ALL, TOKYO, DecisionWorld

from watchword.decision import Decision, posture_of
from watchword.kernel import Acr, Answer, Obligation, Reason, RiskLevel
from watchword.policy import ip
from watchword.trust import NetworkList


def said(decision: Decision) -> tuple[Answer, Reason]:
    return decision.answer, decision.reasons[0]


# --- network and open paths -----------------------------------------------------------------------------------------


async def test_a_blocked_network_cannot_even_try_handles(world: DecisionWorld) -> None:
    visit = await world.visit()
    await world.list_network(NetworkList.BLOCK, "203.0.113.0/24")
    decision = visit.asks()
    assert said(decision) == (Answer.DENY, Reason.NETWORK_BLOCKED)
    assert decision.session is None
    assert said(visit.asks("/healthz")) == (Answer.DENY, Reason.NETWORK_BLOCKED)
    assert said(visit.asks(client_ip=f"::ffff:{HOME}")) == (Answer.DENY, Reason.NETWORK_BLOCKED)


async def test_an_open_path_needs_nobody(world: DecisionWorld) -> None:
    visit = await world.visit()
    for path in ("/healthz", "/healthz/", "/healthz/deep"):
        decision = visit.asks(path, session_handle=None, device_handle=None)
        assert said(decision) == (Answer.ALLOW, Reason.OPEN_ROUTE)
        assert (decision.user, decision.permissions) == (None, ())
        assert decision.permit is not None


@pytest.mark.parametrize(
    "path",
    ["/healthzz", "/HEALTHZ", "/health", "/healthz.", "/healthz%20", "/x/healthz", "/healthz%00", "/healthz/../admin"],
)
async def test_nothing_beside_an_open_path_is_open(world: DecisionWorld, path: str) -> None:
    visit = await world.visit()
    assert visit.asks(path, session_handle=None).answer is Answer.DENY


# --- risk at each sensitivity ---------------------------------------------------------------------------------------

# What raises the risk, what it is then, and the answer at public, internal, confidential and restricted parts.
_LOW, _MEDIUM, _HIGH = RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH


@pytest.mark.parametrize(
    ("what", "risk", "levels"),
    [
        ("", 0, (_LOW, _LOW, _LOW, _LOW)),
        ("device", 30, (_LOW, _MEDIUM, _MEDIUM, _MEDIUM)),
        ("network", 35, (_LOW, _MEDIUM, _MEDIUM, _MEDIUM)),
        ("failures", 40, (_MEDIUM, _MEDIUM, _MEDIUM, _MEDIUM)),
        ("device network", 65, (_MEDIUM, _HIGH, _HIGH, _HIGH)),
        ("device failures", 70, (_MEDIUM, _HIGH, _HIGH, _HIGH)),
        ("network failures", 75, (_HIGH, _HIGH, _HIGH, _HIGH)),
        ("device network failures", 100, (_HIGH, _HIGH, _HIGH, _HIGH)),
    ],
)
async def test_the_same_risk_means_more_where_more_is_at_stake(
    world: DecisionWorld, tmp_path: Path, what: str, risk: int, levels: tuple[RiskLevel, ...]
) -> None:
    user = await world.person(groups=["administrators"])
    device = None if "device" in what else await world.device(user)
    visit = await world.session(user, device, mfa_at=None, mfa_network=None)
    if "network" in what:
        await world.list_network(NetworkList.SUSPICIOUS, HOME)
    if "failures" in what:
        await world.fail_sign_ins(user)
    world.policy(PERMIT_ALL, tmp_path / "p")
    wanted = {_LOW: Answer.ALLOW, _MEDIUM: Answer.STEP_UP, _HIGH: Answer.DENY}
    for path, level in zip(("/press", "/", "/admin", "/vault"), levels, strict=True):
        decision = visit.asks(path)
        assert decision.assessment is not None
        assert (decision.assessment.risk, decision.level) == (risk, level)
        assert decision.answer is wanted[level]


async def test_a_high_risk_asks_for_approval_where_the_application_wants_that(
    plain_database: Any, clock: Any, entropy: Any
) -> None:
    world = DecisionWorld(plain_database, clock, entropy, applications=[replace(NOTES, high_risk=Answer.APPROVAL)])
    user = await world.person()
    visit = await world.session(user)
    await world.fail_sign_ins(user)
    decision = visit.asks()
    assert said(decision) == (Answer.APPROVAL, Reason.RISK_HIGH)
    assert decision.permit is None


async def test_a_high_risk_is_refused_before_policy_is_asked(world: DecisionWorld) -> None:
    user = await world.person()
    visit = await world.session(user)
    await world.fail_sign_ins(user)
    decision = visit.asks()
    assert said(decision) == (Answer.DENY, Reason.RISK_HIGH)
    assert decision.policy_version == ""


async def test_a_medium_risk_does_not_soften_a_denial(world: DecisionWorld) -> None:
    user = await world.person(groups=[])
    visit = await world.session(user, mfa_at=None)
    assert said(visit.asks()) == (Answer.DENY, Reason.POLICY_SILENT)


async def test_the_trust_score_profile_asks_for_trust(plain_database: Any, clock: Any, entropy: Any) -> None:
    application = replace(
        NOTES,
        profile="trust-score",
        resources=(replace(NOTES.resources[0], name="gold", path="/gold", min_trust=90), *NOTES.resources),
    )
    world = DecisionWorld(plain_database, clock, entropy, applications=[application])
    visit = await world.visit()
    assert said(visit.asks()) == (Answer.ALLOW, Reason.POLICY_PERMITS)
    await visit.change(mfa_at=None, mfa_network=None)
    assert said(visit.asks()) == (Answer.STEP_UP, Reason.TRUST_TOO_LOW)
    assert said(visit.asks("/gold")) == (Answer.DENY, Reason.TRUST_TOO_LOW)


# --- what policies ask for ------------------------------------------------------------------------------------------


def forbid(name: str, annotations: str, when: str = "true") -> str:
    return f'@id("{name}") {annotations} forbid (principal, action, resource) when {{ {when} }};\n'


async def test_a_policy_asks_for_a_second_factor_and_takes_it(world: DecisionWorld) -> None:
    visit = await world.visit(groups=["administrators"])
    assert visit.asks("/admin").answer is Answer.ALLOW
    world.clock.advance(timedelta(minutes=14, seconds=1))
    decision = visit.asks("/admin")
    assert said(decision) == (Answer.STEP_UP, Reason.POLICY_ASKS_STEP_UP)
    assert decision.step_up is not None
    assert (decision.step_up.acr, decision.step_up.max_age_s) == (Acr.MULTI_FACTOR, 900)
    assert decision.policies == (
        (
            "notes-admin-wants-a-fresh-second-factor",
            "The administration of the notes asks for a second factor that is less than 15 minutes old.",
        ),
    )
    await visit.change(mfa_at=world.clock.now())
    assert visit.asks("/admin").answer is Answer.ALLOW


async def test_a_forbid_without_a_way_out_beside_one_with_it_denies(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.clock.advance(timedelta(minutes=20))
    decision = visit.asks("/admin")
    assert said(decision) == (Answer.DENY, Reason.POLICY_FORBIDS)
    assert decision.step_up is None


async def test_the_strictest_of_several_step_ups_is_asked_for(world: DecisionWorld, tmp_path: Path) -> None:
    visit = await world.visit()
    world.policy(
        PERMIT_ALL
        + forbid("a", '@step_up("mfa") @max_age("2h")')
        + forbid("b", '@step_up("phishing_resistant") @max_age("1h")')
        + forbid("c", '@step_up("mfa") @max_age("90s")'),
        tmp_path / "p",
    )
    decision = visit.asks()
    assert decision.answer is Answer.STEP_UP
    assert decision.step_up is not None
    assert (decision.step_up.acr, decision.step_up.max_age_s) == (Acr.PHISHING_RESISTANT, 90)


async def test_a_policy_asks_for_approval(world: DecisionWorld, tmp_path: Path) -> None:
    visit = await world.visit()
    world.policy(PERMIT_ALL + forbid("a", '@approval("manager")') + forbid("b", '@step_up("mfa")'), tmp_path / "p")
    assert said(visit.asks()) == (Answer.APPROVAL, Reason.POLICY_ASKS_APPROVAL)


async def test_an_obligation_that_no_door_knows_denies(world: DecisionWorld, tmp_path: Path) -> None:
    visit = await world.visit()
    world.policy('@id("a") @obligation("mask_pii") permit (principal, action, resource);', tmp_path / "p")
    assert said(visit.asks()) == (Answer.DENY, Reason.OBLIGATION_UNKNOWN)


async def test_an_obligation_that_the_door_knows_rides_on_the_answer(
    plain_database: Any, clock: Any, entropy: Any, tmp_path: Path
) -> None:
    world = DecisionWorld(plain_database, clock, entropy, known_obligations=frozenset({"record", "mask"}))
    visit = await world.visit()
    both = "".join(f'@obligation("{name}") permit (principal, action, resource);' for name in ("record", "mask"))
    world.policy(both, tmp_path / "p")
    assert visit.asks().obligations == (Obligation("mask"), Obligation("record"))
    world.policy(both + '@obligation("") permit (principal, action, resource);', tmp_path / "q")
    assert said(visit.asks()) == (Answer.DENY, Reason.OBLIGATION_UNKNOWN)


# --- actions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("GET", "read"),
        ("HEAD", "read"),
        ("OPTIONS", "read"),
        ("POST", "write"),
        ("PUT", "write"),
        ("PATCH", "write"),
        ("DELETE", "delete"),
    ],
)
async def test_a_method_is_one_action(world: DecisionWorld, tmp_path: Path, method: str, action: str) -> None:
    visit = await world.visit()
    for wanted in ("read", "write", "delete", "connect"):
        world.policy(f'permit (principal, action == Watchword::Action::"{wanted}", resource);', tmp_path / wanted)
        assert (visit.asks(method=method).answer is Answer.ALLOW) is (wanted == action)


async def test_opening_a_websocket_is_reading_and_connecting(world: DecisionWorld, tmp_path: Path) -> None:
    visit = await world.visit()
    for allowed, wanted in (
        ('"read"', Answer.DENY),
        ('"connect"', Answer.DENY),
        ('"read", Watchword::Action::"connect"', Answer.ALLOW),
    ):
        text = f"permit (principal, action in [Watchword::Action::{allowed}], resource);"
        world.policy(text, tmp_path / str(len(allowed)))
        assert visit.asks(is_upgrade=True).answer is wanted, allowed


async def test_an_upgrade_does_not_walk_around_a_forbidden_read(world: DecisionWorld, tmp_path: Path) -> None:
    visit = await world.visit()
    world.policy(PERMIT_ALL + 'forbid (principal, action == Watchword::Action::"read", resource);', tmp_path / "frozen")
    assert said(visit.asks(is_upgrade=True)) == (Answer.DENY, Reason.POLICY_FORBIDS)


# --- the grant ------------------------------------------------------------------------------------------------------


async def test_the_grant_carries_the_permissions_that_policy_gives(world: DecisionWorld) -> None:
    member, administrator = await world.visit(name="ada"), await world.visit(name="eve", groups=["administrators"])
    assert member.asks().permissions == ("delete",)
    assert administrator.asks().permissions == ("delete", "admin")


async def test_a_permission_with_an_obligation_is_not_granted(world: DecisionWorld, tmp_path: Path) -> None:
    visit = await world.visit()
    world.policy(
        'permit (principal, action in Watchword::Action::"access", resource);'
        '@obligation("record") permit (principal, action == Watchword::Action::"use", resource);',
        tmp_path / "p",
    )
    decision = visit.asks()
    assert (decision.answer, decision.permissions) == (Answer.ALLOW, ())


async def test_a_refused_request_grants_no_permission(world: DecisionWorld) -> None:
    visit = await world.visit(groups=["administrators"])
    world.clock.advance(timedelta(minutes=20))
    assert visit.asks("/admin").permissions == ()


# --- what policies see ----------------------------------------------------------------------------------------------


_ACCESS = 'permit (principal, action in Watchword::Action::"access", resource)'


async def holds(world: DecisionWorld, tmp_path: Path, condition: str, **about: Any) -> bool:
    """Tell whether a condition holds for a visit from London in the user's own zone."""
    user = await world.person(timezone="Asia/Tokyo")
    device = await world.device(
        user, is_managed=True, disk_encrypted=True, os_patched=True, posture_at=world.clock.now()
    )
    visit = await world.session(user, device, ip=LONDON)
    world.policy(f"{_ACCESS} when {{ {condition} }};", tmp_path / "p")
    return visit.asks("/press/x", **about).answer is Answer.ALLOW


@pytest.mark.parametrize(
    "condition",
    [
        'context.http.path == "/press/x" && context.http.host == "notes.localhost" && context.http.method == "GET"',
        "context.risk.score == 0 && context.risk.level == 0",
        "context.mfa.is_verified && context.mfa has age_min && context.mfa.age_min == 1",
        'context.session.acr == 2 && context.session.amr.contains("otp") && context.session.age_min == 0',
        'context.device has age_days && context.device.age_days == 3 && context.device.posture == "compliant"',
        "context.device has is_managed && context.device.is_managed",
        'context.network has country && context.network.country == "GB"',
        'context.network.ip.isInRange(ip("81.2.69.0/24"))',
        "!context.network.is_suspicious && !context.network.is_allowed",
        "context.time.hour == 21 && context.time.weekday == 6 && !context.time.is_working_hours",
        'principal has email && principal.email == "ada@example.com"',
        'principal.name == "ada" && !principal.is_administrator && !principal.is_privileged',
        'resource.sensitivity == "public" && resource in Watchword::Application::"notes"',
        'principal in Watchword::Group::"members"',
    ],
)
async def test_policies_see_the_facts(world: DecisionWorld, tmp_path: Path, condition: str) -> None:
    assert await holds(world, tmp_path, condition)
    assert not await holds(world, tmp_path, f"!({condition})")


async def test_what_one_decision_tells_policies_is_not_what_the_next_one_tells(world: DecisionWorld) -> None:
    told = []
    for managed, address, zone in ((True, LONDON, "UTC"), (False, HOME, "Asia/Tokyo"), (None, TOKYO, "UTC")):
        user = await world.person(name=f"user{len(told)}", timezone=zone)
        visit = await world.session(user, await world.device(user, is_managed=managed), ip=address)
        asked = visit.asks(f"/{len(told)}").asked
        assert asked is not None
        told.append(asked.request.context)
    devices, networks = ([context[name] for context in told] for name in ("device", "network"))
    assert [device.get("is_managed") for device in devices] == [True, False, None]
    assert [network["ip"] for network in networks] == [ip(LONDON), ip(HOME), ip(TOKYO)]
    assert [network.get("country") for network in networks][::2] == ["GB", "JP"]
    assert [context["time"]["hour"] for context in told] == [12, 21, 12]
    assert [context["http"]["path"] for context in told] == ["/0", "/1", "/2"]


async def test_policies_see_a_mapped_address_as_what_it_is(world: DecisionWorld, tmp_path: Path) -> None:
    condition = 'context.network.ip.isInRange(ip("81.2.69.0/24"))'
    assert await holds(world, tmp_path, condition, client_ip=f"::ffff:{LONDON}")


async def test_a_group_that_was_left_counts_no_more(world: DecisionWorld) -> None:
    visit = await world.visit()
    assert visit.asks().answer is Answer.ALLOW
    await visit.change_user(groups=frozenset())
    assert said(visit.asks()) == (Answer.DENY, Reason.POLICY_SILENT)


async def test_posture_is_unknown_until_a_device_reports_freshly_and_whole(world: DecisionWorld) -> None:
    now = world.clock.now()
    user = await world.person()
    good = {"is_managed": True, "disk_encrypted": True, "os_patched": True, "posture_at": now}
    for about, wanted in (
        ({}, "unknown"),
        (good, "compliant"),
        (good | {"os_patched": False}, "noncompliant"),
        (good | {"os_patched": None}, "unknown"),
        (good | {"posture_at": now - timedelta(hours=24)}, "compliant"),
        (good | {"posture_at": now - timedelta(hours=24, seconds=1)}, "unknown"),
        (good | {"posture_at": None}, "unknown"),
    ):
        assert posture_of(await world.device(user, **about), now) == wanted


async def test_a_noncompliant_device_is_refused_by_the_default_policies(world: DecisionWorld) -> None:
    user = await world.person(groups=["administrators"])
    device = await world.device(
        user, is_managed=True, disk_encrypted=False, os_patched=True, posture_at=world.clock.now()
    )
    visit = await world.session(user, device)
    assert said(visit.asks()) == (Answer.DENY, Reason.POLICY_FORBIDS)


async def test_every_reason_of_the_closed_list_is_tested_here() -> None:
    """Whoever adds a reason adds the test that earns it."""
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_decision_*.py"))
    assert {reason.name for reason in Reason if f"Reason.{reason.name}" not in tests} == set()
    assert HOST == "notes.localhost"
