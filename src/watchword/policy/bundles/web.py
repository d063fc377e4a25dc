"""Fetch a bundle from a web server: bounded in bytes, time and redirects, by https only, with an entity tag."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import Final
from urllib.parse import SplitResult, urlsplit

from watchword.outbound import MOST_REDIRECTS, REDIRECTS, check_url, entity_tag, reason_of, target_of
from watchword.policy.bundles.errors import BundleMalformedError, BundleUnreachableError
from watchword.policy.bundles.oci import read_layout
from watchword.policy.bundles.parcel import Parcel
from watchword.policy.bundles.tarball import MOST_ARCHIVE_BYTES, read_tar
from watchword.policy.bundles.wire import SILENCE_S, body_of, connection_to, cut, redirected

_WHOLE_S: Final = 60.0
_OK, _NOT_MODIFIED = 200, 304


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    tag: str
    location: str
    body: bytes


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
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._ask(check_url(url), deadline)
            if answer.status not in REDIRECTS:
                return answer
            url = redirected(url, answer.location, "the bundle server")
        raise BundleUnreachableError(f"the bundle server redirects more than {MOST_REDIRECTS} times")

    def _ask(self, parts: SplitResult, deadline: float) -> _Answer:
        left = deadline - self._clock()
        if left <= 0:
            raise BundleUnreachableError(f"the bundle server took longer than {self._whole_s:.0f} s")
        connection = connection_to(parts, timeout_s=min(left, SILENCE_S), ca_file=self._ca_file)
        # Prevents: a server that sends a byte now and then, for ever.
        held: list[socket.socket] = []
        watch = Timer(left, cut, (connection, held))
        watch.daemon = True
        watch.start()
        try:
            headers = {"Accept": "application/x-tar, application/octet-stream", "Accept-Encoding": "identity"}
            if self._tag:
                headers["If-None-Match"] = self._tag
            target = target_of(parts)
            connection.connect()
            # A connection forgets its socket when the answer is to end with it; the watch must not.
            held.append(connection.sock)
            connection.request("GET", target, headers=headers)
            answer = self._read(connection.getresponse())
            if self._clock() >= deadline:
                raise TimeoutError  # told below, like every other way to be late
        except (OSError, http.client.HTTPException, ValueError) as error:
            words = f"the bundle server cannot be asked ({reason_of(error)})"
            if self._clock() >= deadline:
                words = f"the bundle server took longer than {self._whole_s:.0f} s"
            raise BundleUnreachableError(words, hint="look at `policy.location`, the network and the server") from error
        else:
            return answer
        finally:
            watch.cancel()
            connection.close()

    def _read(self, response: http.client.HTTPResponse) -> _Answer:
        answer = _Answer(
            response.status,
            entity_tag(response),
            response.headers.get("Location", "") if response.status in REDIRECTS else "",
            b"",
        )
        if response.status != _OK:
            return answer
        return _Answer(answer.status, answer.tag, "", body_of(response, self._most_bytes))
