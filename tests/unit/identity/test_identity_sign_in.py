from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from identity_world import AWAY, HOME, PASSWORD, PORTAL, World

from watchword.identity import (
    CeremonyInvalidError,
    Client,
    IdentityError,
    InvitationRefusedError,
    PasswordRefusedError,
    Purpose,
    SessionNotLiveError,
    SignInFailedError,
    ThrottledError,
    WrongStepError,
)
from watchword.kernel import Acr, DeviceId, SessionId


async def _refused(world: World, **about: Any) -> IdentityError:
    with pytest.raises(SignInFailedError) as caught:
        await world.password(**about)
    return caught.value


async def test_a_password_alone_gives_a_session_of_one_factor(world: World) -> None:
    user = await world.person()
    signed_in = await world.signed_in()
    session = signed_in.session
    assert session.user_id == user.id
    assert session.acr is Acr.SINGLE_FACTOR
    assert session.amr == ("pwd",)
    assert session.mfa_at is None
    assert session.expires_at - session.authenticated_at == timedelta(minutes=60)
    assert await world.identity.sessions.by_handle(signed_in.handle.reveal(), PORTAL) == session


async def test_the_handle_is_kept_only_as_its_hash_and_is_good_on_one_host(world: World) -> None:
    await world.person()
    signed_in = await world.signed_in()
    assert len(signed_in.handle.reveal()) == 43
    assert await world.identity.sessions.by_handle(signed_in.handle.reveal(), "notes.localhost") is None
    assert signed_in.handle.reveal() not in repr(signed_in)
    assert await world.events("identity.session.started") != []
    assert signed_in.handle.reveal() not in json.dumps(await world.events(), default=str)


async def test_an_unknown_user_a_wrong_password_and_a_disabled_account_read_the_same(world: World) -> None:
    user = await world.person("ada")
    eve = await world.person("eve")
    await world.identity.accounts.disable(eve.id, actor="test")
    errors = [
        await _refused(world, name="ada", password="wrong"),
        await _refused(world, name="nobody"),
        await _refused(world, name="eve"),
        await _refused(world, name="ada", password="\ud800"),
        await _refused(world, name="a b\x00\ud800"),
        await _refused(world, name="x" * 100_000, password="x" * 100_000),
    ]
    assert len({(type(error), str(error), error.hint, error.code, error.status) for error in errors}) == 1
    reasons = [json.loads(event["data"])["reason"] for event in await world.events("identity.sign_in.failed")]
    assert reasons == ["wrong", "unknown_user", "disabled", "wrong", "unknown_user", "unknown_user"]
    first = (await world.events("identity.sign_in.failed"))[0]
    assert first["subject"] == user.id
    # By its program a spray from ever other addresses is recognised.
    assert json.loads(first["data"])["user_agent"] == HOME.user_agent


async def test_what_was_typed_into_the_user_name_field_is_stored_nowhere(world: World) -> None:
    await _refused(world, name="my secret password")
    everything = json.dumps(await world.events(), default=str)
    assert "my secret" not in everything
    assert await world.count("identity_throttles") == 2


async def test_a_user_name_with_several_at_signs_signs_in(world: World) -> None:
    user = await world.person("ada@home@example.org")
    await world.person("ada")
    assert (await world.signed_in("Ada@Home@example.org")).session.user_id == user.id


async def test_a_user_with_a_second_factor_never_gets_in_without_it(world: World) -> None:
    await world.person()
    await world.with_totp((await world.signed_in()).session)
    ceremony, handle = await world.password()
    assert ceremony.offers == {"totp"}
    assert not ceremony.is_complete
    with pytest.raises(WrongStepError):
        await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)
    with pytest.raises(WrongStepError):
        await world.password(handle=handle)


