"""Publish policies from this data directory: which version comes next, who signs, where it goes, and what is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from watchword.app.policies import PURPOSE, kept, publish_gates, trusted_keys
from watchword.app.rehearsal import flip_gate
from watchword.app.services import Services
from watchword.kernel import ConfigurationError
from watchword.kernel.events import Json
from watchword.policy import Problem
from watchword.policy.bundles import (
    BUNDLE_PUBLISHED,
    BundleKeptError,
    BundleKeyError,
    BundleRollbackError,
    FileKey,
    Form,
    Gate,
    Manifest,
    Memory,
    Notice,
    OutboxAlarm,
    Parcel,
    PublicKey,
    Release,
    RightPolicies,
    RingKey,
    SigningKey,
    TrustedKeys,
    build,
    check_files,
    checked,
    form_of,
    notes_of,
    offered_version,
    read_parcel,
    read_policy_files,
    sign,
    signers,
    verify,
    write,
    write_folder,
)
from watchword.settings import NODE_KEY, PolicyOrigin, Settings

_LONGEST_DAYS: Final = 3650


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked for.

    Attributes:
        keys: paths of key files, or `node` for the node's own.
        cosigners: public keys of those who will sign later, beside the configured ones.
        to: where the bundle goes; nothing for where this node looks.
        form: in which form; nothing for what is there already, else a tar.
        version: nothing for the next.
        expect_gain: so many recorded decisions may gain; nothing for what `expected-flips.yaml` says.
        expect_lose: so many may lose.
        needs_proof: an invariant that is not proved stops it, whatever the configuration says.
    """

    keys: Sequence[str]
    cosigners: Sequence[str] = ()
    to: Path | None = None
    form: Form | None = None
    days: int = 90
    version: int | None = None
    expect_gain: int | None = None
    expect_lose: int | None = None
    needs_proof: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """What came of it.

    Attributes:
        path: where it was written; nothing when a gate found problems, and nothing was signed.
        signed: how many keys that this node knows have signed; `needed` of them must.
        is_followed: whether this node looks at `path`.
        notes: what the gates have to tell that stopped nothing.
    """

    manifest: Manifest | None
    path: Path | None
    signed: int
    needed: int
    is_followed: bool
    left_out: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


async def publish(
    services: Services, directory: Path, order: Order, *, actor: str, begun: Callable[[str], None] = lambda _name: None
) -> Published:
    """Check a directory at every gate, sign it and write the bundle; nothing is written if a gate finds something.

    Raises:
        WatchwordError: a key, the directory or the place to write to cannot be used.
    """
    order = _filled(services.settings, order)
    keys = await _signing_keys(services, order.keys)
    _refuse_strangers(services, order, keys)
    replayed = flip_gate(services.settings, directory, gain=order.expect_gain, lose=order.expect_lose)
    gates = (*publish_gates(services.settings, needs_proof=order.needs_proof), replayed)
    return await _released(services, directory, order, keys, gates, actor=actor, begun=begun)


async def roll_back(
    services: Services,
    version: int | None,
    order: Order,
    *,
    actor: str,
    begun: Callable[[str], None] = lambda _name: None,
) -> tuple[int, Published]:
    """Publish the contents of an older version as a new one, so that versions only ever grow.

    Only the first gate is asked: what was published once may be needed back when the others have changed their mind.

    Args:
        version: a kept one; nothing for the one before the newest.

    Returns:
        the version whose contents were taken, and what came of it.

    Raises:
        WatchwordError: that version is not kept or not right any more, or it cannot be signed or written.
    """
    settings = services.settings
    order = _filled(settings, order)
    keys = await _signing_keys(services, order.keys)
    older = _older(settings, version)
    parcel = _trusted_contents(services, kept(settings).read(older), keys)
    from_folder = kept(settings).versions()[older]
    released = await _released(
        services, from_folder, order, keys, (RightPolicies(), _Unchanged(parcel)), actor=actor, begun=begun, older=older
    )
    return older, released


async def add_signatures(services: Services, path: Path, order: Order, *, actor: str) -> Published:
    """Sign a bundle that somebody else built, and write it with one signature more.

    Raises:
        WatchwordError: it is no bundle, does not name the key, or cannot be written.
    """
    parcel = await asyncio.to_thread(read_parcel, path)
    for key in await _signing_keys(services, order.keys):
        parcel = sign(parcel, key)
    target = replace(order, to=order.to or path)
    return await _written(services, parcel, target, actor=actor)


