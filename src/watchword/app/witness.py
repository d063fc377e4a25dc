"""Where this node proves and tells what obligations ask for: the journal, and the outbox."""

from __future__ import annotations

from watchword.audit import Journal
from watchword.enforcement.bodies import ACCESS_NOTIFIED, DataAccess, Notice
from watchword.kernel import Entropy
from watchword.storage import Database

_ACTOR = "system"


class NodeWitness:
    """Return only when it is on disk; the journal has a notice, too, as soon as the outbox was read."""

    def __init__(self, journal: Journal, database: Database, entropy: Entropy) -> None:
        self._journal = journal
        self._database = database
        self._entropy = entropy

    async def record(self, access: DataAccess) -> None:
        """Write to the journal."""
        await self._journal.append(access.record())

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
