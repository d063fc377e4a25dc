"""Measure a group commit of the journal, at the file's end and into space that was written ahead, in turns, one run.

What it costs to write ahead is in it: the thread that does it shares the cores, and a group that comes meanwhile waits.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import show
from watchword.audit.writer import Writer
from watchword.kernel import KeyId, SystemClock, SystemEntropy
from watchword.keys import Algorithm, Signer

SIZES, ROUNDS, COMMITS = (1, 8, 32), 30, 40
_RECORD = b'{"type":"decision","at":"2026-11-22T12:00:00Z","w":"' + b"x" * 560 + b'"}'


def main(json: bool) -> None:  # noqa: FBT001 (the contract of `python -m bench NAME --json`)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as base, ThreadPoolExecutor(1) as thread:
        turns = {"grown": _Turn(Path(base) / "grown", None), "ahead": _Turn(Path(base) / "ahead", thread)}
        for size in SIZES:
            taken: dict[str, list[float]] = {name: [] for name in turns}
            for number in range(ROUNDS):
                for name in sorted(turns, reverse=bool(number % 2)):
                    taken[name] += turns[name].commit(size)
            for name, times in taken.items():
                figures[f"{name}_{size}_us"] = round(median(times) * 1e6)
            figures[f"ratio_{size}"] = round(median(taken["ahead"]) / median(taken["grown"]), 2)
        for turn in turns.values():
            turn.writer.close()
    show(figures, as_json=json)


class _Turn:
    def __init__(self, directory: Path, thread: ThreadPoolExecutor | None) -> None:
        clock = SystemClock()
        signer = Signer.generate(KeyId.new(clock.now(), SystemEntropy()), Algorithm.ED25519)
        self.writer = Writer.open(directory, signer=signer, clock=clock, keys={})
        self._thread, self._ahead = thread, Future[None]()
        self._ahead.set_result(None)

    def commit(self, size: int) -> list[float]:
        group = [(_RECORD, None)] * size
        taken = []
        for _ in range(COMMITS):
            begun = time.perf_counter()
            self.writer.commit(group)
            if self._thread and self._ahead.done() and self.writer.needs_room:
                self._ahead = self._thread.submit(self.writer.write_ahead)
            taken.append(time.perf_counter() - begun)
        return taken
