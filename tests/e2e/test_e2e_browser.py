"""The whole in a real browser: Chromium with an authenticator, Envoy, the control plane, the sample application."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Person, chromium, person, require_chromium
from playwright.sync_api import Browser, Page, expect

from watchword.demo.node import DemoNode

pytestmark = [pytest.mark.e2e, pytest.mark.chromium]

PASSWORD = "unrelated words stay easy to keep"


@pytest.fixture(scope="module")
def node() -> Iterator[DemoNode]:
    """A whole node, for every test of this file; each test makes its own people."""
    require_chromium()
    found = DemoNode()
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def browser(node: DemoNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium; people in it are contexts that share nothing."""
    home: Path = tmp_path_factory.mktemp("home")
    with chromium(node.authority, home) as found:
        yield found


@pytest.fixture
def someone(browser: Browser) -> Iterator[Person]:
    """A person with an authenticator at hand; what the browser complains of fails the test."""
    found = person(browser)
    found.give_authenticator()
    yield found
    found.context.close()
    assert found.complaints == []


def invite(node: DemoNode, name: str, *groups: str) -> str:
    words = [word for group in groups for word in ("--group", group)]
    return str(node.command("users", "create", name, *words)["link"])


def register_passkey(who: Person, link: str, name: str = "") -> None:
    """Follow an invitation and register a passkey, up to the recovery codes."""
    who.page.goto(link)
    expect(who.page.get_by_role("heading", level=1)).to_have_text("Welcome to Watchword")
    who.page.locator("#passkey-display-name").fill(name)
    who.page.get_by_role("button", name="Register a passkey").click()
    expect(who.page.get_by_role("heading", level=1)).to_have_text("One last thing: spare keys")


def sign_out(page: Page, node: DemoNode) -> None:
    page.goto(f"{node.portal}/sign-out")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")


def begin_with_password(page: Page, link: str) -> None:
    """Accept an invitation with a password, up to the question for the second factor."""
    page.goto(link)
    page.get_by_text("Use a password and an authenticator app").click()
    page.locator("#new_password").fill(PASSWORD)
    page.locator("#new_password_again").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Now the second factor")


def use_passkey(page: Page, name: str = "Sign in with a passkey") -> None:
    page.get_by_role("button", name=name).click()


def test_from_invitation_to_the_application_and_out_again(node: DemoNode, someone: Person) -> None:
    page = someone.page
    register_passkey(someone, invite(node, "ada", "members"), "Ada Lovelace")
    page.get_by_role("button", name="Make recovery codes").click()
    expect(page.locator(".codes li")).to_have_count(10)
    sign_out(page, node)

    # The application knows nobody: its door sends the browser to the portal and takes it back.
    page.goto(f"{node.notes}/why")
    expect(page).to_have_url(re.compile(rf"^{re.escape(node.portal)}/sign-in"))
    expect(page.get_by_text("to go on to Notes")).to_be_visible()
    use_passkey(page)
    expect(page).to_have_url(f"{node.notes}/why")
    expect(page.get_by_role("banner")).to_contain_text("Ada Lovelace")

    # See why.
    page.get_by_role("main").locator(f'a[href^="{node.portal}/decisions/"]').first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Why you were let in")
    expect(page.get_by_role("main")).to_contain_text("A policy lets you use this.")

    sign_out(page, node)
    page.goto(f"{node.notes}/")
    expect(page).to_have_url(re.compile(rf"^{re.escape(node.portal)}/sign-in"))


def test_a_passkey_is_offered_while_the_name_is_typed(node: DemoNode, browser: Browser, someone: Person) -> None:
    register_passkey(someone, invite(node, "quick", "members"), "Quick")
    eager = person(browser, autofill=True)
    eager.give_authenticator()
    eager.take_credential(someone.credentials()[0])
    eager.page.goto(f"{node.notes}/")
    expect(eager.page).to_have_url(f"{node.notes}/")
    expect(eager.page.get_by_role("banner")).to_contain_text("Quick")
    eager.context.close()
    assert eager.complaints == []