async def test_the_second_factor_cannot_come_first(world: World) -> None:
    await world.person()
    enrolment = await world.with_totp((await world.signed_in()).session)
    handle = await world.start()
    with pytest.raises(WrongStepError):
        await world.identity.sign_in.totp(handle, world.code(enrolment), HOME)
    with pytest.raises(WrongStepError):
        await world.identity.sign_in.recovery_code(handle, "x", HOME)


async def test_password_and_code_give_a_session_of_several_factors(world: World) -> None:
    await world.person()
    enrolment = await world.with_totp((await world.signed_in()).session)
    _, handle = await world.password()
    ceremony = await world.identity.sign_in.totp(handle, world.code(enrolment), HOME)
    assert ceremony.is_complete
    session = (await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)).session
    assert session.acr is Acr.MULTI_FACTOR
    assert session.amr == ("mfa", "otp", "pwd")
    assert session.mfa_at == world.clock.now()
    assert session.mfa_network == "203.0.113.0/24"


async def test_a_replayed_totp_code_is_refused_in_another_ceremony(world: World) -> None:
    await world.person()
    enrolment = await world.with_totp((await world.signed_in()).session)
    code = world.code(enrolment)
    _, first = await world.password()
    _, second = await world.password()
    await world.identity.sign_in.totp(first, code, HOME)
    with pytest.raises(SignInFailedError):
        await world.identity.sign_in.totp(second, code, HOME)
    assert json.loads((await world.events("identity.sign_in.failed"))[-1]["data"])["reason"] == "replayed"


async def test_the_code_that_confirmed_the_enrolment_does_not_sign_in(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    enrolment = await world.identity.accounts.enrol_totp(session, HOME)
    code = world.code(enrolment)
    await world.identity.accounts.confirm_totp(session, enrolment.id, code, HOME)
    _, handle = await world.password()
    with pytest.raises(SignInFailedError):
        await world.identity.sign_in.totp(handle, code, HOME)


async def test_one_code_sent_twice_at_the_same_moment_opens_one_ceremony(world: World) -> None:
    await world.person()
    enrolment = await world.with_totp((await world.signed_in()).session)
    handles = [(await world.password())[1] for _ in range(4)]
    code = world.code(enrolment)
    outcomes = await asyncio.gather(
        *(world.identity.sign_in.totp(handle, code, HOME) for handle in handles), return_exceptions=True
    )
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert all(isinstance(outcome, IdentityError) for outcome in outcomes if isinstance(outcome, BaseException))


async def test_guessing_codes_is_throttled_and_a_new_ceremony_does_not_help(world: World) -> None:
    await world.person()
    enrolment = await world.with_totp((await world.signed_in()).session)
    for _ in range(5):
        _, handle = await world.password()
        with pytest.raises(SignInFailedError):
            await world.identity.sign_in.totp(handle, "000000", HOME)
    _, handle = await world.password()
    with pytest.raises(ThrottledError):
        await world.identity.sign_in.totp(handle, world.code(enrolment), HOME)


async def test_knowing_the_password_does_not_reset_the_throttle_of_the_code(world: World) -> None:
    await world.person()
    await world.with_totp((await world.signed_in()).session)
    seen = 0
    for _ in range(40):
        _, handle = await world.password()
        try:
            await world.identity.sign_in.totp(handle, "000000", HOME)
        except SignInFailedError:
            seen += 1
        except ThrottledError:
            continue
    assert seen == 5


async def test_a_recovery_code_works_once(world: World) -> None:
    await world.person()
    first = (await world.signed_in()).session
    enrolment = await world.with_totp(first)
    codes = await world.identity.accounts.new_recovery_codes(await world.stepped_up(first, enrolment), HOME)
    assert len({code.reveal() for code in codes}) == 10
    ceremony, handle = await world.password()
    assert ceremony.offers == {"totp", "recovery_code"}
    typed = codes[3].reveal().upper().replace("-", " ").replace("1", "l")
    ceremony = await world.identity.sign_in.recovery_code(handle, typed, HOME)
    assert ceremony.is_complete
    signed_in = await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)
    assert signed_in.session.amr == ("mfa", "pwd", "recovery")
    _, again = await world.password()
    with pytest.raises(SignInFailedError):
        await world.identity.sign_in.recovery_code(again, codes[3].reveal(), HOME)
    facts = await world.identity.accounts.authenticators(signed_in.session.user_id)
    assert [one.remaining for one in facts if one.remaining is not None] == [9]


