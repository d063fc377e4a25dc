"""Habits in memory: bounded, taught in batches, read back from storage, and fooled by nobody's flood."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from habit_acts import LINUX, act, live
from sqlalchemy import text

from watchword.kernel import FrozenClock
from watchword.storage import Database, StorageError
from watchword.trust import Act, Agent, Finding, Habits, NetworkTraits, Place, usual_for, usual_of
from watchword.trust.behaviour import Model
from watchword.trust.memory import POPULATION
from watchword.trust.shared import FROM_USERS, SharedNetworks


@pytest.fixture
def habits(plain_database: Database, clock: FrozenClock) -> Habits:
    return Habits(plain_database, clock, most=4)


async def test_nothing_is_learned_before_the_batch_and_everything_after_it(habits: Habits, clock: FrozenClock) -> None:
    before = habits.known("usr_ada")
    habits.note(act(clock, ago_days=1))
    assert habits.known("usr_ada") is before
    await habits.learn_waiting()
    after = habits.known("usr_ada")
    assert after is not before
    assert after.profile.learned == 1
    assert habits.known("usr_ada") is after


async def test_only_verified_outcomes_teach(habits: Habits, clock: FrozenClock) -> None:
    habits.note(act(clock, is_verified=False))
    habits.note(act(clock, is_success=False, id="other"))
    habits.note(act(clock, user="", id="nobody"))
    await habits.learn_waiting()
    assert habits.known("usr_ada").profile.learned == 0
    assert habits.figures.learned == 0


async def test_a_restart_finds_what_was_written(plain_database: Database, habits: Habits, clock: FrozenClock) -> None:
    await live(habits, clock)
    await habits.flush()
    again = Habits(plain_database, clock, most=4)
    await again.load()
    assert again.known("usr_ada").profile == habits.known("usr_ada").profile
    assert again.known("usr_ada").population.version == habits.known("usr_ada").population.version


async def test_memory_holds_a_bounded_number_and_the_rest_is_fetched_when_asked_for(
    plain_database: Database, habits: Habits, clock: FrozenClock
) -> None:
    users = [f"usr_{number}" for number in range(9)]
    for user in users:
        await live(habits, clock, user, days=6)
        await habits.flush()
    assert len(habits._habits.shelf) <= 4
    away = habits.known("usr_0")
    assert away.is_away
    assert away.profile.learned == 0
    await habits.fetch()
    found = habits.known("usr_0")
    assert not found.is_away
    assert found.profile.learned == 6
    assert (await usual_for(plain_database, "usr_0")).history == 6


async def test_what_is_learned_of_somebody_away_is_added_to_their_history_not_put_in_its_place(
    habits: Habits, clock: FrozenClock
) -> None:
    for number in range(9):
        await live(habits, clock, f"usr_{number}", days=6)
        await habits.flush()
    habits.note(act(clock, "usr_0"))
    await habits.learn_waiting()
    await habits.fetch()
    await habits.learn_waiting()
    assert habits.known("usr_0").profile.learned == 7


async def test_what_was_not_written_yet_is_never_let_go(habits: Habits, clock: FrozenClock) -> None:
    for number in range(9):
        await live(habits, clock, f"usr_{number}", days=6)
    habits._habits.shelf.evict()
    assert [habits.known(f"usr_{number}").profile.learned for number in range(9)] == [6] * 9


async def test_a_database_that_refuses_loses_nothing(
    plain_database: Database, habits: Habits, clock: FrozenClock
) -> None:
    await live(habits, clock)
    async with plain_database.work() as work:
        await work.connection.execute(text("ALTER TABLE trust_habits RENAME TO gone"))
    with pytest.raises(StorageError):
        await habits.flush()
    async with plain_database.work() as work:
        await work.connection.execute(text("ALTER TABLE gone RENAME TO trust_habits"))
    await habits.flush()
    again = Habits(plain_database, clock)
    await again.load()
    assert again.known("usr_ada").profile.learned == 10
    assert again.known("usr_ada").population.learned == 10


async def test_a_profile_that_cannot_be_read_starts_cold_and_is_counted(
    plain_database: Database, habits: Habits, clock: FrozenClock
) -> None:
    await live(habits, clock)
    await habits.flush()
    async with plain_database.work() as work:
        await work.connection.execute(text("UPDATE trust_habits SET data = '{}'"))
    again = Habits(plain_database, clock)
    await again.load()
    assert again.known("usr_ada").profile.learned == 0
    assert again.figures.unreadable == 2  # hers, and that of everybody together


async def test_a_deleted_user_is_forgotten_in_memory_and_in_storage(
    plain_database: Database, habits: Habits, clock: FrozenClock
) -> None:
    await live(habits, clock)
    await habits.flush()
    habits.forget("usr_ada")
    assert habits.known("usr_ada").profile.learned == 0
    await habits.flush()
    assert (await usual_for(plain_database, "usr_ada")).history == 0


async def test_two_hundred_verified_looking_events_of_one_day_do_not_make_a_place_usual(
    habits: Habits, clock: FrozenClock
) -> None:
    """Attack: poisoning. Whoever holds a session pours acts from their own place into the owner's history."""
    await live(habits, clock, days=30)
    paris = {"place": Place(country="FR", asn=1), "network": "193.48.1.0/24", "ip": "193.48.1.1"}
    for number in range(200):
        habits.note(act(clock, ago_days=number / 2000, id=f"poison {number}", **paris))
    await habits.learn_waiting()
    countries = dict(usual_of(habits.known("usr_ada").profile).countries)
    assert countries.get("FR", 0) < 0.15
    assert countries["GB"] > 0.85


