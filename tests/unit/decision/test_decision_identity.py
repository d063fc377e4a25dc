"""Whose session, on which host, in which browser, until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from decision_world import HOME, HOST, KEY, LONDON, TOKYO, DecisionWorld, Visit, fact

from watchword.decision import Decision, DecisionSettings
from watchword.devices import device_handle
from watchword.identity import network_of
from watchword.kernel import Acr, Answer, Reason, RiskLevel
from watchword.trust import NetworkList

MINUTE = timedelta(minutes=1)


def said(decision: Decision) -> tuple[Answer, Reason]:
    return decision.answer, decision.reasons[0]


async def test_without_a_session_nobody_is_let_in(world: DecisionWorld) -> None:
    visit = await world.visit()
    assert said(visit.asks(session_handle=None)) == (Answer.DENY, Reason.SESSION_MISSING)


@pytest.mark.parametrize("handle", ["", "x" * 43, "\ud800", "é" * 43, "A" * 100_000])
async def test_a_handle_that_opens_nothing_is_invalid(world: DecisionWorld, handle: str) -> None:
    visit = await world.visit()
    decision = visit.asks(session_handle=handle)
    assert decision.answer is Answer.DENY
    assert decision.reasons[0] in {Reason.SESSION_INVALID, Reason.INTERNAL_ERROR}


async def test_a_handle_of_another_host_of_the_same_application_opens_nothing(world: DecisionWorld) -> None:
    visit = await world.visit()
    assert said(visit.asks(host="notes.example.com")) == (Answer.DENY, Reason.SESSION_MISBOUND)


async def test_a_session_in_another_browser_that_is_known_is_refused(world: DecisionWorld) -> None:
    visit = await world.visit()
    other = await world.device(visit.user)
    stolen_into = device_handle(KEY, other.id, HOST).reveal()
    assert said(visit.asks(device_handle=stolen_into)) == (Answer.DENY, Reason.SESSION_MISBOUND)


async def test_a_session_without_its_browser_counts_as_on_a_new_device(world: DecisionWorld) -> None:
    visit = await world.visit()
    await visit.change(mfa_at=None, mfa_network=None)
    decision = visit.asks(device_handle=None)
    assert said(decision) == (Answer.STEP_UP, Reason.RISK_MEDIUM)
    assert decision.device is None


@pytest.mark.parametrize(
    "forged",
    ["", "x", "dev_01jd0000000000000000000000." + "A" * 43, "\ud800" * 74, "é" * 74],
)
async def test_a_forged_device_key_proves_no_device(world: DecisionWorld, forged: str) -> None:
    visit = await world.visit()
    assert visit.asks(device_handle=forged).device is None


async def test_a_device_key_of_another_host_proves_no_device(world: DecisionWorld) -> None:
    visit = await world.visit()
    assert visit.session.device_id is not None
    elsewhere = device_handle(KEY, visit.session.device_id, "notes.example.com").reveal()
    assert visit.asks(device_handle=elsewhere).device is None


async def test_a_device_of_another_user_is_not_known(world: DecisionWorld) -> None:
    ada, eve = await world.person("ada"), await world.person("eve")
    visit = await world.session(eve, await world.device(ada))
    assert visit.asks().device is None


async def test_a_disabled_user_is_refused(world: DecisionWorld) -> None:
    visit = await world.visit()
    await visit.change_user(is_disabled=True)
    assert said(visit.asks()) == (Answer.DENY, Reason.USER_DISABLED)


async def test_an_ended_session_is_refused_and_says_so(world: DecisionWorld) -> None:
    visit = await world.visit()
    # As the tables have it: the handles are deleted when a session ends.
    await visit.change(ended_at=world.clock.now(), handles={})
    assert said(visit.asks()) == (Answer.DENY, Reason.SESSION_ENDED)


async def test_an_expired_session_is_refused_to_the_microsecond(world: DecisionWorld) -> None:
    visit = await world.visit()
    await visit.change(expires_at=world.clock.now() + 10 * MINUTE)
    world.clock.advance(10 * MINUTE - timedelta(microseconds=1))
    assert visit.asks().answer is Answer.ALLOW
    world.clock.advance(timedelta(microseconds=1))
    assert said(visit.asks()) == (Answer.DENY, Reason.SESSION_EXPIRED)


async def test_a_session_from_the_future_is_refused(world: DecisionWorld) -> None:
    visit = await world.visit()
    soon = world.clock.now() + timedelta(seconds=6)
    await visit.change(authenticated_at=soon, mfa_at=soon, expires_at=soon + 60 * MINUTE)
    assert said(visit.asks()) == (Answer.DENY, Reason.SESSION_INVALID)


async def test_a_session_five_seconds_ahead_is_clock_skew(world: DecisionWorld) -> None:
    visit = await world.visit()
    await visit.change(authenticated_at=world.clock.now() + timedelta(seconds=5))
    assert visit.asks().answer is Answer.ALLOW


async def test_a_second_factor_from_the_future_counts_for_nothing(world: DecisionWorld) -> None:
    visit = await world.visit()
    await visit.change(mfa_at=world.clock.now() + timedelta(hours=1))
    decision = visit.asks(device_handle=None)
    assert said(decision) == (Answer.STEP_UP, Reason.RISK_MEDIUM)


# --- clocks ---------------------------------------------------------------------------------------------------------


async def test_a_clock_stepped_back_gives_no_session_a_second_life(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.clock.advance(50 * MINUTE)
    assert visit.asks().answer is Answer.ALLOW
    world.clock.step(timedelta(hours=-3))
    assert visit.asks().answer is Answer.ALLOW
    world.clock.advance(10 * MINUTE)
    assert said(visit.asks()) == (Answer.DENY, Reason.SESSION_EXPIRED)


async def test_a_clock_that_stands_still_lengthens_no_session(world: DecisionWorld) -> None:
    visit = await world.visit()
    visit.asks()
    for _ in range(60):
        world.clock.advance(MINUTE)
        world.clock.step(-MINUTE)
        last = visit.asks()
    assert said(last) == (Answer.DENY, Reason.SESSION_EXPIRED)


async def test_a_clock_stepped_forward_counts_at_once(world: DecisionWorld) -> None:
    visit = await world.visit()
    assert visit.asks().answer is Answer.ALLOW
    world.clock.step(timedelta(hours=2))
    assert said(visit.asks()) == (Answer.DENY, Reason.SESSION_EXPIRED)


async def test_decisions_are_never_stamped_backwards(world: DecisionWorld) -> None:
    visit = await world.visit()
    stamps = []
    for step in (0, -30, 10, -600, 3600, -1):
        world.clock.step(timedelta(seconds=step))
        world.clock.advance(timedelta(seconds=1))
        stamps.append(visit.asks().at)
    assert stamps == sorted(stamps)


# --- sessions shrink as risk rises ----------------------------------------------------------------------------------


async def new_device_visit(world: DecisionWorld) -> Visit:
    """A visit whose risk is 30 (new device) and whose second factor is as old as the session."""
    user = await world.person()
    return await world.session(user)


async def test_a_session_at_no_risk_lives_sixty_minutes(world: DecisionWorld) -> None:
    visit = await world.visit()
    await visit.change(expires_at=world.clock.now() + timedelta(hours=9))
    world.clock.advance(60 * MINUTE)
    assert visit.asks().answer is Answer.ALLOW
    world.clock.advance(MINUTE)
    assert said(visit.asks()) == (Answer.DENY, Reason.SESSION_EXPIRED)


async def test_a_session_at_risk_thirty_lives_thirty_three_minutes(world: DecisionWorld) -> None:
    visit = await new_device_visit(world)
    world.clock.advance(33 * MINUTE)
    first = visit.asks()
    assert first.assessment is not None
    assert first.assessment.risk == 30
    assert said(first) == (Answer.STEP_UP, Reason.RISK_MEDIUM)
    world.clock.advance(timedelta(seconds=1))
    assert said(visit.asks()) == (Answer.DENY, Reason.SESSION_EXPIRED)


async def test_a_session_at_high_risk_lives_fifteen_minutes(world: DecisionWorld) -> None:
    visit = await new_device_visit(world)
    await world.list_network(NetworkList.SUSPICIOUS, HOME)
    world.clock.advance(15 * MINUTE)
    assert said(visit.asks()) == (Answer.DENY, Reason.RISK_HIGH)
    world.clock.advance(timedelta(seconds=1))
    assert said(visit.asks()) == (Answer.DENY, Reason.SESSION_EXPIRED)


async def test_the_bounds_of_a_session_are_settings(plain_database: Any, clock: Any, entropy: Any) -> None:
    world = DecisionWorld(
        plain_database, clock, entropy, settings=DecisionSettings(session_max_min=20, session_min_min=15)
    )
    visit = await world.visit()
    world.clock.advance(20 * MINUTE)
    assert visit.asks().answer is Answer.ALLOW
    world.clock.advance(MINUTE)
    assert said(visit.asks()) == (Answer.DENY, Reason.SESSION_EXPIRED)


# --- step-up --------------------------------------------------------------------------------------------------------


async def test_a_second_factor_vouches_only_for_the_network_it_was_shown_from(world: DecisionWorld) -> None:
    visit = await new_device_visit(world)
    assert visit.asks().answer is Answer.ALLOW
    assert said(visit.asks(client_ip="198.51.100.9")) == (Answer.STEP_UP, Reason.RISK_MEDIUM)
    await visit.change(mfa_network=network_of("198.51.100.9"))
    assert visit.asks(client_ip="198.51.100.200").answer is Answer.ALLOW
    assert said(visit.asks()) == (Answer.STEP_UP, Reason.RISK_MEDIUM)


async def test_a_mapped_address_is_the_same_network(world: DecisionWorld) -> None:
    visit = await new_device_visit(world)
    assert visit.asks(client_ip=f"::ffff:{HOME}").answer is Answer.ALLOW


async def test_a_second_factor_answers_a_medium_risk_for_fifteen_minutes(world: DecisionWorld) -> None:
    visit = await new_device_visit(world)
    world.clock.advance(15 * MINUTE)
    assert visit.asks().answer is Answer.ALLOW
    world.clock.advance(timedelta(seconds=1))
    decision = visit.asks()
    assert said(decision) == (Answer.STEP_UP, Reason.RISK_MEDIUM)
    assert decision.step_up is not None
    assert (decision.step_up.acr, decision.step_up.max_age_s) == (Acr.MULTI_FACTOR, 900)


async def test_the_impossible_place_is_asked_to_step_up(world: DecisionWorld) -> None:
    user = await world.person()
    await world.settle_in(user, LONDON)
    visit = await world.session(user, await world.device(user), ip=LONDON)
    assert visit.asks().answer is Answer.ALLOW
    thief = visit.asks(client_ip=TOKYO)
    assert said(thief) == (Answer.STEP_UP, Reason.RISK_MEDIUM)
    assert said(visit.asks(client_ip=TOKYO, device_handle=None)) == (Answer.DENY, Reason.RISK_HIGH)
    assert visit.asks().answer is Answer.ALLOW


async def test_a_device_that_was_forgotten_is_new_again(world: DecisionWorld) -> None:
    visit = await world.visit()
    assert visit.session.device_id is not None
    del world.people.all_devices[visit.session.device_id]
    await world.tell("devices.device.forgotten", visit.session.device_id)
    decision = visit.asks()
    assert decision.device is None
    assert decision.assessment is not None
    assert decision.assessment.risk == 30


# --- what was read --------------------------------------------------------------------------------------------------


async def test_the_read_set_names_what_was_read_with_its_age(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=90))
    world.fresh_at = world.clock.monotonic() - 0.25
    decision = visit.asks()
    names = [each.name for each in decision.facts]
    assert names == [
        "snapshot",
        "session",
        "user",
        "device",
        "device.posture",
        "mfa",
        "network.country",
        "network.asn",
        "failed_attempts",
        "baseline",
    ]
    assert fact(decision, "snapshot").age_s == 0.25
    assert fact(decision, "session")[1:] == (visit.session.id, 90.0)
    assert fact(decision, "device")[1:] == (visit.session.device_id, 3 * 86400 + 90)
    assert fact(decision, "mfa")[1:] == ("203.0.113.0/24", 90.0)
    assert fact(decision, "user").value == visit.user.id
    assert decision.snapshot_version == world.facts.version > 0


async def test_the_read_set_ends_where_the_decision_ended(world: DecisionWorld) -> None:
    visit = await world.visit()
    decision = visit.asks(session_handle=None)
    assert [each.name for each in decision.facts] == ["snapshot"]
    assert (decision.user, decision.session, decision.assessment) == (None, None, None)


async def test_a_decision_shows_no_handle(world: DecisionWorld) -> None:
    visit = await world.visit()
    decision = await world.point.authorize(visit.request())
    assert visit.device_handle is not None
    for shown in (repr(decision.request), str(world.journal.records)):
        assert visit.handle not in shown
        assert visit.device_handle not in shown


async def test_the_record_keeps_personal_data_apart(world: DecisionWorld) -> None:
    visit = await world.visit()
    record = visit.asks().record()
    personal = record.pop("personal")
    assert (personal["ip"], personal["user_agent"], personal["country"]) == (HOME, "Mozilla/5.0", None)
    assert HOME not in str(record)
    assert visit.user.name not in str(record)


async def test_a_stranger_cannot_write_pages_into_the_journal(world: DecisionWorld) -> None:
    visit = await world.visit()
    endless = "/" + "a" * 60_000
    record = visit.asks(endless, session_handle=None, user_agent="u" * 60_000, host="h" * 60_000).record()
    assert len(str(record)) < 5_000
    assert said(visit.asks(endless)) == (Answer.DENY, Reason.REQUEST_MALFORMED)


# --- weighing without a request -------------------------------------------------------------------------------------


async def test_a_sign_in_is_weighed_like_a_request(world: DecisionWorld) -> None:
    user = await world.person()
    device = await world.device(user)
    weigh = world.procedure.weigh_sign_in
    assert weigh(user, HOME, device_id=device.id, is_multi_factor=False).answer is Answer.ALLOW
    assert weigh(user, HOME, device_id=None, is_multi_factor=False).answer is Answer.STEP_UP
    assert weigh(user, HOME, device_id=None, is_multi_factor=True).answer is Answer.ALLOW
    await world.list_network(NetworkList.SUSPICIOUS, HOME)
    assert said(weigh(user, HOME, device_id=None, is_multi_factor=True)) == (Answer.DENY, Reason.RISK_HIGH)
    await world.list_network(NetworkList.BLOCK, HOME)
    blocked = weigh(user, HOME, device_id=device.id, is_multi_factor=True)
    assert said(blocked) == (Answer.DENY, Reason.NETWORK_BLOCKED)


async def test_weighing_never_gives_a_permit(world: DecisionWorld) -> None:
    visit = await world.visit()
    device_id = visit.session.device_id
    assert world.procedure.weigh_sign_in(visit.user, HOME, device_id=device_id, is_multi_factor=True).permit is None
    weighed = world.procedure.weigh_session(visit.session, HOME)
    assert (weighed.answer, weighed.permit) == (Answer.ALLOW, None)


async def test_a_session_of_nobody_is_weighed_as_missing_a_fact(world: DecisionWorld) -> None:
    visit = await world.visit()
    orphan = replace(visit.session, user_id=type(visit.user.id).new(world.clock.now(), world.entropy))
    weighed = world.procedure.weigh_session(orphan, HOME)
    assert said(weighed) == (Answer.DENY, Reason.FACT_MISSING)


async def test_weighing_a_session_shows_a_high_risk(world: DecisionWorld) -> None:
    visit = await new_device_visit(world)
    await world.list_network(NetworkList.SUSPICIOUS, HOME)
    weighed = world.procedure.weigh_session(visit.session, HOME)
    assert (weighed.answer, weighed.level) == (Answer.DENY, RiskLevel.HIGH)
