"""Do something every few seconds while a node runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from watchword.storage import StorageError

_EVERY_S: Final = 2.0


async def again_and_again(work: Callable[[], Awaitable[None]]) -> None:
    """Wait and work, until cancelled; what the database refuses is tried again the next time."""
    while True:
        await asyncio.sleep(_EVERY_S)
        with suppress(StorageError):
            await work()
