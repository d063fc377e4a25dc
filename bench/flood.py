"""Measure what a flood of wrong passwords does to a signed-in person's decisions; quiet and flooded in turn, one run.

Two attackers, a process each, guess as fast as the portal answers: one against one account from ever new networks, one
against ever new accounts from one network. Meanwhile one person's requests are decided, one after another, on the
authorizer's own socket. Everybody shares the machine's cores, so a part of the difference is the attackers' own work.
"""

from __future__ import annotations

import multiprocessing
import re
import secrets
import socket
import statistics
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil

from bench.figures import show
from watchword.demo.client import Browser
from watchword.demo.node import DemoNode
from watchword.demo.person import Person

ROUNDS, SECONDS, GAP_S = 6, 2.0, 0.002
HOME = "81.2.69.142"
VICTIM = "owner"
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


def main(json: bool) -> None:  # noqa: FBT001 (the contract of `python -m bench NAME --json`)
    node = DemoNode()
    spawn = multiprocessing.get_context("spawn")
    is_on, is_over, guesses = spawn.Event(), spawn.Event(), spawn.Value("q", 0)
    attackers: list[Any] = []
    try:
        node.start()
        cookie = _member(node)
        run = node.data / "run"
        attackers = [
            spawn.Process(target=_attack, args=(run / "web.sock", node.portal, kind, is_on, is_over, guesses))
            for kind in ("one", "many")
        ]
        for attacker in attackers:
            attacker.start()
        person = _Line(run / "authz.sock")
        head = (
            f"GET /authz/ HTTP/1.1\r\nHost: notes.localhost:{node.port}\r\nX-Watchword-Client-Ip: {HOME}\r\n"
            f"Cookie: {cookie}\r\n\r\n"
        ).encode()
        taken: dict[str, list[float]] = {"quiet": [], "flooded": []}
        _ask(person, head)  # warms up
        control = psutil.Process(node.up["pids"]["control plane"])
        spent = flooded_s = 0.0
        for turn in range(2 * ROUNDS):
            name = "flooded" if turn % 2 else "quiet"
            (is_on.set if turn % 2 else is_on.clear)()
            began, cpu = time.monotonic(), sum(control.cpu_times()[:2])
            found = _ask(person, head)
            taken[name] += found
            if turn % 2:
                spent += sum(control.cpu_times()[:2]) - cpu
                flooded_s += time.monotonic() - began
            if not json:
                print(f"  {name:<8} median {statistics.median(found):7.0f} us over {len(found)} decisions")
        is_on.clear()
        figures: dict[str, Any] = {
            f"{name}_{label}_us": round(_share(values, share))
            for name, values in taken.items()
            for label, share in (("p50", 0.5), ("p99", 0.99))
        }
        figures["guesses_per_s"] = round(guesses.value / flooded_s)
        figures["cpu_us_per_guess"] = round(spent / guesses.value * 1e6)
    finally:
        is_over.set()
        for attacker in attackers:
            attacker.join()
        node.close()
    show(figures, as_json=json)


def _member(node: DemoNode) -> str:
    """Enrol somebody, let them into the sample application, and return their cookies there."""
    policy = 'permit (principal in Watchword::Group::"members", action, resource);\n'
    (node.data / "policies" / "50-bench.cedar").write_text(policy)
    node.command("users", "create", VICTIM)
    link = node.command("users", "create", "ada", "--group", "members")["link"]
    ada = Person("ada", Browser(node.proxy_port, node.authority, HOME), password=secrets.token_urlsafe(18))
    ada.enrol(link)
    if ada.browser.get(f"{node.notes}/").status != 200:  # noqa: PLR2004 (OK)
        raise SystemExit("the sample application did not let the person in")
    return "; ".join(f"{name}={value}" for name, value in ada.browser.cookies["notes.localhost"].items())


def _ask(person: _Line, head: bytes) -> list[float]:
    """Ask for decisions for a while and return how long each took, in microseconds."""
    taken, until = [], time.monotonic() + SECONDS
    while time.monotonic() < until:
        began = time.perf_counter()
        answer = person.exchange(head)
        taken.append((time.perf_counter() - began) * 1e6)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"the person was not let in: {answer[:40]!r}")
        time.sleep(GAP_S)
    return taken


def _attack(path: Path, portal: str, kind: str, is_on: Event, is_over: Event, guesses: Any) -> None:
    line, number = _Line(path), 0
    start = f"Host: {portal.removeprefix('https://')}\r\nOrigin: {portal}\r\nX-Watchword-Client-Ip: "
    page = line.exchange(f"GET /sign-in HTTP/1.1\r\n{start}198.19.1.1\r\n\r\n".encode())
    cookie = (re.search(rb"__Host-ww-ceremony-[a-p]=[^;]+", page) or [b""])[0].decode()
    csrf = (re.search(rb'name="csrf" value="([0-9a-f]+)"', page) or [b"", b""])[1].decode()
    while not is_over.is_set():
        if not is_on.wait(0.1):
            continue
        number += 1
        ip = f"100.{64 + number // 250 % 64}.{number % 250}.9" if kind == "one" else f"198.19.5.{number % 250}"
        name = VICTIM if kind == "one" else f"somebody{number}"
        body = urlencode({"csrf": csrf, "username": name, "password": "wrong horse battery staple"})
        head = (
            f"POST /sign-in HTTP/1.1\r\n{start}{ip}\r\nCookie: {cookie}\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        line.exchange((head + body).encode())
        with guesses.get_lock():
            guesses.value += 1


class _Line:
    """One connection that is kept open."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))

    def exchange(self, request: bytes) -> bytes:
        self._socket.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        begin, length = answer.index(b"\r\n\r\n") + 4, _LENGTH.search(answer)
        while len(answer) < begin + (int(length[1]) if length else 0):
            answer += self._more()
        return answer

    def _more(self) -> bytes:
        chunk = self._socket.recv(65536)
        if not chunk:
            raise SystemExit("the connection was closed")
        return chunk


def _share(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
