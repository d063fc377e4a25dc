"""Forward auth believes a configured proxy only, and only a description that can be read in one way."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from decision_world import HOME, DecisionWorld, Visit
from door_world import DoorWorld, cookies_of
from hypothesis import given
from hypothesis import strategies as st

from watchword.enforcement import forward_auth
from watchword.enforcement.forward_auth import ForwardAuth
from watchword.kernel import Reason

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128")]
PROXY = "10.1.2.3"


class Asked:
    """What came back, and what the portal was handed."""

    def __init__(self, world: DecisionWorld) -> None:
        self.doors = DoorWorld(world)
        self.handed: list[Any] = []
        self.app = ForwardAuth(self.doors.door, self._portal, PROXIES, identity_headers=["X-Wiki-User"])

    async def _portal(self, scope: Any, _receive: Any, send: Any) -> None:
        self.handed.append(scope)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(
        self, path: str, headers: list[tuple[str, str]], *, peer: str | None = PROXY
    ) -> tuple[int, dict[str, str], str]:
        sent: list[Any] = []

        async def collect(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "client": (peer, 4711) if peer is not None else None,
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        }
        await self.app(scope, lambda: None, collect)  # type: ignore[arg-type]
        found = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return sent[0]["status"], found, sent[1]["body"].decode()

    async def nginx(
        self,
        visit: Visit | None,
        url: str = "https://notes.localhost:8443/",
        *more: tuple[str, str],
        method: str = "GET",
        ip: str = HOME,
    ) -> tuple[int, dict[str, str], str]:
        headers = [("X-Original-URL", url), ("X-Original-Method", method), ("X-Forwarded-For", ip)]
        return await self.send("/forward-auth/nginx", [*headers, ("Cookie", cookies_of(visit)), *more])

    async def traefik(
        self,
        visit: Visit | None,
        uri: str = "/",
        *more: tuple[str, str],
        method: str = "GET",
        host: str = "notes.localhost:8443",
    ) -> tuple[int, dict[str, str], str]:
        headers = [
            ("X-Forwarded-Uri", uri),
            ("X-Forwarded-Method", method),
            ("X-Forwarded-Host", host),
            ("X-Forwarded-For", HOME),
        ]
        return await self.send("/forward-auth", [*headers, ("Cookie", cookies_of(visit)), *more])

    @property
    def decided(self) -> Any:
        return self.doors.world.point.recent[-1]


@pytest.fixture
def asked(world: DecisionWorld) -> Asked:
    return Asked(world)


async def test_both_dialects_lead_to_the_same_decision(asked: Asked) -> None:
    visit = await asked.doors.world.visit()
    first = await asked.nginx(visit, "https://notes.localhost:8443/a%20b?c=d", method="POST")
    second = await asked.traefik(visit, "/a%20b?c=d", method="POST")
    decisions = list(asked.doors.world.point.recent)
    for (status, headers, _), decision in zip((first, second), decisions, strict=True):
        assert status == 200
        assert headers["x-watchword-decision"] == decision.id
        assert "x-watchword-assertion" in headers
        request = decision.request
        assert (request.method, request.host, request.path) == ("POST", "notes.localhost", "/a%20b")
        assert request.client_ip == HOME


async def test_a_stranger_is_sent_away_in_each_dialect(asked: Asked) -> None:
    navigates = ("Sec-Fetch-Mode", "navigate")
    status, headers, _ = await asked.traefik(None, "/", navigates)
    assert (status, headers["location"].partition("?")[0]) == (302, "https://watchword.localhost:8443/sign-in")
    status, headers, _ = await asked.nginx(None, "https://notes.localhost:8443/", navigates)
    assert status == 401
    assert headers["location"].startswith("https://watchword.localhost:8443/sign-in?")
    assert headers["set-cookie"].startswith("__Host-ww-state=")


async def test_nginx_understands_every_status(asked: Asked) -> None:
    visit = await asked.doors.world.visit()
    assert (await asked.nginx(visit, "https://evil.example/"))[0] == 403
    assert (await asked.nginx(visit, method="TRACE"))[0] == 403
    assert (await asked.nginx(visit, "https://notes.localhost:8443/admin"))[0] == 403
    asked.doors.world.fresh_at = float("-inf")
    assert (await asked.nginx(visit))[0] == 403


# --- who may ask ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", ["11.0.0.1", "127.0.0.1", "::2", "", None, "10.1.2.3.4", "::ffff:11.0.0.1", "unix"])
async def test_an_address_that_is_no_configured_proxy_gets_nothing(asked: Asked, peer: str | None) -> None:
    visit = await asked.doors.world.visit()
    for path in ("/forward-auth", "/forward-auth/nginx", "/.watchword/callback", "/"):
        status, headers, _ = await asked.send(path, [("Cookie", cookies_of(visit))], peer=peer)
        assert status == 403
        assert "x-watchword-assertion" not in headers
    assert asked.handed == []
    assert not asked.doors.world.point.recent


@pytest.mark.parametrize("peer", ["10.0.0.1", "::1", "::ffff:10.0.0.1"])
async def test_a_configured_proxy_may_ask(asked: Asked, peer: str) -> None:
    headers = [("X-Forwarded-For", HOME)]
    assert (await asked.send("/.watchword/callback", headers, peer=peer))[0] == 204


async def test_without_configured_proxies_nobody_may_ask(asked: Asked) -> None:
    asked.app = ForwardAuth(asked.doors.door, asked._portal, [])
    assert (await asked.nginx(await asked.doors.world.visit()))[0] == 403


async def test_there_is_nothing_else_behind_this_door(asked: Asked) -> None:
    for path in ("/", "/admin", "/forward-auth/", "/forward-auth/nginx/x", "/sign-in", "/healthz"):
        assert (await asked.send(path, [("X-Forwarded-For", HOME)]))[0] == 404
    assert asked.handed == []


# --- where the request comes from -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("198.51.100.9", "198.51.100.9"),
        ("6.6.6.6, 198.51.100.9", "198.51.100.9"),
        ("6.6.6.6,198.51.100.9 ", "198.51.100.9"),
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
    ],
)
async def test_the_last_hop_counts(asked: Asked, said: str, seen: str) -> None:
    await asked.nginx(await asked.doors.world.visit(), ip=said)
    assert asked.decided.request.client_ip == seen


async def test_a_second_forwarded_for_header_is_part_of_the_first(asked: Asked) -> None:
    visit = await asked.doors.world.visit()
    await asked.nginx(visit, "https://notes.localhost/", ("X-Forwarded-For", "198.51.100.9"), ip="6.6.6.6")
    assert asked.decided.request.client_ip == "198.51.100.9"


@pytest.mark.parametrize("said", ["", "unknown", "198.51.100.9, ", "notes.localhost", "198.51.100.9:443", "1" * 5000])
async def test_a_proxy_that_does_not_say_where_from_is_refused(asked: Asked, said: str) -> None:
    visit = await asked.doors.world.visit()
    status, _, words = await asked.nginx(visit, ip=said)
    assert (status, words) == (403, "the proxy did not say where the request comes from\n")
    assert not asked.doors.world.point.recent


async def test_other_headers_about_the_address_are_not_believed(asked: Asked) -> None:
    spoofed = [(name, "6.6.6.6") for name in ("X-Real-IP", "Forwarded", "X-Client-IP", "CF-Connecting-IP")]
    await asked.nginx(await asked.doors.world.visit(), "https://notes.localhost/", *spoofed)
    assert asked.decided.request.client_ip == HOME


# --- what was asked for ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "//admin",
        "/a//b",
        "/../admin",
        "/a/../admin",
        "/a/./b",
        "/a/..",
        "/a;b",
        "/a\\b",
        "/a%2fb",
        "/a%2Fb",
        "/%2e%2e/admin",
        "/a%5cb",
        "/a%3bb",
        "/a%00",
        "/a%0d%0ab",
        "/a%23b",
        "/a%252fb",
        "/%61dmin",
        "/adm%49n",
        "/adm%69n",
        "/%7Eada",
        "/a%2Db",
        "/a%30",
        "/a%",
        "/a%zz",
        "/a b",
        "/a\tb",
        "/a#b",
        "/a#",
        "/é",
        "/a\x7f",
        "",
        "admin",
        "*",
        "http://evil.example/",
        "/" + "a" * 9000,
        "/a?" + "b" * 9000,
    ],
)
async def test_an_ambiguous_path_is_refused_before_anything_is_decided(asked: Asked, path: str) -> None:
    visit = await asked.doors.world.visit(groups=["administrators"])
    assert (await asked.traefik(visit, path))[0] == 403
    if path:
        assert (await asked.nginx(visit, f"https://notes.localhost:8443{path}"))[0] == 403
    assert not asked.doors.world.point.recent


@given(st.text(max_size=30))
def test_every_escape_of_what_need_not_be_escaped_is_ambiguous(text: str) -> None:
    for letter in text:
        if letter.isascii() and (letter.isalnum() or letter in "-._~/\\;#%"):
            for spelled in (f"/%{ord(letter):02x}", f"/%{ord(letter):02X}"):
                assert forward_auth._AMBIGUOUS.search(spelled)


@pytest.mark.parametrize("path", ["/caf%C3%A9", "/a%20b", "/a%26b%3Fc", "/a%40b", "/a+b/(c)/d,e:f@g!$&'*=~-._"])
async def test_ordinary_escapes_are_understood(asked: Asked, path: str) -> None:
    visit = await asked.doors.world.visit()
    assert (await asked.nginx(visit, f"https://notes.localhost{path}"))[0] == 200
    assert (await asked.traefik(visit, path))[0] == 200
    assert asked.decided.request.path == path


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        "notes.localhost/",
        "ftp://notes.localhost/",
        "https://",
        "https:///",
        "https://ada@notes.localhost/",
        "https://notes.localhost@evil.example/",
        "https://notes.localhost\\.evil.example/",
        "https://notes.localhost:8443:1/",
        "https://notes.localhost?x/../admin",
        "https://notes.localhost#/",
        "https://[::1]/",
        "https://notes.localhost:port/",
        "https://notes.localhost/, https://notes.localhost/admin",
        " https://notes.localhost/",
    ],
)
async def test_a_url_that_is_none_is_refused(asked: Asked, url: str) -> None:
    assert (await asked.nginx(await asked.doors.world.visit(), url))[0] == 403
    assert not asked.doors.world.point.recent


@pytest.mark.parametrize("method", ["", "get", "G E T", "GET, DELETE", "GET/", "A" * 17])
async def test_a_method_that_is_none_is_refused(asked: Asked, method: str) -> None:
    visit = await asked.doors.world.visit()
    assert (await asked.nginx(visit, method=method))[0] == 403
    assert (await asked.traefik(visit, method=method))[0] == 403
    assert not asked.doors.world.point.recent


@pytest.mark.parametrize("name", ["X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host"])
async def test_a_header_that_is_said_twice_is_refused(asked: Asked, name: str) -> None:
    visit = await asked.doors.world.visit()
    for spoofed in ("/healthz", "GET", "notes.localhost"):
        assert (await asked.traefik(visit, "/", (name, spoofed)))[0] == 403


@pytest.mark.parametrize(
    "name",
    [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Rewrite-URL",
        "X-Original-URI",
        "X-Watchword-Assertion",
        "X-Watchword-Stream",
        "X-Watchword-Client-IP",
        "X-Wiki-User",  # which an application believes
        "X_Wiki_User",  # which a CGI-like upstream reads as the one above
        "X_Watchword_Assertion",
        "X-Watchword_Assertion",
        "X_Forwarded_Uri",
    ],
)
async def test_what_only_a_proxy_may_say_is_refused_from_a_client(asked: Asked, name: str) -> None:
    visit = await asked.doors.world.visit()
    assert (await asked.nginx(visit, "https://notes.localhost/", (name, "x")))[0] == 403
    assert (await asked.traefik(visit, "/", (name, "x")))[0] == 403
    assert asked.doors.admitted == []


async def test_an_original_url_beside_the_other_dialect_is_the_clients_own(asked: Asked) -> None:
    visit = await asked.doors.world.visit()
    spoofed = ("X-Original-URL", "https://notes.localhost/admin")
    assert (await asked.traefik(visit, "/", spoofed))[0] == 403


async def test_the_dialects_do_not_mix(asked: Asked) -> None:
    visit = await asked.doors.world.visit()
    forwarded = [
        ("X-Forwarded-Uri", "/healthz"),
        ("X-Forwarded-Host", "notes.localhost"),
        ("X-Forwarded-Method", "GET"),
    ]
    await asked.nginx(visit, "https://notes.localhost/admin", *forwarded)
    assert asked.decided.reasons == (Reason.POLICY_FORBIDS,)


# --- the way back from the portal -----------------------------------------------------------------------------------


async def test_the_portal_gets_the_address_and_nothing_that_claims_to_be_from_the_edge(asked: Asked) -> None:
    headers = [
        ("X-Forwarded-For", HOME),
        ("X-Watchword-Client-IP", "6.6.6.6"),
        ("X-Watchword-Session", "x"),
        ("A", "b"),
    ]
    assert (await asked.send("/.watchword/callback", headers))[0] == 204
    seen = [(name, value) for name, value in asked.handed[0]["headers"] if name.startswith(b"x-watchword-")]
    assert seen == [(b"x-watchword-client-ip", HOME.encode())]
    assert (b"a", b"b") in asked.handed[0]["headers"]


async def test_other_protocols_are_not_spoken(asked: Asked) -> None:
    with pytest.raises(RuntimeError):
        await asked.app({"type": "lifespan"}, lambda: None, lambda _: None)  # type: ignore[arg-type]
