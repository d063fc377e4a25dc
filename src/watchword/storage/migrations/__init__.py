"""Bring a database to the schema of this release.

Publishes `migrate`. Refuses a database that a newer release has written.
"""

from __future__ import annotations

from watchword.storage.engine import Database
from watchword.storage.model import metadata

__all__ = ["migrate"]


async def migrate(database: Database) -> None:
    """Create every table that is not there yet."""
    async with database.work() as unit:
        await unit.connection.run_sync(metadata.create_all)
