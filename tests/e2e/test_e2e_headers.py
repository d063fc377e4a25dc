"""Attack: what a client says about itself in headers. Nobody believes any of it: not policy, not the application."""

from __future__ import annotations

import base64
import json

import pytest
from siege import Fortress, until

pytestmark = pytest.mark.e2e

LIE = "203.0.113.66"
# Names that some access proxy, framework or application has believed; the advisories are about these.
BELIEVED_ELSEWHERE = (
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Server",
    "X-Original-URL",
    "X-Original-Uri",
    "X-Original-Method",
    "X-Original-Host",
    "X-Rewrite-URL",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "X-Cluster-Client-IP",
    "X-Host",
    "X-Envoy-Original-Path",
    "X-Envoy-External-Address",
    "X-Envoy-Internal",
    "X-Envoy-Upstream-Rq-Timeout-Ms",
    "X-Watchword-Client-Ip",
    "X-Watchword-Assertion",
    "X-Watchword-Session",
    "X-Watchword-Decision",
    "X-Watchword-Stream",
    "X-Watchword-Application",
    "X-Watchword-Anything-Else",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Goog-Authenticated-User-Email",
    "X-Goog-IAP-JWT-Assertion",
    "X-Amzn-Oidc-Identity",
    "X-Amzn-Oidc-Data",
    "Cf-Access-Authenticated-User-Email",
    "X-WebAuth-User",
    "X-Authenticated-User",
    "X-Remote-User",
    "Remote-User",
    "Remote-Groups",
    "X-App-User",
    "X-App-Groups",
    "SSL-Client-Verify",
    "X-SSL-Client-S-DN",
    "X-Client-Cert",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-Request-Id",
    "Proxy",
    "Proxy-Authorization",
)
PROBES = ("GoogleHC/1.0", "kube-probe/1.31", "ELB-HealthChecker/2.0", "Envoy/HC", "Consul Health Check")


@pytest.mark.parametrize("name", BELIEVED_ELSEWHERE)
@pytest.mark.parametrize("spelling", [str, str.upper, str.lower], ids=["usual", "upper", "lower"])
def test_a_spoofed_header_reaches_neither_policy_nor_the_application(
    fortress: Fortress, name: str, spelling: type[str]
) -> None:
    browser, before = fortress.member.browser, len(fortress.echo.seen)
    reply = fortress.wire.send(
        "/spoof", f"{spelling(name)}: {LIE}", f"{name}: root", host="echo.localhost", browser=browser
    )
    assert reply.status == 200
    (seen,) = fortress.echo.seen[before:]
    assert not [value for _, value in seen.headers if LIE in value or value == "root"]
    _is_the_truth(fortress, seen.get("x-watchword-decision") or "")


def test_every_spoofed_header_at_once_changes_nothing(fortress: Fortress) -> None:
    lies = [f"{name}: root" for name in BELIEVED_ELSEWHERE]
    reply = fortress.wire.send("/spoof", *lies, host="echo.localhost", browser=fortress.member.browser)
    assert reply.status == 200
    seen = fortress.echo.seen[-1]
    assert "root" not in [value for _, value in seen.headers]
    assert seen.values("x-app-user") == ["member"]
    assert seen.values("remote-user") == ["member"]
    assert seen.values("x-app-groups") == ["members"]
    assert seen.values("x-forwarded-for") == [fortress.member.browser.ip]
    assert seen.values("x-watchword-client-ip") == [fortress.member.browser.ip]
    assert seen.values("x-watchword-application") == ["echo"]


@pytest.mark.parametrize("name", BELIEVED_ELSEWHERE)
def test_a_stranger_with_a_spoofed_header_reaches_nothing(fortress: Fortress, name: str) -> None:
    before = len(fortress.echo.seen)
    for value in ("root", "127.0.0.1", "/open", "GET"):
        reply = fortress.wire.send("/", f"{name}: {value}", host="echo.localhost")
        assert reply.status == 401
    assert len(fortress.echo.seen) == before