async def test_requests_teach_what_is_asked_for_and_never_from_where_or_with_what(
    habits: Habits, clock: FrozenClock
) -> None:
    """Attack: a thief with a session asks for things from their own place, to make it usual."""
    await live(habits, clock, days=30)
    paris = {"place": Place(country="FR", asn=1), "network": "193.48.1.0/24", "ip": "193.48.1.1"}
    other = Agent("x", "Edge 126", "Windows 10", "desktop")
    for day in range(6, 0, -1):
        asked = {"act": Act.REQUEST, "application": "vault", "agent": other, "device": "dev_x", **paris}
        habits.note(act(clock, ago_days=day + 0.01, id=f"asked {day}", **asked))
    await habits.learn_waiting()
    usual = usual_of(habits.known("usr_ada").profile)
    assert "vault" in dict(usual.applications)
    assert [name for name, _ in usual.countries] == ["GB"]
    assert [name for name, _ in usual.browsers] == ["Firefox 128 on Linux"]


async def test_a_busy_hour_is_no_long_history(habits: Habits, clock: FrozenClock) -> None:
    for number in range(200):
        habits.note(act(clock, ago_days=0.001, id=f"page {number}", act=Act.REQUEST))
    await habits.learn_waiting()
    assert habits.known("usr_ada").profile.learned == 1


async def test_a_flood_of_acts_fills_no_memory_and_is_counted(habits: Habits, clock: FrozenClock) -> None:
    one = act(clock, is_verified=False)
    for _ in range(20_100):
        habits.note(one)
    assert habits.waiting == 20_000
    assert habits.figures.dropped == 100


async def test_sessions_of_very_many_users_fill_no_memory(habits: Habits) -> None:
    for number in range(1000):
        habits.known(f"usr_{number}")
    assert len(habits._known) <= 5


async def test_an_act_that_cannot_be_read_is_passed_over(habits: Habits, clock: FrozenClock) -> None:
    habits.note(replace(act(clock), place=None))  # type: ignore[arg-type]  # what must never happen
    habits.note(act(clock, at="soon"))
    habits.note(act(clock, "usr_bob", ago_days=1))
    await habits.learn_waiting()
    assert habits.known("usr_bob").profile.learned == 1


async def test_events_out_of_order_twice_and_from_the_future_poison_nothing(habits: Habits, clock: FrozenClock) -> None:
    one, other = act(clock, ago_days=1), act(clock, ago_days=1.5)
    for observation in (one, other, one, other, act(clock, ago_days=-1), act(clock, ago_days=-10_000)):
        habits.note(observation)
    await habits.learn_waiting()
    assert habits.known("usr_ada").profile.learned == 2


class Reputation:
    """Lists one address."""

    class Said:
        def __init__(self, value: float) -> None:
            self.finding = Finding("reputation", value, "listed" if value else "clean")
            self.traits = NetworkTraits(is_vpn=bool(value))

    def of(self, address: str, now: object) -> Reputation.Said:
        del now
        return self.Said(2.0 if address == "192.0.2.9" else 0.0)

    def versions(self) -> dict[str, str]:
        return {"plain": "abc"}


async def test_reputation_is_evidence_with_its_version_and_a_change_of_it_ends_what_held(
    plain_database: Database, clock: FrozenClock
) -> None:
    reputation = Reputation()
    habits = Habits(plain_database, clock, reputation=reputation, places="table 1")
    clean = habits.situation(act(clock), clock.now())
    listed = habits.situation(act(clock, ip="192.0.2.9"), clock.now())
    assert clean.reputation is not None
    assert clean.reputation.value == 0
    assert listed.reputation is not None
    assert listed.reputation.value == 2.0
    assert listed.versions == {"places": "table 1", "feed plain": "abc"}
    assert habits.traits_of("192.0.2.9", "192.0.2.0/24", clock.now()).is_vpn
    assert habits.still_holds(clean, clock.now())
    reputation.of = lambda *_: Reputation.Said(1.0)  # type: ignore[method-assign]  # a feed was renewed
    assert not habits.still_holds(clean, clock.now())


