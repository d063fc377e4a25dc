"""Ask a web server for a feed: bounded in bytes, silence and redirects, by checked addresses only, with validators.

Runs in the process beside the node, which ends it when its whole time is over.
"""

from __future__ import annotations

import base64
import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult

from watchword.kernel import Secret
from watchword.outbound import (
    MOST_REDIRECTS,
    REDIRECTS,
    AnswerCompressedError,
    AnswerTooLongError,
    body_of,
    check_url,
    entity_tag,
    reason_of,
    target_of,
    tls_context,
)
from watchword.trust.feeds.errors import FeedError, FeedMalformedError, FeedTooLargeError, FeedUnreachableError
from watchword.trust.feeds.origin import origin_of, port_of, redirected, resolve

_SILENCE_S: Final = 15.0
_OK, _NOT_MODIFIED = 200, 304
_CONDITIONS: Final = frozenset({"If-None-Match", "If-Modified-Since"})
_WAIT_A_WHILE: Final = frozenset({429, 503})
_REFUSED: Final = frozenset({401, 403})
_LONGEST_WAIT_S: Final = 86_400
# Source: RFC 9110 section 5.6.7.
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credential:
    """How a feed's server knows us.

    Attributes:
        header: name of the header that carries it.
        value: the whole header.
    """

    header: str
    value: Secret[str]

    @classmethod
    def of(cls, auth: str, header: str, secret: str) -> Credential:
        """Make the header of `basic`, `bearer` or `header`."""
        if auth == "basic":
            return cls("Authorization", Secret(f"Basic {base64.b64encode(secret.encode()).decode()}"))
        return cls("Authorization", Secret(f"Bearer {secret}")) if auth == "bearer" else cls(header, Secret(secret))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes:
        body: nothing when the server says that it is what it was.
        headers: with lower-case names; only those that were asked for.
    """

    body: bytes | None
    tag: str = ""
    modified: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class SlowDownError(FeedUnreachableError):
    """The server asks to be left alone for a while."""

    code = "trust.feed_slow_down"

    def __init__(self, message: str, wait_s: int) -> None:
        super().__init__(message, hint="the feed is asked again later by itself")
        self.wait_s = wait_s


class Web:
    """One feed's way to the web; every byte that comes counts against one bound.

    Args:
        url: the credential goes to its origin and to no other.
        allow_private: whether the operator wants addresses that are not public.
        most_bytes: of all answers together.
    """

    def __init__(
        self,
        url: str,
        *,
        credential: Credential | None = None,
        ca_file: str = "",
        allow_private: bool = False,
        most_bytes: int,
    ) -> None:
        self._origin = origin_of(check_url(url))
        self._credential = credential
        self._ca_file = ca_file
        self._allow_private = allow_private
        self._left = most_bytes

    def get(
        self,
        url: str,
        *,
        accept: str = "*/*",
        tag: str = "",
        modified: str = "",
        wanted: tuple[str, ...] = (),
    ) -> Answer:
        """Ask for one address, following redirects.

        Args:
            tag: entity tag of what is there already.
            modified: its last modification, as the server wrote it.
            wanted: further headers of the answer to return.

        Raises:
            FeedUnreachableError: no answer, or none that may be believed.
            FeedTooLargeError: more bytes than allowed.
        """
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": "watchword"}
        headers |= {"If-None-Match": tag} if tag else {}
        headers |= {"If-Modified-Since": modified} if modified else {}
        for _ in range(MOST_REDIRECTS + 1):
            answer, location = self._ask(_checked(url), headers, wanted)
            if answer is not None:
                return answer
            url = redirected(url, location)
        raise FeedUnreachableError(f"the server redirects more than {MOST_REDIRECTS} times")

    def _ask(
        self, parts: SplitResult, headers: Mapping[str, str], wanted: tuple[str, ...]
    ) -> tuple[Answer | None, str]:
        # Our own, because the library would add the port that goes without saying, which some servers do not know.
        sent = {"Host": parts.netloc, **headers}
        # Prevents: a redirect that carries the credential to another machine.
        if self._credential is not None and origin_of(parts) == self._origin:
            sent[self._credential.header] = self._credential.value.reveal()
        connection: http.client.HTTPConnection | None = None
        try:
            connection = self._connected(parts)
            connection.request("GET", target_of(parts), headers=sent)
            with connection.getresponse() as response:
                return self._read(response, wanted, is_conditional=bool(sent.keys() & _CONDITIONS))
        except FeedError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FeedUnreachableError(
                f"the server cannot be asked ({reason_of(error)})",
                hint="look at the feed's `url`, the network, the server",
            ) from error
        finally:
            if connection is not None:
                connection.close()

    def _connected(self, parts: SplitResult) -> http.client.HTTPConnection:
        host, port = parts.hostname or "", port_of(parts)
        line = _dial(resolve(host, port, allow_private=self._allow_private), port)
        try:
            if parts.scheme == "https":
                # Prevents: somebody on the way ending an answer early that is as long as the connection.
                line = self._context().wrap_socket(line, server_hostname=host, suppress_ragged_eofs=False)
            connection = http.client.HTTPConnection(host, port, timeout=_SILENCE_S)
            connection.sock = line
        except BaseException:
            line.close()
            raise
        return connection

    def _context(self) -> ssl.SSLContext:
        try:
            return tls_context(self._ca_file)
        except OSError as error:
            raise FeedUnreachableError("`ca_file` cannot be used", hint="it holds certificates in PEM") from error

    def _read(
        self, response: http.client.HTTPResponse, wanted: tuple[str, ...], *, is_conditional: bool
    ) -> tuple[Answer | None, str]:
        status = response.status
        if status in REDIRECTS:
            return None, response.headers.get("Location", "")
        # Prevents: "what you have is right" from a server that was not told what we have.
        if status == _NOT_MODIFIED and is_conditional:
            return Answer(None), ""
        _check_status(response)
        modified = response.headers.get("Last-Modified", "")
        found = {name: response.headers.get(name, "")[:200] for name in wanted}
        return Answer(
            self._body(response),
            entity_tag(response),
            modified if _HTTP_DATE.fullmatch(modified) else "",
            found,
        ), ""

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        try:
            body = body_of(response, self._left)
        except AnswerCompressedError as error:
            raise FeedMalformedError("the server sends a compressed answer that nobody asked for") from error
        except AnswerTooLongError as error:
            self._left = 0
            raise FeedTooLargeError(
                "the server sends more bytes than the feed may have",
                hint="set `max_mb` of the feed if that is meant",
            ) from error
        self._left -= len(body)
        return body


def _checked(url: str) -> SplitResult:
    try:
        return check_url(url)
    except ValueError as error:
        raise FeedUnreachableError(
            f"the server leads to an address that may not be asked: {error}", hint="look at the feed's `url`"
        ) from error


def _check_status(response: http.client.HTTPResponse) -> None:
    status = response.status
    if status == _OK:
        return
    if status in _WAIT_A_WHILE:
        wait = response.headers.get("Retry-After", "").strip()
        wait_s = int(wait) if wait.isascii() and wait.isdecimal() and len(wait) < 9 else 0  # noqa: PLR2004  # a century
        raise SlowDownError(f"the server answers {status}", min(wait_s, _LONGEST_WAIT_S))
    hint = "look at the feed's credential" if status in _REFUSED else "open the feed's `url` with another client"
    raise FeedUnreachableError(f"the server answers {status}", hint=hint)


def _dial(addresses: list[str], port: int) -> socket.socket:
    """Connect to the first checked address that answers."""
    failure: OSError = OSError("no address")
    for address in addresses[:4]:
        try:
            return socket.create_connection((address, port), timeout=_SILENCE_S)
        except OSError as error:
            failure = error
    raise failure
