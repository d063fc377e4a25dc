"""A file in which an application keeps what obligations ask it to record and to tell: one JSON document a line."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from watchword.enforcement.bodies import DataAccess, Notice

_MODE: Final = 0o600


class AccessLog:
    """Append, and return when the line is on disk; whoever collects the file tells Watchword's administrators.

    Lines of several processes do not mix, because each is one write at the end of the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    async def record(self, access: DataAccess) -> None:
        """Keep an access."""
        await asyncio.to_thread(self._append, access.record())

    async def notify(self, notice: Notice) -> None:
        """Keep a notice."""
        visitor = notice.visitor
        line = {
            "type": "access_notice",
            "at": notice.at.isoformat(),
            "decision": visitor.decision,
            "application": visitor.application,
            "user": visitor.subject,
            "told": list(notice.told),
        }
        await asyncio.to_thread(self._append, line)

    def _append(self, line: Mapping[str, Any]) -> None:
        raw = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            # Prevents: half a line on a full disk taken for a record.
            if os.write(file, raw) != len(raw):
                raise OSError("the line was not written whole")
            os.fsync(file)
        finally:
            os.close(file)
