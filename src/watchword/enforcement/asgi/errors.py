"""Why an assertion is not believed."""

from __future__ import annotations

from typing import ClassVar

from watchword.kernel import WatchwordError


class InvalidAssertionError(WatchwordError):
    """The assertion proves nothing; the message says why to a log, never to the client."""

    code: ClassVar[str] = "enforcement.assertion_invalid"
    status: ClassVar[int] = 401


class KeysUnavailableError(WatchwordError):
    """The published keys cannot be had, so nothing can be verified."""

    code: ClassVar[str] = "enforcement.keys_unavailable"
    status: ClassVar[int] = 503
