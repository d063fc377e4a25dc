"""Which host and path goes where, and under which limits.

The routes of one application, first match wins:

1. a host or a path that two parties might read differently: 400, nobody is asked
2. `/.watchword/`: Watchword's own pages on the application's host, no authorization
3. a declared body longer than the limit: 413, nobody is asked
4. WebSocket upgrades, streaming paths, event streams: no timeout, a kill handle
5. everything else: the whole exchange ends after `response_timeout_s`

A declared body is forwarded as it arrives. A body of undeclared length (chunked, or HTTP/2 without content-length) has
no limit that Envoy could hold without reading it, so it is read, after authorization, before it is forwarded, up to
256 KiB; a longer one ends with 413, or with 408 if more than that had come before the authorizer answered (Envoy 1.40
then stops reading and does not start again; docs/adr/0031). Streaming paths and WebSockets never wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from watchword.enforcement.envoy.filters import (
    APPLICATION_HEADER,
    BUFFER,
    STREAM_HEADER,
    WEB_CLUSTER,
    mutations_per_route,
    with_body_limit,
    with_kill_handle,
    with_leases,
    without_authorization,
)
from watchword.enforcement.envoy.hygiene import overwrite, refused_path
from watchword.enforcement.envoy.model import EdgeSettings, PublishedApi, PublishedApplication

Json = dict[str, Any]

_OWN_PREFIX: Final = "/.watchword/"
_LENGTH_END: Final = 2**63 - 1
_UNDECLARED_MAX: Final = 256 * 1024
# Envoy itself matches `notes.localhost:80@evil.example` to notes.localhost.
_AUTHORITY: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
_PORTAL_BODY_MAX: Final = 1024 * 1024
_PORTAL_TIMEOUT_S: Final = 30.0
_LOCAL_SUFFIX: Final = ".localhost"

_WEBSOCKET: Final[list[Json]] = [
    {"name": ":method", "string_match": {"exact": "GET"}},
    {"name": "upgrade", "string_match": {"exact": "websocket", "ignore_case": True}},
]
_EVENT_STREAM: Final[list[Json]] = [
    {"name": "accept", "string_match": {"contains": "text/event-stream", "ignore_case": True}}
]
_DECLARED: Final[list[Json]] = [{"name": "content-length", "present_match": True}]


def virtual_hosts(edge: EdgeSettings, applications: Sequence[PublishedApplication]) -> list[Json]:
    """Return the portal, one virtual host an application, and the refusal of every other host."""
    return [
        _portal(edge),
        *(_application(edge, application) for application in applications if application.hosts),
        _unknown(),
    ]


def api_hosts(edge: EdgeSettings, api: PublishedApi) -> list[Json]:
    """Return what an API's own listener does: pass bounded calls on under the portal's host, refuse every other."""
    routes = [
        *_refusals(allows_parameters=False),
        _too_long("/", api.max_body_bytes),
        *_bounded("/", api_cluster(api), api.response_timeout_s, api.max_body_bytes),
    ]
    hosts = [{"name": api.name, "domains": [edge.host], "routes": routes}, _unknown()]
    return [_without_filters(host, keep=(BUFFER,)) for host in hosts]


def api_cluster(api: PublishedApi) -> str:
    """Return the name of an API's cluster."""
    return f"api_{api.name}"


def redirecting_hosts(edge: EdgeSettings, applications: Sequence[PublishedApplication]) -> list[Json]:
    """Return what the plain listener does: send known hosts to HTTPS, refuse the others."""
    hosts = [edge.host, *(host for application in applications for host in application.hosts)]
    redirect = {
        "https_redirect": True,
        "port_redirect": edge.browser_port,
        "response_code": "PERMANENT_REDIRECT",
    }
    routes = [_odd_authority(), {"match": {"prefix": "/"}, "redirect": redirect}]
    return [_without_filters(host) for host in ({"name": "redirect", "domains": hosts, "routes": routes}, _unknown())]


def _without_filters(host: Json, *, keep: Sequence[str] = ()) -> Json:
    """Drop the settings of filters that a listener does not have."""
    setting = "typed_per_filter_config"

    def without(part: Json) -> Json:
        kept = {name: value for name, value in part.get(setting, {}).items() if name in keep}
        rest = {key: value for key, value in part.items() if key != setting}
        return rest | ({setting: kept} if kept else {})

    return without(host) | {"routes": [without(route) for route in host["routes"]]}


def cluster_of(application: PublishedApplication) -> str:
    """Return the name of an application's cluster."""
    return f"application_{application.name}"


def _portal(edge: EdgeSettings) -> Json:
    routes = [
        *_refusals(allows_parameters=False),
        _too_long("/", _PORTAL_BODY_MAX),
        _route(
            "/",
            _EVENT_STREAM,
            _to(WEB_CLUSTER, idle_s=edge.streaming_idle_timeout_s),
            _with_undeclared_limit(_PORTAL_BODY_MAX),
        ),
        *_bounded("/", WEB_CLUSTER, _PORTAL_TIMEOUT_S, _PORTAL_BODY_MAX),
    ]
    return {
        "name": "portal",
        "domains": [edge.host],
        "routes": routes,
        "typed_per_filter_config": without_authorization() | _own(edge, [edge.host], "portal"),
    }


