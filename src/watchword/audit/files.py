"""Files of the journal: durable appending that can be trusted after a failure, and reading in pieces."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from watchword.audit.errors import JournalDamagedError

CHECKPOINTS = "checkpoints"
_SEGMENT = re.compile(r"[0-9]{20}\.jsonl")
_MODE = 0o600
_KEPT_TAIL = 4096
_PIECE = 1 << 20
NOTE_TITLE = "watchword journal checkpoint v1"
_NOTES_TAIL = 1 << 16
_BLANKS = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the journal, named after the first record in it."""

    path: Path
    first_seq: int


def segment_path(directory: Path, first_seq: int) -> Path:
    """Return where the segment that begins with a record lies."""
    return directory / f"{first_seq:020}.jsonl"


def segments(directory: Path) -> list[Segment]:
    """Return the segments, the oldest first; other files are not looked at."""
    names = sorted(entry.name for entry in directory.iterdir() if _SEGMENT.fullmatch(entry.name))
    return [Segment(directory / name, int(name[:20])) for name in names]


def lines(path: Path, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield each line from an offset on, with the offset of its end; the last lacks its line feed if it is torn.

    Memory maps are avoided on purpose: the writer may cut a failed write back while we read, and touching a page that
    is gone kills a process.
    """
    with path.open("rb", buffering=_PIECE) as file:
        file.seek(offset)
        for line in file:
            offset += len(line)
            yield offset, line


def notes(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each signed note of a checkpoints file and whether it is whole; only the last may be half.

    A note is a text, an empty line and a signature line; another empty line ends it.
    """
    note: list[str] = []
    blanks = 0
    with path.open("rb") as file:
        for raw in file:
            line = raw.decode("utf-8", "replace")
            blanks += line == "\n"
            if blanks == _BLANKS:
                yield "".join(note), True
                note, blanks = [], 0
            else:
                note.append(line)
    if note:
        yield "".join(note), False


def last_note(path: Path) -> tuple[str | None, int]:
    """Return the last whole note of a checkpoints file, if any, and how many bytes the whole notes take."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, size - _NOTES_TAIL))
            tail = file.read()
    except FileNotFoundError:
        return None, 0
    at = len(tail)
    # The last note may be torn; the one before it is whole.
    for _ in range(2):
        at = tail.rfind(NOTE_TITLE.encode() + b"\n", 0, at)
        body = tail.find(b"\n\n", at) if at >= 0 else -1
        end = tail.find(b"\n\n", body + 2) if body >= 0 else -1
        if end >= 0:
            return tail[at : end + 1].decode("utf-8", "replace"), start + end + 2
    return None, 0


# A write that returns when the bytes are on the disk (Linux 4.7 and later).
_WRITES_THROUGH = hasattr(os, "RWF_DSYNC")
_UNKNOWN_FLAG = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


class DurableFile:
    """Append to a file so that what was acknowledged survives, and what failed leaves no trace.

    After a failed write or sync the page cache may hold, as clean, bytes that never reached the disk. So nothing that
    failed is relied on: before the next append the file is opened anew, cut back to what was acknowledged, its end is
    read again from the disk and compared, and only then written to.

    Attributes:
        size: bytes that are acknowledged.
        is_suspect: the last append failed, and the file was not mended yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = self._open()
        self.size = os.fstat(self._descriptor).st_size
        self._tail = self._read_tail()
        self.is_suspect = False

    def append(self, data: bytes) -> None:
        """Write and sync; on return the bytes are durable.

        Raises:
            JournalDamagedError: somebody else moved, removed or changed the file.
            OSError: the bytes could not be written; none of them will stay.
        """
        if self.is_suspect:
            self._mend()
        self._check_untouched()
        self.is_suspect = True
        write_durably(self._descriptor, data, self.size)
        self.is_suspect = False
        self.size += len(data)
        self._tail = (self._tail + data[-_KEPT_TAIL:])[-_KEPT_TAIL:]

    def cut(self, size: int) -> None:
        """Drop what stands behind `size`."""
        os.ftruncate(self._descriptor, size)
        sync(self._descriptor)
        self.size = size
        self._tail = self._read_tail()

    def require_empty(self) -> None:
        """Refuse a file that is there already with something in it.

        Raises:
            JournalDamagedError: it has.
        """
        if self.size:
            raise _damaged(self.path, "is there already")

    def close(self) -> None:
        """Give the descriptor back, and drop what a last failed write may have left."""
        with suppress(OSError, JournalDamagedError):  # otherwise the next open finds the torn tail and cuts it
            if self.is_suspect:
                self._mend()
        os.close(self._descriptor)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, _MODE)
        status = os.fstat(descriptor)
        self._identity = status.st_dev, status.st_ino
        return descriptor

    def _check_untouched(self) -> None:
        # Prevents: writing into a file that was deleted or rotated away, where the records would die with us.
        try:
            there = os.lstat(self.path)
        except FileNotFoundError as error:
            raise _damaged(self.path, "was removed") from error
        if (there.st_dev, there.st_ino) != self._identity:
            raise _damaged(self.path, "was replaced")
        if there.st_size != self.size:
            raise _damaged(self.path, "was written to or cut by somebody else")

    def _mend(self) -> None:
        if not self.path.exists():
            raise _damaged(self.path, "was removed")
        fresh = self._open()
        os.close(self._descriptor)
        self._descriptor = fresh
        if os.fstat(fresh).st_size < self.size:
            raise _damaged(self.path, "lost bytes that had been acknowledged")
        os.ftruncate(fresh, self.size)
        sync(fresh)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fresh, 0, 0, os.POSIX_FADV_DONTNEED)
        if self._read_tail() != self._tail:
            raise _damaged(self.path, "does not hold what had been acknowledged")
        self.is_suspect = False

    def _read_tail(self) -> bytes:
        start = max(0, self.size - _KEPT_TAIL)
        return os.pread(self._descriptor, self.size - start, start)


def write_durably(descriptor: int, data: bytes, offset: int) -> None:
    """Append and sync, in one system call where the system has it.

    Each system call gives the interpreter away and has to get it back from a busy event loop, which costs more than
    the call; so their number is the latency of a group.
    """
    rest = memoryview(data)
    if _WRITES_THROUGH:
        try:
            while rest:
                written = os.pwritev(descriptor, [rest], offset, os.RWF_DSYNC)
                rest, offset = rest[written:], offset + written
        except OSError as error:
            # An old kernel, or a sandbox that does not know the flag: nothing was written by that call.
            if error.errno not in _UNKNOWN_FLAG:
                raise
    if rest:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        sync(descriptor)


def sync(descriptor: int) -> None:
    """Make written bytes durable; on macOS plain fsync stops at the drive's cache."""
    if hasattr(fcntl, "F_FULLFSYNC"):
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(path: Path, what: str) -> JournalDamagedError:
    return JournalDamagedError(
        f"the journal file `{path.name}` {what}", hint="run `watchword audit verify`, then restore the file or restart"
    )
