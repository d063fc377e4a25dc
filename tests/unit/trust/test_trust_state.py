"""What committed events teach, and every way in which an event could try to teach something wrong."""

from __future__ import annotations

import random
import string
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

import watchword.identity  # noqa: F401  # declares the events
from watchword.kernel import Acr, Event, EventId, FrozenClock, SessionId, UserId, event_types
from watchword.storage import Database, StorageError
from watchword.trust import EMPTY_BASELINE, ContextSource, Evidence, TrustState, assess, profiles, store
from watchword.trust.context import DATA, read_centres
from watchword.trust.placetable import PlaceTable
from watchword.trust.store import baselines

CONTEXT = ContextSource(PlaceTable(DATA / "places.bin"), read_centres(DATA / "countries.csv"))
GERMANY, JAPAN, LAN = "2a02:8109::1", "133.11.0.1", "10.0.0.7"


class Teller:
    """Makes the events of identity, as the contract has them."""

    def __init__(self, clock: FrozenClock, entropy: Any) -> None:
        self.clock, self.entropy = clock, entropy
        self.user = UserId.new(clock.now(), entropy)
        self.session = SessionId.new(clock.now(), entropy)

    def event(self, type_: str, *, subject: str = "", after: timedelta = timedelta(), **data: Any) -> Event:
        at = self.clock.now() + after
        return Event(EventId.new(self.clock.now(), self.entropy), type_, at, self.user, subject or self.session, data)

    def started(self, ip: str = GERMANY, *, type_: str = "identity.session.started", **more: Any) -> Event:
        after = more.pop("after", timedelta())
        data = {
            "user": self.user,
            "session": self.session,
            "device": None,
            "acr": Acr.MULTI_FACTOR.value,
            "factor": "totp",
        }
        return self.event(type_, after=after, **(data | {"ip": ip, "user_agent": "Firefox"} | more))

    def stepped_up(self, ip: str = GERMANY, **more: Any) -> Event:
        return self.started(ip, type_="identity.session.stepped_up", **more)

    def failed(self, **more: Any) -> Event:
        after = more.pop("after", timedelta())
        data = {"user": self.user, "reason": "wrong_password", "factor": "password", "ip": JAPAN} | more
        return self.event("identity.sign_in.failed", subject=self.user, after=after, **data)


@pytest.fixture
def tell(clock: FrozenClock, entropy: Any) -> Teller:
    return Teller(clock, entropy)


@pytest.fixture
def memory(clock: FrozenClock) -> TrustState:
    """A state that never meets its database."""
    return TrustState(Database("sqlite:////nowhere.db"), clock, CONTEXT)


def test_the_events_it_learns_from_are_told_by_identity_with_the_fields_it_reads() -> None:
    told = {name: kind.fields.keys() for name, kind in event_types().items()}
    assert {"user", "session", "acr", "ip"} <= told["identity.session.started"]
    assert {"user", "session", "acr", "ip"} <= told["identity.session.stepped_up"]
    assert "user" in told["identity.sign_in.failed"]
    assert TrustState._handlers.keys() <= told.keys()


# --- learning -------------------------------------------------------------------------------------------------------


