"""Attack: requests that two parties split differently, other protocols, and upgrades without a session."""

from __future__ import annotations

import re
from contextlib import suppress

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest
from siege import Fortress, read_all
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from watchword.demo.client import Browser

pytestmark = pytest.mark.e2e

# The second request of each pair would reach the protected page if anybody split the bytes otherwise than policy did.
SMUGGLED = b"GET /admin/smuggled HTTP/1.1\r\nHost: echo.localhost\r\n\r\n"
_LAST = b"GET /admin/last HTTP/1.1\r\nHost: echo.localhost\r\nConnection: close\r\n\r\n"
FRAMINGS = {
    "both lengths": b"Content-Length: %(n)d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, the other way round": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: %(n)d\r\n\r\n",
    "a list of lengths": b"Content-Length: 0, %(n)d\r\n\r\n",
    "a signed length": b"Content-Length: +%(n)d\r\n\r\n",
    "a hexadecimal length": b"Content-Length: 0x10\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length with spaces": b"Content-Length: 1 0\r\n\r\n",
    "a length before its colon": b"Content-Length : %(n)d\r\n\r\n",
    "a chunked that is none": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a chunked with a tab": b"Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "a chunked before its colon": b"Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "a chunked that is not last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a doubled chunked": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n",
    "a folded chunked": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a chunked behind a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a chunk with an extension": b'Transfer-Encoding: chunked\r\n\r\n0;a="\r\n"\r\n\r\n',
    "a chunk extension with a bare line feed": b"Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n0\r\n\r\n",
    "a chunk size that overflows": b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n0\r\n\r\n",
    "a chunk size that is negative": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"X: y\nTransfer-Encoding: chunked\n\n0\r\n\r\n",
    "a bare carriage return": b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a NUL in a name": b"Content-\x00Length: %(n)d\r\n\r\n",
    "a line that begins with a space": b" Content-Length: %(n)d\r\n\r\n",
    "a body on a GET": b"Content-Length: %(n)d\r\n\r\n",
    "an upgrade to h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    "an Expect": b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    "connection names our headers": b"Connection: x-watchword-client-ip, x-forwarded-for, cookie\r\n\r\n",
}


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS.keys())
@pytest.mark.parametrize("method", [b"POST", b"GET"])
def test_a_smuggled_request_reaches_nothing(fortress: Fortress, framing: bytes, method: bytes) -> None:
    before = len(fortress.echo.seen)
    rest = framing % {b"n": len(SMUGGLED)} if b"%(n)" in framing else framing
    head = method + b" /carrier HTTP/1.1\r\nHost: echo.localhost\r\n" + _cookie(fortress)
    payload = head + rest + SMUGGLED + SMUGGLED + _LAST
    fortress.wire.raw(payload, ip=fortress.member.browser.ip, host="echo.localhost", patience_s=1)
    _nothing_smuggled(fortress, before)


def test_what_follows_a_request_is_a_request_of_its_own(fortress: Fortress) -> None:
    # Two requests on one connection: each is decided by itself, whatever the one before it was allowed.
    before = len(fortress.echo.seen)
    cookie = _cookie(fortress)
    host = b"Host: echo.localhost\r\n"
    payload = b"GET /open HTTP/1.1\r\n" + host + b"\r\n" + b"GET / HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n"
    answers = re.findall(rb"HTTP/1\.1 (\d+)", fortress.wire.raw(payload, host="echo.localhost"))
    assert answers == [b"200", b"401"]
    payload = (
        b"GET / HTTP/1.1\r\n" + host + cookie + b"\r\nGET /admin HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n"
    )
    answers = re.findall(
        rb"HTTP/1\.1 (\d+)", fortress.wire.raw(payload, host="echo.localhost", ip=fortress.member.browser.ip)
    )
    assert answers == [b"200", b"401"]
    assert fortress.echo.targets()[before:] == ["/open", "/"]


def test_a_connection_of_one_person_lends_nothing_to_the_next(fortress: Fortress) -> None:
    # Envoy keeps connections to the application open; identity belongs to requests and not to connections.
    fortress.wire.send("/", host="echo.localhost", browser=fortress.root.browser)
    fortress.wire.send("/", host="echo.localhost", browser=fortress.member.browser)
    fortress.wire.send("/open", host="echo.localhost")
    assert [seen.values("x-app-user") for seen in fortress.echo.seen[-3:]] == [["admin"], ["member"], []]