def contents_of(settings: Settings, said: str) -> dict[str, bytes]:
    """Return the policy files that a word means: `current`, the number of a kept version, or a path.

    Raises:
        WatchwordError: there are none.
    """
    store = kept(settings)
    if said == "current":
        if not settings.policy.is_signed:
            return _files_at(settings.policy_directory)
        version = store.memory().version
        if not version:
            raise BundleKeptError("no bundle was in force yet", hint="publish one, or name a directory")
        return dict(store.read(version).files)
    if said.isascii() and said.isdecimal() and not Path(said).exists():
        return dict(store.read(int(said)).files)
    return _files_at(Path(said))


def examined(services: Services, path: Path) -> tuple[Published, tuple[Problem, ...]]:
    """Check a bundle as this node would when it came, but for its version, which depends on when it comes.

    Returns:
        what it is, and what the first gate says of its contents.

    Raises:
        BundleError: it is none, is not signed by enough known keys, is over, or is not what was signed.
    """
    parcel = read_parcel(path)
    manifest = Manifest.from_bytes(parcel.envelope.payload)
    settings = services.settings
    signed = needed = 0
    if settings.policy.is_signed:
        trusted = trusted_keys(settings, services.keys)
        found = verify(parcel, trusted=trusted, memory=Memory(), name=settings.policy.name, now=services.clock.now())
        signed, needed = len(found.signers), trusted.threshold
    else:
        check_files(parcel, manifest)
    with TemporaryDirectory(prefix="watchword-check-") as place:
        folder = Path(place) / "policies"
        write_folder(folder, parcel.files)
        problems = tuple(RightPolicies()(folder))
    return Published(manifest, path, signed, needed, is_followed=False), problems


def history(settings: Settings) -> list[tuple[Manifest, bool]]:
    """Return the manifests of the kept versions, the newest first, and whether each was the last in force."""
    store = kept(settings)
    remembered = store.memory().digest
    found = []
    for version in sorted(store.versions(), reverse=True):
        manifest = Manifest.from_bytes(store.read(version).envelope.payload)
        found.append((manifest, manifest.digest == remembered))
    return found


# --- the steps --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Unchanged:
    """The gate of a rollback: what is about to be signed is what was verified a moment ago."""

    parcel: Parcel
    name: str = "contents"

    def __call__(self, directory: Path) -> Sequence[Problem]:
        """Compare every file."""
        if _files_at(directory) == dict(self.parcel.files):
            return ()
        return (Problem("", 0, 0, "the kept version changed while it was read"),)


async def _released(
    services: Services,
    directory: Path,
    order: Order,
    keys: Sequence[SigningKey],
    gates: Sequence[Gate],
    *,
    actor: str,
    begun: Callable[[str], None],
    older: int | None = None,
) -> Published:
    settings = services.settings
    version = _next_version(settings, order)
    files, left_out, problems = await asyncio.to_thread(checked, directory, gates, begun=begun)
    if problems:
        notes = notes_of(gates)
        return Published(None, None, 0, 0, is_followed=False, left_out=left_out, problems=problems, notes=notes)
    begun("signing")
    cosigners = [PublicKey.parse(key) for key in (*settings.policy.keys, *order.cosigners) if key != NODE_KEY]
    if NODE_KEY in settings.policy.keys:
        cosigners += [PublicKey(key.raw()) for key in services.keys.published(PURPOSE).values()]
    release = Release(
        name=settings.policy.name,
        version=version,
        created=services.clock.now(),
        ttl=timedelta(days=order.days),
        key_ids=[key.id for key in cosigners],
    )
    parcel = build(files, release, keys)
    published = await _written(services, parcel, order, actor=actor, older=older)
    return replace(published, left_out=left_out, notes=notes_of(gates))


async def _written(
    services: Services, parcel: Parcel, order: Order, *, actor: str, older: int | None = None
) -> Published:
    """Write, keep and tell; a bundle that needs more signatures is written beside what is followed, not there."""
    settings = services.settings
    manifest = Manifest.from_bytes(parcel.envelope.payload)
    assert order.to is not None
    signed, needed = _signed(services, parcel)
    path = order.to
    form = order.form or form_of(path)
    if path == settings.bundle_path and signed < needed:
        # Prevents: a good bundle being replaced by one that every node must refuse.
        path = path.with_name(f"{path.stem}-{manifest.version}.tar")
        form = Form.TAR
    await asyncio.to_thread(write, parcel, path, form)
    if signed >= needed:
        await asyncio.to_thread(kept(settings).keep, parcel, manifest)
    data: dict[str, Json] = {
        "version": manifest.version,
        "digest": manifest.digest,
        "rolled_back_to": older,
        "keys": [signature.key_id for signature in parcel.envelope.signatures],
    }
    alarm = OutboxAlarm(services.database, services.clock, services.entropy)
    await alarm(Notice(BUNDLE_PUBLISHED, manifest.name, data, actor))
    return Published(manifest, path, signed, needed, is_followed=_is_followed(settings, path))


