"""Acts in doubt on the account page: who may say "this was me", and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from console_world import Browser, ConsoleWorld, Shown
from identity_world import AWAY, HOME
from page_lint import lint
from sqlalchemy import text

from watchword.app.owners import OwnersFeedback
from watchword.console import create_console
from watchword.identity import SessionFacts, TotpEnrolment
from watchword.kernel import Answer, DecisionId, DeviceId
from watchword.trust.learning import Doubt, Doubts, Feedback, Judged, KeptModels


@dataclass
class Scene:
    """Ada at home with two factors and a device of old, and a thief elsewhere in a session that was asked."""

    world: ConsoleWorld
    doubts: Doubts
    enrolment: TotpEnrolment
    home: Browser
    thief: Browser
    stolen: SessionFacts
    reference: str

    async def say(self, browser: Browser, answer: str = "me", reference: str = "", **changes: Any) -> Shown:
        fields = {"act": reference or self.reference, "answer": answer}
        return await browser.post("/account/doubts", fields, **changes)

    async def said(self) -> list[tuple[str, bool]]:
        async with self.world.database.read() as connection:
            rows = (await connection.execute(text("SELECT act, is_attack FROM trust_labels"))).all()
        return [(act, bool(is_attack)) for act, is_attack in rows]

    async def doubt(self, session: SessionFacts | None, answer: Answer = Answer.STEP_UP, **about: Any) -> str:
        """Let something be in doubt; without a session a sign-in that was refused."""
        now = self.world.clock.now()
        reference = DecisionId.new(now, self.world.entropy)
        owner = session.user_id if session else self.stolen.user_id
        judged = Judged(reference, owner, now, 2.5, {"new_country": 3.0}, session.id if session else reference)
        judged = replace(judged, device=(session.device_id or "") if session else "", **about)
        application = "notes" if session else ""
        await self.doubts.keep([Doubt(judged, answer, AWAY.ip, AWAY.user_agent, application)])
        return str(reference)

    async def enter(self, browser: Browser, name: str = "ada") -> SessionFacts:
        """Sign in with both factors, and return the session."""
        self.world.step(60)
        await browser.sign_in(name)
        if browser.page is not None and "/sign-in/code" in browser.page.text:
            await browser.submit("/sign-in/code", {"code": self.world.code(self.enrolment)})
        return max(await self.world.identity.reader.sessions(), key=lambda session: session.authenticated_at)


@pytest.fixture
async def scene(world: ConsoleWorld, tmp_path: Path) -> Scene:
    feedback, doubts = Feedback(world.database, world.clock, world.entropy), Doubts(world.database, world.clock)
    (tmp_path / "journal").mkdir()
    owners = OwnersFeedback(
        feedback,
        doubts,
        KeptModels.of(tmp_path),
        SimpleNamespace(recent=()),  # type: ignore[arg-type]  # nothing was decided lately
        tmp_path / "journal",
        identity=world.identity,
        clock=world.clock,
    )
    world.services = replace(world.services, feedback=owners)
    world.app = create_console(world.services, world.settings, entropy=world.entropy)
    user = await world.person()
    home, thief = world.browser(), world.browser(AWAY.ip)
    thief.user_agent = AWAY.user_agent
    await home.sign_in()
    enrolment = await world.with_totp((await world.identity.sessions.list_for(user.id))[0])
    made = Scene(world, doubts, enrolment, home, thief, None, "")  # type: ignore[arg-type]  # filled in below
    world.clock.advance(timedelta(days=2))
    made.stolen = await made.enter(thief)
    made.reference = await made.doubt(made.stolen)
    await made.enter(home)
    return made


async def test_an_act_in_doubt_is_shown_in_plain_words_and_a_yes_from_elsewhere_is_one_label_and_one_event(
    scene: Scene,
) -> None:
    shown = await scene.home.visit("/account")
    panel = shown.text.partition('id="doubts"')[2].partition("</section>")[0]
    for words in ("Was this you?", "Opening Notes", "Zürich, Switzerland", "Edge 140 on Windows", "Asked again"):
        assert words in panel
    assert "less may be asked of you" in panel
    assert panel.count("<button") == 2
    assert lint(shown.text) == []
    shown = await scene.home.follow(await scene.say(scene.home))
    assert "Noted: this was you. Nothing changes at once" in shown.text
    assert "You said: this was me" in shown.text
    assert await scene.said() == [(scene.reference, False)]
    (event,) = await scene.world.events("trust.feedback")
    assert event["type"] == "trust.feedback.vouched"
    assert scene.reference in event["data"]


async def test_an_act_in_doubt_stands_before_everything_else_until_it_is_answered(scene: Scene) -> None:
    shown = await scene.home.visit("/")
    assert "Something about an act in your account was unusual" in shown.text
    assert 'href="/account#doubts"' in shown.text
    shown = await scene.home.visit("/account")
    assert shown.text.index('id="doubts"') < shown.text.index("How you sign in")
    await scene.say(scene.home)
    assert "was unusual" not in (await scene.home.visit("/")).text
    shown = await scene.home.visit("/account")
    assert shown.text.index('id="doubts"') > shown.text.index("How you sign in")


async def test_a_form_that_is_replayed_counts_once_and_takes_nothing_back(scene: Scene) -> None:
    """Attack: the form of an answer is sent again and again, also after its owner has thought better of it."""
    for _ in range(3):
        assert (await scene.say(scene.home)).status == 303
    assert len(await scene.world.events("trust.feedback")) == 1
    assert (await scene.say(scene.home, "not-me")).status == 303
    assert await scene.said() == [(scene.reference, True)]
    shown = await scene.say(scene.home)
    assert (shown.status, await scene.said()) == (403, [(scene.reference, True)])
    assert "It was said before" in shown.text


async def test_the_thief_answers_from_the_stolen_session(scene: Scene) -> None:
    panel = (await scene.thief.visit("/account")).text.partition('id="doubts"')[2].partition("</section>")[0]
    assert 'value="me"' not in panel
    assert "You cannot say from here that it was you" in panel
    assert (await scene.say(scene.thief)).status == 403
    assert await scene.said() == []
    (event,) = await scene.world.events("trust.feedback")
    assert event["type"] == "trust.feedback.refused"
    assert "vouch for itself" in event["data"]


async def test_the_thief_signs_in_once_more_and_answers_from_there(scene: Scene) -> None:
    """Attack: with both factors relayed, in another session on the same device, or on a device of their own."""
    other = scene.world.browser(AWAY.ip)
    for browser in (scene.thief, other):
        await scene.enter(browser)
        assert (await scene.say(browser)).status == 403
    assert await scene.said() == []


async def test_an_insider_answers_on_a_device_that_was_long_theirs(scene: Scene) -> None:
    """Attack: the device is older than the act, but its owner was never seen on it before."""
    await scene.world.person("eve")
    insider = scene.world.browser()
    await insider.sign_in("eve")
    device = (await scene.world.identity.reader.sessions())[-1].device_id
    assert isinstance(device, DeviceId)
    later = await scene.doubt(scene.stolen)
    await insider.visit("/sign-out")
    await insider.submit("/sign-out")
    await scene.enter(insider)
    shown = await scene.say(insider, reference=later)
    assert shown.status == 403
    assert "This device is newer than what it would vouch for" in shown.text


async def test_a_password_alone_or_an_old_factor_answers_nothing_until_the_factor_is_shown(scene: Scene) -> None:
    """Attack: a laptop that was left open since this morning."""
    scene.world.clock.advance(timedelta(minutes=40))
    shown = await scene.home.visit("/account")
    assert "show your second factor" in shown.text
    assert 'value="me"' not in shown.text
    assert (await scene.say(scene.home)).status == 403
    await scene.home.step_up(scene.world.code(scene.enrolment))
    assert (await scene.say(scene.home)).status == 303
    assert await scene.said() == [(scene.reference, False)]


async def test_cookies_in_other_hands_do_not_ride_on_the_factor_of_their_owner(scene: Scene) -> None:
    """Attack: every cookie of the owner's browser is copied, and used from elsewhere while the factor is fresh."""
    clone = scene.world.browser("192.0.2.77")
    clone.jar = scene.home.jar
    await clone.visit("/account")
    assert (await scene.say(clone)).status == 403
    # Nor does a session that is risky itself.
    scene.world.risk.in_session = replace(scene.world.risk.in_session, answer=Answer.DENY)
    assert (await scene.say(scene.home)).status == 403
    assert await scene.said() == []


