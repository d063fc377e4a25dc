"""The only source of randomness, injected, so that identifiers are reproducible in tests."""

from __future__ import annotations

import secrets
import threading
from typing import Protocol

_FEW = 12
_PAGE = 1024


class Entropy(Protocol):
    """Give unpredictable bytes."""

    def token_bytes(self, length: int) -> bytes:
        """Return `length` bytes that nobody can guess."""
        ...


class SystemEntropy:
    """The operating system's generator."""

    def __init__(self) -> None:
        self._pool = b""
        self._lock = threading.Lock()

    def token_bytes(self, length: int) -> bytes:
        """Return `length` bytes from the operating system, never the same twice.

        Few bytes, as identifiers want, come from a page that was fetched at once: asking the system gives the
        interpreter away, which a busy event loop pays for. Secrets are longer and are fetched one by one.
        """
        if length > _FEW:
            return secrets.token_bytes(length)
        with self._lock:
            if len(self._pool) < length:
                self._pool = secrets.token_bytes(_PAGE)
            taken, self._pool = self._pool[:length], self._pool[length:]
        return taken
