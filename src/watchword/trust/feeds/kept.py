"""What this machine remembers of one feed: the table in force, one that waits for review, and when it was looked at.

`state.json` names the tables, each a folder of its own, so that one rename puts another in force: a crash at any moment
leaves the former state or the new one.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from watchword.trust.feeds.coverage import Coverage
from watchword.trust.feeds.errors import FeedKeptError

TABLE: Final = "table"
STATEMENTS: Final = "statements"
EVENTS: Final = "events"
_STATE: Final = "state.json"
_STAGING: Final = ".staging-"


@dataclass(frozen=True, slots=True)
class Version:
    """One table of a feed.

    Attributes:
        digest: of its columns; names its folder.
        fingerprint: of what it lists and how surely, whatever the times.
        covers: nothing for a version that was read before this was measured.
        refused: entries that were not taken, by why.
        examples: one of each.
        tag: the entity tag it came with; `modified` the date.
        cursor: of the TAXII server.
        read_by: what settings it was read by.
        whole_at: minute at which all of it was read, rather than what had been added.
        reason: why it waits for review; empty for one in force.
    """

    digest: str
    fingerprint: str
    entries: int
    covers: Coverage | None = None
    size_bytes: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    tag: str = ""
    modified: str = ""
    cursor: str = ""
    read_by: str = ""
    whole_at: int = 0
    fetched_at: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered of one feed; times in minutes since 1970, 0 for never.

    Attributes:
        source: where it came from; what came from elsewhere does not count.
        confirmed: when the source last said that `in_force` is right.
        asked: when it was last asked, whatever the answer.
        failures: answers in a row that were no use.
        problem: what is wrong, for people; empty when all is well.
        rejected: fingerprint of what somebody rejected.
        reference: the least that was covered since somebody last accepted, or since the first version.
    """

    source: str = ""
    in_force: Version | None = None
    review: Version | None = None
    confirmed: int = 0
    asked: int = 0
    failures: int = 0
    problem: str = ""
    hint: str = ""
    rejected: str = ""
    reference: Coverage | None = None


class KeptFeed:
    """The folder of one feed; safe for a node and a command line at the same time."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.folder = root / name

    def state(self) -> State:
        """Return what is remembered; nothing where that was never written or cannot be read.

        What is forgotten is fetched again, so a damaged memory does no harm.
        """
        try:
            found = json.loads((self.folder / _STATE).read_bytes())
            versions = {key: _version(found[key]) for key in ("in_force", "review")}
            return State(**{**found, **versions, "reference": _coverage(found.get("reference"))})
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return State()

    def remember(self, state: State) -> None:
        """Write the state durably, and remove the tables that it does not name.

        Raises:
            FeedKeptError: the disk refused; the former state holds.
        """
        with self._translated():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = self.folder / f"{_STATE}.new"
            with fresh.open("wb") as file:
                file.write(json.dumps(asdict(state), sort_keys=True).encode())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.folder / _STATE)
            _sync(self.folder)
        named = {each.digest[:16] for each in (state.in_force, state.review) if each}
        for path in self.folder.iterdir():
            if path.is_dir() and path.name not in named:
                shutil.rmtree(path, ignore_errors=True)

    def folder_of(self, version: Version) -> Path:
        """Return where the files of a version lie."""
        return self.folder / version.digest[:16]

    def settle(self, staged: Path, version: Version) -> None:
        """Move staged files to their place; each takes the place of one that lies there already, at once.

        Raises:
            FeedKeptError: the disk refused.
        """
        with self._translated():
            final = self.folder_of(version)
            final.mkdir(mode=0o700, exist_ok=True)
            for path in staged.iterdir():
                path.replace(final / path.name)
            _sync(final)
            _sync(self.folder)

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """Make a folder for the files of a run; what is left in it at the end goes away.

        Raises:
            FeedKeptError: the disk refused.
        """
        with self._translated():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            place = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.folder))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the feed alone, if nobody else does; tells whether it is held.

        Raises:
            FeedKeptError: the disk refused.
        """
        with self._translated():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("ab")
        with lock:
            is_ours = True
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                is_ours = False
            yield is_ours

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FeedKeptError(
                f"the feed `{self.name}` cannot be kept ({error.strerror or type(error).__name__})",
                hint=f"look at the free space and the mode of {self.folder}",
            ) from error


def _version(found: Mapping[str, Any] | None) -> Version | None:
    return Version(**{**found, "covers": _coverage(found.get("covers"))}) if found else None


def _coverage(found: Any) -> Coverage | None:
    return Coverage(*map(int, found)) if found else None


def _sync(folder: Path) -> None:
    with suppress(OSError):  # not every file system can
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
