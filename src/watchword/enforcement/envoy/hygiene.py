"""What no client may say: header names that are removed before anything reads them, and paths that are refused.

An upstream, a framework or the authorizer might believe any of these headers. Advisories against several access
proxies came from one such name left through, or from a path that two parties read differently, so names are matched
by family, and a doubtful path is refused instead of repaired.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

Json = dict[str, Any]

_REQUEST_ID: Final = "x-request-id"
# Families: everything that begins so.
_PREFIXES: Final = (
    "x-watchword-",  # our own vocabulary, towards the authorizer and the application
    "x-forwarded-",  # where the client pretends to come from
    "x-original-",  # x-original-url, -uri, -method, -host: what it pretends to ask for
    "x-rewrite-",
    "x-envoy-",  # would steer the proxy itself: timeouts, retries, internal addresses
    "x-auth-request-",  # identities that other access proxies vouch for
    "x-authenticated-",
    "x-remote-",
    "x-user",
    "x-webauth-",
    "x-goog-",
    "x-amzn-oidc-",
    "cf-",
    "remote-",
    "x-client-cert",
    "client-cert",
    "x-ssl-",
    "ssl-client-",
)
_NAMES: Final = (
    "forwarded",
    "x-forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "fastly-client-ip",
    "x-azure-clientip",
    "x-host",
    _REQUEST_ID,  # ours is written to logs; a client does not choose it
    "x-http-method",  # the decision is about the method on the request line
    "x-http-method-override",
    "x-method-override",
    "proxy",  # httpoxy: becomes HTTP_PROXY in CGI
    "proxy-authorization",
)
_FORWARDED_FOR: Final = "x-forwarded-for"
# `x-forwarded-` followed by anything but exactly `for`; RE2 knows no look-ahead.
_FORWARDED_OTHERS: Final = "x-forwarded-(?:|f|fo|[^f].*|f[^o].*|fo[^r].*|for.+)"

# A whole path (no query) that is refused: encoded control characters, encoded bytes that are never UTF-8 (overlong
# forms of `/` and `.` begin with C0, C1, E0 80..9F or F0 80..8F; RFC 3629 section 4), percent signs that encode
# nothing, and twice-encoded separators.
_REFUSED_ESCAPES: Final = (
    "%(?:[01][0-9A-Fa-f]|7[Ff]|[Cc][01]|[Ee]0%[89]|[Ff]0%8|[Ff][5-9A-Fa-f]"
    "|[^0-9A-Fa-f]|[0-9A-Fa-f][^0-9A-Fa-f]|[0-9A-Fa-f]?$"
    "|25(?:2[EeFf5]|5[Cc]|00|3[Bb]))"
)
_PARAMETERS: Final = "|;|%3[Bb]"


def removed_headers(
    identity_headers: Iterable[str], *, keep_forwarded_for: bool = False, keep_request_id: bool = False
) -> str:
    """Return one regular expression (RE2, whole lower-case name) for every header a client may not send.

    Args:
        identity_headers: names that applications believe; configured ones are never taken from a client.
        keep_forwarded_for: leave X-Forwarded-For for the detection of trusted hops, which reads it once; it is
            overwritten afterwards.
        keep_request_id: leave X-Request-ID, for APIs whose callers choose it and get it back.
    """
    kept = {_FORWARDED_FOR, *([_REQUEST_ID] if keep_request_id else [])}
    names = sorted({*_NAMES, *identity_headers} - kept)
    prefixes = [p for p in _PREFIXES if not (keep_forwarded_for and p == "x-forwarded-")]
    forwarded = [_FORWARDED_OTHERS] if keep_forwarded_for else []
    return "|".join([f"(?:{'|'.join(map(re.escape, prefixes))}).*", *map(re.escape, names), *forwarded])


def refused_path(*, allows_parameters: bool) -> str:
    """Return one regular expression (RE2, whole path without query) for paths that no upstream shall see."""
    return f".*(?:{_REFUSED_ESCAPES}{'' if allows_parameters else _PARAMETERS}).*"


def remove_on_match(expression: str) -> Json:
    """Render the removal of every header whose name matches the whole expression."""
    return {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": expression}}}}


def overwrite(name: str, value: str) -> Json:
    """Render a header with exactly one value, whatever was there before."""
    return {
        "append": {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
    }
