"""Attack: signing in. Every step goes through Envoy to the real pages, as a browser or a thief would send it."""

from __future__ import annotations

import itertools
import json
import threading
import time
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import pyotp
import pytest
from siege import Citizen, Fortress, options_of, until
from software_authenticator import SoftwareAuthenticator

from watchword.demo.client import Browser, Page
from watchword.demo.person import Person

pytestmark = pytest.mark.e2e

PASSWORD = "correct horse battery staple"  # invented
SESSION = "__Host-ww-session"
_numbers = itertools.count(1)
PORTAL, NOTES, ECHO = "watchword.localhost", "notes.localhost", "echo.localhost"


class TotpPerson(Person):
    """Somebody who also knows the secret of their authenticator application, for replays."""

    @property
    def totp(self) -> pyotp.TOTP:
        assert self._totp is not None
        return self._totp


@pytest.fixture(scope="module")
def ada(fortress: Fortress) -> Citizen:
    """A member with a passkey who is signed in everywhere."""
    citizen = fortress.newcomer("ada")
    citizen.enter(f"{fortress.node.notes}/")
    citizen.enter(f"{fortress.echo_origin}/")
    return citizen


@pytest.fixture
def tom(fortress: Fortress) -> TotpPerson:
    """A member with a password and an authenticator application, of one test alone: failures are counted."""
    name = f"tom{next(_numbers)}"
    browser = Browser(fortress.node.proxy_port, fortress.node.authority, fortress.new_ip())
    person = TotpPerson(name, browser, password=PASSWORD)
    person.enrol(fortress.invite(name))
    person.sign_out(fortress.node.portal)
    return person


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "tom@",
        "@tom",
        "tom@evil.example",
        "tom@a@b",
        "tom@@",
        "tom@watchword.localhost@evil.example",
        "tom%40",
        "tom\x00x",
    ],
)
def test_a_name_with_several_at_signs_is_nobody_else(fortress: Fortress, tom: TotpPerson, name: str) -> None:
    browser = _stranger(fortress)
    page = browser.get(f"{fortress.node.portal}/sign-in")
    refused = browser.submit(page, "/sign-in", username=name.replace("tom", tom.name), password=PASSWORD)
    assert refused.status in {400, 401, 422}
    assert "one-time-code" not in refused.text


def test_a_name_with_several_at_signs_cannot_be_made_to_look_like_another(fortress: Fortress) -> None:
    page = fortress.root.enter(f"{fortress.node.portal}/admin/users")
    for name in ("tom@evil@watchword.localhost", "tom@@", "@", "tom\u200b", "\u0422OM", "tom "):
        shown = fortress.create_user(page, name)
        if "/invite/" in shown.text:
            # Whoever was made is another user by every comparison, and the name is not `tom`.
            made = [user["user"] for user in fortress.node.command("users", "list")]
            assert len(made) == len(set(made))
            assert made.count("tom") <= 1


# --- stale and planted cookies ----------------------------------------------------------------------------------------


def test_a_session_planted_before_sign_in_is_not_the_one_after_it(fortress: Fortress, ada: Citizen) -> None:
    victim = _at_home(ada)
    planted = "A" * 43
    for host in (PORTAL, NOTES):
        victim.browser.cookies.setdefault(host, {})[SESSION] = planted
    victim.enter(f"{fortress.node.notes}/")
    for host in (PORTAL, NOTES):
        assert victim.handle(host) != planted
        thief = _stranger(fortress)
        thief.cookies = {host: {SESSION: planted}}
        assert thief.get(f"https://{host}:{fortress.node.port}/account", follow=False).status in {302, 303}


def _ceremony(browser: Browser) -> dict[str, str]:
    """Return the cookie of the one ceremony that a browser has begun."""
    found = {name: value for name, value in browser.cookies[PORTAL].items() if name.startswith("__Host-ww-ceremony-")}
    assert len(found) == 1
    return found


