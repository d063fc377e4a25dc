"""Fetch a bundle from a web server: bounded in bytes, time and redirects, by https only, with an entity tag."""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from watchword.policy.bundles.errors import BundleKeyError, BundleMalformedError, BundleUnreachableError
from watchword.policy.bundles.oci import read_layout
from watchword.policy.bundles.parcel import Parcel
from watchword.policy.bundles.tarball import MOST_ARCHIVE_BYTES, read_tar

_WHOLE_S: Final = 60.0
_SILENCE_S: Final = 10.0
_MOST_REDIRECTS: Final = 3
_PIECE: Final = 64 * 1024
_OK, _NOT_MODIFIED = 200, 304
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# Source: RFC 9110 section 8.8.3.
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"', re.ASCII)
_PLAIN = re.compile(r"[\x21-\x7e]{1,2000}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    tag: str
    location: str
    body: bytes


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


class UrlCarrier:
    """A tar of an OCI layout at one address.

    Args:
        url: checked with `check_url`.
        ca_file: certificates to trust instead of the system's.
        whole_s: seconds for everything together, redirects included.
    """

    def __init__(
        self,
        url: str,
        *,
        ca_file: Path | None = None,
        whole_s: float = _WHOLE_S,
        clock: Callable[[], float] = monotonic,
        most_bytes: int = MOST_ARCHIVE_BYTES,
    ) -> None:
        check_url(url)
        self._url = url
        self._ca_file = ca_file
        self._whole_s = whole_s
        self._clock = clock
        self._most_bytes = most_bytes
        self._tag = ""

    def __repr__(self) -> str:
        return f"UrlCarrier({urlsplit(self._url).hostname})"

    def fetch(self) -> Parcel | None:
        """Ask for the bundle; nothing if the server says that it is the one of the last time."""
        answer = self._follow()
        if answer.status == _NOT_MODIFIED and self._tag:
            return None
        if answer.status != _OK:
            self._tag = ""
            raise BundleUnreachableError(
                f"the bundle server answers {answer.status}", hint="open `policy.location` with another client"
            )
        self._tag = ""
        parcel = self._parsed(answer)
        self._tag = answer.tag
        return parcel

    def _parsed(self, answer: _Answer) -> Parcel:
        try:
            return read_layout(read_tar(answer.body))
        except BundleMalformedError:
            self._tag = answer.tag  # the same bytes will be as wrong the next time
            raise

    def _follow(self) -> _Answer:
        deadline = self._clock() + self._whole_s
        url = self._url
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._ask(check_url(url), deadline)
            if answer.status not in _REDIRECTS:
                return answer
            url = _redirected(url, answer.location)
        raise BundleUnreachableError(f"the bundle server redirects more than {_MOST_REDIRECTS} times")

    def _ask(self, parts: SplitResult, deadline: float) -> _Answer:
        left = deadline - self._clock()
        if left <= 0:
            raise BundleUnreachableError(f"the bundle server took longer than {self._whole_s:.0f} s")
        connection = self._connection(parts, min(left, _SILENCE_S))
        # Prevents: a server that sends a byte now and then, for ever.
        held: list[socket.socket] = []
        watch = Timer(left, _cut, (connection, held))
        watch.daemon = True
        watch.start()
        try:
            headers = {"Accept": "application/x-tar, application/octet-stream", "Accept-Encoding": "identity"}
            if self._tag:
                headers["If-None-Match"] = self._tag
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.connect()
            # A connection forgets its socket when the answer is to end with it; the watch must not.
            held.append(connection.sock)
            connection.request("GET", target, headers=headers)
            answer = self._read(connection.getresponse())
            if self._clock() >= deadline:
                raise TimeoutError  # told below, like every other way to be late
        except (OSError, http.client.HTTPException, ValueError) as error:
            words = f"the bundle server cannot be asked ({_reason(error)})"
            if self._clock() >= deadline:
                words = f"the bundle server took longer than {self._whole_s:.0f} s"
            raise BundleUnreachableError(words, hint="look at `policy.location`, the network and the server") from error
        else:
            return answer
        finally:
            watch.cancel()
            connection.close()

    def _connection(self, parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            raise BundleKeyError("`policy.ca_file` cannot be used", hint="it holds certificates in PEM") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)

    def _read(self, response: http.client.HTTPResponse) -> _Answer:
        tag = response.headers.get("ETag", "")
        answer = _Answer(
            response.status,
            tag if _ENTITY_TAG.fullmatch(tag) else "",
            response.headers.get("Location", "") if response.status in _REDIRECTS else "",
            b"",
        )
        if response.status != _OK:
            return answer
        # Prevents: a small answer that unfolds into a large one.
        if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise BundleMalformedError("the bundle server sends a compressed answer that nobody asked for")
        return _Answer(answer.status, answer.tag, "", self._body(response))

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        wanted = response.length
        pieces: list[bytes] = []
        total = 0
        while piece := response.read1(_PIECE):
            total += len(piece)
            if total > self._most_bytes:
                raise BundleMalformedError("the bundle server sends more than any bundle holds")
            pieces.append(piece)
        if wanted is not None and total != wanted:
            raise http.client.IncompleteRead(b"", wanted - total)
        return b"".join(pieces)


def _redirected(url: str, location: str) -> str:
    refused = BundleUnreachableError("the bundle server redirects to an address that is not allowed")
    try:
        target = urljoin(url, location)
        # Prevents: being led from https to http, or to a file of this machine.
        is_same = check_url(target).scheme == urlsplit(url).scheme
    except ValueError:
        raise refused from None
    if not location or not is_same:
        raise refused
    return target


def _cut(connection: http.client.HTTPConnection, held: Sequence[socket.socket]) -> None:
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


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, http.client.IncompleteRead):
        return "it ended in the middle of its answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
