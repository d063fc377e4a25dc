"""Fill the console's ports from the rooms behind it; every class here translates and decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from watchword.app.candidates import Candidates
from watchword.app.policies import AnyPolicySource
from watchword.audit import Journal, find_decision, verify
from watchword.console import ports
from watchword.console.model import Refusal as RefusalPage
from watchword.console.refusal import REFUSAL_HEADERS, render_refusal
from watchword.console.tally import Tally
from watchword.decision import AccessRequest, Application, Decision, DecisionPoint, Procedure
from watchword.enforcement.answers import Refusal
from watchword.enforcement.envoy import EdgeSettings
from watchword.identity import Client, SessionFacts, UserFacts
from watchword.kernel import (
    Answer,
    Clock,
    DecisionId,
    DeviceId,
    NotFoundError,
    Reason,
    RiskLevel,
    UserId,
    WatchwordError,
)
from watchword.keys import KeyRing
from watchword.policy.telling import Recollection, recollect
from watchword.storage import Database
from watchword.trust import ContextSource, Habits, Usual, country_name, usual_now

_SLOW_READER = 100


class RiskAdapter:
    """The trust algorithm for the console: sign-ins in progress and live sessions.

    Args:
        refused: told of each sign-in that is not let in like this; must be quick and must not raise.
        record: writes such a sign-in to the journal, where one that is let in stands as the session it begins.
    """

    def __init__(
        self,
        procedure: Procedure,
        refused: Callable[[Decision], None],
        record: Callable[[Mapping[str, Any]], Awaitable[int]],
    ) -> None:
        self._procedure = procedure
        self._refused = refused
        self._record = record

    async def assess_sign_in(
        self, user: UserFacts, client: Client, *, device_id: DeviceId | None, is_multi_factor: bool
    ) -> ports.Verdict:
        """Weigh a sign-in whose factors were verified."""
        decision = self._procedure.weigh_sign_in(
            user,
            client.ip,
            device_id=device_id,
            is_multi_factor=is_multi_factor,
            user_agent=client.user_agent,
        )
        if decision.answer is Answer.ALLOW:
            return _verdict(decision)
        self._refused(decision)
        return replace(_verdict(decision), reference=await self._recorded(decision))

    async def _recorded(self, decision: Decision) -> DecisionId | None:
        """Journal a refusal and return what it is looked up by; nothing where it could not be written."""
        with suppress(WatchwordError):
            await self._record(decision.record())
            return decision.id
        return None

    async def assess_session(self, session: SessionFacts, client: Client) -> ports.Verdict:
        """Weigh a live session as it stands now."""
        return _verdict(self._procedure.weigh_session(session, client.ip, user_agent=client.user_agent))


def _verdict(decision: Decision) -> ports.Verdict:
    assessment = decision.assessment
    return ports.Verdict(
        answer=decision.answer,
        risk=assessment.risk if assessment else 100,
        trust=assessment.trust if assessment else 0,
        level=decision.level if decision.level is not None else RiskLevel.HIGH,
        reasons=decision.reasons,
        contributions=tuple(ports.Weight(c.indicator, c.points, c.detail) for c in assessment.contributions)
        if assessment
        else (),
    )


class ApplicationsAdapter:
    """What is published, and to whom it opens."""

    def __init__(self, applications: Sequence[Application], edge: EdgeSettings, procedure: Procedure) -> None:
        self._applications = {app.name: app for app in applications}
        self._published = [
            ports.PublishedApplication(
                app.name,
                app.title,
                tuple(edge.origin(host) for host in app.hosts),
                app.resources[-1].sensitivity.value,
            )
            for app in applications
        ]
        self._procedure = procedure

    def published(self) -> Sequence[ports.PublishedApplication]:
        """Return every published application."""
        return self._published

    async def outlook(self, name: str, session: SessionFacts, client: Client) -> tuple[Answer, Reason]:
        """Tell what the decision point would say to a GET of `/` now."""
        request = AccessRequest(
            "GET", self._applications[name].hosts[0], "/", client.ip, client.user_agent, filters_bodies=True
        )
        decision = self._procedure.decide(request, as_session=session)
        return decision.answer, decision.reasons[0]


class DecisionsAdapter:
    """Decisions as the journal has them."""

    def __init__(self, point: DecisionPoint, journal_directory: Path) -> None:
        self._point = point
        self._directory = journal_directory
        self._readers: set[asyncio.Queue[Mapping[str, Any]]] = set()
        self._tally = Tally()
        point.subscribe(self._spread)

    def recent(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return the latest decisions still in memory, newest first."""
        return [decision.record() for decision in reversed(list(self._point.recent)[-limit:])]

    def last_hour(self, now: datetime) -> Sequence[Mapping[Answer, int]]:
        """Return how many were decided in each of the last sixty minutes."""
        return self._tally.last_hour(now)

    async def find(self, decision_id: DecisionId) -> Mapping[str, Any] | None:
        """Return one decision: from memory if it is recent, else from the journal."""
        for decision in self._point.recent:
            if decision.id == decision_id:
                return decision.record()
        try:
            return (await asyncio.to_thread(find_decision, self._directory, decision_id)).fields
        except NotFoundError:
            return None

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
        self._tally.note(decision.at, decision.answer, max(decision.leased, 1))
        if self._readers:
            record = decision.record()
            for queue in self._readers:
                with suppress(asyncio.QueueFull):
                    queue.put_nowait(record)