async def test_a_factor_that_was_added_since_vouches_for_nothing(scene: Scene) -> None:
    """Attack: the thief, once in, adds a passkey of their own, and shows that on a device of the owner."""
    user = scene.stolen.user_id
    for one in await scene.world.identity.accounts.authenticators(user):
        if one.kind.value == "totp":
            session = (await scene.world.identity.sessions.list_for(user))[-1]
            await scene.world.identity.accounts.remove_authenticator(session, one.id, HOME)
    session = (await scene.world.identity.sessions.list_for(user))[-1]
    scene.enrolment = await scene.world.with_totp(session)
    await scene.home.step_up(scene.world.code(scene.enrolment))
    shown = await scene.say(scene.home)
    assert shown.status == 403
    assert "This factor is newer" in shown.text


async def test_another_site_posts_the_answer(scene: Scene) -> None:
    """Attack: cross-site request forgery, with and without a token of the attacker's own session."""
    token = scene.thief.page.csrf if scene.thief.page else ""
    for changes in ({"headers": {"origin": "https://evil.example"}}, {"headers": {"sec-fetch-site": "same-site"}}):
        assert (await scene.say(scene.home, **changes)).status == 403
    fields = {"act": scene.reference, "answer": "me"}
    for wrong in (token, "", "0" * 64):
        assert (await scene.home.post("/account/doubts", {**fields, "csrf": wrong})).status in {400, 403}
    assert (await scene.home.get(f"/account/doubts?act={scene.reference}&answer=me")).status == 405
    assert await scene.said() == []


