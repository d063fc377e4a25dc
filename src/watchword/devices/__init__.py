"""Own devices: recognising a browser by its key, knowing whose it is, and what is known of its state.

Publishes `Devices`, `DeviceReader`, `DeviceFacts` and the pure `verify_device_handle`. Refuses to call a device known
before somebody signed in on it.
"""

from watchword.devices.errors import DeviceError, UnknownDeviceError
from watchword.devices.handles import device_handle, verify_device_handle
from watchword.devices.model import DeviceFacts, Visitor, describe
from watchword.devices.reader import DeviceReader
from watchword.devices.service import Devices

__all__ = [
    "DeviceError",
    "DeviceFacts",
    "DeviceReader",
    "Devices",
    "UnknownDeviceError",
    "Visitor",
    "describe",
    "device_handle",
    "verify_device_handle",
]
