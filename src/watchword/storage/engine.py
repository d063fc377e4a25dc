"""Open the database and hand out transactions."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import await_

from watchword.storage.errors import CorruptDatabaseError, DatabaseUnavailableError, translated
from watchword.storage.work import UnitOfWork

_BUSY_TIMEOUT_MS = 5000
_LOOK_AGAIN_MS = 20
_POOL_SIZE = 5
# Prevents: sealed secrets, digests and addresses in the text of a driver's exception.
_QUIET = {"hide_parameters": True}


class Database:
    """One database: SQLite in WAL mode or PostgreSQL, by its URL.

    On SQLite one writer at a time is queued here rather than by the busy handler, so that writers of this process
    never fail on each other; other processes are waited for up to five seconds.
    """

    def __init__(self, url: str) -> None:
        self._url = _parse(url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(self._url) if self.is_sqlite else _postgres_engine(self._url)
        self._write_lock = asyncio.Lock()
        self._after_commit: list[Callable[[], None]] = []
        self._watcher: sqlite3.Connection | None = None

    @property
    def engine(self) -> AsyncEngine:
        """The engine itself, for migrations."""
        return self._engine

    def stamp(self) -> int | None:
        """Return a number that changes when anybody commits, or nothing where only a query can tell.

        A few microseconds on SQLite, from the shared memory beside the file; PostgreSQL has to be asked.
        """
        if not self.is_sqlite:
            return None
        try:
            if self._watcher is None:
                self._watcher = sqlite3.connect(str(self._url.database), isolation_level=None, timeout=0)
            return int(self._watcher.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None

    def after_commit(self, wake: Callable[[], None]) -> None:
        """Call `wake` after every unit of work that emitted events; the relay uses this to act at once."""
        self._after_commit.append(wake)

    @asynccontextmanager
    async def work(self) -> AsyncIterator[UnitOfWork]:
        """Open one unit of work: state and events are committed together at the end, or not at all.

        Raises:
            StorageError: the database refused; nothing was changed.
        """
        async with self._writing():
            with translated():
                async with self._engine.begin() as connection:
                    unit = UnitOfWork(connection, is_sqlite=self.is_sqlite)
                    yield unit
                    await unit.flush()
        if unit.emitted:
            for wake in self._after_commit:
                wake()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection that only reads, with one consistent view."""
        with translated():
            async with self._engine.connect() as connection:
                if self.is_sqlite:
                    await connection.execution_options(watchword_read=True)
                else:
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                yield connection
                await connection.rollback()

    async def check(self) -> None:
        """Prove that the database opens and is healthy.

        Raises:
            CorruptDatabaseError: the file is damaged.
            DatabaseUnavailableError: it cannot be opened or reached.
        """
        async with self.read() as connection:
            if self.is_sqlite:
                found = (await connection.execute(text("PRAGMA quick_check(1)"))).scalar_one()
                if found != "ok":
                    raise CorruptDatabaseError(
                        "the database file is damaged",
                        hint="restore it from a backup; the journal beside it is separate",
                    )
            else:
                await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Return every connection."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
        await self._engine.dispose()

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        if not self.is_sqlite:
            yield
            return
        async with self._write_lock:
            yield


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseUnavailableError(
            "the database URL cannot be read", hint="use sqlite:////absolute/path.db or postgresql://user@host/name"
        ) from error
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    name = parsed.get_backend_name()
    if name not in drivers:
        raise DatabaseUnavailableError(f"`{name}` is not a database we know", hint="use sqlite or postgresql")
    return parsed.set(drivername=drivers[name])


def _sqlite_engine(url: URL) -> AsyncEngine:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise DatabaseUnavailableError("a SQLite database needs a plain file", hint="write sqlite:////absolute/path.db")
    if not Path(url.database).parent.is_dir():
        raise DatabaseUnavailableError(
            "the directory of the database does not exist", hint="create it, or change `storage.url`"
        )
    engine = create_async_engine(url, pool_size=_POOL_SIZE, connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000}, **_QUIET)

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver must not open transactions by itself; `begin` below does.
        connection.isolation_level = None
        cursor = connection.cursor()
        _write_ahead(cursor)
        # FULL: a commit that was acknowledged survives a power cut.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA trusted_schema=OFF")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        reading = connection.get_execution_options().get("watchword_read", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _write_ahead(cursor: Any) -> None:
    """Switch to the write-ahead log, which the file then remembers.

    Whoever does that to a new file needs it alone, and for that SQLite does not wait, however long it may wait for a
    lock: nodes and commands that start together would fail on each other.
    """
    for tries_left in reversed(range(_BUSY_TIMEOUT_MS // _LOOK_AGAIN_MS)):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not tries_left:
                raise
            await_(asyncio.sleep(_LOOK_AGAIN_MS / 1000))
        else:
            return


def _postgres_engine(url: URL) -> AsyncEngine:
    return create_async_engine(url, pool_size=_POOL_SIZE, max_overflow=5, pool_pre_ping=True, **_QUIET)
