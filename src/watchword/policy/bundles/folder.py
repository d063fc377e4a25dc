"""Read folders that somebody else may have filled, and write files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from watchword.policy.bundles.envelope import Envelope
from watchword.policy.bundles.errors import BundleMalformedError, BundleUnreachableError
from watchword.policy.bundles.oci import LAYOUT_FILE, read_layout
from watchword.policy.bundles.parcel import Parcel
from watchword.policy.bundles.paths import MOST_BUNDLE_BYTES, MOST_FILE_BYTES, check_paths, is_policy_file, shown
from watchword.policy.bundles.tarball import MOST_ARCHIVE_BYTES, read_tar

ENVELOPE_FILE: Final = "watchword-bundle.json"
_MOST_ENTRIES: Final = 10_000
_MOST_LAYOUT_BYTES: Final = 2 * MOST_BUNDLE_BYTES
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Print = tuple[tuple[str, int, int, int], ...]


def read_parcel(path: Path) -> Parcel:
    """Read a bundle in whichever form it lies there: a tar of an OCI layout, the layout itself, a signed folder.

    Raises:
        BundleUnreachableError: nothing is there, or it cannot be read.
        BundleMalformedError: it is no bundle.
    """
    try:
        if not path.is_dir():
            return read_layout(read_tar(_read_file(path, MOST_ARCHIVE_BYTES)))
        if (path / LAYOUT_FILE).exists():
            return read_layout(_walk(path, lambda name: not name.startswith("."), _MOST_LAYOUT_BYTES))
        return _signed_folder(path)
    except OSError as error:
        raise BundleUnreachableError(
            f"the bundle `{path}` cannot be read ({error.strerror})", hint="look at `policy.location` and its mode"
        ) from error


def read_policy_files(root: Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the files of a policy directory that the engine reads, and the names of those that it does not.

    Raises:
        BundleMalformedError: a policy file is a link, a device, too large, or has a name that no bundle may hold.
        BundleUnreachableError: the directory cannot be read.
    """
    left_out: list[str] = []

    def is_wanted(path: str) -> bool:
        if is_policy_file(path):
            return True
        if path != ENVELOPE_FILE:
            left_out.append(path)
        return False

    try:
        files = _walk(root, is_wanted, MOST_BUNDLE_BYTES)
    except OSError as error:
        raise BundleUnreachableError(f"`{root}` cannot be read ({error.strerror})") from error
    check_paths(files)
    return files, tuple(sorted(left_out))


def footprint(path: Path) -> Print:
    """Take names, inodes, sizes and times of what lies there; changes when any of it does."""
    if not path.is_dir():
        seen = path.stat()
        return (("", seen.st_ino, seen.st_size, seen.st_mtime_ns),)
    found: list[tuple[str, int, int, int]] = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for place in (Path(folder) / name for name in names):
            with suppress(FileNotFoundError):  # gone between listing and looking; the next look tells
                seen = place.lstat()
                found.append((str(place), seen.st_ino, seen.st_size, seen.st_mtime_ns))
        if len(found) > _MOST_ENTRIES:
            raise BundleMalformedError(f"`{path}` holds more than {_MOST_ENTRIES} files")
    return tuple(sorted(found))


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace a file as a whole, durably; no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Fill a new folder, durably; the caller renames it to where it is read.

    Args:
        files: by paths that `check_paths` or a digest made safe.
    """
    path.mkdir()
    folders = {path}
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        folders.update(parent for parent in target.parents if parent.is_relative_to(path))
        with target.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    for folder in folders:
        sync_folder(folder)


def replace_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Put a whole folder where one may stand already; a reader finds the former, none for a moment, or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    former = path.with_name(f".{path.name}.former")
    for leftover in (fresh, former):
        shutil.rmtree(leftover, ignore_errors=True)
    write_folder(fresh, files)
    if path.exists():
        path.rename(former)
    fresh.rename(path)
    sync_folder(path.parent)
    shutil.rmtree(former, ignore_errors=True)


def sync_folder(path: Path) -> None:
    """Make names in a folder durable."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def signed_folder(parcel: Parcel) -> dict[str, bytes]:
    """Return the files of the signed-folder form."""
    return {**parcel.files, ENVELOPE_FILE: parcel.envelope.to_bytes()}


def _signed_folder(path: Path) -> Parcel:
    envelope = path / ENVELOPE_FILE
    if not envelope.exists():
        raise BundleMalformedError(
            f"there is no `{ENVELOPE_FILE}` in `{path}`, so nobody signed what is in it",
            hint="sign it with: watchword policies publish DIRECTORY --form directory --to DIRECTORY",
        )
    # The envelope is read first: a folder that is being replaced then fails its digests instead of passing by luck.
    signed = Envelope.from_bytes(_read_file(envelope, MOST_BUNDLE_BYTES, follow=False))
    return Parcel(signed, read_policy_files(path)[0])


def _walk(root: Path, is_wanted: Callable[[str], bool], most_bytes: int) -> dict[str, bytes]:
    """Read the wanted files below a folder, each once, from the folder that was opened: nothing is followed.

    # Prevents: a symbolic link to a file of the node's, a device or pipe that never ends, a folder that loops.
    """
    found: dict[str, bytes] = {}
    total = entries = 0
    for folder, folders, names, number in os.fwalk(root, follow_symlinks=False):
        inside = os.path.relpath(folder, root)
        prefix = "" if inside == "." else f"{inside}/"
        folders[:] = [name for name in folders if not name.startswith(".")]
        entries += len(folders) + len(names)
        if entries > _MOST_ENTRIES or prefix.count("/") > 8:  # noqa: PLR2004  # deeper than any name may be
            raise BundleMalformedError(f"`{root}` holds more than {_MOST_ENTRIES} files, or is nested too deeply")
        _refuse_linked_folders(number, folders, prefix)
        for name in sorted(names):
            if name.startswith(".") or not is_wanted(prefix + name):
                continue
            content = _read_open(_open(name, number, prefix + name), prefix + name, MOST_FILE_BYTES)
            total += len(content)
            if total > most_bytes:
                raise BundleMalformedError("the bundle is too large", hint=f"at most {most_bytes >> 20} MiB together")
            found[prefix + name] = content
    return found


def _refuse_linked_folders(number: int, folders: list[str], prefix: str) -> None:
    for name in folders:
        if stat.S_ISLNK(os.stat(name, dir_fd=number, follow_symlinks=False).st_mode):
            raise BundleMalformedError(f"`{shown(prefix + name)}` is a symbolic link")


def _open(name: str, folder: int, said: str) -> int:
    try:
        return os.open(name, _READ_FLAGS, dir_fd=folder)
    except OSError as error:
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise BundleMalformedError(f"`{shown(said)}` is a symbolic link") from error
        raise


def _read_file(path: Path, most: int, *, follow: bool = True) -> bytes:
    flags = _READ_FLAGS & ~os.O_NOFOLLOW if follow else _READ_FLAGS
    return _read_open(os.open(path, flags), path.name, most)


def _read_open(number: int, said: str, most: int) -> bytes:
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BundleMalformedError(f"`{shown(said)}` is not a regular file")
        content = file.read(most + 1)
    if len(content) > most:
        raise BundleMalformedError(f"`{shown(said)}` is too large", hint=f"at most {most >> 20} MiB")
    return content
