"""Pull a bundle from a registry: its manifest by tag or digest, each blob by its digest, all of it within bounds.

Nothing that comes is believed: every digest is computed here, and what the blobs make is verified like any bundle.
Source: OCI Distribution Specification 1.1, "Pull"; OCI Image Format 1.1, manifest.md.
"""

from __future__ import annotations

import hashlib
import http.client
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from watchword.kernel import Secret
from watchword.outbound import MOST_REDIRECTS, REDIRECTS, check_url, reason_of, target_of
from watchword.policy.bundles.envelope import MOST_ENVELOPE_BYTES, strict_json
from watchword.policy.bundles.errors import BundleMalformedError, BundleUnreachableError
from watchword.policy.bundles.oci import MANIFEST_TYPE, layout_around, read_layout
from watchword.policy.bundles.parcel import Parcel
from watchword.policy.bundles.paths import MOST_BUNDLE_BYTES, MOST_FILES
from watchword.policy.bundles.reference import ArtifactReference
from watchword.policy.bundles.registry_auth import Challenge, Credentials, may_see_password, token_in
from watchword.policy.bundles.wire import SILENCE_S, body_of, connection_to, cut, redirected

_WHOLE_S: Final = 60.0
_MOST_MANIFEST_BYTES: Final = 2 * 1024 * 1024
_MOST_TOKEN_BYTES: Final = 64 * 1024
_MOST_IGNORED: Final = 64 * 1024
_OK, _NOT_MODIFIED, _UNKNOWN, _FORBIDDEN, _MISSING = 200, 304, 401, 403, 404
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_EMPTY: Final = b"{}"


