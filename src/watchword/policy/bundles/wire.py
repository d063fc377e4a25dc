"""What the carriers that speak HTTP share: connections, answers, redirects, and refusals in the words of bundles."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult

from watchword import outbound
from watchword.policy.bundles.errors import BundleKeyError, BundleMalformedError, BundleUnreachableError

SILENCE_S: Final = 10.0


def connection_to(parts: SplitResult, *, timeout_s: float, ca_file: Path | None) -> http.client.HTTPConnection:
    """Return a connection that is not open yet, by TLS unless the address is of this machine.

    Raises:
        BundleKeyError: the certificates to trust cannot be read.
    """
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
    try:
        context = outbound.tls_context(ca_file)
    except OSError as error:
        raise BundleKeyError("`policy.ca_file` cannot be used", hint="it holds certificates in PEM") from error
    return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)


def body_of(response: http.client.HTTPResponse, most_bytes: int) -> bytes:
    """Read a whole answer.

    Raises:
        BundleMalformedError: it is longer than that, or compressed.
        IncompleteRead: it ended in the middle.
    """
    try:
        return outbound.body_of(response, most_bytes)
    except outbound.AnswerCompressedError as error:
        raise BundleMalformedError("the bundle server sends a compressed answer that nobody asked for") from error
    except outbound.AnswerTooLongError as error:
        raise BundleMalformedError("the bundle server sends more than any bundle holds") from error


def redirected(url: str, location: str, server: str) -> str:
    """Return where an answer leads.

    Args:
        server: who answered, in words.

    Raises:
        BundleUnreachableError: nowhere, or where bundles may not come from.
    """
    try:
        return outbound.redirect_target(url, location)
    except ValueError:
        raise BundleUnreachableError(f"{server} redirects to an address that is not allowed") from None


def cut(connection: http.client.HTTPConnection, held: Sequence[socket.socket]) -> None:
    """End a connection from another thread, whatever it waits for."""
    for line in (*held, connection.sock):
        with suppress(OSError):
            if line is not None:
                # Not the TLS socket's own way, which would let the reader go on in the clear.
                socket.socket.shutdown(line, socket.SHUT_RDWR)
