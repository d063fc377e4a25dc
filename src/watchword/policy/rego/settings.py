"""This sub-room's slice of the configuration: a policy server to ask besides the policies of this node."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from watchword.kernel.settings import setting

_RULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\.(allow|deny)", re.ASCII)
_LEAST_MS, _MOST_MS = 10, 10_000
_MOST_CONNECTIONS: Final = 64
_LEAST_BYTES, _MOST_BYTES = 1024, 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class OpaSettings:
    """An Open Policy Agent that has to agree to what is allowed."""

    url: str = setting(
        "Address of an Open Policy Agent: `http://host:port`, `https://host:port` or `unix:/path`; empty asks none.",
        default="",
    )
    rules: tuple[str, ...] = setting(
        "What to ask it: `package.allow` and `package.deny`, for example `blossom.authz.allow`.", default=()
    )
    token_file: str = setting("File with a bearer token for it; it is read again for each question.", default="")
    ca_file: str = setting("File with the certificates to trust for https; empty means the system's.", default="")
    timeout_ms: int = setting("Milliseconds after which no answer is a denial, 10 to 10000.", default=250)
    connections: int = setting("Connections to keep open, 1 to 64.", default=8)
    answer_bytes: int = setting("Longest answer to read, in bytes.", default=65_536)
    strict_builtin_errors: bool = setting(
        "Whether a builtin that fails denies; otherwise the expression is undefined, as OPA has it by default.",
        default=True,
    )

    def __post_init__(self) -> None:
        """Refuse an address that is none, rules that say nothing, and limits that are no limits."""
        for name, least, most in (
            ("timeout_ms", _LEAST_MS, _MOST_MS),
            ("connections", 1, _MOST_CONNECTIONS),
            ("answer_bytes", _LEAST_BYTES, _MOST_BYTES),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"`{name}` must lie between {least} and {most}")
        if not self.url:
            return
        if not self.rules:
            raise ValueError("`rules` is empty: name what to ask, for example `blossom.authz.allow`")
        for rule in self.rules:
            if not _RULE.fullmatch(rule):
                raise ValueError(f"`{rule}` is no rule to ask: write `package.allow` or `package.deny`")
        self._check_url()

    def _check_url(self) -> None:
        if self.url.startswith("unix:/"):
            return
        parts = urlsplit(self.url)
        bare = parts.path in {"", "/"} and not (parts.query or parts.fragment or parts.username or parts.password)
        if parts.scheme not in {"http", "https"} or not parts.hostname or not bare:
            raise ValueError(f"`{self.url}` is no address: write http://host:port, https://host:port or unix:/path")
        # Prevents: a token and every request's facts in clear text on a network.
        if parts.scheme == "http" and not _is_here(parts.hostname):
            raise ValueError("http reaches this machine only; use https or a Unix socket")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
