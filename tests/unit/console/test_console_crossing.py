"""From the portal into an application, by a code that works once, in one browser, on one host."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from console_world import NOTES_HOST, Browser, ConsoleWorld, Shown
from identity_world import PASSWORD

from watchword.console.routes.crossing import hash_state
from watchword.enforcement.answers import hash_state as hash_of_the_door

STATE = "s" * 43


def sign_in_address(world: ConsoleWorld, path: str = "/notes/17?tag=plans", state: str = STATE) -> str:
    return f"/sign-in?return_to={quote(world.notes + path, safe='')}&state={hash_state(state)}"


async def crossed(world: ConsoleWorld, browser: Browser, path: str = "/notes/17?tag=plans") -> Shown:
    """Do what a browser does after the door sent it away, up to the address of the callback."""
    browser.cookies(NOTES_HOST)["__Host-ww-state"] = STATE
    await browser.get(sign_in_address(world, path))
    shown = await browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert shown.status == 303
    return await browser.get(shown.location)


def test_the_console_and_the_door_hash_a_state_alike() -> None:
    assert hash_state(STATE) == hash_of_the_door(STATE)


async def test_a_sign_in_leads_into_the_application(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    shown = await crossed(world, browser)
    assert shown.location.startswith(f"{world.notes}/.watchword/callback?code=")
    shown = await browser.get(shown.location)
    assert (shown.status, shown.location) == (303, f"{world.notes}/notes/17?tag=plans")
    jar = browser.cookies(NOTES_HOST)
    assert set(jar) == {"__Host-ww-session", "__Host-ww-device"}
    found = world.facts.session_by_handle(jar["__Host-ww-session"])
    assert found is not None
    assert found[1] == NOTES_HOST
    assert jar["__Host-ww-session"] != browser.cookies()["__Host-ww-session"]
    assert world.services.devices.verify(jar["__Host-ww-device"], NOTES_HOST) == found[0].device_id


async def test_who_is_signed_in_already_crosses_without_a_question(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    await browser.sign_in()
    shown = await browser.get(sign_in_address(world))
    assert shown.location.startswith(f"{world.notes}/.watchword/callback?code=")


async def test_who_is_sent_by_a_door_to_sign_in_anew_is_asked_although_the_session_lives(world: ConsoleWorld) -> None:
    """Or a session that is too old for the risk it is seen with would go from door to portal and back without end."""
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    (before,) = await world.identity.sessions.list_for(user.id)
    shown = await browser.visit(sign_in_address(world) + "&anew=1")
    assert (shown.status, 'name="password"' in shown.text) == (200, True)
    shown = await browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert shown.status == 303
    shown = await browser.get(shown.location)
    assert shown.location.startswith(f"{world.notes}/.watchword/callback?code=")
    (after,) = await world.identity.sessions.list_for(user.id)
    assert after.id != before.id


async def test_without_a_state_the_application_is_asked_first(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    await browser.sign_in()
    for state in ("", "&state=", "&state=short", "&state=" + "!" * 43, f"&state={STATE}&state={STATE}"):
        shown = await browser.get(f"/sign-in?return_to={quote(world.notes + '/', safe='')}{state}")
        assert (shown.status, shown.location) == (303, f"{world.notes}/")


async def test_a_step_up_leads_back_into_the_application(world: ConsoleWorld) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    enrolment = await world.with_totp((await world.identity.sessions.list_for(user.id))[0])
    await browser.get(sign_in_address(world).replace("/sign-in", "/step-up"))
    shown = await browser.post("/sign-in/code", {"code": world.code(enrolment)})
    shown = await browser.get(shown.location)
    assert shown.location.startswith(f"{world.notes}/.watchword/callback?code=")


async def test_a_code_works_once(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    address = (await crossed(world, browser)).location
    assert (await browser.get(address)).status == 303
    browser.cookies(NOTES_HOST)["__Host-ww-state"] = STATE
    shown = await browser.get(address)
    assert (shown.status, shown.title) == (400, "The way back did not work")


@pytest.mark.parametrize("state", [None, "t" * 43, ""])
async def test_login_forgery_by_a_code_of_the_attackers_is_refused(world: ConsoleWorld, state: str | None) -> None:
    await world.person()
    attacker, victim = world.browser(), world.browser()
    address = (await crossed(world, attacker)).location
    if state is not None:
        victim.cookies(NOTES_HOST)["__Host-ww-state"] = state
    shown = await victim.get(address)
    assert shown.status == 400
    assert "__Host-ww-session" not in victim.cookies(NOTES_HOST)


async def test_a_code_of_one_host_is_refused_on_another(world: ConsoleWorld) -> None:
    published = type(world.applications.listed[0])
    world.applications.listed.append(published("wiki", "Wiki", ("https://wiki.localhost:8443",)))
    await world.person()
    browser = world.browser()
    address = (await crossed(world, browser)).location.replace(NOTES_HOST, "wiki.localhost")
    browser.cookies("wiki.localhost")["__Host-ww-state"] = STATE
    assert (await browser.get(address)).status == 400


async def test_a_code_grows_old(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    address = (await crossed(world, browser)).location
    world.step(61)
    assert (await browser.get(address)).status == 400


async def test_a_code_of_an_ended_session_is_refused(world: ConsoleWorld) -> None:
    user = await world.person()
    browser = world.browser()
    address = (await crossed(world, browser)).location
    await world.identity.sessions.end_all(user.id, actor="test", reason="test")
    assert (await browser.get(address)).status == 400


@pytest.mark.parametrize("code", ["", "x", "x" * 43, "%00", "a&code=b"])
async def test_an_invented_code_is_refused(world: ConsoleWorld, code: str) -> None:
    browser = world.browser()
    browser.cookies(NOTES_HOST)["__Host-ww-state"] = STATE
    assert (await browser.get(f"{world.notes}/.watchword/callback?code={code}")).status == 400
    assert (await browser.get(f"{world.notes}/.watchword/callback")).status == 400


async def test_a_handle_of_an_application_does_not_open_the_portal(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    await browser.get((await crossed(world, browser)).location)
    thief = world.browser()
    thief.jar = {
        "watchword.localhost": {
            **browser.cookies(),
            "__Host-ww-session": browser.cookies(NOTES_HOST)["__Host-ww-session"],
        }
    }
    assert (await thief.get("/account")).status == 303


async def test_signing_out_on_the_applications_host_ends_the_session(world: ConsoleWorld) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.get((await crossed(world, browser)).location)
    shown = await browser.get(f"{world.notes}/.watchword/sign-out")
    assert (shown.status, shown.title) == (200, "Sign out?")
    assert len(await world.identity.sessions.list_for(user.id)) == 1
    evil = {"origin": world.portal, "sec-fetch-site": "same-site"}
    assert (await browser.post(f"{world.notes}/.watchword/sign-out", headers=evil)).status == 403
    shown = await browser.post(f"{world.notes}/.watchword/sign-out")
    assert (shown.status, shown.location) == (303, f"{world.portal}/signed-out")
    assert await world.identity.sessions.list_for(user.id) == []


async def test_an_applications_host_serves_nothing_but_its_own_corner(world: ConsoleWorld) -> None:
    browser = world.browser()
    for path in ("/", "/sign-in", "/admin", "/healthz", "/.well-known/jwks.json"):
        assert (await browser.get(world.notes + path)).status == 421
    assert (await browser.get(world.notes + "/.watchword/nothing")).status == 404
    assert (await browser.get(world.portal + "/.watchword/callback?code=x")).status == 404
