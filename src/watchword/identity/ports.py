"""What identity needs from others."""

from __future__ import annotations

from typing import Protocol


class Sealer(Protocol):
    """Keep secrets at rest; `watchword.keys.Sealer` is the real one."""

    def seal(self, plaintext: bytes, *, purpose: str, context: str) -> bytes:
        """Encrypt and bind to purpose and context."""
        ...

    def open(self, sealed: bytes, *, purpose: str, context: str) -> bytes:
        """Decrypt, or raise when anything was changed."""
        ...

    def derive(self, purpose: str) -> bytes:
        """Return a 32-byte subkey for one purpose."""
        ...
