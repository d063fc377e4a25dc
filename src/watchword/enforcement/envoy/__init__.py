"""Own Envoy: its configuration, its process, the kill handle of every open stream, the filter of answers.

Publishes `bootstrap` and what it reads, `EnvoyProcess`, `StreamGuard`, `BodyService`.
Refuses to write an identity header, trust an address or open a route that nobody configured.
"""

from watchword.enforcement.envoy.bodies import BodyService
from watchword.enforcement.envoy.bootstrap import bootstrap, certificate_secret
from watchword.enforcement.envoy.errors import (
    AddressTakenError,
    EnvoyConfigurationError,
    EnvoyError,
    EnvoyMissingError,
    EnvoyStartError,
)
from watchword.enforcement.envoy.filters import (
    APPLICATION_HEADER,
    AUTHZ_PREFIX,
    CLIENT_IP_HEADER,
    DECISION_HEADER,
    SESSION_HEADER,
    STREAM_HEADER,
)
from watchword.enforcement.envoy.guard import OpenStream, StreamGuard
from watchword.enforcement.envoy.model import (
    EdgeFiles,
    EdgeSettings,
    PublishedApi,
    PublishedApplication,
    TcpAddress,
    Upstream,
)
from watchword.enforcement.envoy.process import (
    ENVOY_ENVIRONMENT,
    EnvoyProcess,
    check_addresses,
    find_envoy,
    prepare,
    resident_bytes,
    validate,
    wait_ready,
    write_certificate_secret,
)

__all__ = [
    "APPLICATION_HEADER",
    "AUTHZ_PREFIX",
    "CLIENT_IP_HEADER",
    "DECISION_HEADER",
    "ENVOY_ENVIRONMENT",
    "SESSION_HEADER",
    "STREAM_HEADER",
    "AddressTakenError",
    "BodyService",
    "EdgeFiles",
    "EdgeSettings",
    "EnvoyConfigurationError",
    "EnvoyError",
    "EnvoyMissingError",
    "EnvoyProcess",
    "EnvoyStartError",
    "OpenStream",
    "PublishedApi",
    "PublishedApplication",
    "StreamGuard",
    "TcpAddress",
    "Upstream",
    "bootstrap",
    "certificate_secret",
    "check_addresses",
    "find_envoy",
    "prepare",
    "resident_bytes",
    "validate",
    "wait_ready",
    "write_certificate_secret",
]
