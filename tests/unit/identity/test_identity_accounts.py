from __future__ import annotations

import asyncio
import json

import pytest
from identity_world import HOME, PASSWORD, PORTAL, World

from watchword.identity import (
    CeremonyInvalidError,
    LastAdministratorError,
    NameRefusedError,
    NameTakenError,
    SignInFailedError,
    UnknownSubjectError,
    WrongStepError,
)
from watchword.kernel import UserId


async def test_a_user_has_what_was_given_and_its_groups(world: World) -> None:
    made = await world.identity.accounts.create_user(
        "Ada@x@y", actor="usr", display_name="Ada", email="ada@example.org", timezone="Europe/Paris", groups=["staff"]
    )
    assert made == await world.identity.reader.user(made.id)
    assert made == await world.identity.accounts.find_user("ada@X@Y")
    assert (made.groups, made.is_administrator, made.is_disabled) == (frozenset({"staff"}), False, False)
    assert [event["type"] for event in await world.events()] == [
        "identity.user.created",
        "identity.group.created",
        "identity.user.changed",
    ]


@pytest.mark.parametrize("name", ["ADA", "\uff41da", "aDa", " ada "])
async def test_a_name_that_is_taken_in_another_spelling_is_refused(world: World, name: str) -> None:
    await world.identity.accounts.create_user("ada", actor="test")
    with pytest.raises(NameTakenError):
        await world.identity.accounts.create_user(name, actor="test")


async def test_a_name_that_looks_like_one_that_is_taken_is_refused(world: World) -> None:
    await world.identity.accounts.create_user("paypa", actor="test")
    with pytest.raises(NameTakenError):
        await world.identity.accounts.create_user("\u0440\u0430\u0443\u0440\u0430", actor="test")


async def test_one_name_asked_for_twice_at_once_makes_one_user(world: World) -> None:
    outcomes = await asyncio.gather(
        *(world.identity.accounts.create_user("ada", actor="test") for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(outcome, NameTakenError) for outcome in outcomes) == 4
    assert len(await world.identity.reader.users()) == 1


async def test_a_refused_user_leaves_neither_group_nor_event(world: World) -> None:
    with pytest.raises(NameRefusedError):
        await world.identity.accounts.create_user("ada", actor="test", groups=["fine", "Not Fine"])
    assert await world.identity.accounts.groups() == []
    assert await world.events() == []


async def test_attributes_change_one_by_one(world: World) -> None:
    user = await world.identity.accounts.create_user("ada", actor="test", email="a@b")
    changed = await world.identity.accounts.change_user(user.id, actor="test", email="", timezone="Asia/Tokyo")
    assert (changed.email, changed.timezone, changed.name) == (None, "Asia/Tokyo", "ada")
    assert json.loads((await world.events("identity.user.changed"))[-1]["data"]) == {"fields": "email timezone"}


async def test_disabling_a_user_ends_every_session_in_the_same_unit_of_work(world: World) -> None:
    user = await world.person()
    signed_in = await world.signed_in()
    await world.identity.accounts.disable(user.id, actor="adm", reason="left")
    assert await world.identity.sessions.by_handle(signed_in.handle.reveal(), PORTAL) is None
    types = [event["type"] for event in await world.events()]
    assert types[-2:] == ["identity.user.disabled", "identity.session.ended"]
    with pytest.raises(SignInFailedError):
        await world.password()
    await world.identity.accounts.enable(user.id, actor="adm")
    assert (await world.signed_in()).session


async def test_a_deleted_user_leaves_nothing_behind(world: World) -> None:
    user = await world.person()
    session = (await world.signed_in()).session
    await world.with_totp(session)
    await world.identity.accounts.delete_user(user.id, actor="adm")
    assert await world.identity.reader.users() == []
    assert await world.identity.reader.sessions() == []
    for table in ("authenticators", "sessions", "handles", "ceremonies", "memberships", "recognised"):
        assert await world.count(f"identity_{table}") == 0
    with pytest.raises(SignInFailedError):
        await world.password()


async def test_administrators_who_are_disabled_at_the_same_moment_leave_one(world: World) -> None:
    accounts = world.identity.accounts
    made = [await accounts.create_user(name, actor="test", groups=["administrators"]) for name in ("one", "two", "six")]
    ended = await asyncio.gather(*(accounts.disable(user.id, actor="test") for user in made), return_exceptions=True)
    assert [type(one) for one in ended if one is not None] == [LastAdministratorError]


async def test_the_last_administrator_stays(world: World) -> None:
    one = await world.identity.accounts.create_user("one", actor="test", groups=["administrators"])
    two = await world.identity.accounts.create_user("two", actor="test", groups=["administrators"])
    await world.identity.accounts.disable(two.id, actor="test")
    for act in (
        world.identity.accounts.disable(one.id, actor="test"),
        world.identity.accounts.delete_user(one.id, actor="test"),
        world.identity.accounts.remove_from_group(one.id, "administrators", actor="test"),
        world.identity.accounts.delete_group("administrators", actor="test"),
    ):
        with pytest.raises(LastAdministratorError):
            await act
    await world.identity.accounts.enable(two.id, actor="test")
    await world.identity.accounts.remove_from_group(one.id, "administrators", actor="test")
    assert not (await world.identity.reader.user(one.id)).is_administrator  # type: ignore[union-attr]


async def test_a_change_of_membership_is_told_of_the_user(world: World) -> None:
    user = await world.identity.accounts.create_user("ada", actor="test", groups=["staff"])
    await world.identity.accounts.add_to_group(user.id, "ops", actor="test")
    await world.identity.accounts.add_to_group(user.id, "ops", actor="test")
    await world.identity.accounts.remove_from_group(user.id, "staff", actor="test")
    await world.identity.accounts.delete_group("ops", actor="test")
    told = [json.loads(event["data"]) for event in await world.events("identity.user.changed")]
    assert [(one["group"], one["is_member"]) for one in told] == [
        ("staff", True),
        ("ops", True),
        ("staff", False),
        ("ops", False),
    ]
    assert {event["subject"] for event in await world.events("identity.user.changed")} == {user.id}


async def test_groups_are_listed_with_their_size(world: World) -> None:
    await world.identity.accounts.create_group("empty", actor="test")
    await world.identity.accounts.create_user("ada", actor="test", groups=["staff"])
    assert [(group.name, group.size) for group in await world.identity.accounts.groups()] == [
        ("empty", 0),
        ("staff", 1),
    ]
    with pytest.raises(NameTakenError):
        await world.identity.accounts.create_group("staff", actor="test")


async def test_an_unknown_user_or_group_is_said_to_be_unknown(world: World) -> None:
    nobody = UserId.new(world.clock.now(), world.entropy)
    accounts = world.identity.accounts
    for act in (
        accounts.disable(nobody, actor="test"),
        accounts.enable(nobody, actor="test"),
        accounts.delete_user(nobody, actor="test"),
        accounts.change_user(nobody, actor="test", email="a@b"),
        accounts.add_to_group(nobody, "staff", actor="test"),
        accounts.remove_from_group(nobody, "staff", actor="test"),
        accounts.invite(nobody, actor="test"),
        accounts.delete_group("staff", actor="test"),
    ):
        with pytest.raises(UnknownSubjectError):
            await act
    assert await accounts.find_user("\x00\ud800") is None


async def test_a_link_does_not_go_around_the_factors_a_user_has(world: World) -> None:
    user = await world.person()
    with pytest.raises(WrongStepError):
        await world.identity.accounts.invite(user.id, actor="adm")


async def test_a_reset_removes_every_factor_and_session_before_the_link_works(world: World) -> None:
    user = await world.person()
    session = (await world.signed_in()).session
    await world.with_totp(session)
    invitation = await world.identity.accounts.invite(user.id, actor="adm", reset=True)
    assert await world.identity.accounts.authenticators(user.id) == ()
    assert await world.identity.sessions.list_for(user.id) == []
    with pytest.raises(SignInFailedError):
        await world.password()
    handle = await world.start(invitation=invitation.token.reveal())
    await world.identity.welcome.password(handle, PASSWORD, HOME)
    assert (await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)).session


