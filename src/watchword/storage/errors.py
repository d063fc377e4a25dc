"""What can go wrong with the database, in our words; driver exceptions are translated here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from watchword.kernel import WatchwordError


class StorageError(WatchwordError):
    """The database refused or failed."""

    code = "storage.failed"
    status = 503


class DatabaseUnavailableError(StorageError):
    """The database cannot be reached or opened."""

    code = "storage.unavailable"


class CorruptDatabaseError(StorageError):
    """The database file is not a healthy database."""

    code = "storage.corrupt"


class StorageFullError(StorageError):
    """There is no room left to write."""

    code = "storage.full"
    status = 507


class NewerSchemaError(StorageError):
    """The database was written by a newer release."""

    code = "storage.newer_schema"


class ConflictError(StorageError):
    """A named constraint was violated: the thing exists already, or what it needs does not.

    Attributes:
        constraint: the driver's words, which name the constraint or the columns.
    """

    code = "storage.conflict"
    status = 409

    def __init__(self, message: str, *, constraint: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.constraint = constraint


@contextmanager
def translated() -> Iterator[None]:
    """Turn every driver exception inside the block into this room's family."""
    try:
        yield
    except DBAPIError as error:
        raise _translate(error) from error
    except OSError as error:
        raise DatabaseUnavailableError(
            "the database cannot be reached", hint="check the database URL and that the server is up"
        ) from error


def _translate(error: DBAPIError) -> StorageError:
    words = str(error.orig).lower()
    kind = type(error.orig).__name__
    if "constraint" in words or kind in {"UniqueViolationError", "ForeignKeyViolationError", "CheckViolationError"}:
        return ConflictError("the change conflicts with what is stored", constraint=str(error.orig))
    if "disk is full" in words or "disk i/o error" in words or "no space left" in words:
        return StorageFullError(
            "the disk that holds the database is full", hint="free some space; nothing committed was lost"
        )
    if "malformed" in words or "not a database" in words:
        return CorruptDatabaseError(
            "the database file is damaged", hint="restore it from a backup; the journal beside it is separate"
        )
    if "unable to open" in words or "readonly" in words or "permission" in words:
        return DatabaseUnavailableError(
            "the database file cannot be opened", hint="check the owner and mode of its directory"
        )
    if "locked" in words:
        return DatabaseUnavailableError("the database is held by another process", hint="end it, or try again")
    return StorageError(f"the database failed with `{kind}`")
