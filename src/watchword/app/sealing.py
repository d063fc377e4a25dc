"""Find the sealing key, and replace it: everything is sealed anew in one unit of work, then the key file follows.

With a key in a file the order is: write the next key beside it, seal everything anew and commit, keep the former key
under another name, and put the next one in its place. A stop before the commit leaves everything as it was; after it,
the next start finds that the key beside fits and finishes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watchword.app.data import hold
from watchword.identity import LASTING_KEYS
from watchword.identity import reseal as reseal_identity
from watchword.kernel import Clock, ConfigurationError, Entropy, Secret
from watchword.keys import (
    SEALING_KEY_REPLACED,
    KeyRing,
    MasterKey,
    Sealer,
    WrongSealingKeyError,
    sync_directory,
)
from watchword.keys import reseal as reseal_keys
from watchword.policy.bundles import BundleKeyError, FileKey
from watchword.settings import Settings
from watchword.storage import Database

if TYPE_CHECKING:
    from watchword.app.services import Services

PASSPHRASE_VARIABLE = "WATCHWORD_PASSPHRASE"  # noqa: S105  # the name of the variable
_NEXT = "_NEXT"
DEVICE_KEY = "devices.handle"


@dataclass(frozen=True, slots=True)
class Resealed:
    """What was sealed anew.

    Attributes:
        values: how many.
        former: where the former key is kept; nothing where a key does not come from a file.
    """

    values: int
    former: Path | None


async def opened_ring(
    settings: Settings, master: MasterKey, database: Database, clock: Clock, entropy: Entropy
) -> tuple[Sealer, KeyRing]:
    """Open the seals with the sealing key, and finish a replacement of it that was interrupted.

    Raises:
        WatchwordError: the key is not the one, or something was altered.
    """
    sealer = Sealer(master)
    ring = KeyRing(database, sealer, clock, entropy)
    try:
        await ring.load()
    except WrongSealingKeyError:
        if settings.keys.source != "file" or not _next_file(settings).exists():
            raise
        sealer = Sealer(MasterKey.from_file(_next_file(settings)))
        ring = KeyRing(database, sealer, clock, entropy)
        await ring.load()
        _put_in_place(settings, clock)
    return sealer, ring


async def replace_sealing_key(services: Services, *, actor: str, key_files: Sequence[Path] = ()) -> Resealed:
    """Seal everything anew under another key; the node must not run.

    Args:
        services: of this data directory.
        actor: who asked for it.
        key_files: keys for bundles that were sealed under the former key.

    Raises:
        AlreadyRunningError: the node runs.
        ConfigurationError: the next key was not given, or is the present one.
        SealBrokenError, BundleKeyError: something cannot be opened; nothing was changed.
    """
    settings = services.settings
    with ExitStack() as stack:
        # Prevents: a node that goes on sealing under the former key.
        stack.enter_context(hold(settings.data))
        fresh = Sealer(_next_key(settings))
        if fresh.derive("identity") == Sealer(master_key(settings)).derive("identity"):
            raise ConfigurationError("the next sealing key is the present one", hint="give another")
        files = list(dict.fromkeys(path.resolve() for path in key_files))
        beside = [_resealed_file(path, services.sealer, fresh) for path in files]
        async with services.database.work() as unit:
            carried = [*LASTING_KEYS, DEVICE_KEY, *obligation_purposes(settings)]
            values = await reseal_keys(unit.connection, services.sealer, fresh, carried=carried)
            values += await reseal_identity(unit.connection, services.sealer, fresh)
            event = SEALING_KEY_REPLACED
            unit.emit(event.at(services.clock.now(), services.entropy, actor=actor, subject="sealing", values=values))
        former = _put_in_place(settings, services.clock) if settings.keys.source == "file" else None
        for path, found in zip(files, beside, strict=True):
            found.replace(path)
            sync_directory(path.parent)
        return Resealed(values + len(beside), former)


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
        return _of_passphrase(settings, PASSPHRASE_VARIABLE, "start with `watchword up`, or set {}")
    raise ConfigurationError(f"`keys.source` cannot be `{source}`", hint="use file, environment or prompt")


def obligation_purposes(settings: Settings) -> list[str]:
    """Name the derived keys of hashes, tokens and marks, newest first."""
    return [
        "obligations.values" if generation == 1 else f"obligations.values.{generation}"
        for generation in range(settings.obligations.key_generation, 0, -1)
    ]


def _next_key(settings: Settings) -> MasterKey:
    """Make the next key, or take the one that an interrupted replacement made."""
    if settings.keys.source == "file":
        path = _next_file(settings)
        return MasterKey.from_file(path) if path.exists() else MasterKey.create_file(path)
    if settings.keys.source == "environment":
        return MasterKey.from_environment(settings.keys.variable + _NEXT)
    return _of_passphrase(settings, PASSPHRASE_VARIABLE + _NEXT, "set {} to the next passphrase")


def _of_passphrase(settings: Settings, variable: str, hint: str) -> MasterKey:
    passphrase = os.environ.get(variable, "")
    if not passphrase:
        raise ConfigurationError("the passphrase of the sealing key was not given", hint=hint.format(variable))
    return MasterKey.from_prompt(Secret(passphrase), _salt(settings.data / "keys" / "salt"))


def _next_file(settings: Settings) -> Path:
    return settings.master_key_file.with_name(settings.master_key_file.name + ".next")


def _put_in_place(settings: Settings, clock: Clock) -> Path:
    """Let the next key take the place of the former one, which is kept: backups were sealed under it."""
    path = settings.master_key_file
    name = f"{path.name}.former-{clock.now():%Y%m%dT%H%M%SZ}"
    taken = sum(one.name.startswith(name) for one in path.parent.iterdir())
    former = path.with_name(f"{name}-{taken}" if taken else name)
    # Prevents: a former key lost for ever, of which backups are still in need; a name that is taken is an error.
    os.link(path, former)
    _next_file(settings).replace(path)
    sync_directory(path.parent)
    return former


def _resealed_file(path: Path, former: Sealer, fresh: Sealer) -> Path:
    """Write a key for bundles once more beside itself, under the next seal."""
    beside = path.with_name(path.name + ".next")
    try:
        key = FileKey.read(path, sealer=former)
    except BundleKeyError:
        if not FileKey.is_sealed(beside):
            raise
        # A replacement was interrupted when the sealing key was in place and this one was not.
        # Prevents: the one copy that the sealing key opens thrown away by the next attempt.
        key = FileKey.read(beside, sealer=former)
        beside.replace(path)
        sync_directory(path.parent)
    if not FileKey.is_sealed(path):
        raise ConfigurationError(f"the key in `{path}` is not sealed", hint="leave it out")
    beside.unlink(missing_ok=True)
    key.write(beside, sealer=fresh)
    return beside


def _salt(path: Path) -> bytes:
    """Return the salt of this installation; it is no secret, but it must stay the same."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(os.urandom(16))
    return path.read_bytes()