async def test_a_link_for_a_disabled_user_opens_nothing(world: World) -> None:
    user = await world.identity.accounts.create_user("ada", actor="test")
    token = (await world.identity.accounts.invite(user.id, actor="test")).token.reveal()
    handle = await world.start(invitation=token)
    await world.identity.accounts.disable(user.id, actor="test")
    with pytest.raises(CeremonyInvalidError):
        await world.identity.welcome.password(handle, PASSWORD, HOME)


async def test_the_first_administrator_is_invited_until_one_can_sign_in(world: World) -> None:
    first = await world.identity.accounts.first_administrator()
    again = await world.identity.accounts.first_administrator()
    assert first is not None
    assert again is not None
    assert first.user == again.user
    assert again.user.is_administrator
    assert first.token.reveal() != again.token.reveal()
    handle = await world.start(invitation=again.token.reveal())
    await world.identity.welcome.password(handle, PASSWORD, HOME)
    assert await world.identity.accounts.first_administrator() is None


@pytest.mark.parametrize("name", ["admin", "ADMIN"])
async def test_a_user_called_admin_does_not_become_the_first_administrator(world: World, name: str) -> None:
    squatter = await world.person(name)
    invitation = await world.identity.accounts.first_administrator()
    assert invitation is not None
    assert invitation.user.id != squatter.id
    assert invitation.user.name == "admin-2"


async def test_a_disabled_administrator_does_not_count_as_one_who_can_sign_in(world: World) -> None:
    await world.person("root", groups=["administrators"])
    other = await world.identity.accounts.create_user("other", actor="test", groups=["administrators"])
    root = await world.identity.accounts.find_user("root")
    assert root is not None
    await world.identity.accounts.disable(root.id, actor="test")
    invitation = await world.identity.accounts.first_administrator()
    assert invitation is not None
    assert invitation.user.id == other.id
