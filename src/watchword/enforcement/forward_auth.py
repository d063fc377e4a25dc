"""The door for other proxies: forward auth as nginx, Traefik and Caddy ask it.

The proxy describes the original request in headers. Those headers are worth something only if the proxy itself sent
them, so a request is believed only from configured networks, and only when the description is whole and plain.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from watchword.enforcement.answers import HttpAnswer
from watchword.enforcement.door import Door, join_headers
from watchword.enforcement.ext_authz import CLIENT_IP_HEADER

_METHOD: Final = re.compile(r"[A-Z]{1,16}")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?")
# Visible ASCII without `#`. Prevents: bytes that one parser drops and another keeps.
_TARGET: Final = re.compile(r"/[!\"$-~]{0,8191}")
_URL: Final = re.compile(r"https?://([^/?#@\s]+)(/.*)?")
# Dot segments, doubled slashes, parameters, backslashes; escapes of what changes a path's structure, and of letters,
# digits and `-._~`, which nobody needs to escape and every upstream decodes (RFC 3986 section 6.2.2.2).
# Prevents: a path that this door, a policy about paths and the upstream read in three ways.
_AMBIGUOUS: Final = re.compile(
    r"//|/\.{1,2}(?:/|$)|[;\\]|%(?:2[ef5d3]|5[cf]|3b|[01]|7[ef]|3[0-9]|[46][1-9a-f]|[57][0-9a])|%(?![0-9a-f]{2})",
    re.IGNORECASE,
)
# Headers that change what an upstream takes the request for, or that speak in our name. The proxy passes the client's
# own headers here as it passes them to the upstream, so a request with one of them is refused.
# Prevents: a `GET` that was allowed and is served as a `DELETE`; an assertion of the client's own making.
_OVERRIDES: Final = frozenset(
    {
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-uri",
        b"x-rewrite-url",
        b"x-rewrite-uri",
    }
)
_OURS: Final = b"x-watchword-"
_SESSION_PATHS: Final = "/.watchword/"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ForwardAuth:
    """Answer `/forward-auth` (Traefik, Caddy) and `/forward-auth/nginx`, and hand `/.watchword/` to the portal.

    nginx's `auth_request` understands only 2xx, 401 and 403; there a redirect is a 401 that carries its `Location`.

    Args:
        callback: the portal's application, which finishes a sign-in on the protected host.
        trusted: networks whose headers are believed.
        identity_headers: names that applications believe, in any case; a request that brings one is refused.
    """

    def __init__(
        self, door: Door, callback: ASGIApp, trusted: Sequence[Network], *, identity_headers: Iterable[str] = ()
    ) -> None:
        self._door = door
        self._callback = callback
        self._trusted = tuple(trusted)
        self._unsayable = _OVERRIDES.union(name.lower().encode() for name in identity_headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of a proxy."""
        if scope["type"] != "http":
            raise RuntimeError("this door speaks HTTP only")
        peer = scope["client"][0] if scope.get("client") else ""
        if not self._is_trusted(peer):
            await _send(send, _refused("this address is no configured proxy"))
            return
        headers = join_headers(scope["headers"])
        client_ip = _client_ip(headers)
        if client_ip is None:
            await _send(send, _refused("the proxy did not say where the request comes from"))
            return
        path: str = scope["path"]
        if path.startswith(_SESSION_PATHS):
            await self._callback(_as_edge(scope, client_ip), receive, send)
            return
        if path not in {"/forward-auth", "/forward-auth/nginx"}:
            await _send(send, HttpAnswer(404, (), b""))
            return
        is_nginx = path.endswith("/nginx")
        answer = await self._check(headers, client_ip, is_nginx=is_nginx)
        if is_nginx and answer.status not in {200, 401, 403}:
            answer = HttpAnswer(401 if answer.status == 302 else 403, answer.headers, answer.body)  # noqa: PLR2004  # RFC 9110
        await _send(send, answer)

    async def _check(self, headers: dict[bytes, bytes], client_ip: str, *, is_nginx: bool) -> HttpAnswer:
        if any(self._is_unsayable(name) for name in headers):
            return _refused("the request says what only the proxy may say")
        described = _describe_nginx(headers) if is_nginx else _describe(headers)
        if described is None:
            return _refused("the proxy did not describe the request")
        method, host, target = described
        path = target.partition("?")[0]
        plain = _METHOD.fullmatch(method) and _HOST.fullmatch(host) and _TARGET.fullmatch(target)
        if not plain or _AMBIGUOUS.search(path):
            return _refused("the request is ambiguous")
        return await self._door.answer(
            method=method, host=host.lower(), target=target, client_ip=client_ip, headers=headers
        )

    def _is_unsayable(self, name: bytes) -> bool:
        # Prevents: `X_Watchword_Assertion`, which the proxy does not know and a CGI-like upstream reads as its twin
        # with dashes. Envoy and nginx take no such names either.
        return name in self._unsayable or name.startswith(_OURS) or b"_" in name

    def _is_trusted(self, peer: str) -> bool:
        address = _address(peer)
        return address is not None and any(address in network for network in self._trusted)


def _refused(words: str) -> HttpAnswer:
    return HttpAnswer(403, ((b"content-type", b"text/plain"),), words.encode() + b"\n")


def _describe(headers: dict[bytes, bytes]) -> tuple[str, str, str] | None:
    """Read `X-Forwarded-Method`, `-Host`, `-Uri`, as Traefik and Caddy send them; each once."""
    if b"x-original-url" in headers:
        return None  # nobody but the client sent it, and some upstreams believe it
    names = (b"x-forwarded-method", b"x-forwarded-host", b"x-forwarded-uri")
    method, host, target = (headers.get(name, b"").decode("latin-1") for name in names)
    return (method, host, target) if method and host and target else None


def _describe_nginx(headers: dict[bytes, bytes]) -> tuple[str, str, str] | None:
    """Read `X-Original-Method` and `X-Original-URL`, as our nginx configuration sets them."""
    method = headers.get(b"x-original-method", b"").decode("latin-1")
    url = _URL.fullmatch(headers.get(b"x-original-url", b"").decode("latin-1"))
    return (method, url[1], url[2] or "/") if method and url else None


def _client_ip(headers: dict[bytes, bytes]) -> str | None:
    """Return the address the trusted proxy saw: the last hop of `X-Forwarded-For`, which the proxy itself appended.

    # Prevents: everybody counting as the proxy, or as whatever text a client made up, when the proxy says nothing.
    """
    last = headers.get(b"x-forwarded-for", b"").rpartition(b",")[2]
    address = _address(last.decode("latin-1").strip())
    return str(address) if address is not None else None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address; IPv4 inside IPv6, as a socket for both families reports it, is IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _as_edge(scope: Scope, client_ip: str) -> Scope:
    """Give the portal the one header it believes, as our own edge would set it."""
    headers = [(name, value) for name, value in scope["headers"] if not name.startswith(b"x-watchword-")]
    return {**scope, "headers": [*headers, (CLIENT_IP_HEADER, client_ip.encode("latin-1"))]}


async def _send(send: Send, answer: HttpAnswer) -> None:
    headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
