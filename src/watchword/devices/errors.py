"""What devices refuse."""

from __future__ import annotations

from typing import ClassVar

from watchword.kernel import WatchwordError


class DeviceError(WatchwordError):
    """Something about a device was refused."""

    code: ClassVar[str] = "devices.refused"
    status: ClassVar[int] = 400


class UnknownDeviceError(DeviceError):
    """No such device, or it is not the asker's."""

    code = "devices.unknown"
    status = 404
