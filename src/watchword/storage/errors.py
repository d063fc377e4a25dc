"""What can go wrong with the database, in our words; driver exceptions are translated here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

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
        constraint: the driver's first line, which names the constraint or the columns, never a value.
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
    except StatementError as error:
        raise StorageError(f"a value does not fit the database (`{type(error.orig).__name__}`)") from error
    except PoolTimeoutError as error:
        raise DatabaseUnavailableError(
            "no connection to the database became free", hint="look at its load, and at what holds transactions open"
        ) from error
    except OSError as error:
        raise DatabaseUnavailableError(
            "the database cannot be reached", hint="check the database URL and that the server is up"
        ) from error


def _translate(error: DBAPIError) -> StorageError:
    # PostgreSQL quotes the values concerned on further lines; they may be personal, and they are no words of ours.
    said = str(error.orig).split("\n", 1)[0]
    words = said.lower()
    kind = type(error.orig).__name__
    if "constraint" in words or kind in {"UniqueViolationError", "ForeignKeyViolationError", "CheckViolationError"}:
        return ConflictError("the change conflicts with what is stored", constraint=said)
    for marks, family, message, hint in _FAILURES:
        if any(mark in words for mark in marks):
            return family(message, hint=hint)
    if error.connection_invalidated:
        return DatabaseUnavailableError("the connection to the database was lost", hint="it is opened again by itself")
    return StorageError(f"the database failed with `{kind}`")


_FAILURES: tuple[tuple[tuple[str, ...], type[StorageError], str, str], ...] = (
    (
        ("disk is full", "disk i/o error", "no space left"),
        StorageFullError,
        "the disk that holds the database is full",
        "free some space; nothing committed was lost",
    ),
    (
        ("malformed", "not a database"),
        CorruptDatabaseError,
        "the database file is damaged",
        "restore it from a backup; the journal beside it is separate",
    ),
    (
        ("unable to open", "readonly", "permission"),
        DatabaseUnavailableError,
        "the database file cannot be opened",
        "check the owner and mode of its directory",
    ),
    (("locked",), DatabaseUnavailableError, "the database is held by another process", "end it, or try again"),
)
