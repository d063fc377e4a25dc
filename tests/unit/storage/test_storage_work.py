from __future__ import annotations

import asyncio
import json
import traceback
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert, select, text

from watchword.kernel import Entropy, Event, EventType, FrozenClock
from watchword.storage import (
    ConflictError,
    CorruptDatabaseError,
    Database,
    DatabaseUnavailableError,
    StorageError,
    StorageFullError,
    UtcDateTime,
    metadata,
    newest_position,
)

_TESTED = EventType("storage_test.thing.tested", "Something was tested.", public="n")
_THINGS = Table("test_things", MetaData(), Column("name", String(40), primary_key=True), Column("at", UtcDateTime))
_OUTBOX = metadata.tables["outbox"]


class _Error(Exception):
    """Something that goes wrong in a service."""


@pytest.fixture
async def things(anyio_backend: str, database: Database) -> Database:  # noqa: ARG001  # for anyio
    """A database with a table of our own."""
    async with database.work() as unit:
        await unit.connection.run_sync(_THINGS.create)
    return database


def _event(clock: FrozenClock, entropy: Entropy, n: int = 0) -> Event:
    return _TESTED.at(clock.now(), entropy, actor="system", subject="thing", n=n)


async def _names(database: Database) -> list[str]:
    async with database.read() as connection:
        return list((await connection.execute(select(_THINGS.c.name).order_by(_THINGS.c.name))).scalars())


async def _told(database: Database) -> list[int]:
    async with database.read() as connection:
        rows = await connection.execute(select(_OUTBOX.c.data).order_by(_OUTBOX.c.position))
        return [json.loads(data)["n"] for data in rows.scalars()]


# --- one unit of work -----------------------------------------------------------------------------------------------


async def test_state_and_events_are_committed_together(things: Database, clock: FrozenClock, entropy: Entropy) -> None:
    woken: list[bool] = []
    things.after_commit(lambda: woken.append(True))
    async with things.work() as unit:
        await unit.connection.execute(insert(_THINGS).values(name="a"))
        unit.emit(_event(clock, entropy, 1))
        unit.emit(_event(clock, entropy, 2))
        assert woken == []
    assert await _names(things) == ["a"]
    assert await _told(things) == [1, 2]
    assert woken == [True]


async def test_neither_is_committed_when_the_service_fails(
    things: Database, clock: FrozenClock, entropy: Entropy
) -> None:
    woken: list[bool] = []
    things.after_commit(lambda: woken.append(True))
    with pytest.raises(_Error):
        async with things.work() as unit:
            await unit.connection.execute(insert(_THINGS).values(name="a"))
            unit.emit(_event(clock, entropy))
            raise _Error
    assert await _names(things) == []
    assert await _told(things) == []
    assert woken == []


async def test_state_is_not_committed_when_its_event_cannot_be_told(
    things: Database, clock: FrozenClock, entropy: Entropy
) -> None:
    event = _event(clock, entropy)
    with pytest.raises(ConflictError):
        async with things.work() as unit:
            await unit.connection.execute(insert(_THINGS).values(name="a"))
            unit.emit(event)
            unit.emit(event)  # the same identifier twice
    assert await _names(things) == []


async def test_a_cancelled_unit_of_work_leaves_nothing_and_frees_the_writer(things: Database) -> None:
    started = asyncio.Event()

    async def stuck() -> None:
        async with things.work() as unit:
            await unit.connection.execute(insert(_THINGS).values(name="a"))
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stuck())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with things.work() as unit:
        await unit.connection.execute(insert(_THINGS).values(name="b"))
    assert await _names(things) == ["b"]


async def test_a_silent_unit_of_work_wakes_nobody(things: Database) -> None:
    woken: list[bool] = []
    things.after_commit(lambda: woken.append(True))
    async with things.work() as unit:
        await unit.connection.execute(insert(_THINGS).values(name="a"))
    assert woken == []


async def test_many_writers_never_fail_on_one_another(things: Database, clock: FrozenClock, entropy: Entropy) -> None:
    async def write(n: int) -> None:
        async with things.work() as unit:
            await unit.connection.execute(insert(_THINGS).values(name=f"{n:02}"))
            unit.emit(_event(clock, entropy, n))

    await asyncio.gather(*(write(n) for n in range(30)))
    assert len(await _names(things)) == 30
    assert sorted(await _told(things)) == list(range(30))


async def test_a_reader_sees_one_moment_while_others_write(things: Database) -> None:
    async with things.read() as connection:
        assert list((await connection.execute(select(_THINGS.c.name))).scalars()) == []
        async with things.work() as unit:
            await unit.connection.execute(insert(_THINGS).values(name="a"))
        assert list((await connection.execute(select(_THINGS.c.name))).scalars()) == []


async def test_a_violated_constraint_is_a_conflict_that_quotes_no_value(things: Database) -> None:
    with pytest.raises(ConflictError) as caught:
        async with things.work() as unit:
            for _ in range(2):
                await unit.connection.execute(insert(_THINGS).values(name="ada@example.org"))
    assert "test_things" in caught.value.constraint
    assert "ada@example.org" not in f"{caught.value.message} {caught.value.constraint}"


async def test_a_time_comes_back_with_its_zone_and_is_not_stored_without(things: Database, clock: FrozenClock) -> None:
    async with things.work() as unit:
        await unit.connection.execute(insert(_THINGS).values(name="a", at=clock.now()))
    async with things.read() as connection:
        assert (await connection.execute(select(_THINGS.c.at))).scalar_one() == clock.now()
    with pytest.raises(StorageError, match="does not fit"):
        async with things.work() as unit:
            await unit.connection.execute(insert(_THINGS).values(name="b", at=clock.now().replace(tzinfo=None)))


