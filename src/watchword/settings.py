"""Read the configuration: one TOML file, the environment over it, one frozen slice for each room."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from watchword.configuration import Configuration
from watchword.decision import Application, ApplicationSettings, DecisionSettings, applications
from watchword.enforcement.authzen import AuthzenSettings
from watchword.enforcement.envoy import EdgeSettings, TcpAddress
from watchword.kernel import ConfigurationError
from watchword.kernel.settings import check_environment, convert, read_slice, setting, unknown_key
from watchword.outbound import check_url
from watchword.policy.bundles import (
    ArtifactReference,
    BundleKeyError,
    PublicKey,
    check_folder,
    check_ref,
    is_bundle_name,
    protocol_of,
)
from watchword.policy.rego import OpaSettings
from watchword.trust import TrustSettings

NODE_KEY = "node"
_SHORTEST_POLL_S, _LONGEST_POLL_S = 0.05, 86_400.0
_WHOLE = 100
_KEY_SOURCES = ("file", "environment", "prompt")
_LONGEST_ROTATION_DAYS = 3650


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where state lives."""

    url: str = setting("Database URL, sqlite or postgresql; empty means a file in the data directory.", default="")


@dataclass(frozen=True, slots=True)
class KeysSettings:
    """Where the sealing key comes from."""

    source: str = setting("`file`, `environment` or `prompt`.", default="file")
    file: str = setting("Path of the sealing key; empty means `keys/master.key` in the data directory.", default="")
    variable: str = setting("Environment variable that holds the sealing key.", default="WATCHWORD_MASTER_KEY")
    rotate_days: int = setting("Days after which a signing key is replaced, 1 to 3650.", default=30)

    def __post_init__(self) -> None:
        """Refuse a source that is none, and a span that no clock can add."""
        if self.source not in _KEY_SOURCES:
            raise ValueError(f"`keys.source` must be one of {', '.join(_KEY_SOURCES)}")
        if not 1 <= self.rotate_days <= _LONGEST_ROTATION_DAYS:
            raise ValueError(f"`rotate_days` must lie between 1 and {_LONGEST_ROTATION_DAYS}")


class PolicyOrigin(StrEnum):
    """Where policies come from."""

    DIRECTORY = "directory"
    ARCHIVE = "archive"
    URL = "url"
    GIT = "git"
    REGISTRY = "registry"


