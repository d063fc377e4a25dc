"""Measure requests through the real edge: without authorization, with an empty authorizer, with ours; interleaved.

Five whole edges stand at once and are loaded in turn by wrk over TLS with the very same request: the same Envoy binary
with the same configuration and the same application behind it (an Envoy that answers at once, on a Unix socket).
`envoy` has no authorization filter. `null` asks a door that says yes at once, on the same server as ours. `asgi` asks
an empty ASGI application on uvicorn, as an authorizer in Python is usually written. `ours` is `watchword up` as users
start it, with a signed-in session: the decision point grants a lease for what is asked again and again, and Envoy
answers from it for ten seconds at most. `asked` is the same with leases turned off: identity, device, context, risk,
policy, the journal's group commit and a signed assertion for every request.
"""

from __future__ import annotations

import asyncio
import json as json_module
import multiprocessing
import os
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import uvloop

from bench.figures import show
from watchword.app.serving import Listener, on_unix_socket
from watchword.demo.client import Browser
from watchword.demo.node import DemoNode, free_port
from watchword.demo.person import Person
from watchword.enforcement.answers import HttpAnswer
from watchword.enforcement.envoy import EdgeFiles, EdgeSettings, PublishedApplication, Upstream, find_envoy, prepare
from watchword.enforcement.ext_authz import ExtAuthz
from watchword.kernel import SystemClock, SystemEntropy
from watchword.keys import LocalAuthority

ROUNDS, SECONDS, THREADS, CONNECTIONS = 5, 4, 2, 32
HOST = "bench.localhost"
HOME = "81.2.69.142"
_READY_S = 15.0
_OK = "200"
_NETWORK = "type.googleapis.com/envoy.extensions.filters.network"
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def main(json: bool) -> None:  # noqa: FBT001 (the contract of `python -m bench NAME --json`)
    if shutil.which("wrk") is None:
        raise SystemExit("the load generator `wrk` is missing; Debian: apt-get install wrk")
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ww-")))
        origin = root / "origin.sock"
        stack.enter_context(_origin(root, origin))
        edges = {
            "envoy": stack.enter_context(_edge(root / "e", origin, None)),
            "null": stack.enter_context(_edge(root / "n", origin, _null_authorizer)),
            "asgi": stack.enter_context(_edge(root / "a", origin, _asgi_authorizer)),
            "asked": stack.enter_context(_ours(origin, lease_s=0)),
            "ours": stack.enter_context(_ours(origin)),
        }
        for name, load in edges.items():
            if name != "asked":
                load["headers"]["Cookie"] = edges["ours"]["headers"]["Cookie"]
        for name, load in edges.items():
            _check(name, load)
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in edges}
        for turn in range(ROUNDS + 1):
            for name, load in edges.items():
                figures = _wrk(load, seconds=SECONDS if turn else 1)
                if turn:  # the first round warms up
                    runs[name].append(figures)
                    if not json:
                        print(f"  round {turn} {name:<6} {figures['rps']:>9.0f} requests/s  p50 {figures['p50_ms']} ms")
        found: dict[str, Any] = {
            f"{name}_{figure}": round(statistics.median(run[figure] for run in taken), 2)
            for name, taken in runs.items()
            for figure in ("rps", "p50_ms", "p99_ms", "cpu_us")
        }
        del found["envoy_cpu_us"]
        found["ours_of_null"] = round(found["ours_rps"] / found["null_rps"], 3)
        found["asked_of_null"] = round(found["asked_rps"] / found["null_rps"], 3)
        for name in ("ours", "asked"):
            half = _wrk(edges[name], seconds=2 * SECONDS, target_rps=found[f"{name}_rps"] / 2)
            found |= {f"{name}_half_{figure}": half[figure] for figure in ("rps", "p50_ms", "p99_ms")}
        found |= {"connections": CONNECTIONS, "rounds": ROUNDS, "seconds": SECONDS}
    show(found, as_json=json)