def test_a_ceremony_planted_before_sign_in_gives_its_planter_nothing(fortress: Fortress, ada: Citizen) -> None:
    planter = _stranger(fortress)
    planter.get(f"{fortress.node.portal}/sign-in")
    ceremony = _ceremony(planter)
    victim = _at_home(ada)
    victim.browser.cookies[PORTAL] |= ceremony
    victim.sign_in(victim.browser.get(f"{fortress.node.portal}/sign-in/next"))
    assert victim.browser.get(f"{fortress.node.portal}/account", follow=False).status == 200
    for path in ("/sign-in/next", "/account", "/"):
        page = planter.get(f"{fortress.node.portal}{path}")
        assert "ada" not in page.text.lower()
        assert SESSION not in planter.cookies.get(PORTAL, {})


def test_a_session_of_an_earlier_owner_is_replaced_at_sign_in(fortress: Fortress) -> None:
    # Two people at one browser: the second signs in while the cookie of the first is still there.
    first = fortress.newcomer("first")
    first.enter(f"{fortress.node.notes}/")
    shared = first.browser
    old = {host: first.handle(host) for host in (PORTAL, NOTES)}
    fortress.node.command("sessions", "end", "--user", "first")
    # Somebody of the same household, who has a passkey from another browser there.
    second = Citizen(fortress.node, "second", shared.ip)
    second.enrol(fortress.invite("second"))
    second.browser = shared
    page = second.enter(f"{fortress.node.notes}/why")
    assert "first" not in page.text.lower()
    assert {host: second.handle(host) for host in (PORTAL, NOTES)} != old
    for host, handle in old.items():
        ghost = _stranger(fortress)
        ghost.cookies = {host: shared.cookies[host] | {SESSION: handle}}
        assert ghost.get(f"https://{host}:{fortress.node.port}/", follow=False, accept="application/json").status != 200


def test_a_finished_ceremony_cannot_be_used_again(fortress: Fortress, ada: Citizen) -> None:
    victim = _at_home(ada)
    page = victim.browser.get(f"{fortress.node.portal}/sign-in")
    ceremony = _ceremony(victim.browser)
    form = page.form("/sign-in/passkey")
    fields = form.fields | {"credential": json.dumps(victim.passkey.get(options_of(page)))}
    victim.browser.submit_form(page, form, **fields)
    assert SESSION in victim.browser.cookies[PORTAL]
    thief = _stranger(fortress)
    thief.cookies = {PORTAL: ceremony}
    again = thief.submit_form(page, form, **fields)
    assert again.status in {400, 401, 403, 409}
    assert SESSION not in thief.cookies[PORTAL]


def test_a_form_from_another_site_or_session_signs_nobody_in(fortress: Fortress, tom: TotpPerson) -> None:
    browser = _stranger(fortress)
    page = browser.get(f"{fortress.node.portal}/sign-in")
    good = page.form("/sign-in").fields | {"username": tom.name, "password": PASSWORD}
    other = _stranger(fortress).get(f"{fortress.node.portal}/sign-in").form("/sign-in").fields["csrf"]
    kind = "Content-Type: application/x-www-form-urlencoded"
    own = f"Origin: {fortress.node.portal}"
    attempts: list[tuple[dict[str, str], list[str]]] = [
        (good, [kind]),
        (good, [kind, "Origin: https://evil.example"]),
        (good, [kind, "Origin: null"]),
        (good, [kind, f"Origin: {fortress.node.notes}"]),
        (good, [kind, own, "Sec-Fetch-Site: cross-site"]),
        (good, [kind, own, "Sec-Fetch-Site: same-site"]),
        (good | {"csrf": other}, [kind, own]),
        (good | {"csrf": ""}, [kind, own]),
        (good, ["Content-Type: text/plain", own]),
        (good, ["Content-Type: multipart/form-data; boundary=x", own]),
    ]
    for fields, lines in attempts:
        reply = fortress.wire.send(
            "/sign-in", *lines, method="POST", host=PORTAL, browser=browser, body=urlencode(fields).encode()
        )
        assert reply.status in {400, 403, 415, 422}, (lines, reply.status)
    reply = fortress.wire.send(
        "/sign-in", kind, own, method="POST", host=PORTAL, browser=browser, body=urlencode(good).encode()
    )
    assert reply.status == 303


