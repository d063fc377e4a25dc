"""A policy server elsewhere that has to agree: over its Data API, with a time limit; what goes wrong denies.

The server in most of these tests is ours and speaks the documented Data API, nothing more; the last tests ask a real
`opa` where one is on the path.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from rego_world import EXAMPLE, EXAMPLE_INPUT, MEMBERS, request, write

from watchword.kernel import ConfigurationError
from watchword.kernel.settings import read_slice
from watchword.policy import Effect, PolicyAnswer, PolicySet
from watchword.policy.rego import OpaSettings, RemoteOpa, Said, Stand

Reply = Callable[[str, Any], tuple[int, bytes]]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, reply: Reply) -> None:
        self.reply, self.asked, self.tokens, self.peers = reply, [], [], set()  # type: ignore[var-annotated]
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that left; that they do is tested."""


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, path: str, reply: Reply) -> None:
        self.reply, self.asked, self.tokens, self.peers = reply, [], [], set()  # type: ignore[var-annotated]
        super().__init__(path, Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body["input"]))
        self.server.tokens.append(self.headers["Authorization"])
        self.server.peers.add(self.client_address)
        status, said = self.server.reply(self.path.partition("?")[0], body["input"])
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def result(value: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"result": value}).encode()


def settings(url: str, **changes: Any) -> OpaSettings:
    return OpaSettings(**{"url": url, "rules": ("x.authz.allow",), "timeout_ms": 2000} | changes)


@contextmanager
def opa(reply: Reply, **changes: Any) -> Iterator[tuple[RemoteOpa, Server]]:
    with serving(Server(reply)) as server:
        remote = RemoteOpa(settings(f"http://127.0.0.1:{server.server_port}", **changes), clock=time.monotonic)
        try:
            yield remote, server
        finally:
            remote.close()


async def said_by(remote: RemoteOpa, document: dict[str, Any] | None = None) -> Said:
    (said,) = await remote.settle(lambda: remote.say(document or {"a": 1}))
    return said


async def test_a_server_that_says_true_allows_and_one_that_says_false_denies() -> None:
    with opa(lambda _path, asked: result(asked["a"] == 1)) as (remote, server):
        assert (await said_by(remote, {"a": 1})).stand is Stand.ALLOWS
        assert (await said_by(remote, {"a": 2})).stand is Stand.DENIES
        assert server.asked[0] == ("/v1/data/x/authz/allow?strict-builtin-errors=true", {"a": 1})


async def test_allow_and_deny_are_two_questions_and_deny_wins() -> None:
    def reply(path: str, _: Any) -> tuple[int, bytes]:
        return result(True) if path.endswith("/allow") else result(["no"])

    with opa(reply, rules=("x.authz.allow", "x.authz.deny"), strict_builtin_errors=False) as (remote, server):
        said = await said_by(remote)
        assert (said.stand, said.reasons) == (Stand.DENIES, ("no",))
        assert {path for path, _ in server.asked} == {"/v1/data/x/authz/allow", "/v1/data/x/authz/deny"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, b"{}"), "rego_undefined"),
        ((200, b'{"result": "yes"}'), "rego_not_boolean"),
        ((200, b'{"result": null}'), "rego_not_boolean"),
        ((200, b'{"result": false, "result": true}'), "rego_remote_error"),
        ((200, b"true"), "rego_remote_error"),
        ((200, b"<html>true</html>"), "rego_remote_error"),
        ((200, b""), "rego_remote_error"),
        ((200, b"[" * 60_000), "rego_remote_error"),
        ((200, b'{"result": true, "pad": "' + b"a" * 70_000 + b'"}'), "rego_remote_error"),
        ((201, b'{"result": true}'), "rego_remote_error"),
        ((302, b'{"result": true}'), "rego_remote_error"),
        ((401, b'{"code": "unauthorized", "message": "..."}'), "rego_remote_error"),
        ((500, b'{"code": "internal_error", "errors": [{"code": "eval_builtin_error"}]}'), "rego_builtin_error"),
        ((500, b'{"code": "internal_error", "errors": [{"code": "eval_conflict_error"}]}'), "rego_conflict"),
        ((500, b'{"errors": [7, {"code": []}]}'), "rego_remote_error"),
    ],
)
async def test_whatever_is_no_plain_yes_denies_with_words_of_its_own(answer: tuple[int, bytes], code: str) -> None:
    with opa(lambda *_: answer) as (remote, _):
        said = await said_by(remote)
        assert said.stand is Stand.FAILED
        assert said.problem.startswith(f"{code}: `x.authz`: ")


async def test_a_server_that_is_silent_is_a_denial_when_its_time_is_over() -> None:
    gate = threading.Event()

    def reply(*_: Any) -> tuple[int, bytes]:
        gate.wait(20)
        return result(True)

    with opa(reply, timeout_ms=60) as (remote, _):
        began = time.monotonic()
        said = await said_by(remote)
        took = time.monotonic() - began
        gate.set()
    assert said.problem == "rego_timeout: `x.authz`: no answer within 60 ms"
    assert took < 5


