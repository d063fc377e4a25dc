"""Attack: ten thousand wrong passwords, against one account and one against each of ten thousand."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from siege import Fortress, build_fortress, tear_down, until

from watchword.demo.client import Browser
from watchword.demo.person import Person

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
EACH = 10_000
PASSWORD = "correct horse battery staple"  # invented
WRONG = "wrong horse battery staple"  # as above
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


@pytest.fixture
def own_fortress() -> Iterator[Fortress]:
    built = build_fortress()
    yield built
    tear_down(built)


class Flooder:
    """One attacker's connection to the portal's own socket, as Envoy would use it; nothing of it is slow."""

    def __init__(self, path: Path, portal: str) -> None:
        self._authority = portal.removeprefix("https://")
        self._portal = portal
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        page = self._exchange(self._head("GET", "198.19.1.1", b""), b"")
        self._cookie = (re.search(rb"__Host-ww-ceremony-[a-p]=[^;]+", page) or [b""])[0]
        self._csrf = (re.search(rb'name="csrf" value="([0-9a-f]+)"', page) or [b"", b""])[1].decode()

    def guess(self, name: str, ip: str) -> int:
        """Try one password and return the status."""
        body = urlencode({"csrf": self._csrf, "username": name, "password": WRONG}).encode()
        return int(self._exchange(self._head("POST", ip, body), body).split(b" ")[1])

    def close(self) -> None:
        self._socket.close()

    def _head(self, method: str, ip: str, body: bytes) -> bytes:
        head = (
            f"{method} /sign-in HTTP/1.1\r\nHost: {self._authority}\r\nX-Watchword-Client-Ip: {ip}\r\n"
            f"Origin: {self._portal}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n"
        ).encode()
        return head + (b"Cookie: " + self._cookie + b"\r\n\r\n" if body else b"\r\n")

    def _exchange(self, head: bytes, body: bytes) -> bytes:
        self._socket.sendall(head + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            chunk = self._socket.recv(65536)
            assert chunk, "the portal closed the connection"
            answer += chunk
        begin = answer.index(b"\r\n\r\n") + 4
        found = _LENGTH.search(answer)
        assert found is not None
        while len(answer) < begin + int(found[1]):
            answer += self._socket.recv(65536)
        return answer


def test_ten_thousand_wrong_passwords_of_either_kind_disturb_nobody(own_fortress: Fortress) -> None:
    fortress = own_fortress
    browser = Browser(fortress.node.proxy_port, fortress.node.authority, "198.51.100.7")
    owner = Person("owner", browser, password=PASSWORD)
    owner.enrol(fortress.invite("owner"))
    owner.sign_out(fortress.node.portal)
    before = _size(fortress)
    answers: dict[str, Counter[int]] = {"one": Counter(), "many": Counter()}
    over, seen = threading.Event(), list[int]()

    def flood(kind: str) -> None:
        flooder = Flooder(fortress.node.data / "run" / "web.sock", fortress.node.portal)
        try:
            for number in range(EACH):
                # One account from ten thousand networks; ten thousand accounts from one network.
                ip = f"100.{64 + number // 250}.{number % 250}.9" if kind == "one" else f"198.19.5.{number % 250}"
                answers[kind][flooder.guess("owner" if kind == "one" else f"somebody{number}", ip)] += 1
        finally:
            flooder.close()

    def browse() -> None:
        member = fortress.member.browser.clone()
        while not over.wait(0.02):
            seen.append(member.get(f"{fortress.echo_origin}/", follow=False).status)

    threads = [threading.Thread(target=flood, args=(kind,)) for kind in answers]
    watcher = threading.Thread(target=browse)
    watcher.start()
    for thread in threads:
        thread.start()
    try:
        until(lambda: sum(answers["one"].values()) > EACH // 10)
        # In the middle of it the owner signs in, at a browser that is known for this account.
        signed_in = owner.sign_in(browser.get(f"{fortress.node.portal}/sign-in"))
        assert signed_in.status == 200
        assert browser.get(f"{fortress.node.portal}/account", follow=False).status == 200
        assert any(thread.is_alive() for thread in threads), "the flood was over already"
    finally:
        for thread in threads:
            thread.join(200)
        over.set()
        watcher.join(30)
    for counted in answers.values():
        # Every one was answered, none was let in, and almost none was worth a hash.
        assert sum(counted.values()) == EACH
        assert set(counted) <= {401, 429, 503}
        assert counted[401] < EACH // 50
    assert set(seen) == {200}
    assert len(seen) > 20
    # What the attacker did is told, in a bounded number of words.
    grown = _size(fortress) - before
    assert grown < EACH // 20
    assert fortress.node.records("identity.sign_in.throttled")
    status = fortress.node.status()
    assert status is not None
    assert status["relay_problem"] is None
    fortress.node.command("audit", "verify")


def _size(fortress: Fortress) -> int:
    """Count every record that is not a decision."""
    kinds = ("identity.sign_in.failed", "identity.sign_in.throttled")
    return sum(len(fortress.node.records(kind)) for kind in kinds)