@pytest.mark.parametrize("version", ["1.0", "0.9", "2.0", "3", "1.1.1", ""])
def test_other_versions_of_http_are_refused(fortress: Fortress, version: str) -> None:
    before = len(fortress.echo.seen)
    reply = fortress.wire.send("/", host="echo.localhost", browser=fortress.member.browser, version=version)
    assert reply.status in {0, 400, 426, 505}
    assert len(fortress.echo.seen) == before


def test_a_request_without_a_version_is_refused(fortress: Fortress) -> None:
    before = len(fortress.echo.seen)
    for payload in (
        b"GET /admin\r\n\r\n",
        b"\r\n\r\n",
        b"\x16\x03\x01\x00\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00" * 64,
    ):
        answer = fortress.wire.raw(payload + b"GET / HTTP/1.1\r\n\r\n", host="echo.localhost", patience_s=1)
        assert b" 200 " not in answer
    assert len(fortress.echo.seen) == before


# --- HTTP/2 -----------------------------------------------------------------------------------------------------------

Headers = list[tuple[str, str]]


def _h2_headers(fortress: Fortress, path: str = "/h2", **pseudo: str) -> Headers:
    wanted = {":method": "GET", ":scheme": "https", ":authority": f"echo.localhost:{fortress.node.port}", ":path": path}
    wanted |= {f":{name}": value for name, value in pseudo.items()}
    return list(wanted.items())


def _h2(fortress: Fortress, headers: Headers, body: bytes = b"", browser: Browser | None = None) -> int:
    """Send one HTTP/2 request without a client's own scruples; return its status, 0 if the stream was reset."""
    config = h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
    connection = h2.connection.H2Connection(config)
    ip = browser.ip if browser else ""
    if browser is not None:
        headers = headers + [("cookie", f"{n}={v}") for n, v in browser.cookies["echo.localhost"].items()]
    with fortress.wire.connection("echo.localhost", ip=ip, alpn="h2") as tls:
        connection.initiate_connection()
        connection.send_headers(1, headers, end_stream=not body)
        if body:
            connection.send_data(1, body, end_stream=True)
        tls.sendall(connection.data_to_send())
        while data := tls.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    return int(dict(event.headers)[b":status"])
                if isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                    return 0
            tls.sendall(connection.data_to_send())
    return 0


def test_http2_is_held_to_the_same_rules(fortress: Fortress) -> None:
    browser, before = fortress.member.browser, len(fortress.echo.seen)
    lies = [("x-app-user", "root"), ("x-watchword-client-ip", "6.6.6.6"), ("remote-user", "root")]
    assert _h2(fortress, _h2_headers(fortress) + lies, browser=browser) == 200
    seen = fortress.echo.seen[-1]
    assert (seen.values("x-app-user"), seen.values("x-watchword-client-ip")) == (["member"], [browser.ip])
    assert _h2(fortress, _h2_headers(fortress)) == 401
    for path in ("/admin", "/x/../admin", "/%61dmin", "/x/%2e%2e/admin", "//admin", "/open/../admin", "/x\\..\\admin"):
        assert _h2(fortress, _h2_headers(fortress, path), browser=browser) == 403
    for path in ("/x%2f..%2fadmin", "/admin;x", "/admin#x", "/admin%00", "admin", "", "*"):
        assert _h2(fortress, _h2_headers(fortress, path), browser=browser) in {0, 400, 404}
    assert fortress.echo.targets()[before:] == ["/h2"]


@pytest.mark.parametrize(
    "extra",
    [
        [("transfer-encoding", "chunked")],
        [("connection", "keep-alive")],
        [("content-length", "0")],
        [("content-length", "100")],
        [("x-a", "b\r\nx-app-user: root")],
        [("x-a\r\nx-app-user", "root")],
        [("x-a: b", "c")],
        [("x-a", "b\x00")],
        [("X-App-User", "root")],
        [(":path", "/admin")],
        [(":authority", "notes.localhost")],
        [(":unknown", "x")],
        [("host", "notes.localhost")],
        [("x_app_user", "root")],
    ],
    ids=lambda extra: repr(extra[0]),
)
def test_http2_headers_that_http1_could_not_say_smuggle_nothing(fortress: Fortress, extra: Headers) -> None:
    before = len(fortress.echo.seen)
    headers = _h2_headers(fortress, method="POST") + extra
    with suppress(h2.exceptions.ProtocolError):
        _h2(fortress, headers, body=SMUGGLED, browser=fortress.member.browser)
    _nothing_smuggled(fortress, before)
    for seen in fortress.echo.seen[before:]:
        assert seen.values("x-app-user") == ["member"]
        assert (seen.get("host") or "").startswith("echo.localhost")


