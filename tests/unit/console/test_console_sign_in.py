"""Sign-in, step-up and sign-out as a browser sees them, and as an attacker would like them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import quote

import pyotp
import pytest
from console_world import ConsoleWorld
from identity_world import AWAY, PASSWORD
from software_authenticator import SoftwareAuthenticator

from watchword.console import Verdict
from watchword.kernel import Answer, DecisionId, Reason, RiskLevel

HIGH = Verdict(Answer.DENY, 90, 0, RiskLevel.HIGH, (Reason.RISK_HIGH,))
MEDIUM = Verdict(Answer.STEP_UP, 30, 0, RiskLevel.MEDIUM, (Reason.RISK_MEDIUM,))


async def test_a_stranger_is_led_to_sign_in_and_back(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    shown = await browser.get("/account")
    assert (shown.status, shown.location) == (303, "/sign-in?return_to=/account")
    await browser.follow(shown)
    shown = await browser.submit("/sign-in", {"username": "ada", "password": PASSWORD})
    assert (shown.status, shown.title) == (200, "Your account")


@pytest.mark.parametrize("name", ["ada", "nobody", "", "x" * 5000, "a@b@c", "ada\u202e", "<script>"])
async def test_a_wrong_password_looks_the_same_for_any_name(world: ConsoleWorld, name: str) -> None:
    await world.person()
    browser = world.browser()
    await browser.get("/sign-in")
    shown = await browser.post("/sign-in", {"username": name, "password": "wrong"})
    assert shown.status == (401 if name else 422)
    if name:
        assert "do not go together, or the account is disabled" in shown.text
    assert "<script>" not in shown.text.split("<main", 1)[1].split("</main>", 1)[0]
    assert "__Host-ww-session" not in browser.cookies()


async def test_a_problem_is_tied_to_its_field_and_linked_from_the_summary(world: ConsoleWorld) -> None:
    browser = world.browser()
    await browser.get("/sign-in")
    shown = await browser.post("/sign-in", {"username": "", "password": ""})
    assert shown.status == 422
    assert 'href="#username"' in shown.text
    assert re.search(r'id="username"[^>]*aria-invalid="true" aria-describedby="username-wrong"', shown.text)
    assert shown.text.count('id="username-wrong"') == 1
    assert "<title>Problem: " in shown.text


async def test_too_many_wrong_passwords_are_told_to_wait(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    await browser.get("/sign-in")
    for _ in range(12):
        shown = await browser.post("/sign-in", {"username": "ada", "password": "wrong"})
        if shown.status == 429:
            break
    assert shown.status == 429
    assert int(shown.header("retry-after")) > 0
    assert "Too many attempts" in shown.text
    assert "Wait " in shown.text


async def test_a_page_that_is_remembered_holds_nothing_of_whoever_saw_it_first(world: ConsoleWorld) -> None:
    seen = []
    for name in ("blue", "green"):
        browser = world.browser()
        token = (await browser.get("/sign-in")).csrf
        for _ in range(12):
            shown = await browser.post("/sign-in", {"username": f"nobody-{name}", "password": f"wrong-{name}"})
            if shown.status == 429:
                break
        assert shown.status == 429
        assert token
        assert token not in shown.text
        assert name not in shown.text
        seen.append(re.sub(r"Wait \d+ seconds?", "Wait", shown.text))
    assert seen[0] == seen[1]


async def test_the_second_factor_is_asked_and_taken(world: ConsoleWorld) -> None:
    user = await world.person()
    signed_in = await world.signed_in()
    enrolment = await world.with_totp(signed_in.session)
    browser = world.browser()
    shown = await browser.sign_in()
    assert shown.title == "Confirm that it is you"
    assert "__Host-ww-session" not in browser.cookies()
    shown = await browser.post("/sign-in/code", {"code": "000000"})
    assert shown.status == 401
    assert "That code is not right" in shown.text
    shown = await browser.submit("/sign-in/code", {"code": world.code(enrolment)})
    assert (shown.status, shown.title) == (200, f"Good afternoon, {user.display_name}")


async def test_a_replayed_code_is_refused(world: ConsoleWorld) -> None:
    await world.person()
    enrolment = await world.with_totp((await world.signed_in()).session)
    code = world.code(enrolment)
    first, second = world.browser(), world.browser()
    await first.sign_in()
    assert (await first.submit("/sign-in/code", {"code": code})).status == 200
    await second.sign_in()
    assert (await second.post("/sign-in/code", {"code": code})).status == 401


async def test_a_recovery_code_opens_once(world: ConsoleWorld) -> None:
    await world.person()
    signed_in = await world.signed_in()
    enrolment = await world.with_totp(signed_in.session)
    session = await world.stepped_up(signed_in.session, enrolment)
    codes = await world.identity.accounts.new_recovery_codes(session, AWAY)
    for expected in (200, 401):
        browser = world.browser()
        await browser.sign_in()
        shown = await browser.submit("/sign-in/recovery", {"recovery_code": codes[0].reveal().upper()})
        assert shown.status == expected
    assert "<details open" in shown.text


async def test_a_passkey_signs_in_without_a_name(world: ConsoleWorld) -> None:
    await world.person()
    passkey = await world.with_passkey((await world.signed_in()).session)
    browser = world.browser()
    options = (await browser.get("/sign-in")).passkey_options
    shown = await browser.submit("/sign-in/passkey", {"credential": json.dumps(passkey.get(options))})
    assert (shown.status, shown.title) == (200, "Good afternoon, ada")


@pytest.mark.parametrize(
    "cheat",
    [
        {"origin": "https://evil.example"},
        {"origin": "https://notes.localhost:8443"},
        {"rp_id": "localhost"},
        {"counter": 0},
        {"user_verified": False},
        {"cross_origin": True},
    ],
)
async def test_a_passkey_that_cheats_is_refused(world: ConsoleWorld, cheat: dict[str, object]) -> None:
    await world.person()
    passkey = await world.with_passkey((await world.signed_in()).session)
    browser = world.browser()
    options = (await browser.get("/sign-in")).passkey_options
    shown = await browser.post("/sign-in/passkey", {"credential": json.dumps(passkey.get(options, **cheat))})
    assert shown.status == 401
    assert "__Host-ww-session" not in browser.cookies()


async def test_a_passkey_of_nobody_is_refused(world: ConsoleWorld) -> None:
    stranger = SoftwareAuthenticator(user_handle=b"usr_01jd0000000000000000000000")
    browser = world.browser()
    options = (await browser.get("/sign-in")).passkey_options
    shown = await browser.post("/sign-in/passkey", {"credential": json.dumps(stranger.get(options))})
    assert shown.status == 401


@pytest.mark.parametrize("credential", ["", "null", "[]", "{", "[" * 20000, '"x"', "{}", '{"id": 1, "response": {}}'])
async def test_a_malformed_passkey_answer_is_refused(world: ConsoleWorld, credential: str) -> None:
    browser = world.browser()
    await browser.get("/sign-in")
    shown = await browser.post("/sign-in/passkey", {"credential": credential})
    assert shown.status in {400, 401}


async def test_a_session_fixed_before_sign_in_does_not_survive_it(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    planted = "p" * 43
    browser.cookies()["__Host-ww-session"] = planted
    await browser.sign_in()
    assert browser.cookies()["__Host-ww-session"] != planted
    assert world.facts.session_by_handle(planted) is None


async def test_every_sign_in_makes_a_new_handle_and_ends_the_one_before(world: ConsoleWorld) -> None:
    await world.person()
    await world.person("grace")
    browser = world.browser()
    await browser.sign_in("ada")
    first = browser.cookies()["__Host-ww-session"]
    await browser.get("/sign-out")
    page = browser.page
    shown = await browser.get("/sign-in")
    assert shown.status == 303
    browser.page = page
    await browser.submit("/sign-out")
    await browser.sign_in("grace")
    assert browser.cookies()["__Host-ww-session"] != first
    thief = world.browser()
    thief.jar = {"watchword.localhost": {**browser.cookies(), "__Host-ww-session": first}}
    assert (await thief.get("/")).status == 303


async def test_step_up_rotates_the_handle_and_keeps_the_session(world: ConsoleWorld) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    before = browser.cookies()["__Host-ww-session"]
    session = (await world.identity.sessions.list_for(user.id))[0]
    enrolment = await world.with_totp(session)
    shown = await browser.step_up(world.code(enrolment))
    assert shown.status == 200
    after = browser.cookies()["__Host-ww-session"]
    assert after != before
    thief = world.browser()
    thief.jar = {"watchword.localhost": {**browser.cookies(), "__Host-ww-session": before}}
    assert (await thief.get("/")).status == 303
    live = await world.identity.sessions.list_for(user.id)
    assert [one.id for one in live] == [session.id]
    assert live[0].mfa_at is not None


async def test_a_stolen_session_cookie_without_the_device_key_opens_nothing(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    await browser.sign_in()
    thief = world.browser()
    thief.cookies()["__Host-ww-session"] = browser.cookies()["__Host-ww-session"]
    assert (await thief.get("/account")).status == 303


async def test_a_disabled_user_is_out_at_once(world: ConsoleWorld) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    await world.identity.accounts.disable(user.id, actor="test")
    await world.settled()
    assert (await browser.get("/account")).status == 303
    shown = await browser.sign_in()
    assert shown.status == 401


async def test_cookies_are_bound_to_this_host_this_scheme_and_out_of_reach(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    await browser.get("/sign-in")
    shown = await browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
    lines = shown.response.headers.get_list("set-cookie")
    names = {re.sub(r"ceremony-[a-p]$", "ceremony", line.partition("=")[0]) for line in lines}
    assert names == {"__Host-ww-session", "__Host-ww-ceremony", "__Host-ww-device"}
    for line in lines:
        assert "; Path=/" in line
        assert "; Secure" in line
        assert "; HttpOnly" in line
        assert "; SameSite=lax" in line
        assert "domain" not in line.lower()


# --- where it leads ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/%09/evil.example/\t",
        "https://notes.localhost:8443@evil.example/",
        "https://notes.localhost:8443.evil.example/",
        "https://watchword.localhost:8443//evil.example/",
        "https://notes.localhost/",
        "http://notes.localhost:8443/",
        "javascript:alert(1)",
        "/sign-in",
        "/sign-in?return_to=/sign-in",
        "https:evil.example",
        " https://evil.example",
        "/\n/evil.example",
        "x" * 5000,
    ],
)
async def test_an_open_redirect_through_the_return_address_leads_home(world: ConsoleWorld, target: str) -> None:
    await world.person()
    browser = world.browser()
    await browser.get(f"/sign-in?return_to={quote(target, safe='')}")
    shown = await browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert (shown.status, shown.location) == (303, "/")
    shown = await browser.get(f"/sign-in?return_to={quote(target, safe='')}")
    assert (shown.status, shown.location) == (303, "/")
    shown = await browser.get(f"/step-up?return_to={quote(target, safe='')}")
    assert shown.status == 200
    shown = await browser.post("/sign-in", {"password": PASSWORD})
    assert (shown.status, shown.location) == (303, "/")


async def test_a_return_address_given_twice_counts_as_none(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    await browser.sign_in()
    shown = await browser.get("/sign-in?return_to=/account&return_to=https://evil.example")
    assert shown.location == "/"


# --- forged and broken requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": None},
        {"origin": "https://notes.localhost:8443", "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
    ],
)
async def test_login_forgery_from_another_origin_is_refused(
    world: ConsoleWorld, headers: dict[str, str | None]
) -> None:
    await world.person()
    browser = world.browser()
    await browser.get("/sign-in")
    shown = await browser.post("/sign-in", {"username": "ada", "password": PASSWORD}, headers=headers)
    assert shown.status == 403
    assert "__Host-ww-session" not in browser.cookies()


async def test_login_forgery_with_the_attackers_own_token_is_refused(world: ConsoleWorld) -> None:
    await world.person()
    attacker, victim = world.browser(), world.browser()
    token = (await attacker.get("/sign-in")).csrf
    await victim.get("/sign-in")
    shown = await victim.post("/sign-in", {"csrf": token, "username": "ada", "password": PASSWORD})
    assert shown.status == 403


async def test_a_form_without_a_ceremony_starts_again(world: ConsoleWorld) -> None:
    browser = world.browser()
    shown = await browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert shown.status == 400
    assert 'href="/sign-in"' in shown.text


async def test_a_ceremony_that_ran_out_starts_again(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    await browser.get("/sign-in")
    world.step(601)
    shown = await browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert shown.status == 400
    assert shown.title == "This sign-in cannot go on"
    assert not any("ceremony" in name for name in browser.cookies())


async def test_a_stale_cookie_at_sign_in_does_no_harm(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    browser.cookies().update(
        {"__Host-ww-ceremony-a": "stale", "__Host-ww-device": "dev_stale.x", "__Host-ww-session": "x" * 4000}
    )
    shown = await browser.sign_in()
    assert (shown.status, shown.title) == (200, "Good afternoon, ada")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"x=" + b"y" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"{}", "application/json", 400),
        (b"--x\r\n", "multipart/form-data; boundary=x", 400),
        (b"username=%ff", "application/x-www-form-urlencoded", 400),
        (b"csrf=a&csrf=b", "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 403),
    ],
)
async def test_a_broken_body_gets_a_page_and_nothing_else(
    world: ConsoleWorld, body: bytes, content_type: str, status: int
) -> None:
    browser = world.browser()
    await browser.get("/sign-in")
    shown = await browser.request(
        "POST",
        "/sign-in",
        body=body,
        headers={
            "origin": world.portal,
            "sec-fetch-site": "same-origin",
            "content-type": content_type,
        },
    )
    assert shown.status == status
    assert shown.title


async def test_unknown_fields_are_ignored(world: ConsoleWorld) -> None:
    await world.person()
    browser = world.browser()
    await browser.get("/sign-in")
    fields = {"username": "ada", "password": PASSWORD, "is_administrator": "true", "return_to": "https://evil.example"}
    shown = await browser.post("/sign-in", fields)
    assert (shown.status, shown.location) == (303, "/")


async def test_a_request_without_the_edges_address_is_refused(world: ConsoleWorld) -> None:
    browser = world.browser()
    shown = await browser.get("/sign-in", headers={"x-watchword-client-ip": None, "x-forwarded-for": "1.2.3.4"})
    assert shown.status == 400


# --- risk ----------------------------------------------------------------------------------------------------------


async def test_a_sign_in_of_high_risk_is_refused_though_the_password_is_right(world: ConsoleWorld) -> None:
    user = await world.person()
    world.risk.at_sign_in = HIGH
    browser = world.browser()
    shown = await browser.sign_in()
    assert shown.status == 403
    assert shown.title == "You cannot sign in like this"
    assert "__Host-ww-session" not in browser.cookies()
    assert await world.identity.sessions.list_for(user.id) == []


async def test_a_refused_sign_in_shows_the_reference_that_an_administrator_looks_up(world: ConsoleWorld) -> None:
    await world.person()
    reference = DecisionId("dec_01m80c5y30gbtyexb89fbda185")
    world.risk.at_sign_in = replace(HIGH, reference=reference)
    shown = await world.browser().sign_in()
    assert reference in shown.text
    assert "look up the reference" in shown.text


async def test_a_medium_risk_refuses_who_has_no_second_factor(world: ConsoleWorld) -> None:
    await world.person()
    world.risk.at_sign_in = MEDIUM
    assert (await world.browser().sign_in()).status == 403


async def test_a_medium_risk_lets_in_who_showed_a_second_factor(world: ConsoleWorld) -> None:
    await world.person()
    enrolment = await world.with_totp((await world.signed_in()).session)
    world.risk.at_sign_in = MEDIUM
    browser = world.browser()
    await browser.sign_in()
    assert (await browser.submit("/sign-in/code", {"code": world.code(enrolment)})).status == 200
    assert world.risk.asked == [("ada", True)]


async def test_a_risk_that_cannot_be_told_refuses(world: ConsoleWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await world.person()

    async def broken(*_args: object, **_kwargs: object) -> Verdict:
        raise RuntimeError("no baseline")

    monkeypatch.setattr(world.risk, "assess_sign_in", broken)
    shown = await world.browser().sign_in()
    assert shown.status == 500
    assert "no baseline" not in shown.text
    assert await world.identity.sessions.list_for(user.id) == []


# --- leaving -------------------------------------------------------------------------------------------------------


async def test_signing_out_ends_the_session_everywhere(world: ConsoleWorld) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    kept = dict(browser.cookies())
    await browser.get("/sign-out")
    shown = await browser.submit("/sign-out")
    assert shown.title == "You are signed out"
    assert await world.identity.sessions.list_for(user.id) == []
    browser.jar["watchword.localhost"] = kept
    assert (await browser.get("/account")).status == 303


async def test_a_link_from_elsewhere_cannot_sign_anybody_out(world: ConsoleWorld) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    assert (await browser.get("/sign-out")).status == 200
    assert len(await world.identity.sessions.list_for(user.id)) == 1
    assert (await browser.post("/sign-out", headers={"origin": "https://evil.example"})).status == 403
    assert (await browser.post("/sign-out", {"csrf": "0" * 64})).status == 403
    assert len(await world.identity.sessions.list_for(user.id)) == 1


async def test_a_totp_library_of_its_own_agrees_with_the_picture(world: ConsoleWorld) -> None:
    await world.person()
    enrolment = await world.identity.accounts.enrol_totp((await world.signed_in()).session, AWAY)
    assert pyotp.parse_uri(enrolment.uri.reveal()).secret == enrolment.secret.reveal()
