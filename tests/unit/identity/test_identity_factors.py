from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from identity_world import AWAY, HOME, PASSWORD, World

from watchword.identity import (
    AuthenticatorFacts,
    AuthenticatorKind,
    CodeRefusedError,
    LastFactorError,
    PasswordRefusedError,
    SessionFacts,
    SessionNotLiveError,
    SignInFailedError,
    StepUpRequiredError,
    TooManyError,
    UnknownSubjectError,
    WrongStepError,
    session_store,
)
from watchword.identity.store import authenticators_of
from watchword.keys import SealBrokenError

LONGER = "four green owls ride home late"


async def _kinds(world: World, session: SessionFacts) -> list[str]:
    return [one.kind.value for one in await world.identity.accounts.authenticators(session.user_id)]


async def _own(world: World, session: SessionFacts, kind: AuthenticatorKind) -> AuthenticatorFacts:
    return next(one for one in await world.identity.accounts.authenticators(session.user_id) if one.kind is kind)


async def test_every_change_of_factors_needs_an_authentication_of_the_last_quarter_of_an_hour(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    own = (await world.identity.accounts.authenticators(session.user_id))[0]
    enrolment = await world.identity.accounts.enrol_totp(session, HOME)
    options = await world.identity.accounts.passkey_options(session)
    world.step(15 * 60 + 1)
    accounts = world.identity.accounts
    for act in (
        accounts.set_password(session, LONGER, HOME),
        accounts.enrol_totp(session, HOME),
        accounts.confirm_totp(session, enrolment.id, world.code(enrolment), HOME),
        accounts.passkey_options(session),
        accounts.register_passkey(session, options, HOME),
        accounts.new_recovery_codes(session, HOME),
        accounts.remove_authenticator(session, own.id, HOME),
        accounts.require_fresh(session),
    ):
        with pytest.raises(StepUpRequiredError) as caught:
            await act
        assert caught.value.max_age_s == 900


async def test_facts_that_claim_a_fresher_session_than_there_is_are_not_believed(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    world.step(16 * 60)
    now = world.clock.now()
    lie = replace(session, authenticated_at=now, mfa_at=now, expires_at=now + timedelta(hours=9))
    with pytest.raises(StepUpRequiredError):
        await world.identity.accounts.enrol_totp(lie, HOME)


async def test_a_clock_set_back_does_not_make_an_old_proof_fresh(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    world.clock.step(timedelta(minutes=-5))
    with pytest.raises(StepUpRequiredError):
        await world.identity.accounts.enrol_totp(session, HOME)


async def test_a_session_that_is_over_changes_nothing(world: World) -> None:
    user = await world.person()
    session = (await world.signed_in()).session
    await world.identity.sessions.end(session.id, actor="test", reason="test")
    with pytest.raises(SessionNotLiveError):
        await world.identity.accounts.enrol_totp(session, HOME)
    session = (await world.signed_in()).session
    await world.identity.accounts.disable(user.id, actor="test")
    with pytest.raises(SessionNotLiveError):
        await world.identity.accounts.set_password(session, LONGER, HOME)


async def test_the_first_second_factor_ends_the_sessions_that_never_showed_it(world: World) -> None:
    await world.person()
    stolen, mine = (await world.signed_in(client=AWAY)).session, (await world.signed_in()).session
    await world.with_totp(mine)
    with pytest.raises(SessionNotLiveError):
        await world.identity.accounts.enrol_totp(stolen, AWAY)
    # The session that enrolled it may go on: both factors were shown in it.
    assert await world.identity.accounts.new_recovery_codes(mine, HOME)
    other = await world.stepped_up(mine, await world.with_totp(mine))
    assert [session.id for session in await world.identity.sessions.list_for(other.user_id)] == [other.id]


async def test_a_password_alone_does_not_change_factors_once_there_is_a_second_one(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    enrolment = await world.with_totp(session)
    session = await world.stepped_up(session, enrolment)
    async with world.database.work() as unit:
        await session_store.strengthen_session(unit.connection, replace(session, mfa_at=None))
    with pytest.raises(StepUpRequiredError):
        await world.identity.accounts.new_recovery_codes(session, HOME)


async def test_after_a_step_up_factors_may_change_again(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    enrolment = await world.with_totp(session)
    world.step(16 * 60)
    session = await world.stepped_up(session, enrolment)
    await world.identity.accounts.new_recovery_codes(session, HOME)
    assert await _kinds(world, session) == ["password", "totp", "recovery_codes"]


async def test_a_new_password_ends_every_other_session_and_the_old_password(world: World) -> None:
    await world.person()
    other = (await world.signed_in(client=AWAY)).session
    mine = (await world.signed_in()).session
    await world.identity.accounts.set_password(mine, LONGER, HOME)
    assert [session.id for session in await world.identity.sessions.list_for(mine.user_id)] == [mine.id]
    assert await world.identity.reader.session(other.id) is not None
    with pytest.raises(SignInFailedError):
        await world.password()
    assert (await world.signed_in(password=LONGER)).session


async def test_a_short_password_is_taken_only_beside_a_second_factor(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    with pytest.raises(PasswordRefusedError):
        await world.identity.accounts.set_password(session, "nine owls", HOME)
    await world.with_totp(session)
    await world.identity.accounts.set_password(session, "nine owls", HOME)
    totp = await _own(world, session, AuthenticatorKind.TOTP)
    with pytest.raises(LastFactorError):
        await world.identity.accounts.remove_authenticator(session, totp.id, HOME)
    await world.identity.accounts.set_password(session, LONGER, HOME)
    await world.identity.accounts.remove_authenticator(session, totp.id, HOME)
    assert await _kinds(world, session) == ["password"]


async def test_the_new_password_may_not_be_ones_own_name(world: World) -> None:
    await world.person("ada.lovelace")
    session = (await world.signed_in("ada.lovelace")).session
    with pytest.raises(PasswordRefusedError) as caught:
        await world.identity.accounts.set_password(session, "Ada.Lovelace-1815", HOME)
    assert caught.value.rule == "context"


async def test_the_last_way_in_cannot_be_removed(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    await world.with_totp(session)
    password, totp = await world.identity.accounts.authenticators(session.user_id)
    with pytest.raises(LastFactorError):
        await world.identity.accounts.remove_authenticator(session, password.id, HOME)
    await world.with_passkey(session)
    await world.identity.accounts.remove_authenticator(session, password.id, HOME)
    passkey = (await world.identity.accounts.authenticators(session.user_id))[-1]
    with pytest.raises(LastFactorError):
        await world.identity.accounts.remove_authenticator(session, passkey.id, HOME)
    await world.identity.accounts.remove_authenticator(session, totp.id, HOME)
    assert await _kinds(world, session) == ["passkey"]


@pytest.mark.parametrize("about", [{"groups": ["administrators"]}, {"is_privileged": True}])
async def test_the_privileged_keep_a_second_factor_once_they_have_one(world: World, about: dict[str, object]) -> None:
    await world.person(**about)
    session = (await world.signed_in()).session
    await world.with_totp(session)
    totp = await _own(world, session, AuthenticatorKind.TOTP)
    with pytest.raises(LastFactorError):
        await world.identity.accounts.remove_authenticator(session, totp.id, HOME)


async def test_second_factors_that_are_removed_at_the_same_moment_leave_one(world: World) -> None:
    await world.person(is_privileged=True)
    session = (await world.signed_in()).session
    for _ in range(4):
        await world.with_passkey(session)
    found = [one for one in await world.identity.accounts.authenticators(session.user_id) if one.kind == "passkey"]
    removals = [world.identity.accounts.remove_authenticator(session, one.id, HOME) for one in found]
    ended = await asyncio.gather(*removals, return_exceptions=True)
    assert [type(one) for one in ended if one is not None] == [LastFactorError]


async def test_an_authenticator_of_another_user_is_neither_removed_nor_renamed(world: World) -> None:
    await world.person("ada")
    await world.person("eve")
    session = (await world.signed_in("eve")).session
    adas = (await world.identity.accounts.authenticators((await world.signed_in("ada")).session.user_id))[0]
    with pytest.raises(UnknownSubjectError):
        await world.identity.accounts.remove_authenticator(session, adas.id, HOME)
    with pytest.raises(UnknownSubjectError):
        await world.identity.accounts.rename_authenticator(session, adas.id, "mine")


async def test_an_unconfirmed_application_does_not_count(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    first = await world.identity.accounts.enrol_totp(session, HOME)
    second = await world.identity.accounts.enrol_totp(session, HOME)
    assert await _kinds(world, session) == ["password"]
    assert await world.count("identity_authenticators") == 2
    with pytest.raises(CodeRefusedError):
        await world.identity.accounts.confirm_totp(session, first.id, world.code(first), HOME)
    for wrong in ("000000", "", "\ud800", world.code(first), world.code(second, 3)):
        with pytest.raises(CodeRefusedError):
            await world.identity.accounts.confirm_totp(session, second.id, wrong, HOME)
    assert (await world.signed_in()).session
    await world.identity.accounts.confirm_totp(session, second.id, world.code(second), HOME)
    with pytest.raises(CodeRefusedError):
        await world.identity.accounts.confirm_totp(session, second.id, world.code(second, 1), HOME)


async def test_an_enrolment_of_another_user_is_not_confirmed(world: World) -> None:
    await world.person("ada")
    await world.person("eve")
    adas = await world.identity.accounts.enrol_totp((await world.signed_in("ada")).session, HOME)
    session = (await world.signed_in("eve")).session
    with pytest.raises(CodeRefusedError):
        await world.identity.accounts.confirm_totp(session, adas.id, world.code(adas), HOME)


async def test_the_secret_of_an_application_is_sealed_at_rest_and_bound_to_its_row(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    enrolment = await world.with_totp(session)
    async with world.database.read() as connection:
        stored = (await authenticators_of(connection, session.user_id))[-1]
    assert enrolment.secret.reveal().encode() not in stored.material
    with pytest.raises(SealBrokenError):
        world.sealer.open(stored.material, purpose="identity.totp", context="another|row")


async def test_recovery_codes_need_a_second_factor_to_stand_in_for(world: World) -> None:
    await world.person()
    with pytest.raises(WrongStepError):
        await world.identity.accounts.new_recovery_codes((await world.signed_in()).session, HOME)


async def test_applications_of_one_user_are_bounded(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    for _ in range(5):
        await world.with_totp(session)
    with pytest.raises(TooManyError):
        await world.identity.accounts.enrol_totp(session, HOME)


async def test_the_owner_sees_when_each_authenticator_was_used_last(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    await world.with_passkey(session)
    facts = {one.kind: one.last_used_at for one in await world.identity.accounts.authenticators(session.user_id)}
    assert facts[AuthenticatorKind.PASSWORD] == session.authenticated_at
    assert facts[AuthenticatorKind.PASSKEY] is None


async def test_a_label_is_cleaned_and_an_empty_one_changes_nothing(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    own = (await world.identity.accounts.authenticators(session.user_id))[0]
    for label, shown in ((" My\x00 key\u202e ", "My key"), ("", "My key"), ("x" * 500, "x" * 100)):
        await world.identity.accounts.rename_authenticator(session, own.id, label)
        assert (await world.identity.accounts.authenticators(session.user_id))[0].label == shown


async def test_password_is_never_in_events_or_reprs(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    await world.identity.accounts.set_password(session, LONGER, HOME)
    assert PASSWORD not in str(await world.events())
    assert LONGER not in str(await world.events())
    assert "argon2" not in str(await world.events())
