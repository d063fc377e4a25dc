"""Own the database: engine, unit of work, outbox, relay, migrations.

Publishes `Database`, `UnitOfWork`, `OutboxRelay` and the shared `metadata`. Refuses state without its events:
both are committed in one transaction or neither is.
"""

from watchword.storage.engine import Database
from watchword.storage.errors import (
    CorruptDatabaseError,
    DatabaseUnavailableError,
    NewerSchemaError,
    StorageError,
    StorageFullError,
)
from watchword.storage.model import UtcDateTime, metadata
from watchword.storage.relay import OutboxRelay
from watchword.storage.work import UnitOfWork

__all__ = [
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
]
