"""Read devices for the decision's picture of the world."""

from __future__ import annotations

from watchword.devices import store
from watchword.devices.model import DeviceFacts
from watchword.kernel import DeviceId
from watchword.storage import Database


class DeviceReader:
    """Devices as facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def devices(self) -> list[DeviceFacts]:
        """Return every device that somebody signed in on."""
        async with self._database.read() as connection:
            return await store.read_devices(connection)

    async def device(self, device_id: DeviceId) -> DeviceFacts | None:
        """Return one device, or nothing."""
        async with self._database.read() as connection:
            return await store.read_device(connection, device_id)
