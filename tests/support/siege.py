"""A whole node under attack: its words, its people, a client that sends raw bytes, an upstream that tells all."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_harness import Reply, Seen, parse
from software_authenticator import SoftwareAuthenticator

from watchword.audit import read
from watchword.demo.client import Browser, Page
from watchword.demo.node import DemoNode, NodeFailedError

WITHIN_S = 20.0
_OPTIONS = re.compile(r'data-options="([^"]+)"')
_LINK = re.compile(r"https://[^\s\"'<]+/invite/[A-Za-z0-9_-]+")
# The tests mean the same at every hour of every day.
ALWAYS_WORKING = {
    "WATCHWORD_TRUST__WORKING_DAYS": "[1,2,3,4,5,6,7]",
    "WATCHWORD_TRUST__WORKING_FROM": "00:00",
    "WATCHWORD_TRUST__WORKING_UNTIL": "00:00",
}


class SiegeNode(DemoNode):
    """A node whose every word is kept, so that restarts can be followed and secrets searched for.

    Args:
        data: the data directory; by default a temporary one that is deleted at the end.
        extra: further environment.
        config: the text of a configuration file; `{own}` in it is a short directory of this node alone.
    """

    def __init__(
        self, *, data: Path | None = None, extra: dict[str, str] | None = None, config: str | None = None
    ) -> None:
        self.own = Path(tempfile.mkdtemp(prefix="ww-"))
        super().__init__(data=data or self.own / "data", extra=ALWAYS_WORKING | (extra or {}))
        if config is not None:
            path = self.own / "watchword.toml"
            path.write_text(config.replace("{own}", str(self.own)))
            self.environment["WATCHWORD_CONFIG"] = str(path)
        self.events: list[dict[str, Any]] = []
        self.output = self.own / "stdout"
        self.errors = self.own / "stderr"
        self._changed = threading.Condition()
        self._reader: threading.Thread | None = None

    @property
    def address(self) -> str:
        """The origin's port, as a Host header ends."""
        return str(self.port)

    def start(self) -> None:
        """Start, keep what it says, and return when it is up."""
        self.events = []
        with self.errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "watchword", "--output", "json", "up"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        with self._changed:
            self._changed.wait_for(lambda: self._event("up", "failed", "end") is not None, 60)
        said = self._event("up", "failed", "end")
        if said is None or said["event"] != "up":
            code = self._process.wait(WITHIN_S)
            self.stop()
            raise NodeFailedError((said or {}).get("message", "") or f"the node ended with code {code}")
        self.up = said

    def stop(self) -> int:
        """Stop as Ctrl-C does; return the exit code."""
        process, reader = self._process, self._reader
        if process is not None and process.poll() is None:
            process.send_signal(2)
            process.wait(WITHIN_S)
        if reader is not None:
            reader.join(WITHIN_S)
            self._reader = None
        return super().stop()

    def close(self) -> None:
        """Stop, and delete what is this node's alone."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.own, ignore_errors=True)

    def pid_of(self, name: str) -> int:
        """Return the process id that a part has now."""
        pids = [event["pid"] for event in self.events if event.get("name") == name and event.get("pid")]
        return int(pids[-1])

    def starts_of(self, name: str) -> int:
        """Return how often a part was started."""
        return sum(1 for event in self.events if event.get("name") == name and event.get("pid"))

    def status(self) -> dict[str, Any] | None:
        """Return what the control plane says of itself on its own socket, or nothing if it does not answer."""
        with socket.socket(socket.AF_UNIX) as talking:
            talking.settimeout(2)
            try:
                talking.connect(str(self.data / "run" / "control.sock"))
                talking.sendall(b"GET /status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                body = read_all(talking).partition(b"\r\n\r\n")[2]
                return dict(json.loads(body))
            except (OSError, ValueError):
                return None

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Return every record of a type in the journal, oldest first, read from the files as an auditor would."""
        return [dict(record.fields) for record in read(self.data / "journal") if record.type == kind]

    def decision(self, reference: str) -> dict[str, Any]:
        """Return one decision from the journal."""
        return next(record for record in self.records("decision") if record["id"] == reference)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with self.output.open("a") as kept:
            for line in process.stdout:
                kept.write(line)
                kept.flush()
                with self._changed, suppress(ValueError):
                    self.events.append(json.loads(line))
                    self._changed.notify_all()
        with self._changed:
            self.events.append({"event": "end"})
            self._changed.notify_all()

    def _event(self, *kinds: str) -> dict[str, Any] | None:
        return next((event for event in self.events if event.get("event") in kinds), None)


