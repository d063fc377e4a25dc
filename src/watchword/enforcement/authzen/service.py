"""Answer calls: judge in memory, prove in the journal, then tell."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from watchword.enforcement.authzen.callers import Caller
from watchword.enforcement.authzen.errors import UnprovableError
from watchword.enforcement.authzen.filed import EntitiesFile
from watchword.enforcement.authzen.judging import Bench
from watchword.enforcement.authzen.known import Knowledge
from watchword.enforcement.authzen.model import Batch, Question, Search, Unreadable, Verdict
from watchword.enforcement.authzen.names import Names
from watchword.enforcement.authzen.paging import Pages
from watchword.enforcement.authzen.ports import Candidates, Journal, People, Remote
from watchword.enforcement.authzen.records import decision_record, search_record
from watchword.enforcement.authzen.searching import Found, look
from watchword.enforcement.authzen.settings import AuthzenSettings
from watchword.enforcement.authzen.turns import Turn
from watchword.kernel import Answer, Clock, DecisionId, Entropy, Reason
from watchword.policy import PolicySet, Schema, parse_schema
from watchword.policy.relations import RelationModel, RelationView

# A batch that takes longer is denied from there on; the edge ends a call after 30 s.
_LONGEST_BATCH_S: Final = 10.0
# So many records wait for the disk at once.
_GROUP: Final = 100
_MOST_RECENT: Final = 50
_NO_SCHEMA: Final = Schema({}, {})


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything answers are made from; all of it in memory.

    Attributes:
        policies: the set in force, asked anew for each call.
        snapshot_max_age_s: older facts deny.
        relations: the tuples as a model sees them; nothing where there is no model.
    """

    policies: Callable[[], PolicySet]
    people: People
    knowledge: Knowledge
    filed: EntitiesFile
    snapshot_max_age_s: float
    candidates: Candidates | None = None
    relations: Callable[[RelationModel | None], RelationView | None] = lambda _model: None