def test_a_door_that_asks_for_a_fresh_factor_gets_one_by_passkey(node: DemoNode, someone: Person) -> None:
    page = someone.page
    begin_with_password(page, invite(node, "boss", "administrators"))
    page.goto(f"{node.portal}/account")
    page.get_by_label("Name of the new passkey").fill("Test key")
    page.get_by_role("button", name="Register a passkey").click()
    expect(page.locator(".notice")).to_have_text("The passkey is registered.")

    page.goto(f"{node.notes}/admin")
    expect(page).to_have_url(re.compile(rf"^{re.escape(node.portal)}/step-up"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm that it is you")
    before = {one["value"] for one in someone.context.cookies(node.portal) if one["name"] == "__Host-ww-session"}
    use_passkey(page, "Use a passkey")
    expect(page).to_have_url(f"{node.notes}/admin")
    after = {one["value"] for one in someone.context.cookies(node.portal) if one["name"] == "__Host-ww-session"}
    assert before.isdisjoint(after)


def test_a_second_tab_takes_neither_the_passkey_nor_the_sign_in_from_the_first(node: DemoNode, someone: Person) -> None:
    page, other = someone.page, someone.context.new_page()
    begin_with_password(page, invite(node, "tabby", "members"))
    for tab in (page, other):
        tab.goto(f"{node.portal}/account")
    page.bring_to_front()
    page.get_by_role("button", name="Register a passkey").click()
    expect(page.locator(".notice")).to_have_text("The passkey is registered.")

    sign_out(page, node)
    page.goto(f"{node.notes}/")
    for _ in range(2):
        other.goto(f"{node.portal}/sign-in")
    page.bring_to_front()
    use_passkey(page)
    expect(page).to_have_url(f"{node.notes}/")
    # The other tab is still good, with the password, and asks for the passkey as its next step.
    other.locator("#username").fill("tabby")
    other.locator("#password").fill(PASSWORD)
    other.get_by_role("button", name="Continue").click()
    expect(other.get_by_role("heading", level=1)).to_have_text("Confirm that it is you")


def test_who_may_not_is_told_why_on_a_page_of_its_own(node: DemoNode, someone: Person) -> None:
    page = someone.page
    register_passkey(someone, invite(node, "guest"), "Guest")
    answer = page.goto(f"{node.notes}/")
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("heading", level=1)).to_have_text("You cannot open this now")
    expect(page.get_by_role("main")).to_contain_text("No policy lets you use this.")
    reference = page.locator("code").inner_text()
    page.get_by_role("link", name="See why in detail").click()
    expect(page).to_have_url(f"{node.portal}/decisions/{reference}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Why you were refused")
    # The style of the refusal page was let in by its hash, or it would be bare.
    page.go_back()
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).fontSize") != "32px"


def test_a_passkey_used_on_another_origin_is_refused_by_browser_and_server(
    node: DemoNode, browser: Browser, someone: Person
) -> None:
    page = someone.page
    register_passkey(someone, invite(node, "victim", "members"), "Victim")
    sign_out(page, node)

    # A page of another host may not even ask for it.
    page.route("https://evil.localhost:1/**", lambda route: route.fulfill(content_type="text/html", body="<p>hello"))
    page.goto("https://evil.localhost:1/")
    ask = """async (options) => {
      try {
        const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
        return (await navigator.credentials.get({ publicKey })).toJSON();
      } catch (error) { return { error: error.name }; }
    }"""
    refused = page.evaluate(ask, {"challenge": "AAAA", "rpId": "watchword.localhost", "userVerification": "required"})
    assert refused == {"error": "SecurityError"}

    # A page on another port of the portal's own host gets an answer, and the server does not take it.
    attacker = person(browser)
    attacker.page.goto(f"{node.portal}/sign-in")
    form = attacker.page.locator("form[data-passkey]")
    options = json.loads(form.get_attribute("data-options") or "")
    evil = "https://watchword.localhost:1"
    page.route(f"{evil}/**", lambda route: route.fulfill(content_type="text/html", body="<p>hello"))
    page.goto(f"{evil}/")
    credential = page.evaluate(ask, options)
    assert "error" not in credential
    relay = (
        "(form, answer) => { form.elements.credential.value = answer; HTMLFormElement.prototype.submit.call(form); }"
    )
    with attacker.page.expect_response(f"{node.portal}/sign-in/passkey") as answer:
        form.evaluate(relay, json.dumps(credential))
    assert answer.value.status == 401
    expect(attacker.page.get_by_role("alert")).to_contain_text("That passkey did not work here.")
    attacker.context.close()

    # The same answer made on the portal itself is taken, so it was the origin that was refused.
    page.goto(f"{node.portal}/sign-in")
    use_passkey(page)
    expect(page).to_have_url(f"{node.portal}/")


