"""Device handles: an identifier that proves itself on one host, `dev_...` followed by a MAC.

Nothing has to be stored for a browser that nobody signs in on, and a handle that leaks on one host is worth nothing
on another.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode

from watchword.kernel import DeviceId, Secret
from watchword.kernel.ids import MalformedIdError

_ID_LENGTH = 30
_MAC_LENGTH = 43
_LENGTH = _ID_LENGTH + 1 + _MAC_LENGTH


def device_handle(key: bytes, device_id: DeviceId, host: str) -> Secret[str]:
    """Make the handle of a device on one host."""
    return Secret(f"{device_id}.{_mac(key, device_id, host)}")


def verify_device_handle(key: bytes, handle: str, host: str) -> DeviceId | None:
    """Return the device that a handle proves on this host, or nothing. Never raises.

    Args:
        key: `Sealer.derive("devices.handle")`.
        handle: the cookie, whatever it holds.
        host: the host it was sent to, as the edge knows it.
    """
    if len(handle) != _LENGTH or not handle.isascii():
        return None
    claimed, shown = handle[:_ID_LENGTH], handle[_ID_LENGTH + 1 :]
    # Prevents: a device that somebody made up, or one of another host.
    if handle[_ID_LENGTH] != "." or not hmac.compare_digest(_mac(key, claimed, host), shown):
        return None
    try:
        return DeviceId(claimed)
    except MalformedIdError:
        return None


def _mac(key: bytes, device_id: str, host: str) -> str:
    digest = hmac.digest(key, f"{device_id}|{host}".encode("utf-8", "surrogatepass"), "sha256")
    return urlsafe_b64encode(digest)[:_MAC_LENGTH].decode()
