"""Attack: requests that are too large, too slow, cut off or no requests at all. Nobody else notices."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from siege import Fortress, read_all, until

pytestmark = pytest.mark.e2e
HEAD = b"POST / HTTP/1.1\r\nHost: echo.localhost\r\n"


@contextmanager
def undisturbed(fortress: Fortress) -> Iterator[None]:
    """Hold that another person's requests are all allowed meanwhile."""
    over, seen = threading.Event(), list[int]()

    def browse() -> None:
        browser = fortress.member.browser.clone()
        while not over.wait(0.01):
            try:
                seen.append(browser.get(f"{fortress.echo_origin}/", follow=False).status)
            except OSError:
                seen.append(0)

    thread = threading.Thread(target=browse)
    thread.start()
    try:
        until(lambda: len(seen) > 2)
        yield
        enough = len(seen) + 3
        until(lambda: len(seen) > enough)
    finally:
        over.set()
        thread.join(30)
    assert set(seen) == {200}


LARGE = {
    "a header": HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(150)) + b"\r\n",
    "many cookies": HEAD + b"Cookie: " + b"; ".join(b"a%d=b" % n for n in range(20_000)) + b"\r\n\r\n",
    "a declared body": HEAD + b"Content-Length: 20000000\r\n\r\n" + b"x" * 100_000,
    "a declared body beyond belief": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "a chunk beyond belief": HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
    "a method": b"A" * 100_000 + b" / HTTP/1.1\r\nHost: echo.localhost\r\n\r\n",
    "a line without end": b"G" * 2_000_000,
}


@pytest.mark.parametrize("payload", LARGE.values(), ids=LARGE.keys())
def test_what_is_too_large_is_refused_and_disturbs_nobody(fortress: Fortress, payload: bytes) -> None:
    before = [seen for seen in fortress.echo.seen if seen.method == "POST"]
    with undisturbed(fortress):
        answer = fortress.wire.raw(payload, host="echo.localhost", patience_s=5)
        assert answer == b"" or answer.split(b" ")[1] in {b"400", b"401", b"413", b"431", b"501"}
    assert [seen for seen in fortress.echo.seen if seen.method == "POST"] == before


def test_an_upload_without_end_is_cut_off(fortress: Fortress) -> None:
    cookies = "; ".join(f"{n}={v}" for n, v in fortress.member.browser.cookies["echo.localhost"].items())
    head = HEAD + f"Cookie: {cookies}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with undisturbed(fortress), fortress.wire.connection("echo.localhost", ip=fortress.member.browser.ip) as tls:
        tls.sendall(head)
        tls.settimeout(3)
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        with suppress(OSError):
            for _ in range(400):
                tls.sendall(chunk)
        assert b" 200 " not in read_all(tls)


@pytest.mark.parametrize("size", [70_000, 900_000, 3_000_000])
def test_a_form_that_is_too_large_is_refused_by_the_portal(fortress: Fortress, size: int) -> None:
    browser = fortress.member.fresh_browser()
    page = browser.get(f"{fortress.node.portal}/sign-in")
    body = f"csrf={page.form('/sign-in').fields['csrf']}&username=x&password={'x' * size}".encode()
    with undisturbed(fortress):
        reply = fortress.wire.send(
            "/sign-in",
            "Content-Type: application/x-www-form-urlencoded",
            f"Origin: {fortress.node.portal}",
            method="POST",
            host="watchword.localhost",
            browser=browser,
            body=body,
        )
    # An answer that comes before the whole body was sent may be lost with the connection.
    assert reply.status in {0, 400, 413}


MALFORMED = (
    b"",
    b"\r\n",
    b"\x00\x01\x02\x03",
    b"GET",
    b"GET / HTTP/1.1",
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\nHost",
    b"GET / HTTP/1.1\r\nHost: echo.localhost\r\nX",
    b"POST / HTTP/1.1\r\nHost: echo.localhost\r\nContent-Length: 10\r\n\r\nhalf",
    b"POST / HTTP/1.1\r\nHost: echo.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha",
    b"POST / HTTP/1.1\r\nHost: echo.localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nHost: echo.localhost\r\nUpgrade: websocket\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
)


def test_what_is_cut_off_or_malformed_disturbs_nobody(fortress: Fortress) -> None:
    with undisturbed(fortress):
        for payload in MALFORMED * 4:
            with fortress.wire.connection("echo.localhost") as tls, suppress(OSError):
                tls.sendall(payload)
    assert fortress.node.starts_of("envoy") == 1
    assert fortress.node.starts_of("control plane") == 1


def test_slow_clients_are_cut_off_and_disturb_nobody(fortress: Fortress) -> None:
    with undisturbed(fortress), ExitStack() as stack:
        slow = [stack.enter_context(fortress.wire.connection("echo.localhost")) for _ in range(40)]
        alive, begun = list(slow), time.monotonic()
        for tls in slow:
            tls.sendall(b"GET / HTTP/1.1\r\nHost: echo.localhost\r\nX-Slow: ")
            tls.settimeout(0.001)

        def drip() -> bool:
            for tls in list(alive):
                try:
                    tls.sendall(b"a")
                    if tls.recv(4096):
                        alive.remove(tls)
                except TimeoutError:
                    continue
                except OSError:
                    alive.remove(tls)
            return not alive

        # Nobody may hold a connection for ever by saying a little now and then.
        until(drip, within_s=60)
        assert time.monotonic() - begun > 1
