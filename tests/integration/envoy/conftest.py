"""Real Envoy, started for a test with given settings and stopped after it."""

from __future__ import annotations

import contextlib
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edge_harness import Edge, authorizer, portal, serve, stop, upstream

from watchword.app.serving import on_unix_socket
from watchword.demo.node import free_port
from watchword.enforcement.door import Door
from watchword.enforcement.envoy import (
    BodyService,
    EdgeFiles,
    EdgeSettings,
    EnvoyProcess,
    PublishedApplication,
    StreamGuard,
    Upstream,
)
from watchword.enforcement.ext_authz import ExtAuthz
from watchword.kernel import DecisionId, SystemClock, SystemEntropy
from watchword.keys import LocalAuthority


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A directory whose Unix sockets stay under 108 bytes, which tmp_path does not promise."""
    path = Path(tempfile.mkdtemp(prefix="ww-e"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def make_edge(short_directory: Path) -> AsyncIterator[Callable[..., Any]]:
    """Start an edge with given settings; everything is stopped after the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(*, application: dict[str, Any] | None = None, door: Door | None = None, **settings: Any) -> Edge:
            run = short_directory / "run"
            run.mkdir(mode=0o700, exist_ok=True)
            clock, entropy = SystemClock(), SystemEntropy()
            authority = LocalAuthority(short_directory / "ca", clock, entropy)
            issued = authority.ensure(["watchword.localhost", "notes.localhost"])
            files = EdgeFiles(run, issued.certificate_file, issued.private_key_file, short_directory / "log")
            edge_settings = EdgeSettings(listen=f"127.0.0.1:{free_port()}", access_log=True)
            edge_settings = replace(edge_settings, **settings)
            admitted: set[DecisionId] = set()
            guard = StreamGuard(clock, admitted.__contains__)
            context = ssl.create_default_context(cafile=str(authority.root_file))
            edge = Edge(edge_settings, files, guard, context, admitted=admitted)
            socket_of = {"authz": files.authz_socket, "web": files.web_socket, "notes": run / "notes.sock"}
            apps = {"authz": authorizer(edge), "web": portal(edge), "notes": upstream(edge)}
            if door is not None:
                del apps["authz"]
                authz = ExtAuthz(door, on_unix_socket(files.authz_socket))
                await authz.start()
                stack.push_async_callback(authz.stop)
            for name, app in apps.items():
                edge.servers[name] = await serve(app, socket_of[name])
                stack.push_async_callback(stop, *edge.servers[name])
            await guard.start(files.guard_socket)
            stack.push_async_callback(guard.close)
            bodies = BodyService([b"k" * 32], witness=edge.witness)
            await bodies.start(files.bodies_socket)
            stack.push_async_callback(bodies.close)
            notes = PublishedApplication(
                **{"name": "notes", "hosts": ("notes.localhost",), "upstream": Upstream(socket=run / "notes.sock")}
                | (application or {})
            )
            edge.process = EnvoyProcess(edge_settings, [notes], files)
            await edge.process.start()
            stack.push_async_callback(edge.process.stop)
            return edge

        yield make


@pytest.fixture
async def edge(make_edge: Callable[..., Any]) -> Edge:
    running: Edge = await make_edge()
    return running
