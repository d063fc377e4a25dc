"""A copy of a file that nobody else can change, for whoever maps it into memory.

Whoever writes into a file that is mapped ends the process that reads it (SIGBUS), or makes it read half of each.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from watchword.trust.errors import PlaceDataError

_PIECE: Final = 1 << 20
_MOST_BYTES: Final = 4 << 30  # the largest database on sale is below one


@contextmanager
def own_copy(path: Path) -> Iterator[Path]:
    """Copy a file beside, and forget the copy's name afterwards; what is mapped of it until then stays.

    Raises:
        OSError: it cannot be read, or there is no room for a copy.
        PlaceDataError: it is no file, too large, or somebody writes into it just now.
    """
    if path.exists() and not path.is_file():
        raise PlaceDataError(f"`{path}` is no file")  # a pipe would wait for a writer
    with path.open("rb") as given, NamedTemporaryFile(prefix="watchword-") as copy:
        before = os.fstat(given.fileno())
        if not stat.S_ISREG(before.st_mode) or before.st_size > _MOST_BYTES:
            raise PlaceDataError(f"`{path}` is larger than {_MOST_BYTES >> 30} GB, or no file")
        shutil.copyfileobj(given, copy, _PIECE)
        copy.flush()
        after = os.fstat(given.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise PlaceDataError(f"somebody writes into `{path}`", hint="start again when it is complete")
        yield Path(copy.name)
