"""The AuthZEN API behind its own listener of a real Envoy: TLS, the caller's request identifier, bounded bodies."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from authzen_world import AuthzenWorld, question

from watchword.app.serving import Listener, on_unix_socket
from watchword.demo.node import free_port
from watchword.enforcement.envoy import (
    EdgeFiles,
    EdgeSettings,
    PublishedApi,
    TcpAddress,
    prepare,
    wait_ready,
)
from watchword.kernel import FrozenClock, SystemClock, SystemEntropy
from watchword.keys import LocalAuthority

_RECORDS = Path(__file__).parents[2] / "conformance" / "authzen" / "records"
_LONGEST = 64 * 1024


class _Api:
    """The world behind the listener, and one way to ask it."""

    def __init__(self, world: AuthzenWorld, port: int, portal_port: int, context: ssl.SSLContext) -> None:
        self.world, self.port, self.portal_port, self.context = world, port, portal_port, context

    def _ask(
        self, body: Any, headers: dict[str, str], *, port: int, host: str, method: str, path: str
    ) -> tuple[int, dict[str, str], bytes]:
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection = http.client.HTTPConnection("watchword.localhost", port)
        connection.sock = self.context.wrap_socket(plain, server_hostname="watchword.localhost")
        connection.request(method, path, body, {"Host": host, **headers}, encode_chunked=not isinstance(body, bytes))
        response = connection.getresponse()
        found = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        connection.close()
        return found

    async def ask(
        self,
        body: Any = None,
        *,
        port: int | None = None,
        host: str = "watchword.localhost",
        method: str = "POST",
        path: str = "/access/v1/evaluation",
        **headers: str,
    ) -> tuple[int, dict[str, str], bytes]:
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {self.world.keys['shop']}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        raw = json.dumps(question()).encode() if body is None else body
        return await asyncio.to_thread(
            self._ask, raw, sent, port=port or self.port, host=host, method=method, path=path
        )


@pytest.fixture
async def api(short_directory: Path, clock: FrozenClock, entropy: Any) -> AsyncIterator[_Api]:
    run = short_directory / "run"
    run.mkdir(mode=0o700)
    authority = LocalAuthority(short_directory / "ca", SystemClock(), SystemEntropy())
    issued = authority.ensure(["watchword.localhost"])
    files = EdgeFiles(run, issued.certificate_file, issued.private_key_file, short_directory / "log")
    edge = EdgeSettings(listen=f"127.0.0.1:{free_port()}")
    published = PublishedApi("authzen", TcpAddress("127.0.0.1", free_port()), run / "authzen.sock", _LONGEST)
    world = AuthzenWorld(clock, entropy, _RECORDS, entities=_RECORDS / "entities.json")
    listener = Listener(world.app, on_unix_socket(published.socket))
    await listener.start()
    envoy = await asyncio.create_subprocess_exec(*prepare(edge, [], files, [published]))
    try:
        await wait_ready(files, timeout_s=15)
        context = ssl.create_default_context(cafile=str(authority.root_file))
        yield _Api(world, published.address.port, edge.listen_address.port, context)
    finally:
        envoy.terminate()
        await envoy.wait()
        await listener.stop()


async def test_the_api_answers_over_tls_and_gives_the_callers_identifier_back(api: _Api) -> None:
    for identifier in ("bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "order 17 / retry 2"):
        status, headers, body = await api.ask(X_Request_ID=identifier)
        assert (status, json.loads(body)) == (200, {"decision": True})
        assert headers["x-request-id"] == identifier
    assert [record["request_id"] for record in api.world.journal.records][1] == "order 17 / retry 2"


async def test_envoys_own_answers_carry_the_identifier_too_and_long_bodies_go_no_further(api: _Api) -> None:
    def pieces() -> Any:
        for _ in range(40):
            yield b" " * 4096

    for body in (b" " * (_LONGEST + 1), pieces()):
        status, headers, _ = await api.ask(body, X_Request_ID="r-413")
        assert (status, headers["x-request-id"]) == (413, "r-413")
    assert api.world.journal.records == []


async def test_what_a_caller_may_not_say_is_gone_and_other_hosts_are_nobody(api: _Api) -> None:
    assert (await api.ask(X_Forwarded_For="10.0.0.1", X_Watchword_Session="x"))[0] == 200
    assert (await api.ask(host="evil.example"))[0] == 404
    assert (await api.ask(path="/access/v1/evaluation;x=1"))[0] == 400
    assert (await api.ask(path="/access//v1/./evaluation"))[0] == 200


async def test_the_portals_listener_does_not_lead_to_the_api(api: _Api) -> None:
    status, _, _ = await api.ask(port=api.portal_port)
    assert status == 503  # nothing answers behind the portal in this test
    assert api.world.journal.records == []


async def test_a_call_without_a_key_hears_so_although_it_sent_a_body(api: _Api) -> None:
    for size in (2, 60_000):
        status, headers, _ = await api.ask(b" " * size, Authorization="Bearer wrong")
        assert status == 401
        assert headers["www-authenticate"].startswith("Bearer realm=")
