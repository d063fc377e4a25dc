"""Devices in the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, ForeignKey, Row, String, Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from watchword.devices.model import DeviceFacts
from watchword.kernel import DeviceId, UserId
from watchword.storage import UtcDateTime, metadata

devices = Table(
    "devices_devices",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("is_managed", Boolean(create_constraint=True, name="is_managed")),
    Column("disk_encrypted", Boolean(create_constraint=True, name="disk_encrypted")),
    Column("os_patched", Boolean(create_constraint=True, name="os_patched")),
    Column("posture_at", UtcDateTime),
)

device_users = Table(
    "devices_users",
    metadata,
    Column("device_id", String(40), ForeignKey("devices_devices.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", String(40), primary_key=True, index=True),
    Column("seen_at", UtcDateTime, nullable=False),
)


async def read_devices(connection: AsyncConnection, *conditions: Any) -> list[DeviceFacts]:
    """Read devices, oldest first."""
    rows = (await connection.execute(select(devices).where(*conditions).order_by(devices.c.id))).all()
    query = select(device_users).join(devices, devices.c.id == device_users.c.device_id).where(*conditions)
    owners: dict[str, set[UserId]] = {}
    for row in (await connection.execute(query)).all():
        owners.setdefault(row.device_id, set()).add(UserId(row.user_id))
    return [_facts(row, frozenset(owners.get(row.id, ()))) for row in rows]


async def read_device(connection: AsyncConnection, device_id: DeviceId) -> DeviceFacts | None:
    """Read one device."""
    return next(iter(await read_devices(connection, devices.c.id == device_id)), None)


async def devices_of(connection: AsyncConnection, user_id: UserId) -> list[DeviceFacts]:
    """Read the devices of a user, the one seen longest ago first."""
    mine = select(device_users.c.device_id).where(device_users.c.user_id == user_id)
    found = await read_devices(connection, devices.c.id.in_(mine))
    return sorted(found, key=lambda device: device.last_seen_at)


async def add_device(connection: AsyncConnection, device: DeviceFacts) -> None:
    """Insert a device without users."""
    await connection.execute(
        insert(devices).values(
            id=device.id, name=device.name, first_seen_at=device.first_seen_at, last_seen_at=device.last_seen_at
        )
    )


async def add_owner(connection: AsyncConnection, device_id: DeviceId, user_id: UserId, now: datetime) -> None:
    """Insert a user of a device."""
    await connection.execute(insert(device_users).values(device_id=device_id, user_id=user_id, seen_at=now))


async def remove_owner(connection: AsyncConnection, device_id: DeviceId, user_id: UserId) -> bool:
    """Delete a user of a device; tell whether there was one."""
    one = (device_users.c.device_id == device_id) & (device_users.c.user_id == user_id)
    return (await connection.execute(delete(device_users).where(one))).rowcount == 1


async def touch(connection: AsyncConnection, device_id: DeviceId, user_id: UserId, now: datetime) -> None:
    """Note that a user was seen on a device."""
    one = (device_users.c.device_id == device_id) & (device_users.c.user_id == user_id)
    await connection.execute(update(device_users).where(one).values(seen_at=now))
    await connection.execute(update(devices).where(devices.c.id == device_id).values(last_seen_at=now))


async def delete_device(connection: AsyncConnection, device_id: DeviceId) -> None:
    """Delete a device and its users."""
    await connection.execute(delete(devices).where(devices.c.id == device_id))


async def change_device(connection: AsyncConnection, device_id: DeviceId, **values: Any) -> bool:
    """Change columns of a device; tell whether there is one."""
    return (await connection.execute(update(devices).where(devices.c.id == device_id).values(**values))).rowcount == 1


def _facts(row: Row[Any], owners: frozenset[UserId]) -> DeviceFacts:
    return DeviceFacts(
        id=DeviceId(row.id),
        user_ids=owners,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        name=row.name,
        is_managed=row.is_managed,
        disk_encrypted=row.disk_encrypted,
        os_patched=row.os_patched,
        posture_at=row.posture_at,
    )
