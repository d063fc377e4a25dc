"""What arrives where, and what does not, through real Envoy."""

from __future__ import annotations

import pytest
from edge_harness import Answer, Edge, MakeEdge, Seen, stop

LIES = [
    "x-watchword-client-ip: 6.6.6.6",
    "X-Watchword-Assertion: forged",
    "x-watchword-decision: dec_forged",
    "x-watchword-session: ses_forged",
    "x-watchword-application: admin",
    "x-forwarded-for: 6.6.6.6",
    "x-forwarded-host: evil.example",
    "x-forwarded-proto: http",
    "x-forwarded-uri: /public",
    "x-forwarded-method: GET",
    "x-forwarded: for=6.6.6.6",
    "forwarded: for=6.6.6.6;host=evil.example",
    "x-original-url: /public",
    "x-original-uri: /public",
    "x-original-method: GET",
    "x-original-host: evil.example",
    "x-rewrite-url: /public",
    "x-real-ip: 6.6.6.6",
    "x-client-ip: 6.6.6.6",
    "x-cluster-client-ip: 6.6.6.6",
    "true-client-ip: 6.6.6.6",
    "cf-connecting-ip: 6.6.6.6",
    "x-envoy-original-path: /public",
    "x-envoy-external-address: 6.6.6.6",
    "x-envoy-upstream-rq-timeout-ms: 1",
    "x-envoy-force-trace: true",
    "x-auth-request-user: root",
    "x-auth-request-email: root@evil.example",
    "remote-user: root",
    "remote-groups: administrators",
    "x-remote-user: root",
    "x-remote-groups: administrators",
    "x-user: root",
    "x-user-email: root@evil.example",
    "x-webauth-user: root",
    "x-goog-authenticated-user-email: root",
    "x-amzn-oidc-identity: root",
    "x-forwarded-client-cert: By=root",
    "client-cert: :forged:",
    "x-http-method-override: DELETE",
    "x-method-override: DELETE",
    "x-host: evil.example",
    "x-request-id: chosen",
    "proxy: http://evil.example",
    "x-legacy-identity: root",
]
FORGED = {"6.6.6.6", "evil.example", "forged", "root", "administrators", "/public", "DELETE", "chosen", "dec_forged"}


def forgeries(seen: Seen) -> list[tuple[str, str]]:
    return [(name, value) for name, value in seen.headers if any(lie in value for lie in FORGED)]


@pytest.mark.parametrize("path", ["/notes", "/.watchword/callback"])
async def test_whatever_a_client_says_about_itself_is_gone(make_edge: MakeEdge, path: str) -> None:
    edge: Edge = await make_edge(application={"identity_headers": ("x-legacy-identity",)})
    reply = await edge.get(path, *LIES, "accept: text/html", "x-honest: yes")
    assert reply.status == 200
    for seen in (*edge.asked, *edge.reached, *edge.portal_reached):
        assert forgeries(seen) == []
        assert seen.values("x-watchword-client-ip") == ["127.0.0.1"]
    behind = (edge.reached or edge.portal_reached)[0]
    assert behind.get("x-honest") == "yes"
    assert behind.values("x-forwarded-for") == ["127.0.0.1"]
    assert behind.values("x-forwarded-proto") == ["https"]


async def test_a_client_on_the_portal_cannot_choose_its_address(edge: Edge) -> None:
    await edge.get("/sign-in", *LIES[:-1], host="watchword.localhost")
    assert forgeries(edge.portal_reached[0]) == []
    assert edge.portal_reached[0].values("x-watchword-client-ip") == ["127.0.0.1"]
    assert not edge.asked


async def test_the_authorizer_gets_exactly_what_the_module_documents(edge: Edge) -> None:
    allowed = ["accept: a", "accept-language: b", "authorization: c", "content-type: d", "cookie: e=f", "dpop: g"]
    allowed += ["origin: h", "user-agent: i", "sec-fetch-mode: navigate", "sec-fetch-site: none"]
    await edge.get("/a/b%20c?q=%2F..", *allowed, "x-other: no", "referer: no", method="POST", body=b"secret body")
    (seen,) = edge.asked
    assert (seen.method, seen.target, seen.body) == ("POST", "/authz/a/b%20c?q=%2F..", b"")
    assert seen.get("host") == f"notes.localhost:{edge.settings.listen_address.port}"
    assert seen.get("content-length") == "0"
    assert seen.get("x-watchword-application") == "notes"
    expected = {line.partition(":")[0] for line in allowed}
    expected |= {"host", "content-length", "x-request-id", "x-watchword-application", "x-watchword-client-ip"}
    assert {name for name in seen.names if not name.startswith("x-envoy-")} == expected
    assert edge.reached[0].body == b"secret body"


