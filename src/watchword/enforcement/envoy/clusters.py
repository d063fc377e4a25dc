"""Whom Envoy may call: the control plane's four sockets and each application."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from watchword.enforcement.envoy.filters import AUTHZ_CLUSTER, BODIES_CLUSTER, GUARD_CLUSTER, WEB_CLUSTER, extension
from watchword.enforcement.envoy.model import EdgeFiles, PublishedApi, PublishedApplication, TcpAddress, Upstream
from watchword.enforcement.envoy.virtual_hosts import api_cluster, cluster_of

Json = dict[str, Any]

_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_AUTHZ_CONNECTIONS: Final = 256
_PENDING: Final = 8192
_STREAMS: Final = 65_536
# Shorter than the five seconds after which uvicorn and Node.js close an idle connection.
# Prevents: a request sent into a connection that its server is just closing, which would be a 503 for nothing.
_IDLE: Final = "4s"
# Both ends of a Unix socket notice the other's death at once; this is for a control plane that is alive but stuck.
_GUARD_KEEPALIVE: Final[Json] = {"interval": "2s", "timeout": "3s"}
_BODIES_KEEPALIVE: Final[Json] = {"interval": "5s", "timeout": "5s"}


def clusters(
    files: EdgeFiles, applications: Sequence[PublishedApplication], apis: Sequence[PublishedApi] = ()
) -> list[Json]:
    """Return every cluster; an application's circuit breaker keeps a slow one from eating the others' connections."""
    return [
        _cluster(AUTHZ_CLUSTER, _pipe(files.authz_socket), connections=_AUTHZ_CONNECTIONS, requests=_PENDING),
        _cluster(WEB_CLUSTER, _pipe(files.web_socket), connections=_AUTHZ_CONNECTIONS * 4, requests=_PENDING),
        _cluster(
            GUARD_CLUSTER,
            _pipe(files.guard_socket),
            connections=_STREAMS,
            requests=_STREAMS,
            http2={"connection_keepalive": _GUARD_KEEPALIVE},
        ),
        _cluster(
            BODIES_CLUSTER,
            _pipe(files.bodies_socket),
            connections=_AUTHZ_CONNECTIONS,
            requests=_PENDING,
            http2={"connection_keepalive": _BODIES_KEEPALIVE},
        ),
        *(
            _cluster(api_cluster(api), _pipe(api.socket), connections=_AUTHZ_CONNECTIONS, requests=_PENDING)
            for api in apis
        ),
        *(
            _cluster(
                cluster_of(application),
                _address(application.upstream),
                connections=_PENDING,
                requests=_PENDING,
                http2={} if application.upstream.http2 else None,
            )
            for application in applications
        ),
    ]


def _cluster(name: str, address: Json, *, connections: int, requests: int, http2: Json | None = None) -> Json:
    thresholds = {
        "max_connections": connections,
        "max_pending_requests": _PENDING,
        "max_requests": requests,
        "max_retries": 0,
    }
    return {
        "name": name,
        "type": "STATIC" if _is_static(address) else "STRICT_DNS",
        "connect_timeout": "2s",
        "circuit_breakers": {"thresholds": [thresholds]},
        "typed_extension_protocol_options": {_HTTP_OPTIONS: _protocol(http2)},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def _protocol(http2: Json | None) -> Json:
    kind = {"http_protocol_options": {}} if http2 is None else {"http2_protocol_options": http2}
    return extension(
        _HTTP_OPTIONS.removeprefix("envoy."),
        explicit_http_config=kind,
        common_http_protocol_options={} if http2 is not None else {"idle_timeout": _IDLE},
    )


def _address(upstream: Upstream) -> Json:
    return _pipe(upstream.socket) if upstream.socket is not None else _tcp(upstream.address)


def _pipe(path: Path) -> Json:
    return {"pipe": {"path": str(path)}}


def _tcp(address: TcpAddress | None) -> Json:
    assert address is not None, "an upstream has an address or a socket"
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def _is_static(address: Json) -> bool:
    if "pipe" in address:
        return True
    try:
        ipaddress.ip_address(address["socket_address"]["address"])
    except ValueError:
        return False
    return True
