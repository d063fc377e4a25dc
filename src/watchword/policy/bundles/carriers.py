"""Where bundles come from. A carrier brings what is there, unverified, and says nothing when nothing changed."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from watchword.policy.bundles.errors import BundleUnreachableError
from watchword.policy.bundles.folder import Print, footprint, read_parcel
from watchword.policy.bundles.parcel import Parcel


class Carrier(Protocol):
    """Fetch a bundle; blocking, called in a thread, one call at a time."""

    def fetch(self) -> Parcel | None:
        """Return what is there, or nothing if it is what the last call returned or raised `BundleMalformedError` for.

        Raises:
            BundleUnreachableError: it cannot be had now.
            BundleMalformedError: what is there is no bundle.
        """
        ...


class PathCarrier:
    """A tar of an OCI layout, an OCI layout, or a signed folder, on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._print: Print | None = None

    def __repr__(self) -> str:
        return f"PathCarrier({self._path})"

    def fetch(self) -> Parcel | None:
        """Read it if its names, sizes or times changed."""
        try:
            # Taken before the reading: a change in between is seen at the next look.
            found = footprint(self._path)
        except OSError as error:
            self._print = None
            raise BundleUnreachableError(
                f"there is no bundle at `{self._path}` ({error.strerror})",
                hint="put one there with: watchword policies publish",
            ) from error
        if found == self._print:
            return None
        self._print = found
        try:
            return read_parcel(self._path)
        except BundleUnreachableError:
            self._print = None
            raise
