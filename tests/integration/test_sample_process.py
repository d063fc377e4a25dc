"""The sample application as `watchword up` starts it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from assertion_maker import ISSUER, Maker
from edge_harness import until

from watchword.kernel import SystemClock


@pytest.fixture
def maker() -> Maker:
    return Maker(SystemClock().now())


@pytest.fixture
async def running(maker: Maker) -> AsyncIterator[tuple[Path, asyncio.subprocess.Process]]:
    directory = Path(tempfile.mkdtemp(prefix="ww-n"))
    path = directory / "notes.sock"
    path.touch()  # a stale file of a process that was killed
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "watchword.sample", "--socket", str(path)),
        *("--jwks", str(maker.publish(directory / "jwks.json")), "--issuer", ISSUER),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )

    def answers() -> bool:
        return path.is_socket() and process.returncode is None

    await until(answers)
    yield path, process
    if process.returncode is None:
        process.kill()
        await process.wait()
    shutil.rmtree(directory)


async def ask(path: Path, headers: dict[str, str]) -> httpx2.Response:
    transport = httpx2.AsyncHTTPTransport(uds=str(path), retries=5)
    async with httpx2.AsyncClient(transport=transport, base_url="http://notes.localhost") as client:
        return await client.get("/", headers=headers)


async def test_reaching_the_socket_directly_helps_nobody(
    running: tuple[Path, asyncio.subprocess.Process], maker: Maker
) -> None:
    path, _ = running
    assert path.stat().st_mode & 0o777 == 0o600
    assert (await ask(path, {})).status_code == 401
    assert (await ask(path, {"x-watchword-assertion": maker.token()})).status_code == 200


async def test_it_ends_when_told_to(running: tuple[Path, asyncio.subprocess.Process], maker: Maker) -> None:
    path, process = running
    assert (await ask(path, {"x-watchword-assertion": maker.token()})).status_code == 200
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.wait(), 5)
