"""Put recorded questions to a draft, identical ones once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import orjson

from watchword.policy.engine import PolicySet
from watchword.policy.replay.errors import MalformedRecordError
from watchword.policy.replay.model import Outcome, Recorded, changes, outcome_of
from watchword.policy.replay.question import Question, question_of
from watchword.policy.replay.record import RecordedEntities, read_entities
from watchword.policy.replay.relating import Seen, bound, is_repeatable
from watchword.policy.replay.report import Report
from watchword.policy.verdict import IsKnown

_REMEMBERED: Final = 50_000
_REMEMBERED_ENTITIES: Final = 20_000
_NO_PATH: Final = "/"


class Judged(NamedTuple):
    """What asking again came to.

    Attributes:
        now: by the draft; nothing when what was recorded cannot be read.
        before: by what the draft is compared with; nothing for what was decided then.
    """

    now: Outcome | None
    before: Outcome | None


class Rehearsal:
    """One draft before a stretch of recorded decisions.

    Args:
        draft: the policies to try.
        is_known: tells what every door can do; nothing counts every obligation as known.
        base: compare with what these policies say now, instead of with what was decided then.
        report: where to count; a fresh one by default.
        relations: today's tuples, which then answer what is asked of relations, on both sides; nothing for what was
            recorded.

    Attributes:
        evaluated: questions that were put to the draft; the others were identical to one of these.
    """

    def __init__(
        self,
        draft: PolicySet,
        *,
        is_known: IsKnown | None = None,
        base: PolicySet | None = None,
        report: Report | None = None,
        relations: Seen | None = None,
    ) -> None:
        self._draft = draft
        self._base = base
        self._is_known = is_known
        self._relations = relations
        sets = [draft] if base is None else [draft, base]
        self._reads_path = any(each.reads_path for each in sets)
        self._is_repeatable = all(each.is_repeatable for each in sets)
        self._judged: dict[bytes, Judged] = {}
        self._entities: dict[bytes, RecordedEntities] = {}
        self.evaluated = 0
        self.report = report or Report()
        self.report.draft = draft.version

    def look_at_all(self, decisions: Iterable[Recorded]) -> Report:
        """Look at every decision and return the report."""
        for decision in decisions:
            self.look_at(decision)
        return self.report

    def look_at(self, decision: Recorded) -> None:
        """Count a decision, and ask again what it asked."""
        self.count(decision, self.judge(decision))

    def judge(self, decision: Recorded) -> Judged | None:
        """Ask again what a decision asked; nothing when there is nothing to ask. Counts nothing, for another thread."""
        if not decision.is_reached or decision.asked is None:
            return None
        try:
            return self._ask(decision.asked, decision.at)
        except MalformedRecordError:
            return Judged(None, None)

    def count(self, decision: Recorded, judged: Judged | None) -> None:
        """Enter a decision into the report."""
        report = self.report
        report.see(decision)
        if not decision.is_reached:
            report.not_reached[decision.outcome.reason.code] += 1
        elif judged is None:
            report.not_recorded += 1
        elif judged.now is None:
            report.malformed += 1
        # What nobody can say is neither the same nor a flip.
        elif judged.now.is_unknown or (judged.before is not None and judged.before.is_unknown):
            report.unknown += 1
        else:
            if judged.before is not None:
                decision = replace(decision, outcome=judged.before)
            report.compare(decision, judged.now, changes(decision.outcome, judged.now))

    def _ask(self, asked: Question | Mapping[str, Any], at: str) -> Judged:
        if isinstance(asked, Question):
            return self._evaluate(asked, at)[0]
        if not self._is_repeatable:  # Rego may look at more than it is asked
            return self._evaluate(question_of(asked), at)[0]
        key = canonical(asked, with_path=self._reads_path)
        known = self._judged.get(key)
        if known is None:
            known, may_be_kept = self._evaluate(question_of(asked, entities=self._entities_of(asked)), at)
            if not may_be_kept:
                return known
            if len(self._judged) >= _REMEMBERED:
                self._judged.clear()
            self._judged[key] = known
        return known

    def _entities_of(self, asked: Mapping[str, Any]) -> RecordedEntities:
        """Read entities once: those of a user and a part of an application come again and again."""
        request = asked.get("request")
        if not isinstance(request, dict):
            raise MalformedRecordError("a recorded question is of an unknown form")
        found = request.get("entities")
        key = _digest(found)
        known = self._entities.get(key)
        if known is None:
            known = read_entities(found)
            if len(self._entities) >= _REMEMBERED_ENTITIES:
                self._entities.clear()
            self._entities[key] = known
        return known

    def _evaluate(self, question: Question, at: str) -> tuple[Judged, bool]:
        """Return what asking came to, and whether the same question would come to the same at another time."""
        self.evaluated += 1
        now, is_kept = self._outcome(question, self._draft, at)
        if self._base is None:
            return Judged(now, None), is_kept
        before, is_base_kept = self._outcome(question, self._base, at)
        return Judged(now, before), is_kept and is_base_kept

    def _outcome(self, question: Question, policies: PolicySet, at: str) -> tuple[Outcome, bool]:
        put = bound(question, policies.relations, self._relations, at=at)
        return outcome_of(put, policies, self._is_known), is_repeatable(put)


def canonical(asked: Mapping[str, Any], *, with_path: bool) -> bytes:
    """Return the same bytes for questions that must have the same answer, and for no others.

    Args:
        with_path: the path may matter; otherwise any two paths are the same, for a path is a string like another.

    Raises:
        MalformedRecordError: it cannot be a question.
    """
    try:
        if not with_path:
            asked = _without_path(asked)
        return _digest(asked)
    except (TypeError, KeyError, AttributeError) as error:
        raise MalformedRecordError("a recorded question is of an unknown form") from error


def _digest(found: Any) -> bytes:
    # Prevents: a hundred megabytes of questions kept only to be compared; nobody finds two with one SHA-256.
    return hashlib.sha256(orjson.dumps(found, option=orjson.OPT_SORT_KEYS)).digest()


def _without_path(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    request = asked["request"]
    context = request["context"]
    http = context.get("http")
    if not isinstance(http, dict) or not isinstance(http.get("path"), str):
        return asked
    return {**asked, "request": {**request, "context": {**context, "http": {**http, "path": _NO_PATH}}}}