# --- the way from the portal to an application ------------------------------------------------------------------------


def test_the_code_of_an_attacker_signs_no_victim_in(fortress: Fortress, ada: Citizen) -> None:
    code = _fresh_code(ada, fortress, NOTES)
    victims = [_stranger(fortress), _stranger(fortress)]
    # One never asked for anything, one has a state of their own from the same application.
    victims[1].get(f"{fortress.node.notes}/", follow=False)
    assert "__Host-ww-state" in victims[1].cookies[NOTES]
    for victim in victims:
        page = victim.get(f"{fortress.node.notes}/.watchword/callback?code={code}", follow=False)
        assert page.status in {400, 401, 403}
        assert SESSION not in victim.cookies.get(NOTES, {})


def test_a_crossing_code_works_once(fortress: Fortress, ada: Citizen) -> None:
    # The first redemption by the right browser; every later one, by the same browser too, is refused.
    browser = ada.browser
    code = _fresh_code(ada, fortress, NOTES)
    state = browser.cookies[NOTES]["__Host-ww-state"]
    url = f"{fortress.node.notes}/.watchword/callback?code={code}"
    assert browser.get(url, follow=False).status == 303
    handle = ada.handle(NOTES)
    for _ in range(2):
        browser.cookies[NOTES]["__Host-ww-state"] = state
        assert browser.get(url, follow=False).status in {400, 401, 403}
    assert ada.handle(NOTES) == handle
    assert browser.get(f"{fortress.node.notes}/", follow=False).status == 200


def test_one_crossing_code_in_many_requests_at_once_works_once(fortress: Fortress, ada: Citizen) -> None:
    code = _fresh_code(ada, fortress, NOTES)
    clones = [ada.browser.clone() for _ in range(6)]
    pages = _at_once(
        [lambda b=b: b.get(f"{fortress.node.notes}/.watchword/callback?code={code}", follow=False) for b in clones]
    )
    assert sorted(page.status == 303 for page in pages) == [False] * 5 + [True]
    ada.browser.cookies = clones[[page.status for page in pages].index(303)].cookies


def test_a_crossing_code_for_one_host_is_refused_on_another(fortress: Fortress, ada: Citizen) -> None:
    code = _fresh_code(ada, fortress, NOTES)
    browser = ada.browser.clone()
    browser.cookies[ECHO]["__Host-ww-state"] = browser.cookies[NOTES]["__Host-ww-state"]
    for origin in (fortress.echo_origin, fortress.node.portal):
        page = browser.get(f"{origin}/.watchword/callback?code={code}", follow=False)
        assert page.status in {400, 401, 403, 404}


@pytest.mark.parametrize("code", ["", "x", "A" * 43, "A" * 5000, "%00", "../", "'; DROP TABLE crossings; --"])
def test_an_invented_crossing_code_is_refused(fortress: Fortress, ada: Citizen, code: str) -> None:
    browser = ada.browser.clone()
    browser.cookies[NOTES]["__Host-ww-state"] = "A" * 43
    page = browser.get(f"{fortress.node.notes}/.watchword/callback?code={quote(code)}", follow=False)
    assert page.status in {400, 401, 403}


def test_a_session_handle_works_on_its_own_host_only(fortress: Fortress, ada: Citizen) -> None:
    hosts = {PORTAL: "/account", NOTES: "/", ECHO: "/"}
    for host, path in hosts.items():
        ada.enter(f"https://{host}:{fortress.node.port}{path}")
    for taken_from in hosts:
        handle = ada.handle(taken_from)
        for host, path in hosts.items():
            browser = ada.browser.clone()
            browser.cookies[host][SESSION] = handle
            page = browser.get(f"https://{host}:{fortress.node.port}{path}", follow=False)
            assert (page.status == 200) == (host == taken_from), (taken_from, host, page.status)


