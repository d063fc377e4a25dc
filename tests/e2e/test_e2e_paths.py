"""Attack: an address that two parties read differently. The protected page is `/admin`, for administrators only."""

from __future__ import annotations

import pytest
from siege import Fortress

pytestmark = pytest.mark.e2e

WAYS_TO_ADMIN = (
    "/admin",
    "/admin/",
    "/admin?",
    "/admin?x=/open",
    "//admin",
    "///admin//",
    "/./admin",
    "/.//admin",
    "/x/../admin",
    "/x/y/../../admin",
    "/../admin",
    "/x/%2e%2e/admin",
    "/x/%2E%2e/admin",
    "/x/.%2e/admin",
    "/%2e/admin",
    "/x%2f..%2fadmin",
    "/x%2F..%2Fadmin",
    "/%2fadmin",
    "/.%2fadmin",
    "/admin%2f",
    "/%61dmin",
    "/%61%64%6d%69%6e",
    "/adm%69n",
    "/admin;x",
    "/admin;x=1/y",
    "/;/admin",
    "/x;/../admin",
    "/..;/admin",
    "/admin%3bx",
    "/x/..%3b/admin",
    "/admin#x",
    "/#/../admin",
    "/x#/../admin",
    "/\\admin",
    "/x\\..\\admin",
    "\\admin",
    "/%5cadmin",
    "/x%5c..%5cadmin",
    "/admin%00",
    "/%00/../admin",
    "/admin\x00",
    "/admin%0a",
    "/admin%0d%0aX-App-User:%20root",
    "/admin%09",
    "/%c0%afadmin",
    "/%c0%ae%c0%ae/admin",
    "/%e0%80%afadmin",
    "/x/%252e%252e/admin",
    "/%252fadmin",
    "/%25%32%66admin",
    "/%f0%80%80%afadmin",
    "/%u0061dmin",
    # What would become an escape of a separator once its letters are decoded.
    "/x/%%32%65%%32%65/admin",
    "/x/%2%65%2%65/admin",
    "/x%%32%66..%%32%66admin",
    "/x%2%66..%2%66admin",
    "/%2%35%32%66admin",
    "/open/%2%65%2%65/admin",
    "/%5%63admin",
    "/x%3%62/../admin",
    "/admin%0%30",
    "/admin%",
    "/admin%2",
    "/open/../admin",
    "/open/%2e%2e/admin",
    "/open/..%2fadmin",
    "/open\\..\\admin",
    "/open;/../admin",
    "/open/..;/admin",
    "/open%2f..%2fadmin",
    "/open#/../admin",
    "/stream/../admin",
    "/.watchword/../admin",
    "/.watchword/%2e%2e/admin",
    "/.watchword/..%2fadmin",
    "/.watchword\\..\\admin",
    "/.watchword/..;/admin",
    "admin",
    "*",
    "",
    " /admin",
    "/ admin",
    "/admin HTTP/1.1\r\nX-A: b",
)
# Other pages to every server that tells upper from lower case; policy must see them exactly as the upstream does.
NEIGHBOURS = (
    *(
        "/Admin",
        "/ADMIN",
        "/%41dmin",
        "/admin.",
        "/admin%20",
        "/adminx",
        "/admin%23",
        "/admin%3f",
        "/admi",
        "/admin%7e",
    ),
    *("/é", "/open//../admin", "/%%61dmin"),
)


@pytest.mark.parametrize("target", WAYS_TO_ADMIN)
@pytest.mark.parametrize("host", ["echo.localhost", "notes.localhost"])
def test_no_spelling_of_a_protected_path_reaches_it(fortress: Fortress, target: str, host: str) -> None:
    before = len(fortress.echo.seen)
    reply = fortress.wire.send(target, host=host, browser=fortress.member.browser)
    assert reply.status in {400, 403, 404}, reply
    assert b"The administration" not in reply.body or reply.status == 403
    assert fortress.echo.targets()[before:] == []


@pytest.mark.parametrize("target", WAYS_TO_ADMIN)
def test_no_spelling_of_a_path_opens_a_page_to_a_stranger(fortress: Fortress, target: str) -> None:
    before = len(fortress.echo.seen)
    for host in ("echo.localhost", "notes.localhost"):
        assert fortress.wire.send(target, host=host).status in {400, 401, 404}
    assert fortress.echo.targets()[before:] == []


