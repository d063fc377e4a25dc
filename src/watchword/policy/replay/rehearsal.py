"""Put recorded questions to a draft, identical ones once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from watchword.policy.engine import PolicySet
from watchword.policy.replay.errors import MalformedRecordError
from watchword.policy.replay.model import Outcome, Recorded, changes, outcome_of
from watchword.policy.replay.question import Question, question_of
from watchword.policy.replay.report import Report
from watchword.policy.verdict import IsKnown

_REMEMBERED: Final = 50_000
_NO_PATH: Final = "/"


class Rehearsal:
    """One draft before a stretch of recorded decisions.

    Args:
        draft: the policies to try.
        is_known: tells what every door can do; nothing counts every obligation as known.
        base: compare with what these policies say now, instead of with what was decided then.
        report: where to count; a fresh one by default.
    """

    def __init__(
        self,
        draft: PolicySet,
        *,
        is_known: IsKnown | None = None,
        base: PolicySet | None = None,
        report: Report | None = None,
    ) -> None:
        self._draft = draft
        self._base = base
        self._is_known = is_known
        self._reads_path = draft.reads_path or (base is not None and base.reads_path)
        self._answers: dict[bytes, tuple[Outcome, Outcome | None]] = {}
        self.report = report or Report()
        self.report.draft = draft.version

    def look_at_all(self, decisions: Iterable[Recorded]) -> Report:
        """Look at every decision and return the report."""
        for decision in decisions:
            self.look_at(decision)
        return self.report

    def look_at(self, decision: Recorded) -> None:
        """Count a decision, and ask again what it asked."""
        report = self.report
        report.see(decision)
        if not decision.is_reached:
            report.not_reached[decision.outcome.reason.code] += 1
            return
        if decision.asked is None:
            report.not_recorded += 1
            return
        try:
            now, before = self._ask(decision.asked)
        except MalformedRecordError:
            report.malformed += 1
            return
        # What nobody can say is neither the same nor a flip.
        if now.is_unknown or (before is not None and before.is_unknown):
            report.unknown += 1
            return
        if before is not None:
            decision = _with_outcome(decision, before)
        report.compare(decision, now, changes(decision.outcome, now))

    def _ask(self, asked: Question | Mapping[str, Any]) -> tuple[Outcome, Outcome | None]:
        if isinstance(asked, Question):
            return self._evaluate(asked)
        key = canonical(asked, with_path=self._reads_path)
        known = self._answers.get(key)
        if known is None:
            known = self._evaluate(question_of(asked))
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            self._answers[key] = known
        return known

    def _evaluate(self, question: Question) -> tuple[Outcome, Outcome | None]:
        self.report.evaluated += 1
        now = outcome_of(question, self._draft, self._is_known)
        if self._base is None:
            return now, None
        return now, outcome_of(question, self._base, self._is_known)


def canonical(asked: Mapping[str, Any], *, with_path: bool) -> bytes:
    """Return the same bytes for questions that must have the same answer.

    Args:
        with_path: the path may matter; otherwise any two paths are the same, for a path is a string like another.

    Raises:
        MalformedRecordError: it cannot be a question.
    """
    try:
        if not with_path:
            asked = _without_path(asked)
        return orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
    except (TypeError, KeyError, AttributeError) as error:
        raise MalformedRecordError("a recorded question is of an unknown form") from error


def _without_path(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    request = asked["request"]
    context = request["context"]
    http = context.get("http")
    if not isinstance(http, dict) or not isinstance(http.get("path"), str):
        return asked
    return {**asked, "request": {**request, "context": {**context, "http": {**http, "path": _NO_PATH}}}}


def _with_outcome(decision: Recorded, outcome: Outcome) -> Recorded:
    return Recorded(
        decision.id,
        decision.seq,
        decision.at,
        decision.subject,
        decision.target,
        decision.action,
        decision.version,
        outcome,
        decision.asked,
        decision.is_reached,
    )
