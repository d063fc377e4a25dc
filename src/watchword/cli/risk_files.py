"""Files that commands write: known to be writable before long work begins, and readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path

from watchword.kernel import ConfigurationError

_PRIVATE = 0o600


def check_writable(*paths: Path | None) -> None:
    """Find out before long work whether its outcome could be kept.

    Raises:
        ConfigurationError: the folder is not there, or nothing may be written.
    """
    for path in paths:
        if path is None:
            continue
        if not path.parent.is_dir():
            raise ConfigurationError(f"`{path}` cannot be written", hint=f"there is no folder `{path.parent}`")
        if path.is_dir():
            raise ConfigurationError(f"`{path}` is a folder", hint="name a file in it")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ConfigurationError(f"`{path}` cannot be written", hint="nothing may be written there")


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        # Prevents: a report that tells of an organisation's weak spots being readable for everybody on the machine.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE)
    except OSError as error:
        raise ConfigurationError(f"`{path}` cannot be written", hint=str(error.strerror)) from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, _PRIVATE)
        file.write(content)
