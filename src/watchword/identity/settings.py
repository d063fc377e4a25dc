"""This room's slice of the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from watchword.kernel import ConfigurationError

_SHORTEST_MIN = 15
_LONGEST_MIN = 60


@dataclass(frozen=True, slots=True)
class Argon2Profile:
    """Cost of one password hash. Default: the second recommended option, for memory-constrained environments.

    Source: RFC 9106 section 4 (t=3, p=4, m=64 MiB, 128-bit salt, 256-bit tag).
    """

    time_cost: int = 3
    memory_kib: int = 65536
    parallelism: int = 4


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """How people sign in.

    Attributes:
        portal_origin: scheme, host and port of the portal, exactly as browsers name it.
        service_name: shown by authenticators; refused inside passwords.
        session_minutes: life of a session, 15 to 60.
        hash_workers: how many passwords are hashed at once; each takes 64 MiB and up to four threads.
        hash_queue: how many more may wait before the answer is "try again shortly".

    Raises:
        ConfigurationError: a value is out of its range.
    """

    portal_origin: str = "https://watchword.localhost:8443"
    service_name: str = "Watchword"
    session_minutes: int = _LONGEST_MIN
    hash_workers: int = 2
    hash_queue: int = 16
    argon2: Argon2Profile = field(default_factory=Argon2Profile)

    def __post_init__(self) -> None:
        if not _SHORTEST_MIN <= self.session_minutes <= _LONGEST_MIN:
            raise ConfigurationError("`identity.session_minutes` must be between 15 and 60")
        if self.hash_workers < 1 or self.hash_queue < 1:
            raise ConfigurationError("`identity.hash_workers` and `identity.hash_queue` must be at least 1")
        if not self.rp_id or urlsplit(self.portal_origin).path:
            raise ConfigurationError(
                "`identity.portal_origin` must be an origin such as `https://watchword.localhost:8443`"
            )

    @property
    def rp_id(self) -> str:
        """The WebAuthn relying party: the host of the portal, never a parent domain."""
        return urlsplit(self.portal_origin).hostname or ""

    @property
    def session_life(self) -> timedelta:
        """Longest life of a session."""
        return timedelta(minutes=self.session_minutes)
