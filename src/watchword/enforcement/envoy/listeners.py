"""Where Envoy listens, how it speaks TLS, and how it reads HTTP before any filter runs."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any, Final

from watchword.enforcement.envoy.filters import ROUTER, api_filters, extension, http_filters
from watchword.enforcement.envoy.hygiene import remove_on_match, removed_headers
from watchword.enforcement.envoy.model import EdgeFiles, EdgeSettings, PublishedApi, PublishedApplication, TcpAddress
from watchword.enforcement.envoy.virtual_hosts import api_hosts, redirecting_hosts, virtual_hosts

Json = dict[str, Any]

_LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_HEADERS_KIB: Final = 64
_HEADERS_COUNT: Final = 100
# Source: Mozilla's server-side TLS guideline, "intermediate" (TLS 1.3 suites are fixed in BoringSSL).
_CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
# The hybrid with ML-KEM first: traffic recorded today stays closed to a quantum computer of tomorrow.
_GROUPS: Final = ("X25519MLKEM768", "X25519", "P-256")
_KEEPALIVE_IDLE_S: Final = 60
# What follows it in a path is the secret of a one-time link.
_INVITATIONS: Final = "/invite/"
# Linux: SOL_SOCKET=1 SO_KEEPALIVE=9; IPPROTO_TCP=6 TCP_KEEPIDLE=4 TCP_KEEPINTVL=5 TCP_KEEPCNT=6
_KEEPALIVE: Final = ((1, 9, 1), (6, 4, _KEEPALIVE_IDLE_S), (6, 5, 15), (6, 6, 4))

_STYLE: Final = (
    "body{margin:0;min-height:100vh;display:grid;place-content:center;padding:1.5rem;box-sizing:border-box;"
    "background:#eff3f1;color:#10211c;font:400 1rem/1.55 system-ui,sans-serif}"
    "h1,p{max-width:36rem;margin:0 0 1rem;overflow-wrap:anywhere}"
    "@media(prefers-color-scheme:dark){body{background:#0a1310;color:#e4efea}}"
)
_HTML: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
    "<title>Not available now</title><h1>Not available now</h1>"
    "<p>Watchword could not decide about this request, or the application did not answer in time. "
    "Nothing is let through unverified. Please try again in a moment.</p><p>Reference: %REQ(X-REQUEST-ID)%</p></html>"
)


def listeners(
    edge: EdgeSettings,
    applications: Sequence[PublishedApplication],
    files: EdgeFiles,
    apis: Sequence[PublishedApi] = (),
) -> list[Json]:
    """Return the TLS listener, the one behind load balancers, the one that redirects, those of APIs; as configured."""
    result = [_direct_listener(edge, applications, files)]
    if edge.proxy_protocol_address is not None:
        result.append(_proxied_listener(edge.proxy_protocol_address, edge, applications, files))
    if edge.redirect_address is not None:
        result.append(_redirect_listener(edge.redirect_address, edge, applications))
    return [*result, *(_api_listener(api, edge, files) for api in apis)]


def _direct_listener(edge: EdgeSettings, applications: Sequence[PublishedApplication], files: EdgeFiles) -> Json:
    chain = _tls_chain("tls", edge, applications, files, hops=edge.trusted_proxies)
    return _listener("tls", edge.listen_address, chain)


def _proxied_listener(
    address: TcpAddress, edge: EdgeSettings, applications: Sequence[PublishedApplication], files: EdgeFiles
) -> Json:
    chain = _tls_chain("proxied", edge, applications, files, hops=())
    # Prevents: anyone who reaches this port from choosing the address that the decision is made about.
    chain["filters"].insert(0, _only_from(edge.trusted_proxies or _LOOPBACK))
    proxy = extension("extensions.filters.listener.proxy_protocol.v3.ProxyProtocol")
    return _listener("proxied", address, chain) | {
        "listener_filters": [{"name": "envoy.filters.listener.proxy_protocol", "typed_config": proxy}],
        "listener_filters_timeout": "5s",
    }


def _tls_chain(
    name: str,
    edge: EdgeSettings,
    applications: Sequence[PublishedApplication],
    files: EdgeFiles,
    *,
    hops: Sequence[str],
) -> Json:
    manager = _manager(name, virtual_hosts(edge, applications)) | {
        "http_filters": http_filters(edge, applications, files),
        "early_header_mutation_extensions": [_early_mutation(applications, keep_forwarded_for=bool(hops))],
        "local_reply_config": _local_replies(),
        **_client_address(hops),
        **({"access_log": _access_log(files)} if edge.access_log else {}),
    }
    return {
        "filters": [_network_filter(manager)],
        "transport_socket": _tls(files),
        "transport_socket_connect_timeout": "10s",
    }


def _redirect_listener(address: TcpAddress, edge: EdgeSettings, applications: Sequence[PublishedApplication]) -> Json:
    manager = _manager("redirect", redirecting_hosts(edge, applications)) | {"http_filters": [ROUTER]}
    return _listener("redirect", address, {"filters": [_network_filter(manager)]})


def _api_listener(api: PublishedApi, edge: EdgeSettings, files: EdgeFiles) -> Json:
    """Return a listener for programs; what they call their request by is theirs and comes back as they sent it."""
    removed = remove_on_match(removed_headers((), keep_request_id=True))
    manager = _manager(api.name, api_hosts(edge, api)) | {
        "http_filters": api_filters(),
        "early_header_mutation_extensions": [_mutation(removed)],
        "local_reply_config": _local_replies(),
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,  # on Envoy's own answers as well
        # Envoy would write into identifiers that happen to be UUIDs.
        "request_id_extension": {
            "typed_config": extension("extensions.request_id.uuid.v3.UuidRequestIdConfig", pack_trace_reason=False)
        },
        **({"access_log": _access_log(files)} if edge.access_log else {}),
    }
    chain = {
        "filters": [_network_filter(manager)],
        "transport_socket": _tls(files),
        "transport_socket_connect_timeout": "10s",
    }
    return _listener(api.name, api.address, chain)


def _listener(name: str, address: TcpAddress, chain: Json) -> Json:
    return {
        "name": name,
        "address": {"socket_address": {"address": address.host, "port_value": address.port}},
        "enable_reuse_port": False,  # Prevents: another process of this user taking a share of the connections.
        "connection_balance_config": {"exact_balance": {}},
        "per_connection_buffer_limit_bytes": 256 * 1024,
        "socket_options": [
            {"level": level, "name": option, "int_value": value, "state": "STATE_LISTENING"}
            for level, option, value in _KEEPALIVE
        ],
        "filter_chains": [chain],
    }


def _network_filter(manager: Json) -> Json:
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _manager(name: str, hosts: list[Json]) -> Json:
    """Return how HTTP is read; every limit here ends a request before a filter sees it."""
    return extension(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        codec_type="AUTO",
        server_name="watchword",
        server_header_transformation="OVERWRITE",
        route_config={"name": name, "virtual_hosts": hosts, "ignore_port_in_host_matching": True},
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        common_http_protocol_options={
            "idle_timeout": "300s",
            "max_headers_count": _HEADERS_COUNT,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        http2_protocol_options={
            "max_concurrent_streams": 128,
            "initial_stream_window_size": 256 * 1024,
            "initial_connection_window_size": 1024 * 1024,
            "connection_keepalive": {"interval": "30s", "timeout": "10s"},
        },
        max_request_headers_kb=_HEADERS_KIB,
        request_headers_timeout="10s",
        stream_idle_timeout="60s",
        delayed_close_timeout="0.05s",  # a stream that was cut is gone from the client's side as quickly
        upgrade_configs=[{"upgrade_type": "websocket", "enabled": False}],
        use_remote_address=True,
        internal_address_config={"cidr_ranges": []},  # Prevents: private addresses counting as trusted.
        forward_client_cert_details="SANITIZE",
    )


def _client_address(trusted: Sequence[str]) -> Json:
    """Believe the connection; with trusted hops, the last address of X-Forwarded-For that is none of theirs."""
    if not trusted:
        return {}
    cidrs = [_cidr(network) for network in trusted]
    detection = extension(
        "extensions.http.original_ip_detection.xff.v3.XffConfig",
        xff_trusted_cidrs={"cidrs": cidrs},
        skip_xff_append=True,
    )
    return {
        "use_remote_address": False,
        "original_ip_detection_extensions": [
            {"name": "envoy.http.original_ip_detection.xff", "typed_config": detection},
        ],
    }


def _early_mutation(applications: Sequence[PublishedApplication], *, keep_forwarded_for: bool) -> Json:
    identity = [header for application in applications for header in application.identity_headers]
    return _mutation(remove_on_match(removed_headers(identity, keep_forwarded_for=keep_forwarded_for)))


def _mutation(*mutations: Json) -> Json:
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": extension(
            "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", mutations=list(mutations)
        ),
    }


def _tls(files: EdgeFiles) -> Json:
    secret = {
        "name": "edge",
        "sds_config": {
            "path_config_source": {
                "path": str(files.certificate_secret_file),
                "watched_directory": {"path": str(files.run_directory)},
            },
            "resource_api_version": "V3",
        },
    }
    parameters = {
        "tls_minimum_protocol_version": "TLSv1_2",
        "tls_maximum_protocol_version": "TLSv1_3",
        "cipher_suites": list(_CIPHERS),
        "ecdh_curves": list(_GROUPS),
    }
    context = extension(
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "tls_params": parameters,
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": [secret],
        },
    )
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _only_from(networks: Sequence[str]) -> Json:
    principals = [{"direct_remote_ip": _cidr(network)} for network in networks]
    rules = {"action": "ALLOW", "policies": {"hops": {"permissions": [{"any": True}], "principals": principals}}}
    rbac = extension("extensions.filters.network.rbac.v3.RBAC", stat_prefix="hops", rules=rules)
    return {"name": "envoy.filters.network.rbac", "typed_config": rbac}


def _cidr(network: str) -> Json:
    parsed = ipaddress.ip_network(network)
    return {"address_prefix": str(parsed.network_address), "prefix_len": parsed.prefixlen}


def _local_replies() -> Json:
    """Give Envoy's own failures a page or a problem document; refusals of the authorizer are never 5xx."""
    failed = {
        "status_code_filter": {
            "comparison": {"op": "GE", "value": {"default_value": 500, "runtime_key": "watchword.local_reply_from"}}
        }
    }
    asks_html = {"header_filter": {"header": {"name": "accept", "string_match": {"contains": "text/html"}}}}
    problem = {"type": "about:blank", "title": "not available now", "status": "%RESPONSE_CODE%"}
    problem["instance"] = "urn:uuid:%REQ(X-REQUEST-ID)%"
    return {
        "mappers": [
            {
                "filter": {"and_filter": {"filters": [failed, asks_html]}},
                "body_format_override": {
                    "text_format_source": {"inline_string": _HTML},
                    "content_type": "text/html; charset=utf-8",
                },
            },
            {
                "filter": failed,
                "body_format_override": {"json_format": problem, "content_type": "application/problem+json"},
            },
        ]
    }


