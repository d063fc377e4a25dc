"""The door for other proxies: forward auth as nginx, Traefik and Caddy ask it.

The proxy describes the original request in headers. Those headers are worth something only if the proxy itself sent
them, so a request is believed only from configured networks, and only when the description is whole and plain.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from watchword.enforcement.answers import HttpAnswer
from watchword.enforcement.door import Door, join_headers
from watchword.enforcement.ext_authz import CLIENT_IP_HEADER

_METHOD: Final = re.compile(r"[A-Z]{1,16}")
# Dot segments, doubled slashes, parameters, backslashes, and escapes of characters that change a path's structure.
# Prevents: a path that this door reads one way and the upstream another.
_AMBIGUOUS: Final = re.compile(r"//|/\.{1,2}(?:/|$)|[;\\#\x00-\x20\x7f]|%(?:2[ef]|5c|3b|00|23|25)", re.IGNORECASE)
_MAX_TARGET: Final = 8192

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ForwardAuth:
    """Answer `/forward-auth` (Traefik, Caddy) and `/forward-auth/nginx`, and hand `/.watchword/` to the portal.

    nginx's `auth_request` understands only 2xx, 401 and 403; there a redirect is a 401 that carries its `Location`.

    Args:
        callback: the portal's application, which finishes a sign-in on the protected host.
        trusted: networks whose headers are believed.
    """

    def __init__(self, door: Door, callback: ASGIApp, trusted: Sequence[Network]) -> None:
        self._door = door
        self._callback = callback
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of a proxy."""
        if scope["type"] != "http":
            raise RuntimeError("this door speaks HTTP only")
        peer = scope["client"][0] if scope.get("client") else ""
        if not self._is_trusted(peer):
            await _send(send, HttpAnswer(403, (), b"this address is no configured proxy\n"))
            return
        headers = join_headers(scope["headers"])
        path: str = scope["path"]
        if path.startswith("/.watchword/"):
            await self._callback(_as_edge(scope, _client_ip(headers, peer)), receive, send)
            return
        if path not in {"/forward-auth", "/forward-auth/nginx"}:
            await _send(send, HttpAnswer(404, (), b""))
            return
        is_nginx = path.endswith("/nginx")
        answer = await self._check(headers, peer, is_nginx=is_nginx)
        if is_nginx and answer.status not in {200, 401, 403}:
            answer = HttpAnswer(401 if answer.status == 302 else 403, answer.headers, answer.body)  # noqa: PLR2004  # RFC 9110
        await _send(send, answer)

    async def _check(self, headers: dict[bytes, bytes], peer: str, *, is_nginx: bool) -> HttpAnswer:
        described = _describe_nginx(headers) if is_nginx else _describe(headers)
        if described is None:
            return HttpAnswer(403, (), b"the proxy did not describe the request\n")
        method, host, target = described
        path = target.partition("?")[0]
        if (
            not _METHOD.fullmatch(method)
            or not path.startswith("/")
            or _AMBIGUOUS.search(path)
            or len(target) > _MAX_TARGET
        ):
            return HttpAnswer(403, (), b"the request is ambiguous\n")
        return await self._door.answer(
            method=method, host=host.lower(), target=target, client_ip=_client_ip(headers, peer), headers=headers
        )

    def _is_trusted(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _describe(headers: dict[bytes, bytes]) -> tuple[str, str, str] | None:
    """Read `X-Forwarded-Method`, `-Host`, `-Uri`, as Traefik and Caddy send them."""
    found = [
        headers.get(name, b"").decode("latin-1")
        for name in (b"x-forwarded-method", b"x-forwarded-host", b"x-forwarded-uri")
    ]
    if not all(found) or any("," in value for value in found[:2]):
        return None
    return found[0], found[1], found[2]


def _describe_nginx(headers: dict[bytes, bytes]) -> tuple[str, str, str] | None:
    """Read `X-Original-Method` and `X-Original-URL`, as our nginx configuration sets them."""
    method = headers.get(b"x-original-method", b"").decode("latin-1")
    url = headers.get(b"x-original-url", b"").decode("latin-1")
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if not method or parts.scheme not in {"http", "https"} or not parts.netloc or "@" in parts.netloc or parts.fragment:
        return None
    return method, parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _client_ip(headers: dict[bytes, bytes], peer: str) -> str:
    """Return the address the trusted proxy saw: the last hop of `X-Forwarded-For`, which the proxy itself appended."""
    forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1")
    return forwarded.rpartition(",")[2].strip() or peer


def _as_edge(scope: Scope, client_ip: str) -> Scope:
    """Give the portal the one header it believes, as our own edge would set it."""
    headers = [(name, value) for name, value in scope["headers"] if not name.startswith(b"x-watchword-")]
    return {**scope, "headers": [*headers, (CLIENT_IP_HEADER, client_ip.encode("latin-1"))]}


async def _send(send: Send, answer: HttpAnswer) -> None:
    headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