def test_a_stolen_session_without_the_device_key_or_with_anothers_is_worth_less(
    fortress: Fortress, ada: Citizen
) -> None:
    thief = ada.browser.clone(without="device")
    # The portal, where accounts are changed, wants the key; applications weigh its absence.
    assert thief.get(f"{fortress.node.portal}/account", follow=False).status == 303
    other = fortress.newcomer("other")
    other.enter(f"{fortress.node.notes}/")
    thief = ada.browser.clone()
    for host in (PORTAL, NOTES):
        thief.cookies[host]["__Host-ww-device"] = other.browser.cookies[host]["__Host-ww-device"]
    assert thief.get(f"{fortress.node.portal}/account", follow=False).status == 303
    assert thief.get(f"{fortress.node.notes}/", follow=False, accept="application/json").status == 401
    thief = ada.browser.clone()
    thief.cookies[NOTES]["__Host-ww-device"] = ada.browser.cookies[PORTAL]["__Host-ww-device"]
    page = thief.get(f"{fortress.node.notes}/", follow=False, accept="application/json")
    decision = fortress.node.last_decision()
    assert (decision["device"], page.status in {200, 401, 403}) == (None, True)


# --- where to go afterwards -------------------------------------------------------------------------------------------

ELSEWHERE = (
    "https://evil.example/",
    "http://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%5cevil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/%09/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:\\\\evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "{notes}.evil.example/",
    "{notes}@evil.example/",
    "{notes}:x@evil.example/",
    "{notes}\\@evil.example/",
    "{notes}%2eevil.example/",
    "{notes}#@evil.example/",
    "https://notes.localhost/",
    "http://notes.localhost:{port}/",
    "https://NOTES.localhost:{port}@evil.example",
    "https://evil.example#{notes}/",
    "https://evil.example?{notes}/",
    "https://evil.example\\{notes}/",
    "https://evil.example%2f@notes.localhost:{port}/",
    "https://user:pass@notes.localhost:{port}/",
    "https://notes.localhost:{port}\uff0fevil.example",
    "https://evil\u3002example/",
    "/.//evil.example",
    "https://watchword.localhost:{port}//evil.example/",
    "https://watchword.localhost:{port}/.//evil.example/",
    "{notes}//evil.example/",
    "/x\r\nLocation: https://evil.example",
    "/x%0d%0aLocation:%20https://evil.example",
    " https://evil.example",
    "/sign-in?return_to=https://evil.example",
    "/step-up?return_to=//evil.example",
    "{notes}/.watchword/callback?code=x&return_to=https://evil.example",
    "",
    "/" * 4000,
    "/" + "a" * 20000,
)


@pytest.mark.parametrize("shape", ELSEWHERE)
@pytest.mark.parametrize("page", ["sign-in", "step-up"])
def test_no_return_address_leads_elsewhere(fortress: Fortress, ada: Citizen, shape: str, page: str) -> None:
    target = shape.replace("{notes}", fortress.node.notes).replace("{port}", str(fortress.node.port))
    url = f"{fortress.node.portal}/{page}?return_to={quote(target, safe='')}&state={'A' * 43}"
    for browser in (ada.browser.clone(), _stranger(fortress)):
        answer = browser.get(url, follow=False)
        for _ in range(6):
            if answer.status not in {301, 302, 303, 307, 308}:
                break
            # What a browser would make of it, with the repairs that browsers make.
            where = (answer.header("location") or "").replace("\\", "/").replace("\t", "").strip()
            url = urljoin(answer.url, where)
            assert _is_ours(url, fortress), where
            answer = browser.get(url, follow=False)
        assert "evil.example" not in (answer.header("location") or "")
        assert "evil.example" not in (answer.header("refresh") or "")
        assert answer.status < 500


def test_no_return_address_leads_elsewhere_after_a_whole_sign_in(fortress: Fortress, ada: Citizen) -> None:
    for shape in ("https://evil.example/", "//evil.example", "{notes}@evil.example/", "/\\evil.example"):
        target = shape.replace("{notes}", fortress.node.notes)
        victim = _at_home(ada)
        page = victim.browser.get(f"{fortress.node.portal}/sign-in?return_to={quote(target, safe='')}")
        landed = victim.sign_in(page)
        assert landed.status == 200
        assert urlsplit(landed.url).netloc == urlsplit(fortress.node.portal).netloc


