"""Run a draft over the journal: in how many processes, told how far it is."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from watchword.app.policies import in_force_directory
from watchword.app.recorded import Span, span_of
from watchword.app.relating import relations_now
from watchword.policy import PolicyError, PolicyLoadError, PolicySet, Problem
from watchword.policy.replay import FlipGate, Rehearsal, Report, expectations_for
from watchword.settings import Settings

_GATE_LIMIT: Final = 20_000
_WORTH_PROCESSES: Final = 8_000
_LOOK_EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Trial:
    """What to try: a draft, and with what to compare it.

    Attributes:
        base: compare with what the policies of this directory say; nothing for what was decided then.
        known_obligations: names that every door can do; nothing counts every obligation as known.
        tuples_of: the installation whose tuples of today answer what is asked of relations, on both sides; nothing for
            what was recorded.
    """

    draft: Path
    base: Path | None = None
    known_obligations: frozenset[str] | None = None
    tuples_of: Settings | None = None

    def begin(self) -> Rehearsal:
        """Load what is needed.

        Raises:
            PolicyLoadError: a directory is wrong.
        """
        draft = PolicySet.load(self.draft)
        base = PolicySet.load(self.base) if self.base is not None else None
        known = self.known_obligations
        is_known = (lambda obligation: obligation.name in known) if known is not None else None
        relations = relations_now(self.tuples_of) if self.tuples_of is not None else None
        return Rehearsal(draft, base=base, is_known=is_known, relations=relations)


def rehearse(
    trial: Trial,
    span: Span,
    *,
    processes: int | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> Report:
    """Try a draft on a stretch of the journal; the figures do not depend on the number of processes.

    Args:
        processes: by default two, or one on a machine with one core; a short stretch is read in this one.
        tell: is told how many records of how many were read.

    Raises:
        PolicyLoadError: the draft is wrong, or changed meanwhile.
        PolicyError: a process was ended from outside.
    """
    total, done = span.until - span.after, 0

    def note(more: int) -> None:
        nonlocal done
        done += more
        if tell:
            tell(done, total)

    count = min(2, os.cpu_count() or 1) if processes is None else processes
    rehearsal = trial.begin()
    if count <= 1 or (processes is None and total < _WORTH_PROCESSES):
        with _no_looking_for_cycles():
            return rehearsal.look_at_all(span.decisions(note))
    report = rehearsal.report
    # Fresh processes: this one may hold threads, a terminal and open connections.
    context = multiprocessing.get_context("spawn")
    told, stop = context.SimpleQueue(), context.Event()
    pool = ProcessPoolExecutor(
        count, mp_context=context, initializer=_start, initargs=(trial, report.draft, told, stop)
    )
    try:
        waiting = {pool.submit(_look, part) for part in span.parts(count)}
        while waiting:
            finished, waiting = wait(waiting, timeout=_LOOK_EVERY_S, return_when=FIRST_COMPLETED)
            while not told.empty():
                note(told.get())
            for future in finished:
                part = future.result()
                if part is None:
                    raise PolicyLoadError([Problem("", 0, 0, "the draft changed while it was being tried")])
                report.join(part)
    except BrokenProcessPool as error:
        raise PolicyError(
            "a process that replayed decisions was ended", hint="is there memory enough? --processes 1 needs least"
        ) from error
    finally:
        stop.set()  # whoever is still at work, after an interrupt, ends soon
        pool.shutdown(cancel_futures=True)
    return report


def flip_gate(settings: Settings, directory: Path, *, gain: int | None = None, lose: int | None = None) -> FlipGate:
    """Return the gate of a publication that replays the newest decisions.

    The draft is compared with the policies that are in force, so that what an earlier publication changed is not held
    against this one; where there are none, with what was decided. Where the draft has another model of relations than
    they have, today's tuples answer both, for what was recorded is the other model's.

    Raises:
        PolicyLoadError: `expected-flips.yaml` is malformed.
    """
    expected = expectations_for(directory, gain=gain, lose=lose)

    def run(place: Path) -> Report:
        base = in_force_directory(settings)
        span = span_of(settings.journal_directory, limit=_GATE_LIMIT)
        with suppress(PolicyLoadError):
            live = PolicySet.load(base)
            has_other_model = live.relations != PolicySet.load(place).relations
            tuples_of = settings if has_other_model and span.until else None
            return rehearse(Trial(place, base=base if len(live) else None, tuples_of=tuples_of), span)
        return rehearse(Trial(place), span)

    return FlipGate(run, expected)


_rehearsal: Rehearsal | None = None
_tell: Callable[[int], None] | None = None


class _StoppedError(Exception):
    """Nobody waits for the figures any more."""


def _start(trial: Trial, version: str, told: Any, stop: Any) -> None:
    """Load the draft in a new process; a draft that is another one by now is not tried."""
    global _rehearsal, _tell  # noqa: PLW0603  # one a process, and nothing else runs in it

    def tell(count: int) -> None:
        if stop.is_set():
            raise _StoppedError
        told.put(count)

    # The terminal's interrupt reaches the parent, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(PolicyLoadError):
        rehearsal = trial.begin()
        _rehearsal = rehearsal if rehearsal.report.draft == version else None
    _tell = tell
    gc.freeze()
    gc.disable()


@contextmanager
def _no_looking_for_cycles() -> Iterator[None]:
    """Spare the collector what holds no cycles; looking for them took a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _look(part: Span) -> Report | None:
    if _rehearsal is None:
        return None
    _rehearsal.report = Report(draft=_rehearsal.report.draft)
    return _rehearsal.look_at_all(part.decisions(_tell))