class WhenExpired(StrEnum):
    """What becomes of a bundle that nobody replaced in time."""

    DENY = "deny"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """Where policies come from, and who must have signed them."""

    directory: str = setting("Directory of Cedar policies; empty means `policies` in the data directory.", default="")
    candidate: str = setting(
        "Directory of policies that watch beside those in force and never decide; empty for none.", default=""
    )
    source: PolicyOrigin = setting(
        "`directory` (edited in place), or signed bundles from an `archive` on this machine, a `url`, a `git` "
        "repository or an OCI `registry`.",
        default=PolicyOrigin.DIRECTORY,
    )
    location: str = setting(
        "Address of the bundle: a path, an https address, a repository, or an artifact such as "
        "`registry.example.com/team/policies:production`; for an archive, empty means `policies.tar` in the data "
        "directory.",
        default="",
    )
    ref: str = setting("Branch of the git repository, or `refs/tags/NAME`.", default="main")
    path: str = setting("Folder of the policies inside the git repository; empty means its top.", default="")
    ca_file: str = setting(
        "Certificates in PEM to trust for `url`, `git` and `registry` instead of the system's; empty means the "
        "system's.",
        default="",
    )
    credentials_file: str = setting(
        "For a `registry`: file with user and password, as `skopeo login --authfile` writes it; empty for none. "
        "`WATCHWORD_REGISTRY_AUTH` may hold `user:password` instead.",
        default="",
    )
    auth_host: str = setting(
        "For a `registry`: another host that may see the password, where the registry sends us for a token.",
        default="",
    )
    name: str = setting("Name of the bundles that this node takes; others are refused.", default="policies")
    keys: tuple[str, ...] = setting(
        "Public keys that may sign bundles, as `watchword policies keygen` prints them; `node` stands for the node's "
        "own. With keys, a directory must be signed too; without, it is taken as it stands.",
        default=(),
    )
    threshold: int = setting("How many of the keys must have signed.", default=1)
    poll_s: float = setting(
        "Seconds between two looks for a newer bundle, 0.05 to 86400; 0 means 0.2 on this machine, 30 elsewhere.",
        default=0.0,
    )
    min_coverage: int = setting(
        "Percentage of the clauses of policies that their tests must reach before they are published, 0 to 100; a file "
        "in `tests` may ask for more.",
        default=0,
    )
    min_branch_coverage: int = setting(
        "Percentage of the values of clauses that tests must have seen before policies are published, 0 to 100.",
        default=0,
    )
    needs_proof: bool = setting(
        "Publish nothing while an invariant is not proved, also where the solver is missing; else that is only told. A "
        "broken invariant always stops a publication.",
        default=False,
    )
    when_expired: WhenExpired = setting(
        "`deny` everything once the bundle in force has expired, or `keep` it and only tell.",
        default=WhenExpired.DENY,
    )

    def __post_init__(self) -> None:
        """Refuse what could never be followed, before anything starts.

        Raises:
            ValueError: an address, name, branch, folder or number is out of bounds, or nobody would have to sign.
        """
        if not is_bundle_name(self.name):
            raise ValueError("`policy.name` is made of small letters, digits and dashes, at most 63")
        # Prevents: policies from elsewhere being taken without anybody's signature.
        if self.source is not PolicyOrigin.DIRECTORY and not self.keys:
            raise ValueError(f"`policy.source = {self.source.value}` needs `policy.keys`: bundles are signed")
        if self.keys and not 1 <= self.threshold <= len(set(self.keys)):
            raise ValueError("`policy.threshold` must lie between 1 and the number of different keys")
        _check_public_keys(key for key in self.keys if key != NODE_KEY)
        if not 0 <= self.min_coverage <= _WHOLE or not 0 <= self.min_branch_coverage <= _WHOLE:
            raise ValueError("`policy.min_coverage` and `policy.min_branch_coverage` must lie between 0 and 100")
        if self.poll_s != 0 and not _SHORTEST_POLL_S <= self.poll_s <= _LONGEST_POLL_S:
            raise ValueError("`policy.poll_s` must be 0, or lie between 0.05 and 86400")
        if self.source is PolicyOrigin.URL:
            check_url(self.location)
        if self.source is PolicyOrigin.GIT:
            protocol_of(self.location)
            check_ref(self.ref)
            check_folder(self.path)
        if self.source is PolicyOrigin.REGISTRY:
            ArtifactReference.parse(self.location)

    @property
    def is_signed(self) -> bool:
        """Whether somebody must have signed the policies."""
        return bool(self.keys)


@dataclass(frozen=True, slots=True)
class ForwardAuthSettings:
    """The door for other proxies: nginx, Traefik, Caddy."""

    listen: str = setting("Address such as `127.0.0.1:9092`; empty turns the endpoint off.", default="")
    trusted_proxies: tuple[str, ...] = setting(
        "Networks whose forwarded headers are believed; a request from elsewhere is refused.",
        default=("127.0.0.1/32", "::1/128"),
    )

    def __post_init__(self) -> None:
        """Refuse an address that nobody can listen on, and networks that are none."""
        if self.listen:
            try:
                ipaddress.ip_address(TcpAddress.parse(self.listen).host)
            except ValueError:
                raise ConfigurationError(
                    "`forward_auth.listen` needs an IP address", hint="for example 127.0.0.1:9092"
                ) from None
        for network in self.trusted_proxies:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ConfigurationError(
                    f"`forward_auth.trusted_proxies`: `{network}` is not a network", hint="for example 10.0.0.0/8"
                ) from None


