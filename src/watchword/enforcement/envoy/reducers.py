"""Hold the processes that reduce long documents, so that decisions go on meanwhile (docs/adr/0058)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import watchword
from watchword.enforcement.bodies import BodyRefusedError, Exchange, Reduced
from watchword.enforcement.bodies.worker import LENGTH, frame, order

# Isolated from the environment and the working directory, it still has to find this very code.
_ROOT: Final = str(Path(watchword.__file__).parents[1])
_PROGRAM: Final = "import sys; sys.path.insert(0, sys.argv[1]); from {0} import main; main()"
_WITHIN_S: Final = 20.0
_PROCESSES: Final = 2


class Reducers:
    """At most two processes, each started when it is first needed and again when it died.

    Args:
        secrets: the keys for hashes, tokens and marks, newest first; handed over in a pipe.
    """

    def __init__(self, secrets: Sequence[bytes] = (), *, within_s: float = _WITHIN_S) -> None:
        self._secrets = json.dumps([b64encode(secret).decode() for secret in secrets]).encode()
        self._within_s = within_s
        self._idle: list[Process] = []
        self._turns = asyncio.Semaphore(_PROCESSES)
        self._is_closed = False

    async def reduce(self, exchange: Exchange, body: bytes) -> Reduced:
        """Return what the rules leave of a document.

        Raises:
            BodyRefusedError: nothing of it may be shown, or it took too long or too much.
        """
        async with self._turns:
            process = self._alive() or await self._start()
            try:
                async with asyncio.timeout(self._within_s):
                    outcome, left = await _ask(process, order(exchange.rules, exchange.watermark), body)
            except BaseException as error:
                # Prevents: the rest of one answer read as the next one.
                await _end(process)
                if isinstance(error, TimeoutError | OSError | EOFError | ValueError):
                    raise BodyRefusedError("the body could not be reduced in time, or the process died") from error
                raise
            if self._is_closed:
                await _end(process)
            else:
                self._idle.append(process)
        if "refused" in outcome:
            raise BodyRefusedError(str(outcome["refused"]))
        return Reduced(left, outcome["counts"])

    def _alive(self) -> Process | None:
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        return None

    async def _start(self) -> Process:
        program = _PROGRAM.format("watchword.enforcement.bodies.worker")
        try:
            # Prevents: a process that inherits secrets from the environment of the node.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-c", program, _ROOT), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
            )
        except OSError as error:
            raise BodyRefusedError("no process can be had to reduce the body") from error
        assert process.stdin is not None
        process.stdin.write(frame(self._secrets))
        return process

    async def close(self) -> None:
        """End the processes."""
        self._is_closed = True
        while self._idle:
            await _end(self._idle.pop())


async def _ask(process: Process, ordered: bytes, body: bytes) -> tuple[dict[str, Any], bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(frame(ordered) + frame(body))
    await process.stdin.drain()
    found = []
    for _ in range(2):
        length = int.from_bytes(await process.stdout.readexactly(LENGTH))
        found.append(await process.stdout.readexactly(length))
    return json.loads(found[0]), found[1]


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
