"""Run the worker: one process for one fetch, ended with its time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

_LONGEST_OUTCOME: Final = 64 * 1024
WHOLE_S: Final = 300.0
MOST_MEMORY: Final = 2 << 30
# What the TLS library may need to find the system's certificates; nothing else of the node's environment goes along.
_PASSED_ON: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_LIMIT: Final = 2 * _LONGEST_OUTCOME


async def run_beside(
    job: Mapping[str, Any], *, whole_s: float = WHOLE_S, most_memory: int = MOST_MEMORY
) -> dict[str, Any]:
    """Let a process of its own do a job and return its outcome; a failure is an outcome too.

    The credential travels on standard input: arguments and environments are seen by others. That stays open, so that
    the process sees it end, and ends, whatever becomes of us.

    Args:
        whole_s: seconds for everything; the process is ended then, as it is when the caller is cancelled.
        most_memory: bytes of address space.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "watchword.trust.feeds.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            limit=_LIMIT,
        )
    except OSError as error:
        return _lost(f"the process for the feed cannot be started ({error.strerror})", "look at this machine's memory")
    try:
        async with asyncio.timeout(whole_s):
            said = await _asked(
                process, json.dumps(dict(job) | {"whole_s": whole_s, "most_memory": most_memory}).encode()
            )
    except TimeoutError:
        return _lost(f"the feed took longer than {whole_s:.0f} s", "look at its server; or take a smaller feed")
    finally:
        await _end(process)
    try:
        outcome = json.loads(said)
        assert isinstance(outcome, dict)
    except (ValueError, AssertionError):
        words = "the process for the feed died, as it does when it runs out of memory or time"
        return _lost(words, "fetch it again; a lower `max_mb` refuses sooner what is too large")
    return outcome


async def _asked(process: asyncio.subprocess.Process, job: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(job + b"\n")
        await process.stdin.drain()
    said = b""
    while piece := await process.stdout.read(_LONGEST_OUTCOME):
        said += piece
        # Prevents: a process that was taken over and talks without end.
        if len(said) > _LONGEST_OUTCOME:
            return b""
    await process.wait()
    return said


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process that did not end by itself.

    Not by `process.kill`: before Python 3.13 that polls first, and so takes the exit of a process that has just ended
    away from the thread of asyncio that waits for it, which then complains of an unknown child.

    Source: https://github.com/python/cpython/issues/87744.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        await process.wait()


def _lost(words: str, hint: str) -> dict[str, Any]:
    return {"status": "failed", "code": "trust.feed_unreachable", "message": words, "hint": hint}
