"""Put the default policies into a new data directory, once; after that they are the operator's."""

from __future__ import annotations

import shutil
from pathlib import Path

from watchword.policy import DEFAULT_DIRECTORY


def plant_default_policies(directory: Path) -> bool:
    """Copy the default policies into a directory that does not exist yet; tell whether it did.

    A directory that exists is left alone, even when it is empty: an operator who deleted every policy meant it, and
    without policies everything is denied.
    """
    if directory.exists():
        return False
    fresh = directory.with_name(directory.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(DEFAULT_DIRECTORY / "policies", fresh)
    fresh.rename(directory)
    return True
