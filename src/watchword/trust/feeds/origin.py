"""Where feeds may come from: which addresses on the web, and which machines behind them."""

from __future__ import annotations

import re
import socket
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from watchword.trust.addresses import AddressKind, read_address
from watchword.trust.feeds.errors import FeedUnreachableError

_PLAIN: Final = re.compile(r"[\x21-\x7e]{1,2000}", re.ASCII)
_HTTPS_PORT, _HTTP_PORT = 443, 80


def check_url(url: str) -> SplitResult:
    """Return the parts of an address that feeds may come from.

    Raises:
        ValueError: not https (or http to this machine itself), or it carries a user, a password or a fragment.
    """
    if not _PLAIN.fullmatch(url):
        raise ValueError("an address holds a space, a control character or a letter outside ASCII")
    parts = urlsplit(url)
    host = parts.hostname or ""
    _ = parts.port  # raises ValueError where it is no port
    # Prevents: a credential in the configuration's listing, in logs and in events.
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("an address needs a host, and no user, password or fragment")
    # Prevents: somebody on the way rewriting who is blocked.
    is_local = parts.scheme == "http" and read_address(host).kind is AddressKind.LOOPBACK
    if parts.scheme != "https" and not is_local:
        raise ValueError("an address begins with https:// (http:// only to 127.0.0.1)")
    return parts


def origin_of(parts: SplitResult) -> tuple[str, str, int]:
    """Return scheme, host and port."""
    return parts.scheme, (parts.hostname or "").lower(), port_of(parts)


def port_of(parts: SplitResult) -> int:
    """Return the port, the scheme's own where none is written."""
    return parts.port or (_HTTPS_PORT if parts.scheme == "https" else _HTTP_PORT)


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads, if feeds may come from there.

    Raises:
        FeedUnreachableError: it leads to another scheme or to no address at all.
    """
    refused = FeedUnreachableError("the server redirects to an address that is not allowed")
    if not location:
        raise refused
    try:
        target = urljoin(url, location)
        # Prevents: being led from https to http, or to a file of this machine.
        if check_url(target).scheme != urlsplit(url).scheme:
            raise refused
    except ValueError:
        raise refused from None
    return target


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses of a host, all of them public unless the operator allows others.

    The caller connects to what is returned here and asks no second time.

    # Prevents (SSRF): a name, or a redirect, that leads to this machine, its neighbours or the cloud's metadata; and
    # a name that resolves to a public address when it is checked and to a private one when it is used.

    Raises:
        FeedUnreachableError: it has no address, or one that is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FeedUnreachableError(f"the name `{host[:100]}` has no address") from error
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    # A network of IPv6 alone reaches IPv4 through NAT64, so there the address inside counts.
    hidden = [address for address in addresses if read_address(address).place_key is None]
    if hidden and not allow_private:
        raise FeedUnreachableError(
            f"`{host[:100]}` is an address of a private network or of this machine",
            hint="set `allow_private = true` for this feed if that is meant",
        )
    return addresses
