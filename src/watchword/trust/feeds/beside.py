"""Run the worker: one process for one fetch, ended with its time."""

from __future__ import annotations

import asyncio
import json
import os
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

    The credential travels on standard input: arguments and environments are seen by others.

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
        return _lost(f"the process for the feed cannot be started ({error.strerror})")
    try:
        async with asyncio.timeout(whole_s):
            said = await _asked(
                process, json.dumps(dict(job) | {"whole_s": whole_s, "most_memory": most_memory}).encode()
            )
    except TimeoutError:
        return _lost(f"the feed took longer than {whole_s:.0f} s")
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    try:
        outcome = json.loads(said)
        assert isinstance(outcome, dict)
    except (ValueError, AssertionError):
        return _lost("the process for the feed died, as it does when it runs out of memory or time")
    return outcome


async def _asked(process: asyncio.subprocess.Process, job: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(job)
        await process.stdin.drain()
        process.stdin.close()
    return await process.stdout.read(_LONGEST_OUTCOME) + await process.stdout.read(_LONGEST_OUTCOME)


def _lost(words: str) -> dict[str, Any]:
    return {"status": "failed", "code": "trust.feed_unreachable", "message": words, "hint": ""}
