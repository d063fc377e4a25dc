"""The process beside the node that fetches and reads feeds: what it gets to know, and what bounds it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest
from bundle_server import BundleServer, serving
from feed_world import NOON

from watchword.trust.feeds import FeedFormat, FeedSettings
from watchword.trust.feeds.beside import run_beside
from watchword.trust.feeds.index import FeedIndex


def job(staged: Path, *, secret: str = "", **settings: Any) -> dict[str, Any]:
    feed = FeedSettings(**({"name": "drop", "format": FeedFormat.PLAIN} | settings))  # type: ignore[arg-type]
    known = {"former": None, "latest": None, "tag": "", "modified": "", "cursor": "", "whole_at": 0}
    return known | {"feed": asdict(feed), "staged": str(staged), "credential": secret, "now": NOON}


def children() -> set[int]:
    """Return the processes that read feeds for us; others come and go beside them."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "watchword.trust.feeds.worker" in child.cmdline():
                found.add(child.pid)
    return found


async def test_a_feed_is_fetched_and_read_beside_the_node(tmp_path: Path) -> None:
    with BundleServer(serving(b"45.1.1.0/24\n10.0.0.1\n")) as server:
        found = await run_beside(job(tmp_path, url=server.url("/list"), allow_private=True))
    assert (found["status"], found["entries"], found["refused"], found["tag"]) == (
        "fetched",
        1,
        {"private": 1},
        '"one"',
    )
    assert FeedIndex(tmp_path / "table", found["digest"]).around(32, 0x2D010107, NOON)


async def test_the_process_that_reads_strangers_bytes_is_given_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    real = asyncio.create_subprocess_exec

    async def recorded(*arguments: Any, **about: Any) -> Any:
        started.append(str([arguments, about]))
        return await real(*arguments, **about)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", recorded)
    monkeypatch.setenv("WATCHWORD_MASTER_KEY", "SECRET of the node")
    monkeypatch.setenv("SSL_CERT_FILE", "/certificates.pem")
    await run_beside(job(tmp_path, file="/dev/null", secret="SECRET of the feed"))
    (seen,) = started
    assert "SECRET" not in seen
    assert "'SSL_CERT_FILE': '/certificates.pem'" in seen
    assert "WATCHWORD" not in seen


async def test_a_document_that_unfolds_into_more_than_the_machine_has_ends_its_reader_alone(tmp_path: Path) -> None:
    (tmp_path / "bomb.json").write_bytes(b'{"response":[' + b"{}," * 1_500_000 + b"{}]}")
    given = job(tmp_path, file=str(tmp_path / "bomb.json"), format=FeedFormat.MISP)
    found = await run_beside(given, most_memory=180 << 20)
    assert (found["status"], found["message"]) == ("failed", "the feed needs more memory than it may have")


async def test_a_process_that_ends_by_itself_is_waited_for_by_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread of asyncio that waits for the process comes last, as it may on a busy machine."""
    (tmp_path / "list").write_bytes(b"45.1.1.0/24\n")
    wait = asyncio.ThreadedChildWatcher._do_waitpid  # type: ignore[attr-defined]

    def late(watcher: Any, loop: asyncio.AbstractEventLoop, pid: int, *about: Any) -> None:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        is_late = threading.Event()

        def turn(left: int) -> None:
            loop.call_soon(turn, left - 1) if left else is_late.set()

        loop.call_soon_threadsafe(turn, 100)
        is_late.wait(10)
        wait(watcher, loop, pid, *about)

    monkeypatch.setattr(asyncio.ThreadedChildWatcher, "_do_waitpid", late)
    assert (await run_beside(job(tmp_path, file=str(tmp_path / "list"))))["entries"] == 1
    assert not caplog.records


async def test_a_process_that_talks_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = asyncio.create_subprocess_exec

    async def talking(*_arguments: Any, **about: Any) -> Any:
        return await real(sys.executable, "-c", "while True: print('x' * 60_000)", **about)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", talking)
    assert "died" in (await run_beside(job(tmp_path, file="/dev/null")))["message"]


async def test_a_feed_that_never_ends_is_ended_and_leaves_no_process(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless")
    found = await run_beside(job(tmp_path, file=str(tmp_path / "endless")), whole_s=0.2)
    assert (found["status"], found["message"]) == ("failed", "the feed took longer than 0 s")
    assert children() == set()


async def test_a_node_that_is_killed_takes_the_process_along(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless")
    settings = job(tmp_path, file=str(tmp_path / "endless")) | {"whole_s": 300, "most_memory": 2 << 30}
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "watchword.trust.feeds.worker"), stdin=asyncio.subprocess.PIPE
    )
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(settings).encode() + b"\n")
    await worker.stdin.drain()
    worker.stdin.close()
    assert await asyncio.wait_for(worker.wait(), 20) == 1


async def test_a_node_that_stops_takes_the_process_along(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless")
    task = asyncio.create_task(run_beside(job(tmp_path, file=str(tmp_path / "endless"))))
    while not children():  # noqa: ASYNC110  # another process starts, and tells nobody
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert children() == set()
