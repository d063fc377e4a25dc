"""What every carrier that speaks HTTP shares: which addresses are allowed, TLS, and bounds on what comes."""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from watchword.policy.bundles.errors import BundleKeyError, BundleMalformedError, BundleUnreachableError

SILENCE_S: Final = 10.0
_PIECE: Final = 64 * 1024
_PLAIN = re.compile(r"[\x21-\x7e]{1,2000}", re.ASCII)


def check_url(url: str) -> SplitResult:
    """Return the parts of an address that bundles may come from.

    Raises:
        ValueError: not https (or http to this machine itself), or it carries a user, a password or a fragment.
    """
    if url and not _PLAIN.fullmatch(url):
        raise ValueError("an address holds a space, a control character or a letter outside ASCII")
    parts = urlsplit(url)
    host = parts.hostname or ""
    _ = parts.port  # raises ValueError where it is no port
    # Prevents: a password in the configuration's listing, in logs and in alerts.
    if (url and not host) or parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("an address needs a host, and no user, password or fragment")
    # Prevents: somebody on the way reading, delaying or replaying what the server says.
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(host)):
        raise ValueError("an address begins with https:// (http:// only to 127.0.0.1)")
    return parts


def connection_to(parts: SplitResult, *, timeout_s: float, ca_file: Path | None) -> http.client.HTTPConnection:
    """Return a connection that is not open yet, by TLS 1.2 at least unless the address is of this machine.

    Raises:
        BundleKeyError: the certificates to trust cannot be read.
    """
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise BundleKeyError("`policy.ca_file` cannot be used", hint="it holds certificates in PEM") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)


def body_of(response: http.client.HTTPResponse, most_bytes: int) -> bytes:
    """Read a whole answer.

    Raises:
        BundleMalformedError: it is longer than that, or compressed.
        IncompleteRead: it ended in the middle.
    """
    # Prevents: a small answer that unfolds into a large one.
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise BundleMalformedError("the bundle server sends a compressed answer that nobody asked for")
    wanted = response.length
    pieces: list[bytes] = []
    total = 0
    while piece := response.read1(_PIECE):
        total += len(piece)
        if total > most_bytes:
            raise BundleMalformedError("the bundle server sends more than any bundle holds")
        pieces.append(piece)
    if wanted is not None and total != wanted:
        raise http.client.IncompleteRead(b"", wanted - total)
    return b"".join(pieces)


def redirected(url: str, location: str, server: str) -> str:
    """Return where an answer leads.

    Args:
        server: who answered, in words.

    Raises:
        BundleUnreachableError: nowhere, or where bundles may not come from.
    """
    refused = BundleUnreachableError(f"{server} redirects to an address that is not allowed")
    try:
        target = urljoin(url, location)
        # Prevents: being led from https to http, or to this machine's own servers.
        is_same = check_url(target).scheme == urlsplit(url).scheme
    except ValueError:
        raise refused from None
    if not location or not is_same:
        raise refused
    return target


def target_of(parts: SplitResult) -> str:
    """Return what of an address a server is asked for."""
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def cut(connection: http.client.HTTPConnection, held: Sequence[socket.socket]) -> None:
    """End a connection from another thread, whatever it waits for."""
    for line in (*held, connection.sock):
        with suppress(OSError):
            if line is not None:
                # Not the TLS socket's own way, which would let the reader go on in the clear.
                socket.socket.shutdown(line, socket.SHUT_RDWR)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reason_of(error: Exception) -> str:
    """Say why a server could not be asked."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, http.client.IncompleteRead):
        return "it ended in the middle of its answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
