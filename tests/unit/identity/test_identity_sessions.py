from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from identity_world import AWAY, HOME, PORTAL, World

from watchword.identity import HandoffRefusedError, SessionNotLiveError, TooManyError, UnknownSubjectError
from watchword.kernel import SessionId

NOTES = "notes.localhost"


async def test_a_session_ends_by_itself_after_an_hour(world: World) -> None:
    await world.person()
    signed_in = await world.signed_in()
    world.step(3599)
    assert await world.identity.sessions.by_handle(signed_in.handle.reveal(), PORTAL) is not None
    world.step(1)
    assert await world.identity.sessions.by_handle(signed_in.handle.reveal(), PORTAL) is None
    assert await world.identity.reader.sessions() == []


async def test_no_text_is_taken_for_a_handle(world: World) -> None:
    for text in ("", "x", "\ud800" * 43, "é" * 43, "A" * 43, "A" * 10_000):
        assert await world.identity.sessions.by_handle(text, PORTAL) is None


async def test_an_owner_ends_own_sessions_and_not_those_of_others(world: World) -> None:
    ada, eve = await world.person("ada"), await world.person("eve")
    session = (await world.signed_in("ada")).session
    with pytest.raises(UnknownSubjectError):
        await world.identity.sessions.end(session.id, actor=eve.id, reason="x", owner=eve.id)
    with pytest.raises(UnknownSubjectError):
        await world.identity.sessions.end(SessionId.new(world.clock.now(), world.entropy), actor=eve.id, reason="x")
    await world.identity.sessions.end(session.id, actor=ada.id, reason="signed_out", owner=ada.id)
    await world.identity.sessions.end(session.id, actor=ada.id, reason="signed_out", owner=ada.id)
    told = await world.events("identity.session.ended")
    assert [(event["subject"], event["actor"]) for event in told] == [(session.id, ada.id)]
    assert json.loads(told[0]["data"]) == {"user": ada.id, "reason": "signed_out"}


async def test_ending_all_keeps_the_one_at_hand(world: World) -> None:
    user = await world.person()
    sessions = [(await world.signed_in()).session for _ in range(4)]
    ended = await world.identity.sessions.end_all(user.id, actor=user.id, reason="all", except_for=sessions[2].id)
    assert ended == 3
    assert [session.id for session in await world.identity.sessions.list_for(user.id)] == [sessions[2].id]