@pytest.mark.parametrize(
    "pseudo",
    [
        {"path": "/x HTTP/1.1\r\nHost: echo.localhost\r\n\r\nGET /admin"},
        {"path": "/x y"},
        {"path": "/x\r\nx-app-user: root"},
        {"method": "GET /admin HTTP/1.1\r\nX:"},
        {"scheme": "https://echo.localhost/admin?"},
        {"authority": "echo.localhost/admin"},
        {"authority": "echo.localhost@evil.example"},
        {"authority": "echo.localhost\r\nx-app-user: root"},
        {"authority": ""},
    ],
    ids=repr,
)
def test_http2_pseudo_headers_that_would_split_a_line_are_refused(fortress: Fortress, pseudo: dict[str, str]) -> None:
    before = len(fortress.echo.seen)
    assert _h2(fortress, _h2_headers(fortress, **pseudo), browser=fortress.member.browser) in {
        0,
        400,
        401,
        403,
        404,
        501,
    }
    assert len(fortress.echo.seen) == before


# --- upgrades ---------------------------------------------------------------------------------------------------------

_UPGRADE = (
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def test_a_websocket_without_a_session_is_refused(fortress: Fortress) -> None:
    for host, target in (("notes.localhost", "/ws"), ("echo.localhost", "/stream"), ("echo.localhost", "/")):
        before = len(fortress.echo.seen)
        request = [f"GET {target} HTTP/1.1", f"Host: {host}:{fortress.node.port}", "Connection: Upgrade", *_UPGRADE]
        answer = fortress.wire.raw("\r\n".join([*request, "", ""]).encode(), host=host)
        assert answer.split(b" ")[1] == b"401"
        assert len(fortress.echo.seen) == before


def test_a_websocket_to_a_protected_page_is_refused(fortress: Fortress) -> None:
    request = ["GET /admin HTTP/1.1", "Host: echo.localhost", "Connection: Upgrade", *_UPGRADE]
    payload = "\r\n".join(request).encode() + b"\r\n" + _cookie(fortress) + b"\r\n"
    answer = fortress.wire.raw(payload, host="echo.localhost", ip=fortress.member.browser.ip)
    assert answer.split(b" ")[1] == b"403"


def test_an_upgrade_that_is_none_is_decided_as_what_the_application_gets(fortress: Fortress) -> None:
    # Upgrade without Connection, another protocol, or on a POST: none may be taken for `connect` and reach as `read`.
    for lines in (["Upgrade: websocket"], ["Connection: Upgrade", "Upgrade: h2c"], ["Upgrade: websocket, h2c"]):
        before = len(fortress.echo.seen)
        reply = fortress.wire.send("/admin", *lines, host="echo.localhost", browser=fortress.member.browser)
        assert reply.status in {400, 403}
        assert len(fortress.echo.seen) == before


def test_a_cross_site_websocket_is_refused_and_the_own_one_is_not(fortress: Fortress) -> None:
    own = fortress.node.notes
    with _socket(fortress, origin=own) as socket:
        assert "beat" in str(socket.recv(timeout=10))
    for origin in ("https://evil.example", "null", own.replace("https", "http"), f"{own}.evil.example"):
        with pytest.raises((InvalidStatus, ConnectionClosed)), _socket(fortress, origin=origin) as socket:
            socket.recv(timeout=10)


def test_a_websocket_frame_before_the_answer_opens_nothing(fortress: Fortress) -> None:
    request = ["GET /ws HTTP/1.1", f"Host: notes.localhost:{fortress.node.port}", "Connection: Upgrade", *_UPGRADE]
    payload = "\r\n".join([*request, "", ""]).encode()
    with fortress.wire.connection() as tls:
        tls.sendall(payload + SMUGGLED + b"\x81\x85\x00\x00\x00\x00hello")
        assert b" 101 " not in read_all(tls)


def _socket(fortress: Fortress, *, origin: str) -> ClientConnection:
    browser = fortress.member.browser
    return connect(
        f"wss://notes.localhost:{fortress.node.port}/ws",
        sock=browser._socket(),
        ssl=browser._tls,
        server_hostname="notes.localhost",
        additional_headers={"Cookie": browser._cookie_header("notes.localhost")},
        origin=origin,
        proxy=None,
    )


def _cookie(fortress: Fortress) -> bytes:
    cookies = fortress.member.browser.cookies["echo.localhost"]
    return f"Cookie: {'; '.join(f'{name}={value}' for name, value in cookies.items())}\r\n".encode()


def _nothing_smuggled(fortress: Fortress, before: int) -> None:
    assert not fortress.echo.oddities
    arrived = fortress.echo.targets()[before:]
    assert not [target for target in arrived if "admin" in target]
    assert len(arrived) <= 1
