"""A node learns for the profiles in use and for no other; what it learned survives, and can be taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from habit_acts import act, live
from sqlalchemy import text

from watchword.kernel import FrozenClock
from watchword.storage import Database
from watchword.trust import FREEMAN, STATISTICAL, Habits, Place, usual_for, usual_now
from watchword.trust.memory import POPULATION

ADA = "usr_ada"


@pytest.fixture
def habits(plain_database: Database, clock: FrozenClock) -> Habits:
    return Habits(plain_database, clock, most=4, learns=[FREEMAN])


async def rows(plain_database: Database) -> dict[str, set[str]]:
    async with plain_database.read() as connection:
        return {
            table: set((await connection.execute(text(f"SELECT {column} FROM {table}"))).scalars())  # noqa: S608  # names of ours
            for table, column in (
                ("trust_habits", "owner"),
                ("trust_sign_ins", "owner"),
                ("trust_detector_states", "key"),
            )
        }


async def test_where_no_profile_needs_it_nothing_is_noted_learned_or_loaded(
    plain_database: Database, clock: FrozenClock
) -> None:
    both = Habits(plain_database, clock, learns=[STATISTICAL, FREEMAN])
    await live(both, clock)
    both.note(act(clock, is_success=False, is_verified=False, id="failed"))
    await both.learn_waiting()
    await both.flush()
    before = await rows(plain_database)
    nothing = Habits(plain_database, clock, learns=[])
    await nothing.load()
    await live(nothing, clock)
    assert nothing.waiting == 0
    assert nothing.figures.learned == 0
    assert nothing.known(ADA).profile.learned == nothing.known_sign_ins(ADA).own.sign_ins == 0
    assert list(nothing.detectors.changes()) == []
    assert not any(len(memory) for memory in nothing.detectors._memories.values())
    await nothing.flush()
    assert await rows(plain_database) == before
    assert (await usual_now(nothing, plain_database, ADA)).profile == ""


async def test_each_profile_learns_by_itself(plain_database: Database, clock: FrozenClock) -> None:
    for learns, tables in (
        ([FREEMAN], {"trust_sign_ins"}),
        ([STATISTICAL], {"trust_habits"}),
        ([STATISTICAL, FREEMAN], {"trust_habits", "trust_sign_ins"}),
    ):
        habits = Habits(plain_database, clock, learns=learns)
        await live(habits, clock)
        await habits.flush()
        found = await rows(plain_database)
        assert {
            table for table, owners in found.items() if ADA in owners and table != "trust_detector_states"
        } == tables
        habits.forget(ADA)
        await habits.flush()


async def test_a_restart_finds_the_sign_ins(plain_database: Database, habits: Habits, clock: FrozenClock) -> None:
    await live(habits, clock)
    await live(habits, clock, "usr_bob", days=3)
    await habits.flush()
    again = Habits(plain_database, clock, most=4, learns=[FREEMAN])
    await again.load()
    assert again.known_sign_ins(ADA) == habits.known_sign_ins(ADA)
    assert again.known_sign_ins(ADA).everybody.sign_ins == 13
    assert again.known_sign_ins(ADA).everybody.users == 2
    usual = await usual_now(again, plain_database, ADA)
    assert usual == await usual_for(plain_database, ADA, FREEMAN)
    assert (usual.profile, usual.history, usual.countries) == (FREEMAN, 10, (("GB", 1.0),))
    assert usual.browsers == (("Firefox 128", 1.0),)


async def test_sign_ins_out_of_memory_are_fetched_when_asked_for(habits: Habits, clock: FrozenClock) -> None:
    for number in range(9):
        await live(habits, clock, f"usr_{number}", days=2)
        await habits.flush()
    assert habits.known_sign_ins("usr_0").is_away
    await habits.fetch()
    assert habits.known_sign_ins("usr_0").own.sign_ins == 2


async def test_what_a_disowned_session_taught_is_taken_back(habits: Habits, clock: FrozenClock) -> None:
    await live(habits, clock)
    habits.note(act(clock, id="thief", session="ses_thief", ip="193.48.1.1", place=Place(country="FR", asn=1)))
    await habits.learn_waiting()
    held = habits.known_sign_ins(ADA)
    assert held.own.seen["02 FR"] == 1
    habits.unlearn("ses_thief")
    assert habits.known_sign_ins(ADA) is not held
    assert "02 FR" not in habits.known_sign_ins(ADA).own.seen
    assert habits.known_sign_ins(ADA).own.sign_ins == 10


async def test_a_deleted_user_is_forgotten_by_profiles_that_are_no_more_in_use_too(
    plain_database: Database, clock: FrozenClock
) -> None:
    both = Habits(plain_database, clock, learns=[STATISTICAL, FREEMAN])
    for user in (ADA, f"{ADA}2"):
        await live(both, clock, user)
        both.note(act(clock, user, is_success=False, is_verified=False, session="", id=f"failed {user}"))
        await both.learn_waiting()
    await both.flush()
    assert all(any(key.startswith(ADA) for key in owners) for owners in (await rows(plain_database)).values())
    nothing = Habits(plain_database, clock, learns=[])
    await nothing.load()
    nothing.forget(ADA)
    await nothing.flush()
    left = await rows(plain_database)
    assert not any(key.split(" ")[0] == ADA for keys in left.values() for key in keys)
    assert all(any(key.startswith(f"{ADA}2") for key in keys) for keys in left.values())


@pytest.mark.parametrize("profile", [STATISTICAL, FREEMAN])
async def test_whoever_decides_has_a_turn_between_any_two_parts_of_everybody_together(
    plain_database: Database, clock: FrozenClock, profile: str
) -> None:
    habits = Habits(plain_database, clock, learns=[profile])
    await live(habits, clock)
    if profile == FREEMAN:
        everybody = habits.known_sign_ins(ADA).everybody
        everybody.seen |= {f"00 {number}": 1 for number in range(20_000)}
        everybody.kinds["00"] += 20_000
    else:
        habits.known(ADA).population.totals |= {f"n|GB|{number}": 1 for number in range(20_000)}
    memory, turns, seen = habits._memories[profile], 0, list[tuple[int, int]]()

    async def deciding() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def watched(everybody: Any) -> Iterator[str]:
        for part in parts(everybody):
            seen.append((turns, len(part)))
            yield part

    parts, memory._school = memory._school.parts, replace(memory._school, parts=watched)
    task = asyncio.create_task(deciding())
    await habits.flush()
    task.cancel()
    assert len(seen) > 10
    assert max(size for _, size in seen) < 100_000
    assert len({turn for turn, _ in seen}) == len(seen)
    again = Habits(plain_database, clock, learns=[profile])
    await again.load()
    assert again._memories[profile].everybody == memory.everybody


async def test_a_node_that_is_stopped_while_it_writes_writes_everybody_at_its_end(
    habits: Habits, plain_database: Database, clock: FrozenClock
) -> None:
    await live(habits, clock)
    await habits._sign_ins.shelf.flush(clock.now())
    task = asyncio.create_task(habits.flush())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert POPULATION not in (await rows(plain_database))["trust_sign_ins"]
    await habits.flush()
    assert POPULATION in (await rows(plain_database))["trust_sign_ins"]
