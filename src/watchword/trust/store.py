"""The tables of this room: listed networks, baselines, habits, sign-ins, what detectors remember."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from watchword.storage import UtcDateTime, metadata
from watchword.trust.model import NetworkList

networks = Table(
    "trust_networks",
    metadata,
    Column("list", String(16), nullable=False),
    Column("network", String(49), nullable=False),
    Column("reason", String(400), nullable=False),
    Column("listed_by", String(120), nullable=False),
    Column("listed_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=True),
    PrimaryKeyConstraint("list", "network"),
    CheckConstraint("list IN ('block', 'allow', 'suspicious')", name="list_is_known"),
)

baselines = Table(
    "trust_baselines",
    metadata,
    Column("user_id", String(40), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("data", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)


def _counters(name: str) -> Table:
    """Describe a table of what was counted of each owner, as text."""
    return Table(
        name,
        metadata,
        Column("owner", String(40), primary_key=True),
        Column("version", Integer, nullable=False),
        Column("data", Text, nullable=False),
        Column("updated_at", UtcDateTime, nullable=False),
        Index(f"ix_{name}_updated_at", "updated_at"),
    )


habits = _counters("trust_habits")
sign_ins = _counters("trust_sign_ins")

detector_states = Table(
    "trust_detector_states",
    metadata,
    Column("detector", String(40), nullable=False),
    Column("key", String(400), nullable=False),
    Column("data", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("detector", "key"),
)


class Learned(StrEnum):
    """What is learned of each user, each kind in a table of its own."""

    HABITS = "habits"
    SIGN_INS = "sign_ins"


_LEARNED: Mapping[Learned, Table] = MappingProxyType({Learned.HABITS: habits, Learned.SIGN_INS: sign_ins})


@dataclass(frozen=True, slots=True)
class Listing:
    """One persisted entry of a network list."""

    kind: NetworkList
    network: str
    reason: str
    listed_by: str
    listed_at: datetime
    expires_at: datetime | None


async def put_network(connection: AsyncConnection, listing: Listing) -> None:
    """Write one entry over whatever stood there."""
    await drop_network(connection, listing.kind, listing.network)
    await connection.execute(
        insert(networks).values(
            list=listing.kind.value,
            network=listing.network,
            reason=listing.reason,
            listed_by=listing.listed_by,
            listed_at=listing.listed_at,
            expires_at=listing.expires_at,
        )
    )


async def drop_network(connection: AsyncConnection, kind: NetworkList, network: str) -> bool:
    """Remove one entry; tells whether there was one."""
    where = (networks.c.list == kind.value) & (networks.c.network == network)
    found = (await connection.execute(select(networks.c.network).where(where))).first()
    await connection.execute(delete(networks).where(where))
    return found is not None


async def drop_expired(connection: AsyncConnection, before: datetime) -> None:
    """Remove entries that have not counted since `before`."""
    await connection.execute(delete(networks).where(networks.c.expires_at < before))


async def all_networks(connection: AsyncConnection) -> Sequence[Listing]:
    """Return every entry, expired ones too, oldest first."""
    rows = await connection.execute(select(networks).order_by(networks.c.listed_at, networks.c.network))
    return [_listing(row) for row in rows]


def _listing(row: Row[tuple[object, ...]]) -> Listing:
    return Listing(
        kind=NetworkList(row.list),
        network=row.network,
        reason=row.reason,
        listed_by=row.listed_by,
        listed_at=row.listed_at,
        expires_at=row.expires_at,
    )


async def put_baselines(connection: AsyncConnection, rows: Iterable[tuple[str, int, str]], now: datetime) -> None:
    """Write user, version and data of each baseline over what stood there."""
    written = [{"user_id": user, "version": version, "data": data, "updated_at": now} for user, version, data in rows]
    if written:
        await connection.execute(delete(baselines).where(baselines.c.user_id.in_([row["user_id"] for row in written])))
        await connection.execute(insert(baselines), written)


async def drop_baselines(connection: AsyncConnection, users: Sequence[str]) -> None:
    """Forget these users."""
    await connection.execute(delete(baselines).where(baselines.c.user_id.in_(users)))


async def all_baselines(connection: AsyncConnection) -> Sequence[tuple[str, str]]:
    """Return user and data of every baseline."""
    rows = await connection.execute(select(baselines.c.user_id, baselines.c.data))
    return [(row.user_id, row.data) for row in rows]


async def put_learned(
    connection: AsyncConnection, kind: Learned, rows: Iterable[tuple[str, int, str]], now: datetime
) -> None:
    """Write owner, version and data of each over what stood there."""
    table = _LEARNED[kind]
    written = [{"owner": owner, "version": version, "data": data, "updated_at": now} for owner, version, data in rows]
    if written:
        await connection.execute(delete(table).where(table.c.owner.in_([row["owner"] for row in written])))
        await connection.execute(insert(table), written)


async def drop_learned(connection: AsyncConnection, kind: Learned, owners: Sequence[str]) -> None:
    """Forget what was learned of these."""
    table = _LEARNED[kind]
    await connection.execute(delete(table).where(table.c.owner.in_(owners)))


async def owners_of_learned(connection: AsyncConnection, kind: Learned) -> Sequence[str]:
    """Name everybody of whom something is stored, those written last first."""
    table = _LEARNED[kind]
    rows = await connection.execute(select(table.c.owner).order_by(table.c.updated_at.desc(), table.c.owner))
    return rows.scalars().all()


async def learned_of(connection: AsyncConnection, kind: Learned, owners: Sequence[str]) -> Mapping[str, str]:
    """Return what is stored of these, as far as there is something."""
    table = _LEARNED[kind]
    rows = await connection.execute(select(table.c.owner, table.c.data).where(table.c.owner.in_(owners)))
    return {row.owner: row.data for row in rows}


async def put_detector_states(
    connection: AsyncConnection, rows: Sequence[tuple[str, str, str | None]], now: datetime
) -> None:
    """Write detector, key and data over what stood there; without data it is removed."""
    for detector in sorted({row[0] for row in rows}):
        keys = [key for name, key, _ in rows if name == detector]
        same = (detector_states.c.detector == detector) & detector_states.c.key.in_(keys)
        await connection.execute(delete(detector_states).where(same))
    written = [
        {"detector": detector, "key": key, "data": data, "updated_at": now}
        for detector, key, data in rows
        if data is not None
    ]
    if written:
        await connection.execute(insert(detector_states), written)


async def all_detector_states(connection: AsyncConnection) -> Sequence[tuple[str, str, str]]:
    """Return detector, key and data of every state, those written first first."""
    table = detector_states
    rows = await connection.execute(select(table).order_by(table.c.updated_at, table.c.detector, table.c.key))
    return [(row.detector, row.key, row.data) for row in rows]


async def drop_detector_states_of(connection: AsyncConnection, user: str) -> None:
    """Remove every state whose key is a user, or begins with one."""
    key = detector_states.c.key
    await connection.execute(delete(detector_states).where((key == user) | key.startswith(f"{user} ", autoescape=True)))
