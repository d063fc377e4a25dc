"""Own the database: engine, unit of work, outbox, relay, migrations.

Publishes `Database`, `UnitOfWork`, `OutboxRelay` and the shared `metadata`. Refuses state without its events:
both are committed in one transaction or neither is.
"""

from watchword.storage.engine import Database
from watchword.storage.errors import (
    ConflictError,
    CorruptDatabaseError,
    DatabaseUnavailableError,
    NewerSchemaError,
    StorageError,
    StorageFullError,
)
from watchword.storage.migrations import migrate
from watchword.storage.model import UtcDateTime, metadata
from watchword.storage.relay import OutboxRelay, newest_position
from watchword.storage.work import UnitOfWork

__all__ = [
    "ConflictError",
    "CorruptDatabaseError",
    "Database",
    "DatabaseUnavailableError",
    "NewerSchemaError",
    "OutboxRelay",
    "StorageError",
    "StorageFullError",
    "UnitOfWork",
    "UtcDateTime",
    "metadata",
    "migrate",
    "newest_position",
]