async def test_a_recovery_code_of_another_user_or_an_earlier_set_is_refused(world: World) -> None:
    await world.person("ada")
    await world.person("eve")
    kept = {}
    for name in ("ada", "eve"):
        session = (await world.signed_in(name)).session
        enrolment = await world.with_totp(session)
        session = await world.stepped_up(session, enrolment)
        kept[name] = [await world.identity.accounts.new_recovery_codes(session, HOME) for _ in range(2)]
    _, handle = await world.password("ada")
    for wrong in (kept["eve"][1][0].reveal(), kept["ada"][0][0].reveal(), "", "\ud800", "x" * 10_000):
        with pytest.raises(SignInFailedError):
            await world.identity.sign_in.recovery_code(handle, wrong, HOME)
    world.step(2)
    assert await world.identity.sign_in.recovery_code(handle, kept["ada"][1][0].reveal(), HOME)


async def test_a_ceremony_handle_never_becomes_a_session_handle(world: World) -> None:
    await world.person()
    _, handle = await world.password()
    signed_in = await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)
    assert signed_in.handle.reveal() != handle
    assert await world.identity.sessions.by_handle(handle, PORTAL) is None


async def test_a_session_fixed_before_sign_in_is_not_the_one_after_it(world: World) -> None:
    await world.person()
    planted = await world.signed_in()
    fresh = await world.signed_in(replaces=planted.session.id)
    assert fresh.session.id != planted.session.id
    assert await world.identity.sessions.by_handle(planted.handle.reveal(), PORTAL) is None
    assert await world.identity.sessions.by_handle(fresh.handle.reveal(), PORTAL) is not None


async def test_a_finished_ceremony_gives_no_second_session(world: World) -> None:
    await world.person()
    _, handle = await world.password()
    outcomes = await asyncio.gather(
        *(world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL) for _ in range(4)),
        return_exceptions=True,
    )
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    with pytest.raises(CeremonyInvalidError):
        await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)
    with pytest.raises(CeremonyInvalidError):
        await world.identity.sign_in.current(handle)


async def test_a_ceremony_ends_after_ten_minutes(world: World) -> None:
    await world.person()
    _, handle = await world.password()
    world.step(600)
    with pytest.raises(CeremonyInvalidError):
        await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)


async def test_a_ceremony_does_not_grow_longer_when_the_clock_is_set_back(world: World) -> None:
    handle = await world.start()
    world.clock.step(timedelta(hours=-1))
    with pytest.raises(CeremonyInvalidError):
        await world.identity.sign_in.current(handle)


async def test_a_ceremony_that_somebody_made_up_or_changed_is_refused(world: World) -> None:
    handle = await world.start(return_to="/account")
    payload, _, mac = handle.partition(".")
    flipped = ("A" if payload[30] != "A" else "B").join((payload[:30], payload[31:]))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # The last letter carries two bits that no byte needs: another spelling of the same bytes is another handle.
    sibling = mac[:-1] + letters[letters.index(mac[-1]) ^ 1]
    for forged in (f"{payload}.{sibling}", f"{payload}.{mac[:5]}!{mac[5:]}", f"{payload}.{mac}=", f"{payload}!.{mac}"):
        with pytest.raises(CeremonyInvalidError):
            await world.identity.sign_in.current(forged)
    for forged in ("", ".", "x", payload, f"{payload}.", f"{flipped}.{mac}", f"{payload}.{mac}x", f".{mac}"):
        with pytest.raises(CeremonyInvalidError):
            await world.identity.sign_in.current(forged)
    for forged in ("\ud800", "\x00", "é.é", "a" * 100_000, f"{payload}.\ud800", handle + "\n", " " + handle):
        with pytest.raises(CeremonyInvalidError):
            await world.identity.sign_in.password(forged, "ada", PASSWORD, HOME)


