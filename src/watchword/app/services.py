"""Open the services that both the control plane and the command line use: everything but the servers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from watchword.app.data import prepare
from watchword.devices import DeviceReader, Devices
from watchword.identity import Identity, IdentitySettings
from watchword.kernel import Clock, ConfigurationError, Entropy, Secret, SystemClock, SystemEntropy
from watchword.keys import KeyRing, LocalAuthority, MasterKey, Sealer
from watchword.policy.relations.keeping import RelationTuples
from watchword.settings import Settings
from watchword.storage import Database, migrate
from watchword.trust import NetworkListing

PASSPHRASE_VARIABLE = "WATCHWORD_PASSPHRASE"  # noqa: S105  # the name of the variable


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases of one installation over its database."""

    settings: Settings
    clock: Clock
    entropy: Entropy
    database: Database
    sealer: Sealer
    keys: KeyRing
    identity: Identity
    devices: Devices
    device_reader: DeviceReader
    networks: NetworkListing
    relations: RelationTuples


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open the database and make the services; close them at the end.

    Raises:
        WatchwordError: the data directory, the sealing key or the database cannot be used; said in one sentence.
    """
    prepare(settings.data)
    clock, entropy = SystemClock(), SystemEntropy()
    sealer = Sealer(master_key(settings))
    database = Database(settings.database_url)
    try:
        await database.check()
        await migrate(database)
        keys = KeyRing(database, sealer, clock, entropy)
        await keys.load()
        identity = Identity.open(database, clock, entropy, sealer=sealer, settings=identity_settings(settings))
        try:
            yield Services(
                settings=settings,
                clock=clock,
                entropy=entropy,
                database=database,
                sealer=sealer,
                keys=keys,
                identity=identity,
                devices=Devices(database, clock, entropy, key=device_key(sealer), host=settings.edge.host),
                device_reader=DeviceReader(database),
                networks=NetworkListing(database, clock, entropy),
                relations=RelationTuples(database, clock, entropy),
            )
        finally:
            identity.close()
    finally:
        await database.close()


def device_key(sealer: Sealer) -> bytes:
    """Return the secret that device handles are made with."""
    return sealer.derive("devices.handle")


def obligation_keys(settings: Settings, sealer: Sealer) -> tuple[bytes, ...]:
    """Return the secrets of hashes, tokens and marks, newest first; the same on every node of one master key."""
    newest = settings.obligations.key_generation
    return tuple(sealer.derive(_obligation_label(generation)) for generation in range(newest, 0, -1))


def _obligation_label(generation: int) -> str:
    return "obligations.values" if generation == 1 else f"obligations.values.{generation}"


def identity_settings(settings: Settings) -> IdentitySettings:
    """Tell the identity room what it needs to know of the edge and of sessions."""
    return IdentitySettings(portal_origin=settings.edge.origin(), session_minutes=settings.decision.session_max_min)


def authority_of(settings: Settings) -> LocalAuthority:
    """Return the local certificate authority of a data directory."""
    domains = [host for app in settings.applications for host in app.hosts]
    return LocalAuthority(settings.data / "ca", SystemClock(), SystemEntropy(), domains=[settings.edge.host, *domains])


def master_key(settings: Settings) -> MasterKey:
    """Find the sealing key; a new installation gets one, an existing one never does.

    Raises:
        MasterKeyError: it is missing or malformed.
        ConfigurationError: `keys.source` names no source, or a passphrase was not given.
    """
    source = settings.keys.source
    if source == "file":
        path = settings.master_key_file
        # Prevents: a lost key being replaced silently, which would leave every sealed secret unreadable.
        if not path.exists() and not (settings.data / "watchword.db").exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return MasterKey.create_file(path)
        return MasterKey.from_file(path)
    if source == "environment":
        return MasterKey.from_environment(settings.keys.variable)
    if source == "prompt":
        # The control plane has no terminal: `watchword up` asks, and passes the answer on in the environment.
        passphrase = os.environ.get(PASSPHRASE_VARIABLE, "")
        if not passphrase:
            raise ConfigurationError(
                "the passphrase of the sealing key was not given",
                hint=f"start with `watchword up`, or set {PASSPHRASE_VARIABLE}",
            )
        return MasterKey.from_prompt(Secret(passphrase), _salt(settings.data / "keys" / "salt"))
    raise ConfigurationError(f"`keys.source` cannot be `{source}`", hint="use file, environment or prompt")


def _salt(path: Path) -> bytes:
    """Return the salt of this installation; it is no secret, but it must stay the same."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(os.urandom(16))
    return path.read_bytes()
