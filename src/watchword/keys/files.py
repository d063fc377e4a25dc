"""Files that hold a secret: they appear whole or not at all, for their owner alone."""

from __future__ import annotations

import os
from pathlib import Path


def write_new_file(path: Path, text: str) -> None:
    """Write a line into a new file, mode 0600, durably.

    Raises:
        FileExistsError: there is one already. Prevents: replacing a key that sealed data or signatures hang on.
        OSError: it cannot be written; nothing of it stays.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike rename, this refuses an existing name
    finally:
        draft.unlink()
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
