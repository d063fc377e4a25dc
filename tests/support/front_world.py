"""A whole node behind somebody else's proxy: the example configuration, an upstream that tells what reached it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from watchword.demo.client import Browser, Page
from watchword.demo.node import DemoNode, free_port
from watchword.demo.person import Person

EXAMPLES = Path(__file__).parents[2] / "docs" / "how-to" / "examples"
LONDON, TOKYO = "81.2.69.142", "133.11.0.1"
HOST, PORTAL_HOST = "wiki.localhost", "watchword.localhost"
_STARTS_WITHIN_S = 20.0
_CONFIG = """
[[applications]]
name = "wiki"
hosts = ["wiki.localhost"]
upstream = "http://127.0.0.1:{upstream}"
open_paths = ["/healthz"]
permissions = ["edit"]
[[applications.resources]]
name = "admin"
path = "/admin"
"""
_POLICY = """
@id("members-use-the-wiki")
permit (principal in Watchword::Group::"members", action, resource in Watchword::Application::"wiki");
@id("wiki-admin-is-for-administrators")
forbid (principal, action in Watchword::Action::"access", resource == Watchword::Resource::"wiki/admin")
unless { principal in Watchword::Group::"administrators" };
@id("nobody-deletes")
forbid (principal, action == Watchword::Action::"delete", resource in Watchword::Application::"wiki");
"""


@dataclass
class Reached:
    """One request as the upstream got it."""

    method: str
    target: str
    headers: list[tuple[str, str]]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


class Upstream:
    """Answers everything and remembers it."""

    def __init__(self) -> None:
        self.reached: list[Reached] = []
        reached = self.reached

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                reached.append(Reached(self.command, self.path, list(self.headers.items())))
                self.send_response(200)
                self.send_header("content-length", "4")
                self.end_headers()
                self.wfile.write(b"wiki" if self.command != "HEAD" else b"")

            def log_message(self, *_: object) -> None:
                return

        for method in ("GET", "POST", "HEAD", "DELETE", "PUT"):
            setattr(Handler, f"do_{method}", Handler.handle_any)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass
class Front:
    """A proxy, the node it asks, and what stands behind both."""

    node: DemoNode
    upstream: Upstream
    port: int
    process: subprocess.Popen[bytes] | None = None
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def wiki(self) -> str:
        return f"https://{HOST}:{self.port}"

    @property
    def portal(self) -> str:
        return f"https://{PORTAL_HOST}:{self.port}"

    def browser(self, ip: str = LONDON) -> Browser:
        return Browser(self.port, self.node.authority, ip)

    def person(self, name: str) -> Person:
        """Return somebody who is a member and has enrolled through the proxy."""
        if name not in self.people:
            link = self.node.command("users", "create", name, "--group", "members")["link"]
            made = Person(name, self.browser(), password=f"quite long words for {name}")
            page = made.enrol(link)
            assert page.status == 200, page.text
            made.sign_out(self.portal)
            self.people[name] = made
        return self.people[name]

    def send(
        self, browser: Browser, target: str, *headers: tuple[str, str], method: str = "GET", host: str | None = None
    ) -> Page:
        """Send a request line and headers exactly as they are."""
        raw = browser._tls.wrap_socket(browser._socket(), server_hostname=HOST)
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'{HOST}:{self.port}'}", "Connection: close"]
        cookie = browser._cookie_header(HOST)
        lines += [f"Cookie: {cookie}"] if cookie else []
        lines += [f"{name}: {value}" for name, value in headers]
        with raw, contextlib.suppress(ssl.SSLEOFError, ConnectionError):
            raw.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
            response = http.client.HTTPResponse(raw, method=method)
            try:
                response.begin()
            except (http.client.HTTPException, ConnectionError):
                return Page(target, 0, [], "")  # cut off, which is a refusal too
            return Page(target, response.status, response.getheaders(), response.read().decode("utf-8", "replace"))
        return Page(target, 0, [], "")


def claims_of(assertion: str, front: Front) -> dict[str, Any]:
    """Verify an assertion with an implementation that is not ours, under the keys that the node publishes."""
    from joserfc import jwt  # noqa: PLC0415  # here alone
    from joserfc.jwk import KeySet  # noqa: PLC0415  # as above

    keys = KeySet.import_key_set(json.loads((front.node.data / "run" / "jwks.json").read_text()))
    return dict(jwt.decode(assertion, keys, algorithms=["ES256"]).claims)


Configure = Callable[[Front, Path, int], list[str]]


def program_of(name: str) -> str | None:
    """Find a proxy beside the interpreter, where its wheel puts it, or on the path."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


@contextlib.contextmanager
def front_with(program: str, configure: Configure) -> Iterator[Front]:
    """Run a node, an upstream and one proxy between them.

    Args:
        program: its name on the path; the test is skipped without it.
        configure: writes its configuration into a directory and returns the command; gets the forward-auth port.
    """
    if program_of(program) is None:
        pytest.skip(f"needs {program} on the path")
    upstream, port, asked = Upstream(), free_port(), free_port()
    node = DemoNode(
        extra={
            "WATCHWORD_EDGE__PUBLIC_PORT": str(port),
            "WATCHWORD_EDGE__TRUSTED_PROXIES": "127.0.0.1/32",
            "WATCHWORD_FORWARD_AUTH__LISTEN": f"127.0.0.1:{asked}",
        }
    )
    front = Front(node, upstream, port)
    try:
        node.data.mkdir(mode=0o700, parents=True)
        (node.data / "watchword.toml").write_text(_CONFIG.format(upstream=upstream.port))
        node.start()
        (node.data / "policies" / "30-wiki.cedar").write_text(_POLICY)
        directory = node.data / "front"
        directory.mkdir()
        command = configure(front, directory, asked)
        log = (directory / "log").open("wb")
        front.process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        _wait_for(front, directory / "log")
        yield front
    finally:
        if front.process is not None:
            front.process.terminate()
            front.process.wait(10)
        node.close()
        upstream.close()


def _wait_for(front: Front, log: Path) -> None:
    """Wait until the proxy has its certificate and knows the way to the upstream."""
    assert front.process is not None
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while True:
        with contextlib.suppress(OSError):
            if front.send(front.browser(), "/healthz").status == 200:
                front.upstream.reached.clear()
                return
        if front.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the proxy did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.02)


def ports_of(front: Front, asked: int) -> dict[str, str]:
    """Return what to write instead of the ports of the examples."""
    edge = str(urlsplit(f"//{front.node.environment['WATCHWORD_EDGE__LISTEN']}").port)
    return {"9443": str(front.port), "9092": str(asked), "8443": edge, "8000": str(front.upstream.port)}


def adapted(text: str, changes: dict[str, str]) -> str:
    """Adapt an example as its reader would; every change must find something to change."""
    for old, new in changes.items():
        assert old in text, f"the example does not say {old!r} any more"
        text = text.replace(old, f"\0{new}")
    return text.replace("\0", "")
