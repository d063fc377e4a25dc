"""The control plane as a program: start a node, run until told to stop, say in one sentence why it could not."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import uvloop

from watchword.app.node import Node
from watchword.kernel import WatchwordError
from watchword.settings import load
from watchword.supervisor import REPORT_VARIABLE, report

# The journal's thread has to win the interpreter back from the event loop twice for each group; at the default of 5 ms
# that wait, not the disk, would be the latency of a decision on a busy node.
_SWITCH_S = 0.0005
# An internal error. Source: sysexits.h of BSD.
_BROKEN = 70
# Objects made before a young round, young rounds before a middle one, middle ones before a whole one.
_COLLECT = (10_000, 20, 50)


def main(arguments: list[str]) -> int:
    """Run; the exit code is 0 after a requested stop, 1 when the node could not start, 70 when it broke."""
    parser = argparse.ArgumentParser(prog="watchword.app")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--no-sample", action="store_true")
    given = parser.parse_args(arguments)
    sys.setswitchinterval(_SWITCH_S)
    try:
        settings = load(given.config, data=given.data)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            is_broken = runner.run(_run(Node(settings, with_sample=not given.no_sample)))
    except WatchwordError as error:
        _say(error.message, error.hint)
        return 1
    return _BROKEN if is_broken else 0


async def _run(node: Node) -> bool:
    """Run until told to stop, or until something in the background failed; tell whether it did."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.ensure_future(node.start())
    stopping = asyncio.ensure_future(stop.wait())
    breaking = asyncio.ensure_future(node.broken.wait())
    try:
        # Whoever changes their mind while it starts does not wait for an Envoy that was stopped already.
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            spare_the_collector()
            _give_back()
            await asyncio.wait((stopping, breaking), return_when=asyncio.FIRST_COMPLETED)
        return node.broken.is_set()
    finally:
        for waiting in (starting, stopping, breaking):
            waiting.cancel()
        await asyncio.gather(starting, stopping, breaking, return_exceptions=True)
        await node.stop()


def spare_the_collector() -> None:
    """Take what a start leaves behind, and will never be garbage, out of the collector's rounds.

    A whole round over the modules, tables and facts of a node took 120 ms, in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)


def _give_back() -> None:
    """Return to the system what the start needed and the node does not: parsers, migrations, half-built policies."""
    with suppress(OSError, AttributeError):  # a C library without it keeps its memory
        ctypes.CDLL(None).malloc_trim(0)


def _say(message: str, hint: str | None) -> None:
    report(kind="failed", message=message, hint=hint or "")
    if REPORT_VARIABLE not in os.environ:
        print(f"watchword: {message}" + (f"\n  {hint}" if hint else ""), file=sys.stderr)  # noqa: T201  # no supervisor: nobody else tells
