"""Bring a database to the schema of this release.

Publishes `migrate`. Refuses a database that a newer release has written, and one that holds tables of another making.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchword.storage.engine import Database
from watchword.storage.errors import NewerSchemaError, StorageError
from watchword.storage.model import metadata

__all__ = ["REVISIONS", "VERSION_TABLE", "migrate"]

# Every revision, the oldest first; named here so that Alembic is imported only when there is something to do.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")
VERSION_TABLE = "schema_version"

# Any number will do as long as every node uses the same; spells "schema" in hexadecimal.
_MIGRATION_LOCK = 0x736368656D61


async def migrate(database: Database) -> None:
    """Bring the database to the newest revision, in one transaction; costs two small queries when it is there.

    Raises:
        NewerSchemaError: a newer release wrote this database.
        StorageError: it holds tables that are not ours, or cannot be changed; nothing was.
    """
    async with database.read() as connection:
        if _is_current(await _version(connection, is_sqlite=database.is_sqlite)):
            return
    async with database.work() as unit:
        # Two nodes may start at once; SQLite's one writer is this transaction already.
        if not database.is_sqlite:
            await unit.connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        version = await _version(unit.connection, is_sqlite=database.is_sqlite)
        if not _is_current(version):
            await unit.connection.run_sync(_upgrade, version)


async def _version(connection: AsyncConnection, *, is_sqlite: bool) -> str | None:
    known = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name = :name"
        if is_sqlite
        else "SELECT CAST(to_regclass(:name) AS text)"
    )
    if (await connection.execute(text(known), {"name": VERSION_TABLE})).scalar_one_or_none() is None:
        return None
    found = await connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608  # our own constant
    return found.scalar_one_or_none()


def _is_current(version: str | None) -> bool:
    if version is not None and version not in REVISIONS:
        # Prevents: an older release misreading, and then overwriting, what a newer one stored.
        raise NewerSchemaError(
            f"the database has schema `{version}`, which this release does not know",
            hint=f"run the release that wrote it, or a newer one; this one knows up to `{REVISIONS[-1]}`",
        )
    return version == REVISIONS[-1]


def _upgrade(connection: Connection, version: str | None) -> None:
    if version is None and inspect(connection).has_table("outbox"):
        raise StorageError(
            "the database holds tables that no release has made", hint="give an empty database, or restore a backup"
        )
    from alembic.config import Config  # noqa: PLC0415  # 100 ms, and needed once a release
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415  # as above
    from alembic.script import ScriptDirectory  # noqa: PLC0415  # as above

    place = str(Path(__file__).parent)
    script = ScriptDirectory(place, version_locations=[f"{place}/versions"])
    steps = script._upgrade_revs  # noqa: SLF001  # what Alembic's own upgrade command calls; it has no public name
    with EnvironmentContext(Config(), script, fn=lambda now, _context: steps(REVISIONS[-1], now)) as context:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            version_table=VERSION_TABLE,
            transactional_ddl=True,
            render_as_batch=True,
        )
        context.run_migrations()
