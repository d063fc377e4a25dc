"""One exchange that a door lets through with rules: what is done when, the same at every door.

1. Before the application is asked: those who shall know are told.
2. Before it gets a body whose fields are recorded: that body is read, and the record is durable.
3. Its answer is judged by its head, then reduced and marked.
4. Before anything of the answer goes out: what is left of it is recorded.

# INVARIANT: each step raises or is done; a door that goes on after one that raised shows what it must not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from watchword.enforcement.bodies.errors import BodyRefusedError
from watchword.enforcement.bodies.filtering import BodyFilter, Reduced, filter_for
from watchword.enforcement.bodies.values import ValueKeys
from watchword.enforcement.bodies.watermarks import Watermark
from watchword.enforcement.bodies.witness import DataAccess, Meter, Notice, Visitor, Witness
from watchword.kernel import BodyRules, Clock, SystemClock


@dataclass(frozen=True, slots=True)
class Means:
    """What a door has to fulfil obligations with.

    Attributes:
        keys: for hashes, tokens and marks.
        witness: for records and notices.
    """

    keys: ValueKeys | None = None
    witness: Witness | None = None
    clock: Clock = field(default_factory=SystemClock)

    def suffice(self, rules: BodyRules) -> bool:
        """Tell whether rules can be fulfilled with them."""
        return (self.keys is not None or not rules.needs_key) and (self.witness is not None or not rules.needs_witness)


class Exchange:
    """Rules at work on one exchange.

    Raises:
        BodyRefusedError: the door lacks what the rules need.
    """

    def __init__(self, rules: BodyRules, visitor: Visitor, means: Means) -> None:
        # Prevents: finding out at the end, when the application has done what nobody can be told of any more.
        if not means.suffice(rules):
            raise BodyRefusedError("this door cannot do what the rules ask for")
        self.rules = rules
        self.filter: BodyFilter = filter_for(rules, means.keys)
        self.watermark: Watermark | None = None
        self._visitor = visitor
        self._witness = means.witness
        witness: object = means.witness
        self._meter = witness if isinstance(witness, Meter) else None
        self._clock = means.clock
        # Prevents: rules that ask for a mark on pages alone, and a door that has none to put there.
        if rules.watermarks:
            assert means.keys is not None
            name = means.keys.pseudonym(visitor.application, visitor.subject)
            self.watermark = Watermark(name, visitor.decision, means.clock.now())

    async def begin(self) -> None:
        """Tell those who shall know.

        Raises:
            BodyRefusedError: they cannot be told.
        """
        if self._witness is not None and self.rules.told:
            notice = Notice(self._visitor, tuple(sorted(self.rules.told)), self._clock.now())
            try:
                await self._witness.notify(notice)
            except Exception as error:
                raise BodyRefusedError("nobody can be told of this access") from error

    async def record_request(self, body: bytes) -> None:
        """Record what a request is about to change; one without a body changes no field.

        Raises:
            BodyRefusedError: it is no JSON, or cannot be recorded.
        """
        if self.rules.reads_request and body:
            await self._record("request", self.filter.count_request(body), None)

    async def record_answer(self, reduced: Reduced, status: int) -> None:
        """Record what an answer shows, and tell how much it is.

        Raises:
            BodyRefusedError: it cannot be recorded.
        """
        if any(note.part == "answer" for note in self.rules.notes):
            await self._record("answer", reduced.counts, status)
        if self._meter is not None:
            self._meter.measure(self._visitor, len(reduced.body))

    async def _record(self, part: str, counts: Mapping[str, int], status: int | None) -> None:
        assert self._witness is not None
        try:
            await self._witness.record(DataAccess(self._visitor, part, self._clock.now(), counts, status))
        except Exception as error:
            raise BodyRefusedError("what was read or changed cannot be recorded") from error
