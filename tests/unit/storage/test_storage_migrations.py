from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select, text

from watchword.kernel import Entropy, EventType, FrozenClock
from watchword.storage import Database, NewerSchemaError, StorageError, metadata, migrate, migrations

_ROOT = Path(__file__).parents[3] / "src"
_TESTED = EventType("migration_test.thing.tested", "Something was tested.")


def _import_every_table() -> None:
    for path in (_ROOT / "watchword").rglob("*.py"):
        if "migrations" not in path.parts and "metadata," in path.read_text() and "Table(" in path.read_text():
            importlib.import_module(".".join(path.relative_to(_ROOT).with_suffix("").parts))


async def _versions(database: Database) -> list[str]:
    async with database.read() as connection:
        return list((await connection.execute(text("SELECT version_num FROM schema_version"))).scalars())


def _shape(connection: Connection) -> dict[str, Any]:
    """Everything that Alembic's own comparison does not look at."""
    found = inspect(connection)
    return {
        table: (
            sorted((check["name"] or "", check["sqltext"]) for check in found.get_check_constraints(table)),
            sorted((key["name"] or "", str(key["options"])) for key in found.get_foreign_keys(table)),
            sorted((index["name"] or "", _options(index)) for index in found.get_indexes(table)),
            sorted(key["name"] or "" for key in found.get_unique_constraints(table)),
            found.get_pk_constraint(table)["name"],
            [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(table)],
        )
        for table in found.get_table_names()
        if table != migrations.VERSION_TABLE
    }


def _options(index: Any) -> list[tuple[str, str]]:
    return sorted((name, str(value)) for name, value in index.get("dialect_options", {}).items())


async def test_the_tables_and_the_migrations_are_the_same(database_url: str) -> None:
    _import_every_table()
    database = Database(database_url)
    await migrate(database)
    async with database.work() as unit:
        differences = await unit.connection.run_sync(
            lambda connection: compare_metadata(
                MigrationContext.configure(
                    connection, opts={"version_table": migrations.VERSION_TABLE, "compare_type": True}
                ),
                metadata,
            )
        )
        assert differences == []
        migrated = await unit.connection.run_sync(_shape)
        for table in migrated:
            await unit.connection.execute(text(f"DROP TABLE {table}" + ("" if database.is_sqlite else " CASCADE")))
        await unit.connection.run_sync(metadata.create_all)
        declared = await unit.connection.run_sync(_shape)
    await database.close()
    assert migrated.keys() == declared.keys()
    for table, shape in declared.items():
        assert migrated[table] == shape, table


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    database = Database(database_url)
    await migrate(database)
    await migrate(database)
    assert await _versions(database) == [migrations.REVISIONS[-1]]
    await database.close()


async def test_nodes_that_start_together_migrate_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(6)]
    await asyncio.gather(*(migrate(database) for database in databases))
    assert await _versions(databases[0]) == [migrations.REVISIONS[-1]]
    for database in databases:
        await database.close()


async def test_a_newer_schema_is_refused(database: Database) -> None:
    async with database.work() as unit:
        await unit.connection.execute(text("UPDATE schema_version SET version_num = '9999'"))
    with pytest.raises(NewerSchemaError, match="9999"):
        await migrate(database)
    assert await _versions(database) == ["9999"]


async def test_tables_of_another_making_are_refused_and_left_alone(database_url: str) -> None:
    database = Database(database_url)
    async with database.work() as unit:
        await unit.connection.execute(text("CREATE TABLE outbox (mine INTEGER)"))
        await unit.connection.execute(text("INSERT INTO outbox VALUES (7)"))
    with pytest.raises(StorageError, match="no release"):
        await migrate(database)
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT mine FROM outbox"))).scalar_one() == 7
    await database.close()


async def test_a_migration_that_fails_leaves_nothing_behind(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(database_url)
    from alembic.operations import Operations  # noqa: PLC0415  # only here

    real = Operations.create_table

    def failing(self: Operations, name: str, *arguments: Any, **options: Any) -> Any:
        if name == "trust_baselines":
            raise RuntimeError("power is gone")
        return real(self, name, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Operations, "create_table", failing)
        with pytest.raises(RuntimeError):
            await migrate(database)
    async with database.work() as unit:
        assert await unit.connection.run_sync(lambda connection: inspect(connection).get_table_names()) == []
    await migrate(database)
    assert await _versions(database) == [migrations.REVISIONS[-1]]
    await database.close()


async def test_each_migration_runs_forward_over_data(
    database_url: str, clock: FrozenClock, entropy: Entropy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop at each revision in turn, store something, go on; what was stored is still there at the end."""
    database = Database(database_url)
    everything = migrations.REVISIONS
    outbox = metadata.tables["outbox"]
    for reached in range(1, len(everything) + 1):
        with monkeypatch.context() as patch:
            patch.setattr(migrations, "REVISIONS", everything[:reached])
            await migrate(database)
        event = _TESTED.at(clock.now(), entropy, actor="system", subject=f"at {everything[reached - 1]}")
        async with database.work() as unit:
            await unit.connection.execute(
                insert(outbox).values(
                    id=event.id, type=event.type, at=event.at, actor="system", subject=event.subject, data="{}"
                )
            )
    await migrate(database)
    async with database.read() as connection:
        rows = (await connection.execute(select(outbox).order_by(outbox.c.position))).all()
    assert [row.subject for row in rows] == [f"at {revision}" for revision in everything]
    assert rows[0].at == clock.now()
    await database.close()


def test_the_list_of_revisions_is_the_files() -> None:
    place = Path(migrations.__file__).parent
    script = ScriptDirectory(str(place), version_locations=[str(place / "versions")])
    assert tuple(revision.revision for revision in script.walk_revisions())[::-1] == migrations.REVISIONS
    assert script.get_heads() == [migrations.REVISIONS[-1]]


async def test_a_current_database_does_not_wake_alembic(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    await migrate(database)
    await database.close()
    code = (
        "import asyncio, sys\n"
        "from watchword.storage import Database, migrate\n"
        "async def main():\n"
        f"    database = Database({sqlite_url!r})\n"
        "    await migrate(database)\n"
        "    await database.close()\n"
        "asyncio.run(main())\n"
        "assert 'alembic' not in sys.modules\n"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], env={"PYTHONPATH": str(_ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