@contextmanager
def _origin(root: Path, socket: Path) -> Iterator[None]:
    """The application: an Envoy that answers every request by itself."""
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}
    manager = {
        "@type": f"{_NETWORK}.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "origin",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    listener = {
        "name": "origin",
        "address": {"pipe": {"path": str(socket), "mode": 0o600}},
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    config = root / "origin.json"
    config.write_text(json_module.dumps({"static_resources": {"listeners": [listener]}}))
    command = [str(find_envoy()), "-c", str(config), "--concurrency", "1", "--disable-hot-restart"]
    with _program([*command, "--log-path", str(root / "origin.log"), "--log-level", "warning"]):
        _wait(socket.exists)
        yield


@contextmanager
def _edge(root: Path, origin: Path, serve: Callable[[Path], None] | None) -> Iterator[dict[str, Any]]:
    """Our edge's configuration, with an authorizer in a process of its own or with none."""
    run = root / "run"
    run.mkdir(parents=True, mode=0o700)
    port = free_port()
    issued = LocalAuthority(root / "ca", SystemClock(), SystemEntropy()).ensure(["watchword.localhost", HOST])
    files = EdgeFiles(run, issued.certificate_file, issued.private_key_file, root / "log")
    app = PublishedApplication("bench", (HOST,), Upstream.parse(f"unix:{origin}"))
    command = prepare(EdgeSettings(listen=f"127.0.0.1:{port}"), [app], files)
    authorizer = None
    with ExitStack() as stack:
        if serve is not None:
            process = multiprocessing.get_context("spawn").Process(target=serve, args=(files.authz_socket,))
            process.start()
            stack.callback(process.join)
            stack.callback(process.terminate)
            authorizer = process.pid
            _wait(files.authz_socket.exists)
        else:
            _without_authorization(files.bootstrap_file)
        stack.enter_context(_program(command))
        load = {"url": f"https://127.0.0.1:{port}/", "headers": {"Host": f"{HOST}:{port}"}, "pid": authorizer}
        _wait(lambda: _status(load) == _OK)
        yield load


def _without_authorization(bootstrap: Path) -> None:
    def strip(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: [strip(v) for v in value if not _is_authorization(v)] if isinstance(value, list) else strip(value)
                for key, value in node.items()
                if key != "typed_per_filter_config"
            }
        return node

    def _is_authorization(node: Any) -> bool:
        return isinstance(node, dict) and "ext_authz" in str(node.get("name", "")) and "typed_config" in node

    document = json_module.loads(bootstrap.read_text())
    stripped = strip(document)
    if stripped == document:
        raise SystemExit("the authorization filter was not found in the configuration")
    bootstrap.write_text(json_module.dumps(stripped))


def _null_authorizer(socket: Path) -> None:
    """The same server as ours, with a door that says yes to everything."""
    _serve(ExtAuthz(_OpenDoor(), on_unix_socket(socket)))  # type: ignore[arg-type]


def _asgi_authorizer(socket: Path) -> None:
    """An empty ASGI application."""
    _serve(Listener(_yes, on_unix_socket(socket)))


def _serve(server: ExtAuthz | Listener) -> None:
    async def serve() -> None:
        await server.start()
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


class _OpenDoor:
    def ask(self, *, reply: Callable[[HttpAnswer], None], **_asked: Any) -> None:
        reply(_YES)


_YES = HttpAnswer(200, ())


async def _yes(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def _ours(origin: Path, *, lease_s: int | None = None) -> Iterator[dict[str, Any]]:
    """`watchword up` with one application, and the cookies of somebody who signed in."""
    config = f'[[applications]]\nname = "bench"\nhosts = ["{HOST}"]\nupstream = "unix:{origin}"\n'
    if lease_s is not None:
        config = f"[edge]\nlease_s = {lease_s}\n{config}"
    policy = 'permit (principal in Watchword::Group::"members", action, resource in Watchword::Application::"bench");\n'
    with tempfile.TemporaryDirectory(prefix="ww-") as root:
        node = DemoNode(data=Path(root) / "data")
        node.data.mkdir(mode=0o700)
        (node.data / "watchword.toml").write_text(config)
        try:
            node.start()
            (node.data / "policies" / "50-bench.cedar").write_text(policy)
            link = node.command("users", "create", "ada", "--group", "members")["link"]
            ada = Person(
                "ada", Browser(node.proxy_port, node.authority, "127.0.0.1"), password=secrets.token_urlsafe(18)
            )
            ada.enrol(link)
            url = f"https://{HOST}:{node.port}/"
            _wait(lambda: str(ada.browser.get(url).status) == _OK)
            cookie = "; ".join(f"{name}={value}" for name, value in ada.browser.cookies[HOST].items())
            yield {
                "url": f"https://127.0.0.1:{node.port}/",
                "headers": {"Host": f"{HOST}:{node.port}", "Cookie": cookie},
                "pid": node.up["pids"]["control plane"],
            }
        finally:
            node.close()


def _wrk(load: dict[str, Any], *, seconds: int, target_rps: float | None = None) -> dict[str, float]:
    command = ["wrk", "-t", str(THREADS), "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--latency"]
    for name, value in load["headers"].items():
        command += ["-H", f"{name}: {value}"]
    with tempfile.TemporaryDirectory() as directory:
        if target_rps is not None:
            # Each connection waits so long, on average, before it asks again, and for the answer on top of that.
            pause_ms = 1000 * CONNECTIONS / target_rps
            script = Path(directory) / "pause.lua"
            script.write_text(f"function delay() return math.random(0, {round(2 * pause_ms)}) end\n")
            command += ["-s", str(script)]
        before = _cpu_s(load)
        done = subprocess.run([*command, load["url"]], capture_output=True, text=True, check=True)
        spent = _cpu_s(load) - before
    if "Non-2xx" in done.stdout:
        raise SystemExit(f"some answers were not 200:\n{done.stdout}")
    rps = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if rps is None:
        raise SystemExit(f"wrk said something unexpected:\n{done.stdout}")
    requests = re.search(r"(\d+) requests in", done.stdout)
    assert requests is not None
    return {
        "rps": float(rps[1]),
        "p50_ms": _latency(done.stdout, 50),
        "p99_ms": _latency(done.stdout, 99),
        "cpu_us": round(spent / int(requests[1]) * 1e6, 1),
    }


def _cpu_s(load: dict[str, Any]) -> float:
    """Processor time of the authorizer so far; 0 where there is none."""
    if load["pid"] is None:
        return 0.0
    times = psutil.Process(load["pid"]).cpu_times()
    return times.user + times.system


def _latency(text: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s|m)", text)
    if found is None:
        raise SystemExit(f"wrk did not say its latency:\n{text}")
    return round(float(found[1]) * _UNITS[found[2]], 2)


def _check(name: str, load: dict[str, Any]) -> None:
    """The answers are what they should be, and ours denies without the cookie."""
    if _status(load) != _OK:
        raise SystemExit(f"{name}: not 200")
    if name in {"ours", "asked"} and _status(load | {"headers": {"Host": load["headers"]["Host"]}}) == _OK:
        raise SystemExit("ours let somebody in who was not signed in")


def _status(load: dict[str, Any]) -> str:
    headers = [part for name, value in load["headers"].items() for part in ("-H", f"{name}: {value}")]
    command = ["curl", "-sk", "-o", os.devnull, "-w", "%{http_code}", *headers, load["url"]]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@contextmanager
def _program(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=sys.stderr, stderr=sys.stderr)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _wait(is_so: Any) -> None:
    deadline = time.monotonic() + _READY_S
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit("something did not start in time")
        time.sleep(0.05)
