"""Fixtures for every test: frozen time, reproducible randomness, both databases.

`async def` tests and fixtures run on asyncio through anyio's plugin (`anyio_mode = "auto"` in pyproject.toml); an async
fixture that names `anyio_backend` serves ordinary tests too.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from postgres_cluster import Cluster, ClusterUnavailableError

from watchword.kernel import FrozenClock
from watchword.storage import Database, migrate

_database_numbers = itertools.count(1)


class CountingEntropy:
    """Bytes that nobody could guess if they did not know that they count up from a seed."""

    def __init__(self, seed: bytes = b"watchword tests") -> None:
        self._seed = seed
        self._count = 0

    def token_bytes(self, length: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + self._count.to_bytes(8)).digest(length)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that stands at noon of an ordinary Saturday."""
    return FrozenClock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))


@pytest.fixture
def entropy() -> CountingEntropy:
    return CountingEntropy()


# --- databases ------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.watchword_cluster = _cluster_directory(), os.getpid()  # type: ignore[attr-defined]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    directory, pid = node.config.watchword_cluster
    node.workerinput["watchword_cluster"] = str(directory), pid


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        Cluster(*config.watchword_cluster).stop()  # type: ignore[attr-defined]


def _cluster_directory() -> Path:
    # Short, because a Unix socket's path may have 107 bytes, and outside tmp_path, because the server is not us.
    return Path(tempfile.gettempdir()) / f"ww-pg-{os.getpid()}-{os.urandom(4).hex()}"


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """The PostgreSQL server of this test run."""
    config = request.config
    directory, pid = getattr(config, "workerinput", {}).get("watchword_cluster") or config.watchword_cluster  # type: ignore[attr-defined]
    found = Cluster(Path(directory), pid)
    try:
        found.ensure_started()
    except ClusterUnavailableError as error:
        pytest.skip(f"PostgreSQL: {error}")
    return found


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An empty place for a SQLite database."""
    return f"sqlite:///{tmp_path / 'watchword.db'}"


@pytest.fixture
async def postgres_url(anyio_backend: str, cluster: Cluster) -> AsyncIterator[str]:  # noqa: ARG001  # for anyio
    """An empty PostgreSQL database of this test alone."""
    async with _postgres_database(cluster, "template0") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty place for a database; the test runs once on SQLite and once on PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(params=["sqlite", "postgres"])
def migrated_database_url(request: pytest.FixtureRequest) -> str:
    """A database with every table; the test runs once on SQLite and once on PostgreSQL."""
    return str(request.getfixturevalue(f"migrated_{request.param}_url"))


@pytest.fixture
async def database(anyio_backend: str, migrated_database_url: str) -> AsyncIterator[Database]:  # noqa: ARG001  # for anyio
    """A database with every table, open; the test runs once on SQLite and once on PostgreSQL."""
    found = Database(migrated_database_url)
    yield found
    await found.close()


# Migrating costs a tenth of a second, copying what was migrated once costs a hundredth.


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table and nothing in it."""
    path = tmp_path_factory.mktemp("template") / "watchword.db"
    _await(_migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture
def migrated_sqlite_url(sqlite_template: Path, sqlite_url: str) -> str:
    """A SQLite database with every table."""
    shutil.copyfile(sqlite_template, sqlite_url.removeprefix("sqlite:///"))
    return sqlite_url


@pytest.fixture
async def plain_database(anyio_backend: str, migrated_sqlite_url: str) -> AsyncIterator[Database]:  # noqa: ARG001  # for anyio
    found = Database(migrated_sqlite_url)
    yield found
    await found.close()


@pytest.fixture(scope="session")
def postgres_template(cluster: Cluster) -> str:
    """The name of a PostgreSQL database with every table and nothing in it."""
    name = f"template_{os.getpid()}"
    _await(_on_cluster(cluster, f"CREATE DATABASE {name}"))
    _await(_migrate(cluster.url(name)))
    return name


@pytest.fixture
async def migrated_postgres_url(
    anyio_backend: str,  # noqa: ARG001  # for anyio
    cluster: Cluster,
    postgres_template: str,
) -> AsyncIterator[str]:
    """A PostgreSQL database with every table."""
    async with _postgres_database(cluster, postgres_template) as url:
        yield url


@asynccontextmanager
async def _postgres_database(cluster: Cluster, template: str) -> AsyncIterator[str]:
    name = f"t{os.getpid()}_{next(_database_numbers)}"
    await _on_cluster(cluster, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield cluster.url(name)
    await _on_cluster(cluster, f"DROP DATABASE {name} WITH (FORCE)")


def _await(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end on a loop of its own; fixtures may be set up while the test's loop stands still around them."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def _migrate(url: str) -> None:
    found = Database(url)
    await migrate(found)
    await found.close()


async def _on_cluster(cluster: Cluster, statement: str) -> None:
    connection = await asyncpg.connect(cluster.url("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
