"""What can go wrong with Envoy, each in one clear sentence."""

from __future__ import annotations

from typing import ClassVar

from watchword.kernel import WatchwordError


class EnvoyError(WatchwordError):
    """Envoy cannot be configured or run."""

    code: ClassVar[str] = "enforcement.envoy"


class EnvoyMissingError(EnvoyError):
    """There is no Envoy that runs on this machine."""

    code: ClassVar[str] = "enforcement.envoy_missing"


class EnvoyConfigurationError(EnvoyError):
    """The edge settings cannot be turned into a configuration, or Envoy refuses it."""

    code: ClassVar[str] = "enforcement.envoy_configuration"


class AddressTakenError(EnvoyError):
    """Another program listens on an address that Envoy needs."""

    code: ClassVar[str] = "enforcement.address_taken"


class EnvoyStartError(EnvoyError):
    """Envoy ended, or did not become ready, while it was being started."""

    code: ClassVar[str] = "enforcement.envoy_start"
