"""What devices tell."""

from __future__ import annotations

from watchword.kernel import EventType

DEVICE_REGISTERED = EventType(
    "devices.device.registered", "Somebody signed in on a device for the first time.", public="user", personal="name ip"
)
DEVICE_BOUND = EventType("devices.device.bound", "One more user signed in on a device.", public="user", personal="ip")
DEVICE_SEEN = EventType(
    "devices.device.seen", "A known user signed in on a known device.", public="user", personal="ip"
)
DEVICE_UNBOUND = EventType(
    "devices.device.unbound", "A device does not count as a user's any more.", public="user reason"
)
DEVICE_FORGOTTEN = EventType("devices.device.forgotten", "Nobody signs in on a device any more.", public="reason")
POSTURE_REPORTED = EventType(
    "devices.posture.reported",
    "The state of a device became known.",
    public="is_managed disk_encrypted os_patched",
)
