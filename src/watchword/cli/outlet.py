"""Standard output as a pipe to somebody else's program, and the file that says how far that program was served."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import struct
import termios
from contextlib import suppress
from io import UnsupportedOperation
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

from watchword.kernel import ConfigurationError

if TYPE_CHECKING:
    from watchword.audit import Position

_LONGEST = 512
_PRIVATE = 0o600


class Outlet:
    """Standard output in bytes.

    Args:
        stream: `sys.stdout`, or what stands in for it.

    Attributes:
        is_terminal: somebody watches.
    """

    def __init__(self, stream: TextIO) -> None:
        self._file = stream.buffer
        self._written = 0
        self.is_terminal = stream.isatty()
        self._descriptor, mode = -1, 0
        with suppress(UnsupportedOperation):  # no file of the system's, but one in memory
            self._descriptor = self._file.fileno()
            mode = os.fstat(self._descriptor).st_mode
        self._is_pipe, self._is_on_disk = stat.S_ISFIFO(mode), stat.S_ISREG(mode)
        self._first = b"\n" if self._is_on_disk and _is_torn(self._descriptor) else b""

    def write(self, piece: bytes) -> int:
        """Write all of it, into a file durably, and return how many bytes were written so far.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        # Prevents: a record that comes again being glued to the half of it that a full disk or a crash left.
        piece, self._first = self._first + piece, b""
        self._file.write(piece)
        self._file.flush()
        if self._is_on_disk:
            os.fdatasync(self._descriptor)
        self._written += len(piece)
        return self._written

    def taken(self) -> int:
        """Return how many bytes the reader has taken out of the pipe so far.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        if not self._is_pipe:
            return self._written
        # Prevents: what still lay in the pipe of a program that died counted as had.
        waiting = struct.unpack("i", fcntl.ioctl(self._descriptor, termios.FIONREAD, bytes(4)))[0]
        poll = select.poll()
        poll.register(self._descriptor, 0)
        if any(event & select.POLLERR for _, event in poll.poll(0)):
            raise BrokenPipeError
        return self._written - int(waiting)

    def give_up(self) -> None:
        """Send nowhere what could not be written, so that leaving does not try it again."""
        if self._descriptor >= 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._descriptor)


def _is_torn(descriptor: int) -> bool:
    """Tell whether a file's last line is half; it was opened for writing alone, perhaps, so that it is opened anew."""
    with suppress(OSError), Path(f"/proc/self/fd/{descriptor}").open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        return file.read() not in {b"", b"\n"}
    return False


class PositionFile:
    """A file that holds a position, for one process at a time.

    It is written in place: a line this short is within one sector, which a disk writes as a whole or not at all.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor

    @classmethod
    def open(cls, path: Path) -> Self:
        """Take the file, or make it.

        Raises:
            ConfigurationError: it cannot be opened, or another process has it.
        """
        try:
            # Prevents: a link that somebody laid there having another file made, or written to.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _PRIVATE)
        except OSError as error:
            why = "is a link" if error.errno == errno.ELOOP else f"cannot be opened ({error.strerror})"
            raise ConfigurationError(f"`{path}` {why}", hint="name a file, or where to make one") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ConfigurationError(f"`{path}` keeps nothing", hint="name a file, or where to make one")
        try:
            # Prevents: two that carry the same records, each ignorant of the other.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise ConfigurationError(f"another process goes by `{path}`", hint="give each a file of its own") from error
        return cls(path, descriptor)

    def read(self) -> Position | None:
        """Return the position; nothing if there is none yet.

        Raises:
            PositionError: something else stands there.
        """
        from watchword.audit import Position, PositionError  # noqa: PLC0415  # quick help

        text = os.pread(self._descriptor, _LONGEST, 0).decode("ascii", "replace").strip()
        try:
            return Position.parse(text) if text else None
        except PositionError as error:
            raise PositionError(f"`{self._path}` holds no position", hint="empty it to begin anew") from error

    def write(self, position: Position) -> None:
        """Replace the position, durably.

        Raises:
            OSError: the disk refuses.
        """
        line = f"{position}\n".encode()
        try:
            os.pwrite(self._descriptor, line, 0)
            os.ftruncate(self._descriptor, len(line))
            os.fsync(self._descriptor)
        except OSError as error:
            error.filename = str(self._path)  # so that nobody looks for it elsewhere
            raise

    def close(self) -> None:
        """Let others have the file."""
        os.close(self._descriptor)