@pytest.mark.parametrize(
    ("asked", "reached"),
    [
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/../../etc", "/etc"),
        ("//admin", "/admin"),
        ("/a///b//", "/a/b/"),
        ("/public/%2e%2e/admin", "/admin"),
        ("/public/.%2E/admin", "/admin"),
        ("/public/%2e/admin", "/public/admin"),
        ("/%61dmin", "/admin"),
        ("/public\\..\\admin", "/admin"),
        ("/public/..;/admin", "/admin"),
        ("/public/..;x=1/admin", "/admin"),
        ("/a?x=//../%2f;%00#", None),
        ("/a?x=//../%2f;y", "/a?x=//../%2f;y"),
    ],
)
async def test_the_authorizer_and_the_application_see_one_normalised_path(
    edge: Edge, asked: str, reached: str | None
) -> None:
    reply = await edge.get(asked)
    if reached is None:
        assert reply.status == 400
        return
    assert edge.reached[0].target == reached
    assert edge.asked[0].target == "/authz" + reached


REFUSED_PATHS = [
    "/public%2f..%2fadmin",
    "/public%2Fadmin",
    "/public%5cadmin",
    "/admin;jsessionid=1",
    "/admin%3bx",
    "/admin%3Bx",
    "/admin%00",
    "/admin%0a",
    "/admin%0d%0aX-Evil:%201",
    "/admin%7f",
    "/%c0%ae%c0%ae/admin",
    "/%c0%af",
    "/admin%252f",
    "/%252e%252e/admin",
    "/%2500",
    "/%255c",
    "/%253b",
    "/admin%",
    "/admin%2",
    "/admin%zz",
    "/admin#/public",
    "/admin?x#/public",
    "/%f8%88%80%80",
]


@pytest.mark.parametrize("path", REFUSED_PATHS)
async def test_a_path_that_two_parties_might_read_differently_is_refused_by_envoy_itself(edge: Edge, path: str) -> None:
    reply = await edge.get(path)
    assert reply.status == 400
    assert not edge.asked
    assert not edge.reached
    assert (await edge.get(path, host="watchword.localhost")).status == 400
    assert not edge.portal_reached


async def test_path_parameters_pass_for_an_application_that_needs_them(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge(application={"allows_path_parameters": True})
    assert (await edge.get("/map;layer=2")).status == 200
    assert edge.asked[0].target == "/authz" + edge.reached[0].target == "/authz/map;layer=2"


@pytest.mark.parametrize("own", ["/.watchword/x", "/a/../.watchword/x", "//.watchword/x", "/%2ewatchword/x"])
async def test_our_own_pages_on_an_application_host_come_from_us(edge: Edge, own: str) -> None:
    await edge.get(own)
    assert not edge.reached
    assert [seen.target for seen in edge.portal_reached] == ["/.watchword/x"]


@pytest.mark.parametrize("other", ["/.watchword", "/.Watchword/x", "/x/.watchword/x", "/.watchwordx/"])
async def test_what_only_looks_like_our_own_pages_is_authorized(edge: Edge, other: str) -> None:
    edge.answer = lambda _: Answer(status=403)
    assert (await edge.get(other)).status == 403
    assert not edge.portal_reached
    assert not edge.reached


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost", "127.0.0.1", "x.notes.localhost", "notes.localhost.", "notes.localhost.evil"]
)
async def test_an_unknown_host_reaches_nobody(edge: Edge, host: str) -> None:
    assert (await edge.get("/", host=host)).status == 404
    assert not edge.asked
    assert not edge.reached
    assert not edge.portal_reached


async def test_an_absolute_request_target_decides_the_host_for_everybody(edge: Edge) -> None:
    line = b"GET https://watchword.localhost/x HTTP/1.1\r\nhost: notes.localhost\r\nconnection: close\r\n\r\n"
    await edge.raw(line)
    assert not edge.asked
    assert edge.portal_reached[0].get("host") == "watchword.localhost"


async def test_a_health_check_user_agent_is_authorized_like_any_other(edge: Edge) -> None:
    edge.answer = lambda _: Answer(status=403)
    for agent in ("kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Envoy/HC"):
        assert (await edge.get("/", f"user-agent: {agent}")).status == 403
    assert not edge.reached


@pytest.mark.parametrize("line", ["x_watchword_client_ip: 6.6.6.6", "remote_user: root", "x-a_b: 1"])
async def test_a_header_name_with_an_underscore_ends_the_request(edge: Edge, line: str) -> None:
    assert (await edge.get("/", line)).status == 400
    assert not edge.asked


