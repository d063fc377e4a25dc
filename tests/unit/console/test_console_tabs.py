"""Several tabs of one browser: each keeps the sign-in that it began, and nobody gains another way in by that."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from console_world import PASSWORD, Browser, ConsoleWorld, Shown
from software_authenticator import SoftwareAuthenticator

from watchword.console import guards

TYPED = {"username": "ada", "password": PASSWORD}


def ceremonies(browser: Browser) -> dict[str, str]:
    return {name: value for name, value in browser.cookies().items() if name.startswith("__Host-ww-ceremony-")}


async def from_tab(browser: Browser, tab: Shown, path: str, fields: dict[str, Any]) -> Shown:
    """Send the form of a page that was opened before."""
    return await browser.post(path, {"csrf": tab.csrf, **fields})


async def test_a_second_tab_leaves_the_sign_in_of_the_first_as_it_was(world: ConsoleWorld) -> None:
    await world.person()
    for which in (0, 1, 2):
        browser = world.browser()
        tabs = [await browser.get("/sign-in") for _ in range(3)]
        assert len({tab.csrf for tab in tabs}) == 3
        done = await from_tab(browser, tabs[which], "/sign-in", TYPED)
        assert (done.status, done.location) == (303, "/")
        assert "__Host-ww-session" in browser.cookies()
        assert len(ceremonies(browser)) == 2  # those of the others


async def test_a_passkey_is_taken_in_the_tab_that_asked_for_it(world: ConsoleWorld) -> None:
    await world.person()
    passkey = await world.with_passkey((await world.signed_in()).session)
    browser = world.browser()
    first = await browser.get("/sign-in")
    await browser.get("/sign-in")
    answer = {"credential": json.dumps(passkey.get(first.passkey_options))}
    done = await from_tab(browser, first, "/sign-in/passkey", answer)
    assert (done.status, done.location) == (303, "/")
    # The same answer a second time, and in another tab's name.
    again = await from_tab(browser, first, "/sign-in/passkey", answer)
    assert again.status == 403
    third = await browser.get("/step-up")
    assert (await from_tab(browser, third, "/sign-in/passkey", answer)).status == 401


async def test_two_tabs_strengthen_one_session_each_by_its_own_ceremony(world: ConsoleWorld) -> None:
    await world.person()
    passkey = await world.with_passkey((await world.signed_in()).session)
    browser = world.browser()
    page = await browser.get("/sign-in")
    credential = json.dumps(passkey.get(page.passkey_options))
    await browser.post("/sign-in/passkey", {"credential": credential})
    tabs = [await browser.get("/step-up?return_to=/account") for _ in range(2)]
    for tab in tabs:
        shown = await from_tab(
            browser, tab, "/sign-in/passkey", {"credential": json.dumps(passkey.get(tab.passkey_options))}
        )
        assert (shown.status, shown.location) == (303, "/sign-in?return_to=/account")
        assert (await browser.follow(shown)).title == "Your account"


async def test_the_next_step_belongs_to_the_tab_that_did_the_first(world: ConsoleWorld) -> None:
    await world.person()
    enrolment = await world.with_totp((await world.signed_in()).session)
    browser = world.browser()
    first, second = await browser.get("/sign-in"), await browser.get("/sign-in")
    onward = await from_tab(browser, first, "/sign-in", TYPED)
    assert onward.location.startswith("/sign-in/next?at=")
    third = await browser.get("/sign-in")
    step = await browser.get(onward.location)
    assert step.title == "Confirm that it is you"
    assert {step.csrf} == {first.csrf} != {second.csrf, third.csrf}
    done = await from_tab(browser, step, "/sign-in/code", {"code": world.code(enrolment)})
    assert (done.status, done.location) == (303, "/")
    assert (await browser.get("/sign-in/next?at=zz")).status == 200  # whichever is left
    assert (await browser.get(onward.location)).csrf != first.csrf


async def test_a_form_of_a_ceremony_that_this_browser_does_not_hold_is_refused(world: ConsoleWorld) -> None:
    await world.person()
    attacker, victim = world.browser(), world.browser()
    theirs = await attacker.get("/sign-in")
    for _ in range(4):
        await victim.get("/sign-in")
    assert (await from_tab(victim, theirs, "/sign-in", TYPED)).status == 403
    for token in ("", "0" * 64, "\udcff" * 3, "x" * 5000):
        fields = {"csrf": token.encode("utf-8", "surrogatepass").decode("latin-1"), **TYPED}
        assert (await victim.post("/sign-in", fields)).status == 403


async def test_a_ceremony_of_another_session_strengthens_nothing_here(world: ConsoleWorld) -> None:
    await world.person()
    await world.person("eve")
    eve, ada = world.browser(), world.browser()
    await eve.sign_in("eve")
    await ada.sign_in()
    theirs = await eve.get("/step-up")
    planted = ceremonies(eve)
    await ada.get("/step-up")
    ada.cookies().update(planted)
    before = ada.cookies()["__Host-ww-session"]
    done = await from_tab(ada, theirs, "/sign-in", {"password": PASSWORD})
    assert done.status == 400
    assert ada.cookies()["__Host-ww-session"] == before


async def test_a_flood_of_tabs_keeps_a_few_and_no_cookie_more(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    tabs = [await browser.get("/sign-in") for _ in range(9)]
    assert len(ceremonies(browser)) == 5
    assert (await from_tab(browser, tabs[0], "/sign-in", TYPED)).status == 403
    assert (await from_tab(browser, tabs[-5], "/sign-in", TYPED)).status == 303


async def test_a_link_with_a_long_address_opened_again_and_again_leaves_cookies_that_every_server_reads(
    world: ConsoleWorld,
) -> None:
    """Attack: a window of the attacker's that is led to such links, until a proxy refuses the portal's every page."""
    await world.person()
    browser = world.browser()
    for _ in range(6):
        tab = await browser.get("/sign-in?return_to=/" + quote("&" * 620))
        assert len("; ".join(f"{name}={value}" for name, value in browser.cookies().items())) < 7000
    assert len(max(ceremonies(browser).values(), key=len)) > 2500
    assert len(ceremonies(browser)) == 2
    assert (await from_tab(browser, tab, "/sign-in", TYPED)).status == 303


async def test_tabs_that_open_at_the_same_moment_cannot_fill_a_browser_with_cookies(world: ConsoleWorld) -> None:
    browser, names = world.browser(), set()
    for _ in range(30):  # none of which knew of another
        browser.cookies().clear()
        await browser.get("/sign-in")
        names |= set(ceremonies(browser))
    assert 8 < len(names) <= 16


@pytest.mark.parametrize("letter", ["", "ab", "q", "A", "a-b"])
async def test_a_cookie_that_is_none_of_ours_is_no_ceremony(world: ConsoleWorld, letter: str) -> None:
    browser = world.browser()
    await browser.get("/sign-in")
    (handle,) = ceremonies(browser).values()
    browser.cookies().clear()
    browser.cookies()[f"__Host-ww-ceremony-{letter}"] = handle
    assert (await browser.get("/sign-in/next")).status == 400


async def test_ceremonies_run_out_each_in_its_own_time(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    early = await browser.get("/sign-in")
    world.step(300)
    late = await browser.get("/sign-in")
    world.step(301)
    assert (await from_tab(browser, early, "/sign-in", TYPED)).status == 400
    assert len(ceremonies(browser)) == 1
    assert (await from_tab(browser, late, "/sign-in", TYPED)).status == 303


async def test_an_account_page_in_a_second_tab_leaves_the_registration_of_the_first(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    await browser.sign_in()
    first, second = await browser.get("/account"), await browser.get("/account")
    for tab in (first, second):
        made = SoftwareAuthenticator().create(tab.passkey_options)
        done = await from_tab(browser, tab, "/account/passkeys", {"credential": json.dumps(made), "label": "key"})
        assert (done.status, done.location) == (303, "/account?done=passkey")
        again = await from_tab(browser, tab, "/account/passkeys", {"credential": json.dumps(made)})
        assert "Nothing waits for this passkey" in again.text


@pytest.mark.parametrize("path", ["/sign-out", "/account/sessions/end-all"])
async def test_whoever_sits_there_next_finds_no_password_typed_in_another_tab(world: ConsoleWorld, path: str) -> None:
    """Attack: one signs out, and leaves a sign-in behind that lacks the second factor alone."""
    await world.person()
    enrolment = await world.with_totp((await world.signed_in()).session)
    browser = world.browser()
    first, second = await browser.get("/sign-in"), await browser.get("/sign-in")
    half = await from_tab(browser, second, "/sign-in", TYPED)
    step = await browser.get((await from_tab(browser, first, "/sign-in", TYPED)).location)
    await from_tab(browser, step, "/sign-in/code", {"code": world.code(enrolment)})
    assert len(ceremonies(browser)) == 1
    await browser.get("/account")
    assert (await browser.post(path)).location == "/signed-out"
    assert ceremonies(browser) == {}
    assert (await browser.get(half.location)).status == 400


async def test_a_long_header_of_cookies_is_read_once_however_many_ceremonies_it_names(
    world: ConsoleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: strangers who send 60 KiB of cookies, with each name that a ceremony may have among them."""
    browser, read = world.browser(), []
    genuine = guards.cookies
    monkeypatch.setattr(guards, "cookies", lambda *sent, **how: (read.append(1), genuine(*sent, **how))[1])
    browser.cookies().update({f"__Host-ww-ceremony-{letter}": "x" for letter in "abcdefghijklmnop"})
    assert (await browser.get("/sign-in")).status == 200
    assert len(read) == 1