async def test_a_reader_cannot_write(things: Database) -> None:
    with suppress(StorageError):  # PostgreSQL refuses, SQLite forgets
        async with things.read() as connection:
            await connection.execute(insert(_THINGS).values(name="a"))
    assert await _names(things) == []


async def test_no_value_of_a_statement_is_in_an_error(things: Database) -> None:
    secret = "hunter" * 2  # tracebacks quote the lines of this file
    with pytest.raises(StorageError) as caught:
        async with things.work() as unit:
            await unit.connection.execute(text("SELECT * FROM nowhere WHERE secret = :secret"), {"secret": secret})
    assert secret not in "".join(traceback.format_exception(caught.value))


# --- the order of the outbox ----------------------------------------------------------------------------------------


async def test_positions_commit_in_order_so_that_a_reader_who_has_seen_one_has_seen_all_before(
    things: Database, clock: FrozenClock, entropy: Entropy
) -> None:
    """Two writers at once: the one that told first holds the other back until it has committed."""
    first_told, may_commit = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with things.work() as unit:
            unit.emit(_event(clock, entropy, 1))
            await unit.flush()
            first_told.set()
            await may_commit.wait()

    async def second() -> None:
        async with things.work() as unit:
            unit.emit(_event(clock, entropy, 2))

    one = asyncio.create_task(first())
    await first_told.wait()
    other = asyncio.create_task(second())
    done, _ = await asyncio.wait([other], timeout=0.3)
    assert not done, "the second writer committed a higher position before the lower one was there"
    assert await newest_position(things) == 0
    may_commit.set()
    await asyncio.gather(one, other)
    assert await _told(things) == [1, 2]


async def test_a_position_is_never_given_twice(things: Database, clock: FrozenClock, entropy: Entropy) -> None:
    async with things.work() as unit:
        unit.emit(_event(clock, entropy, 1))
    before = await newest_position(things)
    async with things.work() as unit:
        await unit.connection.execute(text("DELETE FROM outbox"))
    async with things.work() as unit:
        unit.emit(_event(clock, entropy, 2))
    assert await newest_position(things) > before


# --- databases that fail --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", ""])
async def test_an_address_that_is_no_database_of_ours_is_one_clear_error(url: str) -> None:
    with pytest.raises(DatabaseUnavailableError):
        Database(url)


async def test_a_password_in_the_address_is_not_in_the_error() -> None:
    with pytest.raises(StorageError) as caught:
        await Database("postgresql://ada:hunter2@127.0.0.1:1/none").check()
    assert isinstance(caught.value, DatabaseUnavailableError)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


async def test_a_missing_directory_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match="directory"):
        Database(f"sqlite:///{tmp_path / 'nowhere' / 'watchword.db'}")


@pytest.mark.parametrize("content", [b"this is no database" * 500, b"SQLite format 3\0" + b"\xff" * 8000])
async def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "watchword.db").write_bytes(content)
    database = Database(f"sqlite:///{tmp_path / 'watchword.db'}")
    with pytest.raises(CorruptDatabaseError):
        await database.check()
    await database.close()


async def test_a_damaged_page_is_found_by_the_check(migrated_sqlite_url: str) -> None:
    database = Database(migrated_sqlite_url)
    await database.check()
    await database.close()
    path = Path(migrated_sqlite_url.removeprefix("sqlite:///"))
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 5] = b"\xa5" * 8192
    path.write_bytes(content)
    database = Database(migrated_sqlite_url)
    with pytest.raises(CorruptDatabaseError):
        await database.check()
    await database.close()


async def test_a_full_disk_is_told_and_changes_nothing(
    migrated_sqlite_url: str, clock: FrozenClock, entropy: Entropy
) -> None:
    database = Database(migrated_sqlite_url)
    with pytest.raises(StorageFullError):
        async with database.work() as unit:
            # SQLite's own limit stands in for the disk: the same error on the same path.
            pages = (await unit.connection.execute(text("PRAGMA page_count"))).scalar_one()
            await unit.connection.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
            for n in range(2000):
                unit.emit(_event(clock, entropy, n))
    async with database.work() as unit:
        await unit.connection.execute(text("PRAGMA max_page_count = 1073741823"))
        unit.emit(_event(clock, entropy, 7))
    assert await _told(database) == [7]
    await database.close()


async def test_a_database_held_by_another_process_is_told(
    migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.storage.engine._BUSY_TIMEOUT_MS", 20)
    holder, other = Database(migrated_sqlite_url), Database(migrated_sqlite_url)
    async with holder.work() as unit:
        await unit.connection.execute(text("DELETE FROM outbox"))
        with pytest.raises(DatabaseUnavailableError, match="another process"):
            async with other.work():
                pass
    async with other.work():
        pass
    await holder.close()
    await other.close()


async def test_a_server_that_is_gone_is_told_and_found_again(
    migrated_postgres_url: str, clock: FrozenClock, entropy: Entropy
) -> None:
    database = Database(migrated_postgres_url)
    async with database.read() as connection:
        await connection.execute(text("SELECT 1"))
    with pytest.raises(DatabaseUnavailableError, match="lost"):
        async with database.work() as unit:
            await unit.connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    async with database.work() as unit:
        unit.emit(_event(clock, entropy, 1))
    assert await _told(database) == [1]
    await database.close()
