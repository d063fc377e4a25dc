"""Durable appending that can be trusted after a failure, into space that is written ahead where that is worth it."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from watchword.audit.errors import JournalDamagedError

_MODE = 0o600
_KEPT_TAIL = 4096
_ZEROS = bytes(64 * 1024)

# A write that returns when the bytes are on the disk (Linux 4.7 and later).
_WRITES_THROUGH = hasattr(os, "RWF_DSYNC")
_UNKNOWN_FLAG = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


class DurableFile:
    """Append to a file so that what was acknowledged survives, and what failed leaves no trace.

    After a failed write or sync the page cache may hold, as clean, bytes that never reached the disk. So nothing that
    failed is relied on: before the next append the file is opened anew, cut back to what was acknowledged, its end is
    read again from the disk and compared, and only then written to.

    When a file grows, each sync has the file system write down how long it is and where; when zeros are replaced that
    were on the disk before, it has not, and that halves the sync. So another thread may write zeros ahead while one
    appends. They are only ever put behind the file's end, by the kernel itself, and thus never onto a record.

    # INVARIANT: behind `size` the file ends or holds NULs alone.

    Attributes:
        size: bytes that are acknowledged.
        is_suspect: the last append failed, and the file was not mended yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = self._open()
        self.size = os.fstat(self._descriptor).st_size
        # Where the file ends, and where it ends once the zeros are written that are being written now.
        self._end = self._coming_end = self.size
        self._tail = self._read_tail()
        self._resizing = threading.RLock()
        self._is_closed = False
        self.is_suspect = False

    @property
    def room(self) -> int:
        """Bytes that were written ahead and are not used yet."""
        return self._end - self.size

    def append(self, data: bytes) -> None:
        """Write and sync; on return the bytes are durable.

        Raises:
            JournalDamagedError: somebody else moved, removed or changed the file.
            OSError: the bytes could not be written; none of them will stay.
        """
        if self.is_suspect:
            self._mend()
        if len(data) <= self.room:
            self._write(data)
        else:
            # Prevents: a disk that is full only for the zeros just being written.
            with self._resizing:
                self._write(data)

    def write_ahead(self, length: int) -> None:
        """Put zeros on the disk behind the file's end; another thread may append meanwhile.

        Raises:
            OSError: the disk does not take them; it has none of them then.
        """
        with self._resizing:
            if self._is_closed:
                return
            with _opened(self.path, os.O_WRONLY | os.O_APPEND) as descriptor:
                if _identity(os.fstat(descriptor)) != self._identity:
                    return  # the next append says what is wrong
                self._coming_end = self._end + length
                try:
                    _append_zeros(descriptor, length)
                    self._end = self._coming_end
                except OSError:
                    os.ftruncate(descriptor, self._end)
                    raise
                finally:
                    self._coming_end = self._end

    def cut(self, size: int) -> None:
        """Drop what stands behind `size`."""
        with self._resizing:
            os.ftruncate(self._descriptor, size)
            sync(self._descriptor)
            self.size = self._end = self._coming_end = size
            self._tail = self._read_tail()

    def trim(self) -> None:
        """Give back what was written ahead, durably.

        Raises:
            JournalDamagedError: somebody else changed the file; it stays as it is.
            OSError: the disk refuses.
        """
        with self._resizing:
            if self.room and not self.is_suspect:
                self._check_untouched()
                self.cut(self.size)

    def replace(self, part: Path, *, since: int) -> None:
        """Have another file take its place, with what was appended here behind `since` added to it; durably.

        Raises:
            JournalDamagedError: somebody else changed the file; it stays as it is.
            OSError: the disk refuses.
        """
        with self._resizing:
            if self._is_closed or self.is_suspect:
                return
            self._check_untouched()
            rest = os.pread(self._descriptor, self.size - since, since)
            if len(rest) != self.size - since:
                raise _damaged(self.path, "was cut by somebody else")
            fresh = os.open(part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                end = os.fstat(fresh).st_size
                write_durably(fresh, rest, end)
                part.replace(self.path)
            except BaseException:
                os.close(fresh)
                raise
            os.close(self._descriptor)
            self._descriptor, self._identity, self._name = fresh, _identity(os.fstat(fresh)), _name(fresh)
            # The end first: whoever appends meanwhile must not take what the former file had more of for room.
            self._end = self._coming_end = self.size = end + len(rest)
            self._tail = self._read_tail()
            sync_directory(self.path.parent)

    def require_empty(self) -> None:
        """Refuse a file that is there already with something in it.

        Raises:
            JournalDamagedError: it has.
        """
        if self.size:
            raise _damaged(self.path, "is there already")

    def close(self) -> None:
        """Give the descriptor back, what was written ahead, and what a last failed write may have left."""
        with self._resizing:
            with suppress(OSError, JournalDamagedError):  # otherwise the next open finds what is behind, and cuts it
                if self.is_suspect:
                    self._mend()
                self.trim()
            self._is_closed = True
            os.close(self._descriptor)

    def _open(self) -> int:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        self._identity = _identity(os.fstat(descriptor))
        self._name = _name(descriptor)
        return descriptor

    def _write(self, data: bytes) -> None:
        self._check_untouched()
        self.is_suspect = True
        write_durably(self._descriptor, data, self.size)
        self.is_suspect = False
        self.size += len(data)
        if self.size > self._end:
            self._end = self._coming_end = self.size
        self._tail = (self._tail + data[-_KEPT_TAIL:])[-_KEPT_TAIL:]

    def _check_untouched(self) -> None:
        least = self._end
        # Prevents: writing into a file that was deleted or rotated away, where the records would die with us.
        if self._name is None or _name(self._descriptor) != self._name:
            self._check_place()
        if not least <= os.lseek(self._descriptor, 0, os.SEEK_END) <= self._coming_end:
            # Either that, or zeros came or went while we looked.
            with self._resizing:
                if os.lseek(self._descriptor, 0, os.SEEK_END) != self._end:
                    raise _damaged(self.path, "was written to or cut by somebody else")
        # Prevents: records wiped out, or slipped in, where the file's length does not tell.
        if self._coming_end > self.size:
            last = self._tail[-1:]
            if os.pread(self._descriptor, len(last) + 1, self.size - len(last)).rstrip(b"\0") != last:
                raise _damaged(self.path, "was written to by somebody else")

    def _check_place(self) -> None:
        try:
            there = os.lstat(self.path)
        except FileNotFoundError as error:
            raise _damaged(self.path, "was removed") from error
        if _identity(there) != self._identity:
            raise _damaged(self.path, "was replaced")

    def _mend(self) -> None:
        with self._resizing:
            if not self.path.exists():
                raise _damaged(self.path, "was removed")
            fresh = self._open()
            os.close(self._descriptor)
            self._descriptor = fresh
            if os.fstat(fresh).st_size < self.size:
                raise _damaged(self.path, "lost bytes that had been acknowledged")
            os.ftruncate(fresh, self.size)
            sync(fresh)
            self._end = self._coming_end = self.size
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(fresh, 0, 0, os.POSIX_FADV_DONTNEED)
            if self._read_tail() != self._tail:
                raise _damaged(self.path, "does not hold what had been acknowledged")
            self.is_suspect = False

    def _read_tail(self) -> bytes:
        start = max(0, self.size - _KEPT_TAIL)
        return os.pread(self._descriptor, self.size - start, start)


def write_durably(descriptor: int, data: bytes, offset: int) -> None:
    """Write at an offset and sync, in one system call where the system has it.

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
            written = os.pwrite(descriptor, rest, offset)
            rest, offset = rest[written:], offset + written
        sync(descriptor)


def sync(descriptor: int) -> None:
    """Make written bytes durable; on macOS plain fsync stops at the drive's cache."""
    if hasattr(fcntl, "F_FULLFSYNC"):
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    with _opened(directory, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def _append_zeros(descriptor: int, length: int) -> None:
    rest = length
    while rest > 0:
        rest -= os.write(descriptor, _ZEROS[:rest])
    sync(descriptor)


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _name(descriptor: int) -> str | None:
    """Return where the kernel has an open file, or that it was deleted; nothing where it does not say.

    Unlike `stat`, this does not look at the file's times. Who does makes the next write note new ones, and that cost
    as much as what is saved by writing ahead. Source: Linux 6.13, Documentation/filesystems/multigrain-ts.rst.
    """
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115  # for each group; only compared, as text
    except OSError:
        return None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _damaged(path: Path, what: str) -> JournalDamagedError:
    return JournalDamagedError(
        f"the journal file `{path.name}` {what}", hint="run `watchword audit verify`, then restore the file or restart"
    )