# --- a client that sends bytes ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wire:
    """Open connections to a node from a chosen address, and say anything on them."""

    node: SiegeNode

    @contextmanager
    def connection(self, host: str = "notes.localhost", *, ip: str = "", alpn: str = "http/1.1") -> Iterator[Any]:
        """Open TLS; with an address, over the listener that a load balancer would use."""
        context = ssl.create_default_context(cafile=str(self.node.authority))
        context.set_alpn_protocols([alpn])
        port = self.node.proxy_port if ip else self.node.port
        raw = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if ip:
                raw.sendall(f"PROXY TCP4 {ip} 127.0.0.1 40000 {port}\r\n".encode())
            tls = context.wrap_socket(raw, server_hostname=host, suppress_ragged_eofs=True)
        except BaseException:
            raw.close()
            raise
        try:
            yield tls
        finally:
            tls.close()

    def raw(
        self, payload: bytes, *, host: str = "notes.localhost", ip: str = "", patience_s: float = WITHIN_S
    ) -> bytes:
        """Send bytes as they are and return everything until the server closes or has been silent for so long."""
        with self.connection(host, ip=ip) as tls:
            with suppress(OSError):  # answered and closed before everything was sent
                tls.sendall(payload)
            tls.settimeout(patience_s)
            return read_all(tls)

    def send(
        self,
        target: str = "/",
        *lines: str,
        method: str = "GET",
        host: str = "notes.localhost",
        browser: Browser | None = None,
        body: bytes = b"",
        ip: str = "",
        version: str = "1.1",
    ) -> Reply:
        """Send one request with exactly these header lines after Host; the browser lends cookies and address."""
        head = [f"{method} {target} HTTP/{version}", f"Host: {host}:{self.node.port}", "Connection: close"]
        if browser is not None and (cookies := browser.cookies.get(host)):
            head.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in cookies.items()))
        head += lines
        if body and not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines):
            head.append(f"Content-Length: {len(body)}")
        payload = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body
        return parse(self.raw(payload, host=host, ip=ip or (browser.ip if browser else "")))


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side closes, breaks off, or is silent for as long as the socket waits."""
    data = bytearray()
    with suppress(ConnectionError, ssl.SSLError, TimeoutError):
        while chunk := connection.recv(65536):
            data += chunk
    return bytes(data)


def until(condition: Callable[[], Any], *, within_s: float = WITHIN_S) -> Any:
    """Ask again and again until the answer is true, and return it; the only way a test here waits."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


# --- an upstream that tells all ---------------------------------------------------------------------------------------


PERSON = {
    "name": "Ada",
    "ssn": "123-45-6789",
    "contact": {"ssn": "123-45-6789", "city": "London"},
    "orders": [{"total": 1}, {"total": 2}, {"total": 3}],
}


@dataclass
class Echo:
    """An application without any authentication of its own, which keeps each request byte by byte.

    It answers with the identifier of the decision that let the request in; at `/person.json`, in JSON about a person.

    Attributes:
        seen: requests in order of arrival; `head` is the raw text up to the blank line.
        oddities: connections whose bytes were no request at all.
    """

    path: Path
    seen: list[Seen] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    oddities: list[bytes] = field(default_factory=list)
    _listening: socket.socket | None = None

    def start(self) -> None:
        """Listen on the Unix socket."""
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        assert self._listening is not None
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def targets(self) -> list[str]:
        """Return the request targets that arrived."""
        return [seen.target for seen in self.seen]

    def _accept(self) -> None:
        assert self._listening is not None
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            pending = b""
            while True:
                while b"\r\n\r\n" not in pending:
                    if not (chunk := connection.recv(65536)):
                        return
                    pending += chunk
                head, _, pending = pending.partition(b"\r\n\r\n")
                seen = _seen(head)
                if seen is None:
                    self.oddities.append(head)
                    return
                if "chunked" in seen.values("transfer-encoding"):
                    while not pending.endswith(b"0\r\n\r\n"):
                        pending += connection.recv(65536)
                    seen.body, pending = pending, b""
                else:
                    length = int(seen.get("content-length") or 0)
                    while len(pending) < length:
                        if not (chunk := connection.recv(65536)):
                            return
                        pending += chunk
                    seen.body, pending = pending[:length], pending[length:]
                self.heads.append(head)
                self.seen.append(seen)
                decision = seen.get("x-watchword-decision") or "echo"
                is_json = seen.target.startswith("/person.json")
                body = json.dumps(PERSON | {"decision": decision}).encode() if is_json else decision.encode()
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n"
                    b"x-watchword-risk: 0\r\nset-cookie: app=1\r\n\r\n"
                    % (b"application/json" if is_json else b"text/plain", len(body))
                    + (b"" if seen.method == "HEAD" else body)
                )


def _seen(head: bytes) -> Seen | None:
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or any(":" not in line for line in lines):
        return None
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Seen(parts[0], parts[1], headers)


# --- people -----------------------------------------------------------------------------------------------------------


