"""This room's slice of the configuration, and the published origins that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from watchword.kernel import ConfigurationError


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """How the portal is reached and how fresh its own acts must be.

    Attributes:
        portal_origin: `https://host[:port]`, exactly as browsers name it.
        administrator_max_age_min: minutes for which a second factor opens the administration.
        stream_max_s: seconds after which a live stream ends and is opened, and checked, anew.

    Raises:
        ConfigurationError: a value is out of its range.
    """

    portal_origin: str = "https://watchword.localhost:8443"
    administrator_max_age_min: int = 30
    stream_max_s: int = 300

    def __post_init__(self) -> None:
        """Refuse what would open doors or make no sense."""
        parts = urlsplit(self.portal_origin)
        if parts.scheme != "https" or not parts.hostname or f"https://{parts.netloc}" != self.portal_origin:
            raise ConfigurationError(
                "`console.portal_origin` must be an origin such as `https://watchword.localhost:8443`"
            )
        if self.administrator_max_age_min < 1 or self.stream_max_s < 1:
            raise ConfigurationError("the ages of `console` must be positive")

    @property
    def portal_authority(self) -> str:
        """Host and port as they stand in the Host header."""
        return urlsplit(self.portal_origin).netloc

    @property
    def administrator_max_age(self) -> timedelta:
        """How fresh a second factor must be for the administration."""
        return timedelta(minutes=self.administrator_max_age_min)
