"""The table of this room: tuples as they are committed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime

from sqlalchemy import Column, Row, String, Table, Text, delete, insert, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from watchword.policy.relations.tuples import RelationTuple, read_tuple
from watchword.storage import UtcDateTime, metadata

_CHUNK = 5000
_MOST_VARIABLES = 500

tuples = Table(
    "policy_relation_tuples",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("object", String(256), nullable=False, index=True),
    Column("relation", String(50), nullable=False),
    Column("subject", String(320), nullable=False, index=True),
    Column("condition", String(50), nullable=False),
    Column("context", Text, nullable=False),
    Column("written_at", UtcDateTime, nullable=False),
    Column("written_by", String(120), nullable=False),
)


async def put(connection: AsyncConnection, found: Sequence[RelationTuple], *, now: datetime, actor: str) -> None:
    """Write tuples over what stood there."""
    await drop(connection, [each.key for each in found])
    if found:
        await connection.execute(insert(tuples), [_values(each, now, actor) for each in found])


async def drop(connection: AsyncConnection, keys: Sequence[str]) -> None:
    """Remove tuples by their keys."""
    for chunk in _chunks(keys):
        await connection.execute(delete(tuples).where(tuples.c.key.in_(chunk)))


async def by_keys(connection: AsyncConnection, keys: Collection[str]) -> dict[str, RelationTuple]:
    """Return those that exist."""
    found: dict[str, RelationTuple] = {}
    for chunk in _chunks(list(keys)):
        rows = await connection.execute(select(tuples).where(tuples.c.key.in_(chunk)))
        found |= {row.key: _tuple(row) for row in rows}
    return found


async def everything(connection: AsyncConnection) -> AsyncIterator[Sequence[RelationTuple]]:
    """Yield every tuple, some thousands at a time."""
    last = ""
    while True:
        query = select(tuples).where(tuples.c.key > last).order_by(tuples.c.key).limit(_CHUNK)
        rows = (await connection.execute(query)).all()
        if not rows:
            return
        last = rows[-1].key
        yield [_tuple(row) for row in rows]


async def listed(
    connection: AsyncConnection, *, object_: str | None, relation: str | None, subject: str | None, most: int
) -> Sequence[RelationTuple]:
    """Return tuples that match everything that is given, in the order of objects."""
    query = select(tuples).order_by(tuples.c.object, tuples.c.relation, tuples.c.subject).limit(most)
    for column, wanted in ((tuples.c.object, object_), (tuples.c.relation, relation), (tuples.c.subject, subject)):
        if wanted is not None:
            query = query.where(column == wanted)
    return [_tuple(row) for row in await connection.execute(query)]


async def searched(connection: AsyncConnection, *, text: str, after: str, most: int) -> Sequence[RelationTuple]:
    """Return tuples in whose object, relation or user a text stands, in the order of objects.

    Args:
        after: the key of the last one that was seen; one that is gone, or empty, begins anew.
    """
    order = (tuples.c.object, tuples.c.relation, tuples.c.subject)
    query = select(tuples).order_by(*order).limit(most)
    if text:
        query = query.where(or_(*(column.contains(text, autoescape=True) for column in order)))
    seen = (await connection.execute(select(*order).where(tuples.c.key == after))).one_or_none() if after else None
    if seen is not None:
        query = query.where(tuple_(*order) > tuple_(*seen))
    return [_tuple(row) for row in await connection.execute(query)]


def _values(found: RelationTuple, now: datetime, actor: str) -> dict[str, object]:
    return {
        "key": found.key,
        "object": str(found.object),
        "relation": found.relation,
        "subject": str(found.subject),
        "condition": found.condition,
        "context": json.dumps(dict(found.context), sort_keys=True, separators=(",", ":")),
        "written_at": now,
        "written_by": actor,
    }


def _tuple(row: Row[tuple[object, ...]]) -> RelationTuple:
    context = json.loads(row.context) if row.condition else {}
    return read_tuple(row.object, row.relation, row.subject, condition=row.condition, context=context)


def _chunks(keys: Sequence[str]) -> list[Sequence[str]]:
    return [keys[at : at + _MOST_VARIABLES] for at in range(0, len(keys), _MOST_VARIABLES)]
