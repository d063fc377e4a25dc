"""Recognise browsers, bind them to users, keep what is known of their state."""

from __future__ import annotations

from watchword.devices import events, store
from watchword.devices.errors import UnknownDeviceError
from watchword.devices.handles import device_handle, verify_device_handle
from watchword.devices.model import DeviceFacts, Visitor, describe
from watchword.kernel import Clock, DeviceId, Entropy, EventType, Secret, UserId
from watchword.kernel.events import Json
from watchword.storage import Database, UnitOfWork

_DEVICES_PER_USER = 50
_USERS_PER_DEVICE = 50


class Devices:
    """The devices people sign in on.

    Args:
        database: where known devices are kept.
        clock: the time.
        entropy: where identifiers come from.
        key: `Sealer.derive("devices.handle")`.
        host: the portal's, where people sign in; the default wherever a host is asked for.
    """

    def __init__(self, database: Database, clock: Clock, entropy: Entropy, *, key: bytes, host: str) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._key = key
        self._host = host

    async def recognise_or_register(
        self, handle: str | None, client: Visitor, *, host: str | None = None
    ) -> tuple[DeviceFacts, Secret[str] | None]:
        """Return the device a browser's cookie proves, or a new one with the cookie to set.

        A new device is not stored before `bind`: a page that anybody may open costs no row.
        """
        host = self._host if host is None else host
        device_id = verify_device_handle(self._key, handle, host) if handle is not None else None
        now = self._clock.now()
        if device_id is None:
            device_id = DeviceId.new(now, self._entropy)
            return self._unknown(device_id, client), device_handle(self._key, device_id, host)
        async with self._database.read() as connection:
            known = await store.read_device(connection, device_id)
        return known or self._unknown(device_id, client), None

    def handle_for(self, device_id: DeviceId, host: str) -> Secret[str]:
        """Return the handle of a device on a host, for the cookie that is set there after a crossing."""
        return device_handle(self._key, device_id, host)

    def verify(self, handle: str, host: str) -> DeviceId | None:
        """Return the device that a handle proves on a host, or nothing. Never raises."""
        return verify_device_handle(self._key, handle, host)

    async def bind(self, device_id: DeviceId, user_id: UserId, client: Visitor | None = None) -> DeviceFacts:
        """Note that a user signed in on a device; from now on it is known for that user.

        Without a client a new device has no better name than `Browser`.
        """
        async with self._database.work() as unit:
            now = self._clock.now()
            known = await store.read_device(unit.connection, device_id)
            if known is None:
                known = self._unknown(device_id, client)
                await store.add_device(unit.connection, known)
                self._say(unit, events.DEVICE_REGISTERED, user_id, device_id, client, name=known.name)
            if user_id in known.user_ids:
                await store.touch(unit.connection, device_id, user_id, now)
                self._say(unit, events.DEVICE_SEEN, user_id, device_id, client)
            elif len(known.user_ids) < _USERS_PER_DEVICE:
                await store.add_owner(unit.connection, device_id, user_id, now)
                await store.touch(unit.connection, device_id, user_id, now)
                self._say(unit, events.DEVICE_BOUND, user_id, device_id, client)
                await self._drop_oldest(unit, user_id)
            found = await store.read_device(unit.connection, device_id)
        return found or known

    async def list_for(self, user_id: UserId) -> list[DeviceFacts]:
        """Return the devices of a user, the one seen longest ago first."""
        async with self._database.read() as connection:
            return await store.devices_of(connection, user_id)

    async def forget(self, device_id: DeviceId, user_id: UserId, *, actor: str) -> None:
        """Let a device not count as this user's any more; the next sign-in on it is from an unknown device.

        Raises:
            UnknownDeviceError: it is not one of this user's.
        """
        async with self._database.work() as unit:
            if not await self._unbind(unit, device_id, user_id, actor, "forgotten"):
                raise UnknownDeviceError("there is no such device")

    async def report_posture(
        self,
        device_id: DeviceId,
        *,
        actor: str,
        is_managed: bool | None,
        disk_encrypted: bool | None,
        os_patched: bool | None,
    ) -> None:
        """Write down the state of a device as somebody vouches for it; nothing means unknown.

        Raises:
            UnknownDeviceError: there is no such device.
        """
        now = self._clock.now()
        facts = {"is_managed": is_managed, "disk_encrypted": disk_encrypted, "os_patched": os_patched}
        async with self._database.work() as unit:
            if not await store.change_device(unit.connection, device_id, **facts, posture_at=now):
                raise UnknownDeviceError("there is no such device")
            unit.emit(events.POSTURE_REPORTED.at(now, self._entropy, actor=actor, subject=device_id, **facts))

    def _unknown(self, device_id: DeviceId, client: Visitor | None) -> DeviceFacts:
        now = self._clock.now()
        return DeviceFacts(device_id, frozenset(), now, now, describe(client.user_agent if client is not None else ""))

    async def _drop_oldest(self, unit: UnitOfWork, user_id: UserId) -> None:
        # Bounded: whoever throws the cookie away each time keeps the latest fifty.
        mine = await store.devices_of(unit.connection, user_id)
        for device in mine[: max(0, len(mine) - _DEVICES_PER_USER)]:
            await self._unbind(unit, device.id, user_id, "system", "too_many")

    async def _unbind(self, unit: UnitOfWork, device_id: DeviceId, user_id: UserId, actor: str, reason: str) -> bool:
        if not await store.remove_owner(unit.connection, device_id, user_id):
            return False
        now = self._clock.now()
        facts = {"user": user_id, "reason": reason}
        unit.emit(events.DEVICE_UNBOUND.at(now, self._entropy, actor=actor, subject=device_id, **facts))
        left = await store.read_device(unit.connection, device_id)
        if left is not None and not left.user_ids:
            await store.delete_device(unit.connection, device_id)
            unit.emit(events.DEVICE_FORGOTTEN.at(now, self._entropy, actor=actor, subject=device_id, reason=reason))
        return True

    def _say(
        self,
        unit: UnitOfWork,
        event: EventType,
        user_id: UserId,
        device_id: DeviceId,
        client: Visitor | None,
        **facts: Json,
    ) -> None:
        now = self._clock.now()
        unit.emit(
            event.at(
                now,
                self._entropy,
                actor=user_id,
                subject=device_id,
                user=user_id,
                ip=client.ip if client is not None else "",
                **facts,
            )
        )