@pytest.mark.parametrize("header", ["X-Forwarded-Uri", "X-Original-URL", "X-Rewrite-URL", "X-Envoy-Original-Path"])
def test_a_spoofed_address_of_the_page_opens_no_protected_page(fortress: Fortress, header: str) -> None:
    before = len(fortress.echo.seen)
    for target, claimed in (("/admin", "/open"), ("/admin", "/"), ("/open", "/admin")):
        reply = fortress.wire.send(
            target, f"{header}: {claimed}", host="echo.localhost", browser=fortress.member.browser
        )
        assert reply.status == (200 if target == "/open" else 403)
    assert fortress.echo.targets()[before:] == ["/open"]


def test_an_open_page_passes_no_identity_that_the_client_invented(fortress: Fortress) -> None:
    lies = [f"{name}: root" for name in BELIEVED_ELSEWHERE]
    reply = fortress.wire.send("/open", *lies, host="echo.localhost")
    assert reply.status == 200
    seen = fortress.echo.seen[-1]
    assert "root" not in [value for _, value in seen.headers]
    for name in ("x-watchword-assertion", "x-watchword-session", "x-app-user", "remote-user", "x-app-groups"):
        assert seen.values(name) == []


def test_header_names_with_underscores_are_refused(fortress: Fortress) -> None:
    # WSGI, CGI and others make `X-App-User` and `X_App_User` the same variable.
    before = len(fortress.echo.seen)
    for name in ("X_App_User", "Remote_User", "X_Watchword_Assertion", "X-Watchword_Client-Ip", "HTTP_REMOTE_USER"):
        reply = fortress.wire.send("/", f"{name}: root", host="echo.localhost", browser=fortress.member.browser)
        assert reply.status == 400
    assert len(fortress.echo.seen) == before


def test_doubled_assertions_are_both_removed_and_one_is_made(fortress: Fortress) -> None:
    forged = ".".join(_part(part) for part in ({"alg": "none"}, {"sub": "usr_root", "name": "root"}, {}))
    lines = [f"X-Watchword-Assertion: {forged}", f"x-watchword-assertion: {forged}"]
    assert fortress.wire.send("/", *lines, host="echo.localhost", browser=fortress.member.browser).status == 200
    (assertion,) = fortress.echo.seen[-1].values("x-watchword-assertion")
    claims = json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "=="))
    assert (claims["name"], claims["aud"]) == ("member", "echo")


def test_an_assertion_made_for_one_application_is_not_taken_by_another(fortress: Fortress) -> None:
    fortress.wire.send("/", host="echo.localhost", browser=fortress.member.browser)
    assertion = fortress.echo.seen[-1].get("x-watchword-assertion")
    reply = fortress.wire.send("/why", f"X-Watchword-Assertion: {assertion}", host="notes.localhost")
    assert reply.status == 401


def _decided(fortress: Fortress) -> int:
    """Count decisions; what the edge let in under leases before is told later, as a sum."""
    return len([record for record in fortress.node.records("decision") if not record.get("leased")])


def test_a_doubled_host_is_refused(fortress: Fortress) -> None:
    before, decided = len(fortress.echo.seen), _decided(fortress)
    port = fortress.node.port
    for second in (f"echo.localhost:{port}", f"watchword.localhost:{port}", "evil.example"):
        reply = fortress.wire.send("/", f"Host: {second}", host="echo.localhost", browser=fortress.member.browser)
        assert reply.status in {400, 404}
    assert len(fortress.echo.seen) == before
    assert _decided(fortress) == decided


@pytest.mark.parametrize(
    "host",
    [
        "echo.localhost.evil.example",
        "evil.example",
        "echo.localhost@evil.example",
        "evil.example#echo.localhost",
        "echo.localhost.",
        "127.0.0.1",
        "localhost",
        "ECHO.localhost%00.evil.example",
    ],
)
def test_a_host_that_nobody_published_gets_nothing(fortress: Fortress, host: str) -> None:
    before = len(fortress.echo.seen)
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    answer = fortress.wire.raw(request.encode(), host="echo.localhost")
    assert answer.split(b" ")[1] in {b"400", b"404", b"421"}
    assert len(fortress.echo.seen) == before


