"""Keep the node's peer groups abreast of what the batch plane found beside it."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Final

from watchword.trust import Habits
from watchword.trust.learning import ModelKeptError
from watchword.trust.learning.batch import PeerGroups, kept_peers, peers_file

_EVERY_S: Final = 5.0
_DIGITS: Final = 12


class PeersAbreast:
    """Follow the peer groups that a night has kept, for those who have no group of their own.

    Args:
        folder: where they are kept.

    Attributes:
        problem: why they cannot be used; nothing while they can, or where there are none.
    """

    def __init__(self, folder: Path, habits: Habits) -> None:
        self._folder = folder
        self._habits = habits
        self._seen: tuple[int, ...] = ()
        self.problem: str | None = None

    async def look(self) -> None:
        """Put newer groups in force, all at once; such as cannot be read leave those before in force."""
        seen = await asyncio.to_thread(self._state)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            groups, version = await asyncio.to_thread(self._read)
        except ModelKeptError as error:
            self.problem = error.message
        else:
            self.problem = None
            self._habits.use_clusters(groups, version)

    async def run(self) -> None:
        """Look again every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.look()

    def _state(self) -> tuple[int, ...]:
        try:
            found = peers_file(self._folder).stat()
        except OSError:
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> tuple[PeerGroups | None, str]:
        groups = kept_peers(self._folder)
        return groups, sha256(groups.to_json().encode()).hexdigest()[:_DIGITS] if groups is not None else ""
