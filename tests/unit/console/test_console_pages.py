"""Every page under the strictest policy, sound for keyboards and screen readers, in colours that can be read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import resources

import pytest
from console_world import Browser, ConsoleWorld, Shown, record
from identity_world import PASSWORD
from page_lint import Document, lint

from watchword.console import Verdict, Verification, WatchingPolicies, Weight
from watchword.kernel import Answer, Reason, RiskLevel
from watchword.trust import attributions

HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}"


async def _tour(world: ConsoleWorld) -> dict[str, Shown]:
    """Open every page there is, in every state that has markup of its own."""
    browser, root = await world.administrator()
    world.risk.in_session = Verdict(
        Answer.ALLOW, 15, 60, RiskLevel.LOW, (), (Weight("off_hours", 15, "late"), Weight("unusual_location", 0, "?"))
    )
    for answer, reason in (
        (Answer.ALLOW, Reason.POLICY_PERMITS),
        (Answer.STEP_UP, Reason.POLICY_ASKS_STEP_UP),
        (Answer.DENY, Reason.RISK_HIGH),
    ):
        world.decisions.push(
            record(
                world,
                answer=answer,
                reasons=[reason, Reason.RISK_MEDIUM],
                user=root,
                contributions=[["new_device", 30], ["off_hours", 0]],
                trust_contributions=[["mfa_verified", 30], ["mfa_recent", 0]],
                details={"new_device": "new", "off_hours": "unknown", "mfa_verified": "shown", "mfa_recent": "old"},
                policy_errors=["one failed"],
                obligations=["mask"],
                device="dev_01jd0000000000000000000000",
                session="ses_01jd0000000000000000000000",
            )
        )
    await world.person("grace", email="grace@example.org")
    await world.signed_in("grace")
    pages: dict[str, Shown] = {}
    for path in (
        "/",
        "/account",
        "/account?done=totp",
        "/sign-out",
        "/step-up",
        "/nothing",
        "/admin",
        "/admin/decisions",
    ):
        pages[path] = await browser.visit(path)
    for path in (
        "/admin/decisions?q=zzz",
        "/admin/sessions",
        "/admin/users",
        f"/admin/users/{root.id}",
        "/admin/policies",
    ):
        pages[path] = await browser.visit(path)
    for number, one in enumerate(world.decisions.records):
        pages[f"decision {number}"] = await browser.visit(f"/decisions/{one['id']}")
    for name, run in (
        ("none", None),
        ("running", Verification(world.clock.now(), 3, 9)),
        ("whole", Verification(world.clock.now(), 9, 9, world.clock.now())),
        ("broken", Verification(world.clock.now(), 9, 9, world.clock.now(), "record 4 was changed")),
    ):
        world.audit.run = run
        pages[f"audit {name}"] = await browser.visit("/admin/audit")
    world.policies.problem = "line 3: unexpected token"
    world.health.well["journal"] = False
    world.policies.watching = (
        WatchingPolicies("The candidate", "3f2a", 9, 1, 2, 3, 4, 5, (("a", 1, 2, 0),), (("usr_x", 1, 0, 0),)),
        WatchingPolicies("Policies that only report", "", 0, 0, 0, 0, 0, 0, problem="they cannot be evaluated"),
    )
    pages["policies with a problem"] = await browser.visit("/admin/policies")
    pages["overview with a problem"] = await browser.visit("/admin")
    pages |= await _enrolment(world, browser)
    stranger = world.browser()
    pages["sign-in"] = await stranger.visit("/sign-in?return_to=https://notes.localhost:8443/")
    pages["sign-in wrong"] = await stranger.post("/sign-in", {"username": "x", "password": "y"})
    pages["signed out"] = await stranger.visit("/signed-out")
    pages["ceremony over"] = await stranger.post("/sign-in/code", {"code": "1"})
    person = world.browser()
    await person.sign_in("grace")
    pages["a person's start"] = await person.visit("/")
    world.step(3000)
    pages["account that is not fresh"] = await person.visit("/account")
    pages["forbidden"] = await person.visit("/admin")
    return pages


async def _enrolment(world: ConsoleWorld, browser: Browser) -> dict[str, Shown]:
    pages: dict[str, Shown] = {}
    await browser.visit("/admin/users")
    pages["user refused"] = await browser.post("/admin/users", {"name": "no name"})
    pages["invited"] = await browser.post("/admin/users", {"name": "linus"})
    found = re.search(r"/invite/[\w-]+", pages["invited"].text)
    assert found is not None
    guest = world.browser()
    pages["welcome"] = await guest.visit(found[0])
    pages["welcome wrong"] = await guest.post("/invite/password", {"new_password": "a", "new_password_again": "b"})
    fields = {"display_name": "Linus", "new_password": PASSWORD, "new_password_again": PASSWORD}
    pages["second factor"] = await guest.submit("/invite/password", fields)
    pages["picture"] = await guest.post("/welcome/totp")
    enrolment = re.search(r'name="authenticator" value="([^"]+)"', pages["picture"].text)
    assert enrolment is not None
    pages["picture wrong"] = await guest.post(
        "/welcome/totp/confirm", {"authenticator": enrolment[1], "code": "000000"}
    )
    await guest.visit("/account")
    pages["account picture"] = await guest.post("/account/totp")
    await browser.visit("/account")
    pages["codes"] = await browser.post("/account/recovery-codes")
    pages["account refused"] = await _refused(browser)
    return pages


async def _refused(browser: Browser) -> Shown:
    await browser.visit("/account")
    return await browser.post("/account/password", {"new_password": "short", "new_password_again": "short"})


async def test_every_page_is_sound_and_has_no_inline_code(world: ConsoleWorld) -> None:
    pages = await _tour(world)
    assert len(pages) > 35
    problems = {name: found for name, shown in pages.items() if (found := lint(shown.text))}
    assert problems == {}


async def test_every_page_forbids_inline_code_framing_and_keeping(world: ConsoleWorld) -> None:
    nonces: list[str] = []
    for name, shown in (await _tour(world)).items():
        policy = dict(part.strip().partition(" ")[::2] for part in shown.header("content-security-policy").split(";"))
        assert policy["default-src"] == "'none'", name
        assert policy["frame-ancestors"] == "'none'", name
        assert policy["base-uri"] == "'none'", name
        assert policy["require-trusted-types-for"] == "'script'", name
        assert policy["trusted-types"] in {"'none'", "htmx"}, name
        assert "unsafe" not in shown.header("content-security-policy"), name
        assert policy["style-src"] == "'self'", name
        scripts = Document(shown.text).all("script")
        if scripts:
            nonce = scripts[0].get("nonce")
            assert policy["script-src"] == f"'nonce-{nonce}' 'strict-dynamic'", name
            nonces.append(nonce or "")
        else:
            assert policy["script-src"] == "'none'", name
        assert shown.header("cache-control") == "no-store", name
        assert shown.header("x-content-type-options") == "nosniff", name
        assert shown.header("referrer-policy") == "same-origin", name
        assert shown.header("cross-origin-opener-policy") == "same-origin", name
        assert shown.header("cross-origin-resource-policy") == "same-origin", name
    assert len(nonces) == len(set(nonces)) > 5


async def test_scripts_are_the_ones_that_were_shipped(world: ConsoleWorld) -> None:
    pages = await _tour(world)
    browser = world.browser()
    for address, integrity in {
        (one.get("src") or one.get("href") or "", one.get("integrity") or "")
        for shown in pages.values()
        for one in Document(shown.text).all("script", "link")
        if one.get("integrity")
    }:
        shown = await browser.get(address)
        assert shown.status == 200
        assert "immutable" in shown.header("cache-control")
        assert integrity.startswith("sha256-")


@pytest.mark.parametrize(
    "path",
    [
        "../pages.py",
        "..%2fpages.py",
        "%2e%2e/pages.py",
        "fonts/../../pages.py",
        "/etc/passwd",
        "fonts",
        "",
        "watchword.css/",
        "watchword.css%00",
    ],
)
async def test_path_traversal_in_static_files_finds_nothing(world: ConsoleWorld, path: str) -> None:
    shown = await world.browser().get(f"/.watchword/static/x/{path}")
    assert shown.status == 404


async def test_hostile_words_stay_words(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    await world.identity.accounts.change_user(root.id, actor="test", display_name=HOSTILE)
    await world.settled()
    world.policies.files = (type(world.policies.files[0])(HOSTILE, HOSTILE, ((HOSTILE, 1),)),)
    browser.user_agent = HOSTILE
    world.decisions.push(
        record(
            world,
            answer=Answer.DENY,
            reasons=[Reason.POLICY_FORBIDS],
            user=root,
            path="/" + HOSTILE,
            method=HOSTILE,
            application=HOSTILE,
            resource=HOSTILE,
            host=HOSTILE,
            policies=[[HOSTILE, HOSTILE]],
            policy_errors=[HOSTILE],
            obligations=[HOSTILE],
            facts=[[HOSTILE, HOSTILE, 1.0]],
            contributions=[[HOSTILE, 10]],
            personal={
                "ip": HOSTILE,
                "user_agent": HOSTILE,
                "country": HOSTILE,
                "facts": {HOSTILE: HOSTILE},
                "details": {HOSTILE: HOSTILE},
            },
        )
    )
    reference = world.decisions.records[0]["id"]
    for path in (
        "/",
        "/account",
        "/admin",
        "/admin/decisions",
        "/admin/users",
        f"/admin/users/{root.id}",
        "/admin/policies",
        f"/decisions/{reference}",
        f"/admin/decisions?q={HOSTILE}&answer={HOSTILE}",
    ):
        shown = await browser.visit(path)
        assert shown.status == 200, path
        assert "<img" not in shown.text, path
        assert "49" not in re.findall(r"&#39;&amp;(..)", shown.text), path
        assert lint(shown.text) == [], path


async def test_a_page_names_its_place_for_people(world: ConsoleWorld) -> None:
    shown = await world.browser().get("/sign-in?return_to=https://notes.localhost:8443/x")
    assert "to go on to <b>Notes</b>" in shown.text
    assert 'autocomplete="username webauthn"' in shown.text
    assert 'autocomplete="current-password"' in shown.text


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({"host": "evil.example"}, "/sign-in"),
        ({"host": "watchword.localhost"}, "/sign-in"),
        ({"host": "watchword.localhost:8443.evil.example"}, "/sign-in"),
        ({"host": "notes.localhost:8443"}, "/sign-in"),
        ({"host": "notes.localhost:8443"}, "/account"),
        ({"host": "other.localhost:8443"}, "/.watchword/callback"),
        ({"host": ""}, "/sign-in"),
    ],
)
async def test_a_host_that_is_not_ours_gets_no_page(world: ConsoleWorld, headers: dict[str, str], path: str) -> None:
    shown = await world.browser().get(path, headers={"x-forwarded-host": "watchword.localhost:8443", **headers})
    assert shown.status == 421
    assert "Watchword" not in shown.text


async def test_what_is_not_there_and_what_is_not_taken_has_a_page(world: ConsoleWorld) -> None:
    browser = world.browser()
    assert (await browser.get("/nothing")).title == "There is nothing here"
    assert (await browser.request("DELETE", "/sign-in")).status == 405
    assert (await browser.get("/account/")).status == 404


async def test_programs_find_keys_and_health(world: ConsoleWorld) -> None:
    browser = world.browser()
    shown = await browser.get("/.well-known/jwks.json")
    assert (shown.status, json.loads(shown.text)) == (200, {"keys": []})
    assert (await browser.get("/healthz")).status == 200
    world.health.well["facts"] = False
    shown = await browser.get("/healthz")
    assert (shown.status, json.loads(shown.text)["parts"]["facts"]) == (503, False)


# --- colours -------------------------------------------------------------------------------------------------------


def _palettes() -> dict[str, dict[str, str]]:
    css = resources.files("watchword.console").joinpath("static/watchword.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks)
    return {"light": light, "dark": light | dark}


def _luminance(colour: str) -> float:
    """Source: WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