def _filled(settings: Settings, order: Order) -> Order:
    if not 1 <= order.days <= _LONGEST_DAYS:
        raise ConfigurationError(f"--days must lie between 1 and {_LONGEST_DAYS}")
    if order.to is not None:
        return order
    if not settings.policy.is_signed or settings.policy.source not in {PolicyOrigin.ARCHIVE, PolicyOrigin.DIRECTORY}:
        raise ConfigurationError(
            "this node does not follow a bundle on this machine, so say with --to where it goes",
            hint='to let it follow one, set in [policy]: source = "archive" and keys = ["..."]',
        )
    return replace(order, to=settings.bundle_path)


async def _signing_keys(services: Services, said: Sequence[str]) -> list[SigningKey]:
    found: list[SigningKey] = []
    for word in said:
        if word == NODE_KEY:
            await services.keys.ensure(PURPOSE)
            found.append(RingKey(services.keys.signer(PURPOSE)))
        else:
            found.append(await asyncio.to_thread(FileKey.read, Path(word), sealer=services.sealer))
    if len({key.public.id for key in found}) != len(found) or not found:
        raise BundleKeyError("give each key once with --key", hint="make one with: watchword policies keygen")
    return found


def _refuse_strangers(services: Services, order: Order, keys: Sequence[SigningKey]) -> None:
    """Say at once that a signature would not count on this node, instead of that one is missing."""
    assert order.to is not None
    if not _is_followed(services.settings, order.to):
        return
    trusted = trusted_keys(services.settings, services.keys)
    strangers = [str(key.public) for key in keys if key.public.id not in trusted.keys]
    if strangers:
        raise BundleKeyError(
            f"this node does not trust the key `{strangers[0]}`",
            hint="name it in `policy.keys`, or sign with one that is",
        )


def _next_version(settings: Settings, order: Order) -> int:
    store = kept(settings)
    assert order.to is not None
    highest = max(store.memory().version, offered_version(order.to), *store.versions(), 0)
    if order.version is None:
        return highest + 1
    if order.version <= highest:
        raise BundleRollbackError(
            f"version {order.version} is not newer than version {highest}",
            hint="leave --version out; to go back: watchword policies rollback",
        )
    return order.version


def _older(settings: Settings, version: int | None) -> int:
    if version is not None:
        return version
    store = kept(settings)
    known = store.versions()
    newest = store.memory().version or max(known, default=0)
    found = max((number for number in known if number < newest), default=0)
    if not found:
        raise BundleKeptError("no older version is kept on this machine", hint="watchword policies history")
    return found


def _trusted_contents(services: Services, parcel: Parcel, keys: Sequence[SigningKey]) -> Parcel:
    """Return a kept version if those whom this node trusts, or who now sign, signed it; its end does not matter.

    # Prevents: somebody altering an old version on disk, to have it signed by whoever rolls back.
    """
    manifest = Manifest.from_bytes(parcel.envelope.payload)
    settings = services.settings
    known = [PublicKey.parse(key) for key in settings.policy.keys if key != NODE_KEY]
    if NODE_KEY in settings.policy.keys:
        known += [PublicKey(key.raw()) for key in services.keys.all_ever(PURPOSE).values()]
    trusted = TrustedKeys.of(known or [key.public for key in keys], settings.policy.threshold if known else 1)
    verify(parcel, trusted=trusted, memory=Memory(), name=settings.policy.name, now=manifest.created)
    return parcel


def _signed(services: Services, parcel: Parcel) -> tuple[int, int]:
    """Return how many signatures count on this node, and how many must; where it takes none, those that are there."""
    if not services.settings.policy.is_signed:
        return len(parcel.envelope.signatures), 1
    trusted = trusted_keys(services.settings, services.keys)
    return len(signers(parcel, trusted)), trusted.threshold


def _is_followed(settings: Settings, path: Path) -> bool:
    is_here = settings.policy.source in {PolicyOrigin.ARCHIVE, PolicyOrigin.DIRECTORY}
    return settings.policy.is_signed and is_here and path.absolute() == settings.bundle_path.absolute()


def _files_at(path: Path) -> dict[str, bytes]:
    if path.is_dir() and not (path / "oci-layout").exists():
        return read_policy_files(path)[0]
    return dict(read_parcel(path).files)
