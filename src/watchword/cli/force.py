"""Tell whether a change that was just committed is already what the running node decides by."""

from __future__ import annotations

import asyncio
import json
from time import monotonic
from typing import Any

_ANSWERS_WITHIN_S = 2.0
_WITHIN_S = 3.0
_LOOK_EVERY_S = 0.01


async def in_force(services: Any) -> str:
    """Wait until the node on this machine has followed every commit so far; say how that went."""
    from watchword.storage import newest_position  # noqa: PLC0415  # quick help

    wanted = await newest_position(services.database)
    begun = monotonic()
    status = await ask_node(services.settings.data)
    if status is None:
        return "no node runs on this data directory, so it is in force when one starts"
    while status is not None and status["position"] < wanted:
        if monotonic() - begun > _WITHIN_S:
            return "the running node has not followed yet; it denies by itself when it falls behind"
        await asyncio.sleep(_LOOK_EVERY_S)
        status = await ask_node(services.settings.data)
    return f"in force after {(monotonic() - begun) * 1000:.0f} ms"


async def ask_node(data: Any, *, path: str = "/status") -> dict[str, Any] | None:
    """Ask the node of a data directory how it is; nothing when none answers in good time."""
    from watchword.app import control_socket  # noqa: PLC0415  # quick help

    try:
        async with asyncio.timeout(_ANSWERS_WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(str(control_socket(data)))
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read(-1)
            finally:
                writer.close()
    except OSError:  # a `TimeoutError` is one
        return None
    _, _, body = answer.partition(b"\r\n\r\n")
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
