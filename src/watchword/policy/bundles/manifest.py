"""The signed list of what a bundle holds: one canonical form, read strictly."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from watchword.policy.bundles.errors import BundleMalformedError
from watchword.policy.bundles.paths import MOST_BUNDLE_BYTES, MOST_FILE_BYTES, check_paths

TYPE: Final = "watchword.policy.bundle/v1"
MOST_MANIFEST_BYTES: Final = 1024 * 1024
MOST_VERSION: Final = 2**53 - 1  # what every JSON reader holds exactly (RFC 8259 section 6)
_MOST_KEYS: Final = 64
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file: where it stands in the policy directory, and what it must hold."""

    path: str
    sha256: str
    size: int

    @classmethod
    def of(cls, path: str, content: bytes) -> FileEntry:
        """Describe a file."""
        return cls(path, hashlib.sha256(content).hexdigest(), len(content))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        name: which installation it is for; a node takes only its own.
        version: grows with every publication of that name.
        created: UTC, whole seconds, as are all times here.
        expires: after this moment nobody may put it in force.
        key_ids: the keys that may sign it, in order; others do not count.
        files: in the order of their paths.
    """

    name: str
    version: int
    created: datetime
    expires: datetime
    key_ids: tuple[str, ...]
    files: tuple[FileEntry, ...]

    def __post_init__(self) -> None:
        """Refuse what no bundle may say.

        Raises:
            BundleMalformedError: a value is out of its bounds.
        """
        if not is_bundle_name(self.name):
            raise BundleMalformedError("the bundle's name is not made of small letters, digits and dashes")
        if not 1 <= self.version <= MOST_VERSION:
            raise BundleMalformedError("the bundle's version is not a whole number from 1 up")
        if self.expires <= self.created:
            raise BundleMalformedError("the bundle expires before it was created")
        if not 1 <= len(self.key_ids) <= _MOST_KEYS or list(self.key_ids) != sorted(set(self.key_ids)):
            raise BundleMalformedError("the manifest does not name its keys once each and in order")
        paths = [entry.path for entry in self.files]
        check_paths(paths)
        if paths != sorted(paths):
            raise BundleMalformedError("the manifest does not name its files in order")
        if not all(_SHA256.fullmatch(digest) for digest in (*self.key_ids, *(entry.sha256 for entry in self.files))):
            raise BundleMalformedError("a digest in the manifest is not SHA-256 in hexadecimal")
        sizes = [entry.size for entry in self.files]
        if any(not 0 <= size <= MOST_FILE_BYTES for size in sizes) or sum(sizes) > MOST_BUNDLE_BYTES:
            raise BundleMalformedError("the bundle is too large", hint="at most 8 MiB a file and 32 MiB together")

    def to_bytes(self) -> bytes:
        """Return the one form that is signed: sorted keys, no spaces, ASCII."""
        document = {
            "_type": TYPE,
            "name": self.name,
            "version": self.version,
            "created": self.created.strftime(_TIME),
            "expires": self.expires.strftime(_TIME),
            "keys": list(self.key_ids),
            "files": [{"path": file.path, "sha256": file.sha256, "size": file.size} for file in self.files],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Manifest:
        """Read the canonical form and nothing else.

        Raises:
            BundleMalformedError: another form, a wrong type, or a value out of its bounds.
        """
        if len(payload) > MOST_MANIFEST_BYTES:
            raise BundleMalformedError("the manifest is too large", hint="at most 1 MiB")
        try:
            manifest = _parsed(json.loads(payload))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BundleMalformedError("the manifest cannot be read") from error
        # Prevents: keys given twice, spaces, other number forms: two readers seeing two manifests in one.
        if manifest.to_bytes() != payload:
            raise BundleMalformedError("the manifest is not in its canonical form")
        return manifest


def is_bundle_name(name: str) -> bool:
    """Tell whether a bundle may be called so: a folder on every file system."""
    return _NAME.fullmatch(name) is not None


def _parsed(document: Mapping[str, Any]) -> Manifest:
    if document["_type"] != TYPE or not isinstance(document["files"], list):
        raise ValueError
    return Manifest(
        name=_text(document["name"]),
        version=_whole(document["version"]),
        created=_time(document["created"]),
        expires=_time(document["expires"]),
        key_ids=_texts(document["keys"]),
        files=tuple(
            FileEntry(_text(entry["path"]), _text(entry["sha256"]), _whole(entry["size"]))
            for entry in document["files"]
        ),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError
    return tuple(_text(item) for item in value)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _time(value: object) -> datetime:
    return datetime.strptime(_text(value), _TIME).replace(tzinfo=UTC)