def test_doubled_session_cookies_are_no_session(fortress: Fortress) -> None:
    before = len(fortress.echo.seen)
    right = f"__Host-ww-session={fortress.member.handle('echo.localhost')}"
    for lines in (
        [f"Cookie: {right}; __Host-ww-session=planted"],
        [f"Cookie: __Host-ww-session=planted; {right}"],
        [f"Cookie: {right}", "Cookie: __Host-ww-session=planted"],
        [f"Cookie: {right}; {right}"],
    ):
        assert fortress.wire.send("/", *lines, host="echo.localhost", ip=fortress.member.browser.ip).status == 401
    assert len(fortress.echo.seen) == before


@pytest.mark.parametrize(
    "name", ["__host-ww-session", "ww-session", "__Host-ww-session ", "$__Host-ww-session", '"__Host-ww-session"']
)
def test_a_cookie_that_is_called_almost_like_ours_is_no_session(fortress: Fortress, name: str) -> None:
    handle = fortress.member.handle("echo.localhost")
    reply = fortress.wire.send("/", f"Cookie: a=1; {name}={handle}", host="echo.localhost", ip=LIE)
    assert reply.status in {400, 401}


def test_the_application_never_sees_our_cookies(fortress: Fortress) -> None:
    cookies = fortress.member.browser.cookies["echo.localhost"] | {"__Host-ww-planted": "x", "own": "kept"}
    line = "Cookie: " + "; ".join(f"{name}={value}" for name, value in cookies.items())
    assert fortress.wire.send("/", line, host="echo.localhost", ip=fortress.member.browser.ip).status == 200
    assert "__Host-ww" not in fortress.echo.heads[-1].decode("latin-1")
    assert "own=kept" in (fortress.echo.seen[-1].get("cookie") or "")


def test_the_application_cannot_speak_in_our_name(fortress: Fortress) -> None:
    reply = fortress.wire.send("/", host="echo.localhost", browser=fortress.member.browser)
    assert reply.get("x-watchword-risk") is None
    assert not [name for name, _ in reply.headers if name.startswith(("x-watchword-", "x-envoy-"))]


@pytest.mark.parametrize("agent", PROBES)
def test_a_health_check_user_agent_opens_nothing(fortress: Fortress, agent: str) -> None:
    before = len(fortress.echo.seen)
    for target in ("/", "/healthz", "/health", "/ping", "/ready", "/robots.txt", "/.well-known/x", "/favicon.ico"):
        for host in ("echo.localhost", "notes.localhost"):
            reply = fortress.wire.send(target, f"User-Agent: {agent}", host=host)
            assert reply.status == 401
    assert len(fortress.echo.seen) == before


def test_the_portal_believes_the_connection_and_not_the_client_about_its_address(fortress: Fortress) -> None:
    name = "nobody-at-this-address"
    browser = fortress.member.fresh_browser()
    browser.travel(fortress.new_ip())
    page = browser.get(f"{fortress.node.portal}/sign-in")
    fields = page.form("/sign-in").fields | {"username": name, "password": "wrong password, surely"}
    body = "&".join(f"{key}={value.replace(' ', '+')}" for key, value in fields.items())
    reply = fortress.wire.send(
        "/sign-in",
        "Content-Type: application/x-www-form-urlencoded",
        f"Origin: {fortress.node.portal}",
        f"X-Watchword-Client-Ip: {LIE}",
        f"X-Forwarded-For: {LIE}",
        f"Forwarded: for={LIE}",
        method="POST",
        host="watchword.localhost",
        browser=browser,
        body=body.encode(),
    )
    assert reply.status in {401, 422}
    # The journal follows the commit within milliseconds.
    failed = until(lambda: [r for r in fortress.node.records("identity.sign_in.failed") if browser.ip in json.dumps(r)])
    assert LIE not in json.dumps(failed[-1])


def _is_the_truth(fortress: Fortress, reference: str) -> None:
    record = fortress.node.decision(reference)
    assert record["personal"]["ip"] == fortress.member.browser.ip
    assert (record["host"], record["method"], record["path"]) == ("echo.localhost", "GET", "/spoof")


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
