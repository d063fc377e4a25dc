"""Read decisions from the journal, or as they are released, in the words of a replay.

The policy room knows neither the journal nor what a decision is; here the one is read in the words of the other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from watchword.audit import Record, first_since, last, read
from watchword.decision import Decision
from watchword.kernel import Answer, Reason
from watchword.policy.replay import Outcome, Question, Recorded

DEFAULT_LIMIT: Final = 100_000
_TELL_EVERY: Final = 1_000
# How far behind the decision is that another one repeats: a minute; and a node keeps 10,240 ready at most.
_REPEATED_FOR: Final = timedelta(seconds=90)
_MOST_FIRSTS: Final = 12_000
_FARTHEST: Final = 256_000
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
        self._kept: OrderedDict[Any, tuple[Any, Any, Any]] = OrderedDict()

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
            self._kept.popitem(last=False)
        asked = (fields.get("personal") or {}).get("asked")
        self._kept[fields["id"]] = fields.get("policies"), fields.get("permissions"), asked


def span_of(journal: Path, *, since: datetime | None = None, limit: int | None = DEFAULT_LIMIT) -> Span:
    """Return the newest `limit` decisions of a journal, none older than `since`; read from the end."""
    newest = last(journal, 1) if journal.is_dir() else []
    until = newest[0].seq if newest else 0
    if until == 0 or limit == 0:
        return Span(journal, until, until, since)
    after = first_since(journal, since, until=until) - 1 if since is not None else 0
    if limit is not None and until - after > limit:
        after = max(after, _nth_newest(journal, limit, since) - 1)
    return Span(journal, after, until, since)


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