def test_an_administrator_sees_decisions_live_and_ends_a_session_with_one_click(
    node: DemoNode, browser: Browser, someone: Person
) -> None:
    page = someone.page
    register_passkey(someone, invite(node, "warden", "administrators"), "Warden")
    page.goto(f"{node.portal}/admin")
    expect(page.locator("[data-live-words]")).to_have_text("Live")
    other = person(browser)
    other.give_authenticator()
    register_passkey(other, invite(node, "walker", "members"), "Walker")
    other.page.goto(f"{node.notes}/feed")
    expect(page.locator("#live li").first).to_contain_text("Walker")
    expect(page.locator("#live")).to_contain_text("Notes /feed")

    page.goto(f"{node.portal}/admin/sessions")
    page.get_by_role("row", name="Walker").get_by_role("button", name="End").click()
    expect(page.get_by_role("status")).to_contain_text("The session has ended.")
    expect(page.get_by_role("row", name="Walker")).to_have_count(0)
    answer = other.page.goto(f"{node.notes}/")
    assert answer is not None
    expect(other.page).to_have_url(re.compile(rf"^{re.escape(node.portal)}/sign-in"))
    other.context.close()
    assert [one for one in other.complaints if "/events" not in one and "EventSource" not in one] == []


def test_the_journal_is_verified_from_the_page(node: DemoNode, someone: Person) -> None:
    page = someone.page
    register_passkey(someone, invite(node, "auditor", "administrators"), "Auditor")
    page.goto(f"{node.portal}/admin/audit")
    page.get_by_role("button", name="Verify the journal").click()
    expect(page.get_by_role("status")).to_contain_text("records verify")


def test_everything_but_the_passkey_works_without_javascript(node: DemoNode, browser: Browser) -> None:
    who = person(browser, java_script_enabled=False)
    page = who.page
    begin_with_password(page, invite(node, "plain", "members"))
    sign_out(page, node)
    page.goto(f"{node.notes}/")
    page.get_by_label("User name").fill("plain")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(f"{node.notes}/")
    page.goto(f"{node.notes}/.watchword/sign-out")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    who.context.close()


def test_the_keyboard_alone_signs_in(node: DemoNode, someone: Person) -> None:
    page = someone.page
    begin_with_password(page, invite(node, "typist", "members"))
    sign_out(page, node)
    page.goto(f"{node.portal}/sign-in")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("typist")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Password")).to_be_focused()
    expect(page.get_by_label("Password")).to_have_attribute("aria-describedby", "password-wrong")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{node.portal}/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.closest('main') !== null")
    assert focused


_TOO_WIDE = "document.documentElement.scrollWidth - innerWidth"
_OVERFLOW = """() => [...document.querySelectorAll('body *')]
  .filter(one => !one.closest('.source, thead, .visually-hidden') && one.getBoundingClientRect().right > innerWidth + 1)
  .map(one => one.tagName + '.' + one.className)"""
_INVISIBLE_FOCUS = """() => [...document.querySelectorAll('a[href], button, input, select, summary')]
  .filter(one => one.checkVisibility() && one.tabIndex >= 0 && one.type !== 'hidden')
  .filter(one => { one.focus({ focusVisible: true }); const style = getComputedStyle(one);
    const card = one.closest('.app'); const around = card ? getComputedStyle(card) : style;
    return style.outlineStyle === 'none' && around.outlineStyle === 'none'; })
  .map(one => one.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_narrow_screen_and_show_where_the_keyboard_is(node: DemoNode, someone: Person, scheme: Any) -> None:
    page = someone.page
    register_passkey(
        someone, invite(node, f"narrow-{scheme}", "administrators"), "Augusta Ada King, Countess of Lovelace"
    )
    page.set_viewport_size({"width": 320, "height": 640})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.goto(f"{node.notes}/")
    paths = (
        f"/decisions/{node.last_decision()['id']}",
        "/",
        "/account",
        "/admin",
        "/admin/decisions",
        "/admin/sessions",
        "/admin/users",
        "/admin/policies",
        "/admin/audit",
    )
    for path in (*paths, "/sign-out", "/step-up", "/nothing"):
        page.goto(node.portal + path)
        assert page.evaluate(_OVERFLOW) == [], path
        # Words that run out of their box move no box.
        assert page.evaluate(_TOO_WIDE) <= 0, path
        assert page.evaluate(_INVISIBLE_FOCUS) == [], path
        assert page.evaluate("document.getAnimations().length") == 0, path
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(239, 243, 241)" if scheme == "light" else "rgb(10, 19, 16)"), path


def test_the_sample_application_fits_a_narrow_screen(node: DemoNode, someone: Person) -> None:
    page = someone.page
    register_passkey(someone, invite(node, "narrow-notes", "administrators"), "Augusta Ada King")
    page.set_viewport_size({"width": 320, "height": 640})
    for path in ("/", "/why", "/live", "/feed", "/upload", "/reports", "/admin", "/nothing"):
        page.goto(node.notes + path)
        assert page.evaluate(_TOO_WIDE) <= 0, path