# --- codes ------------------------------------------------------------------------------------------------------------


def test_a_replayed_totp_code_is_refused(fortress: Fortress, tom: TotpPerson) -> None:
    code = _unused_code(tom)
    assert _with_code(fortress, tom, code).status in {200, 303}
    # Whoever watched over the shoulder has the password and the code, and is quick.
    for browser in (tom.browser.clone(without="session"), _stranger(fortress)):
        page = _code_page(fortress, browser, tom)
        refused = browser.submit(page, "/sign-in/code", code=code)
        assert refused.status == 401
        assert SESSION not in browser.cookies.get(PORTAL, {})
    until(lambda: fortress.node.records("identity.sign_in.failed")[-1]["data"]["reason"] == "replayed")


def test_one_totp_code_in_many_sign_ins_at_once_opens_one(fortress: Fortress, tom: TotpPerson) -> None:
    browsers = [tom.browser.clone(without="session") for _ in range(4)]
    pages = [_code_page(fortress, browser, tom) for browser in browsers]
    code = _unused_code(tom)
    _at_once([lambda b=b, p=p: b.submit(p, "/sign-in/code", code=code) for b, p in zip(browsers, pages, strict=True)])
    assert sum(SESSION in browser.cookies[PORTAL] for browser in browsers) == 1


def test_a_code_of_another_time_or_form_is_refused(fortress: Fortress, tom: TotpPerson) -> None:
    browser = tom.browser.clone(without="session")
    now = int(time.time())
    for code in (tom.totp.at(now - 300), "", "\u0660" * 6, "0" * 100):
        page = _code_page(fortress, browser, tom)
        assert browser.submit(page, "/sign-in/code", code=code).status in {401, 422, 429}
        assert SESSION not in browser.cookies[PORTAL]


def test_the_second_factor_cannot_be_skipped(fortress: Fortress, tom: TotpPerson) -> None:
    browser = tom.browser.clone(without="session")
    page = _code_page(fortress, browser, tom)
    assert page.status == 200
    for path in ("/account", "/", "/welcome", "/admin", "/step-up", "/sign-in/next"):
        shown = browser.get(f"{fortress.node.portal}{path}")
        assert "/sign-out" not in shown.text
    assert browser.get(f"{fortress.node.notes}/", follow=False, accept="application/json").status == 401
    assert SESSION not in browser.cookies[PORTAL]


# --- passkeys ---------------------------------------------------------------------------------------------------------


def test_a_cloned_passkey_is_refused_and_told(fortress: Fortress) -> None:
    victim = fortress.newcomer("cloned")
    victim.browser.cookies = {}
    victim.passkey.counter = 40
    victim.sign_in(victim.browser.get(f"{fortress.node.portal}/sign-in"))
    for counter in (41, 40, 1, 0):
        thief = victim.fresh_browser()
        page = thief.get(f"{fortress.node.portal}/sign-in")
        credential = victim.passkey.get(options_of(page), counter=counter)
        refused = thief.submit(page, "/sign-in/passkey", credential=json.dumps(credential))
        assert refused.status == 401
        assert SESSION not in thief.cookies[PORTAL]

    def told() -> list[int]:
        return [record["data"]["shown"] for record in fortress.node.records("identity.passkey.cloned")[-4:]]

    # The journal follows the commit within milliseconds.
    until(lambda: told() == [41, 40, 1, 0])