async def test_a_network_that_several_users_prove_themselves_in_is_shared(habits: Habits, clock: FrozenClock) -> None:
    network = "81.2.69.0/24"
    for number in range(FROM_USERS):
        assert not habits.traits_of("81.2.69.1", network, clock.now()).is_shared
        habits.note(act(clock, f"usr_{number}"))
        await habits.learn_waiting()
    assert habits.traits_of("81.2.69.1", network, clock.now()).is_shared


async def test_a_restart_forgets_no_series_of_failures(
    plain_database: Database, habits: Habits, clock: FrozenClock
) -> None:
    for number in range(6):
        habits.note(act(clock, is_success=False, is_verified=False, id=f"failed {number}", ip="192.0.2.1"))
    await habits.learn_waiting()
    asked = ("usr_ada", "ses_x", "192.0.2.0/24", clock.now().timestamp())
    before = habits.detectors.findings_for(*asked)
    assert before
    await habits.flush()
    again = Habits(plain_database, clock)
    await again.load()
    assert again.detectors.findings_for(*asked) == before


async def test_states_of_detectors_that_could_not_be_written_are_written_later(
    plain_database: Database, habits: Habits, clock: FrozenClock
) -> None:
    habits.note(act(clock, is_success=False, is_verified=False))
    await habits.learn_waiting()
    async with plain_database.work() as work:
        await work.connection.execute(text("ALTER TABLE trust_detector_states RENAME TO gone"))
    with pytest.raises(StorageError):
        await habits.flush()
    async with plain_database.work() as work:
        await work.connection.execute(text("ALTER TABLE gone RENAME TO trust_detector_states"))
    await habits.flush()
    async with plain_database.read() as connection:
        found = (await connection.execute(text("SELECT count(*) FROM trust_detector_states"))).scalar_one()
    assert found > 0


async def test_a_damaged_state_of_a_detector_is_passed_over(plain_database: Database, clock: FrozenClock) -> None:
    async with plain_database.work() as work:
        for number, data in enumerate(("{", "7", "[[]]", '{"a": null}')):
            row = {"key": f"k{number}", "data": data, "at": clock.now().isoformat()}
            await work.connection.execute(
                text("INSERT INTO trust_detector_states VALUES ('failures', :key, :data, :at)"), row
            )
    habits = Habits(plain_database, clock)
    await habits.load()
    assert habits.figures.unreadable > 0


def test_shared_networks_are_bounded_and_read_back() -> None:
    networks = SharedNetworks()
    for number in range(20_500):
        networks.note(f"network {number}", "usr_a")
    assert len(networks._users) == 20_000
    for user in "abc":
        networks.note("office", user)
    assert SharedNetworks.parse(networks.dump()).is_shared("office")
    for damaged in ("", "{", "7", '{"a": 1}', "[[1]]", '[["a", "b"]]'):
        with suppress(ValueError):
            SharedNetworks.parse(damaged)


async def test_other_weights_make_other_knowledge(habits: Habits) -> None:
    before = habits.known("usr_ada")
    habits.use_model(Model(name="refitted"))
    assert habits.known("usr_ada") is not before
    assert habits.known("usr_ada").model.name == "refitted"


async def test_the_loop_fetches_learns_and_writes(plain_database: Database, clock: FrozenClock) -> None:
    habits = Habits(plain_database, clock, most=10)
    fed = [act(clock, ago_days=1)]
    habits.fed_by(lambda: [fed.pop()] if fed else [])
    task = asyncio.create_task(habits.run(every_s=0.0))
    try:
        async with asyncio.timeout(10):
            while (await usual_for(plain_database, "usr_ada")).history != 1:  # noqa: ASYNC110  # the loop tells nobody
                await asyncio.sleep(0)
        clock.advance(timedelta(seconds=31))
        async with asyncio.timeout(10):
            while POPULATION not in await _owners(plain_database):  # noqa: ASYNC110  # as above
                await asyncio.sleep(0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _owners(plain_database: Database) -> set[str]:
    async with plain_database.read() as connection:
        return set((await connection.execute(text("SELECT owner FROM trust_habits"))).scalars())


def test_what_is_usual_is_named_with_its_share(clock: FrozenClock) -> None:
    habits = Habits(Database("sqlite:////nowhere.db"), clock)
    for day in range(8):
        agent = LINUX if day % 4 else Agent("x", "Edge 126", "Windows 10", "desktop")
        habits.note(act(clock, ago_days=10 - day, agent=agent))
    habits.fold(100)
    usual = usual_of(habits.known("usr_ada").profile)
    assert usual.history == 8
    assert usual.countries == (("GB", 1.0),)
    assert usual.networks == (("81.2.69.0/24", 1.0),)
    assert usual.systems == (("AS 20712", 1.0),)
    assert [name for name, _ in usual.browsers] == ["Firefox 128 on Linux", "Edge 126 on Windows 10"]
    assert usual.applications == (("notes", 1.0),)
    assert sum(usual.hours) == pytest.approx(1)
    assert max(usual.hours) == usual.hours[clock.now().hour]
    assert sum(usual.weekdays) == pytest.approx(1)
