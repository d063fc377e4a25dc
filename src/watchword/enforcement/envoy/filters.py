"""The HTTP filters of every request, in order: hygiene, leases, authorization, answers, kill handle, limit, router."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from watchword.enforcement.bodies import FILTER_HEADER
from watchword.enforcement.envoy.hygiene import overwrite, remove_on_match
from watchword.enforcement.envoy.leasing import LEASES, lease_script, unless_leased
from watchword.enforcement.envoy.model import EdgeFiles, EdgeSettings, PublishedApplication
from watchword.enforcement.leases import LEASE_HEADER

Json = dict[str, Any]

AUTHZ_CLUSTER: Final = "watchword_authz"
WEB_CLUSTER: Final = "watchword_web"
GUARD_CLUSTER: Final = "watchword_guard"
BODIES_CLUSTER: Final = "watchword_bodies"

HYGIENE: Final = "watchword.hygiene"
EXT_AUTHZ: Final = "envoy.filters.http.ext_authz"
EXT_PROC: Final = "envoy.filters.http.ext_proc"
BODIES: Final = "watchword.bodies"
BUFFER: Final = "envoy.filters.http.buffer"

AUTHZ_PREFIX: Final = "/authz"
DECISION_HEADER: Final = "x-watchword-decision"
SESSION_HEADER: Final = "x-watchword-session"
CLIENT_IP_HEADER: Final = "x-watchword-client-ip"
APPLICATION_HEADER: Final = "x-watchword-application"
STREAM_HEADER: Final = "x-watchword-stream"

_CLIENT_IP: Final = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
_TO_AUTHORIZER: Final = (
    "accept",
    "accept-language",
    "authorization",
    "content-type",
    "cookie",
    "dpop",
    "origin",
    "upgrade",
    "user-agent",
    "x-request-id",
    CLIENT_IP_HEADER,
    APPLICATION_HEADER,
    STREAM_HEADER,
)


def extension(message: str, **fields: Any) -> Json:
    """Render a typed extension configuration; `message` is the protobuf name below `envoy.`."""
    return {"@type": f"type.googleapis.com/envoy.{message}", **fields}


ROUTER: Final[Json] = {
    "name": "envoy.filters.http.router",
    "typed_config": extension("extensions.filters.http.router.v3.Router", suppress_envoy_headers=True),
}


def http_filters(edge: EdgeSettings, applications: Sequence[PublishedApplication], files: EdgeFiles) -> list[Json]:
    """Return the chain.

    Leases, the kill handle and the body limit are off unless a route turns them on. The filter of answers is passed
    over unless the authorizer named rules, so that it costs other requests one look for a header.
    """
    return [
        {"name": HYGIENE, "typed_config": _hygiene()},
        *([{"name": LEASES, "disabled": True, "typed_config": _leases(files)}] if edge.lease_s else []),
        {"name": EXT_AUTHZ, "typed_config": _ext_authz(edge, applications)},
        {"name": BODIES, "typed_config": _only_with_rules(_bodies())},
        {"name": EXT_PROC, "disabled": True, "typed_config": _ext_proc()},
        {"name": BUFFER, "disabled": True, "typed_config": extension(_BUFFER, max_request_bytes=1)},
        ROUTER,
    ]


def api_filters() -> list[Json]:
    """Return the chain of an API's own listener: its callers are nobody's session, so no authorizer is asked."""
    chain = {"name": BUFFER, "disabled": True, "typed_config": extension(_BUFFER, max_request_bytes=1)}
    return [chain, ROUTER]


_BUFFER: Final = "extensions.filters.http.buffer.v3.Buffer"
_MUTATION: Final = "extensions.filters.http.header_mutation.v3"


def mutations_per_route(*, request: Sequence[Json], response: Sequence[Json] = ()) -> Json:
    """Render what one virtual host or route adds to the hygiene of all."""
    mutations = {"request_mutations": list(request), "response_mutations": list(response)}
    return {HYGIENE: extension(f"{_MUTATION}.HeaderMutationPerRoute", mutations=mutations)}


def without_authorization() -> Json:
    """Render a route that never asks the authorizer."""
    return {EXT_AUTHZ: extension("extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", disabled=True)}


def with_leases() -> Json:
    """Render a route whose requests may be let in by a lease."""
    return {LEASES: extension("config.route.v3.FilterConfig", config={})}


def with_kill_handle() -> Json:
    """Render a route whose streams are held by the guard."""
    overrides: Json = {"overrides": {}}
    return {EXT_PROC: extension("extensions.filters.http.ext_proc.v3.ExtProcPerRoute", **overrides)}


def with_body_limit(max_bytes: int) -> Json:
    """Render a route that reads a body of undeclared length before it forwards, so that the limit holds."""
    limit = {"max_request_bytes": max_bytes}
    return {BUFFER: extension("extensions.filters.http.buffer.v3.BufferPerRoute", buffer=limit)}


def _hygiene() -> Json:
    """Say the truth about the connection, after early mutation removed what the client said about it."""
    mutations = {
        "request_mutations": [
            remove_on_match("x-envoy-.*"),
            overwrite(CLIENT_IP_HEADER, _CLIENT_IP),
            overwrite("x-forwarded-for", _CLIENT_IP),
            overwrite("x-forwarded-proto", "https"),
            overwrite("x-forwarded-host", "%REQ(:AUTHORITY)%"),
        ],
        # Prevents: an application that speaks in our name to the browser or to a proxy before us.
        "response_mutations": [remove_on_match("x-watchword-.*|x-envoy-.*|x-powered-by")],
    }
    return extension(f"{_MUTATION}.HeaderMutation", mutations=mutations)


def _leases(files: EdgeFiles) -> Json:
    return extension(
        "extensions.filters.http.lua.v3.Lua",
        default_source_code={"inline_string": lease_script(files)},
        clear_route_cache=False,  # as below; Envoy would look for the route again, with the headers of the lease
    )


def _ext_authz(edge: EdgeSettings, applications: Sequence[PublishedApplication]) -> Json:
    identity = sorted({header for application in applications for header in application.identity_headers})
    upstream = [{"prefix": "x-watchword-"}, {"exact": "cookie"}, {"exact": "authorization"}, *_exact(identity)]
    return extension(
        "extensions.filters.http.ext_authz.v3.ExtAuthz",
        http_service={
            "server_uri": {
                "uri": "http://authz",
                "cluster": AUTHZ_CLUSTER,
                "timeout": _seconds(edge.authorizer_timeout_s),
            },
            "path_prefix": AUTHZ_PREFIX,
            "authorization_response": {
                "allowed_upstream_headers": {"patterns": upstream},
                "allowed_client_headers_on_success": {"patterns": [{"exact": "set-cookie"}]},
                "dynamic_metadata_from_headers": {"patterns": [{"exact": LEASE_HEADER}]},
            },
        },
        allowed_headers={"patterns": [*_exact(_TO_AUTHORIZER), {"prefix": "sec-fetch-"}]},
        failure_mode_allow=False,  # Prevents: access while the control plane is gone.
        **({"filter_enabled_metadata": unless_leased()} if edge.lease_s else {}),
        status_on_error={"code": "ServiceUnavailable"},
        clear_route_cache=False,  # Prevents: a route (and its limits) chosen again after the decision was made.
        validate_mutations=True,
    )


def _ext_proc() -> Json:
    """Hold one gRPC stream for the life of each HTTP stream, without touching a byte of it."""
    return extension(
        "extensions.filters.http.ext_proc.v3.ExternalProcessor",
        grpc_service={"envoy_grpc": {"cluster_name": GUARD_CLUSTER}},
        failure_mode_allow=False,  # Prevents: a stream that outlives the process able to cut it.
        processing_mode={
            "request_header_mode": "SEND",
            "response_header_mode": "SKIP",
            "request_body_mode": "NONE",
            "response_body_mode": "NONE",
            "request_trailer_mode": "SKIP",
            "response_trailer_mode": "SEND",  # what keeps the gRPC stream open until the response ends
        },
        message_timeout="2s",  # runs only while an answer is owed: to the request headers, then never again
        mutation_rules={"disallow_all": True},
        forward_rules={"allowed_headers": {"patterns": _exact((DECISION_HEADER, SESSION_HEADER))}},
        status_on_error={"code": "ServiceUnavailable"},
    )


def _bodies() -> Json:
    """Send heads and bodies through the control plane, which holds back what it reads and withholds what it must."""
    return extension(
        "extensions.filters.http.ext_proc.v3.ExternalProcessor",
        grpc_service={"envoy_grpc": {"cluster_name": BODIES_CLUSTER}},
        failure_mode_allow=False,  # Prevents: an answer in full while the control plane is gone.
        processing_mode={
            "request_header_mode": "SEND",
            "response_header_mode": "SEND",
            # Envoy holds nothing back and stops the sender when the control plane is slow (docs/adr/0058).
            "request_body_mode": "FULL_DUPLEX_STREAMED",
            "response_body_mode": "FULL_DUPLEX_STREAMED",
            "request_trailer_mode": "SEND",
            "response_trailer_mode": "SEND",  # to take them out
        },
        allow_mode_override=False,
        message_timeout="5s",  # a large body takes a tenth of a second; a stuck control plane takes no answer along
        # Anything but what decides where a message goes. Trailers have names of any kind, and all are taken out.
        mutation_rules={"disallow_system": True},
        status_on_error={"code": "ServiceUnavailable"},
    )


def _only_with_rules(filter_config: Json) -> Json:
    """Put a filter in place when the authorizer's header is there. Clients cannot send it: hygiene came before.

    A filter that is merely skipped still sees the answer to a request that ended before its turn, such as a denial of
    the authorizer (seen with Envoy 1.40); one that was never put in place does not.
    """
    named = {
        "input": {
            "name": "rules",
            "typed_config": extension("type.matcher.v3.HttpRequestHeaderMatchInput", header_name=FILTER_HEADER),
        },
        "value_match": {"safe_regex": {"google_re2": {}, "regex": ".*"}},
    }
    composite = "extensions.filters.http.composite.v3"
    execute = extension(
        f"{composite}.ExecuteFilterAction", typed_config={"name": EXT_PROC, "typed_config": filter_config}
    )
    matcher = {
        "predicate": {"single_predicate": named},
        "on_match": {"action": {"name": "reduce", "typed_config": execute}},
    }
    return extension(
        "extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config={
            "name": "envoy.filters.http.composite",
            "typed_config": extension(f"{composite}.Composite"),
        },
        xds_matcher={"matcher_list": {"matchers": [matcher]}},
    )


def _exact(names: Sequence[str]) -> list[Json]:
    return [{"exact": name} for name in names]


def _seconds(value: float) -> str:
    return f"{value:g}s"
