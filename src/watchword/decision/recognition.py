"""Which device asks, and what is known of its state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from watchword.devices import DeviceFacts, verify_device_handle
from watchword.kernel import DeviceId

_REMEMBERED: Final = 20_000
_POSTURE_FRESH: Final = timedelta(hours=24)


class DeviceHandles:
    """Verify device handles, each once: what a right handle proves never changes. Wrong ones are not remembered."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[tuple[str, str], DeviceId] = {}

    def read(self, handle: str, host: str) -> DeviceId | None:
        """Return the device that a handle belongs to on a host; nothing if it was not made by us, for that host."""
        known = self._known.get((handle, host))
        if known is not None:
            return known
        device_id = verify_device_handle(self._key, handle, host)
        if device_id is not None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[handle, host] = device_id
        return device_id


def posture_of(device: DeviceFacts, now: datetime) -> str:
    """Judge a device's reported state: `compliant`, `noncompliant`, or `unknown` when nothing fresh was reported."""
    if device.posture_at is None or now - device.posture_at > _POSTURE_FRESH:
        return "unknown"
    states = (device.is_managed, device.disk_encrypted, device.os_patched)
    if None in states:
        return "unknown"
    return "compliant" if all(states) else "noncompliant"
