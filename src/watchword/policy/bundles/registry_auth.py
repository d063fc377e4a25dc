"""How a registry wants to know who asks: its challenge, the credentials of this node, and who gets to see them.

Sources: RFC 9110 section 11.6.1 (WWW-Authenticate), RFC 7617 (Basic); the Distribution project's "Token Authentication
Specification".
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from watchword.kernel import Secret
from watchword.outbound import check_url
from watchword.policy.bundles.envelope import strict_json
from watchword.policy.bundles.errors import BundleKeyError, BundleMalformedError, BundleUnreachableError

AUTH_VARIABLE: Final = "WATCHWORD_REGISTRY_AUTH"
_MOST_FILE_BYTES: Final = 256 * 1024
_LONGEST_CHALLENGE: Final = 4096
_SCHEME = re.compile(r"\s*(bearer|basic)\b", re.IGNORECASE)
_PARAMETER = re.compile(r'([A-Za-z_]+)="([\x20\x21\x23-\x5b\x5d-\x7e]{0,1000})"')
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,16384}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who this node is to a registry; read anew each time, so that a new password needs no restart.

    Attributes:
        file: as `docker login`, `podman login` and `skopeo login` write it; nothing for none.
        environment: where `WATCHWORD_REGISTRY_AUTH` may hold `user:password`, which wins.
    """

    file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def basic(self, host: str) -> Secret[str] | None:
        """Return the value of an `Authorization` header for a registry, by its host and port; nothing to be anonymous.

        Raises:
            BundleKeyError: the file cannot be read, or keeps the password elsewhere.
        """
        said = self.environment.get(AUTH_VARIABLE, "")
        if said:
            if ":" not in said or not said.isprintable():
                raise BundleKeyError(f"{AUTH_VARIABLE} is not `user:password`")
            return Secret("Basic " + base64.b64encode(said.encode()).decode())
        return self._in_file(host) if self.file is not None else None

    def _in_file(self, host: str) -> Secret[str] | None:
        assert self.file is not None
        refused = BundleKeyError(
            f"the credentials in `{self.file}` cannot be used",
            hint='it holds {"auths": {"HOST": {"auth": "..."}}}, as `skopeo login --authfile` writes it',
        )
        try:
            if self.file.stat().st_size > _MOST_FILE_BYTES:
                raise refused
            auths = strict_json(self.file.read_bytes(), what="the file")["auths"]
            entry = auths.get(host, auths.get(f"https://{host}"))
            if entry is None:
                return None
            decoded = base64.b64decode(entry["auth"], validate=True).decode()
        except (OSError, KeyError, TypeError, AttributeError, ValueError, binascii.Error, BundleMalformedError):
            # Not chained: the cause may quote what stands in the file.
            raise refused from None
        if ":" not in decoded:
            raise refused
        return Secret("Basic " + base64.b64encode(decoded.encode()).decode())


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry answers to somebody it does not know.

    Attributes:
        realm: where a token is to be had; empty where it wants the password itself.
    """

    is_bearer: bool
    realm: str = ""
    service: str = ""

    @classmethod
    def among(cls, headers: Sequence[str]) -> Challenge | None:
        """Return the first that can be met; nothing where there is none."""
        for header in headers:
            scheme = _SCHEME.match(header) if len(header) <= _LONGEST_CHALLENGE else None
            if scheme is None:
                continue
            said = {name.lower(): value for name, value in _PARAMETER.findall(header[scheme.end() :])}
            if scheme[1].lower() == "basic":
                return cls(is_bearer=False)
            if said.get("realm"):
                return cls(is_bearer=True, realm=said["realm"], service=said.get("service", ""))
        return None

    def token_url(self, registry: str, repository: str) -> str:
        """Return where to ask for a token that may pull this one repository, whatever scope the challenge names.

        Args:
            registry: its origin.

        Raises:
            BundleUnreachableError: no token can safely be asked for there.
        """
        refused = BundleUnreachableError("the registry sends us for a token to an address that is not allowed")
        try:
            parts = check_url(self.realm)
        except ValueError:
            raise refused from None
        # Prevents: a registry elsewhere making this node knock at its own loopback.
        if not self.realm or (parts.scheme == "http" and urlsplit(registry).scheme != "http"):
            raise refused
        asked = {"service": self.service} if self.service else {}
        query = urlencode(asked | {"scope": f"repository:{repository}:pull"})
        return f"{self.realm}{'&' if parts.query else '?'}{query}"


def may_see_password(token_url: str, registry: str, auth_host: str) -> bool:
    """Tell whether credentials go along when a token is asked for.

    # Prevents: a registry that collects the passwords of its readers at an address of its own choosing.

    Args:
        auth_host: the one other host that the operator named.
    """
    host = urlsplit(token_url).netloc.lower()
    return host == urlsplit(registry).netloc.lower() or (auth_host != "" and host == auth_host.lower())


def token_in(body: bytes) -> Secret[str]:
    """Return the token of a token server's answer.

    Raises:
        BundleUnreachableError: there is none, or it cannot stand in a header.
    """
    try:
        document = strict_json(body, what="the token server's answer")
    except BundleMalformedError:
        document = {}
    found = document.get("token") or document.get("access_token")
    # Prevents: a token that brings headers of its own.
    if not isinstance(found, str) or not _TOKEN.fullmatch(found):
        raise BundleUnreachableError("the registry's token server gives no token")
    return Secret(f"Bearer {found}")
