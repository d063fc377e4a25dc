"""Name an artifact in a registry: `registry.example.com/team/policies:production`, perhaps pinned to a digest.

Source: OCI Distribution Specification 1.1, "Pulling manifests", for the grammar of names and tags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from watchword.outbound import check_url

_HOST = r"(?P<host>(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:]{2,45}\])(?::[0-9]{1,5})?)"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_WRITTEN = re.compile(
    rf"(?P<scheme>https?://)?{_HOST}/(?P<name>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@sha256:(?P<digest>[0-9a-f]{64}))?",
    re.ASCII,
)
_LONGEST_NAME: Final = 255
_LONGEST: Final = 600


@dataclass(frozen=True, slots=True)
class ArtifactReference:
    """Which artifact is meant.

    Attributes:
        origin: of the registry: `https://registry.example.com`.
        name: of the repository.
        tag: may be moved by whoever may push.
        sha256: of the manifest, in hexadecimal; with it no other artifact is ever taken, and the tag says nothing.
    """

    origin: str
    name: str
    tag: str = ""
    sha256: str = ""

    @classmethod
    def parse(cls, text: str) -> ArtifactReference:
        """Read `HOST[:PORT]/NAME[:TAG][@sha256:DIGEST]`, by https unless it begins with `http://`.

        Raises:
            ValueError: it is none, names neither tag nor digest, or is plain http to another machine.
        """
        found = _WRITTEN.fullmatch(text) if len(text) <= _LONGEST else None
        if found is None or len(found["name"]) > _LONGEST_NAME:
            raise ValueError("an artifact is named `registry.example.com/team/policies:tag`, perhaps with @sha256:...")
        if not found["tag"] and not found["digest"]:
            raise ValueError("an artifact needs a tag or a digest: `registry.example.com/team/policies:production`")
        origin = f"{found['scheme'] or 'https://'}{found['host']}"
        check_url(origin)
        return cls(origin, found["name"], found["tag"] or "", found["digest"] or "")

    @property
    def manifest_url(self) -> str:
        """Where its manifest lies."""
        wanted = f"sha256:{self.sha256}" if self.sha256 else self.tag
        return f"{self.origin}/v2/{self.name}/manifests/{wanted}"

    def blob_url(self, digest: str) -> str:
        """Where a blob of it lies."""
        return f"{self.origin}/v2/{self.name}/blobs/{digest}"