async def test_verified_outcomes_teach_places_hours_and_the_last_verified_place(
    memory: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    for _ in range(3):
        await memory.observe([tell.started()])
        clock.advance(timedelta(days=1))
    learned = memory.baseline(tell.user)
    assert learned.usual_countries == {"DE"}
    assert learned.usual_networks == {"2a02:8109::/48"}
    assert learned.last_verified is not None
    assert learned.last_verified.place.country == "DE"
    assert sum(learned.hours) == 3


async def test_somebody_new_has_the_empty_baseline(memory: TrustState) -> None:
    assert memory.baseline(UserId("usr_00000000000000000000000000")) is EMPTY_BASELINE


async def test_hours_are_learned_in_the_users_own_zone(clock: FrozenClock, tell: Teller) -> None:
    state = TrustState(Database("sqlite:////nowhere.db"), clock, CONTEXT, timezone_of=lambda _user: "Asia/Tokyo")
    await state.observe([tell.started()])  # noon UTC on a Saturday is nine in the evening in Tokyo
    assert state.baseline(tell.user).hours[24 + 21] == 1


async def test_failures_teach_no_place_hour_or_network(memory: TrustState, tell: Teller, clock: FrozenClock) -> None:
    for _ in range(500):
        await memory.observe([tell.failed()])
        clock.advance(timedelta(hours=7))
    assert memory.baseline(tell.user) is EMPTY_BASELINE


async def test_a_password_sprayer_does_not_become_a_usual_place_by_persistence(
    memory: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    for _ in range(20):
        await memory.observe([tell.started(), *(tell.failed(ip=f"133.11.0.{n}") for n in range(20))])
        clock.advance(timedelta(days=1))
    evidence = Evidence(CONTEXT.place_of(JAPAN), network="133.11.0.0/24", is_device_known=True)
    found = assess(evidence, memory.baseline(tell.user), profiles()["additive"], now=clock.now())
    assert "unusual_location" in {item.indicator for item in found.contributions if item.points}


# --- events that come twice, late, early, or malformed --------------------------------------------------------------


async def test_an_event_delivered_twice_counts_once(memory: TrustState, tell: Teller, clock: FrozenClock) -> None:
    events = [tell.started(), tell.failed()]
    for _ in range(5):
        await memory.observe(events)
    assert memory.baseline(tell.user).outcomes == 1
    assert memory.failed_attempts(tell.user, clock.now()) == pytest.approx(1)


async def test_an_event_from_the_future_teaches_nothing_and_blocks_nothing(
    memory: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    await memory.observe([tell.started(JAPAN, after=timedelta(days=400)), tell.failed(after=timedelta(days=400))])
    assert memory.baseline(tell.user) is EMPTY_BASELINE
    assert memory.failed_attempts(tell.user, clock.now()) == 0
    await memory.observe([tell.started()])
    assert memory.baseline(tell.user).outcomes == 1


async def test_a_clock_that_goes_back_a_year_stops_no_learning(
    memory: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    await memory.observe([tell.started()])
    clock.step(timedelta(days=-365))
    await memory.observe([tell.started(), tell.failed(), tell.failed(), tell.failed()])
    assert memory.baseline(tell.user).outcomes == 2
    assert memory.failed_attempts(tell.user, clock.now()) == pytest.approx(3)


async def test_events_out_of_order_end_where_the_newest_says(
    memory: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    clock.advance(timedelta(days=10))
    new, old = tell.started(), tell.started(JAPAN, after=timedelta(days=-9))
    await memory.observe([new, old])
    last = memory.baseline(tell.user).last_verified
    assert last is not None
    assert last.place.country == "DE"
    seen = memory.session_sighting(tell.session)
    assert seen is not None
    assert seen.place.country == "DE"


@pytest.mark.parametrize(
    "data",
    [
        {"user": None}, {"user": 7}, {"user": ["x"]}, {"user": ""}, {"user": "u" * 5000}, {"user": "root"},
        {"ip": None}, {"ip": ""}, {"ip": "x" * 5000}, {"ip": {"a": 1}},
        {"acr": None}, {"acr": "urn:evil"}, {"session": 7},
    ],
)  # fmt: skip
async def test_a_malformed_event_neither_raises_nor_teaches_a_place(
    memory: TrustState, tell: Teller, data: dict[str, Any]
) -> None:
    await memory.observe([tell.started(**data), tell.failed(**{k: v for k, v in data.items() if k == "user"})])
    assert not memory.baseline(tell.user).usual_countries


async def test_an_event_that_names_no_user_does_not_stop_the_relay(clock: FrozenClock, tell: Teller) -> None:
    asked: list[str] = []
    state = TrustState(
        Database("sqlite:////nowhere.db"), clock, CONTEXT, timezone_of=lambda user: asked.append(user) or "UTC"
    )
    await state.observe([tell.started(user="root"), tell.failed(user="root"), tell.started()])
    assert set(asked) == {tell.user}
    assert state.failed_attempts("root", clock.now()) == 0


async def test_an_unknown_acr_counts_as_the_weakest(memory: TrustState, tell: Teller, clock: FrozenClock) -> None:
    for _ in range(3):
        await memory.observe([tell.started(acr="urn:evil:strongest")])
        clock.advance(timedelta(days=1))
    assert not memory.baseline(tell.user).usual_countries


async def test_a_user_agent_of_a_megabyte_leaves_no_trace(memory: TrustState, tell: Teller) -> None:
    hostile = "".join(random.Random(1).choices(string.printable, k=1 << 20))  # noqa: S311  # reproducible noise
    await memory.observe([tell.started(user_agent=hostile)])
    assert hostile[:100] not in repr(memory.baseline(tell.user))
    assert memory.baseline(tell.user).outcomes == 1


# --- failed attempts ------------------------------------------------------------------------------------------------


async def test_failures_decay_over_ten_minutes(memory: TrustState, tell: Teller, clock: FrozenClock) -> None:
    await memory.observe([tell.failed() for _ in range(3)])
    assert memory.failed_attempts(tell.user, clock.now()) == pytest.approx(3)
    clock.advance(timedelta(minutes=2))
    assert memory.failed_attempts(tell.user, clock.now()) < 2.5
    clock.advance(timedelta(minutes=8))
    assert memory.failed_attempts(tell.user, clock.now()) == pytest.approx(3 / 2.71828, rel=0.01)
    clock.advance(timedelta(hours=2))
    assert memory.failed_attempts(tell.user, clock.now()) < 0.001


async def test_a_million_failures_are_forgotten_within_the_hour(
    memory: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    await memory.observe([tell.failed() for _ in range(5000)])
    assert memory.failed_attempts(tell.user, clock.now()) <= 1000
    clock.advance(timedelta(hours=1))
    assert memory.failed_attempts(tell.user, clock.now()) < 2.5


async def test_late_failures_count_by_their_own_age(memory: TrustState, tell: Teller, clock: FrozenClock) -> None:
    clock.advance(timedelta(hours=1))
    await memory.observe([tell.failed(), tell.failed(after=timedelta(minutes=-10))])
    assert memory.failed_attempts(tell.user, clock.now()) == pytest.approx(1.368, rel=0.01)


async def test_reading_failures_with_a_clock_that_went_back_does_not_raise_them(
    memory: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    await memory.observe([tell.failed()])
    assert memory.failed_attempts(tell.user, clock.now() - timedelta(days=3)) == pytest.approx(1)


async def test_failures_against_nobody_and_against_very_many_do_not_fill_the_memory(
    memory: TrustState, tell: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.trust.service._MAX_USERS_WITH_FAILURES", 100)
    monkeypatch.setattr("watchword.trust.service._REMEMBERED_EVENTS", 100)
    await memory.observe([tell.failed(user="") for _ in range(100)])
    assert not memory._failures
    await memory.observe([tell.failed(user=f"usr_{n:026}") for n in range(1000)])
    assert len(memory._failures) == 100
    assert len(memory._seen) == 100


# --- where sessions are ---------------------------------------------------------------------------------------------


async def test_a_session_in_two_places_is_contested_until_a_second_factor(
    memory: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    await memory.observe([tell.started()])
    clock.advance(timedelta(minutes=2))
    memory.note_sighting(tell.session, CONTEXT.place_of(JAPAN), clock.now())
    seen = memory.session_sighting(tell.session)
    assert seen is not None
    assert seen.is_contested
    assert seen.place.country == "DE"
    clock.advance(timedelta(hours=20))
    memory.note_sighting(tell.session, CONTEXT.place_of(JAPAN), clock.now())
    assert memory.session_sighting(tell.session) is seen
    await memory.observe([tell.stepped_up(acr=Acr.SINGLE_FACTOR.value)])
    assert memory.session_sighting(tell.session) is seen
    await memory.observe([tell.stepped_up()])
    seen = memory.session_sighting(tell.session)
    assert seen is not None
    assert not seen.is_contested


async def test_a_stolen_session_does_not_become_usual_by_asking_again(
    memory: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    await memory.observe([tell.started()])
    for _ in range(50):
        clock.advance(timedelta(minutes=6))
        memory.note_sighting(tell.session, CONTEXT.place_of(JAPAN), clock.now())
    seen = memory.session_sighting(tell.session)
    assert seen is not None
    assert seen.place.country == "DE"


async def test_a_session_that_travels_at_a_possible_speed_is_followed(
    memory: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    await memory.observe([tell.started()])
    clock.advance(timedelta(hours=20))
    memory.note_sighting(tell.session, CONTEXT.place_of(JAPAN), clock.now())
    seen = memory.session_sighting(tell.session)
    assert seen is not None
    assert seen.place.country == "JP"
    memory.note_sighting(tell.session, CONTEXT.place_of(LAN), clock.now())
    assert memory.session_sighting(tell.session) is seen


async def test_each_request_from_the_same_place_says_anew_when_the_session_was_there(
    memory: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    await memory.observe([tell.started()])
    clock.advance(timedelta(minutes=30))
    memory.note_sighting(tell.session, CONTEXT.place_of(GERMANY), clock.now())
    clock.advance(timedelta(minutes=2))
    memory.note_sighting(tell.session, CONTEXT.place_of(JAPAN), clock.now())
    seen = memory.session_sighting(tell.session)
    assert seen is not None
    assert seen.is_contested
    memory.note_sighting(tell.session, CONTEXT.place_of(GERMANY), clock.now())
    assert memory.session_sighting(tell.session) is seen


async def test_an_ended_session_is_forgotten_and_very_many_do_not_fill_the_memory(
    memory: TrustState, tell: Teller, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await memory.observe([tell.started()])
    await memory.observe([tell.event("identity.session.ended", user=tell.user, reason="signed_out")])
    assert memory.session_sighting(tell.session) is None
    monkeypatch.setattr("watchword.trust.service._MAX_SESSIONS", 50)
    for n in range(500):
        memory.note_sighting(f"ses_{n}", CONTEXT.place_of(GERMANY), clock.now())
    assert len(memory._sessions) == 50


# --- written behind -------------------------------------------------------------------------------------------------


async def test_what_was_flushed_is_there_after_a_restart(database: Database, clock: FrozenClock, tell: Teller) -> None:
    state = TrustState(database, clock, CONTEXT)
    await state.observe([tell.started()])
    await state.flush()
    clock.advance(timedelta(days=1))
    await state.observe([tell.started()])
    await state.flush()
    await state.flush()
    again = TrustState(database, clock, CONTEXT)
    await again.load()
    assert again.baseline(tell.user) == state.baseline(tell.user)
    assert again.baseline(tell.user).usual_countries == {"DE"}


async def test_many_users_are_flushed_in_batches(database: Database, clock: FrozenClock, entropy: Any) -> None:
    state = TrustState(database, clock, CONTEXT)
    tellers = [Teller(clock, entropy) for _ in range(450)]
    await state.observe([one.started() for one in tellers])
    await state.flush()
    again = TrustState(database, clock, CONTEXT)
    await again.load()
    assert all(again.baseline(one.user).outcomes == 1 for one in tellers)


async def test_a_deleted_user_leaves_nothing_behind(database: Database, clock: FrozenClock, tell: Teller) -> None:
    state = TrustState(database, clock, CONTEXT)
    await state.observe([tell.started(), tell.failed()])
    await state.flush()
    await state.observe([tell.event("identity.user.deleted", subject=tell.user)])
    await state.flush()
    again = TrustState(database, clock, CONTEXT)
    await again.load()
    for one in (state, again):
        assert one.baseline(tell.user) is EMPTY_BASELINE
        assert one.failed_attempts(tell.user, clock.now()) == 0


async def test_a_user_deleted_before_anyone_asked_about_them_is_forgotten_too(
    database: Database, clock: FrozenClock, tell: Teller
) -> None:
    state = TrustState(database, clock, CONTEXT)
    await state.observe([tell.started()])
    await state.flush()
    again = TrustState(database, clock, CONTEXT)
    await again.load()
    await again.observe([tell.event("identity.user.deleted", subject=tell.user)])
    assert again.baseline(tell.user) is EMPTY_BASELINE


async def test_a_damaged_row_starts_its_user_cold_and_spares_the_others(
    database: Database, clock: FrozenClock, tell: Teller, entropy: Any
) -> None:
    other = Teller(clock, entropy)
    state = TrustState(database, clock, CONTEXT)
    await state.observe([tell.started(), other.started()])
    await state.flush()
    async with database.work() as work:
        await work.connection.execute(update(baselines).where(baselines.c.user_id == tell.user).values(data='{"x":'))
    again = TrustState(database, clock, CONTEXT)
    await again.load()
    assert again.baseline(tell.user) is EMPTY_BASELINE
    assert again.unreadable == 1
    assert again.baseline(other.user).outcomes == 1


async def test_what_is_learned_while_a_flush_is_under_way_is_written_by_the_next(
    database: Database, clock: FrozenClock, tell: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = TrustState(database, clock, CONTEXT)
    await state.observe([tell.started()])
    write = store.put_baselines

    async def write_while_learning(connection: Any, rows: Any, now: Any) -> None:
        await write(connection, rows, now)
        await state.observe([tell.started()])

    monkeypatch.setattr(store, "put_baselines", write_while_learning)
    await state.flush()
    monkeypatch.undo()
    await state.flush()
    again = TrustState(database, clock, CONTEXT)
    await again.load()
    assert again.baseline(tell.user).outcomes == 2


async def test_a_flush_that_fails_loses_nothing(clock: FrozenClock, tell: Teller, sqlite_url: str) -> None:
    database = Database(sqlite_url)  # without tables: every write is refused
    state = TrustState(database, clock, CONTEXT)
    await state.observe([tell.started()])
    with pytest.raises(StorageError):
        await state.flush()
    from watchword.storage import migrate  # noqa: PLC0415  # the moment at which the disk is there again

    await migrate(database)
    await state.flush()
    again = TrustState(database, clock, CONTEXT)
    await again.load()
    assert again.baseline(tell.user).outcomes == 1
    await database.close()