async def test_a_session_is_shortened_and_never_lengthened(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    sooner = world.clock.now() + timedelta(minutes=15)
    assert await world.identity.sessions.shorten(session.id, sooner, actor="system", reason="risk")
    later = session.expires_at + timedelta(hours=1)
    assert not await world.identity.sessions.shorten(session.id, later, actor="system", reason="risk")
    found = await world.identity.reader.session(session.id)
    assert found is not None
    assert found.expires_at == sooner


async def test_old_sessions_are_pruned_and_live_ones_are_not(world: World) -> None:
    await world.person()
    await world.signed_in()
    world.step(31 * 24 * 3600)
    live = (await world.signed_in()).session
    assert await world.identity.sessions.prune() == 1
    assert [session.id for session in await world.identity.reader.sessions()] == [live.id]


# --- crossings ------------------------------------------------------------------------------------------------------


async def test_a_crossing_gives_the_session_a_handle_on_the_other_host(world: World) -> None:
    await world.person()
    signed_in = await world.signed_in()
    code = await world.identity.handoff.issue(signed_in.session.id, NOTES, "state", "https://notes/x")
    session, handle, return_to = await world.identity.handoff.redeem(code.reveal(), NOTES, "state", AWAY)
    assert (session.id, return_to) == (signed_in.session.id, "https://notes/x")
    assert set(session.handles.values()) == {PORTAL, NOTES}
    assert (await world.identity.sessions.by_handle(handle.reveal(), NOTES)) == session
    assert await world.identity.sessions.by_handle(handle.reveal(), PORTAL) is None
    assert (await world.events("identity.session.handle_added"))[0]["subject"] == session.id


async def test_a_second_crossing_replaces_the_handle_of_the_first(world: World) -> None:
    await world.person()
    signed_in = await world.signed_in()
    handles = []
    for _ in range(2):
        code = await world.identity.handoff.issue(signed_in.session.id, NOTES, "state", "/")
        handles.append((await world.identity.handoff.redeem(code.reveal(), NOTES, "state", HOME))[1].reveal())
    assert await world.identity.sessions.by_handle(handles[0], NOTES) is None
    assert await world.identity.sessions.by_handle(handles[1], NOTES) is not None


@pytest.mark.parametrize(("host", "state"), [(PORTAL, "state"), ("evil.localhost", "state"), (NOTES, "other")])
async def test_a_crossing_code_of_another_host_or_browser_is_refused_and_used_up(
    world: World, host: str, state: str
) -> None:
    await world.person()
    signed_in = await world.signed_in()
    code = (await world.identity.handoff.issue(signed_in.session.id, NOTES, "state", "/")).reveal()
    with pytest.raises(HandoffRefusedError):
        await world.identity.handoff.redeem(code, host, state, HOME)
    with pytest.raises(HandoffRefusedError):
        await world.identity.handoff.redeem(code, NOTES, "state", HOME)


async def test_a_crossing_code_works_once_even_at_the_same_moment(world: World) -> None:
    await world.person()
    signed_in = await world.signed_in()
    code = (await world.identity.handoff.issue(signed_in.session.id, NOTES, "state", "/")).reveal()
    outcomes = await asyncio.gather(
        *(world.identity.handoff.redeem(code, NOTES, "state", HOME) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(outcome, HandoffRefusedError) for outcome in outcomes) == 4


async def test_a_crossing_code_ends_after_a_minute_and_with_its_session(world: World) -> None:
    user = await world.person()
    signed_in = await world.signed_in()
    code = (await world.identity.handoff.issue(signed_in.session.id, NOTES, "state", "/")).reveal()
    world.step(60)
    with pytest.raises(HandoffRefusedError):
        await world.identity.handoff.redeem(code, NOTES, "state", HOME)
    code = (await world.identity.handoff.issue(signed_in.session.id, NOTES, "state", "/")).reveal()
    await world.identity.sessions.end_all(user.id, actor="test", reason="test")
    with pytest.raises(HandoffRefusedError):
        await world.identity.handoff.redeem(code, NOTES, "state", HOME)
    with pytest.raises(SessionNotLiveError):
        await world.identity.handoff.issue(signed_in.session.id, NOTES, "state", "/")


async def test_no_text_is_taken_for_a_crossing_code(world: World) -> None:
    for code in ("", "x", "\ud800" * 43, "A" * 43, "é" * 43):
        with pytest.raises(HandoffRefusedError):
            await world.identity.handoff.redeem(code, "\ud800", "\ud800", HOME)


async def test_a_crossing_without_a_state_is_refused(world: World) -> None:
    await world.person()
    signed_in = await world.signed_in()
    for state, return_to in (("", "/"), ("x" * 2000, "/"), ("x", "/" + "a" * 2000), ("x", "/\x00"), ("x", "/\ud800")):
        with pytest.raises(HandoffRefusedError):
            await world.identity.handoff.issue(signed_in.session.id, NOTES, state, return_to)


async def test_crossings_under_way_are_bounded(world: World) -> None:
    await world.person()
    signed_in = await world.signed_in()
    for _ in range(20):
        await world.identity.handoff.issue(signed_in.session.id, NOTES, "state", "/")
    with pytest.raises(TooManyError):
        await world.identity.handoff.issue(signed_in.session.id, NOTES, "state", "/")
    world.step(61)
    await world.identity.handoff.issue(signed_in.session.id, NOTES, "state", "/")
    assert await world.count("identity_handoffs") == 1
