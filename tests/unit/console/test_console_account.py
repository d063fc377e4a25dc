"""One's own account and the first visit."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pyotp
import pytest
from console_world import Browser, ConsoleWorld
from identity_world import AWAY, HOME, PASSWORD
from software_authenticator import SoftwareAuthenticator

NEW = "another few unrelated words"


async def invited(world: ConsoleWorld, name: str = "linus") -> str:
    user = await world.identity.accounts.create_user(name, actor="test")
    invitation = await world.identity.accounts.invite(user.id, actor="test")
    await world.settled()
    return f"/invite/{invitation.token.reveal()}"


async def enrolled(world: ConsoleWorld) -> Browser:
    browser = world.browser()
    await browser.visit(await invited(world))
    fields = {"display_name": "Linus T", "new_password": PASSWORD, "new_password_again": PASSWORD}
    await browser.submit("/invite/password", fields)
    return browser


# --- the first visit -----------------------------------------------------------------------------------------------


async def test_an_invitation_becomes_a_person_with_password_app_and_codes(world: ConsoleWorld) -> None:
    browser = await enrolled(world)
    shown = browser.page
    assert shown is not None
    assert shown.title == "Now the second factor"
    shown = await browser.post("/welcome/totp")
    assert "<svg" in shown.text
    assert "style=" not in shown.text
    key = re.search(r'class="reveal">([A-Z2-7 ]+)<', shown.text)
    enrolment = re.search(r'name="authenticator" value="([^"]+)"', shown.text)
    assert key is not None
    assert enrolment is not None
    code = pyotp.TOTP(key[1].replace(" ", "")).at(int(world.clock.now().timestamp()))
    shown = await browser.submit("/welcome/totp/confirm", {"authenticator": enrolment[1], "code": code})
    assert shown.title == "One last thing: spare keys"
    shown = await browser.post("/welcome/recovery-codes")
    codes = re.findall(r"<li>([a-z0-9]{4}(?:-[a-z0-9]{4})+)</li>", shown.text)
    assert len(codes) == 10
    shown = await browser.visit("/")
    assert shown.title == "Good afternoon, Linus T"
    assert codes[0] not in (await browser.visit("/account")).text


async def test_an_invitation_becomes_a_person_with_a_passkey(world: ConsoleWorld) -> None:
    browser = world.browser()
    shown = await browser.visit(await invited(world))
    passkey = SoftwareAuthenticator()
    credential = json.dumps(passkey.create(shown.passkey_options))
    shown = await browser.submit("/invite/passkey", {"display_name": "", "credential": credential})
    assert shown.title == "One last thing: spare keys"
    again = world.browser()
    options = (await again.get("/sign-in")).passkey_options
    shown = await again.submit("/sign-in/passkey", {"credential": json.dumps(passkey.get(options))})
    assert shown.title == "Good afternoon, linus"


async def test_the_secret_of_an_invitation_leaves_the_address_at_once(world: ConsoleWorld) -> None:
    link = await invited(world)
    shown = await world.browser().get(link)
    assert shown.status == 303
    assert re.fullmatch(r"/invite\?at=[a-p]", shown.location)
    assert link.rpartition("/")[2] not in shown.text


async def test_looking_at_an_invitation_does_not_use_it_up(world: ConsoleWorld) -> None:
    link = await invited(world)
    for _ in range(3):
        assert (await world.browser().visit(link)).title == "Welcome to Watchword"


async def test_an_invitation_works_once(world: ConsoleWorld) -> None:
    link = await invited(world)
    first, second = world.browser(), world.browser()
    await first.visit(link)
    await second.visit(link)
    fields = {"new_password": PASSWORD, "new_password_again": PASSWORD}
    assert (await first.submit("/invite/password", fields)).status == 200
    shown = await second.post("/invite/password", fields)
    assert (shown.status, shown.title) == (400, "This link cannot be used")
    assert (await world.browser().visit(link)).status == 400


@pytest.mark.parametrize("code", ["x", "x" * 43, "%00", "é" * 43, "../../etc"])
async def test_an_invented_invitation_is_refused(world: ConsoleWorld, code: str) -> None:
    shown = await world.browser().visit(f"/invite/{code}")
    assert shown.status in {400, 404}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"new_password": PASSWORD, "new_password_again": PASSWORD + "x"}, "new_password_again"),
        ({"new_password": "short", "new_password_again": "short"}, "new_password"),
        ({"new_password": "password" * 2, "new_password_again": "password" * 2}, "new_password"),
        ({"new_password": "", "new_password_again": ""}, "new_password"),
        ({"display_name": "x" * 121, "new_password": PASSWORD, "new_password_again": PASSWORD}, "display_name"),
    ],
)
async def test_a_first_password_that_breaks_a_rule_is_told_at_its_field(
    world: ConsoleWorld, fields: dict[str, str], field: str
) -> None:
    browser = world.browser()
    await browser.visit(await invited(world))
    shown = await browser.post("/invite/password", fields)
    assert shown.status == 422
    assert f'id="{field}-wrong"' in shown.text
    assert PASSWORD not in shown.text


async def test_an_ordinary_ceremony_opens_no_invitation(world: ConsoleWorld) -> None:
    browser = world.browser()
    await browser.get("/sign-in")
    shown = await browser.post("/invite/password", {"new_password": PASSWORD, "new_password_again": PASSWORD})
    assert shown.status == 409


async def test_a_wrong_first_code_can_be_typed_again_without_a_second_look_at_the_key(world: ConsoleWorld) -> None:
    browser = await enrolled(world)
    shown = await browser.post("/welcome/totp")
    enrolment = re.search(r'name="authenticator" value="([^"]+)"', shown.text)
    assert enrolment is not None
    shown = await browser.post("/welcome/totp/confirm", {"authenticator": enrolment[1], "code": "000000"})
    assert shown.status == 422
    assert 'class="reveal"' not in shown.text
    shown = await browser.post("/welcome/totp/confirm", {"authenticator": "aut_x", "code": "000000"})
    assert shown.status == 400


# --- factors -------------------------------------------------------------------------------------------------------


async def test_a_passkey_is_added_and_removed(world: ConsoleWorld) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    shown = await browser.visit("/account")
    credential = json.dumps(SoftwareAuthenticator().create(shown.passkey_options))
    shown = await browser.submit("/account/passkeys", {"credential": credential, "label": "Work <laptop>"})
    assert "The passkey is registered." in shown.text
    assert "Passkey: Work &lt;laptop&gt;" in shown.text
    found = await world.identity.accounts.authenticators(user.id)
    passkey = next(one for one in found if one.kind.value == "passkey")
    shown = await browser.submit("/account/factors/remove", {"authenticator": passkey.id})
    assert "It is removed." in shown.text


async def test_a_passkey_answer_to_another_challenge_is_refused(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    await browser.sign_in()
    shown = await browser.visit("/account")
    credential = json.dumps(SoftwareAuthenticator().create(shown.passkey_options, challenge="AAAA"))
    shown = await browser.post("/account/passkeys", {"credential": credential})
    assert shown.status == 422


async def test_factors_change_only_with_a_fresh_proof(world: ConsoleWorld) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    await browser.visit("/account")
    page = browser.page
    world.step(timedelta(minutes=20).total_seconds())
    shown = await browser.visit("/account")
    assert "confirm that it is you</a> first" in shown.text
    assert "data-passkey" not in shown.text
    for path in ("/account/password", "/account/totp", "/account/recovery-codes", "/account/factors/remove"):
        browser.page = page
        found = await world.identity.accounts.authenticators(user.id)
        fields = {"new_password": NEW, "new_password_again": NEW, "authenticator": found[0].id}
        shown = await browser.post(path, fields)
        assert (shown.status, shown.location) == (303, "/step-up?return_to=/account"), path


async def test_a_changed_password_ends_every_other_session(world: ConsoleWorld) -> None:
    user = await world.person()
    browser, elsewhere = world.browser(), world.browser(AWAY.ip)
    await elsewhere.sign_in()
    await browser.sign_in()
    await browser.visit("/account")
    shown = await browser.submit("/account/password", {"new_password": NEW, "new_password_again": NEW})
    assert "The password is changed." in shown.text
    assert len(await world.identity.sessions.list_for(user.id)) == 1
    assert (await elsewhere.get("/account")).status == 303
    assert (await world.browser().sign_in(password=PASSWORD)).status == 401
    assert (await world.browser().sign_in(password=NEW)).status == 200


async def test_the_last_factor_stays(world: ConsoleWorld) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    await browser.visit("/account")
    found = await world.identity.accounts.authenticators(user.id)
    shown = await browser.post("/account/factors/remove", {"authenticator": found[0].id})
    assert shown.status == 409
    assert "You could not sign in any more." in shown.text


async def test_a_factor_of_somebody_else_does_not_exist(world: ConsoleWorld) -> None:
    await world.person()
    grace = await world.person("grace")
    theirs = (await world.identity.accounts.authenticators(grace.id))[0]
    browser = world.browser()
    await browser.sign_in()
    await browser.visit("/account")
    assert (await browser.post("/account/factors/remove", {"authenticator": theirs.id})).status == 404
    assert (await browser.post("/account/factors/remove", {"authenticator": "aut_x"})).status == 404
    assert len(await world.identity.accounts.authenticators(grace.id)) == 1


# --- sessions ------------------------------------------------------------------------------------------------------


async def test_sessions_are_listed_with_place_and_browser_and_end_one_by_one(world: ConsoleWorld) -> None:
    user = await world.person()
    other = await world.signed_in(client=AWAY)
    browser = world.browser()
    await browser.sign_in()
    shown = await browser.visit("/account")
    assert "Firefox 140 on Linux" in shown.text
    assert "Edge 140 on Windows" in shown.text
    assert "Zürich, Switzerland" in shown.text
    assert AWAY.ip in shown.text
    shown = await browser.submit("/account/sessions/end", {"session": other.session.id})
    assert "The session has ended." in shown.text
    assert other.session.id not in {one.id for one in await world.identity.sessions.list_for(user.id)}


async def test_somebody_elses_session_cannot_be_ended(world: ConsoleWorld) -> None:
    await world.person()
    grace = await world.person("grace")
    theirs = await world.signed_in("grace")
    browser = world.browser()
    await browser.sign_in("ada")
    await browser.visit("/account")
    for session in (theirs.session.id, "ses_x", ""):
        assert (await browser.post("/account/sessions/end", {"session": session})).status == 404
    assert len(await world.identity.sessions.list_for(grace.id)) == 1


async def test_all_sessions_end_at_once(world: ConsoleWorld) -> None:
    user = await world.person()
    await world.signed_in(client=AWAY)
    await world.signed_in(client=HOME)
    browser = world.browser()
    await browser.sign_in()
    await browser.visit("/account")
    await browser.submit("/account/sessions/end-others")
    assert len(await world.identity.sessions.list_for(user.id)) == 1
    shown = await browser.submit("/account/sessions/end-all")
    assert shown.title == "You are signed out"
    assert await world.identity.sessions.list_for(user.id) == []


@pytest.mark.parametrize(
    "path",
    [
        "/account/passkeys",
        "/account/totp",
        "/account/totp/confirm",
        "/account/recovery-codes",
        "/account/password",
        "/account/factors/remove",
        "/account/sessions/end",
        "/account/sessions/end-others",
        "/account/sessions/end-all",
        "/welcome/totp",
        "/welcome/totp/confirm",
        "/welcome/recovery-codes",
        "/sign-out",
    ],
)
async def test_every_change_refuses_a_forged_request(world: ConsoleWorld, path: str) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    await browser.visit("/account")
    assert (await browser.post(path, headers={"origin": "https://notes.localhost:8443"})).status == 403
    assert (await browser.post(path, {"csrf": "f" * 64})).status == 403
    assert (await browser.post(path, headers={"sec-fetch-site": "same-site"})).status == 403
    stranger = world.browser()
    stranger.page = browser.page
    assert (await stranger.post(path)).status == 303
    assert len(await world.identity.sessions.list_for(user.id)) == 1
