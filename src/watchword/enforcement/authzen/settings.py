"""This room's slice of the configuration: who may ask, where, and how much."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from watchword.kernel import ConfigurationError
from watchword.kernel.settings import setting

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NAMESPACE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:::[A-Za-z_][A-Za-z0-9_]*)*")
_LISTEN: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})")
_PORT_MAX: Final = 65535
_MOST_EVALUATIONS: Final = 10_000
_MOST_CANDIDATES: Final = 1_000_000
_MOST_RESULTS: Final = 10_000


class Told(StrEnum):
    """How much of the reasons an answer carries."""

    ALL = "all"
    USER = "user"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class CallerSettings:
    """One enforcement point that may ask."""

    name: str = setting("Short name for the journal: lower-case letters, digits, hyphens.")
    key_sha256: tuple[str, ...] = setting(
        "SHA-256 of its keys, hexadecimal, as `watchword authzen new-key` prints them; two while a key is replaced."
    )
    namespaces: tuple[str, ...] = setting(
        "Namespaces of the schema that it may ask about; none means all. Users of this node are always subjects.",
        default=(),
    )
    obligations: tuple[str, ...] = setting(
        "Types of obligations that it fulfils, `step-up` and `custom`; a permit that asks for another is denied. "
        "None leaves that to what its questions say.",
        default=(),
    )
    reasons: Told = setting(
        "Whether denials say why: to administrators and users, or to users alone.", default=Told.ALL
    )

    def __post_init__(self) -> None:
        """Refuse what could never match."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"`{self.name}` is no name of an enforcement point")
        if not self.key_sha256 or not all(_DIGEST.fullmatch(digest) for digest in self.key_sha256):
            raise ConfigurationError(
                f"`authzen.callers`: `{self.name}` has a `key_sha256` that is no SHA-256",
                hint="write the digest that `watchword authzen new-key` prints, never the key itself",
            )
        if not set(self.obligations) <= {"step-up", "custom"}:
            raise ValueError("`obligations` may name `step-up` and `custom`")
        for namespace in self.namespaces:
            if not _NAMESPACE.fullmatch(namespace):
                raise ValueError(f"`{namespace}` is no namespace")


@dataclass(frozen=True, slots=True)
class AuthzenSettings:
    """The AuthZEN API: decisions for enforcement points that are not ours."""

    enabled: bool = setting("Answer the API.", default=False)
    listen: str = setting("Address of its TLS listener, apart from the portal's.", default="127.0.0.1:8444")
    public_port: int = setting("Port that callers use, if other than that of `listen`; 0 means the same.", default=0)
    callers: tuple[CallerSettings, ...] = setting("Enforcement points that may ask.", default=())
    entities_file: str = setting(
        "JSON file of further entities, in Cedar's form; looked at again when it changes. Empty means none.", default=""
    )
    denies_unknown_properties: bool = setting(
        "Deny where a property is sent that the schema does not declare, instead of ignoring it.", default=False
    )
    max_body_kb: int = setting("Kilobytes of a request body, 1 to 1024.", default=256)
    max_evaluations: int = setting("Evaluations in one call, 1 to 10000.", default=1000)
    max_results: int = setting("Results on one page of a search, 1 to 10000.", default=1000)
    max_candidates: int = setting("Candidates that one page of a search tries before it ends.", default=5000)
    search_budget_ms: int = setting("Milliseconds after which a page of a search ends, 1 to 10000.", default=500)

    def __post_init__(self) -> None:
        """Refuse an address nobody can listen on, doubled callers, and bounds that bound nothing."""
        address = _LISTEN.fullmatch(self.listen)
        try:
            ipaddress.ip_address((address[1] or address[2]) if address else "")
        except ValueError:
            raise ConfigurationError(
                "`authzen.listen` needs an IP address and a port", hint="for example 127.0.0.1:8444"
            ) from None
        assert address is not None
        if not 0 < int(address[3]) <= _PORT_MAX or not 0 <= self.public_port <= _PORT_MAX:
            raise ValueError("`listen` or `public_port` is out of range")
        names = [caller.name for caller in self.callers]
        digests = [digest for caller in self.callers for digest in caller.key_sha256]
        # Prevents: one key that speaks for two, so that the journal names the wrong one.
        if len(set(names)) != len(names) or len(set(digests)) != len(digests):
            raise ValueError("two callers have one name or one key")
        for name, most in (
            ("max_body_kb", 1024),
            ("max_evaluations", _MOST_EVALUATIONS),
            ("max_results", _MOST_RESULTS),
            ("max_candidates", _MOST_CANDIDATES),
            ("search_budget_ms", 10_000),
        ):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"`{name}` must lie between 1 and {most}")
