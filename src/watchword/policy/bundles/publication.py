"""Build, sign and write bundles."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from watchword.policy.bundles.envelope import Envelope, Signature
from watchword.policy.bundles.errors import BundleError, BundleKeptError, BundleKeyError, BundleMalformedError
from watchword.policy.bundles.folder import (
    ENVELOPE_FILE,
    read_parcel,
    read_policy_files,
    replace_folder,
    signed_folder,
    write_file,
    write_folder,
)
from watchword.policy.bundles.gates import Gate
from watchword.policy.bundles.keys import SigningKey
from watchword.policy.bundles.manifest import FileEntry, Manifest
from watchword.policy.bundles.oci import write_layout
from watchword.policy.bundles.parcel import Parcel
from watchword.policy.bundles.tarball import write_tar
from watchword.policy.errors import Problem


class Form(StrEnum):
    """In which form a bundle is written."""

    TAR = "tar"
    OCI = "oci"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class Release:
    """What a new bundle says of itself.

    Attributes:
        key_ids: of all who may sign it, those who have not signed yet among them.
        ttl: how long after `created` it may be in force.
    """

    name: str
    version: int
    created: datetime
    ttl: timedelta
    key_ids: Sequence[str] = ()


def build(files: Mapping[str, bytes], release: Release, keys: Sequence[SigningKey]) -> Parcel:
    """Make a bundle of files and sign it with every key.

    Raises:
        BundleMalformedError: a file or the release is out of bounds.
        BundleKeyError: there is no key.
    """
    if not keys:
        raise BundleKeyError("a bundle needs a key to sign it", hint="make one with: watchword policies keygen")
    created = release.created.replace(microsecond=0)
    manifest = Manifest(
        name=release.name,
        version=release.version,
        created=created,
        expires=(release.created + release.ttl).replace(microsecond=0),
        key_ids=tuple(sorted({*release.key_ids, *(key.public.id for key in keys)})),
        files=tuple(FileEntry.of(path, content) for path, content in sorted(files.items())),
    )
    parcel = Parcel(Envelope(manifest.to_bytes(), ()), dict(files))
    for key in keys:
        parcel = sign(parcel, key)
    return parcel


def sign(parcel: Parcel, key: SigningKey) -> Parcel:
    """Add a signature, in the place of an earlier one of the same key.

    Raises:
        BundleKeyError: the manifest does not name the key, so its signature would not count.
        BundleMalformedError: the manifest is not one.
    """
    manifest = Manifest.from_bytes(parcel.envelope.payload)
    if key.public.id not in manifest.key_ids:
        raise BundleKeyError(
            f"the bundle does not name the key `{key.public.id[:12]}` among those that may sign it",
            hint="publish again with this key in `policy.keys` or with --cosigner",
        )
    others = tuple(one for one in parcel.envelope.signatures if one.key_id != key.public.id)
    mine = Signature(key.public.id, key.sign(parcel.envelope.signed_bytes))
    return replace(parcel, envelope=replace(parcel.envelope, signatures=(*others, mine)))


def checked(
    directory: Path, gates: Sequence[Gate], *, begun: Callable[[str], None] = lambda _name: None
) -> tuple[dict[str, bytes], tuple[str, ...], tuple[Problem, ...]]:
    """Read a directory once, and run every gate over exactly what was read.

    # Prevents: files that change between the check and the signature; gates see a copy of what will be signed.

    Args:
        begun: told the name of each gate before it runs.

    Returns:
        the files, the names of files that no bundle holds, and every problem with the gate's name in front.
    """
    files, left_out = read_policy_files(directory)
    problems: list[Problem] = []
    with tempfile.TemporaryDirectory(prefix="watchword-publish-") as place:
        copy = Path(place) / "policies"
        write_folder(copy, files)
        for gate in gates:
            begun(gate.name)
            found = gate(copy)
            problems += found
            # What a wrong set of policies does in a test says nothing about the test.
            if found:
                break
    return files, left_out, tuple(problems)


def write(parcel: Parcel, path: Path, form: Form) -> None:
    """Write a bundle; a reader finds the former one or the whole new one, never half.

    Raises:
        BundleMalformedError: a directory holds policy files that are not in the bundle.
        BundleKeptError: it cannot be written.
    """
    try:
        if form is Form.TAR:
            write_file(path, write_tar(write_layout(parcel)))
        elif form is Form.OCI:
            replace_folder(path, write_layout(parcel))
        elif _holds_exactly(path, parcel):
            write_file(path / ENVELOPE_FILE, parcel.envelope.to_bytes())
        else:
            _refuse_strangers(path)
            replace_folder(path, signed_folder(parcel))
    except OSError as error:
        raise BundleKeptError(
            f"the bundle cannot be written to `{path}` ({error.strerror})", hint="look at its mode and the free space"
        ) from error


def form_of(path: Path) -> Form:
    """Tell which form lies there, or fits a name that nothing has yet."""
    if not path.is_dir():
        return Form.TAR
    return Form.OCI if (path / "oci-layout").exists() else Form.DIRECTORY


def offered_version(path: Path) -> int:
    """Return the version that a bundle on disk claims; 0 when there is none, or none that can be read."""
    try:
        return Manifest.from_bytes(read_parcel(path).envelope.payload).version
    except BundleError:
        return 0


def _holds_exactly(path: Path, parcel: Parcel) -> bool:
    """Tell whether a directory is the very one that was published, so that only the signed manifest is missing."""
    return path.is_dir() and read_policy_files(path)[0] == parcel.files


def _refuse_strangers(path: Path) -> None:
    """Prevents: a directory with other work in it being replaced as a whole."""
    if path.is_dir() and any(path.iterdir()):
        _, others = read_policy_files(path)
        if others or not (path / ENVELOPE_FILE).exists():
            raise BundleMalformedError(
                f"`{path}` holds files that no bundle wrote, so it is not replaced",
                hint="give an empty directory, or the directory that is published to sign it in place",
            )