async def test_a_ceremony_of_one_browser_is_not_finished_in_another(world: World) -> None:
    await world.person()
    mine, theirs = (DeviceId.new(world.clock.now(), world.entropy) for _ in range(2))
    _, handle = await world.password(device_id=mine)
    with pytest.raises(CeremonyInvalidError):
        await world.identity.sign_in.complete(handle, HOME, device_id=theirs, host=PORTAL)
    assert (await world.identity.sign_in.complete(handle, HOME, device_id=mine, host=PORTAL)).session.device_id == mine


async def test_pages_that_nobody_finishes_cost_no_row_and_no_event(world: World) -> None:
    for _ in range(50):
        await world.start(return_to="/account", device_id=DeviceId.new(world.clock.now(), world.entropy))
    assert await world.count("identity_ceremonies") == 0
    assert await world.events() == []


async def test_the_return_address_survives_the_ceremony_and_an_overlong_one_is_forgotten(world: World) -> None:
    await world.person()
    for url, kept in (("/notes?x=1", "/notes?x=1"), ("/" + "a" * 3000, None), ("/é", None), ("/\ud800", None)):
        handle = await world.start(return_to=url)
        assert (await world.identity.sign_in.current(handle)).return_to == kept
        assert len(handle) < 4000


async def test_a_disabled_user_does_not_finish_a_ceremony_begun_before(world: World) -> None:
    user = await world.person()
    _, handle = await world.password()
    await world.identity.accounts.disable(user.id, actor="test")
    with pytest.raises(CeremonyInvalidError):
        await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)


async def test_a_ceremony_without_the_second_factor_that_was_enrolled_meanwhile_goes_no_further(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    _, handle = await world.password()
    await world.with_totp(session)
    with pytest.raises(CeremonyInvalidError):
        await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)


# --- throttling -----------------------------------------------------------------------------------------------------


async def test_a_password_shown_before_it_was_changed_becomes_no_session_after_it(world: World) -> None:
    await world.person()
    mine = (await world.signed_in()).session
    enrolment = await world.with_totp(mine)
    _, stolen = await world.password(client=AWAY)
    await world.identity.accounts.set_password(mine, "other words stay easy to keep too", HOME)
    with pytest.raises(CeremonyInvalidError):
        await world.identity.sign_in.totp(stolen, world.code(enrolment), AWAY)


async def test_ending_every_session_ends_a_sign_in_that_is_half_done(world: World) -> None:
    user = await world.person()
    _, proven = await world.password()
    untouched = await world.start()
    assert await world.identity.sessions.end_all(user.id, actor=user.id, reason="owner") == 0
    with pytest.raises(CeremonyInvalidError):
        await world.identity.sign_in.complete(proven, HOME, device_id=None, host=PORTAL)
    await world.password(handle=untouched)  # one in which nothing was proven goes on


async def test_ten_thousand_wrong_passwords_on_one_account_stay_bounded(world: World) -> None:
    await world.person()
    before = len(await world.events())
    looked_at = 0
    handle = await world.start()
    began = time.perf_counter()
    for _ in range(10_000):
        try:
            await world.identity.sign_in.password(handle, "ada", "wrong", AWAY)
        except SignInFailedError:
            looked_at += 1
        except ThrottledError:
            continue
    took = time.perf_counter() - began
    assert looked_at == 5
    assert await world.count("identity_throttles") == 2
    assert len(await world.events()) - before == 6
    # Cheap: what is throttled costs tens of microseconds, not a hash and not a database.
    assert took < 5


