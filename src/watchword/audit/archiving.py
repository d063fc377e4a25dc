"""Move old segments to a directory of the operator's choice, so that what stays and what went still verify.

Nothing leaves before it is whole elsewhere. The order is: copy, read the copy back along the chain, sign in the archive
how far it goes, sign an anchor in the journal that says the same, and only then remove. After an interruption at any
point the same command does the rest.
"""

from __future__ import annotations

import fcntl
import filecmp
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from watchword.audit.chain import BrokenChainError, claimed_before
from watchword.audit.checkpoint import Checkpoint, anchor_of, read_checkpoint, sign_checkpoint, verify_checkpoint
from watchword.audit.durable import sync_directory
from watchword.audit.errors import ArchiveError, ForgedCheckpointError, JournalDamagedError
from watchword.audit.files import (
    ANCHOR,
    ANCHOR_TITLE,
    CHECKPOINTS,
    NOTE_TITLE,
    Segment,
    last_note,
    lines,
    notes,
    segments,
)
from watchword.audit.model import parse
from watchword.audit.reading import last_line
from watchword.audit.verification import Progress, verify
from watchword.keys import Signer, VerificationKey

_LOOK = "run `watchword audit verify`; what stays and what went must be whole before anything is moved"
_PART = ".part"
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Archived:
    """What was moved.

    Attributes:
        segments: how many files.
        size: their bytes.
        through: number of the last record that is archived now, by this time or an earlier one; 0 for none.
    """

    segments: int
    size: int
    through: int


def archive(
    directory: Path,
    destination: Path,
    *,
    before: datetime,
    now: datetime,
    signer: Signer,
    keys: Mapping[str, VerificationKey],
    progress: Progress = lambda _done, _total: None,
) -> Archived:
    """Move the segments whose records are all older than `before`; the journal may be written meanwhile.

    The segment that is written to stays, and the one that the last checkpoint ends in.

    Args:
        directory: of the journal.
        destination: the directory that holds the segments before these, or an empty one; made if only it is missing.
        signer: the journal's key.
        keys: every key that ever signed checkpoints here.
        progress: called with bytes done and bytes in all, for the verification that comes first.

    Raises:
        JournalDamagedError: the journal does not verify; nothing was moved.
        ArchiveError: the destination does not do, the disk refuses, or another archiving runs. What was not yet whole
            and signed for in the destination is still in the journal.
    """
    with _told(), _alone(directory):
        if destination.resolve().is_relative_to(directory.resolve()):
            raise ArchiveError("the archive may not lie within the journal", hint="name a directory outside")
        report = verify(directory, keys, progress=progress)
        if report.finding:
            raise JournalDamagedError(f"the journal is not whole: {report.finding.words}", hint=_LOOK)
        anchor = anchor_of(directory, keys)
        chosen, rest = _chosen(directory, before, anchor.seq if anchor else 0, report.covered)
        if not chosen:
            return Archived(0, 0, anchor.seq if anchor else 0)
        size = sum(segment.path.stat().st_size for segment in chosen)
        move = _Move(directory, destination, chosen, anchor, signer, keys, now)
        move.check_destination()
        move.copy()
        move.check_what_follows(rest)
        move.sign()
        for segment in chosen:
            segment.path.unlink()
        sync_directory(directory)
        return Archived(len(chosen), size, move.chain.seq)


def _chosen(directory: Path, before: datetime, archived: int, covered: int) -> tuple[list[Segment], list[Segment]]:
    """Return the segments to move, and those that stay."""
    files = segments(directory)
    count = 0
    for segment, following in pairwise(files):
        # What an interruption left goes whatever its age: the journal begins behind it already.
        is_due = segment.first_seq <= archived or _is_older(segment, before)
        # INVARIANT: the record that the last checkpoint covers stays, because starting begins from it.
        if not is_due or following.first_seq > covered:
            break
        count += 1
    return files[:count], files[count:]


def _is_older(segment: Segment, before: datetime) -> bool:
    first, newest = parse(next(lines(segment.path), (0, b""))[1]), parse(last_line(segment.path))
    # Clocks step back now and then, so neither end speaks for the other.
    return first is not None and newest is not None and max(first.at, newest.at) < before


