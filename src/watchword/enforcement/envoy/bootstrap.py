"""Envoy's whole configuration as one pure function of the edge settings and the applications.

What a request meets, in this order:

1. TLS 1.2 or later; HTTP/2 or HTTP/1.1.
2. Early header mutation: every header that a client may not send is gone (`hygiene.removed_headers`). A header name
   with an underscore, an escaped slash or backslash, or a fragment in the path ends the request with 400.
3. The path is normalised once (`.`, `..`, `%2e`, `//`); what remains is what the routes, the authorizer and the
   application all see.
4. The route: `virtual_hosts`.
5. The truth about the connection is added: `x-watchword-client-ip`, `x-watchword-application`, `x-forwarded-for`,
   `-proto` and `-host`.
6. The authorizer is asked over `authz.sock`; see below.
7. Streams get a kill handle (`guard`); the application is called.

What arrives at the authorizer (seen with Envoy 1.40; `tests/integration/envoy` holds it to that):

- HTTP/1.1 with the client's method, never with a body (`content-length: 0`), at `/authz` + the normalised path +
  `?` + the query as sent. `host` is the client's, with its port, in the client's letter case: lower-case it, and take
  the application from `x-watchword-application`, which Envoy's own routing set.
- From the client: accept, accept-language, authorization, content-type, cookie, dpop, origin, sec-fetch-*, upgrade,
  user-agent. By Envoy: x-watchword-client-ip, x-watchword-application, x-request-id.
- Envoy's client adds `x-forwarded-for` (its own address) and `x-envoy-*`: they say nothing about the client.

What the authorizer may answer:

- 200 allows. Its `x-watchword-*`, `cookie`, `authorization` and the configured identity headers replace those of the
  request towards the application; names listed in `x-envoy-auth-headers-to-remove` are removed; each `set-cookie`
  reaches the browser. Everything else is dropped, the body too.
- 5xx, no answer, or none within `authorizer_timeout_s`: 503 from Envoy itself.
- Anything else denies: status, headers and body go to the client as they are, but for `x-watchword-*`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from watchword.enforcement.envoy.clusters import clusters
from watchword.enforcement.envoy.filters import extension
from watchword.enforcement.envoy.listeners import listeners
from watchword.enforcement.envoy.model import (
    EdgeFiles,
    EdgeSettings,
    PublishedApi,
    PublishedApplication,
    check_applications,
)

Json = dict[str, Any]

_MODE_OWNER_ONLY: Final = 0o600
_MONITORS: Final = "extensions.resource_monitors"


def bootstrap(
    edge: EdgeSettings,
    applications: Sequence[PublishedApplication],
    files: EdgeFiles,
    apis: Sequence[PublishedApi] = (),
) -> Json:
    """Return the static bootstrap, ready to be written as JSON.

    Raises:
        EnvoyConfigurationError: two applications claim one name or host, or one claims the portal's.
    """
    check_applications(edge, applications)
    return {
        "node": {"id": "watchword-edge", "cluster": "watchword"},
        "admin": {"address": {"pipe": {"path": str(files.admin_socket), "mode": _MODE_OWNER_ONLY}}},
        "static_resources": {
            "listeners": listeners(edge, applications, files, apis),
            "clusters": clusters(files, applications, apis),
        },
        "overload_manager": _overload(edge),
        # The hygiene expression is one program for all names; Envoy's own bound is meant for untrusted expressions.
        "layered_runtime": {
            "layers": [
                {"name": "watchword", "static_layer": {"re2.max_program_size.error_level": 4096}},
            ]
        },
        "stats_flush_on_admin": True,
    }


def certificate_secret(files: EdgeFiles) -> Json:
    """Return what `files.certificate_secret_file` holds; write it anew, by rename, when the certificate changed."""
    certificate = {
        "certificate_chain": {"filename": str(files.certificate_file)},
        "private_key": {"filename": str(files.private_key_file)},
    }
    secret = extension("extensions.transport_sockets.tls.v3.Secret", name="edge", tls_certificate=certificate)
    return {"resources": [secret]}


def _overload(edge: EdgeSettings) -> Json:
    """Shed load before memory or descriptors run out: first caches, then new requests, then new connections."""
    heap, connections = (
        "envoy.resource_monitors.fixed_heap",
        "envoy.resource_monitors.global_downstream_max_connections",
    )
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": heap,
                "typed_config": extension(
                    f"{_MONITORS}.fixed_heap.v3.FixedHeapConfig", max_heap_size_bytes=edge.max_heap_mb * 1024 * 1024
                ),
            },
            {
                "name": connections,
                "typed_config": extension(
                    f"{_MONITORS}.downstream_connections.v3.DownstreamConnectionsConfig",
                    max_active_downstream_connections=edge.max_connections,
                ),
            },
        ],
        "actions": [
            _action("envoy.overload_actions.shrink_heap", heap, 0.90),
            _action("envoy.overload_actions.stop_accepting_requests", heap, 0.95),
            _action("envoy.overload_actions.stop_accepting_connections", heap, 0.98),
        ],
    }


def _action(name: str, monitor: str, threshold: float) -> Json:
    return {"name": name, "triggers": [{"name": monitor, "threshold": {"value": threshold}}]}