@pytest.mark.parametrize(
    "cheat",
    [
        {"origin": "https://evil.example"},
        {"origin": "https://watchword.localhost.evil.example"},
        {"origin": "https://watchword.localhost"},
        {"origin": "https://notes.localhost:{port}"},
        {"origin": "http://watchword.localhost:{port}"},
        {"origin": ""},
        {"rp_id": "notes.localhost"},
        {"rp_id": "localhost"},
        {"cross_origin": True},
        {"type": "webauthn.create"},
        {"user_verified": False},
        {"user_present": False},
        {"challenge": "AAAA"},
        {"challenge": ""},
        {"user_handle": b"usr_somebody"},
        {"credential_id": b"\x00" * 32},
        {"key": SoftwareAuthenticator().key},
    ],
    ids=lambda cheat: "-".join(map(str, cheat.items()))[:40],
)
def test_a_passkey_that_answers_for_another_place_is_refused(
    fortress: Fortress, ada: Citizen, cheat: dict[str, Any]
) -> None:
    cheat = {n: v.replace("{port}", str(fortress.node.port)) if isinstance(v, str) else v for n, v in cheat.items()}
    thief = _stranger(fortress)
    page = thief.get(f"{fortress.node.portal}/sign-in")
    credential = ada.passkey.get(options_of(page), **cheat)
    refused = thief.submit(page, "/sign-in/passkey", credential=json.dumps(credential))
    assert refused.status == 401
    assert SESSION not in thief.cookies[PORTAL]


def test_a_passkey_answer_to_another_ceremony_is_refused(fortress: Fortress, ada: Citizen) -> None:
    theirs, ours = _stranger(fortress), _stranger(fortress)
    asked = theirs.get(f"{fortress.node.portal}/sign-in")
    credential = ada.passkey.get(options_of(asked))
    page = ours.get(f"{fortress.node.portal}/sign-in")
    assert ours.submit(page, "/sign-in/passkey", credential=json.dumps(credential)).status == 401


@pytest.mark.parametrize(
    "credential", ["", "null", "[]", "{}", '{"id": 1}', "[" * 5000, '{"id": "' + "A" * 30000 + '"}']
)
def test_a_malformed_passkey_is_refused_in_order(fortress: Fortress, credential: str) -> None:
    browser = _stranger(fortress)
    page = browser.get(f"{fortress.node.portal}/sign-in")
    assert browser.submit(page, "/sign-in/passkey", credential=credential).status in {400, 401, 413, 422}


# --- hands ------------------------------------------------------------------------------------------------------------


def _stranger(fortress: Fortress) -> Browser:
    return Browser(fortress.node.proxy_port, fortress.node.authority, fortress.new_ip())


def _at_home(citizen: Citizen) -> Citizen:
    """The same person with the same passkey at the same browser, signed out."""
    again = Citizen(citizen.node, citizen.name, citizen.browser.ip)
    again.browser = citizen.browser.clone(without="session")
    again.passkey = citizen.passkey
    return again


def _fresh_code(citizen: Citizen, fortress: Fortress, host: str) -> str:
    """Let a signed-in browser ask for a code and keep it instead of redeeming it."""
    browser = citizen.browser
    browser.cookies[host].pop(SESSION, None)
    page = browser.get(f"https://{host}:{fortress.node.port}/", follow=False)
    page = browser.get(page.header("location") or "", follow=False)
    return (page.header("location") or "").partition("code=")[2]


def _code_page(fortress: Fortress, browser: Browser, person: Person) -> Page:
    page = browser.get(f"{fortress.node.portal}/sign-in")
    return browser.submit(page, "/sign-in", username=person.name, password=PASSWORD)


def _with_code(fortress: Fortress, person: TotpPerson, code: str) -> Page:
    browser = person.browser.clone(without="session")
    return browser.submit(_code_page(fortress, browser, person), "/sign-in/code", code=code)


def _unused_code(person: TotpPerson) -> str:
    return person.code()


def _is_ours(url: str, fortress: Fortress) -> bool:
    origins = (fortress.node.portal, fortress.node.notes, fortress.echo_origin)
    return any(url == origin or url.startswith(f"{origin}/") for origin in origins)


def _at_once(acts: list[Any]) -> list[Page]:
    pages: list[Page] = []
    barrier = threading.Barrier(len(acts))
    results: dict[int, Page] = {}

    def run(index: int) -> None:
        barrier.wait()
        results[index] = acts[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    pages.extend(results[index] for index in range(len(acts)))
    return pages
