"""The data directory: made on first use, held by one node at a time."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from watchword.app.errors import NodeError

_MODE = 0o700
# The longest socket name put into the run directory, and the system's own bound for the whole path (108 with the NUL).
_LONGEST_SOCKET = "envoy-admin.sock"
_UNIX_PATH_MAX = 107


class DataDirectoryError(NodeError):
    """The data directory cannot be used."""

    code = "app.data_directory"


class AlreadyRunningError(DataDirectoryError):
    """Another node runs on the same data directory."""

    code = "app.already_running"


def prepare(data: Path) -> None:
    """Make the data directory, or prove that it can be written.

    Raises:
        DataDirectoryError: it cannot be made or written, or others may write to it.
    """
    try:
        data.mkdir(mode=_MODE, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data):
            pass
    except FileExistsError:
        raise DataDirectoryError(f"`{data}` is not a directory", hint="choose another with --data") from None
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DataDirectoryError(f"the disk of `{data}` is full", hint="free some space and start again") from error
        raise DataDirectoryError(
            f"the data directory `{data}` cannot be written",
            hint="check its owner and mode, or choose another with --data",
        ) from error
    # Prevents: another account of this machine planting a policy or a database.
    if data.stat().st_mode & 0o022:
        raise DataDirectoryError(f"others may write to `{data}`", hint=f"run: chmod go-w '{data}'")


def hold(data: Path) -> IO[bytes]:
    """Take the data directory for this process; it is given back when the process ends, however it ends.

    Raises:
        AlreadyRunningError: another process has it.
    """
    lock = (data / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise AlreadyRunningError(
            f"another Watchword runs on `{data}`", hint="stop it first, or choose another directory with --data"
        ) from None
    return lock


def run_directory(data: Path) -> Path:
    """Return the directory for sockets: in the data directory, or elsewhere if its path is too long for a socket."""
    inside = data / "run"
    if len(os.fsencode(inside / _LONGEST_SOCKET)) <= _UNIX_PATH_MAX:
        run = inside
    else:
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        run = base / f"watchword-{os.getuid()}-{digest}"
    with suppress(FileExistsError):  # a file, or a link to nowhere; refused below
        run.mkdir(mode=_MODE, exist_ok=True)
    status = run.lstat()
    # Prevents: somebody else making the directory first and reading or replacing the sockets in it.
    if not run.is_dir() or run.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise DataDirectoryError(f"`{run}` does not belong to this user alone", hint="remove it and start again")
    return run


def control_socket(data: Path) -> Path:
    """Return where the running node of a data directory tells how it is."""
    return run_directory(data) / "control.sock"