@pytest.mark.parametrize(
    "target", [*WAYS_TO_ADMIN, *NEIGHBOURS, "/x/./y/../z", "/a//b", "/%7Euser", "/a%2eb", "/?a=../b"]
)
def test_policy_sees_exactly_what_the_application_gets(fortress: Fortress, target: str) -> None:
    before = len(fortress.echo.seen)
    reply = fortress.wire.send(target, host="echo.localhost", browser=fortress.root.browser)
    arrived = fortress.echo.seen[before:]
    if reply.status != 200:
        assert arrived == []
        return
    (seen,) = arrived
    record = fortress.node.decision(seen.get("x-watchword-decision") or "")
    assert record["path"] == seen.target.partition("?")[0]
    is_admin = record["path"] == "/admin" or record["path"].startswith("/admin/")
    assert record["resource"] == ("admin" if is_admin else "default")


def test_the_administrator_does_reach_the_protected_page(fortress: Fortress) -> None:
    # Without this the tests above would pass on a wall without a door.
    for host in ("echo.localhost", "notes.localhost"):
        assert fortress.wire.send("/admin", host=host, browser=fortress.root.browser).status == 200


@pytest.mark.parametrize("length", [8_300, 30_000, 70_000, 200_000])
def test_an_overlong_path_is_refused(fortress: Fortress, length: int) -> None:
    before = len(fortress.echo.seen)
    for target in ("/" + "a" * length, "/open/" + "a" * length, "/admin/" + "a/" * (length // 2)):
        reply = fortress.wire.send(target, host="echo.localhost", browser=fortress.member.browser)
        # What is too long for the edge itself may end in a closed connection.
        assert reply.status in {0, 400, 403, 431}
    assert fortress.echo.targets()[before:] == []


def test_an_absolute_target_is_decided_for_the_host_that_it_names(fortress: Fortress) -> None:
    # RFC 9112 section 3.2.2: the target's authority counts and Host does not.
    port, browser, before = fortress.node.port, fortress.member.browser, len(fortress.echo.seen)
    for target, host in (
        (f"https://echo.localhost:{port}/admin", "notes.localhost"),
        (f"http://echo.localhost:{port}/admin", "echo.localhost"),
        (f"https://echo.localhost:{port}/open/../admin", "echo.localhost"),
        (f"https://user@echo.localhost:{port}/admin", "echo.localhost"),
        ("https://evil.example/admin", "echo.localhost"),
        ("ftp://echo.localhost/admin", "echo.localhost"),
        ("https:///admin", "echo.localhost"),
        ("https://echo.localhost\\@evil.example/", "echo.localhost"),
    ):
        assert fortress.wire.send(target, host=host, browser=browser).status in {400, 401, 403, 404}
    assert fortress.echo.targets()[before:] == []


def test_an_absolute_target_carries_no_session_to_another_host(fortress: Fortress) -> None:
    port, before = fortress.node.port, len(fortress.echo.seen)
    # The browser has a session for notes; the target names echo.
    target = f"https://echo.localhost:{port}/"
    assert fortress.wire.send(target, host="notes.localhost", browser=fortress.member.browser).status == 401
    assert fortress.echo.targets()[before:] == []


@pytest.mark.parametrize(
    "method",
    [
        "TRACE",
        "TRACK",
        "CONNECT",
        "get",
        "Get",
        "PROPFIND",
        "MKCOL",
        "DEBUG",
        "PURGE",
        "PRI",
        "M-SEARCH",
        "A" * 300,
        "GE T",
    ],
)
def test_a_method_that_no_policy_names_is_refused(fortress: Fortress, method: str) -> None:
    before = len(fortress.echo.seen)
    for target in ("/", "/admin", f"echo.localhost:{fortress.node.port}"):
        reply = fortress.wire.send(target, method=method, host="echo.localhost", browser=fortress.root.browser)
        assert reply.status in {0, 400, 403, 404, 405, 501}
    assert fortress.echo.targets()[before:] == []


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_the_method_that_policy_saw_is_the_one_the_application_gets(fortress: Fortress, header: str) -> None:
    fortress.wire.send("/method", f"{header}: DELETE", host="echo.localhost", browser=fortress.member.browser)
    seen = fortress.echo.seen[-1]
    assert (seen.method, seen.values(header.lower())) == ("GET", [])
    assert fortress.node.decision(seen.get("x-watchword-decision") or "")["action"] == "read"
