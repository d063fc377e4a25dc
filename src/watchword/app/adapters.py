"""Fill the console's ports from the rooms behind it; every class here translates and decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from watchword.audit import Journal, find_decision, verify
from watchword.console import (
    JournalOverview,
    PolicyFile,
    PolicyOverview,
    PublishedApplication,
    Verdict,
    Verification,
    Weight,
)
from watchword.decision import AccessRequest, Application, Decision, DecisionPoint, Procedure
from watchword.enforcement.envoy import EdgeSettings
from watchword.identity import Client, SessionFacts, UserFacts
from watchword.kernel import Answer, Clock, DecisionId, DeviceId, Reason
from watchword.policy import PolicySource
from watchword.trust import Assessment, ContextSource

_SLOW_READER = 100


class RiskAdapter:
    """The trust algorithm for the console: sign-ins in progress and live sessions."""

    def __init__(self, procedure: Procedure) -> None:
        self._procedure = procedure

    async def assess_sign_in(
        self, user: UserFacts, client: Client, *, device_id: DeviceId | None, is_multi_factor: bool
    ) -> Verdict:
        """Weigh a sign-in whose factors were verified."""
        weighed = self._procedure.weigh_sign_in(user, client.ip, device_id=device_id, is_multi_factor=is_multi_factor)
        return _verdict(weighed.answer, weighed.reasons, weighed.assessment, weighed.level)

    async def assess_session(self, session: SessionFacts, client: Client) -> Verdict:
        """Weigh a live session as it stands now."""
        weighed = self._procedure.weigh_session(session, client.ip)
        return _verdict(weighed.answer, weighed.reasons, weighed.assessment, weighed.level)


def _verdict(answer: Answer, reasons: tuple[Reason, ...], assessment: Assessment, level: Any) -> Verdict:
    return Verdict(
        answer=answer,
        risk=assessment.risk,
        trust=assessment.trust,
        level=level,
        reasons=reasons,
        contributions=tuple(Weight(c.indicator, c.points, c.detail) for c in assessment.contributions),
    )


class ApplicationsAdapter:
    """What is published, and to whom it opens."""

    def __init__(self, applications: Sequence[Application], edge: EdgeSettings, procedure: Procedure) -> None:
        self._applications = {app.name: app for app in applications}
        self._edge = edge
        self._procedure = procedure

    def published(self) -> Sequence[PublishedApplication]:
        """Return every published application."""
        return [
            PublishedApplication(
                app.name,
                app.title,
                tuple(self._edge.origin(host) for host in app.hosts),
                app.resources[-1].sensitivity.value,
            )
            for app in self._applications.values()
        ]

    async def outlook(self, name: str, session: SessionFacts, client: Client) -> tuple[Answer, Reason]:
        """Tell what the decision point would say to a GET of `/` now."""
        app = self._applications[name]
        request = AccessRequest("GET", app.hosts[0], "/", client.ip, client.user_agent)
        decision = self._procedure.outlook(request, session)
        return decision.answer, decision.reasons[0]


class DecisionsAdapter:
    """Decisions as the journal has them."""

    def __init__(self, point: DecisionPoint, journal_directory: Path) -> None:
        self._point = point
        self._directory = journal_directory
        self._readers: set[asyncio.Queue[Mapping[str, Any]]] = set()
        point.subscribe(self._spread)

    def recent(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return the latest decisions still in memory, newest first."""
        newest = list(self._point.recent)[-limit:]
        return [decision.record() for decision in reversed(newest)]

    async def find(self, decision_id: DecisionId) -> Mapping[str, Any] | None:
        """Return one decision: from memory if it is recent, else from the journal."""
        for decision in self._point.recent:
            if decision.id == decision_id:
                return decision.record()
        return await asyncio.to_thread(find_decision, self._directory, decision_id)

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[AsyncIterator[Mapping[str, Any]]]:
        """Subscribe to decisions from now on."""
        queue: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(_SLOW_READER)
        self._readers.add(queue)
        try:
            yield _drain(queue)
        finally:
            self._readers.discard(queue)

    def _spread(self, decision: Decision) -> None:
        if self._readers:
            record = decision.record()
            for queue in self._readers:
                with suppress(asyncio.QueueFull):
                    queue.put_nowait(record)


async def _drain(queue: asyncio.Queue[Mapping[str, Any]]) -> AsyncIterator[Mapping[str, Any]]:
    while True:
        yield await queue.get()


class PolicyAdapter:
    """The policy set, for reading."""

    def __init__(self, source: PolicySource, directory: Path) -> None:
        self._source = source
        self._directory = directory

    def overview(self) -> PolicyOverview:
        """Return what is in force and what went wrong last."""
        raise NotImplementedError


class AuditAdapter:
    """The journal, for reading and proving."""

    def __init__(self, journal: Journal, directory: Path, keys: Any, clock: Clock) -> None:
        self._journal = journal
        self._directory = directory
        self._keys = keys
        self._clock = clock
        self._last: Verification | None = None
        self._task: asyncio.Task[None] | None = None


class HealthAdapter:
    """Whether this process can decide."""


__all__ = ["datetime", "verify", "JournalOverview", "PolicyFile"]