class RegistryCarrier:
    """A bundle in a registry, as `skopeo copy` or `oras` pushes the OCI layout of one.

    Args:
        reference: with a tag it is asked for again and again; with a digest it never changes.
        auth_host: host and port that may see the password besides the registry, when it sends us there for a token.
        whole_s: seconds for everything together: token, manifest, blobs and redirects.
    """

    def __init__(
        self,
        reference: ArtifactReference,
        *,
        credentials: Credentials | None = None,
        auth_host: str = "",
        ca_file: Path | None = None,
        whole_s: float = _WHOLE_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._reference = reference
        self._credentials = credentials or Credentials()
        self._auth_host = auth_host
        self._ca_file = ca_file
        self._whole_s = whole_s
        self._clock = clock
        self._authorization: Secret[str] | None = None
        self._seen = ""

    def __repr__(self) -> str:
        return f"RegistryCarrier({urlsplit(self._reference.origin).hostname}/{self._reference.name})"

    def fetch(self) -> Parcel | None:
        """Ask for the manifest, and for the blobs if it is another one than the last time."""
        reference = self._reference
        if reference.sha256 and reference.sha256 == self._seen:
            return None
        with _Exchange(self._ca_file, deadline=self._clock() + self._whole_s, clock=self._clock) as exchange:
            wanted = {"Accept": MANIFEST_TYPE} | ({"If-None-Match": f'"sha256:{self._seen}"'} if self._seen else {})
            answer = self._get(exchange, reference.manifest_url, wanted, most_bytes=_MOST_MANIFEST_BYTES)
            if answer.status == _NOT_MODIFIED and self._seen:
                return None
            digest = self._digest_of(answer)
            if digest == self._seen:
                return None
            self._seen = ""
            try:
                parcel = self._parcel(exchange, answer.body)
            except BundleMalformedError:
                self._seen = digest  # the same manifest will be as wrong the next time
                raise
            self._seen = digest
            return parcel

    def _digest_of(self, answer: _Answer) -> str:
        """Return the digest of a manifest, computed from its bytes.

        # Prevents: a registry, or somebody who moved a tag, handing out another artifact than the one that was pinned.
        """
        found = hashlib.sha256(answer.body).hexdigest()
        said = answer.headers.get("Docker-Content-Digest", "")
        if (self._reference.sha256 and found != self._reference.sha256) or said not in {"", f"sha256:{found}"}:
            raise BundleMalformedError("the registry's manifest is not what its digest says")
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind != MANIFEST_TYPE:
            raise BundleMalformedError(
                "the registry has no OCI artifact under this name", hint="push the OCI layout of a bundle as it is"
            )
        return found

    def _parcel(self, exchange: _Exchange, manifest: bytes) -> Parcel:
        layout = layout_around(manifest)
        for digest, size in _blobs(manifest).items():
            path = f"blobs/sha256/{digest}"
            if path in layout:
                continue
            if digest == hashlib.sha256(_EMPTY).hexdigest():
                layout[path] = _EMPTY
                continue
            # One byte more than was announced is enough to see that it is too much.
            url = self._reference.blob_url(f"sha256:{digest}")
            layout[path] = self._get(exchange, url, {}, most_bytes=size).body
        return read_layout(layout)

    def _get(self, exchange: _Exchange, url: str, headers: Mapping[str, str], *, most_bytes: int) -> _Answer:
        """Ask the registry; when it wants to know who asks, say so and ask again, once."""
        answer = exchange.get(url, headers, self._authorization, most_bytes=most_bytes)
        if answer.status == _UNKNOWN:
            self._authorization = self._known_as(exchange, answer)
            answer = exchange.get(url, headers, self._authorization, most_bytes=most_bytes)
        if answer.status in {_UNKNOWN, _FORBIDDEN}:
            self._authorization = None
            raise BundleUnreachableError(
                f"the registry does not let this node read the artifact ({answer.status})",
                hint="look at `policy.credentials_file`, and at what that account may pull",
            )
        if answer.status == _MISSING:
            raise BundleUnreachableError(
                "the registry has no such artifact", hint="look at `policy.location`, or push the bundle there"
            )
        if answer.status != _OK and not (answer.status == _NOT_MODIFIED and "If-None-Match" in headers):
            raise BundleUnreachableError(f"the registry answers {answer.status}")
        return answer

    def _known_as(self, exchange: _Exchange, answer: _Answer) -> Secret[str] | None:
        """Meet a challenge: with the password itself, or with a token that may pull this one repository."""
        reference = self._reference
        challenge = Challenge.among(answer.headers.get_all("WWW-Authenticate") or [])
        if challenge is None:
            raise BundleUnreachableError("the registry wants to know who asks in a way that is not known here")
        password = self._credentials.basic(urlsplit(reference.origin).netloc)
        if not challenge.is_bearer:
            return password
        url = challenge.token_url(reference.origin, reference.name)
        shown = password if may_see_password(url, reference.origin, self._auth_host) else None
        given = exchange.get(url, {"Accept": "application/json"}, shown, most_bytes=_MOST_TOKEN_BYTES)
        if given.status != _OK:
            hint = "look at `policy.credentials_file`"
            if password is not None and shown is None:
                hint = f"the password was not shown to `{urlsplit(url).netloc}`; name it in `policy.auth_host` to do so"
            raise BundleUnreachableError(f"the registry's token server answers {given.status}", hint=hint)
        return token_in(given.body)


def _blobs(manifest: bytes) -> dict[str, int]:
    """Return the digest and size of every blob that a manifest names, before any is fetched.

    # Prevents: a manifest that makes a node fetch without end.
    """
    try:
        image = strict_json(manifest, what="the registry's manifest")
        listed = [_named(one) for one in (image["config"], *image["layers"])]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BundleMalformedError("the registry's manifest does not name a policy bundle") from error
    found: dict[str, int] = {}
    for digest, size in listed:
        found[digest] = max(size, found.get(digest, 0))
    if len(listed) > MOST_FILES + 2 or sum(found.values()) > MOST_BUNDLE_BYTES + MOST_ENVELOPE_BYTES:
        raise BundleMalformedError("the registry's manifest names more than any bundle holds")
    return found


def _named(descriptor: dict[str, Any]) -> tuple[str, int]:
    digest, size = _DIGEST.fullmatch(str(descriptor["digest"])), descriptor["size"]
    if digest is None or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError
    return digest[1], size


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(slots=True)
class _Exchange:
    """All requests of one fetch: one deadline, and one kept connection to each server."""

    ca_file: Path | None
    deadline: float
    clock: Callable[[], float]
    _kept: dict[tuple[str, str], http.client.HTTPConnection] = field(default_factory=dict)
    _watch: Timer | None = None
    _sockets: list[Any] = field(default_factory=list)

    def __enter__(self) -> Self:
        # Prevents: a server that sends a byte now and then, for ever.
        self._watch = Timer(max(0.0, self.deadline - self.clock()), self._end)
        self._watch.daemon = True
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._watch is not None
        self._watch.cancel()
        for connection in self._kept.values():
            connection.close()

    def get(
        self, url: str, headers: Mapping[str, str], authorization: Secret[str] | None, *, most_bytes: int
    ) -> _Answer:
        """Ask, and follow redirects; credentials go to the server that was named and to no other.

        Raises:
            BundleUnreachableError: there is no answer, or it leads where it may not.
            BundleMalformedError: the answer is longer than it may be.
        """
        first = urlsplit(url)
        for _ in range(MOST_REDIRECTS + 1):
            parts = urlsplit(url)
            # Prevents: a store that blobs are redirected to learning the password or the token.
            is_same = (parts.scheme, parts.netloc) == (first.scheme, first.netloc)
            answer = self._ask(url, headers, authorization if is_same else None, most_bytes)
            if answer.status not in REDIRECTS:
                return answer
            url = redirected(url, answer.headers.get("Location", ""), "the registry")
        raise BundleUnreachableError(f"the registry redirects more than {MOST_REDIRECTS} times")

    def _ask(self, url: str, headers: Mapping[str, str], authorization: Secret[str] | None, most_bytes: int) -> _Answer:
        parts = urlsplit(url)
        sent = {"Accept-Encoding": "identity", **headers}
        if authorization is not None:
            sent["Authorization"] = authorization.reveal()
        target = target_of(parts)
        try:
            try:
                return self._once(url, target, sent, most_bytes)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # A server may end a kept connection at any time; a fresh one answers or does not.
                if self.clock() >= self.deadline or self._forget(url) is None:
                    raise
                return self._once(url, target, sent, most_bytes)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._forget(url)
            late = self.clock() >= self.deadline
            words = "the registry took too long" if late else f"the registry cannot be asked ({reason_of(error)})"
            raise BundleUnreachableError(
                words, hint="look at `policy.location`, the network and the registry"
            ) from error

    def _once(self, url: str, target: str, sent: Mapping[str, str], most_bytes: int) -> _Answer:
        parts, left_s = urlsplit(url), self.deadline - self.clock()
        if left_s <= 0:
            raise TimeoutError
        connection = self._kept.get((parts.scheme, parts.netloc))
        if connection is None:
            connection = connection_to(check_url(url), timeout_s=min(left_s, SILENCE_S), ca_file=self.ca_file)
            connection.connect()
            self._sockets.append(connection.sock)
            self._kept[parts.scheme, parts.netloc] = connection
        connection.request("GET", target, headers=dict(sent))
        response = connection.getresponse()
        is_wanted = response.status == _OK
        try:
            body = body_of(response, most_bytes if is_wanted else _MOST_IGNORED)
        except BundleMalformedError:
            self._forget(url)
            if is_wanted:
                raise
            body = b""
        response.close()  # of the answer, not of the connection, which may then be asked again
        if response.will_close:
            self._forget(url)
        if self.clock() >= self.deadline:
            raise TimeoutError
        return _Answer(response.status, response.headers, body if is_wanted else b"")

    def _forget(self, url: str) -> http.client.HTTPConnection | None:
        parts = urlsplit(url)
        connection = self._kept.pop((parts.scheme, parts.netloc), None)
        if connection is not None:
            connection.close()
        return connection

    def _end(self) -> None:
        for connection in list(self._kept.values()):
            cut(connection, self._sockets)