async def test_nobody_answers_for_another_person_or_for_what_never_was(scene: Scene) -> None:
    """Attack: a reference of somebody else's act, with either answer."""
    await scene.world.person("eve")
    eve = scene.world.browser()
    await eve.sign_in("eve")
    await eve.visit("/account")
    for reference in (scene.reference, "dec_x", "", "x" * 5000, "' OR 1=1 --"):
        for answer in ("me", "not-me"):
            assert (await scene.say(eve, answer, reference or " ")).status == 404
    assert (await scene.say(scene.home, "perhaps")).status == 400
    assert await scene.said() == []
    assert scene.stolen.id in {session.id for session in await scene.world.identity.reader.sessions()}


async def test_a_flood_of_answers_is_cut_and_does_not_fill_the_journal(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.app.owners._MOST_TRIES", 3)
    for _ in range(8):
        assert (await scene.say(scene.thief)).status == 403
    assert len(await scene.world.events("trust.feedback.refused")) == 3
    # What raises the bar is heard all the same.
    assert (await scene.say(scene.home, "not-me")).status == 303
    assert await scene.said() == [(scene.reference, True)]
    scene.world.clock.advance(timedelta(hours=1))
    await scene.enter(scene.thief)
    await scene.say(scene.thief)
    assert len(await scene.world.events("trust.feedback.refused")) == 4


async def test_this_was_not_me_is_heard_even_in_the_session_in_doubt_and_ends_it(scene: Scene) -> None:
    shown = await scene.say(scene.thief, "not-me")
    assert shown.location == "/signed-out"
    assert (await scene.thief.get("/account")).status == 303
    assert await scene.said() == [(scene.reference, True)]
    assert "You said: this was not me" in (await scene.home.visit("/account")).text


async def test_a_sign_in_that_was_refused_can_be_answered_although_it_never_became_a_session(scene: Scene) -> None:
    refused = [await scene.doubt(None, Answer.DENY) for _ in range(2)]
    await scene.enter(scene.home)
    assert "Signing in" in (await scene.home.visit("/account")).text
    assert (await scene.say(scene.home, "me", refused[0])).status == 303
    before = len(await scene.world.identity.reader.sessions())
    assert (await scene.say(scene.home, "not-me", refused[1])).status == 303
    assert sorted(await scene.said()) == sorted([(refused[0], False), (refused[1], True)])
    assert len(await scene.world.identity.reader.sessions()) == before
