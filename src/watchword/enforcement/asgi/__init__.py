"""Own the door inside a Python application: the middleware that verifies assertions, the decorator that asks for more.

Publishes `WatchwordMiddleware`, `verify`, `current`, `VerifiedAssertion` and `AccessLog`.
Refuses every request without a valid assertion, and imports nothing of Watchword above `kernel`.
"""

from watchword.enforcement.asgi.access_log import AccessLog
from watchword.enforcement.asgi.context import current
from watchword.enforcement.asgi.decorator import verify
from watchword.enforcement.asgi.errors import InvalidAssertionError, KeysUnavailableError
from watchword.enforcement.asgi.key_source import FileKeys, KeySource, UrlKeys
from watchword.enforcement.asgi.middleware import ASSERTION_HEADER, WatchwordMiddleware
from watchword.enforcement.asgi.model import Device, VerifiedAssertion
from watchword.enforcement.asgi.verification import verify_assertion

__all__ = [
    "ASSERTION_HEADER",
    "AccessLog",
    "Device",
    "FileKeys",
    "InvalidAssertionError",
    "KeySource",
    "KeysUnavailableError",
    "UrlKeys",
    "VerifiedAssertion",
    "WatchwordMiddleware",
    "current",
    "verify",
    "verify_assertion",
]
