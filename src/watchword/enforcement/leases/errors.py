"""What can go wrong with leases."""

from __future__ import annotations

from typing import ClassVar

from watchword.kernel import WatchwordError


class LeaseBoardError(WatchwordError):
    """The memory that is shared with the edge cannot be used."""

    code: ClassVar[str] = "enforcement.lease_board"
