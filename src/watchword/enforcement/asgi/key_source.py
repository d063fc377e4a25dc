"""Where the published keys come from: a file that is replaced on rotation, or the portal's address."""

from __future__ import annotations

import asyncio
import os
import ssl
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from watchword.enforcement.asgi.errors import KeysUnavailableError
from watchword.enforcement.asgi.jws import PublicKeys, read_jwks

_MAX_BYTES: Final = 262_144
_LOOK_AGAIN_S: Final = 1.0  # a file: one `stat` a second
_REFRESH_S: Final = 300.0  # an address: rotation publishes a key long before it signs
_RETRY_S: Final = 10.0  # Prevents: unknown key ids from outside turned into a flood of fetches.
_FETCH_WITHIN_S: Final = 5.0


class KeySource(Protocol):
    """Gives the published keys."""

    async def keys(self, *, now_s: float, is_fresh_wanted: bool = False) -> PublicKeys:
        """Return the keys by key id.

        Args:
            now_s: monotonic seconds.
            is_fresh_wanted: a token names a key that the last answer did not hold.

        Raises:
            KeysUnavailableError: there never were any.
        """
        ...


class FileKeys:
    """Keys from a JWKS file; a replaced file is seen within a second, or at once when a key is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: PublicKeys | None = None
        self._version: tuple[int, int, int] | None = None
        self._looked_at = float("-inf")

    async def keys(self, *, now_s: float, is_fresh_wanted: bool = False) -> PublicKeys:
        """Return the keys; a file that became unreadable keeps the last good ones, which end with their process."""
        if is_fresh_wanted or now_s - self._looked_at >= _LOOK_AGAIN_S:
            self._looked_at = now_s
            self._look()
        if self._keys is None:
            raise KeysUnavailableError(f"the keys cannot be read from `{self._path}`")
        return self._keys

    def _look(self) -> None:
        try:
            status = self._path.stat()
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if version != self._version:
                self._keys = read_jwks(self._path.read_bytes()[:_MAX_BYTES])
                self._version = version
        except (OSError, KeysUnavailableError) as error:
            if self._keys is None:
                raise KeysUnavailableError(f"the keys cannot be read from `{self._path}`") from error


class UrlKeys:
    """Keys from an HTTPS address, fetched in a thread, kept for five minutes, refetched early for an unknown key id.

    Args:
        cafile: PEM roots to trust instead of the system's, for a local authority.
    """

    def __init__(self, url: str, *, cafile: Path | None = None, fetch: Callable[[str], bytes] | None = None) -> None:
        # Prevents: keys that somebody on the way replaced.
        if urlsplit(url).scheme != "https":
            raise KeysUnavailableError(f"keys are fetched over https only, not from `{url}`")
        self._url = url
        self._cafile = cafile
        self._fetch = fetch or self._download
        self._keys: PublicKeys | None = None
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def keys(self, *, now_s: float, is_fresh_wanted: bool = False) -> PublicKeys:
        """Return the keys; while the address cannot be reached the last good ones serve on."""
        if self._is_due(now_s, is_fresh_wanted=is_fresh_wanted):
            async with self._lock:
                if self._is_due(now_s, is_fresh_wanted=is_fresh_wanted):
                    self._tried_at = now_s
                    await self._refresh()
        if self._keys is None:
            raise KeysUnavailableError(f"the keys cannot be fetched from `{self._url}`")
        return self._keys

    def _is_due(self, now_s: float, *, is_fresh_wanted: bool) -> bool:
        age = now_s - self._tried_at
        return age >= (_RETRY_S if is_fresh_wanted or self._keys is None else _REFRESH_S)

    async def _refresh(self) -> None:
        try:
            self._keys = read_jwks(await asyncio.to_thread(self._fetch, self._url))
        except (OSError, ValueError, KeysUnavailableError) as error:
            if self._keys is None:
                raise KeysUnavailableError(f"the keys cannot be fetched from `{self._url}`") from error

    def _download(self, url: str) -> bytes:
        context = ssl.create_default_context(cafile=os.fspath(self._cafile) if self._cafile else None)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirect)
        with opener.open(url, timeout=_FETCH_WITHIN_S) as response:
            body: bytes = response.read(_MAX_BYTES + 1)
        if len(body) > _MAX_BYTES:
            raise KeysUnavailableError("the published keys are too long")
        return body


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow nothing.

    # Prevents: keys from wherever a redirect points.
    """

    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        return None


def key_source(jwks: str | os.PathLike[str] | KeySource, *, cafile: Path | None = None) -> KeySource:
    """Make a source of an address or a path; a source stays what it is."""
    if isinstance(jwks, str) and "://" in jwks:
        return UrlKeys(jwks, cafile=cafile)
    if isinstance(jwks, str | os.PathLike):
        return FileKeys(Path(jwks))
    return jwks