async def _drain(queue: asyncio.Queue[Mapping[str, Any]]) -> AsyncIterator[Mapping[str, Any]]:
    while True:
        yield await queue.get()


_WATCHING = (("candidate", "The candidate"), ("report_only", "Policies that only report"))


class PolicyAdapter:
    """The policy set, for reading."""

    def __init__(self, source: AnyPolicySource, candidates: Candidates | None = None) -> None:
        self._source = source
        self._candidates = candidates

    def overview(self) -> ports.PolicyOverview:
        """Return what is in force and what went wrong last."""
        current = self._source.current
        files: dict[str, list[tuple[str, int]]] = {}
        for policy in (*current.bundle.policies, *current.bundle.reported, *current.bundle.templates):
            files.setdefault(policy.path, []).append((policy.id, policy.line))
        return ports.PolicyOverview(
            version=current.version,
            loaded_at=None,
            files=tuple(
                ports.PolicyFile(name, self._text(name), tuple(named)) for name, named in sorted(files.items())
            ),
            problem=self._source.problem,
            watching=self._watching(),
        )

    def _watching(self) -> tuple[ports.WatchingPolicies, ...]:
        figures = self._candidates.figures() if self._candidates is not None else {}
        return tuple(_watching(title, figures[key]) for key, title in _WATCHING if figures.get(key))

    def recollect(self, record: Mapping[str, Any]) -> Recollection | None:
        """Ask the policies in force what a decision's record says was asked."""
        return recollect(self._source.current, record)

    def _text(self, name: str) -> str:
        """Read a policy file as it stands now; a file that is newer than what is in force shows as a problem."""
        directory = self._source.directory
        try:
            return (directory / name).read_text(encoding="utf-8") if directory else ""
        except (OSError, UnicodeDecodeError):
            return ""


def _watching(title: str, found: Mapping[str, Any]) -> ports.WatchingPolicies:
    report = found["report"]
    return ports.WatchingPolicies(
        title=title,
        version=report["draft"],
        compared=report["compared"],
        gains=report["gains"],
        loses=report["loses"],
        others=report["flips"] - report["gains"] - report["loses"],
        dropped=found["dropped"],
        failed=found["failed"],
        by_policy=tuple(map(_watched, report["by_policy"])),
        by_subject=tuple(map(_watched, report["by_subject"])),
        problem=found["problem"],
        flips=tuple(map(_flip, report["examples"])),
    )


