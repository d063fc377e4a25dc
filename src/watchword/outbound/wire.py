"""Ask a server elsewhere over HTTP: checked addresses, verified certificates, answers that end."""

from __future__ import annotations

import http.client
import ipaddress
import re
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from watchword.outbound.errors import AnswerCompressedError, AnswerTooLongError

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS: Final = 3
_PIECE: Final = 64 * 1024
_PLAIN = re.compile(r"[\x21-\x7e]{1,2000}", re.ASCII)
# Source: RFC 9110 section 8.8.3.
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"', re.ASCII)


def check_url(url: str) -> SplitResult:
    """Return the parts of an address that may be asked.

    Raises:
        ValueError: not https (or http to this machine itself), or it carries a user, a password or a fragment.
    """
    if url and not _PLAIN.fullmatch(url):
        raise ValueError("an address holds a space, a control character or a letter outside ASCII")
    parts = urlsplit(url)
    host = parts.hostname or ""
    _ = parts.port  # raises ValueError where it is no port
    # Prevents: a password in the configuration's listing, in logs, events and alerts.
    if (url and not host) or parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("an address needs a host, and no user, password or fragment")
    # Prevents: somebody on the way reading, delaying, replaying or rewriting what the server says.
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(host)):
        raise ValueError("an address begins with https:// (http:// only to 127.0.0.1)")
    return parts


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def redirect_target(url: str, location: str) -> str:
    """Return where an answer leads.

    Raises:
        ValueError: nowhere, to another scheme, or to an address that may not be asked.
    """
    if not location:
        raise ValueError("a redirect without an address")
    target = urljoin(url, location)
    # Prevents: being led from https to http, to this machine's own servers, or to a file of it.
    if check_url(target).scheme != urlsplit(url).scheme:
        raise ValueError("a redirect to another scheme")
    return target


def target_of(parts: SplitResult) -> str:
    """Return what of an address a server is asked for."""
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def tls_context(ca_file: Path | str | None) -> ssl.SSLContext:
    """Return how a connection is encrypted: TLS 1.2 at least, certificate and name verified.

    Args:
        ca_file: certificates to trust instead of the system's.

    Raises:
        OSError: they cannot be read.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def entity_tag(response: http.client.HTTPResponse) -> str:
    """Return the entity tag of an answer; the empty text for none, or for one that could carry another header."""
    tag: str = response.headers.get("ETag", "")
    return tag if _ENTITY_TAG.fullmatch(tag) else ""


def body_of(response: http.client.HTTPResponse, most_bytes: int) -> bytes:
    """Read a whole answer.

    Raises:
        AnswerTooLongError: it is longer than that.
        AnswerCompressedError: it is compressed.
        IncompleteRead: it ended in the middle.
    """
    # Prevents: a small answer that unfolds into a large one.
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise AnswerCompressedError("the answer is compressed although nobody asked for that")
    wanted = response.length
    pieces: list[bytes] = []
    total = 0
    while piece := response.read1(_PIECE):
        total += len(piece)
        if total > most_bytes:
            raise AnswerTooLongError(f"the answer has more than {most_bytes} bytes")
        pieces.append(piece)
    # Prevents: what was cut on the way being taken for the whole.
    if wanted is not None and total != wanted:
        raise http.client.IncompleteRead(b"", wanted - total)
    return b"".join(pieces)


def reason_of(error: Exception) -> str:
    """Say why a server could not be asked."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, http.client.IncompleteRead):
        return "it ended in the middle of its answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
