"""Open the services that both the control plane and the command line use: everything but the servers."""

from __future__ import annotations

import getpass
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from watchword.app.data import prepare
from watchword.identity import Accounts, DirectoryReader, Handoff, IdentitySettings, Sessions, SignIn
from watchword.devices import DeviceReader, Devices
from watchword.kernel import Clock, ConfigurationError, Entropy, Secret, SystemClock, SystemEntropy
from watchword.keys import KeyRing, MasterKey, Sealer
from watchword.settings import Settings
from watchword.storage import Database, migrate
from watchword.trust import NetworkLists


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases of one installation over its database."""

    settings: Settings
    clock: Clock
    entropy: Entropy
    database: Database
    sealer: Sealer
    keys: KeyRing
    accounts: Accounts
    sessions: Sessions
    sign_in: SignIn
    handoff: Handoff
    directory: DirectoryReader
    devices: Devices
    device_reader: DeviceReader
    networks: NetworkLists


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open the database and make the services; close it at the end.

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
        yield _services(settings, clock, entropy, database, sealer, keys)
    finally:
        await database.close()


def master_key(settings: Settings) -> MasterKey:
    """Find the sealing key; a new installation gets one, an existing one never does.

    Raises:
        MasterKeyError: it is missing or malformed.
        ConfigurationError: `keys.source` names no source.
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
        return MasterKey.from_prompt(Secret(_ask()), _salt(settings.data / "keys" / "salt"))
    raise ConfigurationError("`keys.source` must be `file`, `environment` or `prompt`")


def _ask() -> str:
    # The control plane has no terminal: the supervisor asks and passes the answer on, once, in the environment.
    return os.environ.pop("WATCHWORD_PASSPHRASE", "") or getpass.getpass("Passphrase of the sealing key: ")


def _salt(path: Path) -> bytes:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(os.urandom(16))
    return path.read_bytes()