async def test_an_answer_that_drips_is_a_denial_when_its_time_is_over() -> None:
    """Each byte comes within the socket's own limit; only a deadline over all of it ends this."""

    class Dripping(Handler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            stopped = threading.Event()
            try:
                while not stopped.wait(0.01):
                    self.wfile.write(b" ")
                    self.wfile.flush()
            except OSError:
                self.close_connection = True

    with serving(Server(lambda *_: result(True))) as server:
        server.RequestHandlerClass = Dripping
        remote = RemoteOpa(settings(f"http://127.0.0.1:{server.server_port}", timeout_ms=100), clock=time.monotonic)
        assert (await said_by(remote)).problem.startswith("rego_timeout")
        remote.close()
        await asyncio.to_thread(remote._threads.shutdown)  # the thread is free again, or this never returns


async def test_a_server_that_is_not_there_denies() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        remote = RemoteOpa(settings(f"http://127.0.0.1:{taken.getsockname()[1]}"), clock=time.monotonic)
        said = await said_by(remote)
        remote.close()
    assert said.problem == "rego_unavailable: `x.authz`: the policy server cannot be asked (ConnectionRefusedError)"


async def test_connections_are_kept_and_one_that_the_server_closed_is_replaced() -> None:
    with opa(lambda *_: result(True), connections=1) as (remote, server):
        for number in range(3):
            assert (await said_by(remote, {"a": number})).stand is Stand.ALLOWS
        assert len(server.peers) == 1
        kept = remote._pool._kept.queue[0].sock
        kept.shutdown(socket.SHUT_RDWR)
        assert (await said_by(remote, {"a": 9})).stand is Stand.ALLOWS
        assert len(server.peers) == 2


async def test_no_more_connections_are_open_than_allowed() -> None:
    with opa(lambda *_: result(True), connections=2) as (remote, server):
        documents = [{"a": number} for number in range(12)]
        found = await remote.settle(lambda: [remote.say(document)[0].stand for document in documents])
        assert found == [Stand.ALLOWS] * 12
        assert len(server.peers) <= 2


async def test_a_unix_socket_serves_as_well(tmp_path: Path) -> None:
    path = str(tmp_path / "opa.sock")
    with serving(UnixServer(path, lambda *_: result(True))):
        remote = RemoteOpa(settings(f"unix:{path}"), clock=time.monotonic)
        assert (await said_by(remote)).stand is Stand.ALLOWS
        remote.close()


async def test_the_token_is_read_for_each_question_and_stays_out_of_words(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    with opa(lambda *_: result(True), token_file=str(file)) as (remote, server):
        assert (await said_by(remote, {"a": 1})).stand is Stand.ALLOWS
        file.write_text("two")
        assert (await said_by(remote, {"a": 2})).stand is Stand.ALLOWS
        assert server.tokens == ["Bearer one", "Bearer two"]
        for wrong in ("", "two\r\nX-Admin: yes", "tw o", "é"):
            file.write_text(wrong)
            said = await said_by(remote, {"a": wrong})
            assert said.problem.startswith("rego_unavailable")
            assert "two" not in said.problem
        assert len(server.asked) == 2


async def test_what_is_not_asked_denies() -> None:
    with opa(lambda *_: result(True)) as (remote, server):
        (said,) = remote.say({"a": 1})
        assert said.problem == "rego_unasked: `x.authz`: the policy server was not asked about this"
        assert server.asked == []


async def test_an_answer_is_good_for_its_document_only_and_for_a_moment_only() -> None:
    now = [0.0]
    with opa(lambda *_: result(True)) as (remote, _):
        remote._clock = lambda: now[0]
        await said_by(remote, {"a": 1})
        assert remote.say({"a": 1})[0].stand is Stand.ALLOWS
        assert remote.say({"a": 2})[0].stand is Stand.FAILED
        now[0] = 2.1
        assert remote.say({"a": 1})[0].stand is Stand.FAILED


async def test_each_decision_asks_anew() -> None:
    answers = iter([True, False])
    with opa(lambda *_: result(next(answers))) as (remote, _):
        assert (await said_by(remote)).stand is Stand.ALLOWS
        assert (await said_by(remote)).stand is Stand.DENIES


async def test_a_decision_that_asks_something_new_each_time_ends_and_denies() -> None:
    count = iter(range(100))
    with opa(lambda *_: result(True)) as (remote, server):
        (said,) = await remote.settle(lambda: remote.say({"n": next(count)}))
        assert said.problem.startswith("rego_unasked")
        assert len(server.asked) == 4


async def test_two_decisions_at_once_do_not_take_each_others_answers() -> None:
    with opa(lambda _path, asked: result(asked["a"] % 2 == 0)) as (remote, _):
        found = await asyncio.gather(*(said_by(remote, {"a": number}) for number in range(20)))
        assert [said.stand is Stand.ALLOWS for said in found] == [number % 2 == 0 for number in range(20)]


async def evaluated(tmp_path: Path, remote: RemoteOpa, cedar: str, *groups: str) -> PolicyAnswer:
    policies = PolicySet.load(write(tmp_path, cedar)).joined_with(remote)
    assert not policies.is_repeatable
    return await remote.settle(lambda: policies.evaluate(request(*groups)))


@pytest.mark.parametrize(("says", "effect"), [(True, Effect.PERMIT), (False, Effect.FORBID), ("?", Effect.ERROR)])
async def test_a_remote_answer_joins_cedars(tmp_path: Path, says: Any, effect: Effect) -> None:
    with opa(lambda *_: result(says)) as (remote, server):
        assert (await evaluated(tmp_path, remote, MEMBERS, "members")).effect is effect
        assert server.asked[0][1]["user"]["roles"] == ["members"]


async def test_where_cedar_forbids_the_server_is_not_asked(tmp_path: Path) -> None:
    with opa(lambda *_: result(True)) as (remote, server):
        answer = await evaluated(tmp_path, remote, "forbid (principal, action, resource);")
        assert answer.effect is Effect.FORBID
        assert server.asked == []


async def test_a_server_permits_nothing_where_the_policy_directory_is_empty(tmp_path: Path) -> None:
    with opa(lambda *_: result(True)) as (remote, server):
        assert (await evaluated(tmp_path, remote, "")).code == "policy_missing"
        assert server.asked == []


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"url": "http://127.0.0.1:8181"}, "`rules` is empty"),
        ({"url": "http://127.0.0.1:8181", "rules": ["allow"]}, "is no rule to ask"),
        ({"url": "http://127.0.0.1:8181", "rules": ["a.b/../c.allow"]}, "is no rule to ask"),
        ({"url": "http://opa.example.com", "rules": ["a.allow"]}, "http reaches this machine only"),
        ({"url": "http://127.0.0.1.example.com", "rules": ["a.allow"]}, "http reaches this machine only"),
        ({"url": "https://user:pass@opa.example.com", "rules": ["a.allow"]}, "is no address"),
        ({"url": "https://opa.example.com/v1/data?x", "rules": ["a.allow"]}, "is no address"),
        ({"url": "ftp://opa.example.com", "rules": ["a.allow"]}, "is no address"),
        ({"timeout_ms": 0}, "`timeout_ms` must lie between"),
        ({"connections": 1000}, "`connections` must lie between"),
        ({"answer_bytes": 1}, "`answer_bytes` must lie between"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(document: dict[str, Any], problem: str) -> None:
    with pytest.raises((ConfigurationError, ValueError), match=problem):
        read_slice(OpaSettings, document, section="opa", environment={})


# ---- the real one ----------------------------------------------------------------------------------------------------

real = pytest.mark.skipif(shutil.which("opa") is None, reason="the real `opa` is not on the path")


@contextmanager
def real_opa(tmp_path: Path, source: str) -> Iterator[RemoteOpa]:
    (tmp_path / "p.rego").write_text(source)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = ["opa", "run", "--server", "--v0-compatible", "--log-level=error", "--addr", address]
    with subprocess.Popen([*command, str(tmp_path / "p.rego")], stdout=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 20
            while time.monotonic() < until:
                try:
                    with urlopen(f"http://{address}/health", timeout=1):
                        break
                except OSError:
                    continue
            remote = RemoteOpa(
                settings(f"http://{address}", rules=("blossom.authz.allow",), timeout_ms=5000), clock=time.monotonic
            )
            yield remote
            remote.close()
        finally:
            process.kill()


@real
async def test_a_real_opa_denies_the_example_because_a_builtin_fails(tmp_path: Path) -> None:
    with real_opa(tmp_path, EXAMPLE) as remote:
        said = await said_by(remote, EXAMPLE_INPUT)
        assert said.problem.startswith("rego_builtin_error: `blossom.authz`: a builtin failed")
        assert (await said_by(remote, {})).stand is not Stand.ALLOWS


@real
async def test_a_real_opa_allows_the_example_with_whole_timestamps(tmp_path: Path) -> None:
    mended = EXAMPLE.replace("09:00:00", "2000-01-01T09:00:00Z").replace("18:00:00", "2200-01-01T18:00:00Z")
    with real_opa(tmp_path, mended) as remote:
        assert (await said_by(remote, EXAMPLE_INPUT)).stand is Stand.ALLOWS
        assert (await said_by(remote, {**EXAMPLE_INPUT, "resource": "cafeteria"})).stand is Stand.DENIES
