"""Baselines and recent failures in memory: taught by committed events, written behind."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from math import exp

from watchword.kernel import Acr, Clock, Event, SessionId, UserId, WatchwordError
from watchword.storage import Database, StorageError
from watchword.trust import store
from watchword.trust.addresses import network_of
from watchword.trust.agents import agent_of
from watchword.trust.baseline import EMPTY_BASELINE, FASTEST_KMH, Baseline, Outcome, dump, learn, parse, speed_kmh
from watchword.trust.context import ContextSource
from watchword.trust.habits import Habits
from watchword.trust.indicators import CLOCK_SKEW_S, HIJACK_KM, HIJACK_S
from watchword.trust.model import Place, Sighting
from watchword.trust.observation import Act, Finding, NetworkTraits, Observation
from watchword.trust.settings import STATISTICAL
from watchword.trust.situation import Situation
from watchword.trust.undoing import Snapshots
from watchword.trust.worktime import utc_offset_s

# Failures lose their weight with this time constant: after ten minutes a good third is left, after thirty a twentieth.
DECAY_S = 600.0
_MAX_FAILURES = 1000.0
_MAX_USERS_WITH_FAILURES = 50_000
_MAX_SESSIONS = 100_000
_REMEMBERED_EVENTS = 10_000
_BATCH = 50
_SKEW = timedelta(seconds=CLOCK_SKEW_S)
_LONGEST_ID = 64
# The reason with which the console ends a session of which its owner says that it was not theirs.
# Why a session ended that was not its owner's: the owner said so, or an administrator.
_DISOWNED = frozenset({"disowned", "verdict"})


class TrustState:
    """What the past says about each user; reading is synchronous and never leaves memory.

    Learning is written behind: a crash loses at most what was learned since the last `flush`, never a decision.

    Args:
        timezone_of: a user's IANA zone, by id; without it hours are learned in UTC.
        group_of: a user's peer group, by id; the empty text for none.
        habits: for the profiles that judge behaviour, taught by the same events.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        context: ContextSource,
        *,
        timezone_of: Callable[[str], str] = lambda _user: "UTC",
        group_of: Callable[[str], str] = lambda _user: "",
        habits: Habits | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._context = context
        self._timezone_of = timezone_of
        self._group_of = group_of
        self.habits = habits or Habits(database, clock, places="; ".join(context.sources))
        self._stored: dict[str, str] = {}
        self._baselines: dict[str, Baseline] = {}
        self._dirty: set[str] = set()
        self._deleted: set[str] = set()
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._sessions: OrderedDict[str, Sighting] = OrderedDict()
        self._before: Snapshots[Baseline] = Snapshots()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self.unreadable = 0

    async def load(self) -> None:
        """Read every stored baseline; each is unpacked when its user is first asked about.

        One that cannot be unpacked is dropped and counted in `unreadable`: its user starts cold.
        """
        async with self._database.read() as connection:
            self._stored = dict(await store.all_baselines(connection))
        await self.habits.load()

    async def observe(self, events: Sequence[Event]) -> None:
        """Learn from committed events; delivered twice, late or from the future they teach nothing wrong."""
        for event in events:
            handler = self._handlers.get(event.type)
            if handler is not None and self._is_new(event):
                handler(self, event)
                self._tell_habits(event)

    def baseline(self, user_id: str) -> Baseline:
        """Return what is usual for a user; empty for somebody new."""
        found = self._baselines.get(user_id)
        if found is not None:
            return found
        stored = self._stored.pop(user_id, None)
        return EMPTY_BASELINE if stored is None else self._unpack(user_id, stored)

    def _unpack(self, user_id: str, stored: str) -> Baseline:
        try:
            self._baselines[user_id] = parse(stored)
        except ValueError:
            self.unreadable += 1
        return self._baselines.get(user_id, EMPTY_BASELINE)

    def failed_attempts(self, user_id: str, now: datetime) -> float:
        """Return the failed sign-ins of an account, each decayed over ten minutes."""
        found = self._failures.get(user_id)
        # Decisions do not follow a clock that goes back, and events do.
        return _decayed(found, min(now, self._clock.now()).timestamp()) if found else 0.0

    def session_sighting(self, session_id: str) -> Sighting | None:
        """Return where a session was last seen acting normally."""
        return self._sessions.get(session_id)

    def note_sighting(self, session_id: str, place: Place, now: datetime) -> None:
        """Remember where a session is; call for every request of a session, whatever the answer.

        A second place that could not be reached does not replace the first: it makes the session contested, and so it
        stays until a second factor shows which place is real.
        """
        known = self._sessions.get(session_id)
        if place.latitude is None or (known is not None and known.is_contested):
            return
        if known is not None and known.place is place:  # nearly every request comes from where the last one came from
            self._remember_session(session_id, Sighting(place, now))
        elif known is not None and _is_elsewhere(known, place, now):
            self._remember_session(session_id, Sighting(known.place, known.at, is_contested=True))
        elif known is None or _is_reachable(known, place, now):
            self._remember_session(session_id, Sighting(place, now))

    def situation(
        self, observation: Observation, now: datetime, *, given: Sequence[Finding] = (), by: str = STATISTICAL
    ) -> Situation:
        """Gather what a profile judges behaviour by."""
        return self.habits.situation(observation, now, given=given, by=by)

    def group_of(self, user: str) -> str:
        """Return the peer group of somebody who has no group of their own; the empty text for none."""
        return self.habits.group_of(user)

    def still_holds(self, situation: Situation, now: datetime) -> bool:
        """Tell whether behaviour would be judged by the very same again."""
        return self.habits.still_holds(situation, now)

    def traits_of(self, ip: str, now: datetime) -> NetworkTraits:
        """Say what is known of an address's network."""
        return self.habits.traits_of(ip, network_of(ip), now)

    def unlearn(self, session: str) -> None:
        """Take back what a session taught, live or over, because its owner says that it was not theirs."""
        self.habits.unlearn(session)
        found = self._before.take(session)
        if found is not None:
            user, before = found
            self._baselines[user] = replace(before, version=self.baseline(user).version + 1)
            self._dirty.add(user)
            with suppress(WatchwordError):
                self.habits.detectors.unlearn(user, SessionId(session).created_at.timestamp())

    async def flush(self) -> None:
        """Write what was learned since the last time.

        Raises:
            StorageError: the database refused; everything stays in memory and is tried again.
        """
        deleted, dirty = list(self._deleted), list(self._dirty)
        now = self._clock.now()
        for at in range(0, len(deleted), _BATCH):
            async with self._database.work() as work:
                await store.drop_baselines(work.connection, deleted[at : at + _BATCH])
            self._deleted.difference_update(deleted[at : at + _BATCH])
        for at in range(0, len(dirty), _BATCH):
            batch = {user: self._baselines[user] for user in dirty[at : at + _BATCH] if user in self._baselines}
            async with self._database.work() as work:
                await store.put_baselines(
                    work.connection, [(user, learned.version, dump(learned)) for user, learned in batch.items()], now
                )
            self._dirty.difference_update(
                user for user, written in batch.items() if self._baselines.get(user) is written
            )

    async def run(self, every_s: float = 5.0) -> None:
        """Flush now and then until cancelled; a failure is tried again at the next turn."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.flush()
            except StorageError:
                continue

    # --- what events teach ------------------------------------------------------------------------------------------

    def _is_new(self, event: Event) -> bool:
        # Prevents: an event from a clock that ran ahead standing in the way of everything that comes after it.
        if event.at > self._clock.now() + _SKEW:
            return False
        # Prevents: a batch that is delivered again counting twice.
        if event.id in self._seen:
            return False
        self._seen[event.id] = None
        while len(self._seen) > _REMEMBERED_EVENTS:
            self._seen.popitem(last=False)
        return True

    def _verified(self, event: Event) -> None:
        user, session, ip = _user(event), _text(event, "session"), _text(event, "ip")
        if not user or not ip:
            return
        place = self._context.place_of(ip)
        acr = _acr(event)
        is_step_up = event.type == "identity.session.stepped_up"
        outcome = Outcome(event.at, place, network_of(ip), acr, self._timezone_of(user), is_step_up)
        known = self._at_present(self.baseline(user))
        self._before.note(session, user, known)
        self._baselines[user] = learn(known, outcome)
        self._dirty.add(user)
        if session and place.latitude is not None and acr.strength >= Acr.MULTI_FACTOR.strength:
            seen = self._sessions.get(session)
            # What was seen in the future was seen by a clock that has gone back since.
            if seen is None or seen.at <= event.at or seen.at > self._clock.now() + _SKEW:
                self._remember_session(session, Sighting(place, event.at))

    def _at_present(self, known: Baseline) -> Baseline:
        # Prevents: a place that was verified while the clock ran ahead making every journey impossible until then.
        last, now = known.last_verified, self._clock.now()
        return replace(known, last_verified=Sighting(last.place, now)) if last and last.at > now + _SKEW else known

    def _failed(self, event: Event) -> None:
        user = _user(event)
        if not user:
            return
        # A failure cannot be newer than now, so that a clock that goes back cannot keep it fresh.
        at = min(event.at, self._clock.now()).timestamp()
        known = self._failures.get(user, (0.0, at))
        newest = max(at, known[1])
        value = _decayed(known, newest) + exp((at - newest) / DECAY_S)
        self._failures[user] = (min(_MAX_FAILURES, value), newest)
        self._failures.move_to_end(user)
        # Prevents: failures against very many accounts filling the memory; those untouched longest go first.
        while len(self._failures) > _MAX_USERS_WITH_FAILURES:
            self._failures.popitem(last=False)

    def _tell_habits(self, event: Event) -> None:
        user, ip = _user(event), _text(event, "ip")
        if event.type == "identity.user.deleted":
            self.habits.forget(event.subject)
        elif event.type in _ACTS and ip and self.habits.learns:
            zone = self._timezone_of(user) if user else "UTC"
            self.habits.note(
                Observation(
                    id=event.id,
                    at=event.at.timestamp(),
                    user=user,
                    act=_act(event),
                    is_success=event.type != "identity.sign_in.failed",
                    is_verified=_is_verified(event),
                    ip=ip,
                    network=network_of(ip),
                    place=self._context.place_of(ip),
                    traits=self.traits_of(ip, event.at),
                    agent=agent_of(str(event.data.get("user_agent") or "")),
                    utc_offset_s=utc_offset_s(event.at, zone),
                    device=_text(event, "device"),
                    session=_text(event, "session"),
                    group=(self._group_of(user) or self.group_of(user)) if user else "",
                )
            )

    def _ended(self, event: Event) -> None:
        self._sessions.pop(event.subject, None)
        self.habits.detectors.forget_session(event.subject)
        # Prevents: a thief's place staying usual after the owner, or an administrator, said that it was not them.
        if _text(event, "reason") in _DISOWNED:
            self.unlearn(event.subject)

    def _user_deleted(self, event: Event) -> None:
        self._baselines.pop(event.subject, None)
        self._stored.pop(event.subject, None)
        self._failures.pop(event.subject, None)
        self._before.forget(event.subject)
        self._dirty.discard(event.subject)
        self._deleted.add(event.subject)

    def _remember_session(self, session_id: str, sighting: Sighting) -> None:
        self._sessions[session_id] = sighting
        self._sessions.move_to_end(session_id)
        while len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)

    _handlers: dict[str, Callable[[TrustState, Event], None]] = {  # noqa: RUF012  # a constant table of the class
        "identity.session.started": _verified,
        "identity.session.stepped_up": _verified,
        "identity.session.ended": _ended,
        "identity.sign_in.failed": _failed,
        "identity.user.deleted": _user_deleted,
    }


_ACTS = {
    "identity.session.started": Act.SIGN_IN,
    "identity.session.stepped_up": Act.PROMPT,
    "identity.sign_in.failed": Act.SIGN_IN,
}
# What is asked for once a password was right; so a wrong one is a refused prompt, and no guess at a password.
_SECOND_FACTORS = frozenset({"totp", "recovery_code"})
_PASSWORDS = frozenset({"password", "new_password"})


def _act(event: Event) -> Act:
    is_refused = event.type == "identity.sign_in.failed" and _text(event, "factor") in _SECOND_FACTORS
    return Act.PROMPT if is_refused else _ACTS[event.type]


def _is_verified(event: Event) -> bool:
    is_strong = _acr(event).strength >= Acr.MULTI_FACTOR.strength
    return is_strong and event.type != "identity.sign_in.failed"


def _decayed(counted: tuple[float, float], at: float) -> float:
    value, since = counted
    return value * exp(-max(0.0, at - since) / DECAY_S)


def _is_elsewhere(known: Sighting, place: Place, now: datetime) -> bool:
    travel = speed_kmh(known, place, now)
    return travel is not None and travel[0] > HIJACK_KM and (now - known.at).total_seconds() <= HIJACK_S


def _is_reachable(known: Sighting, place: Place, now: datetime) -> bool:
    travel = speed_kmh(known, place, now)
    return travel is None or travel[1] <= FASTEST_KMH


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    return value if isinstance(value, str) and len(value) <= _LONGEST_ID else ""


def _user(event: Event) -> str:
    # Prevents: an event that names no user stopping the relay, and with it every decision.
    try:
        return UserId(_text(event, "user"))
    except WatchwordError:
        return ""


def _acr(event: Event) -> Acr:
    """Say how somebody proved themselves this time; a session keeps the best of all times."""
    # Prevents: a password alone, typed in a session that once had a second factor, vouching like that factor.
    if _text(event, "factor") in _PASSWORDS:
        return Acr.SINGLE_FACTOR
    try:
        return Acr(str(event.data.get("acr")))
    except ValueError:
        return Acr.SINGLE_FACTOR