@dataclass(frozen=True, slots=True)
class ObligationSettings:
    """What the edge may use to fulfil obligations, and with which keys."""

    max_body_kib: int = setting(
        "KiB of the longest body that is read to fulfil an obligation; a longer one is withheld. 1 to 65536.",
        default=4096,
    )
    max_held_mib: int = setting(
        "MiB of all bodies that are held back at a time, 1 to 4096; what would be more is withheld.", default=64
    )
    key_generation: int = setting(
        "Number of the key that makes hashes, tokens and marks, 1 to 100; raise it by one to change the key. Tokens of "
        "earlier ones can still be turned back.",
        default=1,
    )

    def __post_init__(self) -> None:
        """Refuse what would hold no body at all, or more than any machine has."""
        for name, most in (("max_body_kib", 65_536), ("max_held_mib", 4096), ("key_generation", 100)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"`obligations.{name}` must lie between 1 and {most}")


SLICES: Mapping[str, type] = MappingProxyType(
    {
        "edge": EdgeSettings,
        "storage": StorageSettings,
        "keys": KeysSettings,
        "decision": DecisionSettings,
        "trust": TrustSettings,
        "policy": PolicySettings,
        "opa": OpaSettings,
        "forward_auth": ForwardAuthSettings,
        "authzen": AuthzenSettings,
        "obligations": ObligationSettings,
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration."""

    data: Path
    edge: EdgeSettings
    storage: StorageSettings
    keys: KeysSettings
    decision: DecisionSettings
    trust: TrustSettings
    policy: PolicySettings
    opa: OpaSettings
    forward_auth: ForwardAuthSettings
    authzen: AuthzenSettings
    obligations: ObligationSettings
    applications: tuple[Application, ...]

    def slices(self) -> Mapping[str, Any]:
        """Return each section by its name in the file."""
        return {name: getattr(self, name) for name in SLICES}

    @property
    def database_url(self) -> str:
        """The URL with its default filled in."""
        return self.storage.url or f"sqlite:///{self.data / 'watchword.db'}"

    @property
    def master_key_file(self) -> Path:
        """The path of the sealing key with its default filled in."""
        return Path(self.keys.file) if self.keys.file else self.data / "keys" / "master.key"

    @property
    def candidate_directory(self) -> Path | None:
        """The directory of policies that only watch, if there is one."""
        return Path(self.policy.candidate) if self.policy.candidate else None

    @property
    def policy_directory(self) -> Path:
        """The policy directory with its default filled in."""
        return Path(self.policy.directory) if self.policy.directory else self.data / "policies"

    @property
    def bundle_path(self) -> Path:
        """The bundle on this machine that the node follows, with its default filled in."""
        if self.policy.source is PolicyOrigin.DIRECTORY:
            return self.policy_directory
        return Path(self.policy.location) if self.policy.location else self.data / "policies.tar"

    @property
    def journal_directory(self) -> Path:
        """Where the audit journal lives."""
        return self.data / "journal"


def load(
    config: Path | None = None, *, data: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read and check the configuration; the arguments are those of `Configuration.find`.

    Raises:
        ConfigurationError: the file cannot be read, is not TOML, or holds an unknown key or a wrong value.
    """
    environment = os.environ if environment is None else environment
    found = Configuration.find(config, data=data, environment=environment)
    document = found.read()
    known = [*SLICES, "applications"]
    for key in document:
        if key not in known:
            raise unknown_key(key, known, where="")
    check_environment(environment, SLICES)
    slices: dict[str, Any] = {
        name: read_slice(slice_type, document.get(name), section=name, environment=environment)
        for name, slice_type in SLICES.items()
    }
    listed: tuple[ApplicationSettings, ...] = convert(
        document.get("applications", []), tuple[ApplicationSettings, ...], where="applications", environment={}
    )
    return Settings(data=found.data, applications=applications(listed, profile=slices["trust"].profile), **slices)


def _check_public_keys(keys: Iterable[str]) -> None:
    try:
        for key in keys:
            PublicKey.parse(key)
    except BundleKeyError as error:
        raise ValueError(f"{error.message}: {error.hint}") from None
