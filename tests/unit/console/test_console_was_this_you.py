"""One's own recent sign-ins, and what "this was not me" does and cannot do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from console_world import Browser, ConsoleWorld
from identity_world import AWAY

from watchword.app.owners import OwnersFeedback
from watchword.console import FlaggedAct, Standing, create_console
from watchword.identity import SessionFacts


class Listener(OwnersFeedback):
    """Remembers what people said, and has nothing in doubt."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    async def disown(self, session: SessionFacts, *, by: SessionFacts) -> None:
        self.heard.append((session.id, by.id))

    async def flagged(self, standing: Standing) -> Sequence[FlaggedAct]:
        del standing
        return ()


def listening(world: ConsoleWorld) -> Listener:
    listener = Listener()
    world.services = replace(world.services, feedback=listener)
    world.app = create_console(world.services, world.settings, entropy=world.entropy)
    return listener


async def two_browsers(world: ConsoleWorld) -> tuple[Browser, Browser]:
    """Ada at home, and somebody with her password elsewhere."""
    await world.person()
    home, away = world.browser(), world.browser(AWAY.ip)
    away.user_agent = AWAY.user_agent
    await home.sign_in()
    world.step(60)
    await away.sign_in()
    await home.visit("/account")
    return home, away


async def test_the_owner_sees_recent_sign_ins_with_place_and_browser_even_those_that_are_over(
    world: ConsoleWorld,
) -> None:
    home, _ = await two_browsers(world)
    _, theirs = sorted(await world.identity.reader.sessions(), key=lambda session: session.authenticated_at)
    await world.identity.sessions.end(theirs.id, actor="system", reason="test")
    await world.settled()
    shown = await home.visit("/account")
    recent = shown.text.partition('id="recent"')[2]
    assert "Edge 140 on Windows" in recent
    assert "Firefox 140 on Linux" in recent
    assert "Zürich, Switzerland" in recent
    assert "· over" in recent


async def test_a_browser_is_recognised_from_its_second_sign_in_on(world: ConsoleWorld) -> None:
    home, _ = await two_browsers(world)
    recent = (await home.visit("/account")).text.partition('id="recent"')[2]
    assert recent.count("a browser that was new then") == 2
    assert "recognised browser" not in recent
    world.step(3600)
    await home.sign_in()
    recent = (await home.visit("/account")).text.partition('id="recent"')[2]
    assert recent.count("recognised browser") == 1


async def test_this_was_not_me_ends_the_session_and_is_heard(world: ConsoleWorld) -> None:
    listener = listening(world)
    home, away = await two_browsers(world)
    mine, theirs = sorted(await world.identity.reader.sessions(), key=lambda session: session.authenticated_at)
    shown = await home.submit("/account/sessions/disown", {"session": theirs.id})
    assert "That session has ended" in shown.text
    assert listener.heard == [(theirs.id, mine.id)]
    assert (await away.get("/account")).status == 303
    told = await world.events("identity.session.ended")
    assert '"disowned"' in told[-1]["data"]


async def test_a_session_cannot_speak_of_itself(world: ConsoleWorld) -> None:
    listener = listening(world)
    home, _ = await two_browsers(world)
    mine, _ = sorted(await world.identity.reader.sessions(), key=lambda session: session.authenticated_at)
    assert f'value="{mine.id}"' not in (await home.visit("/account")).text.partition('id="recent"')[2]
    assert (await home.post("/account/sessions/disown", {"session": mine.id})).status == 404
    assert listener.heard == []
    assert len(await world.identity.reader.sessions()) == 2


async def test_nobody_speaks_of_somebody_elses_sign_in(world: ConsoleWorld) -> None:
    listener = listening(world)
    await two_browsers(world)
    await world.person("eve")
    eve = world.browser()
    await eve.sign_in("eve")
    await eve.visit("/account")
    for session in await world.identity.reader.sessions():
        assert (await eve.post("/account/sessions/disown", {"session": session.id})).status == 404
    for nonsense in ("", "ses_x", "x" * 5000):
        assert (await eve.post("/account/sessions/disown", {"session": nonsense})).status == 404
    assert listener.heard == []
    assert len(await world.identity.reader.sessions()) == 3


async def test_without_anybody_to_listen_the_session_ends_all_the_same(world: ConsoleWorld) -> None:
    home, _ = await two_browsers(world)
    _, theirs = sorted(await world.identity.reader.sessions(), key=lambda session: session.authenticated_at)
    await home.submit("/account/sessions/disown", {"session": theirs.id})
    assert [session.id for session in await world.identity.reader.sessions() if session.id == theirs.id] == []
