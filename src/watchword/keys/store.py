"""The tables of this room; the only file here that knows SQLAlchemy."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from watchword.kernel import KeyId
from watchword.keys.model import Algorithm, StoredKey
from watchword.storage import UtcDateTime, metadata

_CANARY_ROW = 1

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("purpose", String(40), nullable=False),
    Column("algorithm", String(16), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("rotated_at", UtcDateTime),
    Column("published_until", UtcDateTime),
    Column("retired_at", UtcDateTime),
    CheckConstraint("(rotated_at IS NULL) = (published_until IS NULL)", name="rotated_has_an_end"),
    CheckConstraint("retired_at IS NULL OR rotated_at IS NOT NULL", name="retired_was_rotated"),
)
# INVARIANT: one key signs for a purpose, however many nodes start at once.
Index(
    "uq_signing_keys_current",
    signing_keys.c.purpose,
    unique=True,
    sqlite_where=signing_keys.c.rotated_at.is_(None),
    postgresql_where=signing_keys.c.rotated_at.is_(None),
)

sealing_canary = Table(
    "sealing_canary",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="single"),
)


# HMAC keys that outlive the master key they were derived from, sealed under the present one.
derived_keys = Table(
    "derived_keys",
    metadata,
    Column("purpose", String(80), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)


async def read_keys(connection: AsyncConnection) -> list[StoredKey]:
    """Return every key, the oldest first."""
    rows = await connection.execute(select(signing_keys).order_by(signing_keys.c.created_at, signing_keys.c.id))
    return [_stored(row) for row in rows.all()]


async def add_key(connection: AsyncConnection, key: StoredKey) -> None:
    """Insert a key that signs."""
    await connection.execute(
        insert(signing_keys).values(
            id=key.id, purpose=key.purpose, algorithm=str(key.algorithm), sealed=key.sealed, created_at=key.created_at
        )
    )


async def mark_rotated(
    connection: AsyncConnection, kid: KeyId, *, sealed: bytes, at: datetime, published_until: datetime
) -> bool:
    """Put the public key in the place of the private one; false if somebody else rotated it first."""
    done = await connection.execute(
        update(signing_keys)
        .where(signing_keys.c.id == kid, signing_keys.c.rotated_at.is_(None))
        .values(sealed=sealed, rotated_at=at, published_until=published_until)
    )
    return bool(done.rowcount)


async def mark_retired(connection: AsyncConnection, kid: KeyId, at: datetime) -> bool:
    """Note that a key is no longer published; false if somebody else did."""
    done = await connection.execute(
        update(signing_keys)
        .where(signing_keys.c.id == kid, signing_keys.c.rotated_at.is_not(None), signing_keys.c.retired_at.is_(None))
        .values(retired_at=at)
    )
    return bool(done.rowcount)


async def replace_sealed(connection: AsyncConnection, kid: KeyId, sealed: bytes) -> None:
    """Put the same key there under another seal."""
    await connection.execute(update(signing_keys).where(signing_keys.c.id == kid).values(sealed=sealed))


async def read_derived(connection: AsyncConnection) -> list[tuple[str, bytes]]:
    """Return the carried subkeys by purpose, sealed."""
    rows = await connection.execute(select(derived_keys).order_by(derived_keys.c.purpose))
    return [(row.purpose, bytes(row.sealed)) for row in rows.all()]


async def put_derived(connection: AsyncConnection, purpose: str, sealed: bytes) -> None:
    """Store a carried subkey."""
    await connection.execute(delete(derived_keys).where(derived_keys.c.purpose == purpose))
    await connection.execute(insert(derived_keys).values(purpose=purpose, sealed=sealed))


async def read_canary(connection: AsyncConnection, *, is_held: bool = False) -> bytes | None:
    """Return the sealed canary, if there is one yet.

    Args:
        is_held: nobody else replaces it before this unit of work ends.
    """
    query = select(sealing_canary.c.sealed)
    found = (await connection.execute(query.with_for_update(read=True) if is_held else query)).scalar_one_or_none()
    return None if found is None else bytes(found)


async def add_canary(connection: AsyncConnection, sealed: bytes) -> None:
    """Insert the canary; a conflict means that another node did."""
    await connection.execute(insert(sealing_canary).values(id=_CANARY_ROW, sealed=sealed))


async def replace_canary(connection: AsyncConnection, sealed: bytes) -> None:
    """Put the canary under another seal."""
    await connection.execute(update(sealing_canary).values(sealed=sealed))


def _stored(row: Row[Any]) -> StoredKey:
    return StoredKey(
        id=KeyId(row.id),
        purpose=row.purpose,
        algorithm=Algorithm(row.algorithm),
        sealed=bytes(row.sealed),
        created_at=row.created_at,
        rotated_at=row.rotated_at,
        published_until=row.published_until,
        retired_at=row.retired_at,
    )
