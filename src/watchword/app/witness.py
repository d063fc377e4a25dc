"""Where this node proves and tells what obligations ask for: the journal, and the outbox."""

from __future__ import annotations

from collections.abc import Callable

from watchword.audit import Journal
from watchword.enforcement.bodies import ACCESS_NOTIFIED, DataAccess, Notice, Visitor
from watchword.kernel import Entropy
from watchword.storage import Database

_ACTOR = "system"


class NodeWitness:
    """Return only when it is on disk; the journal has a notice, too, as soon as the outbox was read.

    Args:
        measured: told of the reference of a decision, and of the bytes that were shown by it.
    """

    def __init__(
        self,
        journal: Journal,
        database: Database,
        entropy: Entropy,
        *,
        measured: Callable[[str, int], None] | None = None,
    ) -> None:
        self._journal = journal
        self._database = database
        self._entropy = entropy
        self._measured = measured

    async def record(self, access: DataAccess) -> None:
        """Write to the journal."""
        await self._journal.append(access.record())

    def measure(self, visitor: Visitor, size: int) -> None:
        """Hand on how much was shown; behaviour is judged by it."""
        if self._measured is not None:
            self._measured(visitor.decision, size)

    async def notify(self, notice: Notice) -> None:
        """Commit an event about the decision, for whoever tells people."""
        visitor = notice.visitor
        event = ACCESS_NOTIFIED.at(
            notice.at,
            self._entropy,
            actor=visitor.subject or _ACTOR,
            subject=visitor.decision,
            application=visitor.application,
            user=visitor.subject,
            told=list(notice.told),
        )
        async with self._database.work() as work:
            work.emit(event)
