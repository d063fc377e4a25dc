"""Where feeds may come from: which addresses on the web, and which machines behind them."""

from __future__ import annotations

import socket
from urllib.parse import SplitResult

from watchword.outbound import redirect_target
from watchword.trust.addresses import read_address
from watchword.trust.feeds.errors import FeedUnreachableError

_HTTPS_PORT, _HTTP_PORT = 443, 80


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
    try:
        return redirect_target(url, location)
    except ValueError:
        raise FeedUnreachableError(
            "the server redirects to an address that is not allowed", hint="set the feed's `url` to where the list is"
        ) from None


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
        raise FeedUnreachableError(
            f"the name `{host[:100]}` has no address", hint="look at the feed's `url`, and at this machine's network"
        ) from error
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    # A network of IPv6 alone reaches IPv4 through NAT64, so there the address inside counts.
    hidden = [address for address in addresses if read_address(address).place_key is None]
    if hidden and not allow_private:
        raise FeedUnreachableError(
            f"`{host[:100]}` is an address of a private network or of this machine",
            hint="set `allow_private = true` for this feed if that is meant",
        )
    return addresses