async def test_one_wrong_password_on_each_of_ten_thousand_accounts_stays_bounded(world: World) -> None:
    handle = await world.start()
    looked_at = 0
    for number in range(10_000):
        try:
            await world.identity.sign_in.password(handle, f"user{number}", "wrong", AWAY)
        except SignInFailedError:
            looked_at += 1
        except ThrottledError:
            continue
    assert looked_at == 20
    assert await world.count("identity_throttles") == 21
    assert len(await world.events()) == 21
    assert len(world.identity.throttles) == 21


async def test_a_spray_from_one_network_leaves_other_networks_alone(world: World) -> None:
    await world.person()
    handle = await world.start()
    for number in range(30):
        with pytest.raises(IdentityError):
            await world.identity.sign_in.password(handle, f"user{number}", "wrong", AWAY)
    with pytest.raises(ThrottledError):
        await world.password(client=Client("198.51.100.200"))
    assert (await world.signed_in(client=HOME)).session


async def test_parallel_guesses_at_one_account_do_not_outrun_the_throttle(world: World) -> None:
    await world.person()
    handle = await world.start()
    outcomes = await asyncio.gather(
        *(world.identity.sign_in.password(handle, "ada", f"guess {n}", AWAY) for n in range(100)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, SignInFailedError) for outcome in outcomes) == 5
    assert sum(isinstance(outcome, ThrottledError) for outcome in outcomes) == 95


async def test_a_restart_forgives_nobody(world: World) -> None:
    await world.person()
    for _ in range(5):
        await _refused(world, password="wrong", client=AWAY)
    again = world.again()
    try:
        handle = (await again.sign_in.start(AWAY))[1].reveal()
        with pytest.raises(ThrottledError) as caught:
            await again.sign_in.password(handle, "ada", PASSWORD, AWAY)
        assert caught.value.retry_after_s == 1
    finally:
        again.close()


async def test_an_attacker_cannot_lock_the_owner_out_of_a_browser_used_before(world: World) -> None:
    await world.person()
    device = DeviceId.new(world.clock.now(), world.entropy)
    await world.signed_in(device_id=device)
    for _ in range(5):
        await _refused(world, password="wrong", client=AWAY)
    with pytest.raises(ThrottledError):
        await world.password(client=AWAY)
    assert (await world.signed_in(device_id=device)).session
    # Nor does the owner's success help the attacker.
    with pytest.raises(ThrottledError):
        await world.password(client=AWAY)


async def test_a_recognised_browser_is_throttled_by_its_own_counter_and_only_for_its_own_account(world: World) -> None:
    await world.person("ada")
    await world.person("eve")
    device = DeviceId.new(world.clock.now(), world.entropy)
    await world.signed_in("eve", device_id=device)
    for _ in range(5):
        await _refused(world, name="ada", password="wrong", device_id=device)
    with pytest.raises(ThrottledError):
        await world.password("ada", device_id=device)
    for _ in range(5):
        await _refused(world, name="eve", password="wrong", device_id=device)
    with pytest.raises(ThrottledError):
        await world.password("eve", device_id=device)


async def test_an_own_account_buys_no_further_guesses_from_its_network(world: World) -> None:
    await world.person("eve")
    looked_at = 0
    handle = await world.start()
    for number in range(60):
        try:
            await world.identity.sign_in.password(handle, f"user{number}", "wrong", AWAY)
        except SignInFailedError:
            looked_at += 1
        except ThrottledError:
            continue
        with suppress(ThrottledError):
            await world.password("eve", client=AWAY)
    assert looked_at == 20


async def test_signing_in_forgets_the_failures_of_the_account(world: World) -> None:
    await world.person()
    for _ in range(4):
        await _refused(world, password="wrong")
    await world.signed_in()
    for _ in range(4):
        await _refused(world, password="wrong")
    assert (await world.signed_in()).session


async def test_a_throttled_account_opens_again_after_the_wait(world: World) -> None:
    await world.person()
    for _ in range(5):
        await _refused(world, password="wrong")
    world.step(1)
    assert (await world.signed_in()).session


# --- step-up --------------------------------------------------------------------------------------------------------