class _Move:
    """One archiving: the chain is followed over the copies from where the journal began until now."""

    def __init__(
        self,
        directory: Path,
        destination: Path,
        chosen: Sequence[Segment],
        anchor: Checkpoint | None,
        signer: Signer,
        keys: Mapping[str, VerificationKey],
        now: datetime,
    ) -> None:
        self._directory, self._destination, self._chosen = directory, destination, chosen
        self._anchor, self._signer, self._keys = anchor, signer, keys
        self._at = now.astimezone(UTC).isoformat(timespec="milliseconds")
        self._held: Checkpoint | None = None
        # The journal was verified, so the first line's word for what came before it is what the anchor says.
        self.chain = claimed_before(next(lines(chosen[0].path), (0, b""))[1])
        self._start = self.chain.seq

    def check_destination(self) -> None:
        """Require an archive that ends where this journal begins, or what an interrupted archiving left of it."""
        if not self._destination.exists():
            self._destination.mkdir(mode=0o700)
            sync_directory(self._destination.parent)
        there = segments(self._destination)
        note, _ = last_note(self._destination / CHECKPOINTS)
        self._held = verify_checkpoint(note, self._keys) if note else None
        reach = self._held.seq if self._held else self._start
        names = {segment.path.name for segment in self._chosen}
        strange = [
            segment
            for segment in there
            if segment.path.name not in names and (self._held is None or segment.first_seq > reach)
        ]
        is_hollow = self._held is not None and not any(segment.first_seq <= reach for segment in there)
        # Prevents: two journals in one archive, and one journal with a gap between two archives.
        if strange or is_hollow or reach < self._start:
            raise self._misfit()
        self._compare()
        if self._held is None and self._start:
            if self._anchor is None or self._anchor.seq != self._start:
                raise self._misfit()
            self._write(self._destination / ANCHOR, self._signed(ANCHOR_TITLE))

    def copy(self) -> None:
        """Copy what is not there yet, and follow the chain over what is there then."""
        for segment in self._chosen:
            target = self._destination / segment.path.name
            if not target.exists():
                part = target.with_name(target.name + _PART)
                _copied(segment.path, part)
                if not _same(segment.path, part):
                    raise ArchiveError(
                        f"the copy of `{segment.path.name}` is not what was copied", hint="mind the disk"
                    )
                self._follow(part)
                part.rename(target)
            elif _same(segment.path, target):
                self._follow(target)
            else:
                raise self._misfit()
        sync_directory(self._destination)
        if self._held and self._held.seq > self.chain.seq:
            raise ArchiveError(
                "an interrupted archiving went further than this one would", hint="name as few days as then"
            )

    def check_what_follows(self, rest: Sequence[Segment]) -> None:
        """Require that what stays in the journal continues what was copied."""
        if claimed_before(next(lines(rest[0].path), (0, b""))[1]).head != self.chain.head:
            raise JournalDamagedError(f"`{rest[0].path.name}` does not continue what was copied", hint=_LOOK)

    def sign(self) -> None:
        """Sign how far the archive goes, and then where the journal begins."""
        target = self._destination / CHECKPOINTS
        kept = [note for note, is_whole in notes(target) if is_whole] if self._held else []
        reach = self._held.seq if self._held else self._start
        for note, is_whole in notes(self._directory / CHECKPOINTS):
            seq = read_checkpoint(note).seq if is_whole else 0
            if reach < seq <= self.chain.seq:
                kept.append(note)
                reach = seq
        if reach < self.chain.seq:
            kept.append(self._signed(NOTE_TITLE))
        self._write(target, "".join(f"{note}\n" for note in kept))
        if self._anchor is None or self._anchor.seq < self.chain.seq:
            self._write(self._directory / ANCHOR, self._signed(ANCHOR_TITLE))

    def _follow(self, path: Path) -> None:
        size = 0
        for end, line in lines(path):
            if not line.endswith(b"\n"):
                break
            try:
                self.chain.follow(line[:-1])
            except BrokenChainError as broken:
                raise JournalDamagedError(f"`{path.name}`: {broken.words}", hint=_LOOK) from broken
            self._compare()
            size = end
        if size != path.stat().st_size:
            raise JournalDamagedError(f"`{path.name}` is cut short", hint=_LOOK)

    def _compare(self) -> None:
        if self._anchor and self.chain.seq == self._anchor.seq:
            self.chain.outbox = self._anchor.outbox
        # Prevents: the archive of another journal being continued with this one.
        if self._held and self._held.seq == self.chain.seq and self._held.head != self.chain.head:
            raise self._misfit()

    def _signed(self, title: str) -> str:
        return sign_checkpoint(self.chain, self._at, self._signer, title=title)

    def _misfit(self) -> ArchiveError:
        return ArchiveError(
            f"`{self._destination}` does not end where this journal begins, at record {self._start + 1}",
            hint="name the directory that was archived to last, or an empty one",
        )

    @staticmethod
    def _write(path: Path, text: str) -> None:
        part = path.with_name(path.name + _PART)
        part.unlink(missing_ok=True)
        with _new(part) as file:
            file.write(text.encode())
        part.replace(path)
        sync_directory(path.parent)


def _same(one: Path, other: Path) -> bool:
    filecmp.clear_cache()
    return filecmp.cmp(one, other, shallow=False)


def _copied(source: Path, part: Path) -> None:
    part.unlink(missing_ok=True)
    with source.open("rb") as file, _new(part) as copy:
        shutil.copyfileobj(file, copy, _PIECE)


@contextmanager
def _new(path: Path) -> Iterator[BinaryIO]:
    """Open a private file that was not there; at the end its bytes are on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            # What is read back comes from the disk then.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory / "archiving", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ArchiveError("another archiving of this journal runs", hint="wait until it is done") from error
    finally:
        os.close(descriptor)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = Path(error.filename).name if isinstance(error.filename, str) else "the archive"
        raise ArchiveError(
            f"`{where}` cannot be read or written ({error.strerror})",
            hint="nothing was taken away that is not whole in the archive; mend that and do it again",
        ) from error
    except ForgedCheckpointError as error:
        raise ArchiveError(f"the archive cannot be believed: {error.message}", hint=_LOOK) from error
