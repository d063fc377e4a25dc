"""The example configurations of nginx, Caddy and Traefik in front of a whole node."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from front_world import EXAMPLES, HOST, LONDON, TOKYO, Front, adapted, claims_of, front_with, ports_of, program_of

from watchword.demo.client import Page

JSON = ("Accept", "application/json")


def _nginx(front: Front, directory: Path, asked: int) -> list[str]:
    certificates = front.node.data / "ca"
    text = adapted(
        (EXAMPLES / "nginx.conf").read_text(),
        {
            "/etc/nginx/watchword/": f"{certificates}/",
            # So that a test can be anywhere in the world; who speaks the PROXY protocol is the operator's own.
            "listen 127.0.0.1:9443 ssl;": f"listen 127.0.0.1:{front.port} ssl proxy_protocol; "
            "set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;",
            "http {": f"http {{ access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/p; "
            f"fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s; "
            "server_names_hash_bucket_size 64;",
            **{port: new for port, new in ports_of(front, asked).items() if port != "9443"},
        },
    )
    config = directory / "nginx.conf"
    config.write_text(text)
    user = "user root; " if os.geteuid() == 0 else ""
    return [
        program_of("nginx") or "nginx",
        "-p",
        str(directory),
        "-c",
        str(config),
        "-e",
        "stderr",
        "-g",
        f"{user}daemon off; pid {directory}/pid;",
    ]


def _caddy(front: Front, directory: Path, asked: int) -> list[str]:
    text = adapted(
        (EXAMPLES / "Caddyfile").read_text(),
        {
            "/etc/caddy/watchword/edge": f"{front.node.data}/ca/edge",
            "/etc/caddy/watchword/root.pem": str(front.node.authority),
            "default_bind 127.0.0.1": "default_bind 127.0.0.1\n\tservers {\n\t\tlistener_wrappers {\n"
            "\t\t\tproxy_protocol {\n\t\t\t\tallow 127.0.0.1/32\n\t\t\t}\n\t\t\ttls\n\t\t}\n\t}",
            **ports_of(front, asked),
        },
    )
    (directory / "Caddyfile").write_text(text)
    home = f"HOME={directory}"
    return ["env", home, f"XDG_DATA_HOME={directory}", program_of("caddy") or "caddy", "run", "--config", "Caddyfile"]


def _traefik(front: Front, directory: Path, asked: int) -> list[str]:
    ports = {port: new for port, new in ports_of(front, asked).items() if port != "9443"}
    text = adapted(
        (EXAMPLES / "traefik.yaml").read_text(),
        {
            "/etc/traefik/watchword/edge": f"{front.node.data}/ca/edge",
            "/etc/traefik/watchword/root.pem": str(front.node.authority),
            **ports,
        },
    )
    (directory / "dynamic.yaml").write_text(text)
    entry = f"--entryPoints.web.address=127.0.0.1:{front.port}"
    trusted = "--entryPoints.web.proxyProtocol.trustedIPs=127.0.0.1/32"
    return [
        program_of("traefik") or "traefik",
        entry,
        trusted,
        f"--providers.file.filename={directory}/dynamic.yaml",
        "--global.checkNewVersion=false",
    ]


_FRONTS = {"nginx": _nginx, "caddy": _caddy, "traefik": _traefik}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.nginx] if name == "nginx" else []) for name in _FRONTS],
)
def front(request: pytest.FixtureRequest) -> Iterator[Front]:
    with front_with(request.param, _FRONTS[request.param]) as running:
        yield running


def signed_in(front: Front, name: str = "ada") -> Page:
    """Sign in by way of the protected application, as people do."""
    person = front.person(name)
    person.browser.travel(LONDON)
    page = person.browser.get(f"{front.wiki}/")
    return page if page.text == "wiki" else person.sign_in(page)


def test_signing_in_leads_to_the_application_with_a_verified_identity(front: Front) -> None:
    before = len(front.upstream.reached)  # of the tests that ran earlier
    stranger = front.browser().get(f"{front.wiki}/start?x=%2F", follow=False)
    assert stranger.status == 302
    assert (stranger.header("location") or "").startswith(f"{front.portal}/sign-in?return_to=https%3A%2F%2Fwiki.")
    assert len(front.upstream.reached) == before
    page = signed_in(front)
    assert (page.status, page.text, page.url) == (200, "wiki", f"{front.wiki}/")
    reached = front.upstream.reached[-1]
    claims = claims_of(*reached.values("x-watchword-assertion"), front)
    assert (claims["iss"], claims["aud"], claims["name"]) == (front.portal, "wiki", "ada")
    assert claims["permissions"] == ["edit"]
    decided = front.node.last_decision()
    assert reached.values("x-watchword-decision") == [decided["id"]]
    # Repetitions of one decision share an assertion for ten seconds.
    assert decided["repeats"] is not None or claims["jti"] == decided["id"]
    assert front.node.last_decision()["personal"]["ip"] == LONDON


def test_the_application_gets_its_own_cookies_and_none_of_ours(front: Front) -> None:
    signed_in(front)
    browser = front.person("ada").browser
    browser.cookies[HOST] = {"first": "1"} | browser.cookies[HOST] | {"theme": "dark"}
    assert browser.get(f"{front.wiki}/").status == 200
    sent = "; ".join(front.upstream.reached[-1].values("cookie"))
    del browser.cookies[HOST]["first"], browser.cookies[HOST]["theme"]
    assert "__Host-ww" not in sent
    assert sorted(part for part in sent.split("; ") if part) == ["first=1", "theme=dark"]


def test_an_open_path_needs_nobody_and_names_nobody(front: Front) -> None:
    assert front.send(front.browser(), "/healthz").status == 200
    reached = front.upstream.reached[-1]
    assert (reached.target, reached.values("x-watchword-assertion")) == ("/healthz", [])


def test_a_denied_request_does_not_reach_the_application(front: Front) -> None:
    signed_in(front)
    before = len(front.upstream.reached)
    browser = front.person("ada").browser
    assert front.send(browser, "/admin").status == 403
    assert front.send(browser, "/page", method="DELETE").status == 403
    assert len(front.upstream.reached) == before


def test_a_program_without_a_session_is_told_so(front: Front) -> None:
    page = front.send(front.browser(), "/", JSON)
    assert page.status == 401
    assert "Bearer" in (page.header("www-authenticate") or "")
    assert page.header("location") is None


def test_an_impossible_place_is_asked_to_step_up_and_may_then_go_on(front: Front) -> None:
    signed_in(front)
    person = front.person("ada")
    person.browser.travel(TOKYO)
    asked = person.browser.get(f"{front.wiki}/x", follow=False)
    assert asked.status == 302
    assert (asked.header("location") or "").startswith(f"{front.portal}/step-up?")
    challenged = front.send(person.browser, "/x", JSON)
    assert challenged.status == 401
    assert "insufficient_user_authentication" in (challenged.header("www-authenticate") or "")
    page = person.confirm(person.browser.get(f"{front.wiki}/x"))
    assert (page.status, page.text, page.url) == (200, "wiki", f"{front.wiki}/x")
    front.node.command("sessions", "end", "--user", "ada")


def test_signing_out_at_the_application_ends_access(front: Front) -> None:
    signed_in(front, "eve")
    browser = front.person("eve").browser
    page = browser.get(f"{front.wiki}/.watchword/sign-out")
    browser.submit(page, "/.watchword/sign-out")
    assert front.send(browser, "/", JSON).status == 401


def test_an_ended_session_counts_from_the_next_request(front: Front) -> None:
    signed_in(front, "eve")
    browser = front.person("eve").browser
    assert front.send(browser, "/").status == 200
    front.node.command("sessions", "end", "--user", "eve")
    assert front.send(browser, "/", JSON).status == 401


@pytest.mark.parametrize(
    "spoofed",
    [
        ("X-Watchword-Assertion", "eyJhbGciOiJub25lIn0.e30."),
        ("X-Watchword-Decision", "dec_01jd0000000000000000000000"),
        ("X-Watchword-Session", "ses_01jd0000000000000000000000"),
        ("X-Watchword-Client-IP", "10.0.0.1"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", "https://wiki.localhost/healthz"),
        ("X-Rewrite-URL", "/healthz"),
        ("X-Forwarded-Uri", "/healthz"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Real-IP", "6.6.6.6"),
    ],
)
def test_a_spoofed_header_opens_nothing_and_tells_the_application_nothing(
    front: Front, spoofed: tuple[str, str]
) -> None:
    name, value = spoofed
    before = len(front.upstream.reached)
    assert front.send(front.browser(), "/x", JSON, spoofed).status in {400, 401, 403}
    assert len(front.upstream.reached) == before
    signed_in(front)
    browser = front.person("ada").browser
    assert front.send(browser, "/admin", spoofed).status == 403
    before = len(front.upstream.reached)
    page = front.send(browser, "/x", spoofed)
    assert page.status in {200, 403}
    if page.status == 200:
        assert value not in front.upstream.reached[-1].values(name.lower()) or name == "X-Forwarded-Method"
        assert front.node.last_decision()["personal"]["ip"] == LONDON
    else:
        assert len(front.upstream.reached) == before


@pytest.mark.parametrize(
    "target",
    [
        "/ADMIN",
        "/admin/",
        "/admin/x",
        "/./admin",
        "/x/../admin",
        "//admin",
        "/x//admin",
        "/%61dmin",
        "/%2561dmin",
        "/admin%20",
        "/admin.",
        "/admin;x",
        "/;/admin",
        "/x%2f..%2fadmin",
        "/%2e%2e/admin",
        "/.%2e/admin",
        "/x/%2e%2e/admin",
        "/x/..%2fadmin",
        "/healthz/../admin",
        "/healthz/%2e%2e/admin",
        "/healthz/..;/admin",
        "/healthz%2f..%2fadmin",
        "/healthz%00/admin",
        "/admin%00",
        "/admin%0a",
        "/admin#x",
        "/admin%23",
        "/healthz#/../admin",
        "/healthz?/../admin",
        "/admin?/healthz",
        "/admin\\x",
        "/x\\..\\admin",
        "\\admin",
        "/adm\tin",
        "/caf\xe9",
        "/caf%C3%A9",
        "/a%20b?c=%2Fd&e=//f",
        "http://wiki.localhost/admin",
        "https://evil.example/admin",
        "*",
        "admin",
    ],
)
def test_what_is_decided_on_is_what_the_application_gets(front: Front, target: str) -> None:
    signed_in(front)
    before = len(front.upstream.reached)
    page = front.send(front.person("ada").browser, target)
    arrived = front.upstream.reached[before:]
    if page.text != "wiki":
        assert arrived == []
        return
    decided = front.node.last_decision()
    assert [reached.target.partition("?")[0] for reached in arrived] == [decided["path"]]
    assert decided["answer"] == "allow"
    assert not decided["path"].lower().startswith("/admin")


@pytest.mark.parametrize(
    "host", ["WIKI.localhost", "wiki.localhost.", "evil.example", "wiki.localhost@evil.example", ""]
)
def test_another_host_opens_nothing(front: Front, host: str) -> None:
    signed_in(front)
    before = len(front.upstream.reached)
    page = front.send(front.person("ada").browser, "/admin", host=f"{host}:{front.port}" if host else " ")
    assert page.text != "wiki"
    assert len(front.upstream.reached) == before


def test_only_the_proxy_may_ask(front: Front) -> None:
    """The door for proxies is not open through the proxy."""
    signed_in(front)
    browser = front.person("ada").browser
    for path in ("/.ask-watchword", "/.watchword/../forward-auth", "/.watchword/%2e%2e/forward-auth"):
        page = front.send(browser, path)
        assert page.header("x-watchword-assertion") is None
        assert page.status != 200 or page.text == "wiki", "only the application answers with 200"


def test_while_the_control_plane_stands_still_nobody_is_let_in(front: Front) -> None:
    signed_in(front)
    browser = front.person("ada").browser
    control = front.node.up["pids"]["control plane"]
    os.kill(control, signal.SIGSTOP)
    try:
        before = len(front.upstream.reached)
        with browser._tls.wrap_socket(browser._socket(), server_hostname=HOST) as raw:
            raw.settimeout(1)
            raw.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}:{front.port}\r\n\r\n".encode())
            with pytest.raises(TimeoutError):
                raw.recv(1)
        assert len(front.upstream.reached) == before
    finally:
        os.kill(control, signal.SIGCONT)
    deadline = time.monotonic() + 5
    while front.send(browser, "/").status != 200:
        assert time.monotonic() < deadline