async def test_a_step_up_keeps_the_session_and_its_end_and_changes_its_handle(world: World) -> None:
    await world.person()
    before = await world.signed_in()
    enrolment = await world.with_totp(before.session)
    handle = await world.step_up(before.session)
    ceremony = await world.identity.sign_in.current(handle)
    assert ceremony.purpose is Purpose.STEP_UP
    assert ceremony.offers == {"totp"}
    assert ceremony.user_name == "ada"
    await world.identity.sign_in.totp(handle, world.code(enrolment), AWAY)
    after = await world.identity.sign_in.complete(handle, AWAY, device_id=None, host=PORTAL)
    assert after.is_step_up
    assert after.session.id == before.session.id
    assert after.session.expires_at == before.session.expires_at
    assert after.session.acr is Acr.MULTI_FACTOR
    assert after.session.mfa_network == "198.51.100.0/24"
    assert after.session.authenticated_at == world.clock.now()
    assert await world.identity.sessions.by_handle(before.handle.reveal(), PORTAL) is None
    assert await world.identity.sessions.by_handle(after.handle.reveal(), PORTAL) == after.session


async def test_a_handle_stolen_on_another_host_gains_nothing_from_a_step_up(world: World) -> None:
    await world.person()
    before = await world.signed_in()
    code = await world.identity.handoff.issue(before.session.id, "notes.localhost", "state", "/")
    _, stolen, _ = await world.identity.handoff.redeem(code.reveal(), "notes.localhost", "state", HOME)
    handle = await world.step_up(before.session)
    await world.password(handle=handle)
    await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)
    assert await world.identity.sessions.by_handle(stolen.reveal(), "notes.localhost") is None


async def test_a_user_without_a_second_factor_steps_up_by_password_and_stays_at_one_factor(world: World) -> None:
    await world.person()
    before = await world.signed_in()
    world.step(300)
    handle = await world.step_up(before.session)
    assert (await world.identity.sign_in.current(handle)).offers == {"password"}
    # The name in the form is not read: the session says whose it is.
    await world.identity.sign_in.password(handle, "somebody else", PASSWORD, HOME)
    after = (await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)).session
    assert after.acr is Acr.SINGLE_FACTOR
    assert after.mfa_at is None
    assert after.authenticated_at == world.clock.now()


async def test_a_session_that_is_over_cannot_be_stepped_up(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    handle = await world.step_up(session)
    await world.password(handle=handle)
    await world.identity.sessions.end(session.id, actor="test", reason="test")
    with pytest.raises(SessionNotLiveError):
        await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)
    for gone in (session.id, SessionId.new(world.clock.now(), world.entropy)):
        with pytest.raises(SessionNotLiveError):
            await world.start(step_up=gone)


async def test_a_step_up_does_not_strengthen_the_session_of_another_browser(world: World) -> None:
    await world.person()
    device = DeviceId.new(world.clock.now(), world.entropy)
    session = (await world.signed_in(device_id=device)).session
    handle = await world.step_up(session)
    await world.password(handle=handle)
    with pytest.raises(CeremonyInvalidError):
        await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)


# --- invitations ----------------------------------------------------------------------------------------------------


async def test_an_invitation_works_once(world: World) -> None:
    user = await world.identity.accounts.create_user("ada", actor="test")
    token = (await world.identity.accounts.invite(user.id, actor="test")).token.reveal()
    one, two = await world.start(invitation=token), await world.start(invitation=token)
    ceremony = await world.identity.welcome.password(one, PASSWORD, HOME)
    assert ceremony.is_complete
    with pytest.raises(InvitationRefusedError):
        await world.identity.welcome.password(two, PASSWORD, HOME)
    with pytest.raises(InvitationRefusedError):
        await world.start(invitation=token)
    assert (await world.identity.sign_in.complete(one, HOME, device_id=None, host=PORTAL)).session.user_id == user.id


