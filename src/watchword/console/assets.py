"""The static files: read once at start, served from memory under the hash of the whole set, never by path."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType

PREFIX = "/.watchword/static"
_TYPES: Mapping[str, str] = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".woff2": "font/woff2",
        ".txt": "text/plain; charset=utf-8",
    }
)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Attributes:
        integrity: as in the HTML attribute, `sha256-...`.
    """

    content: bytes
    content_type: str
    integrity: str


class Assets:
    """Every static file by its exact name; what is not in the table does not exist."""

    def __init__(self) -> None:
        root = resources.files("watchword.console").joinpath("static")
        self._files = dict(sorted(_walk(root, "")))
        whole = hashlib.sha256(b"".join(f"{n}\0{a.integrity}\0".encode() for n, a in self._files.items()))
        self.version = whole.hexdigest()[:12]

    def url(self, name: str) -> str:
        """Return the address of a file.

        Raises:
            KeyError: there is no such file; a template names something that was not shipped.
        """
        _ = self._files[name]
        return f"{PREFIX}/{self.version}/{name}"

    def integrity(self, name: str) -> str:
        """Return the subresource integrity of a file."""
        return self._files[name].integrity

    def find(self, version: str, name: str) -> tuple[Asset, bool] | None:
        """Return a file and whether the version asked for is the current one, or nothing."""
        asset = self._files.get(name)
        return None if asset is None else (asset, version == self.version)


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.is_dir():
            found += _walk(entry, name + "/")
        elif (kind := _TYPES.get("." + entry.name.rpartition(".")[2])) is not None:
            content = entry.read_bytes()
            digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
            found.append((name, Asset(content, kind, f"sha256-{digest}")))
    return found
