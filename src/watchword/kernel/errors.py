"""The root of every error that Watchword raises on purpose.

Each room has one family below `WatchwordError`; each class has a stable `code` of the form `room.slug`.
Messages are lower-case, without a full stop, with values in backticks and never with a secret in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar


class WatchwordError(Exception):
    """Something was refused or went wrong, said in one clear sentence.

    Attributes:
        code: stable slug, `room.what`, for programs.
        status: the HTTP status that fits when the error reaches a client.
        hint: what a person can do about it, or nothing.
    """

    code: ClassVar[str] = "kernel.error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class NotFoundError(WatchwordError):
    """The thing named does not exist, or the asker may not know that it does."""

    code = "kernel.not_found"
    status = 404


class ConfigurationError(WatchwordError):
    """The configuration cannot be used as it stands."""

    code = "kernel.configuration"


def error_types(root: type[WatchwordError] = WatchwordError) -> Iterator[type[WatchwordError]]:
    """Yield every error class known so far, the root first; for the reference pages and their test."""
    yield root
    for child in root.__subclasses__():
        yield from error_types(child)