TEXT = [
    (text, ground)
    for text in ("ink", "ink-soft", "verdigris", "lantern", "vermilion")
    for ground in ("paper", "surface", "sunk")
] + [
    ("on-verdigris", "verdigris"),
    ("on-verdigris", "verdigris-deep"),
    ("ink", "verdigris-wash"),
    ("ink", "lantern-wash"),
    ("ink", "vermilion-wash"),
    ("verdigris", "vermilion-wash"),
    ("verdigris", "lantern-wash"),
    ("vermilion", "vermilion-wash"),
    ("night-ink", "night"),
    ("night-soft", "night"),
]
SHAPES = [
    (shape, ground) for shape in ("line-strong", "focus", "verdigris", "vermilion") for ground in ("paper", "surface")
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_shapes_can_be_told_from_their_ground(scheme: str) -> None:
    colours = _palettes()[scheme]
    weak = {
        (one, other): round(_contrast(colours[one], colours[other]), 2)
        for pairs, least in ((TEXT, 4.5), (SHAPES, 3.0))
        for one, other in pairs
        if _contrast(colours[one], colours[other]) < least
    }
    assert weak == {}


def test_the_contrast_formula_knows_black_from_white() -> None:
    assert round(_contrast("#000000", "#ffffff"), 1) == 21.0
    assert _contrast("#777777", "#ffffff") < 4.5


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (lambda text: text.replace("<main", '<main onclick="x()"'), "inline onclick"),
        (lambda text: text.replace("<h1", '<h1 style="x"'), "inline style"),
        (lambda text: re.sub(r'<label for="username">.*?</label>', "", text), "field `username` has no label"),
        (lambda text: re.sub(r'name="csrf"', 'name="other"', text), "has no token"),
        (lambda text: text.replace("</main>", "<script>1</script></main>"), "a script is inline"),
        (lambda text: text.replace('autocomplete="current-password"', ""), "has no autocomplete"),
        (lambda text: text.replace("</main>", '<a href="javascript:1">x</a></main>'), "executable href"),
    ],
)
async def test_the_lint_finds_what_it_is_for(world: ConsoleWorld, broken: Callable[[str], str], problem: str) -> None:
    shown = await world.browser().get("/sign-in")
    assert lint(shown.text) == []
    assert any(problem in found for found in lint(broken(shown.text)))


async def test_every_page_of_a_signed_in_person_names_the_holders_of_the_network_data(world: ConsoleWorld) -> None:
    pages = await _tour(world)
    shown = {name: page.text for name, page in pages.items() if '<nav aria-label="Main">' in page.text}
    assert {"/account", "/admin", "/admin/sessions", "/admin/decisions", "decision 0"} <= shown.keys()
    for name, text in shown.items():
        for owed in attributions():
            assert f'<a href="{owed.url}" rel="external noreferrer">{owed.words}</a>' in text, f"{name}: {owed.words}"
            assert f'<a href="{owed.licence_url}" rel="license noreferrer">{owed.licence}</a>' in text, name


def test_no_page_shows_a_place_without_naming_the_holders() -> None:
    names = [item.name for item in resources.files("watchword.console").joinpath("templates").iterdir()]
    assert "decision.html" in names
    for name in names:
        source = resources.files("watchword.console").joinpath("templates", name).read_text()
        if re.search(r"(?<!ring\.)\bplace\b|\.ip\b|country|view\.facts", source):
            assert '{% extends "shell.html" %}' in source, name
