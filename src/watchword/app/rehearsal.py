"""Run a draft over the journal: which records, in how many processes, told how far it is.

The policy room knows neither the journal nor what a decision is; here the one is read in the words of the other.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from watchword.app.policies import in_force_directory
from watchword.audit import Record, last, read
from watchword.decision import Decision
from watchword.kernel import Answer, Reason
from watchword.policy import PolicyError, PolicyLoadError, PolicySet, Problem
from watchword.policy.replay import FlipGate, Outcome, Question, Recorded, Rehearsal, Report, expectations_for
from watchword.settings import Settings

DEFAULT_LIMIT: Final = 100_000
_GATE_LIMIT: Final = 20_000
_TELL_EVERY: Final = 1_000
# How far behind the decision is that another one repeats: a minute; and a node keeps 4,096 ready at most.
_REPEATED_FOR: Final = timedelta(seconds=90)
_MOST_FIRSTS: Final = 5_000
_FARTHEST: Final = 256_000
_WORTH_PROCESSES: Final = 8_000
_LOOK_EVERY_S: Final = 0.1
_LONGEST_PATH: Final = 2048
# A clock may step back by this much without a record being missed at the beginning of a span.
_SLACK: Final = timedelta(minutes=10)
_REASONS: Final[Mapping[str, Reason]] = {reason.code: reason for reason in Reason}
# What only the policies, or a step after them, can have said; everything else was settled before they were asked.
_AFTER_POLICY: Final = frozenset(
    reason
    for reason in Reason
    if reason in {Reason.SCHEMA_MISFIT, Reason.OBLIGATION_UNKNOWN, Reason.RISK_MEDIUM, Reason.TRUST_TOO_LOW}
    or reason.code.startswith(("policy_", "rego_"))
)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a journal.

    Attributes:
        after: it begins behind the record with this number.
        until: its last record's number.
        since: records from before are passed over.
    """

    journal: Path
    after: int
    until: int
    since: datetime | None = None

    def parts(self, count: int) -> list[Span]:
        """Cut it into parts of about the same length that can be read apart."""
        length = self.until - self.after
        cuts = [self.after + length * number // count for number in range(count + 1)]
        return [replace(self, after=begin, until=end) for begin, end in pairwise(cuts) if begin < end]

    def decisions(self, tell: Callable[[int], None] | None = None) -> Iterator[Recorded]:
        """Yield its decisions in their order; a record that is damaged is none.

        Args:
            tell: is told now and then how many records were read since it was told last.
        """
        if self.after >= self.until:
            return
        firsts, told = _Firsts(), self.after
        for record in read(self.journal, after=self._first_needed()):
            if record.seq > self.until:
                break
            if tell and record.seq >= told + _TELL_EVERY:
                tell(record.seq - told)
                told = record.seq
            fields = firsts.whole(record.fields) if record.type == "decision" else None
            is_wanted = record.seq > self.after and (self.since is None or record.at >= self.since)
            found = recorded_of(fields, record.seq) if fields is not None and is_wanted else None
            if found is not None:
                yield found
        if tell:
            tell(self.until - told)

    def _first_needed(self) -> int:
        """Return a number behind which every decision stands that one of this span may repeat."""
        begin = next(read(self.journal, after=self.after), None)
        back = _TELL_EVERY
        while begin is not None and back < self.after and back <= _FARTHEST:
            earlier = next(read(self.journal, after=self.after - back), None)
            if earlier is None or earlier.at < begin.at - _REPEATED_FOR:
                break
            back *= 4
        return max(0, self.after - back)


class _Firsts:
    """Decisions that others may repeat; of a repetition the journal keeps only what is its own."""

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[Any, Any, Any]] = {}

    def whole(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a decision's record with what it shares with the one that it repeats, where that was read."""
        repeats = fields.get("repeats")
        if not isinstance(repeats, str):
            if fields.get("answer") == Answer.ALLOW.value and isinstance(fields.get("id"), str):
                self._keep(fields)
            return fields
        first = self._kept.get(repeats)
        if first is None:
            return fields
        policies, permissions, asked = first
        return {**fields, "policies": policies, "permissions": permissions, "personal": {"asked": asked}}

    def _keep(self, fields: Mapping[str, Any]) -> None:
        if len(self._kept) >= _MOST_FIRSTS:
            del self._kept[next(iter(self._kept))]
        asked = (fields.get("personal") or {}).get("asked")
        self._kept[fields["id"]] = fields.get("policies"), fields.get("permissions"), asked


@dataclass(frozen=True, slots=True)
class Trial:
    """What to try: a draft, and with what to compare it.

    Attributes:
        base: compare with what the policies of this directory say; nothing for what was decided then.
        known_obligations: names that every door can do; nothing counts every obligation as known.
    """

    draft: Path
    base: Path | None = None
    known_obligations: frozenset[str] | None = None

    def begin(self) -> Rehearsal:
        """Load what is needed.

        Raises:
            PolicyLoadError: a directory is wrong.
        """
        draft = PolicySet.load(self.draft)
        base = PolicySet.load(self.base) if self.base is not None else None
        known = self.known_obligations
        is_known = (lambda obligation: obligation.name in known) if known is not None else None
        return Rehearsal(draft, base=base, is_known=is_known)


def span_of(journal: Path, *, since: datetime | None = None, limit: int | None = DEFAULT_LIMIT) -> Span:
    """Return the newest `limit` decisions of a journal, none older than `since`; read from the end."""
    newest = last(journal, 1) if journal.is_dir() else []
    until = newest[0].seq if newest else 0
    if until == 0 or limit == 0:
        return Span(journal, until, until, since)
    after = _first_since(journal, until, since) - 1 if since is not None else 0
    if limit is not None and until - after > limit:
        after = max(after, _nth_newest(journal, limit, since) - 1)
    return Span(journal, after, until, since)


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
    against this one; where there are none, with what was decided.

    Raises:
        PolicyLoadError: `expected-flips.yaml` is malformed.
    """
    expected = expectations_for(directory, gain=gain, lose=lose)

    def run(place: Path) -> Report:
        base = in_force_directory(settings)
        with suppress(PolicyLoadError):
            trial = Trial(place, base=base if len(PolicySet.load(base)) else None)
            return rehearse(trial, span_of(settings.journal_directory, limit=_GATE_LIMIT))
        return rehearse(Trial(place), span_of(settings.journal_directory, limit=_GATE_LIMIT))

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
    # What was loaded stays, and what comes after it holds no cycles: looking for them took a third of the time.
    gc.freeze()
    gc.disable()


def _look(part: Span) -> Report | None:
    if _rehearsal is None:
        return None
    _rehearsal.report = Report(draft=_rehearsal.report.draft)
    return _rehearsal.look_at_all(part.decisions(_tell))


def _first_since(journal: Path, until: int, since: datetime) -> int:
    """Return a number at or shortly before the first record of a time on; times rise, but for a clock that steps."""
    low, high = 1, until + 1
    while low < high:
        middle = (low + high) // 2
        record = next(read(journal, after=middle - 1), None)
        if record is None or record.at >= since - _SLACK:
            high = middle
        else:
            low = max(middle + 1, record.seq + 1)
    return low


class _EnoughError(Exception):
    """The scan has seen what it was to find."""


def _nth_newest(journal: Path, count: int, since: datetime | None) -> int:
    """Return the number of the `count`-th newest decision, or 1."""
    seen, found = 0, 1

    def is_enough(record: Record) -> bool:
        nonlocal seen, found
        if since is not None and record.at < since - _SLACK:
            raise _EnoughError
        if record.type == "decision" and (since is None or record.at >= since):
            seen, found = seen + 1, record.seq
            if seen == count:
                raise _EnoughError
        return False

    try:
        last(journal, 1, where=is_enough)
    except _EnoughError:
        return found
    return 1


def recorded_of(fields: Mapping[str, Any], seq: int) -> Recorded | None:
    """Read a decision's record for a replay; nothing when it is not of the form that decisions have."""
    try:
        reason = _REASONS.get((fields.get("reasons") or [""])[0])
        version = str(fields.get("policy_version") or "")
        step_up = fields.get("step_up")
        outcome = Outcome(
            Answer(fields["answer"]),
            reason or Reason.INTERNAL_ERROR,
            tuple(map(str, fields.get("obligations") or ())),
            (str(step_up["acr"]), int(step_up["max_age_s"])) if step_up else None,
            tuple(map(str, fields.get("permissions") or ())),
            tuple(str(policy[0]) for policy in fields.get("policies") or ()),
        )
        return Recorded(
            id=str(fields["id"]),
            seq=seq,
            at=str(fields["at"]),
            subject=str(fields.get("user") or ""),
            target=f"{fields.get('application') or '-'}/{fields.get('resource') or '-'}",
            action=str(fields.get("action") or ""),
            version=version,
            outcome=outcome,
            asked=_asked(fields),
            is_reached=bool(version) and reason in _AFTER_POLICY,
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None


def recorded_now(decision: Decision, seq: int) -> Recorded:
    """Read a decision that was just released, for a candidate that watches."""
    asked: Question | None = decision.asked
    if asked is not None and decision.repeats is not None:
        asked = _with_path(asked, decision.request.path)
    reason = decision.reasons[0]
    step_up = decision.step_up
    return Recorded(
        id=decision.id,
        seq=seq,
        at=decision.at.isoformat(),
        subject=decision.user.id if decision.user else "",
        target=f"{decision.application or '-'}/{decision.resource or '-'}",
        action=decision.action or "",
        version=decision.policy_version,
        outcome=Outcome(
            decision.answer,
            reason,
            tuple(obligation.name for obligation in decision.obligations),
            (step_up.acr.value, step_up.max_age_s) if step_up else None,
            decision.permissions,
            tuple(name for name, _ in decision.policies),
        ),
        asked=asked,
        is_reached=bool(decision.policy_version) and reason in _AFTER_POLICY,
    )


def _with_path(asked: Question, path: str) -> Question:
    context = asked.request.context
    http = context.get("http")
    if not isinstance(http, Mapping):
        return asked
    return replace(asked, request=replace(asked.request, context={**context, "http": {**http, "path": path}}))


def _asked(fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a decision asked; of one that repeats another, with its own path."""
    asked = (fields.get("personal") or {}).get("asked")
    if not isinstance(asked, dict):
        return None
    if fields.get("repeats") is None:
        return asked
    path = str(fields["path"])
    # A path that was cut is not what was asked; without it nothing is said rather than something wrong.
    if len(path) >= _LONGEST_PATH:
        return None
    request = asked["request"]
    context = request["context"]
    if "http" not in context:
        return asked
    return {**asked, "request": {**request, "context": {**context, "http": {**context["http"], "path": path}}}}


__all__: Sequence[str] = (
    "DEFAULT_LIMIT",
    "Span",
    "Trial",
    "flip_gate",
    "recorded_now",
    "recorded_of",
    "rehearse",
    "span_of",
)
