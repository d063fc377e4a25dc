"""The scores that a machine keeps: every promoted one, which is in force, and which were before."""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from watchword.trust.behaviour import Model
from watchword.trust.learning.errors import ModelKeptError

SHIPPED: Final = 0
_STATE: Final = "state.json"
_LOCK: Final = ".lock"
_MOST_KEPT: Final = 20
_MOST_BYTES: Final = 256 * 1024
_FILE = re.compile(r"([0-9]{8})-([0-9a-f]{64})\.json", re.ASCII)
_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True)
class State:
    """What is in force.

    Attributes:
        version: 0 for the score that was shipped.
        hash: of the model in force; the empty text for the shipped one.
        former: versions that were in force before, the newest last.
    """

    version: int = SHIPPED
    hash: str = ""
    former: tuple[int, ...] = ()


class KeptModels:
    """A folder of models, each under its number and its own hash; safe for several processes.

    A model is read only if it is, byte for byte, what its name says.
    """

    def __init__(self, folder: Path, shipped: Model | None = None) -> None:
        self._folder = folder
        self._shipped = shipped or Model()

    @classmethod
    def of(cls, data: Path) -> KeptModels:
        """Open the folder of a data directory; it need not exist."""
        return cls(data / "trust" / "models")

    @property
    def shipped(self) -> Model:
        """The score that came with this release."""
        return self._shipped

    def state(self) -> State:
        """Return what is in force.

        Raises:
            ModelKeptError: it was written and cannot be read.
        """
        path = self._folder / _STATE
        try:
            found = json.loads(_read(path))
            return State(int(found["version"]), str(found["hash"]), tuple(int(each) for each in found["former"]))
        except FileNotFoundError:
            return State()
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelKeptError(
                f"`{path}` cannot be read, so nobody knows which score was in force",
                hint="restore it from a backup, or remove it to go back to the shipped score",
            ) from error

    def current(self) -> Model:
        """Return the score in force.

        Raises:
            ModelKeptError: it cannot be read, or is not what was promoted.
        """
        state = self.state()
        if state.version == SHIPPED:
            return self._shipped
        model = self.read(state.version)
        # Prevents: another kept file being passed off as the version in force.
        if model.hash != state.hash:
            raise ModelKeptError(f"version {state.version} is not the one that was promoted", hint=_GO_BACK)
        return model

    def versions(self) -> dict[int, str]:
        """Return the kept versions with their hashes, the oldest first; the shipped one is always there."""
        found = {SHIPPED: self._shipped.hash}
        for path in sorted(self._folder.glob("*.json")):
            if match := _FILE.fullmatch(path.name):
                found[int(match[1])] = match[2]
        return found

    def read(self, version: int) -> Model:
        """Return one kept version.

        Raises:
            ModelKeptError: it is not kept, cannot be read, or was changed since.
        """
        if version == SHIPPED:
            return self._shipped
        kept = self.versions()
        if version not in kept:
            known = ", ".join(map(str, kept))
            raise ModelKeptError(f"version {version} is not kept on this machine", hint=f"kept here: {known}")
        path = self._folder / f"{version:08d}-{kept[version]}.json"
        try:
            text = _read(path)
            model = Model.from_json(text)
        except (OSError, ValueError) as error:
            raise ModelKeptError(f"version {version} cannot be read", hint=_GO_BACK) from error
        # Prevents: weights that somebody edited deciding who gets in.
        if model.hash != kept[version] or model.to_json() != text:
            raise ModelKeptError(f"version {version} was changed since it was written", hint=_GO_BACK)
        return model

    def next_version(self) -> int:
        """Return the number that the next promoted model gets."""
        return max(self.versions()) + 1

    def promote(self, model: Model, *, over: Model) -> int:
        """Keep a model and put it in force; a crash leaves the former one in force, or the new one.

        Args:
            over: the model that it was tried against.

        Raises:
            ModelKeptError: another one came into force meanwhile, or the disk refused.
        """
        with self._locked():
            if self.current().hash != over.hash:
                raise ModelKeptError(
                    "another score came into force during the trial", hint="run `watchword risk train` again"
                )
            state, version = self.state(), self.next_version()
            self._write(f"{version:08d}-{model.hash}.json", model.to_json())
            self._enforce(State(version, model.hash, (*state.former, state.version)[-_MOST_KEPT:]))
            self._prune()
        return version

    def rollback(self, to: int | None = None) -> tuple[int, int]:
        """Put an older version in force, the one before this if none is named; returns the new and the former one.

        Works also where the version in force cannot be read.

        Raises:
            ModelKeptError: there is none before, or it cannot be read.
        """
        with self._locked():
            state = self.state()
            former = list(state.former)
            if to is None and not former:
                raise ModelKeptError(
                    "no other score was in force before this one",
                    hint="`watchword risk rollback --list` shows those that are kept",
                )
            version = former.pop() if to is None else to
            if version == state.version:
                raise ModelKeptError(f"version {version} is in force already")
            model = self.read(version)
            remaining = former if to is None else [*former, state.version]
            self._enforce(State(version, "" if version == SHIPPED else model.hash, tuple(remaining)))
        return version, state.version

    def _enforce(self, state: State) -> None:
        document = {"version": state.version, "hash": state.hash, "former": list(state.former)}
        self._write(_STATE, json.dumps(document, sort_keys=True))

    def _write(self, name: str, text: str) -> None:
        descriptor, draft = tempfile.mkstemp(dir=self._folder, prefix=".draft-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), _PRIVATE)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).rename(self._folder / name)
        except OSError as error:
            Path(draft).unlink(missing_ok=True)
            raise ModelKeptError(f"`{self._folder / name}` cannot be written ({error.strerror})") from error
        self._sync()

    def _sync(self) -> None:
        number = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

    def _prune(self) -> None:
        state = self.state()
        kept = self.versions()
        needed = {SHIPPED, state.version, *state.former[-1:]}
        for version in sorted(kept)[1:-_MOST_KEPT]:
            if version not in needed:
                (self._folder / f"{version:08d}-{kept[version]}.json").unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[Any]:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
        except OSError as error:
            raise ModelKeptError(f"`{self._folder}` cannot be written ({error.strerror})") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


_GO_BACK: Final = "`watchword risk rollback` puts the version before it in force"


def _read(path: Path) -> str:
    with path.open("rb") as file:
        found = file.read(_MOST_BYTES + 1)
    if len(found) > _MOST_BYTES:
        raise ValueError("the file is too large to be ours")
    return found.decode()
