"""Keep the feeds fresh: when to look, what becomes of what came, and what is told of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from watchword.kernel import Clock, Entropy, Event
from watchword.kernel.events import Json
from watchword.storage import Database
from watchword.trust.feeds.acceptance import Notice, Verdict, accepted, judge, rejected
from watchword.trust.feeds.beside import run_beside
from watchword.trust.feeds.errors import FeedError, FeedKeptError, FeedUnknownError
from watchword.trust.feeds.events import FEED_REVIEWED, FEED_STALE
from watchword.trust.feeds.index import FeedIndex, time_of
from watchword.trust.feeds.job import credential_of, job_of, reading_of, source_of
from watchword.trust.feeds.kept import TABLE, KeptFeed, State
from watchword.trust.feeds.reputation import FeedInForce, Reputation, TraitsSource
from watchword.trust.feeds.schedule import Schedule
from watchword.trust.feeds.settings import FeedSettings
from watchword.trust.feeds.status import FeedStatus, stale_at, status_of
from watchword.trust.feeds.telling import Telling

Run = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]

_AT_ONCE: Final = 2
_WATCH_EVERY_S: Final = 30.0
_BUSY: Final = "another process on this machine looks at it right now"


class Feeds:
    """Every configured feed, in force and kept fresh.

    Args:
        settings: of each; names are different.
        root: where tables are kept; one folder for each feed.
        database: takes the events.
        traits: databases of the operator that say what networks are.
        run: does one job; beside the node unless a test says otherwise.
        environment: where credentials are.

    Attributes:
        reputation: what the feeds say, for the request path.
    """

    def __init__(
        self,
        settings: Sequence[FeedSettings],
        root: Path,
        database: Database,
        clock: Clock,
        entropy: Entropy,
        *,
        traits: Sequence[TraitsSource] = (),
        run: Run = run_beside,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = {each.name: each for each in settings}
        self._kept = {name: KeptFeed(root, name) for name in self._settings}
        self._states: dict[str, State] = {}
        self._clock = clock
        self._run = run
        self._environment = os.environ if environment is None else environment
        self._stale_told: set[str] = set()
        self._turned_stale = {name: asyncio.Event() for name in self._settings}
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._telling = Telling(database, clock, entropy)
        self._schedule = Schedule(entropy)
        self.reputation = Reputation(traits)

    # --- what is in force --------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Put in force what was last in force on this machine; never raises: a damaged table is fetched again."""
        for name in self._settings:
            await self._load(name)

    async def _load(self, name: str) -> None:
        state = await self._stored(name)
        # A command on this machine may put another table in its place between the two readings.
        while not await self._put(name, state) and (again := await self._stored(name)) != state:
            state = again

    async def _stored(self, name: str) -> State:
        state = await asyncio.to_thread(self._kept[name].state)
        # What came from another address says nothing about this one.
        return state if state.source == source_of(self._settings[name]) else State()

    async def _put(self, name: str, state: State) -> bool:
        """Put what a state names in force; tells whether its table could be read."""
        self._states[name] = state
        if state.in_force is None:
            self.reputation.drop(name)
            return True
        path = self._kept[name].folder_of(state.in_force) / TABLE
        try:
            known = next((each.index for each in self.reputation.feeds if each.settings.name == name), None)
            if known is None or known.digest != state.in_force.digest:
                known = await asyncio.to_thread(FeedIndex, path, state.in_force.digest)
        except FeedKeptError as error:
            self.reputation.drop(name)
            self._states[name] = replace(state, in_force=None, problem=error.message, hint=error.hint or "")
            return False
        settings = self._settings[name]
        self.reputation.put(FeedInForce(settings, known, state.confirmed, stale_at(settings, state, self._minute())))
        return True

    # --- looking -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look at every feed when it is due, until cancelled."""
        if not self._settings:
            return
        async with asyncio.TaskGroup() as group:
            for name in self._settings:
                group.create_task(self._follow(name), name=f"feed-{name}")
            group.create_task(self._watch(), name="feeds-watch")

    async def _follow(self, name: str) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._turned_stale[name].wait(), self.wait_s(name))
            self._turned_stale[name].clear()
            await self.refresh(name)

    async def _watch(self) -> None:
        while True:
            await self.look_for_stale()
            await asyncio.sleep(_WATCH_EVERY_S)

    def wait_s(self, name: str) -> float:
        """Return the seconds until a feed is due; what a server asked for is said once."""
        return self._schedule.wait_s(self._settings[name], self._states[name], self._minute())

    async def refresh(self, name: str) -> FeedStatus:
        """Look at one feed now, at two at once; never raises: what went wrong is in the status.

        Raises:
            FeedUnknownError: no feed has that name.
        """
        kept, is_busy = self._known(name), False
        try:
            async with self._turn:
                with kept.held() as is_held:
                    if is_held:
                        await self._refresh(name, kept)
                    else:
                        is_busy = True
                        self._schedule.look_again_soon(self._settings[name])
        except FeedError as error:
            self._note_failure(name, error)
        except Exception as error:  # noqa: BLE001  # whatever fails here, the node goes on and says so
            self._note_failure(name, FeedKeptError(f"the feed cannot be looked at ({type(error).__name__})"))
        await self._telling.tell()
        status = self.status(name)
        return replace(status, problem="; ".join(filter(None, (_BUSY, status.problem)))) if is_busy else status

    async def _refresh(self, name: str, kept: KeptFeed) -> None:
        await self._load(name)  # a command on this machine may have looked meanwhile
        settings, state = self._settings[name], self._states[name]
        read_by = reading_of(settings)
        secret = credential_of(settings, self._environment)
        with kept.staged() as staged:
            outcome = await self._run(job_of(settings, state, kept, staged, secret=secret, now=self._minute()))
            now = self._minute()
            was_stale = state.in_force is not None and now >= stale_at(settings, state, now)
            state = replace(state, source=source_of(settings))
            verdict = judge(state, outcome, read_by=read_by, now=now, was_stale=was_stale)
            if outcome.get("wait_s"):
                self._schedule.be_patient(settings, float(outcome["wait_s"]), verdict.state.failures)
            await asyncio.to_thread(self._keep, kept, staged, verdict)
        await self._put(name, verdict.state)
        self._stale_told.discard(name)
        if verdict.notice is not None:
            self._telling.note(name, verdict.notice)

    def _keep(self, kept: KeptFeed, staged: Path, verdict: Verdict) -> None:
        if verdict.settled is not None:
            # Opened before anything changes, so that a table that cannot be used leaves the former in force.
            table = FeedIndex(staged / TABLE, verdict.settled.digest)
            if len(table) != verdict.settled.entries:
                raise FeedKeptError("the table of the feed holds another number of entries than was said")
            kept.settle(staged, verdict.settled)
        kept.remember(verdict.state)

    def _note_failure(self, name: str, error: FeedError) -> None:
        state = self._states.get(name, State())
        outcome = {"status": "failed", "code": error.code, "message": error.message, "hint": error.hint}
        verdict = judge(state, outcome, read_by="", now=self._minute())
        self._states[name] = verdict.state
        if verdict.notice is not None:
            self._telling.note(name, verdict.notice)

    # --- review ------------------------------------------------------------------------------------------------------

    async def accept(self, name: str, *, actor: str, digest: str = "") -> FeedStatus:
        """Put in force what waits for review.

        Args:
            digest: of what was looked at, whatever the times, or its beginning; empty for whatever waits.

        Raises:
            FeedUnknownError: no such feed, nothing waits, or something else does.
            FeedKeptError: the disk refused, what waits is damaged, or the feed is being fetched.
        """
        return await self._review(name, actor, digest, is_accepted=True)

    async def reject(self, name: str, *, actor: str, digest: str = "") -> FeedStatus:
        """Throw away what waits for review; the same again is not kept again.

        Args:
            digest: of what was looked at, whatever the times, or its beginning; empty for whatever waits.

        Raises:
            FeedUnknownError: no such feed, nothing waits, or something else does.
            FeedKeptError: the disk refused, or the feed is being fetched.
        """
        return await self._review(name, actor, digest, is_accepted=False)

    async def _review(self, name: str, actor: str, digest: str, *, is_accepted: bool) -> FeedStatus:
        kept = self._known(name)
        with kept.held() as is_held:
            if not is_held:
                raise FeedKeptError(f"the feed `{name}` is being fetched", hint="try again in a moment")
            await self._load(name)
            state = self._states[name]
            if state.review is None:
                raise FeedUnknownError(f"nothing of the feed `{name}` waits for review")
            waiting = state.review
            # Prevents: what was looked at being replaced by something else before it is accepted.
            if not waiting.fingerprint.startswith(digest.lower()):
                raise FeedUnknownError(
                    f"something else of the feed `{name}` waits for review by now",
                    hint=f"look again: watchword risk feeds show {name} --waiting",
                )
            if is_accepted:
                # Opened before anything changes, so that a damaged table leaves the former in force.
                await asyncio.to_thread(FeedIndex, kept.folder_of(waiting) / TABLE, waiting.digest)
                state = accepted(state)
            else:
                state = rejected(state)
            await asyncio.to_thread(kept.remember, state)
        await self._put(name, state)
        data: dict[str, Json] = {
            "verdict": "accepted" if is_accepted else "rejected",
            "entries": waiting.entries,
            "digest": waiting.digest,
        }
        self._telling.note(name, Notice(FEED_REVIEWED, data, actor))
        await self._telling.tell()
        return self.status(name)

    # --- telling -----------------------------------------------------------------------------------------------------

    async def observe(self, events: Sequence[Event]) -> None:
        """Follow what a command on this machine changed."""
        names = {str(event.data.get("feed")) for event in events if event.type.startswith("trust.feed.")}
        for name in names & self._states.keys():
            known, stored = self._states[name], await self._stored(name)
            if _told_apart(known) != _told_apart(stored):
                await self._load(name)

    async def look_for_stale(self) -> None:
        """Tell of every feed that has become stale since the last look, and have it looked at, once.

        It may have become stale in an instant, as when a clock is set right or a machine wakes up.
        """
        for feed in self.reputation.feeds:
            name = feed.settings.name
            if self._minute() >= feed.stale_at and name not in self._stale_told:
                self._stale_told.add(name)
                self._turned_stale[name].set()
                at = time_of(feed.confirmed)
                self._telling.note(name, Notice(FEED_STALE, {"refreshed_at": at.isoformat() if at else None}))
        await self._telling.tell()

    # --- for people --------------------------------------------------------------------------------------------------

    def statuses(self) -> list[FeedStatus]:
        """Tell how every feed is."""
        return [self.status(name) for name in self._settings]

    def status(self, name: str) -> FeedStatus:
        """Tell how one feed is.

        Raises:
            FeedUnknownError: no feed has that name.
        """
        self._known(name)
        return status_of(self._settings[name], self._states.get(name, State()), self._minute())

    def index(self, name: str, *, waiting: bool = False) -> FeedIndex | None:
        """Open the table in force, or the one that waits for review; nothing where there is none.

        Raises:
            FeedUnknownError: no feed has that name.
            FeedKeptError: it is damaged.
        """
        kept, state = self._known(name), self._states.get(name, State())
        version = state.review if waiting else state.in_force
        return FeedIndex(kept.folder_of(version) / TABLE, version.digest) if version else None

    def _known(self, name: str) -> KeptFeed:
        if name not in self._kept:
            known = ", ".join(sorted(self._kept)) or "none"
            raise FeedUnknownError(f"no feed is called `{name[:60]}`", hint=f"configured: {known}")
        return self._kept[name]

    def _minute(self) -> int:
        return int(self._clock.now().timestamp()) // 60


def _told_apart(state: State) -> tuple[object, ...]:
    return state.in_force, state.review, state.confirmed