def _flip(example: Mapping[str, Any]) -> ports.WatchedFlip:
    names = ("id", "subject", "target", "action", "was", "now")
    return ports.WatchedFlip(
        **{name: example[name] for name in names},
        at=datetime.fromisoformat(example["at"]),
        policies=tuple(example["policies"]),
    )


def _watched(group: Mapping[str, Any]) -> tuple[str, int, int, int]:
    return group["name"], group["gains"], group["loses"], group["flips"] - group["gains"] - group["loses"]


class AuditAdapter:
    """The journal, for reading and proving."""

    def __init__(self, journal: Journal, directory: Path, keys: KeyRing, clock: Clock) -> None:
        self._journal = journal
        self._directory = directory
        self._keys = keys
        self._clock = clock
        self._last: ports.Verification | None = None
        self._task: asyncio.Task[None] | None = None

    def overview(self) -> ports.JournalOverview:
        """Return how far it got."""
        return ports.JournalOverview(self._journal.seq, None, str(self._keys.signer("journal").kid))

    def start_verification(self) -> None:
        """Begin to verify the whole journal in the background; does nothing while one is running."""
        if self._task is None or self._task.done():
            self._last = ports.Verification(self._clock.now(), 0, 0)
            self._task = asyncio.create_task(self._verify(self._last), name="audit-verification")

    def verification(self) -> ports.Verification | None:
        """Return the running or the last verification of this process."""
        return self._last

    async def _verify(self, begun: ports.Verification) -> None:
        def progress(done: int, total: int) -> None:
            self._last = replace(begun, checked=done, total=total)

        keys = self._keys.all_ever("journal")
        try:
            report = await asyncio.to_thread(verify, self._directory, keys, progress=progress)
            problem = report.finding.words if report.finding else None
            checked = report.records
        except OSError as error:
            problem, checked = f"the journal cannot be read: {error.strerror}", 0
        self._last = replace(begun, checked=checked, total=checked, finished_at=self._clock.now(), problem=problem)


class PlacesAdapter:
    """Turn an address into words."""

    def __init__(self, source: ContextSource) -> None:
        self._source = source

    def describe(self, ip: str) -> str:
        """Name the place of an address."""
        place = self._source.place_of(ip)
        return replace(place, country=country_name(place.country or "")).words


class HabitsAdapter:
    """What is usual for people, by what the node learns."""

    def __init__(self, habits: Habits, database: Database) -> None:
        self._habits = habits
        self._database = database

    async def usual(self, user_id: UserId) -> Usual:
        """Return what is usual for a user."""
        return await usual_now(self._habits, self._database, user_id)


class KeysAdapter:
    """Public keys that verify the assertion."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def jwks(self) -> Mapping[str, Any]:
        """Return the JSON Web Key Set."""
        return self._keys.jwks("assertion")


class HealthAdapter:
    """Whether this process can decide."""

    def __init__(self, parts: Callable[[], Awaitable[Mapping[str, bool]]]) -> None:
        self._parts = parts

    async def parts(self) -> Mapping[str, bool]:
        """Return each part and whether it is well."""
        return await self._parts()


def refusal_page(portal: str, titles: Mapping[str, str]) -> Callable[[Refusal], tuple[bytes, Mapping[str, str]]]:
    """Return the renderer of the page for people who are refused."""

    def render(refusal: Refusal) -> tuple[bytes, Mapping[str, str]]:
        way_out = refusal.way_out or None
        is_step_up = refusal.answer is Answer.STEP_UP
        page = RefusalPage(
            application=titles.get(refusal.application, refusal.application),
            answer=refusal.answer,
            reasons=refusal.reasons,
            reference=refusal.reference,
            at=refusal.at,
            sign_in_url=None if is_step_up else way_out,
            step_up_url=way_out if is_step_up else None,
            portal_url=portal,
            policy_words=refusal.policy_words,
        )
        return render_refusal(page), REFUSAL_HEADERS

    return render