# --- the answers of the authorizer ------------------------------------------------------------------------------------


async def test_an_allow_replaces_headers_and_removes_what_it_names(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge(application={"identity_headers": ("remote-user",)})
    edge.answer = lambda _: Answer(
        headers=[
            ("x-watchword-assertion", "signed"),
            ("x-watchword-client-ip", "overridden by us only"),
            ("cookie", "theirs=1"),
            ("remote-user", "ada"),
            ("x-envoy-auth-headers-to-remove", "x-secret,authorization"),
            ("x-not-listed", "dropped"),
            ("host", "evil.example"),
            ("x-evil", "dropped"),
        ]
    )
    await edge.get("/", "cookie: __Host-ww-session=h; theirs=1", "x-secret: s", "authorization: Bearer t")
    (seen,) = edge.reached
    assert seen.values("cookie") == ["theirs=1"]
    assert seen.values("x-watchword-assertion") == ["signed"]
    assert seen.values("remote-user") == ["ada"]
    assert not {"x-secret", "authorization", "x-not-listed", "x-evil"} & seen.names
    assert (
        seen.get(
            "host",
        )
        == f"notes.localhost:{edge.settings.listen_address.port}"
    )


async def test_an_allow_may_set_cookies_in_the_browser(edge: Edge) -> None:
    edge.answer = lambda _: Answer(headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")])
    reply = await edge.get("/")
    assert sorted(reply.values("set-cookie")) == ["a=1", "b=2"]


async def test_a_denial_reaches_the_client_as_it_is(edge: Edge) -> None:
    headers = [
        ("location", "https://watchword.localhost:8443/sign-in"),
        ("set-cookie", "a=1; Secure"),
        ("set-cookie", "b=2; Secure"),
        ("www-authenticate", 'Bearer error="insufficient_user_authentication"'),
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'"),
        ("retry-after", "5"),
    ]
    for status in (302, 401, 403, 404, 429):
        edge.answer = lambda _, status=status: Answer(status, headers, b"<p>no</p>")
        reply = await edge.get("/")
        assert (reply.status, reply.body) == (status, b"<p>no</p>")
        for name, value in headers:
            assert value in reply.values(name), name
        assert reply.values("set-cookie") == ["a=1; Secure", "b=2; Secure"]
    assert not edge.reached


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_authorizer_that_fails_denies(edge: Edge, status: int) -> None:
    edge.answer = lambda _: Answer(status)
    assert (await edge.get("/")).status == 503
    assert not edge.reached


@pytest.mark.parametrize("status", [201, 204, 206, 301])
async def test_only_200_allows(edge: Edge, status: int) -> None:
    edge.answer = lambda _: Answer(status)
    await edge.get("/")
    assert not edge.reached


async def test_without_a_control_plane_everything_is_denied_in_words(edge: Edge) -> None:
    for name in ("authz", "web"):
        await stop(*edge.servers[name])
    page = await edge.get("/", "accept: text/html")
    assert (page.status, page.get("content-type")) == (503, "text/html; charset=utf-8")
    assert b"Nothing is let through unverified" in page.body
    problem = await edge.get("/", "accept: application/json")
    assert (problem.status, problem.get("content-type")) == (503, "application/problem+json")
    assert (await edge.get("/.watchword/callback")).status == 503
    assert not edge.reached


# --- responses --------------------------------------------------------------------------------------------------------


async def test_an_application_does_not_speak_in_our_name(edge: Edge) -> None:
    reply = await edge.get("/")
    assert reply.get("x-app") == "yes"
    assert reply.get("server") == "watchword"
    names = {name for name, _ in reply.headers}
    assert not {name for name in names if name.startswith(("x-watchword-", "x-envoy-"))}
    assert "x-powered-by" not in names


async def test_hosts_of_a_developers_machine_get_no_hsts_and_others_do(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge(application={"hosts": ("notes.localhost", "notes.example.com")})
    assert (await edge.get("/")).get("strict-transport-security") == "max-age=31536000"
    assert (await edge.get("/", host="watchword.localhost")).get("strict-transport-security") is None


async def test_a_denial_carries_hsts_too(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge(application={"hosts": ("notes.localhost", "notes.example.com")})
    edge.answer = lambda _: Answer(403)
    assert (await edge.get("/")).get("strict-transport-security") == "max-age=31536000"


async def test_the_access_log_holds_no_query(edge: Edge) -> None:
    await edge.get("/.watchword/callback?code=very-secret")
    await edge.process.stop()  # flushes the log
    log = edge.files.access_log.read_text()
    assert "/.watchword/callback" in log
    assert "very-secret" not in log
