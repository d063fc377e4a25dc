"""Requests that are too large, slow, cut off or malformed; addresses that are believed and those that are not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
import warnings
from typing import Any

import pytest
from edge_harness import Answer, Edge, MakeEdge, parse, read_body, respond, seen_of, until
from OpenSSL import SSL

from watchword.demo.node import free_port
from watchword.enforcement.envoy import (
    AddressTakenError,
    EnvoyProcess,
    EnvoyStartError,
    PublishedApplication,
    Upstream,
    check_addresses,
    write_certificate_secret,
)
from watchword.kernel import SystemClock, SystemEntropy
from watchword.keys import LocalAuthority

LIMIT = 100_000


# --- size -------------------------------------------------------------------------------------------------------------


async def test_request_headers_end_at_64_kib(edge: Edge) -> None:
    assert (await edge.get("/", "cookie: " + "a" * 60_000)).status == 200
    assert (await edge.get("/", "cookie: " + "a" * 66_000)).status == 431
    assert len(edge.asked) == 1


async def test_a_request_has_at_most_100_headers(edge: Edge) -> None:
    assert (await edge.get("/", *(f"x-{n}: 1" for n in range(80)))).status == 200
    assert (await edge.get("/", *(f"x-{n}: 1" for n in range(120)))).status == 431
    assert len(edge.asked) == 1


async def test_a_declared_body_over_the_limit_is_refused_before_anybody_is_asked(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge(application={"max_body_bytes": LIMIT})
    assert (await edge.get("/", method="POST", body=b"x" * LIMIT)).status == 200
    assert (await edge.get("/", f"content-length: {LIMIT + 1}", method="POST", body=b"x")).status == 413
    assert (await edge.get("/", "content-length: 99999999999999999999", method="POST", body=b"x")).status in {400, 413}
    assert len(edge.asked) == 1
    assert len(edge.reached[0].body) == LIMIT


CHUNK = b"2710\r\n" + b"x" * 10_000 + b"\r\n"


async def test_a_body_of_undeclared_length_is_held_to_a_limit_too(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge(application={"response_timeout_s": 1})
    small = await edge.get("/", "transfer-encoding: chunked", method="POST", body=CHUNK * 20 + b"0\r\n\r\n")
    assert small.status == 200
    assert len(edge.reached.pop().body) == 200_000
    large = await edge.get("/", "transfer-encoding: chunked", method="POST", body=CHUNK * 100 + b"0\r\n\r\n")
    assert large.status in {408, 413}
    assert not edge.reached


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
async def test_a_body_without_end_is_refused_at_once_whatever_it_accepts(edge: Edge, accept: str) -> None:
    edge.answer = edge.grants()
    reader, writer = await edge.connect()
    head = f"POST / HTTP/1.1\r\nhost: notes.localhost\r\naccept: {accept}\r\ntransfer-encoding: chunked\r\n\r\n"
    writer.write(head.encode() + CHUNK)
    await until(lambda: bool(edge.asked and (accept == "*/*" or edge.guard.open_streams())))
    await asyncio.sleep(0.02)  # the answer is on its way to Envoy
    for _ in range(100):
        writer.write(CHUNK)
        await asyncio.sleep(0)
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert not edge.reached


async def test_nothing_of_a_body_is_read_before_the_authorizer_has_allowed(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge(application={"max_body_bytes": LIMIT})
    edge.answer = lambda _: Answer(403)
    reader, writer = await edge.connect()
    writer.write(b"POST / HTTP/1.1\r\nhost: notes.localhost\r\ntransfer-encoding: chunked\r\n\r\n")
    assert b" 403 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_a_declared_body_is_forwarded_as_it_arrives(edge: Edge) -> None:
    arrived = asyncio.Event()

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        assert message["body"] == b"first"
        arrived.set()
        await read_body(receive)
        await respond(send, 200, [], b"done")

    edge.application = application
    reader, writer = await edge.connect()
    writer.write(b"POST / HTTP/1.1\r\nhost: notes.localhost\r\ncontent-length: 10\r\nconnection: close\r\n\r\nfirst")
    await asyncio.wait_for(arrived.wait(), 5)
    writer.write(b"again")
    assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"done")
    writer.close()


# --- malformed --------------------------------------------------------------------------------------------------------

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: notes.localhost\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"content-length: 5\r\ncontent-length: 6",
        b"content-length: 5, 5",
        b"content-length: +5",
        b"content-length: 5x",
        b"content-length: -1",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity",
        b"transfer-encoding: xchunked",
        b"transfer-encoding : chunked",
        b"content-length : 5",
        b"x: a\x00b",
        b"x\x00y: a",
        b"x y: a",
        b": a",
        b"host: evil.example",
    ],
)
async def test_a_request_whose_framing_is_doubtful_is_not_forwarded(edge: Edge, lines: bytes) -> None:
    request = b"POST / HTTP/1.1\r\nhost: notes.localhost\r\nconnection: close\r\n" + lines + b"\r\n\r\n0\r\n\r\n"
    reader, writer = await edge.connect()
    writer.write(request + SMUGGLED)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert answer == b"" or parse(answer).status in {400, 404, 501}
    assert all(seen.target != "/smuggled" for seen in edge.reached)
    assert not edge.reached


@pytest.mark.parametrize(
    "head", [b"\x16\x03\x01", b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\n\r\n", b"\r\n" * 50, b"A" * 70_000]
)
async def test_garbage_is_refused_and_the_edge_lives(edge: Edge, head: bytes) -> None:
    reader, writer = await edge.connect()
    writer.write(head)
    writer.write_eof() if writer.can_write_eof() else None
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert b" 200 " not in answer
    assert (await edge.get("/")).status == 200


@pytest.mark.parametrize("lines", [b"x: a\r\n b: c", b"x: a\rb: c"])
async def test_a_folded_line_hides_no_header(edge: Edge, lines: bytes) -> None:
    request = b"GET / HTTP/1.1\r\nhost: notes.localhost\r\nconnection: close\r\n" + lines + b"\r\n\r\n"
    reply = await edge.raw(request)
    assert reply.status in {200, 400}
    for seen in edge.reached:
        assert seen.get("x") in {"a b: c", "ab: c"}
        assert "b" not in seen.names


ODD_HOSTS = [
    "notes.localhost:80@evil.example",
    "notes.localhost:x",
    "evil@notes.localhost",
    "notes.localhost:",
    "notes.localhost:8443:1",
]


@pytest.mark.parametrize("host", ODD_HOSTS)
async def test_a_host_that_an_address_would_take_elsewhere_is_refused(edge: Edge, host: str) -> None:
    reply = await edge.raw(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    assert reply.status in {400, 404}
    assert not edge.asked


async def test_a_client_that_sends_its_headers_slowly_is_cut_off(edge: Edge) -> None:
    reader, writer = await edge.connect()
    at = time.monotonic()
    writer.write(b"GET / HTTP/1.1\r\nhost: notes.localhost\r\nx-slow: ")
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert parse(answer).status == 408
    assert time.monotonic() - at < 15
    assert not edge.asked


async def test_an_ordinary_exchange_ends_in_time_whoever_is_slow(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge(application={"response_timeout_s": 0.5})

    async def stuck(scope: Any, _receive: Any, send: Any) -> None:
        edge.reached.append(seen_of(scope))
        if scope["path"] == "/trickle":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b".", "more_body": True})
                await asyncio.sleep(0.05)
        await asyncio.Event().wait()

    edge.application = stuck
    at = time.monotonic()
    assert (await edge.get("/silent")).status in {408, 504}
    trickle = await edge.raw(b"GET /trickle HTTP/1.1\r\nhost: notes.localhost\r\n\r\n")
    assert trickle.status == 200
    slow_body = b"POST / HTTP/1.1\r\nhost: notes.localhost\r\ncontent-length: 10\r\n\r\nhalf"
    assert (await edge.raw(slow_body)).status in {408, 504}
    assert time.monotonic() - at < 6


async def test_an_authorizer_that_does_not_answer_denies_in_time(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge(authorizer_timeout_s=0.2)
    for listening in edge.servers["authz"][0].servers:
        listening.close()
    silent = socket.socket(socket.AF_UNIX)
    edge.files.authz_socket.unlink(missing_ok=True)
    silent.bind(str(edge.files.authz_socket))
    silent.listen()
    try:
        at = time.monotonic()
        assert (await edge.get("/")).status == 503
        assert time.monotonic() - at < 2
    finally:
        silent.close()
    assert not edge.reached


async def test_connections_beyond_the_limit_are_turned_away_and_later_ones_served(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge(max_connections=5)
    open_ones = [await edge.connect() for _ in range(5)]
    with pytest.raises((ConnectionError, ssl.SSLError, OSError)):
        await edge.get("/")
    for _, writer in open_ones:
        writer.close()
        await writer.wait_closed()
    async with asyncio.timeout(5):
        while True:
            try:
                assert (await edge.get("/")).status == 200
                break
            except OSError:
                await asyncio.sleep(0.01)


# --- addresses --------------------------------------------------------------------------------------------------------


async def test_the_proxy_listener_believes_the_proxy_header(make_edge: MakeEdge) -> None:
    port = free_port()
    edge: Edge = await make_edge(proxy_protocol_listen=f"127.0.0.1:{port}")
    await edge.get(
        "/", *["x-forwarded-for: 6.6.6.6"], port=port, prelude=b"PROXY TCP4 203.0.113.9 10.0.0.1 5000 443\r\n"
    )
    assert edge.asked[0].values("x-watchword-client-ip") == ["203.0.113.9"]
    assert edge.reached[0].values("x-forwarded-for") == ["203.0.113.9"]
    await edge.get("/", port=port, prelude=b"PROXY TCP6 2001:db8::9 2001:db8::1 5000 443\r\n")
    assert edge.asked[1].values("x-watchword-client-ip") == ["2001:db8::9"]


async def test_the_proxy_listener_serves_nobody_without_the_header(make_edge: MakeEdge) -> None:
    port = free_port()
    edge: Edge = await make_edge(proxy_protocol_listen=f"127.0.0.1:{port}")
    with pytest.raises((ConnectionError, ssl.SSLError, OSError)):
        await edge.get("/", port=port)
    assert not edge.asked


async def test_the_proxy_listener_serves_nobody_who_is_no_trusted_proxy(make_edge: MakeEdge) -> None:
    port = free_port()
    edge: Edge = await make_edge(proxy_protocol_listen=f"127.0.0.1:{port}", trusted_proxies=("203.0.113.0/24",))
    # The header claims an address that is trusted; the connection comes from one that is not.
    status = 0  # a connection that ends without an answer
    with contextlib.suppress(OSError):
        status = (await edge.get("/", port=port, prelude=b"PROXY TCP4 203.0.113.9 10.0.0.1 5000 443\r\n")).status
    assert status == 0
    assert not edge.asked


async def test_the_tls_listener_does_not_believe_the_proxy_protocol(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge()
    with pytest.raises((ConnectionError, ssl.SSLError, OSError)):
        await edge.get("/", prelude=b"PROXY TCP4 203.0.113.9 10.0.0.1 5000 443\r\n")
    assert not edge.asked


@pytest.mark.parametrize(
    ("sent", "believed"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.1.2.3", None),
        ("unknown", "127.0.0.1"),
        ("6.6.6.6, nonsense", "127.0.0.1"),
    ],
)
async def test_a_trusted_hop_names_the_client_and_the_client_names_nobody(
    make_edge: MakeEdge, sent: str, believed: str | None
) -> None:
    edge: Edge = await make_edge(trusted_proxies=("127.0.0.0/8", "10.0.0.0/8"))
    await edge.get("/", f"x-forwarded-for: {sent}", *(lie for lie in ("x-real-ip: 6.6.6.6", "x-forwarded-proto: http")))
    client_ip = edge.asked[0].values("x-watchword-client-ip")
    assert client_ip != ["6.6.6.6"]
    if believed is not None:
        assert client_ip == [believed]
    assert edge.reached[0].values("x-forwarded-for") == client_ip
    assert edge.reached[0].values("x-forwarded-proto") == ["https"]
    assert edge.reached[0].values("x-real-ip") == []


async def test_a_hop_that_is_not_trusted_names_nobody(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge(trusted_proxies=("10.0.0.0/8",))
    await edge.get("/", "x-forwarded-for: 6.6.6.6")
    assert edge.asked[0].values("x-watchword-client-ip") == ["127.0.0.1"]
    assert edge.reached[0].values("x-forwarded-for") == ["127.0.0.1"]


async def test_the_redirecting_listener_only_redirects_and_only_known_hosts(make_edge: MakeEdge) -> None:
    port = free_port()
    edge: Edge = await make_edge(redirect_listen=f"127.0.0.1:{port}")

    async def plain(host: str, target: str = "/a?b=c") -> Any:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        reply = parse(await asyncio.wait_for(reader.read(), 5))
        writer.close()
        return reply

    reply = await plain("notes.localhost")
    assert reply.status == 308
    assert reply.get("location") == f"https://notes.localhost:{edge.settings.listen_address.port}/a?b=c"
    assert (await plain("evil.example")).status == 404
    assert (await plain("notes.localhost:80@evil.example")).status == 400
    crafted = await plain("notes.localhost", "//evil.example/x")
    assert (crafted.get("location") or "").startswith("https://notes.localhost:")
    assert not edge.asked


# --- TLS --------------------------------------------------------------------------------------------------------------


async def handshake(edge: Edge, context: ssl.SSLContext) -> ssl.SSLObject:
    port = edge.settings.listen_address.port
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="notes.localhost")
    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.close()
    return tls


async def test_tls_is_modern_and_offers_http2(edge: Edge) -> None:
    edge.context.set_alpn_protocols(["h2", "http/1.1"])
    tls = await handshake(edge, edge.context)
    assert tls.version() == "TLSv1.3"
    assert tls.selected_alpn_protocol() == "h2"
    old = ssl.create_default_context(cafile=None)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # deprecated is the point
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await handshake(edge, old)


async def test_the_key_exchange_is_hybrid_with_ml_kem(edge: Edge) -> None:
    def exchange() -> str | None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        with socket.create_connection(("127.0.0.1", edge.settings.listen_address.port)) as plain:
            connection = SSL.Connection(context, plain)
            connection.set_tlsext_host_name(b"notes.localhost")
            connection.set_connect_state()
            connection.do_handshake()
            return connection.get_group_name()

    assert await asyncio.to_thread(exchange) == "X25519MLKEM768"


async def test_a_renewed_certificate_is_served_without_a_restart(edge: Edge) -> None:
    before = (await handshake(edge, edge.context)).getpeercert()
    directory = edge.files.certificate_file.parent
    edge.files.certificate_file.unlink()
    LocalAuthority(directory, SystemClock(), SystemEntropy()).ensure(["watchword.localhost", "notes.localhost"])
    write_certificate_secret(edge.files)
    async with asyncio.timeout(5):
        while (await handshake(edge, edge.context)).getpeercert() == before:  # noqa: ASYNC110  # Envoy has no event for it
            await asyncio.sleep(0.01)


async def test_http2_requests_are_cleaned_and_authorized_alike(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge(application={"response_timeout_s": 2})
    import httpx2  # noqa: PLC0415  # a client that speaks HTTP/2

    port = edge.settings.listen_address.port
    transport = httpx2.AsyncHTTPTransport(http2=True, verify=edge.context)
    async with httpx2.AsyncClient(transport=transport) as client:
        lies = {"x-watchword-client-ip": "6.6.6.6", "x-forwarded-for": "6.6.6.6", "remote-user": "root"}
        headers = lies | {"host": f"notes.localhost:{port}"}
        extensions = {"sni_hostname": "notes.localhost"}
        url = f"https://127.0.0.1:{port}/a/../b?c"
        reply = await client.get(url, headers=headers, extensions=extensions)
        assert (reply.http_version, reply.status_code) == ("HTTP/2", 200)

        async def endless() -> Any:
            for _ in range(2000):
                yield b"x" * 10_000

        # Envoy answers and resets the stream; some clients report the first, some the second.
        try:
            reply = await client.post(url, headers=headers, content=endless(), extensions=extensions)
            assert reply.status_code in {408, 413}
        except httpx2.HTTPError:
            pass
    seen = edge.asked[0]
    assert seen.target == "/authz/b?c"
    assert seen.values("x-watchword-client-ip") == ["127.0.0.1"]
    assert len(edge.reached) == 1
    assert not [value for _, value in edge.reached[0].headers if value in {"6.6.6.6", "root"}]


# --- the process ------------------------------------------------------------------------------------------------------


async def test_a_taken_port_is_one_clear_sentence_and_nothing_is_started(edge: Edge) -> None:
    with pytest.raises(AddressTakenError, match=r"another program listens on `127\.0\.0\.1:\d+`"):
        check_addresses([edge.settings.listen_address])
    second = EnvoyProcess(edge.settings, [], edge.files)
    with pytest.raises(AddressTakenError):
        await second.start()
    with pytest.raises(AssertionError):
        _ = second.pid


async def test_an_envoy_that_cannot_start_says_why(make_edge: MakeEdge) -> None:
    edge: Edge = await make_edge()
    await edge.process.stop()
    edge.files.certificate_secret_file.unlink()
    edge.files.certificate_secret_file.mkdir()
    broken = EnvoyProcess(
        edge.settings,
        [PublishedApplication("a", ("a.localhost",), Upstream(socket=edge.files.run_directory / "a"))],
        edge.files,
    )
    with pytest.raises((EnvoyStartError, OSError)):
        await broken.start(timeout_s=5)


async def test_memory_and_readiness_are_told(edge: Edge) -> None:
    assert edge.process.rss is not None
    assert edge.process.rss < 200 * 1024 * 1024
    assert edge.files.admin_socket.stat().st_mode & 0o777 == 0o600
