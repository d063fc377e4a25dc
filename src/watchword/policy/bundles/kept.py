"""What a machine remembers of bundles: the versions that it has, and the highest that was ever in force."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from watchword.policy.bundles.errors import BundleError, BundleKeptError
from watchword.policy.bundles.folder import read_parcel, signed_folder, sync_folder, write_file, write_folder
from watchword.policy.bundles.manifest import Manifest
from watchword.policy.bundles.parcel import Parcel, VerifiedBundle
from watchword.policy.bundles.verification import Memory

T = TypeVar("T")

_STATE: Final = "state.json"
_MOST_KEPT: Final = 20
_FOLDER = re.compile(r"([0-9]{16})-([0-9a-f]{64})", re.ASCII)


class Kept:
    """A folder below the data directory, one for each bundle name; safe for several processes.

    `state.json` holds the memory that refuses to go back; `versions/` the last versions as signed folders, so that
    each can be verified again whenever it is read.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.folder = root / name
        self._versions = self.folder / "versions"

    def memory(self) -> Memory:
        """Return what must not be forgotten.

        Raises:
            BundleKeptError: it was written and cannot be read; nothing is taken then.
        """
        path = self.folder / _STATE
        try:
            document = json.loads(path.read_bytes())
            memory = Memory(int(document["version"]), str(document["digest"]), bool(document["is_expired"]))
        except FileNotFoundError:
            return Memory()
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            # Prevents: a damaged memory being taken for none, which would let every old bundle back in.
            raise BundleKeptError(
                f"`{path}` cannot be read, so nobody knows which version was in force",
                hint="restore it from a backup; remove it only if you know that the bundle on offer is the newest",
            ) from error
        return memory

    def versions(self) -> dict[int, Path]:
        """Return the kept versions with their folders, the oldest first; of two with one number, the remembered one."""
        found: dict[int, Path] = {}
        remembered = self.memory().digest
        for path in sorted(self._versions.glob("*-*")):
            if match := _FOLDER.fullmatch(path.name):
                number = int(match[1])
                if number not in found or match[2] == remembered:
                    found[number] = path
        return found

    def read(self, version: int) -> Parcel:
        """Return a kept version, unverified.

        Raises:
            BundleKeptError: it is not kept.
            BundleError: it cannot be read.
        """
        found = self.versions()
        if version not in found:
            known = ", ".join(map(str, found)) or "none"
            raise BundleKeptError(f"version {version} is not kept on this machine", hint=f"kept here: {known}")
        return read_parcel(found[version])

    def current(self) -> Path | None:
        """Return the folder of the version that was last in force; nothing if there is none."""
        memory = self.memory()
        path = self._folder_of(memory.version, memory.digest)
        return path if memory.version and path.is_dir() else None

    def admit(self, decide: Callable[[Memory], VerifiedBundle], check: Callable[[Path], T]) -> tuple[T, Path]:
        """Verify a bundle against the memory, keep it, and remember it, as one act.

        Nothing is remembered unless both `decide` and `check` return; a crash at any moment leaves the former version
        in force or the new one, never a mixture.

        Args:
            decide: the verification; gets the memory as it stands while no other process can change it.
            check: gets the folder with the files, complete and durable, before it is put in force.

        Returns:
            what `check` returned, and the folder where the files now lie.

        Raises:
            BundleKeptError: the disk refused.
        """
        with self._locked():
            memory = self.memory()
            bundle = decide(memory)
            manifest = bundle.manifest
            with self._staged(bundle.parcel) as staged:
                result = check(staged)
                final = self._settle(staged, bundle.parcel, manifest)
            if (manifest.version, manifest.digest) != (memory.version, memory.digest):
                self._remember(Memory(manifest.version, manifest.digest))
                self._prune()
            return result, final

    def keep(self, parcel: Parcel, manifest: Manifest) -> None:
        """Keep a version for later, without putting it in force."""
        with self._locked(), self._staged(parcel) as staged:
            self._settle(staged, parcel, manifest)
            self._prune()

    def note_expired(self, manifest: Manifest) -> None:
        """Remember that the version in force was seen at its end, whatever clocks say later."""
        with self._locked():
            memory = self.memory()
            if memory.digest == manifest.digest and not memory.is_expired:
                self._remember(Memory(memory.version, memory.digest, is_expired=True))

    def _remember(self, memory: Memory) -> None:
        document = {"version": memory.version, "digest": memory.digest, "is_expired": memory.is_expired}
        write_file(self.folder / _STATE, json.dumps(document, sort_keys=True).encode() + b"\n", mode=0o600)

    def _folder_of(self, version: int, digest: str) -> Path:
        return self._versions / f"{version:016d}-{digest}"

    def _settle(self, staged: Path, parcel: Parcel, manifest: Manifest) -> Path:
        """Rename a staged folder to its place; what lies there already is left if it is the same, else was damaged."""
        final = self._folder_of(manifest.version, manifest.digest)
        if final.exists():
            with suppress(BundleError):
                if read_parcel(final) == parcel:
                    return final
            final.rename(staged.parent / "damaged")
        staged.rename(final)
        sync_folder(self._versions)
        return final

    @contextmanager
    def _staged(self, parcel: Parcel) -> Iterator[Path]:
        self._versions.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".staging-", dir=self._versions) as place:
            staged = Path(place) / "bundle"
            write_folder(staged, signed_folder(parcel))
            yield staged

    def _prune(self) -> None:
        """Forget the oldest; never the one that is remembered, nor what is newer."""
        in_force = self.memory().version
        older = [path for version, path in self.versions().items() if version < in_force]
        for path in older[: max(0, len(older) - _MOST_KEPT)]:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time decide and remember.

        # Prevents: two processes each finding an old version new enough, the slower one then going back.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.folder / "lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except BundleError:
            raise
        except OSError as error:
            raise BundleKeptError(
                f"the bundle cannot be kept ({error.strerror or os.strerror(error.errno or 0)})",
                hint=f"look at the free space and the mode of {self.folder}",
            ) from error
