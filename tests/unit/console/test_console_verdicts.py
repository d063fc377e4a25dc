"""An administrator's verdict on a decision: what it teaches, whose session it ends, and who may not give it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from console_world import Browser, ConsoleWorld
from identity_world import AWAY
from page_lint import lint
from sqlalchemy import text

from watchword.app.verdicts import AnalystsVerdicts
from watchword.console import create_console
from watchword.identity import SessionFacts, UserFacts
from watchword.kernel import DecisionId
from watchword.trust.behaviour import Model
from watchword.trust.learning import Feedback, KeptModels


def decided(world: ConsoleWorld, user: UserFacts, session: SessionFacts | None, **about: Any) -> dict[str, Any]:
    """A decision by behaviour, as the journal keeps it."""
    return {
        "type": "decision",
        "id": DecisionId.new(world.clock.now(), world.entropy),
        "at": world.clock.now().isoformat(),
        "answer": "step_up",
        "reasons": ["risk_medium"],
        "user": user.id,
        "session": session.id if session else None,
        "device": None,
        "risk": 94,
        "level": "medium",
        "contributions": [["prior", -4.0], ["new_country", 6.0]],
        "behaviour": {"probability": 0.94, "log_odds": 2.0, "versions": {"model": Model().label}},
        "facts": [],
        "personal": {"ip": AWAY.ip, "user_agent": AWAY.user_agent, "details": {}},
    } | about


@pytest.fixture
async def room(world: ConsoleWorld, tmp_path: Path) -> ConsoleWorld:
    feedback = Feedback(world.database, world.clock, world.entropy)
    world.services = replace(world.services, verdicts=AnalystsVerdicts(feedback, KeptModels.of(tmp_path)))
    world.app = create_console(world.services, world.settings, entropy=world.entropy)
    return world


async def said(world: ConsoleWorld) -> list[tuple[str, bool, str]]:
    async with world.database.read() as connection:
        rows = (await connection.execute(text("SELECT source, is_attack, given_by FROM trust_labels"))).all()
    return [(source, bool(is_attack), by) for source, is_attack, by in rows]


async def thief(world: ConsoleWorld) -> tuple[UserFacts, SessionFacts]:
    user = await world.person()
    browser = world.browser(AWAY.ip)
    await browser.sign_in()
    (session,) = await world.identity.sessions.list_for(user.id)
    return user, session


async def give(browser: Browser, record: dict[str, Any], answer: str, **more: str) -> Any:
    return await browser.post(f"/admin/decisions/{record['id']}/verdict", {"answer": answer} | more)


async def test_a_verdict_of_somebody_else_is_a_label_and_ends_the_session(room: ConsoleWorld) -> None:
    user, session = await thief(room)
    browser, root = await room.administrator()
    record = decided(room, user, session)
    room.decisions.push(record)
    shown = await browser.visit(f"/decisions/{record['id']}")
    assert "Who was it?" in shown.text
    assert lint(shown.text) == []
    shown = await browser.follow(await give(browser, record, "attack", end="yes"))
    assert "The session has ended" in shown.text
    assert "An administrator said: somebody else" in shown.text
    assert await said(room) == [("analyst", True, root.id)]
    assert await room.identity.sessions.list_for(user.id) == []


async def test_a_verdict_of_the_owner_ends_nothing_and_the_newest_one_stands(room: ConsoleWorld) -> None:
    user, session = await thief(room)
    browser, root = await room.administrator()
    record = decided(room, user, session)
    room.decisions.push(record)
    await give(browser, record, "attack")
    shown = await browser.follow(await give(browser, record, "owner", end="yes"))
    assert "Noted: it was the owner" in shown.text
    assert await said(room) == [("analyst", False, root.id)]
    assert len(await room.identity.sessions.list_for(user.id)) == 1


async def test_an_administrator_calls_their_own_act_all_right(room: ConsoleWorld) -> None:
    """Attack: with a stolen session of an administrator."""
    browser, root = await room.administrator()
    record = decided(room, root, None)
    room.decisions.push(record)
    shown = await browser.visit(f"/decisions/{record['id']}")
    assert "another administrator can say it" in shown.text
    assert 'value="owner"' not in shown.text
    assert (await give(browser, record, "owner")).status == 403
    assert await said(room) == []


async def test_a_member_gives_a_verdict(room: ConsoleWorld) -> None:
    """Attack: forced browsing, by whom the decision is about."""
    user, session = await thief(room)
    record = decided(room, user, session)
    room.decisions.push(record)
    browser = room.browser()
    await browser.sign_in()
    assert 'id="verdict"' not in (await browser.visit(f"/decisions/{record['id']}")).text
    assert (await give(browser, record, "owner")).status == 403
    assert await said(room) == []


async def test_a_record_that_names_the_session_of_another_account_ends_nothing(room: ConsoleWorld) -> None:
    user, session = await thief(room)
    other = await room.person("eve")
    browser, _ = await room.administrator()
    record = decided(room, other, session)
    room.decisions.push(record)
    shown = await browser.follow(await give(browser, record, "attack", end="yes"))
    assert "has ended" not in shown.text
    assert len(await room.identity.sessions.list_for(user.id)) == 1


async def test_what_nothing_can_be_learned_from_is_not_asked_about(room: ConsoleWorld) -> None:
    user, session = await thief(room)
    browser, _ = await room.administrator()
    record = decided(room, user, session)
    del record["behaviour"]
    room.decisions.push(record)
    assert 'id="verdict"' not in (await browser.visit(f"/decisions/{record['id']}")).text
    assert (await give(browser, record, "attack")).status == 422
    assert (await give(browser, decided(room, user, session), "attack")).status == 404


async def test_a_thief_whose_session_is_found_when_enough_was_said_today_is_thrown_out_all_the_same(
    room: ConsoleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: many doubtful acts in one account, until its administrators have no verdict left."""
    user, session = await thief(room)
    browser, _ = await room.administrator()
    record = decided(room, user, session)
    room.decisions.push(record)
    monkeypatch.setattr("watchword.trust.learning.feedback._MOST_OF_GIVER_PER_DAY", 0)
    assert (await give(browser, record, "attack")).status == 403
    assert len(await room.identity.sessions.list_for(user.id)) == 1
    shown = await browser.follow(await give(browser, record, "attack", end="yes"))
    assert "The session has ended. Your verdict was not taken" in shown.text
    assert await said(room) == []
    assert await room.identity.sessions.list_for(user.id) == []


async def test_an_answer_that_is_neither_is_refused(room: ConsoleWorld) -> None:
    user, session = await thief(room)
    browser, _ = await room.administrator()
    record = decided(room, user, session)
    room.decisions.push(record)
    assert (await give(browser, record, "maybe")).status == 400
    assert await said(room) == []