async def test_an_invitation_used_by_two_browsers_at_once_opens_one_account(world: World) -> None:
    user = await world.identity.accounts.create_user("ada", actor="test")
    token = (await world.identity.accounts.invite(user.id, actor="test")).token.reveal()
    handles = [await world.start(invitation=token) for _ in range(4)]
    outcomes = await asyncio.gather(
        *(world.identity.welcome.password(handle, f"{PASSWORD} {n}", HOME) for n, handle in enumerate(handles)),
        return_exceptions=True,
    )
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert len(await world.identity.accounts.authenticators(user.id)) == 1


async def test_an_invitation_ends_after_a_day_and_when_another_is_made(world: World) -> None:
    user = await world.identity.accounts.create_user("ada", actor="test")
    old = (await world.identity.accounts.invite(user.id, actor="test")).token.reveal()
    new = (await world.identity.accounts.invite(user.id, actor="test")).token.reveal()
    with pytest.raises(InvitationRefusedError):
        await world.start(invitation=old)
    handle = await world.start(invitation=new)
    world.step(24 * 3600)
    with pytest.raises(CeremonyInvalidError):
        await world.identity.welcome.password(handle, PASSWORD, HOME)
    for token in (new, "", "x" * 43, "\ud800", "é" * 43):
        with pytest.raises(InvitationRefusedError):
            await world.start(invitation=token)


async def test_the_first_password_of_an_invited_user_must_stand_alone(world: World) -> None:
    user = await world.identity.accounts.create_user("ada", actor="test")
    handle = await world.start(invitation=(await world.identity.accounts.invite(user.id, actor="test")).token.reveal())
    with pytest.raises(PasswordRefusedError):
        await world.identity.welcome.password(handle, "short one!", HOME)
    assert await world.identity.welcome.password(handle, PASSWORD, HOME)


async def test_an_invitation_offers_no_way_around_the_rules_of_sign_in(world: World) -> None:
    user = await world.identity.accounts.create_user("ada", actor="test")
    handle = await world.start(invitation=(await world.identity.accounts.invite(user.id, actor="test")).token.reveal())
    with pytest.raises(WrongStepError):
        await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)
    with pytest.raises(WrongStepError):
        await world.identity.sign_in.password(handle, "ada", PASSWORD, HOME)
    with pytest.raises(WrongStepError):
        await world.identity.sign_in.passkey_options(handle)
    with pytest.raises(WrongStepError):
        await world.identity.welcome.password(await world.start(), PASSWORD, HOME)
    with pytest.raises(WrongStepError):
        await world.identity.welcome.passkey_options(await world.start())


async def test_a_client_that_says_strange_things_is_cleaned() -> None:
    client = Client("203.0.113.7\r\nx", "Mozilla\x00\n\ud800" + "a" * 10_000)
    assert client.ip == "203.0.113.7x"
    assert client.user_agent == "Mozilla" + "a" * (400 - 10)
    assert client.network == "unknown"
    assert Client("2001:db8:1:2::3").network == "2001:db8:1::/48"
    assert Client("::ffff:203.0.113.7").network == "203.0.113.0/24"
    assert Client("fe80::1%eth0").network == "fe80::/48"


async def test_sessions_of_one_user_are_bounded(world: World) -> None:
    await world.person()
    first = await world.signed_in()
    world.step(1)
    for _ in range(50):
        await world.signed_in()
    live = await world.identity.sessions.list_for(first.session.user_id)
    assert len(live) == 50
    assert first.session.id not in {session.id for session in live}


async def test_a_ceremony_takes_no_proof_of_a_second_user_whichever_step_forgot_to_ask(world: World) -> None:
    # The desk itself refuses, behind the checks of each step.
    await world.person("ada")
    eve = await world.person("eve")
    _, handle = await world.password("ada")
    desk = world.identity.sign_in._desk
    state = await desk.load(desk.open(handle))
    with pytest.raises(CeremonyInvalidError):
        async with world.database.work() as unit:
            await desk.advance(unit, state, "totp", eve)