def _application(edge: EdgeSettings, application: PublishedApplication) -> Json:
    cluster, limit = cluster_of(application), application.max_body_bytes
    streaming = _to(cluster, idle_s=edge.streaming_idle_timeout_s)
    upgrading = streaming | {"upgrade_configs": [{"upgrade_type": "websocket", "enabled": True}]}
    held = with_kill_handle() | mutations_per_route(request=[overwrite(STREAM_HEADER, "1")])
    routes = [
        *_refusals(allows_parameters=application.allows_path_parameters),
        *(_own_route(route) for route in _bounded(_OWN_PREFIX, WEB_CLUSTER, _PORTAL_TIMEOUT_S, _PORTAL_BODY_MAX)),
        _too_long("/", limit),
        _route("/", _WEBSOCKET, upgrading, held),
        *(_route(prefix, [], streaming, held, by_segment=True) for prefix in application.streaming),
        _route("/", [*_EVENT_STREAM, *_DECLARED], streaming, held),
        _route("/", _EVENT_STREAM, streaming, held | _with_undeclared_limit(limit)),
        *(_leased_route(edge, route) for route in _bounded("/", cluster, application.response_timeout_s, limit)),
    ]
    return {
        "name": application.name,
        "domains": list(application.hosts),
        "routes": routes,
        "typed_per_filter_config": _own(edge, application.hosts, application.name),
    }


def _own(edge: EdgeSettings, hosts: Sequence[str], name: str) -> Json:
    """Tell the authorizer which application Envoy routes to, and browsers to stay on HTTPS.

    Hosts under `.localhost` get no HSTS: other programs of a developer's machine share them, and a browser that
    remembers it after the local CA was replaced cannot be talked out of it.
    """
    response = []
    if edge.hsts_s and not all(host.endswith(_LOCAL_SUFFIX) or host == "localhost" for host in hosts):
        response = [overwrite("strict-transport-security", f"max-age={edge.hsts_s}")]
    return mutations_per_route(request=[overwrite(APPLICATION_HEADER, name)], response=response)


def _unknown() -> Json:
    """Refuse every host that nobody configured, without asking anybody."""
    return {
        "name": "unknown",
        "domains": ["*"],
        "routes": [_refuse({"prefix": "/"}, 404, "no application is published under this address")],
        "typed_per_filter_config": without_authorization(),
    }


def _bounded(prefix: str, cluster: str, timeout_s: float, limit: int) -> list[Json]:
    """Route ordinary requests; both ends of the exchange are bounded by one span from its first byte."""
    action = _to(cluster, timeout_s=timeout_s)
    return [_route(prefix, _DECLARED, action, {}), _route(prefix, [], action, _with_undeclared_limit(limit))]


def _with_undeclared_limit(limit: int) -> Json:
    return with_body_limit(min(limit, _UNDECLARED_MAX))


def _own_route(route: Json) -> Json:
    return route | {"typed_per_filter_config": route.get("typed_per_filter_config", {}) | without_authorization()}


def _leased_route(edge: EdgeSettings, route: Json) -> Json:
    return (
        route | {"typed_per_filter_config": route.get("typed_per_filter_config", {}) | with_leases()}
        if edge.lease_s
        else route
    )


def _route(prefix: str, headers: Sequence[Json], action: Json, filters: Json, *, by_segment: bool = False) -> Json:
    match: Json = {"prefix": prefix}
    if by_segment and not prefix.endswith("/"):
        match = {"path_separated_prefix": prefix}
    if headers:
        match["headers"] = list(headers)
    route: Json = {"match": match, "route": action}
    return route | {"typed_per_filter_config": filters} if filters else route


def _to(cluster: str, *, timeout_s: float | None = None, idle_s: float | None = None) -> Json:
    if timeout_s is None:
        return {
            "cluster": cluster,
            "timeout": "0s",
            "idle_timeout": f"{idle_s:g}s",
            "max_stream_duration": {"max_stream_duration": "0s"},
        }
    span = f"{timeout_s:g}s"
    return {"cluster": cluster, "timeout": span, "max_stream_duration": {"max_stream_duration": span}}


def _too_long(prefix: str, limit: int) -> Json:
    length = {"name": "content-length", "range_match": {"start": limit + 1, "end": _LENGTH_END}}
    return _refuse({"prefix": prefix, "headers": [length]}, 413, "the request body is too long")


def _refusals(*, allows_parameters: bool) -> list[Json]:
    path = {"safe_regex": {"regex": refused_path(allows_parameters=allows_parameters)}}
    return [_odd_authority(), _refuse(path, 400, "the path is not well formed")]


def _odd_authority() -> Json:
    """Refuse hosts that an address built from them would take elsewhere.

    # Prevents: an open redirect through user information in the host header.
    """
    header = {"name": ":authority", "string_match": {"safe_regex": {"regex": _AUTHORITY}}, "invert_match": True}
    return _refuse({"prefix": "/", "headers": [header]}, 400, "the host is not well formed")


def _refuse(match: Json, status: int, words: str) -> Json:
    """Answer at the edge; the authorizer is not asked about what cannot be allowed."""
    return {
        "match": match,
        "direct_response": {"status": status, "body": {"inline_string": f"{words}\n"}},
        "typed_per_filter_config": without_authorization(),
    }