class Citizen:
    """Somebody with a browser and a passkey; signing in costs no hash and waits for no clock."""

    def __init__(self, node: DemoNode, name: str, ip: str) -> None:
        self.node = node
        self.name = name
        self.browser = Browser(node.proxy_port, node.authority, ip)
        self.passkey = SoftwareAuthenticator(origin=node.portal)

    def enrol(self, link: str) -> Page:
        """Open a one-time link and register the passkey."""
        page = self.browser.get(link)
        credential = self.passkey.create(options_of(page))
        return self.browser.submit(
            page, "/invite/passkey", display_name=self.name.title(), credential=json.dumps(credential)
        )

    def sign_in(self, page: Page, **cheat: Any) -> Page:
        """Answer the page that asks for a passkey."""
        credential = self.passkey.get(options_of(page), **cheat)
        return self.browser.submit(page, "/sign-in/passkey", credential=json.dumps(credential))

    def enter(self, url: str) -> Page:
        """Open an address, signing in or stepping up on the way if asked."""
        page = self.browser.get(url)
        if any(form.action.endswith("/sign-in/passkey") for form in page.forms()):
            page = self.sign_in(page)
        assert page.status == 200, (page.status, page.url, page.text[:200])
        return page

    def fresh_browser(self) -> Browser:
        """Return a browser at the same place that knows nothing."""
        return Browser(self.node.proxy_port, self.node.authority, self.browser.ip)

    def handle(self, host: str) -> str:
        """Return the session handle that this browser has for a host."""
        return self.browser.cookies[host]["__Host-ww-session"]


def options_of(page: Page) -> dict[str, Any]:
    """Return what the passkey script would hand to the browser."""
    found = _OPTIONS.search(page.text)
    assert found is not None, (page.status, page.url, page.text[:300])
    return dict(json.loads(html.unescape(found[1])))


def link_of(page: Page) -> str:
    """Return the one-time link on a page."""
    found = _LINK.search(html.unescape(page.text))
    assert found is not None, (page.status, page.url)
    return found[0]


@dataclass
class Fortress:
    """A running node with an echo application, an administrator and a member, for attacks that leave it standing."""

    node: SiegeNode
    echo: Echo
    root: Citizen
    member: Citizen
    wire: Wire
    _count: int = 0

    @property
    def echo_origin(self) -> str:
        """The echo application's origin."""
        return f"https://echo.localhost:{self.node.port}"

    def new_ip(self) -> str:
        """Return an address in a network that nobody used yet."""
        self._count += 1
        return f"198.{18 + self._count // 250}.{self._count % 250}.7"

    def invite(self, name: str) -> str:
        """Let the administrator create a member through the pages; return the one-time link."""
        page = self.root.enter(f"{self.node.portal}/admin/users")
        return link_of(self.create_user(page, name))

    def create_user(self, page: Page, name: str) -> Page:
        """Fill in the administrator's form for a new member."""
        form = next(form for form in page.forms() if form.method == "post" and form.action.endswith("/admin/users"))
        return self.root.browser.submit_form(page, form, name=name, email="", groups="members")

    def newcomer(self, name: str) -> Citizen:
        """Return an enrolled member who is signed in on the portal, from a network of their own."""
        citizen = Citizen(self.node, name, self.new_ip())
        citizen.enrol(self.invite(name))
        return citizen


ECHO = """
[[applications]]
name = "echo"
hosts = ["echo.localhost"]
upstream = "unix:{own}/echo.sock"
open_paths = ["/open"]
streaming = ["/stream"]
[applications.identity_headers]
X-App-User = "name"
Remote-User = "name"
X-App-Groups = "groups"
[[applications.resources]]
name = "admin"
path = "/admin"
sensitivity = "confidential"
"""
ECHO_POLICY = """
@id("members-may-access-echo")
permit (
  principal in Watchword::Group::"members",
  action in Watchword::Action::"access",
  resource in Watchword::Application::"echo"
);
@id("echo-admin-is-for-administrators")
forbid (
  principal,
  action in Watchword::Action::"access",
  resource == Watchword::Resource::"echo/admin"
) unless { principal in Watchword::Group::"administrators" };
"""


def build_fortress() -> Fortress:
    """Start a node with two people in it."""
    node = SiegeNode(config=ECHO)
    echo = Echo(node.own / "echo.sock")
    echo.start()
    try:
        node.start()
        policy = node.data / "policies" / "30-echo.cedar"
        policy.write_text(ECHO_POLICY)
        root = Citizen(node, "root", "198.18.251.7")
        root.enrol(node.up["link"])
        member = Citizen(node, "member", "198.18.252.7")
        member.enrol(str(node.command("users", "create", "member", "--group", "members")["link"]))
        member.enter(f"{node.notes}/")
        wire = Wire(node)
        fortress = Fortress(node, echo, root, member, wire)
        until(lambda: member.browser.get(f"{fortress.echo_origin}/").status == 200)
        root.enter(f"{node.notes}/")
        root.enter(f"{fortress.echo_origin}/")
    except BaseException:
        echo.stop()
        node.close()
        raise
    return fortress


def tear_down(fortress: Fortress) -> None:
    """Stop everything."""
    fortress.echo.stop()
    fortress.node.close()


# --- processes --------------------------------------------------------------------------------------------------------


def processes_of(node: DemoNode) -> list[int]:
    """Return every process that was started for a node's data directory and still runs (Linux)."""
    mark = f"WATCHWORD_DATA={node.data}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            is_zombie = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if not is_zombie and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def try_to_start(node: SiegeNode) -> tuple[int, str]:
    """Start as a person would, expecting that it ends by itself; return the exit code and all that was said."""
    done = subprocess.run(
        [sys.executable, "-m", "watchword", "up"],
        env=node.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout
