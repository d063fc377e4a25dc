"""The only source of randomness, injected, so that identifiers are reproducible in tests."""

from __future__ import annotations

import secrets
from typing import Protocol


class Entropy(Protocol):
    """Give unpredictable bytes."""

    def token_bytes(self, length: int) -> bytes:
        """Return `length` bytes that nobody can guess."""
        ...


class SystemEntropy:
    """The operating system's generator."""

    def token_bytes(self, length: int) -> bytes:
        """Return `length` bytes from the operating system."""
        return secrets.token_bytes(length)