def _access_log(files: EdgeFiles) -> list[Json]:
    """Write what happened without query strings, which may hold codes and tokens, and without invitations."""
    invites = {
        "name": ":path",
        "string_match": {"prefix": _INVITATIONS, "ignore_case": True},
        "treat_missing_header_as_empty": True,
    }
    # Prevents: whoever may read logs accepting an invitation that was opened and not used yet.
    return [
        _access_log_of(files, "%PATH(NQ:PATH)%", invites | {"invert_match": True}),
        _access_log_of(files, f"{_INVITATIONS}...", invites),
    ]


def _access_log_of(files: EdgeFiles, path: str, header: Json) -> Json:
    fields = {
        "at": "%START_TIME%",
        "method": "%REQ(:METHOD)%",
        "host": "%REQ(:AUTHORITY)%",
        "path": path,
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "duration_ms": "%DURATION%",
        "decision": "%REQ(X-WATCHWORD-DECISION)%",
        "request": "%REQ(X-REQUEST-ID)%",
    }
    file = extension(
        "extensions.access_loggers.file.v3.FileAccessLog",
        path=str(files.access_log),
        log_format={"json_format": fields},
    )
    return {
        "name": "envoy.access_loggers.file",
        "filter": {"header_filter": {"header": header}},
        "typed_config": file,
    }
