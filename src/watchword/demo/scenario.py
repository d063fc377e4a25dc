"""The whole loop, one line a step; every outcome is checked."""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from watchword.demo.client import Browser, Page
from watchword.demo.node import DemoNode, NodeFailedError
from watchword.demo.person import Person

# Public addresses whose country the shipped data knows; nothing is ever sent to them.
LONDON, TOKYO = "81.2.69.142", "133.11.0.1"
_WITHIN_S = 5.0
_FORBID = """@id("demo-freeze")
@reason("Notes are frozen for the demonstration.")
forbid (principal, action == Watchword::Action::"read", resource in Watchword::Application::"notes");
"""


class UnexpectedError(Exception):
    """A step came out otherwise than it must."""


@dataclass
class Step:
    """One step and how it came out."""

    name: str
    ok: bool = False
    ms: float = 0.0
    seen: str = ""


@dataclass
class Walk:
    """The steps taken so far."""

    as_json: bool
    steps: list[Step] = field(default_factory=list)
    revoke_to_deny_ms: float | None = None
    cut_ms: float | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Take a step: measure it, print it, and stop the walk if it fails."""
        step = Step(name)
        self.steps.append(step)
        begun = time.perf_counter()
        try:
            yield step
            step.ok = True
        except (UnexpectedError, NodeFailedError, LookupError, OSError, ConnectionClosed) as error:
            step.seen = f"{error}"
            raise UnexpectedError(name) from error
        finally:
            step.ms = round((time.perf_counter() - begun) * 1000, 1)
            if not self.as_json:
                mark = "ok  " if step.ok else "FAIL"
                print(f"  {mark} {step.name:<62} {step.ms:>8.0f} ms  {step.seen}", flush=True)


def run(*, as_json: bool) -> int:
    """Walk the loop against a fresh node; return 0 only if every outcome was the right one."""
    walk = Walk(as_json)
    node = DemoNode()
    begun = time.perf_counter()
    ok = False
    try:
        _loop(walk, node)
        ok = True
    except UnexpectedError as error:
        if not as_json:
            print(f"\nthe loop failed at: {error}", file=sys.stderr)
    finally:
        node.close()
    seconds = round(time.perf_counter() - begun, 1)
    if as_json:
        print(
            json.dumps(
                {
                    "ok": ok,
                    "steps": [asdict(step) for step in walk.steps],
                    "revoke_to_deny_ms": walk.revoke_to_deny_ms,
                    "revoke_to_cut_ms": walk.cut_ms,
                    "seconds": seconds,
                }
            )
        )
    elif ok:
        print(f"\n  the whole loop in {seconds} s; access ended {walk.revoke_to_deny_ms} ms after it was revoked")
    return 0 if ok else 1


def _loop(walk: Walk, node: DemoNode) -> None:
    with walk.step("start control plane, Envoy and the sample application") as step:
        node.start()
        step.seen = f"up after {node.up['start_s']} s"
    root = Person("root", Browser(node.proxy_port, node.authority, LONDON), password=secrets.token_urlsafe(18))
    ada = Person("ada", Browser(node.proxy_port, node.authority, LONDON), password=secrets.token_urlsafe(18))
    with walk.step("the first administrator enrols by the one-time link"):
        _expect(root.enrol(node.up["link"]), 200)
        # The administration asks for the second factor, freshly.
        page = root.confirm(root.browser.get(f"{node.portal}/admin/sessions"))
        _expect(page, 200, text="Ending one counts from its very next request")
    with walk.step("a new user is invited and enrols password and TOTP"):
        link = node.command("users", "create", "ada", "--group", "members")["link"]
        _expect(ada.enrol(link), 200)
        ada.sign_out(node.portal)
    _access(walk, node, ada)
    _streams(walk, node, ada)
    _risk(walk, node, ada)
    socket = _policy(walk, node, ada)
    _revocation(walk, node, root, ada, socket)
    with walk.step("the journal is verified") as step:
        step.seen = node.command("audit", "verify")["message"]
    with walk.step("everything stops"):
        code = node.stop()
        if code != 0:
            raise UnexpectedError(f"exit code {code}")


def _access(walk: Walk, node: DemoNode, ada: Person) -> None:
    with walk.step("a stranger is sent to sign in"):
        page = ada.browser.get(f"{node.notes}/", follow=False)
        _expect(page, 302, location="/sign-in")
    with walk.step("sign in with password and TOTP, and land in the application") as step:
        page = ada.sign_in(ada.browser.get(f"{node.notes}/"))
        _expect(page, 200, text="Notes")
        step.seen = page.url
    with walk.step("allowed again, without a question") as step:
        page = ada.browser.get(f"{node.notes}/why")
        _expect(page, 200, text="ada")
        step.seen = _newest(node)


def _streams(walk: Walk, node: DemoNode, ada: Person) -> None:
    with walk.step("a WebSocket opens and carries messages") as step:
        socket = _socket(node, ada)
        step.seen = str(socket.recv(timeout=_WITHIN_S))[:48]
        socket.close()


def _socket(node: DemoNode, ada: Person) -> ClientConnection:
    return ada.browser.websocket(f"{node.notes.replace('https', 'wss')}/ws")


def _risk(walk: Walk, node: DemoNode, ada: Person) -> None:
    with walk.step("the same session from the other side of the world: step up") as step:
        thief = ada.browser.clone()
        thief.travel(TOKYO)
        _expect(thief.get(f"{node.notes}/", follow=False), 302, location="/step-up")
        page = thief.get(f"{node.notes}/", accept="application/json")
        _expect(page, 401, text="risk_medium")
        if 'error="insufficient_user_authentication"' not in (page.header("www-authenticate") or ""):
            raise UnexpectedError("no step-up challenge for a program")
        step.seen = _newest(node)
    with walk.step("there without the browser's device key: denied") as step:
        stranger = ada.browser.clone(without="device")
        stranger.travel(TOKYO)
        _expect(stranger.get(f"{node.notes}/", accept="application/json"), 403, text="risk_high")
        step.seen = _newest(node)
    with walk.step("at home nothing has changed"):
        _expect(ada.browser.get(f"{node.notes}/"), 200)


def _policy(walk: Walk, node: DemoNode, ada: Person) -> ClientConnection:
    policy = node.data / "policies" / "50-demo.cedar"
    with walk.step("a policy is added: denied from the next request on") as step:
        policy.write_text(_FORBID)
        page = _until(lambda: ada.browser.get(f"{node.notes}/", accept="application/json"), 403)
        _expect(page, 403, text="policy_forbids")
        step.seen = _newest(node)
    with walk.step("the policy is withdrawn: allowed again"):
        policy.unlink()
        _until(lambda: ada.browser.get(f"{node.notes}/"), 200)
        # Opened only now: the policy cut, or kept out, whatever was open before.
        socket = _socket(node, ada)
        socket.recv(timeout=_WITHIN_S)
    return socket


def _revocation(walk: Walk, node: DemoNode, root: Person, ada: Person, socket: ClientConnection) -> None:
    sessions = node.command("sessions", "list", "--user", "ada")
    page = root.browser.get(f"{node.portal}/admin/sessions")
    cut_at: list[float] = []
    watcher = threading.Thread(target=_watch, args=(socket, cut_at), daemon=True)
    with walk.step("an administrator ends the session: the next request is denied") as step:
        watcher.start()
        form = next(form for form in page.forms() if form.fields.get("session") == sessions[0]["session"])
        begun = time.perf_counter()
        root.browser.submit_form(page, form)
        denied = ada.browser.get(f"{node.notes}/", accept="application/json")
        walk.revoke_to_deny_ms = round((time.perf_counter() - begun) * 1000, 1)
        _expect(denied, 401, text="session_ended")
        step.seen = f"{walk.revoke_to_deny_ms} ms from the click to the denial"
    with walk.step("and the open WebSocket is cut") as step:
        watcher.join(_WITHIN_S)
        if not cut_at:
            raise UnexpectedError("the WebSocket is still open")
        walk.cut_ms = round((cut_at[0] - begun) * 1000, 1)
        if walk.cut_ms <= 0:
            raise UnexpectedError("the WebSocket was cut before the session was ended")
        step.seen = f"{walk.cut_ms} ms after the click"


def _watch(socket: ClientConnection, cut_at: list[float]) -> None:
    try:
        while True:
            socket.recv(timeout=_WITHIN_S * 2)
    except ConnectionClosed:
        cut_at.append(time.perf_counter())
    except TimeoutError:
        return


def _until(fetch: Callable[[], Page], status: int) -> Page:
    deadline = time.monotonic() + _WITHIN_S
    page = fetch()
    while page.status != status and time.monotonic() < deadline:
        page = fetch()
    _expect(page, status)
    return page


def _expect(page: Page, status: int, *, text: str = "", location: str = "") -> None:
    where = page.header("location") or ""
    if page.status != status or text not in page.text or location not in where:
        wanted = " ".join(part for part in (str(status), text, location) if part)
        raise UnexpectedError(f"expected {wanted}, got {page.status} {where} at {page.url.partition('?')[0]}")


def _newest(node: DemoNode) -> str:
    """Say in a few words what the newest decision stood on."""
    record: dict[str, Any] = node.last_decision()
    parts = [record["personal"]["details"][name] for name, points in record["contributions"] if points]
    why = parts[0] if parts else ", ".join(name for name, _ in record["policies"]) or record["reasons"][0]
    return f"risk {record['risk']}: {why}"[:90]