class Authzen:
    """The Authorization API without its transport.

    Attributes:
        counts: decisions since the start, by answer and reason; `by_caller` by caller and answer.
        recent: the records of the last answers to questions, the newest last, without what is personal in them.
    """

    def __init__(
        self,
        sources: Sources,
        settings: AuthzenSettings,
        *,
        journal: Journal,
        pages: Pages,
        clock: Clock,
        entropy: Entropy,
        remote: Remote | None = None,
    ) -> None:
        self._remote = remote
        self._sources = sources
        self._settings = settings
        self._journal = journal
        self._pages = pages
        self._clock = clock
        self._entropy = entropy
        self.counts: Counter[tuple[Answer, Reason]] = Counter()
        self.by_caller: Counter[tuple[str, Answer]] = Counter()
        self.recent: deque[dict[str, Any]] = deque(maxlen=_MOST_RECENT)
        self._names: tuple[str, Names] = ("", Names(_NO_SCHEMA))

    async def evaluate(self, question: Question, caller: Caller, request_id: str = "") -> Verdict:
        """Answer one question.

        # INVARIANT: an answer leaves only after its record is durable; if that fails, the answer is deny.
        """
        verdict = await self._judged(self._bench(), question, caller)
        return await self._release(verdict, question, caller, request_id)

    async def evaluate_batch(self, batch: Batch, caller: Caller, request_id: str = "") -> Sequence[Verdict]:
        """Answer several questions from one picture of the world, until the batch's semantic ends it."""
        bench = self._bench()
        turn = Turn(self._clock)
        judged: list[tuple[Verdict, Question | None]] = []
        ends = self._clock.monotonic() + _LONGEST_BATCH_S
        for item in batch.items:
            if isinstance(item, Unreadable):
                judged.append((self._unreadable(item), None))
            elif self._clock.monotonic() > ends:
                judged.append((self._late(), item))
            else:
                judged.append((await self._judged(bench, item, caller), item))
            if batch.semantic.ends_with(is_permit=judged[-1][0].is_permit):
                break
            await turn.pass_on()
        told: list[Verdict] = []
        for start in range(0, len(judged), _GROUP):
            group = judged[start : start + _GROUP]
            told += await asyncio.gather(
                *(self._release(verdict, asked, caller, request_id, len(judged)) for verdict, asked in group)
            )
        return told

    async def search(self, search: Search, caller: Caller, request_id: str = "") -> Found:
        """Answer one page of a search.

        Raises:
            PageTokenError: there is no such page for this caller.
            MalformedQuestionError: the page is one of another search.
            UnprovableError: the journal cannot be written; nothing is told.
        """
        started = self._clock.monotonic()
        now = self._clock.now()
        place = self._pages.place(search, caller, now=now, most=self._settings.max_results)
        bench = self._bench()
        found = await look(
            search,
            place,
            bench,
            caller,
            self._sources.candidates,
            turn=Turn(self._clock),
            is_spent=lambda tried: (
                tried >= self._settings.max_candidates
                or (tried > 0 and (self._clock.monotonic() - started) * 1000 >= self._settings.search_budget_ms)
            ),
        )
        token = self._pages.token(search, caller, place, found.last, now=now) if found.goes_on else ""
        head = {
            "id": self._new_id(),
            "at": now.isoformat(),
            "snapshot": self._sources.people.snapshot,
            "policy_version": bench.policies.version,
            "tried": found.tried,
            "cost_us": int((self._clock.monotonic() - started) * 1_000_000),
        }
        try:
            await self._journal.append(search_record(search, found.results, caller, request_id, head=head))
        except Exception as error:  # whatever keeps the record from the disk keeps the page from the caller
            raise UnprovableError("the audit journal cannot be written, so nothing is told") from error
        return replace(found, token=token)

    async def _judged(self, bench: Bench, question: Question, caller: Caller) -> Verdict:
        """Judge; where a policy server elsewhere has a say, ask it in between."""

        def judge() -> Verdict:
            return bench.judge(question, caller, self._new_id())

        return judge() if self._remote is None else await self._remote.settle(judge)

    def _bench(self) -> Bench:
        """Take what the answers of one call are made from."""
        sources = self._sources
        policies = sources.policies()
        if self._names[0] != policies.version or self._names[1].schema is _NO_SCHEMA:
            schema = parse_schema(policies.bundle.schema) if policies.bundle.schema else _NO_SCHEMA
            self._names = policies.version, Names(schema)
        names = self._names[1]
        entities, misfits = sources.filed.fitting(names.schema)
        age_s = sources.people.age_s()
        return Bench(
            policies,
            names,
            sources.knowledge.picture(entities, misfits),
            now=self._clock.now(),
            view=sources.relations(policies.relations),
            is_fresh=age_s <= sources.snapshot_max_age_s,  # so that an age that is no number is too old
            refuses_unknown=self._settings.denies_unknown_properties,
        )

    def _late(self) -> Verdict:
        reason = Reason.POLICY_ERROR
        return Verdict(self._new_id(), Answer.DENY, reason, "the call takes longer than it may", words=reason.words)

    def _unreadable(self, item: Unreadable) -> Verdict:
        reason = Reason.REQUEST_MALFORMED
        return Verdict(self._new_id(), Answer.DENY, reason, words=reason.words, error=item.problem)

    async def _release(
        self, verdict: Verdict, question: Question | None, caller: Caller, request_id: str, siblings: int = 1
    ) -> Verdict:
        snapshot, now = self._sources.people.snapshot, self._clock.now()
        record = decision_record(verdict, question, caller, request_id, now, snapshot=snapshot, siblings=siblings)
        try:
            await self._journal.append(record)
        except Exception:  # noqa: BLE001  # whatever keeps the record from the disk keeps the answer from the caller
            reason = Reason.JOURNAL_UNWRITABLE
            verdict = Verdict(
                verdict.id, Answer.DENY, reason, words=reason.words, policy_version=verdict.policy_version
            )
        self.counts[verdict.answer, verdict.reason] += 1
        self.by_caller[caller.name, verdict.answer] += 1
        told: dict[str, Any] = {"answer": verdict.answer.value, "reasons": [verdict.reason.code], "personal": {}}
        self.recent.append(record | told)
        return verdict

    def _new_id(self) -> DecisionId:
        return DecisionId.new(self._clock.now(), self._entropy)
