"""Open the services that both the control plane and the command line use: everything but the servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from watchword.app.data import prepare
from watchword.app.sealing import DEVICE_KEY, master_key, obligation_purposes, opened_ring
from watchword.devices import DeviceReader, Devices
from watchword.identity import Identity, IdentitySettings
from watchword.kernel import Clock, Entropy, SystemClock, SystemEntropy
from watchword.keys import KeyRing, LocalAuthority, Sealer
from watchword.policy.relations.keeping import RelationTuples
from watchword.settings import Settings
from watchword.storage import Database, migrate
from watchword.trust import NetworkListing


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
    master = master_key(settings)
    database = Database(settings.database_url)
    try:
        await database.check()
        await migrate(database)
        sealer, keys = await opened_ring(settings, master, database, clock, entropy)
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
    return sealer.derive(DEVICE_KEY)


def obligation_keys(settings: Settings, sealer: Sealer) -> tuple[bytes, ...]:
    """Return the secrets of hashes, tokens and marks, newest first; the same on every node of one master key."""
    return tuple(sealer.derive(purpose) for purpose in obligation_purposes(settings))


def identity_settings(settings: Settings) -> IdentitySettings:
    """Tell the identity room what it needs to know of the edge and of sessions."""
    return IdentitySettings(portal_origin=settings.edge.origin(), session_minutes=settings.decision.session_max_min)


def authority_of(settings: Settings) -> LocalAuthority:
    """Return the local certificate authority of a data directory."""
    domains = [host for app in settings.applications for host in app.hosts]
    return LocalAuthority(settings.data / "ca", SystemClock(), SystemEntropy(), domains=[settings.edge.host, *domains])
